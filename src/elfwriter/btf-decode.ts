// Reads a .BTF section into a flat table of types that refer to each other by number, as they do in the file, so that
// cycles and sharing cost nothing. Trusts nothing: each count is held against the bytes that are there. Knows no ELF.
// Source: Linux Documentation/bpf/btf.rst; include/uapi/linux/btf.h.

import { ByteReader } from "../base/bytes.ts";
import { btfHeader, btfIntEncoding, btfKind } from "./btf-format.ts";
import type { ObjectFault, ObjectFaultKind } from "./object-file.ts";
import { StringTableReader } from "./strtab.ts";

/** A member of a struct or union; `bits` is 0 unless it is a bit field. */
export interface DecodedMember {
  readonly name: string;
  readonly type: number;
  readonly bitOffset: number;
  readonly bits: number;
}

/** A type as the file holds it: all other types are meant by number, 0 is void. */
export type DecodedType =
  | { readonly kind: "void"; readonly name: "" }
  | {
      readonly kind: "int";
      readonly name: string;
      readonly bytes: number;
      readonly bits: number;
      readonly bitOffset: number;
      readonly signed: boolean;
      readonly char: boolean;
      readonly bool: boolean;
    }
  | { readonly kind: "float"; readonly name: string; readonly bytes: number }
  | {
      readonly kind: "pointer" | "typedef" | "volatile" | "const" | "restrict" | "typeTag";
      readonly name: string;
      readonly to: number;
    }
  | {
      readonly kind: "array";
      readonly name: "";
      readonly element: number;
      readonly index: number;
      readonly count: number;
    }
  | {
      readonly kind: "struct" | "union";
      readonly name: string;
      readonly bytes: number;
      readonly members: readonly DecodedMember[];
    }
  | {
      readonly kind: "enum" | "enum64";
      readonly name: string;
      readonly bytes: number;
      readonly signed: boolean;
      readonly values: readonly { readonly name: string; readonly value: bigint }[];
    }
  | { readonly kind: "forward"; readonly name: string; readonly union: boolean }
  | { readonly kind: "function"; readonly name: string; readonly prototype: number; readonly linkage: number }
  | {
      readonly kind: "prototype";
      readonly name: "";
      readonly result: number;
      readonly parameters: readonly { readonly name: string; readonly type: number }[];
    }
  | { readonly kind: "variable"; readonly name: string; readonly type: number; readonly linkage: number }
  | {
      readonly kind: "section";
      readonly name: string;
      readonly bytes: number;
      readonly variables: readonly {
        readonly variable: number;
        readonly offsetBytes: number;
        readonly bytes: number;
      }[];
    }
  | { readonly kind: "declTag"; readonly name: string; readonly to: number; readonly component: number };

/** A decoded .BTF section. */
export interface DecodedBtf {
  /** By number; the first is void. Every number in them is that of a type of this table. */
  readonly types: readonly DecodedType[];
  /** The strings, for .BTF.ext. */
  readonly strings: StringTableReader;
}

/** How far sizes and names are followed, as in the kernel (MAX_RESOLVE_DEPTH). */
const maxDepth = 32;

/** Decodes `bytes`; the faults' offsets count from `fileOffset`, the section's place in its file. */
export function decodeBtf(bytes: Uint8Array, fileOffset: number): { btf: DecodedBtf } | { fault: ObjectFault } {
  const reader = new ByteReader(bytes);
  const fault = (what: ObjectFaultKind, offset: number) => ({ fault: { what, offset: fileOffset + offset } });
  if (!reader.covers(0, btfHeader.bytes)) return fault("btf-header", 0);
  if (reader.u16(0) !== btfHeader.magic || reader.u8(2) !== btfHeader.version) return fault("btf-header", 0);
  const start = reader.u32(4);
  const [typeOffset, typeBytes] = [start + reader.u32(8), reader.u32(12)];
  const [stringOffset, stringBytes] = [start + reader.u32(16), reader.u32(20)];
  if (start < btfHeader.bytes || !reader.covers(typeOffset, typeBytes)) return fault("btf-header", 4);
  if (!reader.covers(stringOffset, stringBytes)) return fault("btf-header", 16);

  const strings = new StringTableReader(reader.slice(stringOffset, stringBytes));
  const records = new RecordReader(reader, strings, typeOffset, typeOffset + typeBytes);
  const types: DecodedType[] = [{ kind: "void", name: "" }];
  const places = [typeOffset];
  while (records.more) {
    places.push(records.place);
    types.push(records.next());
    if (records.fault !== null) return fault(records.fault, records.place);
  }
  for (const [number, type] of types.entries()) {
    if (referencesOf(type).some((to) => to >= types.length)) return fault("btf-reference", places[number] ?? 0);
  }
  const cyclic = findCycle(types);
  if (cyclic !== null) return fault("btf-cycle", places[cyclic] ?? 0);
  return { btf: { types, strings } };
}

/** The size of a type in bytes; null when it has none or is nested deeper than the kernel takes. */
export function decodedSize(btf: DecodedBtf, number: number): number | null {
  let factor = 1;
  let at = number;
  for (let depth = 0; depth < maxDepth; depth++) {
    const type = btf.types[at];
    switch (type?.kind) {
      case "int":
      case "float":
      case "struct":
      case "union":
      case "enum":
      case "enum64":
        return factor * type.bytes;
      case "pointer":
        return factor * 8;
      case "typedef":
      case "volatile":
      case "const":
      case "restrict":
      case "typeTag":
        at = type.to;
        break;
      case "variable":
        at = type.type;
        break;
      case "array":
        factor *= type.count;
        at = type.element;
        break;
      default:
        return null;
    }
  }
  return null;
}

/** The type behind typedefs and qualifiers. */
export function skipModifiers(btf: DecodedBtf, number: number): DecodedType | null {
  let at = number;
  for (let depth = 0; depth < maxDepth; depth++) {
    const type = btf.types[at];
    switch (type?.kind) {
      case "typedef":
      case "volatile":
      case "const":
      case "restrict":
      case "typeTag":
        at = type.to;
        break;
      default:
        return type ?? null;
    }
  }
  return null;
}

/** Every number in `type`. */
function referencesOf(type: DecodedType): readonly number[] {
  switch (type.kind) {
    case "array":
      return [type.element, type.index];
    case "function":
      return [type.prototype];
    case "prototype":
      return [type.result, ...type.parameters.map((p) => p.type)];
    case "section":
      return type.variables.map((v) => v.variable);
    default:
      return type.kind === "pointer" || type.kind === "declTag" ? [type.to] : containedIn(type);
  }
}

/** The numbers of the types whose values lie inside a value of `type`. */
function containedIn(type: DecodedType): readonly number[] {
  switch (type.kind) {
    case "typedef":
    case "volatile":
    case "const":
    case "restrict":
    case "typeTag":
      return [type.to];
    case "array":
      return [type.element];
    case "struct":
    case "union":
      return type.members.map((m) => m.type);
    case "variable":
      return [type.type];
    default:
      return [];
  }
}

/** The number of a type that contains itself (other than behind a pointer), or null: a depth-first search with its own stack. */
function findCycle(types: readonly DecodedType[]): number | null {
  const [unseen, open, done] = [0, 1, 2];
  const state = new Uint8Array(types.length);
  const edgesOf = (number: number) => containedIn(types[number] ?? { kind: "void", name: "" });
  for (let root = 1; root < types.length; root++) {
    if (state[root] !== unseen) continue;
    const stack = [{ number: root, edges: edgesOf(root), next: 0 }];
    state[root] = open;
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const to = top.edges[top.next++];
      if (to === undefined) {
        state[top.number] = done;
        stack.pop();
      } else if (state[to] === open) {
        return to;
      } else if (state[to] === unseen) {
        state[to] = open;
        stack.push({ number: to, edges: edgesOf(to), next: 0 });
      }
    }
  }
  return null;
}

/** Reads type records one behind the other; after a fault what it returns means nothing. */
class RecordReader {
  readonly #reader: ByteReader;
  readonly #strings: StringTableReader;
  readonly #end: number;
  #at: number;
  /** The place of the record being read. */
  place: number;
  fault: ObjectFaultKind | null = null;

  constructor(reader: ByteReader, strings: StringTableReader, start: number, end: number) {
    this.#reader = reader;
    this.#strings = strings;
    this.#at = start;
    this.place = start;
    this.#end = end;
  }

  get more(): boolean {
    this.place = this.#at;
    return this.#at < this.#end && this.fault === null;
  }

  next(): DecodedType {
    const name = this.#name();
    const info = this.#word();
    const word = this.#word();
    const vlen = info & 0xffff;
    const kind = (info >>> 24) & 0x1f;
    const flag = info >>> 31 === 1;
    switch (kind) {
      case btfKind.int: {
        const data = this.#word();
        const encoding = data >>> 24;
        return {
          kind: "int",
          name,
          bytes: word,
          bits: data & 0xff,
          bitOffset: (data >>> 16) & 0xff,
          signed: (encoding & btfIntEncoding.signed) !== 0,
          char: (encoding & btfIntEncoding.char) !== 0,
          bool: (encoding & btfIntEncoding.bool) !== 0,
        };
      }
      case btfKind.float:
        return { kind: "float", name, bytes: word };
      case btfKind.pointer:
        return { kind: "pointer", name, to: word };
      case btfKind.typedef:
        return { kind: "typedef", name, to: word };
      case btfKind.volatile:
        return { kind: "volatile", name, to: word };
      case btfKind.const:
        return { kind: "const", name, to: word };
      case btfKind.restrict:
        return { kind: "restrict", name, to: word };
      case btfKind.typeTag:
        return { kind: "typeTag", name, to: word };
      case btfKind.array:
        return { kind: "array", name: "", element: this.#word(), index: this.#word(), count: this.#word() };
      case btfKind.struct:
      case btfKind.union: {
        const members = this.#list(vlen, 12, () => {
          const memberName = this.#name();
          const type = this.#word();
          const offset = this.#word();
          return {
            name: memberName,
            type,
            bitOffset: flag ? offset & 0xffffff : offset,
            bits: flag ? offset >>> 24 : 0,
          };
        });
        return { kind: kind === btfKind.struct ? "struct" : "union", name, bytes: word, members };
      }
      case btfKind.enum: {
        const values = this.#list(vlen, 8, () => {
          const valueName = this.#name();
          const raw = this.#word();
          return { name: valueName, value: BigInt(flag ? raw | 0 : raw) };
        });
        return { kind: "enum", name, bytes: word, signed: flag, values };
      }
      case btfKind.enum64: {
        const values = this.#list(vlen, 12, () => {
          const valueName = this.#name();
          const raw = BigInt(this.#word()) | (BigInt(this.#word()) << 32n);
          return { name: valueName, value: flag ? BigInt.asIntN(64, raw) : raw };
        });
        return { kind: "enum64", name, bytes: word, signed: flag, values };
      }
      case btfKind.forward:
        return { kind: "forward", name, union: flag };
      case btfKind.function:
        return { kind: "function", name, prototype: word, linkage: vlen };
      case btfKind.prototype: {
        const parameters = this.#list(vlen, 8, () => ({ name: this.#name(), type: this.#word() }));
        return { kind: "prototype", name: "", result: word, parameters };
      }
      case btfKind.variable:
        return { kind: "variable", name, type: word, linkage: this.#word() };
      case btfKind.section: {
        const variables = this.#list(vlen, 12, () => ({
          variable: this.#word(),
          offsetBytes: this.#word(),
          bytes: this.#word(),
        }));
        return { kind: "section", name, bytes: word, variables };
      }
      case btfKind.declTag:
        return { kind: "declTag", name, to: word, component: this.#word() | 0 };
      default:
        this.fault ??= "btf-record";
        return { kind: "void", name: "" };
    }
  }

  #list<T>(count: number, bytesEach: number, read: () => T): T[] {
    if (count * bytesEach > this.#end - this.#at) {
      this.fault ??= "btf-record";
      return [];
    }
    return Array.from({ length: count }, read);
  }

  #word(): number {
    if (this.#end - this.#at < 4) {
      this.fault ??= "btf-record";
      return 0;
    }
    const value = this.#reader.u32(this.#at);
    this.#at += 4;
    return value;
  }

  #name(): string {
    const name = this.#strings.at(this.#word());
    if (name === null) this.fault ??= "btf-name";
    return name ?? "";
  }
}
