" Colours for packet rules in Vim and Neovim. A word's part is decided by its neighbours on the line, as the compiler does it: any
" word is a name after a dot and before a colon, few words are reserved, the others are keywords only where they can be. Of what
" begins at one place Vim takes what stands last here.
if exists("b:current_syntax")
  finish
endif

syntax iskeyword @,48-57,_
syntax sync minlines=50

syntax match xdpContextual "\v<%(set|map|counter|limiter|const|config|var|struct|header|fn|import|license|default|program|test|devmap|devmap_hash|cpumap|xskmap|ringbuf|perf|prog_array)>"
syntax match xdpContextual "\v<%(redirect|log|count|insert|delete|swap|flood|forward|tail|emit|sample|push|pop|encap|decap|trim)>"
syntax match xdpContextual "\v<%(from|rfc|on|extends|inner|depth|size|next|when|min|max|optional|section|frags|priority|chain|burst|per|with|packet|expect|times|dev|length|checksum)>"
syntax match xdpContextual "\v<%(lru|pinned|no_prealloc|no_common_lru|numa_node|rdonly|wronly|rdonly_prog|wronly_prog|zero_seed|mmapable|preserve_elems|inner_map)>"
syntax match xdpType "\v<%(u8|u16|u32|u64|bool|ipv4|ipv6|mac|prefix)>"

" Names because of what follows.
syntax match xdpName "\v<\h\w*>\ze\s*%(\.[^.]|\[|%([-+*/%&|^]|\<\<|\>\>)?\=[^=>]|%([-+*/%&|^]|\<\<|\>\>)?\=$|\=\=|!\=)"
syntax match xdpType "\v<%(u8|u16|u32|u64|bool|ipv4|ipv6|mac)>\ze\s*\["

syntax match xdpConditional "\v<%(if|then|else|switch|for)>"
syntax match xdpOperator "\v<%(as|in|exceeds|and|or|not)>"
syntax match xdpVerdict "\v<%(pass|drop|tx|aborted)>"
syntax match xdpDeclare "\v<let>"
syntax match xdpNumber "\v<%(true|false)>"

" What is declared.
syntax match xdpContextual "\v<%(struct|header)>\ze\s+\h" nextgroup=xdpTypeName skipwhite
syntax match xdpContextual "\v<%(fn|program)>\ze\s+\h" nextgroup=xdpFunction skipwhite
syntax match xdpContextual "\v<%(set|map|counter|limiter|const|config|var|devmap|devmap_hash|cpumap|xskmap|ringbuf|perf|prog_array)>\ze\s+\h" nextgroup=xdpIdentifier skipwhite
syntax match xdpContextual "\v<const\s+set>\ze\s+\h" nextgroup=xdpIdentifier skipwhite
syntax match xdpDeclare "\v<let>\ze\s+\h" nextgroup=xdpIdentifier skipwhite
syntax match xdpTypeName "\v<\h\w*>" contained
syntax match xdpFunction "\v<\h\w*>" contained
syntax match xdpIdentifier "\v<\h\w*>" contained

" A program's attributes look like declarations.
syntax match xdpContextual "\v<%(devmap|cpumap)>\ze\s+%(frags|section|priority|chain)>"

" A name whatever word it is. The colon is none of an address's.
syntax match xdpLabel "\v<\h\w*>\ze\s*:%(\x*:)@!"
syntax match xdpMember "\v\.@1<!\.\s*\h\w*"

" The longest run that could be one literal, as the compiler takes it.
syntax match xdpNumber "\v<\d\w*%(%(\.\d\w*)+%(/\d\w*)?)?"
syntax match xdpAddress "\v<\d+\.\d+\.\d+\.\d+%(/\d+)?"
syntax match xdpAddress "\v%(\w)@1<!\x*%(:\x*){2,}\w*%(\.\w+)*%(/\w+)?"

syntax match xdpEscape "\v\\%([ntr"\\]|x\x{2}|u\{\x{1,6}\})" contained
syntax match xdpFormat "\v\%%(\%|pI4|pI6c?|l{0,2}[dixXu])" contained
syntax region xdpString start=+"+ skip=+\\.+ end=+"+ end=+$+ oneline contains=xdpEscape,xdpFormat
syntax match xdpComment "#.*$" contains=xdpTodo,@Spell
syntax keyword xdpTodo TODO FIXME XXX contained
syntax match xdpForeign "//.*$"
syntax region xdpForeign start="/\*" end="\*/"

highlight default link xdpContextual Statement
highlight default link xdpConditional Conditional
highlight default link xdpOperator Operator
highlight default link xdpVerdict Statement
highlight default link xdpDeclare Statement
highlight default link xdpType Type
highlight default link xdpTypeName Type
highlight default link xdpFunction Function
highlight default link xdpIdentifier Identifier
highlight default link xdpNumber Number
highlight default link xdpAddress Constant
highlight default link xdpString String
highlight default link xdpEscape SpecialChar
highlight default link xdpFormat Special
highlight default link xdpComment Comment
highlight default link xdpTodo Todo
highlight default link xdpForeign Error

let b:current_syntax = "xdp"
