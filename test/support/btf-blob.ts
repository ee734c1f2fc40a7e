// BTF for the kernel, made by hand and as small as the verifier allows: functions with their parameters, and values of maps with
// locks and timers. Independent of the compiler's own BTF writer, which is among what is judged with it. Also looks up
// kernel functions in the running kernel's BTF.
// Source: Linux include/uapi/linux/btf.h; kernel/bpf/btf.c for what must have a name.

import { existsSync, readFileSync } from "node:fs";
import type { ImageFunction, ImageMap, ImageParameter, SpecialField } from "../../src/bpf/image.ts";

const KIND = { int: 1, pointer: 2, array: 3, struct: 4, forward: 7, func: 12, funcProto: 13, declTag: 17 } as const;

/** Builds a blob of BTF: each `add` gives the new type's number. */
class BtfBuilder {
  readonly #words: number[] = [];
  readonly #strings: string[] = [""];
  #stringBytes = 1;
  #types = 0;

  #string(text: string): number {
    if (text === "") return 0;
    const at = this.#stringBytes;
    this.#strings.push(text);
    this.#stringBytes += text.length + 1;
    return at;
  }

  #add(name: string, kind: number, count: number, sizeOrType: number, ...rest: readonly number[]): number {
    this.#words.push(this.#string(name), (kind << 24) | count, sizeOrType, ...rest);
    return ++this.#types;
  }

  int(name: string, bytes: number): number {
    return this.#add(name, KIND.int, 0, bytes, (1 << 24) | (bytes * 8));
  }

  pointer(type: number): number {
    return this.#add("", KIND.pointer, 0, type);
  }

  array(type: number, index: number, count: number): number {
    return this.#add("", KIND.array, 0, 0, type, index, count);
  }

  struct(name: string, bytes: number, members: readonly (readonly [string, number, number])[] = []): number {
    const rest = members.flatMap(([member, type, offsetBytes]) => [this.#string(member), type, offsetBytes * 8]);
    return this.#add(name, KIND.struct, members.length, bytes, ...rest);
  }

  forward(name: string): number {
    return this.#add(name, KIND.forward, 0, 0);
  }

  func(name: string, result: number, parameters: readonly number[], global: boolean): number {
    const rest = parameters.flatMap((type, index) => [this.#string(`a${index}`), type]);
    const proto = this.#add("", KIND.funcProto, parameters.length, result, ...rest);
    return this.#add(name, KIND.func, global ? 1 : 0, proto);
  }

  declTag(text: string, type: number, component: number): void {
    this.#add(text, KIND.declTag, 0, type, component);
  }

  bytes(): Uint8Array {
    const typeBytes = this.#words.length * 4;
    const strings = new TextEncoder().encode(`${this.#strings.join("\0")}\0`);
    const out = new Uint8Array(24 + typeBytes + strings.length);
    const view = new DataView(out.buffer);
    view.setUint16(0, 0xeb9f, true);
    view.setUint8(2, 1);
    for (const [index, value] of [24, 0, typeBytes, typeBytes, strings.length].entries())
      view.setUint32(4 + index * 4, value, true);
    for (const [index, word] of this.#words.entries()) view.setUint32(24 + index * 4, word >>> 0, true);
    out.set(strings, 24 + typeBytes);
    return out;
  }
}

/** What the kernel calls the members it treats specially, and how many bytes they have; those that need more BTF are missing. */
const FIELD_STRUCTS: Partial<Record<SpecialField["kind"], readonly [name: string, bytes: number]>> = {
  spinLock: ["bpf_spin_lock", 4],
  resSpinLock: ["bpf_res_spin_lock", 4],
  timer: ["bpf_timer", 16],
  workqueue: ["bpf_wq", 16],
  taskWork: ["bpf_task_work", 8],
  refcount: ["bpf_refcount", 4],
};

/** BTF for a map whose value has special members, with the type numbers of key and value; null when they need more than names. */
export function mapBtf(
  map: ImageMap,
): { readonly blob: Uint8Array; readonly key: number; readonly value: number } | null {
  const btf = new BtfBuilder();
  const int = btf.int("int", 4);
  const members: (readonly [string, number, number])[] = [];
  for (const [index, field] of map.fields.entries()) {
    const known = FIELD_STRUCTS[field.kind];
    if (known === undefined) return null;
    const [name, bytes] = known;
    const inside = bytes === 4 ? [["val", int, 0] as const] : [];
    members.push([`f${index}`, btf.struct(name, bytes, inside), field.offsetBytes]);
  }
  const key = map.keyBytes === 0 ? 0 : map.keyBytes === 4 ? int : btf.struct("key", map.keyBytes);
  const value = btf.struct("value", map.valueBytes, members);
  return { blob: btf.bytes(), key, value };
}

/** BTF for a program's functions: the blob, and the type number of each function in their order. */
export function programBtf(functions: readonly ImageFunction[]): {
  readonly blob: Uint8Array;
  readonly types: readonly number[];
} {
  const btf = new BtfBuilder();
  const int = btf.int("int", 4);
  const context = btf.pointer(btf.struct("xdp_md", 24));
  const memory = new Map<number, number>();
  const typeOf = (parameter: ImageParameter): number => {
    switch (parameter.kind) {
      case "scalar":
        return int;
      case "ctx":
        return context;
      case "memory": {
        const known = memory.get(parameter.bytes);
        if (known !== undefined) return known;
        const made = btf.pointer(btf.struct(`bytes${parameter.bytes}`, parameter.bytes));
        memory.set(parameter.bytes, made);
        return made;
      }
      case "other":
        return btf.pointer(btf.forward("unknown"));
    }
  };
  const types = functions.map(({ name, parameters, returnsScalar, global }) => {
    const list = (parameters ?? []).map(typeOf);
    const type = btf.func(name.replace(/[^A-Za-z0-9_]/g, "_"), returnsScalar ? int : 0, list, global);
    for (const [index, parameter] of (parameters ?? []).entries())
      if (parameter.kind === "memory" && parameter.nonNull) btf.declTag("arg:nonnull", type, index);
    return type;
  });
  return { blob: btf.bytes(), types };
}

const VMLINUX = "/sys/kernel/btf/vmlinux";
let kernelFunctions: ReadonlyMap<string, number> | undefined;

/** The BTF number of a function of the running kernel (not of its modules); null when it has none of that name. */
export function kernelFunction(name: string): number | null {
  kernelFunctions ??= existsSync(VMLINUX) ? functionsIn(readFileSync(VMLINUX)) : new Map();
  return kernelFunctions.get(name) ?? null;
}

function functionsIn(blob: Uint8Array): Map<string, number> {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  const headerBytes = view.getUint32(4, true);
  const end = headerBytes + view.getUint32(8, true) + view.getUint32(12, true);
  const strings = headerBytes + view.getUint32(16, true);
  /** Bytes behind the three words, for each member or once, by kind. */
  const each: Readonly<Record<number, number>> = { 4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12 };
  const once: Readonly<Record<number, number>> = { 1: 4, 3: 12, 14: 4, 17: 4 };
  const found = new Map<string, number>();
  const decoder = new TextDecoder();
  for (let at = headerBytes + view.getUint32(8, true), id = 1; at < end; id++) {
    const info = view.getUint32(at + 4, true);
    const kind = (info >>> 24) & 0x1f;
    if (kind === KIND.func) {
      const start = strings + view.getUint32(at, true);
      found.set(decoder.decode(blob.subarray(start, blob.indexOf(0, start))), id);
    }
    at += 12 + (each[kind] ?? 0) * (info & 0xffff) + (once[kind] ?? 0);
  }
  return found;
}
