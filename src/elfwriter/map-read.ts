// Finds the maps of an object file: as `.maps` and its BTF describe them, or by their symbols' names alone where there is no
// BTF. Trusts nothing and stays linear: a definition that many maps share is read once. Knows no instructions.
// Source: libbpf src/libbpf.c (parse_btf_map_def).

import { mapKindByNumber, mapKinds } from "../bpf/maps.ts";
import { type DecodedBtf, type DecodedType, decodedSize, skipModifiers } from "./btf-decode.ts";
import { symbolType } from "./elf-format.ts";
import type { ObjectMap, ObjectRelocation, ObjectSection, ObjectSymbol } from "./object-file.ts";

type Definition = Omit<ObjectMap, "name" | "programs"> & {
  /** Where the pointers of `values` begin, counted from the map's own place; null without that member. */
  readonly valuesAt: number | null;
};
/** What was made of each struct. */
type Definitions = Map<DecodedType, Definition | null>;

const pointerBytes = 8;

const unknown: Definition = {
  type: null,
  kind: null,
  maxEntries: null,
  flags: 0,
  pinned: false,
  keyBytes: null,
  valueBytes: null,
  keyType: null,
  valueType: null,
  inner: null,
  valuesAt: null,
};

/** The maps of a file in the order of their places; null when a definition in .maps isn't one. */
export function readMaps(
  sections: readonly ObjectSection[],
  symbols: readonly ObjectSymbol[],
  relocations: ReadonlyMap<number, readonly ObjectRelocation[]>,
  btf: DecodedBtf | null,
): readonly ObjectMap[] | null {
  const described = btf?.types.find((type) => type.kind === "section" && type.name === ".maps");
  if (btf === null || described?.kind !== "section") {
    const isMap = (symbol: ObjectSymbol): boolean =>
      symbol.type !== symbolType.section && (symbol.section?.name === ".maps" || symbol.section?.name === "maps");
    return symbols.filter(isMap).map((symbol) => mapOf(symbol.name, unknown));
  }
  const section = sections.find(({ name }) => name === ".maps");
  if (section === undefined) return null;
  const places = new Map(symbols.filter((s) => s.section === section).map((s) => [s.name, s]));
  const patches = relocations.get(section.number) ?? [];
  const definitions: Definitions = new Map();
  const inners: Definitions = new Map();
  const maps: ObjectMap[] = [];
  for (const place of described.variables) {
    const variable = btf.types[place.variable];
    const struct = variable?.kind === "variable" ? skipModifiers(btf, variable.type) : null;
    if (variable?.kind !== "variable" || struct?.kind !== "struct") return null;
    let definition = definitions.get(struct);
    if (definition === undefined) {
      definition = define(btf, struct, inners);
      definitions.set(struct, definition);
    }
    if (definition === null) return null;
    const inner = definition.inner === null ? null : { ...definition.inner, name: `${variable.name}.inner` };
    const map = { ...mapOf(variable.name, definition), inner };
    const symbol = places.get(variable.name);
    if (definition.type !== mapKinds.prog_array.number || symbol === undefined) maps.push(map);
    else {
      const programs = programsOf(symbol, definition.valuesAt, patches);
      if (programs === null) return null;
      maps.push(programs.length === 0 ? map : { ...map, programs });
    }
  }
  return maps;
}

function mapOf(name: string, { valuesAt: _, ...definition }: Definition): ObjectMap {
  return { name, ...definition };
}

/** What the relocations of a map of programs, rising by offset, say that it holds; null for one that is no entry's place. */
function programsOf(
  { value, size }: ObjectSymbol,
  valuesAt: number | null,
  relocations: readonly ObjectRelocation[],
): NonNullable<ObjectMap["programs"]> | null {
  const [start, end] = [Number(value), Number(value + size)];
  let [low, high] = [0, relocations.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((relocations[middle]?.offset ?? end) < start) low = middle + 1;
    else high = middle;
  }
  const programs = new Map<number, string>();
  for (let at = relocations[low]; at !== undefined && at.offset < end; at = relocations[++low]) {
    const place = at.offset - start - (valuesAt ?? Number.POSITIVE_INFINITY);
    if (!(place >= 0) || place % pointerBytes !== 0) return null;
    programs.set(place / pointerBytes, at.symbol.name);
  }
  return [...programs].map(([index, program]) => ({ index, program }));
}

/** `inners` keeps the definitions of inner maps, which any number of members may name; null in one of those. */
function define(
  btf: DecodedBtf,
  struct: DecodedType & { kind: "struct" | "union" },
  inners: Definitions | null,
): Definition | null {
  let d = unknown;
  for (const member of struct.members) {
    const number = numberOf(btf, member.type);
    const pointer = skipModifiers(btf, member.type);
    const target = pointer?.kind === "pointer" ? pointer.to : null;
    switch (member.name) {
      case "type":
        if (number === null) return null;
        d = { ...d, type: number, kind: mapKindByNumber(number) };
        break;
      case "max_entries":
        d = { ...d, maxEntries: number };
        break;
      case "map_flags":
        d = { ...d, flags: number ?? 0 };
        break;
      case "pinning":
        d = { ...d, pinned: number === 1 };
        break;
      case "key_size":
        d = { ...d, keyBytes: number };
        break;
      case "value_size":
        d = { ...d, valueBytes: number };
        break;
      case "key":
        if (target === null) return null;
        d = { ...d, keyType: target, keyBytes: decodedSize(btf, target) };
        break;
      case "value":
        if (target === null) return null;
        d = { ...d, valueType: target, valueBytes: decodedSize(btf, target) };
        break;
      case "values":
        d = { ...d, valueBytes: 4, inner: inners && innerOf(btf, member.type, inners), valuesAt: member.bitOffset / 8 };
        break;
    }
  }
  return d;
}

/** The number v that a member of type pointer to int[v] says. */
function numberOf(btf: DecodedBtf, number: number): number | null {
  const pointer = skipModifiers(btf, number);
  const array = pointer?.kind === "pointer" ? skipModifiers(btf, pointer.to) : null;
  return array?.kind === "array" ? array.count : null;
}

/** The template that `values`, an array of no pointers to the inner definition, names; null for functions. */
function innerOf(btf: DecodedBtf, number: number, inners: Definitions): ObjectMap | null {
  const array = skipModifiers(btf, number);
  const pointer = array?.kind === "array" ? skipModifiers(btf, array.element) : null;
  const struct = pointer?.kind === "pointer" ? skipModifiers(btf, pointer.to) : null;
  if (struct?.kind !== "struct") return null;
  let definition = inners.get(struct);
  if (definition === undefined) {
    definition = define(btf, struct, null);
    inners.set(struct, definition);
  }
  return definition === null ? null : mapOf("", definition);
}
