// Says a map, or a program's run configuration, as a BTF struct: loaders read the numbers from the types of its members, so
// no byte of the struct's value matters. `n` for a number v is a pointer to int[v], for a type T a pointer to T.
// Source: libbpf src/bpf_helpers.h (__uint, __type), src/libbpf.c (parse_btf_map_def); libxdp (XDP_RUN_CONFIG in
// xdp_helpers.h, xdp_program__parse_btf in libxdp.c).

import { assert, must } from "../base/assert.ts";
import { type BtfMember, type BtfStruct, type BtfType, btfSize } from "../bpf/btf.ts";
import { fixedKeyBytes, fixedValueBytes, mapKindInfo } from "../bpf/maps.ts";
import type { BpfMap, RunConfig } from "../bpf/object.ts";

/** LIBBPF_PIN_BY_NAME. */
const pinByName = 1;
const pointerBytes = 8;
const verdicts: RunConfig["chainOn"] = ["XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"];

/** Bytes behind the definition for the pointers to the programs that the map holds, up to the last one. */
export function programSlotBytes(map: BpfMap): number {
  return ((map.programs?.at(-1)?.index ?? -1) + 1) * pointerBytes;
}

/** C's int: the element of the arrays that stand for numbers, and what XDP programs return. */
export const cInt: BtfType = { kind: "int", name: "int", bytes: 4, signed: true, bool: false };

/** What loaders look for behind such a pointer is that it is a function; which is said by the relocation. */
const programType: BtfType = { kind: "function", result: cInt, parameters: [] };

/**
 * The struct that defines `map` in `.maps`. Sizes of typeless keys and values come from the map's types where it has some all
 * the same, else from the row of its kind. Throws InternalError when the kind needs a type and there is none.
 */
export function mapDefinition(map: BpfMap): BtfStruct {
  const row = mapKindInfo(map.kind);
  assert(row.ofMaps === (map.inner !== undefined), `map ${map.name}: an inner map is for maps of maps`);
  const fields: [string, BtfType][] = [["type", numberType(row.number)]];
  if (map.maxEntries !== 0) fields.push(["max_entries", numberType(map.maxEntries)]);
  const flags = (map.flags | row.requiredFlags) >>> 0;
  if (flags !== 0) fields.push(["map_flags", numberType(flags)]);
  if (map.pinned) fields.push(["pinning", numberType(pinByName)]);
  switch (row.keyDeclaredBy) {
    case "type":
      fields.push(["key", pointerTo(must(map.key, `map ${map.name} needs a key type`))]);
      break;
    case "size": {
      const bytes = map.key === null ? fixedKeyBytes(map.kind) : btfSize(map.key);
      fields.push(["key_size", numberType(must(bytes, `map ${map.name} needs a key type`))]);
    }
  }
  if (map.inner !== undefined) {
    // An array of no pointers to the template; it must come last.
    const element = pointerTo(mapDefinition({ ...map.inner, pinned: false }));
    fields.push(["values", { kind: "array", element, count: 0 }]);
    return structOf(fields, 0);
  }
  if (map.programs !== undefined && map.programs.length > 0) {
    // An array of no pointers to functions; the pointers themselves are relocations of the bytes behind the other members.
    fields.push(["values", { kind: "array", element: pointerTo(programType), count: 0 }]);
    return structOf(fields, 0);
  }
  switch (row.valueDeclaredBy) {
    case "type":
      fields.push(["value", pointerTo(must(map.value, `map ${map.name} needs a value type`))]);
      break;
    case "size": {
      const bytes = map.value === null ? fixedValueBytes(map.kind) : btfSize(map.value);
      fields.push(["value_size", numberType(must(bytes, `map ${map.name} needs a value type`))]);
    }
  }
  return structOf(fields);
}

/**
 * The struct that tells libxdp a program's place in the chain and the verdicts after which the chain goes on. XDP_PASS is
 * always said: libxdp goes on after it unless told not to.
 */
export function runConfigDefinition(config: RunConfig): BtfStruct {
  const goesOn = new Set<string>(config.chainOn);
  const said = verdicts.filter((verdict) => goesOn.has(verdict) || verdict === "XDP_PASS");
  return structOf([
    ["priority", numberType(config.priority)],
    ...said.map((verdict): [string, BtfType] => [verdict, numberType(goesOn.has(verdict) ? 1 : 0)]),
  ]);
}

function numberType(value: number): BtfType {
  return pointerTo({ kind: "array", element: cInt, count: value });
}

function pointerTo(to: BtfType): BtfType {
  return { kind: "pointer", to };
}

/** `lastBytes`: the size of the last member, a pointer's for all others. */
function structOf(fields: readonly (readonly [string, BtfType])[], lastBytes: number = pointerBytes): BtfStruct {
  const members = fields.map(([name, type], index): BtfMember => ({ name, type, offsetBytes: index * pointerBytes }));
  return { kind: "struct", name: null, bytes: (members.length - 1) * pointerBytes + lastBytes, members };
}
