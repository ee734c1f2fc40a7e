// What the words for faults have in common: how registers, pointers and numbers are told to people. The sentences themselves are
// in messages-memory.ts, messages-calls.ts and messages.ts. Decides nothing.

import type { Scalar } from "./scalar.ts";
import { describe } from "./scalar-text.ts";
import type { PointerValue, RegValue } from "./state.ts";

/** A fault in words: what is wrong, what is known of it, and what to change. */
export interface FaultWords {
  /** Lower case, no full stop. */
  readonly message: string;
  /** What the checker knows there that matters, a sentence each. */
  readonly known: readonly string[];
  /** What would make it right: the missing guard or the edit; null where nothing short would. */
  readonly help: string | null;
}

/** `5 bytes`, `1 byte`. */
export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

/** A text from a stranger's file, fit for a terminal: cut to 40 characters, control characters replaced. */
export function shown(text: string): string {
  const cut = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return cut.replace(/[\0-\x1f\x7f-\x9f]/g, "?");
}

/** The kinds of pointer as nouns. */
const nouns: Readonly<Record<PointerValue["kind"], string>> = {
  ctx: "the context",
  stack: "the stack",
  packet: "the packet",
  packetMeta: "the packet's metadata",
  packetEnd: "the packet's end",
  mapHandle: "a map",
  mapValue: "a map's value",
  mapKey: "a map's key",
  memory: "memory",
  socket: "a socket",
  sockCommon: "a socket",
  tcpSock: "a TCP socket",
  xdpSock: "an XDP socket",
  object: "a kernel object",
  function: "a function",
  dynptr: "a dynptr",
};

/** What a pointer points to, as a noun: `the packet`, `a value of map counters`. */
export function targetOf(pointer: PointerValue): string {
  const { kind, map, type, flags } = pointer;
  if (map !== null) {
    if (kind === "mapHandle") return `map ${map.name}`;
    if (kind === "mapValue") return `a value of map ${map.name}`;
    if (kind === "mapKey") return `a key of map ${map.name}`;
  }
  if (kind === "object" && type !== null) return `the kernel's struct ${type}`;
  if (kind === "memory" && (flags & 2) !== 0) return "a ring buffer's record";
  return nouns[kind];
}

/** What a register holds, as a noun phrase: `a pointer to the packet + 14`, `a number (0..255)`, `nothing`. */
export function contentOf(value: RegValue): string {
  if (value.kind === "unset") return "nothing that may be read";
  if (value.kind === "scalar") return `a number (${describe(value.scalar)})`;
  const maybe = value.nullable ? ", or null" : "";
  return `a pointer to ${targetOf(value)}${offsetOf(value)}${maybe}`;
}

/** How far a pointer lies from the start of what it points to: ` + 14`, ` - 8`, ` + 14 + (0..255)`; empty for the start. */
export function offsetOf({ off, varOff }: PointerValue): string {
  return `${signed(off)}${variableOf(varOff)}`;
}

function variableOf(varOff: Scalar): string {
  if (varOff.mask === 0n) return varOff.value === 0n ? "" : signed(Number(BigInt.asIntN(64, varOff.value)));
  return ` + (${describe(varOff)})`;
}

/** ` + 8`, ` - 8`; empty for 0. */
export function signed(offset: number): string {
  return offset === 0 ? "" : offset < 0 ? ` - ${-offset}` : ` + ${offset}`;
}
