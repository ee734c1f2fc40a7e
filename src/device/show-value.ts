// Keys and values of maps as people read them: what value-codec.ts decodes, on one line. `10.0.0.1`, `(10.0.0.1, 80)`, `{ packets: 3, bytes: 180 }`,
// bytes without a type in hexadecimal.

import type { MapOutput } from "../value-codec.ts";

/** A decoded key or value on one line. Tuples of the rules (structs with members f0, f1, …) are shown as tuples, prefixes with a slash. */
export function showValue(value: MapOutput): string {
  if (value instanceof Uint8Array) return value.length === 0 ? "" : `0x${Buffer.from(value).toString("hex")}`;
  if (Array.isArray(value)) return `[${(value as readonly MapOutput[]).map(showValue).join(", ")}]`;
  if (typeof value !== "object") return String(value);
  const members = Object.entries(value as { readonly [member: string]: MapOutput });
  if (isPrefix(members)) return `${showValue(members[1]?.[1] ?? "")}/${showValue(members[0]?.[1] ?? 0)}`;
  if (members.length > 0 && members.every(([name], i) => name === `f${i}`))
    return `(${members.map(([, part]) => showValue(part)).join(", ")})`;
  return `{ ${members.map(([name, part]) => `${name}: ${showValue(part)}`).join(", ")} }`;
}

/** Whether a struct is the key of a trie: a length and an address. */
function isPrefix(members: readonly (readonly [string, MapOutput])[]): boolean {
  return members.length === 2 && /^prefix_?len/.test(members[0]?.[0] ?? "") && typeof members[1]?.[1] === "string";
}
