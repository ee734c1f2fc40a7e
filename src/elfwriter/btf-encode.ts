// Turns graphs of BtfType values into the .BTF section: numbers the types from 1 in the order they are first met (parts
// before wholes), so the same calls give the same bytes; structurally equal types become one. Knows no maps or programs.
// Source: Linux Documentation/bpf/btf.rst; kernel/bpf/btf.c for what the kernel refuses.

import { assert } from "../base/assert.ts";
import { ByteWriter } from "../base/bytes.ts";
import { type BtfParameter, type BtfType, btfSize } from "../bpf/btf.ts";
import { btfHeader, btfIntEncoding, btfKind, btfMaxVlen } from "./btf-format.ts";
import { StringTableBuilder } from "./strtab.ts";

/** A variable's place in a DATASEC. */
export interface SectionVariable {
  /** The number of a VAR made by `variable`. */
  readonly variable: number;
  readonly offsetBytes: number;
  readonly bytes: number;
}

/** The most characters of a name that every kernel takes: KSYM_NAME_LEN was 128, with the terminating zero, before 6.1. */
const maxNameLength = 127;

/** What an array is indexed with; the loader looks at it no further than that it is an int. */
const arrayIndex: BtfType = { kind: "int", name: "__ARRAY_SIZE_TYPE__", bytes: 4, signed: false, bool: false };

/** Throws InternalError unless `name` is a C identifier of a length that the kernel takes in BTF. */
export function assertBtfName(name: string): void {
  assert(/^[A-Za-z_][A-Za-z0-9_]*$/.test(name), `${JSON.stringify(name)} isn't a C identifier, BTF would be refused`);
  assert(name.length <= maxNameLength, `name ${name} is longer than ${maxNameLength} characters, BTF would be refused`);
}

/** Builds one .BTF section; every method returns the number of the type it made or found. */
export class BtfBuilder {
  readonly #strings = new StringTableBuilder();
  readonly #types = new ByteWriter();
  readonly #byValue = new Map<BtfType, number>();
  readonly #byRecord = new Map<string, number>();
  #count = 0;

  /** The place of `text` in the string section, as .BTF.ext refers to it. */
  text(text: string): number {
    return this.#strings.add(text);
  }

  /** The number of `type`; 0 is void. */
  type(type: BtfType): number {
    const known = this.#byValue.get(type);
    if (known !== undefined) return known;
    const number = this.#encode(type);
    this.#byValue.set(type, number);
    return number;
  }

  /** A VAR; `linkage` is one of `btfLinkage`. */
  variable(name: string, type: BtfType, linkage: number): number {
    return this.#record(btfKind.variable, this.#name(name), 0, this.type(type), [linkage]);
  }

  /** A FUNC with its prototype; the kernel refuses unnamed parameters here. `linkage` is one of `btfLinkage`. */
  func(name: string, result: BtfType, parameters: readonly BtfParameter[], linkage: number): number {
    for (const parameter of parameters) assertBtfName(parameter.name);
    const prototype = this.type({ kind: "function", result, parameters });
    return this.#record(btfKind.function, this.#name(name), linkage, prototype, []);
  }

  /** A DATASEC of `bytes` bytes; the variables must rise and not overlap. */
  section(name: string, bytes: number, variables: readonly SectionVariable[]): number {
    const words: number[] = [];
    let end = 0;
    for (const v of variables) {
      assert(
        v.offsetBytes >= end && v.offsetBytes + v.bytes <= bytes,
        `a variable of ${name} overlaps or lies outside`,
      );
      end = v.offsetBytes + v.bytes;
      words.push(v.variable, v.offsetBytes, v.bytes);
    }
    return this.#record(btfKind.section, this.#strings.add(name), variables.length, bytes, words);
  }

  /** The whole section: header, types, strings. */
  finish(): Uint8Array {
    const types = this.#types.finish();
    const strings = this.#strings.finish();
    const out = new ByteWriter("little", btfHeader.bytes + types.length + strings.length);
    out.u16(btfHeader.magic).u8(btfHeader.version).u8(0).u32(btfHeader.bytes);
    out.u32(0).u32(types.length).u32(types.length).u32(strings.length);
    return out.bytes(types).bytes(strings).finish();
  }

  #encode(type: BtfType): number {
    switch (type.kind) {
      case "void":
        return 0;
      case "int": {
        const sign = type.signed ? btfIntEncoding.signed : 0;
        const encoding = sign | (type.bool ? btfIntEncoding.bool : 0);
        return this.#record(btfKind.int, this.#strings.add(type.name), 0, type.bytes, [
          (encoding << 24) | (type.bytes * 8),
        ]);
      }
      case "array":
        return this.#record(btfKind.array, 0, 0, 0, [this.type(type.element), this.type(arrayIndex), type.count]);
      case "struct": {
        const members = type.members.flatMap((member) => {
          assert(
            member.offsetBytes + btfSize(member.type) <= type.bytes,
            `member ${member.name} lies outside its struct`,
          );
          return [this.#optionalName(member.name), this.type(member.type), member.offsetBytes * 8];
        });
        const name = this.#optionalName(type.name ?? "");
        return this.#record(btfKind.struct, name, type.members.length, type.bytes, members);
      }
      case "pointer":
        return this.#record(btfKind.pointer, 0, 0, this.type(type.to), []);
      case "typedef":
        return this.#record(btfKind.typedef, this.#name(type.name), 0, this.type(type.to), []);
      case "const":
        return this.#record(btfKind.const, 0, 0, this.type(type.of), []);
      case "volatile":
        return this.#record(btfKind.volatile, 0, 0, this.type(type.of), []);
      case "function": {
        const parameters = type.parameters.flatMap((p) => [this.#optionalName(p.name), this.type(p.type)]);
        return this.#record(btfKind.prototype, 0, type.parameters.length, this.type(type.result), parameters);
      }
      case "forward":
        return this.#record(btfKind.forward, this.#name(type.name), 0, 0, []);
    }
  }

  #name(name: string): number {
    assertBtfName(name);
    return this.#strings.add(name);
  }

  #optionalName(name: string): number {
    return name === "" ? 0 : this.#name(name);
  }

  /** Appends a type record, or finds the equal one: equal words mean equal types, since parts are numbered before wholes. */
  #record(kind: number, nameOffset: number, vlen: number, sizeOrType: number, extra: readonly number[]): number {
    assert(vlen <= btfMaxVlen, `a BTF record can't have ${vlen} parts`);
    const words = [nameOffset, (kind << 24) | vlen, sizeOrType, ...extra];
    const key = words.join(" ");
    const known = this.#byRecord.get(key);
    if (known !== undefined) return known;
    for (const word of words) this.#types.u32(word);
    this.#count += 1;
    this.#byRecord.set(key, this.#count);
    return this.#count;
  }
}
