// The members of a map's value that the kernel treats specially: locks, timers, pointers to kernel objects, roots of lists and
// trees. Follows the kernel's own search through BTF, limits included, because beyond them it sees no special member at all.
// Knows no ELF.
// Source: Linux kernel/bpf/btf.c (btf_find_field, btf_get_field_type, btf_repeat_fields, btf_parse_fields); include/linux/bpf.h.

import type { SpecialField } from "../bpf/image.ts";
import { type DecodedBtf, type DecodedType, skipModifiers } from "./btf-decode.ts";
import { LinkRefusal } from "./link-fault.ts";

type Kind = SpecialField["kind"];

/** A kind of member: its size and alignment in bytes, whether a value may have several, whether arrays of it count. */
interface FieldKind {
  readonly kind: Kind;
  readonly bytes: number;
  readonly align: number;
  readonly once: boolean;
  readonly repeats: boolean;
}

/** By the name of the struct. Nodes of lists and trees aren't searched for in maps. */
const namedFields: Readonly<Record<string, FieldKind>> = {
  bpf_spin_lock: { kind: "spinLock", bytes: 4, align: 4, once: true, repeats: false },
  bpf_res_spin_lock: { kind: "resSpinLock", bytes: 4, align: 4, once: true, repeats: false },
  bpf_timer: { kind: "timer", bytes: 16, align: 8, once: true, repeats: false },
  bpf_wq: { kind: "workqueue", bytes: 16, align: 8, once: true, repeats: false },
  bpf_task_work: { kind: "taskWork", bytes: 8, align: 8, once: true, repeats: false },
  bpf_refcount: { kind: "refcount", bytes: 4, align: 4, once: true, repeats: false },
  bpf_list_head: { kind: "listHead", bytes: 16, align: 8, once: false, repeats: true },
  bpf_rb_root: { kind: "rbRoot", bytes: 16, align: 8, once: false, repeats: true },
};

/** By the type tag of what a pointer points to. */
const taggedPointers: Readonly<Record<string, Kind>> = {
  kptr_untrusted: "kptrUntrusted",
  kptr: "kptr",
  percpu_kptr: "kptrPercpu",
  uptr: "uptr",
};

/** The names of the structs that make members special. */
export const specialStructNames: ReadonlySet<string> = new Set(Object.keys(namedFields));

/** BTF_FIELDS_MAX. */
const mostFields = 11;
/** MAX_RESOLVE_DEPTH. */
const maxDepth = 32;
/** Members looked at for one object; the kernel has no such limit, a hostile file would go on for ever. */
const mostSteps = 1_000_000;

/** Ends a search that the kernel ends with an error: then the value has no special members. */
class NoFields extends Error {}

/** Ends a search that would take too long. */
class TooBig extends Error {}

/** Searches values for special members; one searcher for each object, since all searches together are limited. */
export class FieldSearch {
  readonly #btf: DecodedBtf;
  readonly #known = new Map<number, readonly SpecialField[]>();
  readonly #barren = new Map<number, boolean>();
  #steps = 0;

  constructor(btf: DecodedBtf) {
    this.#btf = btf;
  }

  /**
   * The special members of type `number`, a struct or a data section, rising by offset; `valueBytes` is the size of the map's
   * values. Throws LinkRefusal about `map` when the types are too big to search.
   */
  of(number: number, valueBytes: number, map: string): readonly SpecialField[] {
    const known = this.#known.get(number);
    if (known !== undefined) return known;
    const fields = this.#search(number, valueBytes, map);
    this.#known.set(number, fields);
    return fields;
  }

  #search(number: number, valueBytes: number, map: string): readonly SpecialField[] {
    const found: SpecialField[] = [];
    const seen = new Set<Kind>();
    try {
      const type = skipModifiers(this.#btf, number);
      if (type?.kind === "struct") this.#struct(type, 0, 0, found, seen);
      else if (type?.kind === "section") this.#section(type, found, seen);
    } catch (error) {
      if (error instanceof NoFields) return [];
      if (error instanceof TooBig) throw new LinkRefusal("map-fields", map);
      throw error;
    }
    let end = 0;
    for (const field of found) {
      if (field.offsetBytes < end || field.offsetBytes + field.bytes > valueBytes) return [];
      end = field.offsetBytes + field.bytes;
    }
    const roots = found.some(({ kind }) => kind === "listHead" || kind === "rbRoot");
    const locks = found.filter(({ kind }) => kind === "spinLock" || kind === "resSpinLock").length;
    return (roots && locks === 0) || locks > 1 ? [] : found;
  }

  #struct(
    struct: DecodedType & { kind: "struct" | "union" },
    base: number,
    level: number,
    found: SpecialField[],
    seen: Set<Kind>,
  ): void {
    for (const member of struct.members) {
      if (member.bitOffset % 8 !== 0) {
        // Bit fields hold nothing special; the kernel gives up on the whole value where it meets one off a byte's border.
        throw new NoFields();
      }
      this.#member(member.type, base + member.bitOffset / 8, null, level, found, seen);
    }
  }

  #section(section: DecodedType & { kind: "section" }, found: SpecialField[], seen: Set<Kind>): void {
    for (const { variable, offsetBytes, bytes } of section.variables) {
      const type = this.#btf.types[variable];
      if (type?.kind === "variable") this.#member(type.type, offsetBytes, bytes, 0, found, seen);
    }
  }

  /** One member or variable of type `number`; a variable counts only where its size is that of its type. */
  #member(
    number: number,
    offset: number,
    size: number | null,
    level: number,
    found: SpecialField[],
    seen: Set<Kind>,
  ): void {
    if (++this.#steps > mostSteps) throw new TooBig();
    let type = this.#btf.types[number];
    let count = 1;
    for (let depth = 0; type?.kind === "array"; depth++) {
      if (depth === maxDepth) throw new NoFields();
      count *= type.count;
      number = type.element;
      type = this.#btf.types[number];
    }
    if (count === 0 || type === undefined) return;
    const named = Object.hasOwn(namedFields, type.name) ? namedFields[type.name] : undefined;
    if (named === undefined && type.kind === "struct") {
      if (size !== null && size !== type.bytes * count) return;
      if (!this.#isBarren(number)) this.#nested(type, offset, count, level, found, seen);
      return;
    }
    const field = named ?? this.#pointer(type);
    if (field === null) return;
    if (field.once && seen.has(field.kind)) throw new NoFields();
    seen.add(field.kind);
    if (size !== null && size !== field.bytes * count) return;
    if (offset % field.align !== 0) return;
    if (named !== undefined && (type.kind !== "struct" || type.bytes !== field.bytes)) return;
    if (count > 1 && !field.repeats) throw new NoFields();
    if (found.length + count > mostFields) throw new NoFields();
    for (let i = 0; i < count; i++)
      found.push({ kind: field.kind, offsetBytes: offset + i * field.bytes, bytes: field.bytes });
  }

  #nested(
    struct: DecodedType & { kind: "struct" | "union" },
    offset: number,
    count: number,
    level: number,
    found: SpecialField[],
    seen: Set<Kind>,
  ): void {
    if (level + 1 >= maxDepth) throw new NoFields();
    const first = found.length;
    this.#struct(struct, offset, level + 1, found, seen);
    const inOne = found.slice(first);
    if (count === 1 || inOne.length === 0) return;
    if (inOne.some(({ kind }) => Object.values(namedFields).some((f) => f.kind === kind && !f.repeats)))
      throw new NoFields();
    if (first + inOne.length * count > mostFields) throw new NoFields();
    for (let i = 1; i < count; i++)
      for (const field of inOne) found.push({ ...field, offsetBytes: field.offsetBytes + i * struct.bytes });
  }

  /** A pointer, perhaps volatile, to something with a type tag of ours. */
  #pointer(type: DecodedType): FieldKind | null {
    const pointer = type.kind === "volatile" ? this.#btf.types[type.to] : type;
    const tag = pointer?.kind === "pointer" ? this.#btf.types[pointer.to] : undefined;
    if (tag?.kind !== "typeTag") return null;
    const kind = Object.hasOwn(taggedPointers, tag.name) ? taggedPointers[tag.name] : undefined;
    const target = skipModifiers(this.#btf, tag.to);
    if (kind === undefined || this.#btf.types[tag.to]?.kind === "typeTag" || target?.kind !== "struct")
      throw new NoFields();
    return { kind, bytes: 8, align: 8, once: false, repeats: true };
  }

  /**
   * Whether a struct surely holds nothing special and nothing the kernel gives up on: most structs, and the reason why types
   * that share parts a million times over cost nothing. Each struct is looked at once, with a stack of its own.
   */
  #isBarren(root: number): boolean {
    const known = this.#barren.get(root);
    if (known !== undefined) return known;
    const open = [root];
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const parts = this.#partsOf(top);
      const unknown = parts === null ? [] : parts.filter((part) => !this.#barren.has(part));
      if (unknown.length > 0) {
        for (const part of unknown) open.push(part);
        continue;
      }
      open.pop();
      this.#barren.set(top, parts?.every((part) => this.#barren.get(part) === true) ?? false);
    }
    return this.#barren.get(root) ?? false;
  }

  /** The structs directly in struct `number`; null when a member of it is special or odd. */
  #partsOf(number: number): number[] | null {
    const struct = this.#btf.types[number];
    const parts = new Set<number>();
    if (struct?.kind !== "struct") return [];
    for (const member of struct.members) {
      if (++this.#steps > mostSteps) throw new TooBig();
      if (member.bitOffset % 8 !== 0) return null;
      let at = member.type;
      let type = this.#btf.types[at];
      for (let depth = 0; type?.kind === "array"; depth++) {
        if (depth === maxDepth) return null;
        at = type.element;
        type = this.#btf.types[at];
      }
      if (type === undefined) continue;
      if (Object.hasOwn(namedFields, type.name)) return null;
      if (type.kind === "struct") parts.add(at);
      const pointer = type.kind === "volatile" ? this.#btf.types[type.to] : type;
      if (pointer?.kind === "pointer" && this.#btf.types[pointer.to]?.kind === "typeTag") return null;
    }
    return [...parts];
  }
}
