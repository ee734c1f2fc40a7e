// Values of maps and variables as JavaScript has them, by their BTF types: numbers, text for addresses, objects for structs. Where a
// type says too little, bytes pass as they are. Part of the package's interface; knows no maps.
// Source: Linux Documentation/bpf/btf.rst; the typedefs of include/uapi/linux/types.h tell network order (__be16, __be32, __be64).

import { InternalError } from "./base/assert.ts";
import type { DecodedBtf, DecodedType } from "./elfwriter/btf-decode.ts";
import { decodedSize, skipModifiers } from "./elfwriter/btf-decode.ts";
import { parseAddress, parseMac, parsePrefix } from "./vm/network.ts";

/**
 * What can be given for a value: bytes as they lie in memory (always); a number, bigint or boolean for an integer; a name for an
 * enum; text for an address ("10.0.0.1" for `__be32`, "2001:db8::1" for 16 bytes, "02:00:00:00:00:01" for 6), for a prefix
 * ("10.0.0.0/8" for a struct of a length and an address) or for an array of chars; an object for a struct, whose missing members are
 * zero; an array for an array.
 */
export type MapInput =
  | Uint8Array
  | number
  | bigint
  | boolean
  | string
  | readonly MapInput[]
  | { readonly [member: string]: MapInput };

/** What is read: numbers up to 32 bits as numbers, 64 bits as bigint, addresses as text, structs as objects, other arrays of bytes as bytes. */
export type MapOutput =
  | Uint8Array
  | number
  | bigint
  | boolean
  | string
  | readonly MapOutput[]
  | { readonly [member: string]: MapOutput };

/** A value that doesn't fit its type; the message says where and why. */
export class ValueError extends Error {
  override readonly name = "ValueError";
}

/** Bytes of a type and back. */
export interface Codec {
  readonly bytes: number;
  /** Throws ValueError. */
  encode(value: MapInput): Uint8Array;
  /** `bytes` must have the codec's length. */
  decode(bytes: Uint8Array): MapOutput;
}

/** For values without a type: little-endian integers of 1, 2, 4 and 8 bytes as numbers, everything else as bytes. */
export function plainCodec(bytes: number): Codec {
  const isInteger = [1, 2, 4, 8].includes(bytes);
  return {
    bytes,
    encode: (value) =>
      isInteger && !(value instanceof Uint8Array) ? integerBytes(value, bytes) : rawBytes(value, bytes),
    decode: (memory) => (isInteger ? readInteger(memory, { signed: false, big: false }) : memory.slice()),
  };
}

/** The codec of BTF type `number`; null when the type has no size. */
export function btfCodec(btf: DecodedBtf, number: number): Codec | null {
  const bytes = decodedSize(btf, number);
  if (bytes === null) return null;
  const types = new Types(btf);
  return {
    bytes,
    encode: (value) => {
      const memory = new Uint8Array(bytes);
      types.write(number, value, memory, "");
      return memory;
    },
    decode: (memory) => types.read(number, memory),
  };
}

function rawBytes(value: MapInput, bytes: number): Uint8Array {
  if (!(value instanceof Uint8Array))
    throw new ValueError(`a value of ${bytes} bytes without a type must be given as bytes`);
  if (value.length !== bytes) throw new ValueError(`${value.length} bytes given for a value of ${bytes}`);
  return new Uint8Array(value);
}

function integerBytes(value: MapInput, bytes: number, big = false): Uint8Array {
  const number = typeof value === "boolean" ? BigInt(value) : value;
  if (typeof number !== "bigint" && !(typeof number === "number" && Number.isSafeInteger(number)))
    throw new ValueError(`${shown(value)} is no integer`);
  const wide = BigInt(number);
  const bits = bytes * 8;
  if (wide < -(2n ** BigInt(bits - 1)) || wide >= 2n ** BigInt(bits))
    throw new ValueError(`${shown(value)} doesn't fit into ${bits} bits`);
  let rest = BigInt.asUintN(bits, wide);
  const memory = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) {
    memory[big ? bytes - 1 - i : i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return memory;
}

function readInteger(memory: Uint8Array, { signed, big }: { signed: boolean; big: boolean }): number | bigint {
  let value = 0n;
  const ordered = big ? memory : memory.slice().reverse();
  for (const byte of ordered) value = (value << 8n) | BigInt(byte);
  if (signed) value = BigInt.asIntN(memory.length * 8, value);
  return memory.length <= 4 ? Number(value) : value;
}

function shown(value: MapInput): string {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return typeof value === "object" ? "an object or array" : `${value}`;
}

/** Typedefs of integers in network order. */
const networkOrder: ReadonlySet<string> = new Set(["__be16", "__be32", "__be64"]);
const mostDepth = 32;

/** What text may stand for, by the type. */
type Textual = "ipv4" | "ipv6" | "mac" | "prefix" | "chars";

class Types {
  readonly #btf: DecodedBtf;

  constructor(btf: DecodedBtf) {
    this.#btf = btf;
  }

  #type(number: number): DecodedType {
    const type = skipModifiers(this.#btf, number);
    if (type === null) throw new ValueError("the type is nested too deeply");
    return type;
  }

  #size(number: number): number {
    return decodedSize(this.#btf, number) ?? 0;
  }

  /** Whether a typedef on the way to the type says network order. */
  #isBig(number: number): boolean {
    let at = number;
    for (let depth = 0; depth < mostDepth; depth++) {
      const type = this.#btf.types[at];
      if (type?.kind === "typedef" && networkOrder.has(type.name)) return true;
      if (type === undefined || !("to" in type)) return false;
      at = type.to;
    }
    return false;
  }

  #textual(number: number): Textual | null {
    const type = this.#type(number);
    switch (type.kind) {
      case "int":
        return this.#isBig(number) && type.bytes === 4 ? "ipv4" : null;
      case "array": {
        const element = this.#type(type.element);
        if (element.kind !== "int" || element.bytes !== 1) return null;
        if (element.char || element.name === "char") return "chars";
        return type.count === 6 ? "mac" : type.count === 16 ? "ipv6" : null;
      }
      case "struct": {
        const [first, second, ...more] = type.members;
        if (first === undefined || more.length > 0) return null;
        if (second === undefined) return type.bytes === 16 ? this.#textual(first.type) : null;
        const address = this.#textual(second.type);
        const isLength =
          this.#type(first.type).kind === "int" && this.#size(first.type) === 4 && second.bitOffset === 32;
        return isLength && /^prefix_?len/.test(first.name) && (address === "ipv4" || address === "ipv6")
          ? "prefix"
          : null;
      }
      case "union":
        return type.bytes === 16 && /in6_addr/.test(type.name) ? "ipv6" : null;
      default:
        return null;
    }
  }

  /** Writes `value` into `memory`, which is zero; `path` is for messages. */
  write(number: number, value: MapInput, memory: Uint8Array, path: string): void {
    try {
      this.#write(number, value, memory, path);
    } catch (error) {
      if (!(error instanceof Error) || error instanceof InternalError || error.message.startsWith("in ")) throw error;
      throw new ValueError(path === "" ? error.message : `in ${path}: ${error.message}`);
    }
  }

  #write(number: number, value: MapInput, memory: Uint8Array, path: string): void {
    if (value instanceof Uint8Array) {
      memory.set(rawBytes(value, memory.length));
      return;
    }
    const type = this.#type(number);
    if (typeof value === "string" && type.kind !== "enum" && type.kind !== "enum64") {
      memory.set(this.#fromText(number, value, memory.length));
      return;
    }
    switch (type.kind) {
      case "int":
      case "pointer":
        memory.set(integerBytes(value, memory.length, this.#isBig(number)));
        return;
      case "enum":
      case "enum64": {
        const named = typeof value === "string" ? type.values.find(({ name }) => name === value)?.value : value;
        if (named === undefined) throw new ValueError(`${shown(value)} is none of its names`);
        memory.set(integerBytes(named, memory.length));
        return;
      }
      case "array":
        return this.#writeArray(type, value, memory, path);
      case "struct":
      case "union":
        return this.#writeStruct(type, value, memory, path);
      default:
        throw new ValueError(`a value of type ${type.kind} must be given as bytes`);
    }
  }

  #fromText(number: number, text: string, bytes: number): Uint8Array {
    switch (this.#textual(number)) {
      case "ipv4":
      case "ipv6":
        return sized(parseAddress(text), bytes, text);
      case "mac":
        return parseMac(text);
      case "prefix": {
        const { prefix, bits } = parsePrefix(text);
        return Uint8Array.of(...integerBytes(bits, 4), ...sized(prefix, bytes - 4, text));
      }
      case "chars": {
        const encoded = new TextEncoder().encode(text);
        if (encoded.length > bytes) throw new ValueError(`"${text}" is longer than ${bytes} bytes`);
        return encoded;
      }
      case null:
        throw new ValueError(`"${text}" is text, and its type has none`);
    }
  }

  #writeArray(type: DecodedType & { kind: "array" }, value: MapInput, memory: Uint8Array, path: string): void {
    if (!Array.isArray(value)) throw new ValueError(`${shown(value)} is no array`);
    if (value.length !== type.count) throw new ValueError(`${value.length} elements given for ${type.count}`);
    const step = this.#size(type.element);
    for (const [i, element] of (value as readonly MapInput[]).entries())
      this.write(type.element, element, memory.subarray(i * step, (i + 1) * step), `${path}[${i}]`);
  }

  #writeStruct(
    type: DecodedType & { kind: "struct" | "union" },
    value: MapInput,
    memory: Uint8Array,
    path: string,
  ): void {
    if (typeof value !== "object" || Array.isArray(value)) throw new ValueError(`${shown(value)} is no object`);
    for (const [name, part] of Object.entries(value)) {
      const member = type.members.find((candidate) => candidate.name === name);
      if (member === undefined) throw new ValueError(`it has no member ${name}`);
      if (member.bits !== 0) throw new ValueError(`member ${name} is a bit field: give the whole as bytes`);
      const at = member.bitOffset / 8;
      this.write(
        member.type,
        part,
        memory.subarray(at, at + this.#size(member.type)),
        path === "" ? name : `${path}.${name}`,
      );
    }
  }

  read(number: number, memory: Uint8Array): MapOutput {
    const type = this.#type(number);
    const textual = this.#textual(number);
    if (textual === "ipv4") return [...memory].join(".");
    if (textual === "mac") return [...memory].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
    if (textual === "ipv6") return ipv6Text(memory);
    switch (type.kind) {
      case "int":
        if (type.bool) return memory[0] !== 0;
        return readInteger(memory, { signed: type.signed, big: this.#isBig(number) });
      case "pointer":
        return readInteger(memory, { signed: false, big: false });
      case "enum":
      case "enum64":
        return readInteger(memory, { signed: type.signed, big: false });
      case "array": {
        const step = this.#size(type.element);
        if (step === 1) return memory.slice();
        return Array.from({ length: type.count }, (_, i) =>
          this.read(type.element, memory.subarray(i * step, (i + 1) * step)),
        );
      }
      case "struct": {
        if (type.members.some(({ bits, name }) => bits !== 0 || name === "")) return memory.slice();
        return Object.fromEntries(
          type.members.map(({ name, type: part, bitOffset }) => {
            const at = bitOffset / 8;
            return [name, this.read(part, memory.subarray(at, at + this.#size(part)))];
          }),
        );
      }
      default:
        return memory.slice();
    }
  }
}

function sized(address: Uint8Array, bytes: number, text: string): Uint8Array {
  if (address.length !== bytes) throw new ValueError(`${text} has ${address.length} bytes, not ${bytes}`);
  return address;
}

/** **Source:** RFC 5952, section 4. */
function ipv6Text(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16));
  // The longest run of zeros, the first of equals, is shortened.
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && groups[at + length] === "0") length++;
    if (length > best.length) best = { at, length };
  }
  if (best.at === -1) return groups.join(":");
  return `${groups.slice(0, best.at).join(":")}::${groups.slice(best.at + best.length).join(":")}`;
}
