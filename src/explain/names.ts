// Explanations of X02xx: names and declarations.

import { type Explanation, errorEntry } from "./explanation.ts";

/** X02xx. */
export const nameExplanations: readonly Explanation[] = [
  errorEntry(
    "X0201",
    "duplicate-name",
    "a name is declared twice",
    "Maps, programs, constants, functions and headers share one set of names, also across imported files. Names of the library may be declared anew; the user's own then count.",
    "counter hits\nset hits : u16[64]\nif tcp.dport in hits then drop\n",
    "counter hits\nset ports : u16[64]\nif tcp.dport in ports then { count hits drop }\n",
  ),
  errorEntry(
    "X0202",
    "unknown-name",
    "nothing has this name",
    "The name is declared neither in this file, nor in what it imports, nor in the library. The message proposes the nearest one.",
    "if tpc.dport == 23 then drop\n",
    "if tcp.dport == 23 then drop\n",
  ),
  errorEntry(
    "X0203",
    "unknown-field",
    "a header or struct has no such field",
    "The message lists the fields there are.",
    "if tcp.port == 23 then drop\n",
    "if tcp.dport == 23 then drop\n",
  ),
  errorEntry(
    "X0204",
    "wrong-kind-of-name",
    "a name of one kind stands where another kind is needed",
    "A counter is counted, a set is looked up, a map of devices is redirected to: each statement takes the kind of thing it works on.",
    "set ports : u16[64]\ncount ports\npass\n",
    "counter hits\ncount hits\npass\n",
  ),
  errorEntry(
    "X0205",
    "recursion",
    "a declaration refers to itself",
    "Functions are inlined where they are called, and constants and types are worked out when the rules are compiled, so none may lead back to itself, not even through others.",
    "fn a() = tcp.syn and b()\nfn b() = a()\nif a() then drop\n",
    "fn a() = tcp.syn and b()\nfn b() = not tcp.ack\nif a() then drop\n",
  ),
  errorEntry(
    "X0206",
    "rule-beside-programs",
    "a rule stands outside the program blocks",
    "In a file with program blocks each rule belongs to one of them. Declarations stay outside.",
    "program filter { if tcp.dport == 23 then drop }\ndrop\n",
    "program filter { if tcp.dport == 23 then drop }\n",
  ),
  errorEntry(
    "X0207",
    "no-program",
    "the file has no rules",
    "An object without a program can't be attached. A file meant only to be imported is compiled through the file that imports it.",
    "set ports : u16[64]\n",
    "set ports : u16[64]\nif tcp.dport in ports then drop\n",
  ),
  errorEntry(
    "X0208",
    "bad-header",
    "a header's declaration doesn't hold together",
    "A header's fields fill whole bytes, its size comes from one of its fields, and it hangs at other headers by values of their selecting fields. The message says what is wrong in this one.",
    "header shim on eth 0x88b5 { kind : 4, port : u16 }\nif shim.port == 23 then drop\n",
    "header shim on eth 0x88b5 { kind : 4, spare : 4, port : u16 }\nif shim.port == 23 then drop\n",
  ),
  errorEntry(
    "X0209",
    "long-name",
    "a name is longer than the object's format allows",
    "Names of maps, variables and programs are written into the object's type information (BTF), where the kernel takes up to 127 characters.",
    `counter ${"very_".repeat(26)}long\ncount ${"very_".repeat(26)}long\npass\n`,
    "counter hits\ncount hits\npass\n",
  ),
];
