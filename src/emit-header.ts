// `--emit header`: what user space must know of a file's maps, globals and events, as a header for C and C++. Layouts are those of
// ir/layout.ts with all padding written out, so that no compiler has a choice. Reads the typed program; knows nothing of objects.

import { assert } from "./base/assert.ts";
import { fixedValueBytes, type MapKind, mapKindInfo } from "./bpf/maps.ts";
import { commentText, fileName, memberName, prefixOf, stringLiteral, structName } from "./c-names.ts";
import { COUNTER_VALUE } from "./ir/declare-map.ts";
import type { GlobalSymbol, HModule, MapSymbol } from "./ir/hir.ts";
import { layoutOf, roundUp } from "./ir/layout.ts";
import { LIMITER_VALUE } from "./ir/limiter.ts";
import { SAMPLE_HEADER, SAMPLE_MAP } from "./ir/sample.ts";
import { sentTo } from "./ir/sent.ts";
import { elementsOf, type Type, U8, U32 } from "./ir/types.ts";

/** A member of a struct to be written. */
interface Member {
  readonly name: string;
  readonly type: Type;
  readonly offsetBytes: number;
}

/** Structs that are the same in the headers of all files, so that functions on them can be too. A rule's struct may have such a name. */
const SHARED: ReadonlyMap<Type, string> = new Map<Type, string>([
  [COUNTER_VALUE, "What a counter holds, on each CPU its own."],
  [LIMITER_VALUE, "What a limiter keeps for a key, in sixteenths of a nanosecond since the machine started."],
  [SAMPLE_HEADER, "What `sample` sends: this, and behind it the packet's first `captured` bytes."],
]);

/** What user space writes into a map whose values the kernel looks at. **Source:** Linux include/uapi/linux/bpf.h, the map kinds. */
const HANDLES: Readonly<Partial<Record<MapKind, string>>> = {
  xskmap: "the file descriptor of an AF_XDP socket",
  prog_array: "the file descriptor of a program",
  hash_of_maps: "the file descriptor of a map",
  array_of_maps: "the file descriptor of a map",
};

/** What an entry for a device or a CPU begins with. **Source:** Linux include/uapi/linux/bpf.h, bpf_devmap_val and bpf_cpumap_val. */
const ENTRY_MEMBERS: Readonly<Partial<Record<MapKind, string>>> = {
  devmap: "ifindex",
  devmap_hash: "ifindex",
  cpumap: "qsize",
};

/** The header of a file that compiled. `path` is the rule file's; `offsetOf` tells where a global lies in its section, in bytes. */
export function headerText(module: HModule, path: string, offsetOf: (global: GlobalSymbol) => number): string {
  const header = new HeaderText(prefixOf(path));
  const maps = module.maps.filter((map) => map.name !== SAMPLE_MAP);
  const sent = sentTo(module);
  header.programs(module);
  for (const map of maps) header.map(map, sent.get(map) ?? []);
  for (const section of [".rodata", ".data", ".bss"] as const)
    header.section(
      section,
      module.globals.filter((global) => global.section === section),
      offsetOf,
    );
  return header.finish(fileName(path));
}

class HeaderText {
  readonly #prefix: string;
  readonly #macro: string;
  readonly #lines: string[] = [];
  readonly #written = new Set<string>();

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.#macro = prefix.toUpperCase();
  }

  programs(module: HModule): void {
    for (const { name, section } of module.programs) {
      this.#lines.push("", `/* program ${name} */`);
      this.#define("PROGRAM", name, stringLiteral(name));
      this.#define("SECTION", name, stringLiteral(section));
    }
  }

  map(map: MapSymbol, sent: readonly Type[]): void {
    const { name, mapKind, maxEntries } = map;
    const row = mapKindInfo(mapKind);
    const bytes = row.entryUnit === "byte";
    // Structs that several maps use stand before the first of them, outside what is said of the map.
    for (const type of [map.key, map.value, ...sent]) if (type !== null) this.#declare(type);
    const size =
      maxEntries === 0
        ? "a buffer for each CPU"
        : `${maxEntries} ${bytes ? "bytes" : maxEntries === 1 ? "entry" : "entries"}`;
    const inner = map.inner === undefined ? "" : ` of maps like ${map.inner.name}`;
    this.#lines.push("", `/* ${name}: ${mapKind}${inner}, ${size}${map.pinned ? ", pinned by name" : ""} */`);
    this.#define("MAP", name, stringLiteral(name));
    if (maxEntries !== 0) this.#define(bytes ? "BYTES" : "ENTRIES", name, `${maxEntries}u`);
    const key = keyOf(map);
    if (key !== null) this.#alias(`key_${name}`, key.type, key.comment);
    const value = entryOf(map);
    if (value !== null) {
      this.#alias(`value_${name}`, value.type, value.comment);
      if (row.perCpu) {
        this.#lines.push("/* user space sees a value for each possible CPU, this many bytes apart */");
        this.#define("STEP", name, `${roundUp(layoutOf(value.type).bytes, 8)}u`);
      }
    }
    if (map.role === "events") this.#events(name, sent);
  }

  /** The globals of a section as members of a struct, which begins where the section begins. */
  section(
    section: GlobalSymbol["section"],
    globals: readonly GlobalSymbol[],
    offsetOf: (g: GlobalSymbol) => number,
  ): void {
    if (globals.length === 0) return;
    const word = section.slice(1);
    const members = globals.map((global) => ({ ...global, offsetBytes: offsetOf(global) }));
    const change = section === ".rodata" ? "to be changed before the object is loaded" : "which programs change";
    const reached = section === ".rodata" ? "bpf_map__initial_value" : "bpf_map_lookup_elem at key 0";
    this.#lines.push(
      "",
      `/* Where section ${section} begins: globals ${change}. The section may end before this does or go on behind`,
      ` * it: look at its bytes through it, which are those of ${reached}, and copy none there. */`,
    );
    this.#define("DATA", word, stringLiteral(section));
    for (const { name, offsetBytes } of members) this.#define("OFFSET", name, `${offsetBytes}u`);
    for (const { name, device } of globals)
      if (device !== undefined) this.#define("DEVICE", name, stringLiteral(device));
    const end = members.reduce((most, m) => Math.max(most, m.offsetBytes + layoutOf(m.type).bytes), 0);
    const align = members.reduce((most, m) => Math.max(most, layoutOf(m.type).align), 1);
    const comments = new Map(globals.flatMap((g) => (g.device === undefined ? [] : [[g.name, "the device's index"]])));
    this.#struct(`section_${word}`, members, roundUp(end, align), comments);
  }

  finish(file: string): string {
    const guard = `${this.#macro}XDP_H`;
    return `${[
      `/* Made by xdpc from ${commentText(file)}: the maps, globals and events of its object. Don't edit.`,
      " *",
      ` * ${this.#prefix}key_M and ${this.#prefix}value_M are the types of map M, ${this.#prefix}event_M what \`emit\` sends through it, ${this.#prefix}sample_M what`,
      " * `sample` does. Integers are in the machine's order, addresses in network order. Padding must be zero in keys.",
      " */",
      `#ifndef ${guard}`,
      `#define ${guard}`,
      "",
      "#include <linux/types.h>",
      ...this.#lines,
      "",
      `#endif /* ${guard} */`,
    ].join("\n")}\n`;
  }

  #define(kind: string, name: string, value: string): void {
    this.#lines.push(`#define ${this.#macro}${kind}_${name} ${value}`);
  }

  #events(name: string, sent: readonly Type[]): void {
    const values = sent.filter((type) => type !== SAMPLE_HEADER);
    for (const [i, type] of values.entries()) this.#alias(`event${i === 0 ? "" : i + 1}_${name}`, type, "");
    if (values.length < sent.length) this.#alias(`sample_${name}`, SAMPLE_HEADER, "the packet's bytes follow");
  }

  /** A name of its own for a type. */
  #alias(name: string, type: Type, comment: string): void {
    const alias = `${this.#prefix}${name}`;
    const said = comment === "" ? commentOf(type) : comment;
    const behind = said === "" ? "" : ` /* ${said} */`;
    const tag = this.#declare(type);
    if (tag !== null) this.#lines.push(`typedef ${tag} ${alias};${behind}`);
    else if (type.kind === "tuple" || type.kind === "struct") {
      this.#struct(name, membersOf(type), layoutOf(type).bytes);
      this.#lines.push(`typedef struct ${alias} ${alias};${behind}`);
    } else if (arrayBytes(type) === null) this.#lines.push(`typedef ${scalarType(type)} ${alias};${behind}`);
    else {
      this.#struct(name, [{ name: "bytes", type, offsetBytes: 0 }], layoutOf(type).bytes);
      this.#lines.push(`typedef struct ${alias} ${alias};`);
    }
  }

  /** Writes the struct that a type is, once, with those inside it; gives how it is named, or null for types without a name. */
  #declare(type: Type): string | null {
    if (type.kind === "prefix") {
      const name = `xdpc_prefix_${type.of}`;
      this.#shared(
        name,
        membersOf(type),
        layoutOf(type).bytes,
        "A key of a trie: how many bits count, and the address.",
      );
      return `struct ${name}`;
    }
    if (type.kind !== "struct") {
      for (const element of elementsOf(type) ?? []) this.#declare(element);
      return null;
    }
    const what = SHARED.get(type);
    if (what !== undefined) {
      this.#shared(type.name, membersOf(type), layoutOf(type).bytes, what);
      return `struct ${type.name}`;
    }
    if (type.name === "") return null;
    const name = structName(type.name);
    if (!this.#written.has(name)) {
      this.#written.add(name);
      for (const { type: inner } of type.fields) this.#declare(inner);
      this.#lines.push("");
      this.#struct(name, membersOf(type), layoutOf(type).bytes);
    }
    return `struct ${this.#prefix}${name}`;
  }

  /** A struct that headers of other files may bring too. */
  #shared(name: string, members: readonly Member[], bytes: number, comment: string): void {
    if (this.#written.has(`struct ${name}`)) return;
    this.#written.add(`struct ${name}`);
    const guard = name.toUpperCase();
    this.#lines.push("", `#ifndef ${guard}`, `#define ${guard}`, `/* ${comment} */`);
    this.#body(name, members, bytes, new Map());
    this.#lines.push(sizeCheck(name.replace(/^xdpc_/, "xdpc_size_"), `struct ${name}`, bytes), "#endif");
  }

  #struct(
    name: string,
    members: readonly Member[],
    bytes: number,
    comments: ReadonlyMap<string, string> = new Map(),
  ): void {
    this.#body(`${this.#prefix}${name}`, members, bytes, comments);
    this.#lines.push(sizeCheck(`${this.#prefix}size_${name}`, `struct ${this.#prefix}${name}`, bytes));
  }

  #body(tag: string, members: readonly Member[], bytes: number, comments: ReadonlyMap<string, string>): void {
    this.#lines.push(`struct ${tag} {`);
    this.#members(members, bytes, comments, "  ");
    this.#lines.push("};");
  }

  /** Members with what lies between them, and behind the last up to `bytes`. */
  #members(members: readonly Member[], bytes: number, comments: ReadonlyMap<string, string>, indent: string): void {
    const names = new Set(members.map((member) => this.#member(member.name)));
    let end = 0;
    const padTo = (offsetBytes: number): void => {
      if (offsetBytes === end) return;
      let pad = `pad${end}`;
      while (names.has(pad)) pad += "_";
      this.#lines.push(`${indent}__u8 ${pad}[${offsetBytes - end}];`);
    };
    for (const { name, type, offsetBytes } of members) {
      padTo(offsetBytes);
      const layout = layoutOf(type);
      const comment = comments.get(name) ?? commentOf(type);
      const behind = comment === "" ? "" : ` /* ${comment} */`;
      if (type.kind === "tuple") {
        this.#lines.push(`${indent}struct {`);
        this.#members(membersOf(type), layout.bytes, new Map(), `${indent}  `);
        this.#lines.push(`${indent}} ${this.#member(name)};`);
      } else {
        const array = arrayBytes(type);
        const dimension = array === null ? "" : `[${array}]`;
        const written = this.#declare(type) ?? scalarType(type);
        this.#lines.push(`${indent}${written} ${this.#member(name)}${dimension};${behind}`);
      }
      end = offsetBytes + layout.bytes;
    }
    padTo(bytes);
  }

  #member(name: string): string {
    return memberName(name, this.#prefix);
  }
}

/** A size as the compiler must find it: an array of -1 elements stops it, in any version of C and C++. */
function sizeCheck(name: string, type: string, bytes: number): string {
  return `typedef char ${name}[sizeof(${type}) == ${bytes} ? 1 : -1];`;
}

interface Alias {
  readonly type: Type;
  /** Empty: what is said of the type will do. */
  readonly comment: string;
}

/** A map's key as user space gives it; null where there is none, or none worth a name. */
function keyOf(map: MapSymbol): Alias | null {
  const rule = mapKindInfo(map.mapKind).key;
  if (rule === "none" || map.role === "events") return null;
  // An array's index has 32 bits, whatever narrower type the rules count by.
  if (rule !== "u32Index") return { type: map.key ?? U32, comment: map.mapKind === "devmap_hash" ? "any number" : "" };
  return { type: U32, comment: map.maxEntries === 1 ? "always 0" : `0 to ${map.maxEntries - 1}` };
}

/** A map's value as user space gives it; null where there is none. */
function entryOf(map: MapSymbol): Alias | null {
  if (map.role === "events") return null;
  if (map.role === "set") return { type: map.value ?? U8, comment: "1, by custom: being there is what counts" };
  if (map.value !== null) return { type: map.value, comment: "" };
  const first = ENTRY_MEMBERS[map.mapKind];
  if (first === undefined) return { type: U32, comment: HANDLES[map.mapKind] ?? "" };
  const fields = [first, "program"].map((name) => ({ name, type: U32 }));
  assert(fixedValueBytes(map.mapKind) === 8, "an entry has room for a program");
  const read = "a program's file descriptor, or 0 for none; its id where the entry is read";
  return { type: { kind: "struct", name: "", fields }, comment: `program: ${read}` };
}

function membersOf(type: Type): Member[] {
  const { offsets } = layoutOf(type);
  return (elementsOf(type) ?? []).map((element, i) => {
    const field =
      type.kind === "struct" ? type.fields[i]?.name : type.kind === "prefix" ? ["prefixlen", "data"][i] : null;
    return { name: field ?? `f${i}`, type: element, offsetBytes: offsets[i] ?? 0 };
  });
}

/** The bytes of what C has as an array; null for the rest. IPv6 addresses are bytes, for in6_addr needs a header that fights with others. */
function arrayBytes(type: Type): number | null {
  return type.kind === "bytes" || type.kind === "mac" || type.kind === "ipv6" ? layoutOf(type).bytes : null;
}

/** The type of a number, or of an array's elements. */
function scalarType(type: Type): string {
  if (type.kind === "int") return `__u${type.bits}`;
  return type.kind === "ipv4" ? "__be32" : "__u8";
}

function commentOf(type: Type): string {
  switch (type.kind) {
    case "ipv4":
      return "IPv4 address, network order";
    case "ipv6":
      return "IPv6 address, network order";
    case "mac":
      return "MAC address";
    case "bool":
      return "0 or 1";
    default:
      return "";
  }
}
