// `--map NAME=…` for an object, whose maps' types BTF tells: `ports={80,443}` puts keys, `flows[KEY]=VALUE` sets an entry. Keys and values
// are numbers, texts (addresses) or JSON for structs. For rules the same option is read by the language itself.

import type { LoadedObject } from "../load-object.ts";
import { type MapInput, ValueError } from "../value-codec.ts";
import { MapError } from "../vm/standard.ts";
import { CliFailure } from "./failure.ts";

/** Does what `text` says. Throws CliFailure. */
export function fillObject(object: LoadedObject, text: string): void {
  const match = /^\s*([\w.]+)\s*(?:\[(.*)\]\s*=\s*(.+)|=\s*\{(.*)\}\s*)$/s.exec(text);
  const name = match?.[1];
  if (match === null || name === undefined)
    throw new CliFailure(`--map takes NAME={KEY, …} or NAME[KEY]=VALUE, not "${text}"`);
  const map = object.maps.get(name);
  if (map === undefined)
    throw new CliFailure(`the object has no map ${name}, but ${[...object.maps.keys()].join(", ")}`);
  try {
    const [, , key, value, keys] = match;
    if (key !== undefined && value !== undefined) map.set(input(key), input(value));
    else for (const one of list(keys ?? "")) map.set(input(one), 1);
  } catch (error) {
    if (error instanceof MapError || error instanceof ValueError)
      throw new CliFailure(`--map ${text}: ${error.message}`);
    throw error;
  }
}

/** The elements between braces, split at commas outside brackets. */
function list(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i <= text.length; i++) {
    const sign = text[i] ?? ",";
    if ("[{(".includes(sign)) depth += 1;
    else if ("]})".includes(sign)) depth -= 1;
    else if (sign === "," && depth === 0) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
  }
  return parts.map((p) => p.trim()).filter((p) => p !== "");
}

/** A key or value as people write it: a number, JSON for structs and booleans, else text. Throws CliFailure. */
export function input(text: string): MapInput {
  const word = text.trim();
  if (/^(?:0x[0-9a-fA-F]+|-?\d+)$/.test(word)) return BigInt(word);
  if (/^[[{"]|^(?:true|false)$/.test(word)) {
    try {
      return JSON.parse(word) as MapInput;
    } catch {
      throw new CliFailure(`--map: ${word} isn't JSON`);
    }
  }
  return word;
}
