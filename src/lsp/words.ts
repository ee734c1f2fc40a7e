// The words of the language and its builtins as an editor tells them: what each means in a sentence or two, and what it looks like when
// it is written for the first time. One table for hover and completion. Knows nothing of positions or the protocol; that it
// has every word of the grammar is held by a test.

/** Where a word may begin something. */
export type WordPlace =
  /** At file level only. */
  | "declaration"
  | "statement"
  /** A statement that ends the program; it also stands behind `or`, `default` and `expect`. */
  | "verdict"
  | "type"
  /** A kernel map type behind `map name :`. */
  | "mapKind"
  /** Behind the size of a set or map. */
  | "attribute"
  /** Behind a program's name. */
  | "program"
  /** In a condition or between two operands. */
  | "operator"
  /** What may begin a value or condition. */
  | "value"
  /** Only inside a header's declaration. */
  | "header"
  /** Only inside a test. */
  | "test"
  /** Wherever the grammar wants it; never offered alone. */
  | "part";

/** One word of the language. */
export interface Word {
  readonly word: string;
  readonly places: readonly WordPlace[];
  /** How it is written, as code: one line. */
  readonly form: string;
  /** What it does, in Markdown. */
  readonly text: string;
  /** What completion inserts, its gaps as `«text»`, choices as `«a|b»`; null: the word alone. */
  readonly snippet: string | null;
}

const row = (word: string, places: string, form: string, text: string, snippet: string | null = null): Word => ({
  word,
  places: places.split(" ") as WordPlace[],
  form,
  text,
  snippet,
});

const ROWS: readonly Word[] = [
  // Declarations
  row(
    "set",
    "declaration",
    "set NAME : TYPE[SIZE]",
    "Keys that user space or rules put in while the program runs: a hash map, with `lru` one that forgets the keys used least recently, of `prefix<ipv4>` or `prefix<ipv6>` an LPM trie.",
    "set «name» : «ipv4»[«1024»]",
  ),
  row(
    "map",
    "declaration",
    "map NAME : KIND<KEY, VALUE>[SIZE]",
    "A kernel map of the kind named. Reading an entry needs `if let e = m[k] then …`, because it may be missing.",
    "map «name» : «hash»<«ipv4», «u64»>[«1024»]",
  ),
  row(
    "counter",
    "declaration",
    "counter NAME, NAME[KEY]",
    "Packets and bytes, counted on each CPU by `count NAME`. With a key, one counter for each value of it.",
    "counter «name»",
  ),
  row(
    "limiter",
    "declaration",
    "limiter NAME[SIZE] : RATE/UNIT burst N per KEY",
    "A token bucket for each key. `key exceeds NAME` is true for a packet that is one too many.",
    "limiter «name»[«65536»] : «1000»/s burst «200» per «ipv4»",
  ),
  row(
    "xskmap",
    "declaration mapKind",
    "xskmap NAME[SIZE]",
    "AF_XDP sockets by receive queue, for `redirect NAME`.",
    "xskmap «xsk»[«64»]",
  ),
  row(
    "devmap",
    "declaration mapKind program",
    "devmap NAME[SIZE]",
    "Devices by index, for `redirect NAME[key]` and `flood NAME`. Behind a program's name: it runs in a devmap's entry, on the way out of a device (section `xdp/devmap`).",
    "devmap «ports»[«64»]",
  ),
  row(
    "devmap_hash",
    "declaration mapKind",
    "devmap_hash NAME[SIZE]",
    "Devices by any number, for `redirect NAME[key]` and `flood NAME`. Linux 5.4.",
    "devmap_hash «uplinks»[«64»]",
  ),
  row(
    "cpumap",
    "declaration mapKind program",
    "cpumap NAME[SIZE]",
    "CPUs by number, for `redirect NAME[cpu]`. Behind a program's name: it runs on the CPU that a packet was sent to (section `xdp/cpumap`).",
    "cpumap «cpus»[«16»]",
  ),
  row(
    "ringbuf",
    "declaration mapKind",
    "ringbuf NAME[BYTES]",
    "A ring buffer shared by all CPUs, for `emit` and `sample`: a power of two bytes, at least 4096. Linux 5.8.",
    "ringbuf «events»[«256K»]",
  ),
  row("perf", "declaration", "perf NAME", "Buffers for `emit` and `sample`, one for each CPU.", "perf «samples»"),
  row(
    "prog_array",
    "declaration mapKind",
    "prog_array NAME[SIZE]",
    "Programs to go on with, for `tail NAME[index]`.",
    "prog_array «stages»[«8»]",
  ),
  row(
    "const",
    "declaration",
    "const NAME = VALUE",
    'A value known while compiling; `const set NAME : TYPE from "FILE"` is a set that lives in the object and needs no filling.',
    "const «NAME» = «value»",
  ),
  row(
    "config",
    "declaration",
    "config NAME : TYPE = VALUE",
    "A read-only value that a loader may change before the program is loaded (in `.rodata`).",
    "config «name» : «u32» = «0»",
  ),
  row("var", "declaration", "var NAME : TYPE = VALUE", "A global variable, shared by all CPUs.", "var «name» : «u64»"),
  row(
    "struct",
    "declaration",
    "struct NAME { FIELD : TYPE, … }",
    "A C layout with names, for map keys, values and events. Padding is always zero.",
    "struct «Name» { «field» : «u32» }",
  ),
  row(
    "fn",
    "declaration",
    "fn NAME(a : TYPE) = VALUE  or  { … }",
    "A value, a condition or statements with a name. Functions are inlined; a verdict in a body ends the program.",
    "fn «name»(«») = «condition»",
  ),
  row(
    "header",
    "declaration",
    "header NAME on PARENT VALUE { FIELD : TYPE, … }",
    "A protocol: its fields, and at which value of which parent's selector it hangs.",
    'header «name» "«title»" on «udp» «9999» {\n\t«field» : «u32»\n}',
  ),
  row(
    "program",
    "declaration",
    "program NAME { … }",
    "One of several programs of a file, in section `xdp` unless it says otherwise (`section`, `frags`, `devmap`, `cpumap`).",
    "program «name» {\n\t«»\n}",
  ),
  row(
    "import",
    "declaration",
    'import "FILE"  or  import std.NAME',
    "Brings another file's declarations, never its rules or tests.",
    'import "«common.xdp»"',
  ),
  row(
    "license",
    "declaration",
    'license "GPL"',
    "The licence that the kernel is told; `GPL` unless said.",
    'license "«GPL»"',
  ),
  row(
    "default",
    "declaration statement",
    "default VERDICT",
    "What a packet gets that no rule decided, and an empty entry of a redirect. `pass` unless said.",
    "default «drop|pass»",
  ),
  row(
    "test",
    "declaration",
    'test "TITLE" { packet … expect … }',
    "Packets and what the rules should do with them; run by `xdpc test`.",
    'test "«title»" {\n\tpacket eth / ip / «tcp(dport: 80)»\n\texpect «pass»\n}',
  ),
  // Statements
  row(
    "if",
    "statement",
    "if CONDITION then STATEMENT else STATEMENT",
    "One statement, or several in braces. A comparison on a field of an absent header is false.",
    "if «condition» then «»",
  ),
  row(
    "switch",
    "statement",
    "switch VALUE { PATTERN, … => STATEMENT  else => STATEMENT }",
    "Takes the first arm one of whose patterns has the value; there is no falling through.",
    "switch «eth.type» {\n\t«ipv4, ipv6» => «pass»\n\telse => «drop»\n}",
  ),
  row(
    "for",
    "statement part",
    "for NAME in FROM..TO { … }",
    "A loop with constant ends, both included. Behind a test's title: which program it is for.",
    "for «i» in «0»..«7» {\n\t«»\n}",
  ),
  row(
    "let",
    "statement part",
    "let NAME = VALUE",
    "Names a value for what follows in the block; `if let NAME = MAP[KEY] then …` binds a map's entry where there is one.",
    "let «name» = «value»",
  ),
  row(
    "redirect",
    "statement",
    "redirect MAP[KEY] or VERDICT  or  redirect dev NAME",
    "Sends the packet to an AF_XDP socket, a device or a CPU. An empty entry gives the verdict behind `or`, or the program's default.",
    "redirect «target»",
  ),
  row(
    "flood",
    "statement",
    "flood DEVMAP",
    "A copy to every device of the map but the one the packet came in by. Linux 5.14.",
    "flood «ports»",
  ),
  row(
    "forward",
    "statement",
    "forward or VERDICT",
    "What the kernel's own forwarding would do: route, TTL, MAC addresses, out. What needs more goes up the stack.",
    "forward",
  ),
  row(
    "tail",
    "statement",
    "tail STAGES[INDEX] or VERDICT",
    "Goes on in another program and never comes back.",
    "tail «stages»[«0»]",
  ),
  row(
    "log",
    "statement",
    'log "FORMAT", VALUE, …',
    "A line for the kernel's trace pipe. `%u %x %llu`, `%pI4` for IPv4, `%pI6c` for IPv6.",
    'log "«text»"',
  ),
  row("count", "statement", "count COUNTER", "Adds one packet and its bytes to a counter.", "count «counter»"),
  row(
    "insert",
    "statement",
    "insert SET KEY or VERDICT",
    "Puts a key into a set, or a value into a queue, stack or bloom filter. Goes on when it is full, unless a verdict stands behind `or`.",
    "insert «set» «key»",
  ),
  row("delete", "statement", "delete MAP KEY", "Takes an entry out of a set or map.", "delete «set» «key»"),
  row(
    "swap",
    "statement",
    "swap FIELD, FIELD",
    "Exchanges two fields of one type; checksums stay right.",
    "swap «eth.saddr», «eth.daddr»",
  ),
  row(
    "emit",
    "statement",
    "emit BUFFER VALUE or VERDICT",
    "Sends a value to user space through a ring buffer or perf.",
    "emit «events» «value»",
  ),
  row(
    "sample",
    "statement",
    "sample BUFFER max BYTES or VERDICT",
    "Sends the packet's first bytes to user space.",
    "sample «events» max «96»",
  ),
  row(
    "push",
    "statement",
    "push HEADER VALUE",
    "Puts a header in right behind the one that begins the packet.",
    "push «vlan» «100»",
  ),
  row(
    "pop",
    "statement value",
    "pop HEADER  or  if let v = pop(QUEUE) then …",
    "Takes a header out of the packet; as a call, the next value out of a queue or stack.",
    "pop «vlan»",
  ),
  row(
    "encap",
    "statement",
    "encap HEADER { FIELD: VALUE, … } / …",
    "New headers in front of the packet; lengths, checksums and selectors are filled in.",
    "encap «ip» { saddr: «», daddr: «» }",
  ),
  row("decap", "statement", "decap", "Takes the outer headers of a tunnel away.", "decap"),
  row("trim", "statement", "trim BYTES", "Keeps the first bytes of a packet that is longer.", "trim «96»"),
  // Verdicts
  row("pass", "verdict", "pass", "Up the stack, as if there were no program."),
  row("drop", "verdict", "drop", "The packet is gone, silently."),
  row("tx", "verdict", "tx", "Back out of the device it came in by."),
  row("aborted", "verdict", "aborted", "Dropped, and traced as an error (`xdp:xdp_exception`)."),
  // Types
  row("u8", "type", "u8", "An unsigned integer of 8 bits."),
  row("u16", "type", "u16", "An unsigned integer of 16 bits, in host byte order in memory."),
  row("u32", "type", "u32", "An unsigned integer of 32 bits, in host byte order in memory."),
  row("u64", "type", "u64", "An unsigned integer of 64 bits, in host byte order in memory."),
  row("bool", "type", "bool", "True or false; one byte in memory."),
  row("ipv4", "type", "ipv4", "An IPv4 address, in network byte order in memory."),
  row("ipv6", "type", "ipv6", "An IPv6 address, in network byte order in memory."),
  row("mac", "type", "mac", "An Ethernet address: six bytes."),
  row(
    "prefix",
    "type",
    "prefix<ipv4>",
    "An address and how many of its bits count: the key of an LPM trie, or an element of a constant set.",
    "prefix<«ipv4|ipv6»>",
  ),
  // Kernel map types
  row(
    "hash",
    "mapKind value",
    "map m : hash<K, V>[n]",
    "A hash map. As a call, `hash(a, b, …)`: values mixed into a `u32`.",
    "hash<«ipv4», «u64»>[«1024»]",
  ),
  row(
    "array",
    "mapKind",
    "map m : array<V>[n]",
    "Values by a `u32` index; all are there from the start.",
    "array<«u64»>[«1»]",
  ),
  row(
    "lru_hash",
    "mapKind",
    "map m : lru_hash<K, V>[n]",
    "A hash map that forgets the entries used least recently when it is full.",
    "lru_hash<«ipv4», «u64»>[«65536»]",
  ),
  row(
    "percpu_hash",
    "mapKind",
    "map m : percpu_hash<K, V>[n]",
    "A hash map with a value for each CPU.",
    "percpu_hash<«ipv4», «u64»>[«1024»]",
  ),
  row(
    "percpu_array",
    "mapKind",
    "map m : percpu_array<V>[n]",
    "An array with a value for each CPU.",
    "percpu_array<«u64»>[«1»]",
  ),
  row(
    "lru_percpu_hash",
    "mapKind",
    "map m : lru_percpu_hash<K, V>[n]",
    "`lru_hash` with a value for each CPU.",
    "lru_percpu_hash<«ipv4», «u64»>[«65536»]",
  ),
  row(
    "lpm_trie",
    "mapKind",
    "map m : lpm_trie<prefix<ipv4>, V>[n]",
    "Values by prefix; a lookup finds the longest one.",
    "lpm_trie<prefix<«ipv4»>, «u32»>[«1024»]",
  ),
  row(
    "queue",
    "mapKind",
    "map q : queue<V>[n]",
    "Values, first in, first out: `insert`, `pop(q)`, `peek(q)`. Linux 4.20.",
    "queue<«u16»>[«1024»]",
  ),
  row(
    "stack",
    "mapKind",
    "map s : stack<V>[n]",
    "Values, last in, first out: `insert`, `pop(s)`, `peek(s)`. Linux 4.20.",
    "stack<«u16»>[«1024»]",
  ),
  row(
    "bloom_filter",
    "mapKind",
    "map b : bloom_filter<V>[n]",
    "Says of a value whether it may have been put in. Linux 5.16.",
    "bloom_filter<«ipv4»>[«100000»]",
  ),
  row(
    "hash_of_maps",
    "mapKind",
    "map m : hash_of_maps<K, t>[n]",
    "Maps like `t` by a key.",
    "hash_of_maps<«u16», «inner»>[«64»]",
  ),
  row(
    "array_of_maps",
    "mapKind",
    "map m : array_of_maps<t>[n]",
    "Maps like `t` by an index.",
    "array_of_maps<«inner»>[«64»]",
  ),
  row(
    "perf_event_array",
    "mapKind",
    "map p : perf_event_array[n]",
    "What `perf` declares, by the kernel's name.",
    "perf_event_array[«64»]",
  ),
  // Attributes
  row("lru", "attribute", "set s : K[n] lru", "Forgets the keys used least recently when it is full (lru_hash)."),
  row("pinned", "attribute", "map … pinned", "The loader pins it by name, and finds it again."),
  row(
    "no_prealloc",
    "attribute",
    "map … no_prealloc",
    "Memory for an entry is taken when it is made (BPF_F_NO_PREALLOC).",
  ),
  row(
    "no_common_lru",
    "attribute",
    "map … no_common_lru",
    "Each CPU has a list of its own of what was used last (BPF_F_NO_COMMON_LRU).",
  ),
  row("numa_node", "attribute", "map … numa_node", "Memory of node 0 (BPF_F_NUMA_NODE)."),
  row("rdonly", "attribute", "map … rdonly", "User space may only read it (BPF_F_RDONLY)."),
  row("wronly", "attribute", "map … wronly", "User space may only write it (BPF_F_WRONLY)."),
  row("rdonly_prog", "attribute", "map … rdonly_prog", "Rules may only read it (BPF_F_RDONLY_PROG)."),
  row("wronly_prog", "attribute", "map … wronly_prog", "Rules may only write it (BPF_F_WRONLY_PROG)."),
  row("zero_seed", "attribute", "map … zero_seed", "Hashes without a random seed: for tests only (BPF_F_ZERO_SEED)."),
  row("mmapable", "attribute", "map … mmapable", "User space may map an array's memory (BPF_F_MMAPABLE)."),
  row(
    "preserve_elems",
    "attribute",
    "perf … preserve_elems",
    "Entries stay when the one who put them in is gone (BPF_F_PRESERVE_ELEMS).",
  ),
  row("inner_map", "attribute", "map … inner_map", "An array that may be an inner map of any size (BPF_F_INNER_MAP)."),
  // Attributes of programs
  row(
    "section",
    "program",
    'program NAME section "xdp" { … }',
    "The ELF section, by which loaders find the program.",
    'section "«xdp»"',
  ),
  row(
    "frags",
    "program",
    "program NAME frags { … }",
    "Takes packets of several buffers (section `xdp.frags`). Linux 5.18.",
  ),
  row(
    "priority",
    "program",
    "program NAME priority 10 { … }",
    "Where the program runs in libxdp's chain: lower numbers first.",
    "priority «50»",
  ),
  row(
    "chain",
    "program",
    "program NAME chain pass, tx { … }",
    "After which verdicts libxdp's chain goes on with the next program.",
    "chain «pass»",
  ),
  // Operators and values
  row("and", "operator", "A and B", "True where both are; B is judged knowing that A holds."),
  row(
    "or",
    "operator",
    "A or B",
    "True where either is. Before a verdict: what happens when the statement can't be done.",
  ),
  row("not", "value", "not A", "True where A isn't: also where A is a comparison on an absent header."),
  row(
    "in",
    "operator",
    "VALUE in SET",
    "Membership in a set, a map or `{ 80, 443, 8000..8999 }`. False where the header is absent.",
  ),
  row(
    "exceeds",
    "operator",
    "KEY exceeds LIMITER",
    "True for a packet that is one too many for its key; each test counts.",
  ),
  row("as", "operator", "VALUE as TYPE", "The value in another type; a narrower one takes the low bits."),
  row("then", "part", "if CONDITION then STATEMENT", "Separates a condition from what is done."),
  row("else", "part", "if … then … else …", "Belongs to the nearest `if`; in a `switch`, the arm for everything else."),
  row("true", "value", "true", "The `bool` that is true."),
  row("false", "value", "false", "The `bool` that is false."),
  row(
    "opaque",
    "value",
    "opaque",
    "True for a packet whose layer 4 can't be read though one is announced: cut, malformed, a later fragment, or beyond the depth limit.",
  ),
  row("meta", "value", "meta.len", "What is known of a packet besides its bytes."),
  row("inner", "value header", "inner.ip.saddr", "What a tunnel carries: names behind it mean the packet inside."),
  row("random", "value", "random()", "A new `u32` each time.", "random()"),
  row(
    "fib_lookup",
    "value",
    "fib_lookup(saddr, daddr, tos, length)",
    "The kernel's route for a packet: `result` (0: found, with a neighbour), `ifindex`, `smac`, `dmac`.",
    "fib_lookup(«ip.saddr», «ip.daddr», «0», «ip.tot_len»)",
  ),
  row(
    "peek",
    "value",
    "if let v = peek(QUEUE) then …",
    "The next value of a queue or stack, which stays there.",
    "peek(«queue»)",
  ),
  // Parts of declarations
  row("burst", "part", "burst N", "How many packets a limiter lets through at once."),
  row("per", "part", "per TYPE", "The type of a limiter's key."),
  row("from", "part", 'from "FILE"', "Reads a constant set's elements from a file, one a line."),
  row(
    "dev",
    "part",
    'redirect dev "eth1"',
    "A device by name or index. A name becomes the config value `ifindex_eth1`, which a loader fills in.",
  ),
  row("max", "part", "sample BUFFER max BYTES", "How many bytes of the packet a sample has at most."),
  row("rfc", "header", "rfc 791", "The document that defines the protocol."),
  row("on", "header", "on PARENT VALUE, …", "Where the header hangs: at which values of its parents' selectors."),
  row(
    "extends",
    "header",
    "extends PARENT VALUE",
    "A header that is transparent to what follows, as IPv6's extension headers.",
  ),
  row("depth", "header", "depth N", "How often a header may follow itself."),
  row("size", "header", "size BYTES min BYTES", "The header's whole length, over its own fields."),
  row("min", "header", "min BYTES", "The least sane size."),
  row("next", "header", "next FIELD, … when CONDITION", "Which fields tell what follows."),
  row("when", "header", "when CONDITION", "Only then something follows that can be read."),
  row("length", "header", "FIELD : u16 length(header, payload)", "A field that holds how long these parts are."),
  row(
    "checksum",
    "header",
    "FIELD : u16 checksum(pseudo, header, payload)",
    "A field that holds the sum over these parts; it is kept right.",
  ),
  row("optional", "header", "checksum(…) optional", "Zero means that there is no checksum."),
  row(
    "packet",
    "test",
    "packet eth / ip(saddr: 10.0.0.1) / tcp(dport: 80)",
    "Builds a packet and sends it through the program.",
    "packet eth / ip / «tcp(dport: 80)»",
  ),
  row(
    "expect",
    "test",
    "expect VERDICT  or  expect CONDITION",
    "What must have become of the packet, or what must hold of the state.",
    "expect «pass»",
  ),
  row("times", "test", "packet … times N", "Sends the packet so many times."),
  row("with", "test", 'test "…" with meta.rx_queue_index = 3', "What the test's packets are to come with."),
];

/** A snippet in LSP's spelling: `«name»` becomes the tab stop `${1:name}`. */
export function snippetOf(gaps: string): string {
  let stop = 0;
  return gaps.replace(/«([^»]*)»/g, (_all, text: string) => {
    stop += 1;
    const open = `\${${stop}`;
    if (text === "") return `$${stop}`;
    return text.includes("|") ? `${open}|${text.replaceAll("|", ",")}|}` : `${open}:${text}}`;
  });
}

/** Every word of the language and each builtin, by its text. */
export const WORDS: ReadonlyMap<string, Word> = new Map(ROWS.map((word) => [word.word, word]));

/** What `meta.` offers: its type's name and what it is. */
export const META_FIELDS: ReadonlyMap<string, { readonly type: string; readonly text: string }> = new Map([
  ["len", { type: "u32", text: "The packet's length in bytes, all its buffers together." }],
  ["ingress_ifindex", { type: "u32", text: "The index of the device it came in by." }],
  ["rx_queue_index", { type: "u32", text: "The receive queue it came in by." }],
  [
    "egress_ifindex",
    { type: "u32", text: "The index of the device it is about to leave by: in `devmap` programs only. Linux 5.8." },
  ],
  ["cpu", { type: "u32", text: "The CPU that runs the program." }],
  ["now", { type: "u64", text: "Nanoseconds since the machine started, without suspended time." }],
]);
