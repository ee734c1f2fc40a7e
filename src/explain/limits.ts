// Explanations of X06xx and X07xx: limits of the kernel, and things that are legal and look wrong.

import { type Explanation, errorEntry, warningEntry } from "./explanation.ts";

/** X06xx and X07xx. */
export const limitExplanations: readonly Explanation[] = [
  errorEntry(
    "X0602",
    "too-much-inlining",
    "functions and loops unfold to too many statements",
    "Functions are inlined where they are called: one that calls another twice, which calls a third twice, and so on, doubles each time. Call the function in fewer places.",
    `fn f0() { if tcp.dport == 23 then drop }\n${Array.from({ length: 20 }, (_, i) => `fn f${i + 1}() { f${i}() f${i}() }\n`).join("")}f20()\n`,
    "fn f0() { if tcp.dport == 23 then drop }\nf0()\n",
  ),
  errorEntry(
    "X0603",
    "too-much-stack",
    "a program needs more than 512 bytes of stack",
    "The kernel gives a program 512 bytes for keys and values on their way to and from maps and for values that don't fit into registers. Use smaller keys and values, or fewer values bound at a time.",
    null,
    null,
  ),
  errorEntry(
    "X0604",
    "too-long",
    "a program has more than a million instructions",
    "The kernel takes up to 1,000,000 instructions. Rules that differ only in their values belong into a set or a map.",
    null,
    null,
  ),
  errorEntry(
    "X0605",
    "needs-newer-kernel",
    "a program needs a newer kernel than --kernel says",
    "--kernel names the oldest kernel that the program must run on. The message says which release brought what the program needs and where that can be checked; `xdpc -v` lists everything a program needs.",
    { text: "program filter frags { if tcp.dport == 23 then drop }\n", options: ["--kernel", "5.4"] },
    { text: "program filter { if tcp.dport == 23 then drop }\n", options: ["--kernel", "5.4"] },
  ),
  errorEntry(
    "X0606",
    "too-much-looping",
    "a loop takes more steps than the kernel's verifier follows",
    "The verifier walks through every turn of a loop before it lets a program in, and gives up after a million instructions. The turns of loops inside each other multiply.",
    "var sum : u64\nfor i in 0..100000 { sum += i }\npass\n",
    "var sum : u64\nfor i in 0..100 { sum += i }\npass\n",
  ),
  warningEntry(
    "X0701",
    "host-bits",
    "a prefix has bits set behind its length",
    "Only the leading bits of a prefix count. 10.1.2.3/8 matches what 10.0.0.0/8 matches; probably the length or the address is mistyped.",
    "if ip.saddr in { 10.1.2.3/8 } then drop\n",
    "if ip.saddr in { 10.0.0.0/8 } then drop\n",
  ),
  warningEntry(
    "X0702",
    "duplicate-element",
    "an element is in the set already",
    "The element, or a range or prefix that covers it, stands before in the same set.",
    "if tcp.dport in { 80, 443, 80 } then drop\n",
    "if tcp.dport in { 80, 443 } then drop\n",
  ),
  warningEntry(
    "X0703",
    "name-cut",
    "the kernel keeps only the first 15 characters of a map's name",
    "Tools that list maps show the name cut, and `bpftool map … name` can't find it by its whole name.",
    "counter packets_to_telnet\nif tcp.dport == 23 then count packets_to_telnet\n",
    "counter telnet\nif tcp.dport == 23 then count telnet\n",
  ),
  warningEntry(
    "X0704",
    "unused-define",
    "a value is given for a constant that doesn't exist",
    "`-D NAME=VALUE` replaces the value of `const NAME`. The files that are compiled declare no constant of that name, so the value has no effect.",
    null,
    null,
  ),
  warningEntry(
    "X0705",
    "lets-fragments-by",
    "a rule that drops by layer 4 lets by what has no readable layer 4",
    "A later fragment, a cut or a malformed packet has no layer 4 to compare, so a rule on its ports is false, and under `default pass` the packet goes up the stack. `opaque` is true for exactly these packets.",
    "if tcp.dport == 23 then drop\n",
    "if opaque then drop\nif tcp.dport == 23 then drop\n",
  ),
];
