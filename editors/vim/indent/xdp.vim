" Indentation of packet rules: by the brackets around a line, and one step more for a body, a condition or a packet that goes on.
if exists("b:did_indent")
  finish
endif
let b:did_indent = 1

setlocal autoindent indentexpr=XdpIndent(v:lnum)
setlocal indentkeys=0{,0},0),0],0/,!^F,o,O,e
let b:undo_indent = "setlocal autoindent< indentexpr< indentkeys<"

if exists("*XdpIndent")
  finish
endif

" The code of a line: without comment, without white space at its ends.
function s:code(number)
  return trim(matchstr(getline(a:number), '^\%([^"#]\|"\%([^"\\]\|\\.\)*"\?\)*'))
endfunction

" The column at which the text of a line belongs.
function XdpIndent(number)
  let code = s:code(a:number)
  let skip = 'synIDattr(synID(line("."), col("."), 1), "name") =~# "xdp\\%(String\\|Escape\\|Format\\|Comment\\)"'
  call cursor(a:number, 1)
  let opening = searchpair('[{([]', '', '[])}]', 'bnW', skip)
  let base = opening > 0 ? indent(opening) : 0
  " A block that is opened where a statement goes on belongs to the statement.
  if opening > 0 && s:code(opening) =~# '\v^%(on|extends|and|or)>'
    let base -= shiftwidth()
  endif
  if code =~# '^[])}]'
    return base
  endif
  if opening > 0
    let base += shiftwidth()
  endif
  let above = prevnonblank(a:number - 1)
  while above > 0 && s:code(above) ==# ''
    let above = prevnonblank(above - 1)
  endwhile
  let before = s:code(above)
  let goes_on = before =~# '\v%(<then|<else|\=\>|<and|<or|<packet|<not)$'
        \ || code =~# '\v^%(/|and>|or>)'
        \ || (before =~# '^header\>' && code =~# '\v^%(on|extends)>')
        \ || (before =~# '^expect\>' && code =~# '\v^%(%(expect|packet)>)@!\h\w*\s*%(\(|/)')
  return goes_on ? base + shiftwidth() : base
endfunction
