// Programs that the compiler must refuse, with the place it must point to between « and » and what its words must mention.

import type { RefusedProgram } from "./case.ts";

const needsProof = (name: string, source: string, header: string): RefusedProgram => ({
  name,
  source,
  says: new RegExp(`if ${header}\\b`),
});

export const refusedPrograms: readonly RefusedProgram[] = [
  needsProof("an unproven key", "counter by_port[u16]\ncount by_port[«tcp.dport»]\n", "tcp"),
  needsProof("an unproven let", "let port = «tcp.dport»\nif port == 80 then drop\n", "tcp"),
  needsProof("an unproven assignment", "«ip6.hop_limit» = 3\n", "ip6"),
  needsProof("an unproven swap", "«swap arp.sha, arp.tha»\n", "arp"),
  {
    name: "proven in the other branch",
    source: "if tcp then pass else { let port = «tcp.dport»\n if port == 1 then drop }\n",
    says: /tcp is always absent/,
  },
  needsProof("proven by or only", "counter c[u16]\nif tcp or udp then count c[«tcp.dport»]\n", "tcp"),
  needsProof("a selector was changed", "if ip then { eth.type = 5\n let t = «ip.ttl»\n if t == 1 then drop }\n", "ip"),
  { name: "an unknown field", source: "if tcp.«dprt» == 80 then drop\n", says: /dport/ },
  { name: "an unknown name", source: "if tcp.dport in «prots» then drop\nset ports : u16[4]\n", says: /ports/ },
  { name: "a value too wide for the field", source: "if «tcp.dport == 70000» then drop\n", says: /70000|65535|u16/ },
  { name: "assigning a wider value", source: "var small : u8\nif tcp then small = «tcp.dport»\n", says: /as u8/ },
  { name: "an address for a port", source: "if «tcp.dport == 10.0.0.1» then drop\n" },
  { name: "a set of the wrong type", source: "set ports : u16[4]\nif «ip.saddr in ports» then drop\n" },
  { name: "a shared narrow increment", source: "var small : u16\n«small += 1»\n", says: /atomic|u32|u64/ },
  needsProof("a field that a bit announces", 'if gre then log "%u", «gre.key»\n', "gre.k"),
  {
    name: "a field announced by what is no bit",
    source: "header mine on eth 0x88b5 { a : 8, b : 8 if «a» }\nif mine.b == 1 then drop\n",
    says: /bit/,
  },
  {
    name: "a field behind those that may be missing",
    source: "header mine on eth 0x88b5 { a : 1, r : 7, b : 8 if a, «c» : 8 }\nif mine.b == 1 then drop\n",
    says: /always there/,
  },
  {
    name: "a size beside fields that may be missing",
    source: "header mine on eth 0x88b5 { a : 1, r : 7, b : 8 if a size «r * 2» }\nif mine.b == 1 then drop\n",
    says: /may be missing/,
  },
  {
    name: "a selector that may be missing",
    source:
      "header mine on eth 0x88b5 { a : 1, r : 7, b : 8 if a «next b» }\nheader leaf on mine 1 { v : u8 }\nif leaf then drop\n",
    says: /may be missing/,
  },
  {
    name: "a new header's checksum over what follows",
    source: "if ip then { encap ip { saddr: 10.0.0.1, daddr: 10.0.0.2 } / «gre» { c: 1 } tx }\n",
    says: /covers more than the header/,
  },
  {
    name: "a new header's field whose bit is given as 0",
    source: "if ip then { encap ip { saddr: 10.0.0.1, daddr: 10.0.0.2 } / «gre» { k: 0, key: 5 } tx }\n",
    says: /only where `k` is 1/,
  },
  {
    name: "an entry without if let",
    source: "map m : hash<u16, u64>[4]\nif tcp then { if «m[tcp.dport]» == 1 then drop }\n",
    says: /if let/,
  },
  { name: "recursion", source: "fn f() = «f()»\nif f() then drop\n", says: /itself|recurs/ },
  { name: "a statement after a verdict", source: "drop\n«pass»\n" },
  {
    name: "two statements without braces",
    source: "counter hits\nset bad : ipv4[4]\nif ip.saddr in bad then count hits «drop»\n",
    says: /braces/,
  },
  { name: "a rule beside programs", source: "program a { drop }\n«if tcp then pass»\n" },
  { name: "a name declared twice", source: "const A = 1\nconst «A» = 2\nif meta.len == A then drop\n" },
  { name: "an import that isn't there", source: 'import «"nowhere.xdp"»\ndrop\n' },
  {
    name: "a limiter per no unit of time",
    source: "limiter syns[64] : 10/«fortnight» per ipv4\nif tcp then drop\n",
    says: /unit of time/,
  },
  { name: "a limiter that lets nothing through", source: "limiter syns[64] : «0»/s per ipv4\npass\n", says: /1 to/ },
  { name: "a ring buffer of no power of two", source: "ringbuf events[«10000»]\npass\n", says: /power of two/ },
  { name: "a ring buffer without a size", source: "ringbuf «events»\npass\n", says: /how many bytes/ },
  { name: "a set of prefixes that is lru", source: "set nets : prefix<ipv4>[64] «lru»\npass\n", says: /lru/ },
  { name: "a prefix as a value", source: "map m : hash<u32, «prefix<ipv4>»>[64]\npass\n", says: /prefix/ },
  { name: "a trie without prefixes", source: "map m : lpm_trie<«u32», u32>[64]\npass\n", says: /prefix<ipv4>/ },
  {
    name: "a flag of another kind",
    source: "map m : hash<u32, u32>[64] «mmapable»\npass\n",
    says: /can't be `mmapable`/,
  },
  {
    name: "flags that exclude each other",
    source: "map m : hash<u32, u32>[64] rdonly_prog «wronly_prog»\npass\n",
    says: /both/,
  },
  {
    name: "writing what is read-only",
    source: "map d : hash<u32, u32>[4] rdonly_prog\n«d»[1] = 2\n",
    says: /only read/,
  },
  {
    name: "changing an entry that is read-only",
    source: "map d : hash<u32, u32>[4] rdonly_prog\nif let v = d[1] then «v» += 2\n",
    says: /only read/,
  },
  {
    name: "taking from what is read-only",
    source: "map q : queue<u32>[4] rdonly_prog\nif let v = pop(«q») then drop\n",
    says: /only read/,
  },
  { name: "inserting into what is read-only", source: "set s : u32[4] rdonly_prog\ninsert «s» 1\n", says: /only read/ },
  {
    name: "reading what is write-only",
    source: "map d : hash<u32, u32>[4] wronly_prog\nif let v = «d»[1] then drop\n",
    says: /only write/,
  },
  {
    name: "adding to what is write-only",
    source: "map d : hash<u32, u32>[4] wronly_prog\n«d[1] += 2»\n",
    says: /only write/,
  },
  { name: "membership in a queue", source: "map q : queue<u32>[8]\nif «1 in q» then drop\n", says: /peek/ },
  { name: "an entry of a queue", source: "map q : queue<u32>[8]\nif let v = «q»[1] then drop\n", says: /map/ },
  {
    name: "taking from a bloom filter",
    source: "map b : bloom_filter<u32>[8]\nif let v = pop(«b») then drop\n",
    says: /in b/,
  },
  { name: "inner maps of a type", source: "map m : array_of_maps<«u32»>[8]\npass\n", says: /u32/ },
  { name: "an event for no buffer", source: "counter hits\nemit «hits» 1 as u32\n", says: /ringbuf/ },
  {
    name: "a name of the compiler's own map",
    source: "ringbuf r[4K]\nset «events_lost» : u8[4]\nif 1 in events_lost then emit r 1 as u8\n",
    says: /counts lost events/,
  },
  {
    name: "programs of two kinds in one map",
    source: "prog_array s[4]\nprogram a { tail s[1] }\nprogram b frags { tail «s»[2] }\n",
    says: /frags/,
  },
  {
    name: "contents of a map that user space fills",
    source: "devmap «d»[4] = { a }\nprogram a { pass }\n",
    says: /prog_array/,
  },
  { name: "a program that isn't there", source: "prog_array s[4] = { «b» }\nprogram a { pass }\n" },
  { name: "no program", source: "counter c\nprog_array s[4] = { «c» }\nprogram a { count c }\n", says: /no program/ },
  {
    name: "more programs than places",
    source: "prog_array s[2] = { a, 1: a, «a» }\nprogram a { pass }\n",
    says: /0 to 1/,
  },
  {
    name: "two programs at one place",
    source: "prog_array s[4] = { a, a, «1: a» }\nprogram a { pass }\n",
    says: /twice/,
  },
  {
    name: "programs of two kinds in one map's contents",
    source: "prog_array s[4] = { a, «b» }\nprogram a { pass }\nprogram b frags { pass }\n",
    says: /frags/,
  },
  {
    name: "a program that differs from those that go on by the map",
    source: "prog_array s[4] = { «b» }\nprogram a { tail s[0] }\nprogram b cpumap { pass }\n",
    says: /cpumap/,
  },
  {
    name: "fields under a CRC aren't written",
    source: "if sctp then { «sctp.dport = 9» }\n",
    says: /covers/,
  },
  { name: "a bracket is missing", source: "if tcp.dport in { 80, 443 «then» drop\n" },
  { name: "a tunnel to open that may not be there", source: "«decap»\npass\n", says: /inner\.ip may be absent/ },
  {
    name: "a packet outside is no proof of one inside",
    source: "if ip then { «decap» pass }\n",
    says: /inner\.ip may be absent/,
  },
  {
    name: "a packet to carry that may not be there",
    source: "if udp or arp then { «encap ip { saddr: 10.0.0.1, daddr: 10.0.0.2 }» tx }\n",
    says: /ip may be absent/,
  },
  {
    name: "a field inside after the tunnel is gone",
    source: "if inner.tcp then { decap «inner.tcp.dport» = 2 }\n",
    says: /may be absent/,
  },
  {
    name: "a tunnel to nowhere",
    source: "if ip then { encap ip { saddr: 10.0.0.1, daddr: 10.0.0.2 } / «udp» {} tx }\n",
    says: /nothing is declared that `udp` carries/,
  },
  {
    name: "a length of one's own",
    source: "if ip then { encap ip { saddr: 10.0.0.1, daddr: 10.0.0.2, «tot_len»: 5 } tx }\n",
    says: /worked out/,
  },
  { name: "no such header inside", source: "if «inner.sctpp» then drop\n", says: /sctpp/ },
];
