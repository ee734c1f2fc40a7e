// Explanations of X03xx: types and values.

import { type Explanation, errorEntry } from "./explanation.ts";

/** X03xx. */
export const typeExplanations: readonly Explanation[] = [
  errorEntry(
    "X0301",
    "type-mismatch",
    "a value has another type than is needed",
    "Addresses, MACs, numbers, tuples and structs are kept apart: an IPv4 address is compared with an IPv4 address, and a key has its map's key type.",
    "if tcp.dport == 10.0.0.1 then drop\n",
    "if ip.saddr == 10.0.0.1 then drop\n",
  ),
  errorEntry(
    "X0302",
    "does-not-fit",
    "a constant doesn't fit its type",
    "A u8 holds 0 to 255, a u16 up to 65,535, a u32 up to 4,294,967,295. A comparison with a larger constant could never be true.",
    "if tcp.dport == 70000 then drop\n",
    "if tcp.dport == 7000 then drop\n",
  ),
  errorEntry(
    "X0303",
    "may-not-fit",
    "a wider value is put into a narrower place",
    "The value may be larger than the place holds. If the low bits are what is wanted, say so with `as`.",
    "var last : u8\nif tcp then last = tcp.dport\n",
    "var last : u8\nif tcp then last = tcp.dport as u8\n",
  ),
  errorEntry(
    "X0304",
    "not-constant",
    "a constant is needed here",
    "Sizes, bounds of loops, initial values and elements of sets in the rules are worked out when the rules are compiled.",
    "set ports : u16[meta.len]\nif tcp.dport in ports then drop\n",
    "const MOST = 1024\nset ports : u16[MOST]\nif tcp.dport in ports then drop\n",
  ),
  errorEntry(
    "X0305",
    "wrong-count",
    "too few or too many values",
    "A function takes as many arguments as it names, a tuple or struct as many values as it has members.",
    "fn between(low : u16, high : u16) = tcp.dport >= low and tcp.dport <= high\nif between(8000) then drop\n",
    "fn between(low : u16, high : u16) = tcp.dport >= low and tcp.dport <= high\nif between(8000, 8999) then drop\n",
  ),
  errorEntry(
    "X0306",
    "not-a-condition",
    "a value is used as a condition",
    "A condition is a comparison, a test for a header, a one-bit field or a bool. A number is neither true nor false: compare it.",
    "if tcp.dport then drop\n",
    "if tcp.dport != 0 then drop\n",
  ),
  errorEntry(
    "X0307",
    "not-a-plain-value",
    "something that is no value is used as one",
    "Ranges, sets, prefixes, headers and maps stand for themselves in a test (`if tcp`, `x in ports`), but have no value that could be kept or compared.",
    "let ports = 8000..8999\npass\n",
    "if tcp.dport in 8000..8999 then drop\n",
  ),
  errorEntry(
    "X0308",
    "bad-operator",
    "an operator doesn't work on this type",
    "Arithmetic works on integers, IPv4 and MAC addresses, order on integers and addresses, `and`, `or` and `not` on conditions.",
    "var on : bool\nif on < true then drop\n",
    "var on : bool\nif on == true then drop\n",
  ),
  errorEntry(
    "X0309",
    "empty-range",
    "a range ends before it starts",
    "Nothing lies in such a range.",
    "if tcp.dport in { 9000..8000 } then drop\n",
    "if tcp.dport in { 8000..9000 } then drop\n",
  ),
  errorEntry(
    "X0310",
    "bad-size",
    "a size is out of range",
    "A map holds at least one entry, an array at least one element. The kernel sets the upper bounds.",
    "set ports : u16[0]\nif tcp.dport in ports then drop\n",
    "set ports : u16[1024]\nif tcp.dport in ports then drop\n",
  ),
];
