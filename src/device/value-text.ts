// Keys and values as people write them at a command line and in files: `80`, `0x50`, `10.0.0.1`, `10.0.0.0/8`, `02:00:00:00:00:01`,
// `(10.0.0.1, 80)`, `{ saddr: 10.0.0.1, dport: 80 }`, `true`, `hex:0a0b`. What a text means is the type's matter (value-codec.ts); this file
// knows only how words, tuples and structs are spelled, which is as the rules spell them. The other way is show-value.ts.

import type { DecodedBtf } from "../elfwriter/btf-decode.ts";
import { skipModifiers } from "../elfwriter/btf-decode.ts";
import { type Codec, type MapInput, type MapOutput, ValueError } from "../value-codec.ts";

/** The type that a text is read by; without BTF only its size is known. */
export interface TextType {
  readonly btf: DecodedBtf | null;
  readonly type: number;
  readonly codec: Codec;
}

/** The bytes of what is written. Throws ValueError. */
export function bytesOfText(text: string, of: TextType): Uint8Array {
  return of.codec.encode(shaped(new Reader(text).whole(), of.btf, of.type));
}

/** The bytes of the first value in `text`, and the text behind it: for lines that hold a key and a value. Throws ValueError. */
export function leadingBytes(text: string, of: TextType): { readonly bytes: Uint8Array; readonly rest: string } {
  const reader = new Reader(text);
  const value = reader.value();
  return { bytes: of.codec.encode(shaped(value, of.btf, of.type)), rest: reader.rest() };
}

/** What was written, before its type is known. */
type Written =
  | { readonly kind: "word"; readonly text: string }
  | { readonly kind: "tuple"; readonly elements: readonly Written[] }
  | { readonly kind: "struct"; readonly members: readonly (readonly [string, Written])[] };

/** Nesting beyond this is no value of any map. */
const DEEPEST = 16;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** The whole text as one value; commas without parentheses are a tuple's too. */
  whole(): Written {
    const first = this.value();
    if (this.#peek() === "") return first;
    const elements = [first];
    while (this.#take(",")) elements.push(this.value());
    if (this.#peek() !== "") throw new ValueError(`"${this.rest()}" behind the value isn't understood`);
    return { kind: "tuple", elements };
  }

  value(depth = 0): Written {
    if (depth > DEEPEST) throw new ValueError("the value is nested too deeply");
    if (this.#take("(")) return { kind: "tuple", elements: this.#list(")", () => this.value(depth + 1)) };
    if (this.#take("[")) return { kind: "tuple", elements: this.#list("]", () => this.value(depth + 1)) };
    if (this.#take("{")) {
      const members = this.#list("}", (): readonly [string, Written] => {
        const name = this.#word(/[A-Za-z_][A-Za-z0-9_]*/y);
        if (!this.#take(":") && !this.#take("=")) throw new ValueError(`after ${name} comes ":" and its value`);
        return [name, this.value(depth + 1)];
      });
      return { kind: "struct", members };
    }
    if (this.#peek() === '"') {
      const quoted = this.#word(/"[^"]*"/y);
      return { kind: "word", text: quoted.slice(1, -1) };
    }
    return { kind: "word", text: this.#word(/[^\s,(){}[\]"#]+/y) };
  }

  /** What hasn't been read. */
  rest(): string {
    return this.#text.slice(this.#at).trim();
  }

  #list<T>(end: string, element: () => T): T[] {
    const all: T[] = [];
    while (!this.#take(end)) {
      all.push(element());
      if (!this.#take(",") && this.#peek() !== end) throw new ValueError(`"," or "${end}" is missing`);
    }
    return all;
  }

  #peek(): string {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
    return this.#text[this.#at] ?? "";
  }

  #take(sign: string): boolean {
    if (this.#peek() !== sign) return false;
    this.#at++;
    return true;
  }

  #word(pattern: RegExp): string {
    this.#peek();
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null)
      throw new ValueError(this.#peek() === "" ? "a value is missing" : `a value is missing before "${this.rest()}"`);
    this.#at += found[0].length;
    return found[0];
  }
}

/** What was written as the codec takes it: tuples become objects where the type has names for their elements. */
function shaped(written: Written, btf: DecodedBtf | null, type: number): MapInput {
  const found = btf === null || type === 0 ? null : skipModifiers(btf, type);
  switch (written.kind) {
    case "struct": {
      const seen = new Set<string>();
      return Object.fromEntries(
        written.members.map(([name, value]) => {
          if (seen.has(name)) throw new ValueError(`${name} is given twice`);
          seen.add(name);
          return [name, shaped(value, btf, memberType(found, name))];
        }),
      );
    }
    case "tuple": {
      if (found?.kind === "struct") {
        const members = found.members.filter((m) => m.name !== "");
        if (members.length !== written.elements.length)
          throw new ValueError(
            `${written.elements.length} values given for ${members.length}: ${members.map((m) => m.name).join(", ")}`,
          );
        return Object.fromEntries(members.map((m, i) => [m.name, shaped(written.elements[i] as Written, btf, m.type)]));
      }
      const element = found?.kind === "array" ? found.element : 0;
      return written.elements.map((one) => shaped(one, btf, element));
    }
    case "word":
      return wordValue(written.text, found);
  }
}

type Found = ReturnType<typeof skipModifiers>;

function memberType(found: Found, name: string): number {
  return found?.kind === "struct" || found?.kind === "union"
    ? (found.members.find((m) => m.name === name)?.type ?? 0)
    : 0;
}

const MULTIPLES: Readonly<Record<string, bigint>> = { "": 1n, K: 1n << 10n, M: 1n << 20n, G: 1n << 30n };

function wordValue(text: string, type: Found): MapInput {
  if (/^hex:/i.test(text)) return hexBytes(text.slice(4));
  if (/^0x/i.test(text) && (type?.kind === "array" || text.length > 18)) return hexBytes(text.slice(2));
  if (type?.kind === "struct" && /^prefix_?len/.test(type.members[0]?.name ?? "") && !text.includes("/")) {
    // An address alone stands for all its bits, as in the rules.
    return `${text}/${text.includes(":") ? 128 : 32}`;
  }
  if (text === "true" || text === "false") return text === "true";
  const number = /^(-?)(0x[0-9a-f_]+|0b[01_]+|[0-9][0-9_]*)([KMG]?)$/i.exec(text);
  if (number === null) {
    // Only addresses are texts to a number's type.
    if (type?.kind === "int" && !/[.:]/.test(text))
      throw new ValueError(`"${text}" is neither a number nor an address`);
    return text;
  }
  const [, sign = "", digits = "", multiple = ""] = number;
  const size = BigInt(digits.replaceAll("_", "")) * (MULTIPLES[multiple.toUpperCase()] ?? 1n);
  if (sign === "-") {
    if (type?.kind === "int" && !type.signed) throw new ValueError(`${text} is negative, and its type has no sign`);
    return -size;
  }
  const value = size;
  if (type?.kind === "int" && type.bool && value <= 1n) return value === 1n;
  return value;
}

function hexBytes(text: string): Uint8Array {
  const digits = text.replace(/[\s:_]/g, "");
  if (!/^([0-9a-f]{2})+$/i.test(digits)) throw new ValueError(`"${text}" are no whole bytes in hexadecimal`);
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** A value for JSON: bytes as `0x…`, what exceeds JavaScript's exact numbers as text. */
export function jsonOfValue(value: MapOutput): unknown {
  if (typeof value === "bigint") return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value);
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString("hex")}`;
  if (Array.isArray(value)) return (value as readonly MapOutput[]).map(jsonOfValue);
  if (typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, jsonOfValue(part as MapOutput)]));
  }
  return value;
}

/**
 * The values of all CPUs together: the sum of numbers, member by member; null where there is something that has no sum (addresses, bytes).
 */
export function sumOfValues(values: readonly MapOutput[]): MapOutput | null {
  const [first] = values;
  if (first === undefined) return null;
  if (values.every((v) => typeof v === "number" || typeof v === "bigint")) {
    const sum = values.reduce<bigint>((total, v) => total + BigInt(v as number | bigint), 0n);
    return sum <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(sum) : sum;
  }
  if (typeof first !== "object" || first instanceof Uint8Array || Array.isArray(first)) return null;
  const members: [string, MapOutput][] = [];
  for (const name of Object.keys(first)) {
    const sum = sumOfValues(values.map((v) => (v as Readonly<Record<string, MapOutput>>)[name] as MapOutput));
    if (sum === null) return null;
    members.push([name, sum]);
  }
  return Object.fromEntries(members);
}
