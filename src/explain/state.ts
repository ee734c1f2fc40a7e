// Explanations of X04xx and X05xx: presence of headers, maps and actions.

import { type Explanation, errorEntry } from "./explanation.ts";

/** X04xx and X05xx. */
export const stateExplanations: readonly Explanation[] = [
  errorEntry(
    "X0401",
    "maybe-absent",
    "a header may be absent where its field is used",
    "Not every packet has every header, and a packet can be cut anywhere. A comparison with a field of an absent header is simply false; everywhere else the rules must have made sure that the header is there: by `if tcp then …` around the use, or by a verdict before it for the packets without (`if not tcp then pass`). Conditions joined with `and`, `else` branches and functions count too.",
    "counter by_port[u16]\ncount by_port[tcp.dport]\n",
    "counter by_port[u16]\nif tcp then count by_port[tcp.dport]\n",
  ),
  errorEntry(
    "X0402",
    "always-absent",
    "a header is always absent where its field is used",
    "What was tested before excludes this header: in the `else` of `if tcp` there is no TCP header, and no packet has TCP and UDP in the same place.",
    "counter by_port[u16]\nif not tcp then count by_port[tcp.dport]\n",
    "counter by_port[u16]\nif tcp then count by_port[tcp.dport]\n",
  ),
  errorEntry(
    "X0501",
    "bad-map",
    "a map is declared or used in a way its kind doesn't allow",
    "Each kind of map has its own rules, which are the kernel's: a single counter has no entries, an array's index has a bound, a redirect names the entry it goes to. The message says which one is broken.",
    "counter hits\nif tcp then count hits[tcp.dport]\n",
    "counter hits[u16]\nif tcp then count hits[tcp.dport]\n",
  ),
  errorEntry(
    "X0502",
    "needs-if-let",
    "an entry is read without asking whether it is there",
    "A map may have no entry for a key. `if let` binds the entry where there is one; its `else` runs where there is none.",
    "map limits : hash<u16, u32>[64]\nif tcp and limits[tcp.dport] < meta.len then drop\n",
    "map limits : hash<u16, u32>[64]\nif tcp then if let limit = limits[tcp.dport] then if limit < meta.len then drop\n",
  ),
  errorEntry(
    "X0503",
    "narrow-increment",
    "a shared 8- or 16-bit value is incremented",
    "Several CPUs run the program at once. Increments of shared values are atomic so that none gets lost, and the kernel has that for 32 and 64 bits only.",
    "map hits : hash<u16, u8>[64]\nif tcp then hits[tcp.dport] += 1\n",
    "map hits : hash<u16, u64>[64]\nif tcp then hits[tcp.dport] += 1\n",
  ),
  errorEntry(
    "X0504",
    "not-writable",
    "this can't be changed",
    "Constants, settings (`config`, which only a loader changes before loading), `let` values and `meta` fields are read-only for the rules.",
    "config limit : u32 = 100\nlimit = 200\npass\n",
    "var limit : u32 = 100\nlimit = 200\npass\n",
  ),
  errorEntry(
    "X0505",
    "bad-format",
    "a format string doesn't fit its values",
    "Each % in the text of a log takes one value: %u, %d and %x a number (%llu one of 64 bits), %pI4 and %pI6c an address; %% is a percent sign.",
    { text: 'log "from %s", meta.len\npass\n' },
    { text: 'log "from %u", meta.len\npass\n' },
  ),
  errorEntry(
    "X0506",
    "bad-program",
    "an attribute of a program is malformed",
    "Sections are named with letters, digits and `_ . / -`, priorities are 0 to 2147483647. The message says what is wrong.",
    { text: 'program filter section "my section" { pass }\n' },
    { text: 'program filter section "my_section" { pass }\n' },
  ),
  errorEntry(
    "X0507",
    "bad-verdict",
    "a verdict can't be given here",
    "A program in an entry of a devmap or cpumap runs behind a redirect: it can let the packet go on or drop it. tx and a further redirect are for programs at a device.",
    "program on_dev devmap { tx }\n",
    "program on_dev devmap { drop }\n",
  ),
  errorEntry(
    "X0508",
    "only-in-devmap",
    "only a program in a devmap entry knows where the packet goes",
    "`meta.egress_ifindex` is the device a redirect chose. The kernel gives it to programs in entries of a devmap and refuses all others that read it.",
    "program filter { if meta.egress_ifindex == 3 then drop }\n",
    "program on_dev devmap { if meta.egress_ifindex == 3 then drop }\n",
  ),
];
