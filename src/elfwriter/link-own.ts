// Images of the programs of an object that was never written: what linkObject(readObject(writeObject(o))) gives, without the
// file between, for each compilation ends with a look at its programs and the file is most of the work. What an object of ours
// seldom or never has (locks in values, functions with other parameters) takes the long way.

import { must } from "../base/assert.ts";
import { type BtfType, btfSize } from "../bpf/btf.ts";
import { encode, slotStarts } from "../bpf/encode.ts";
import type { ImageLine, ImageMap, ProgramImage } from "../bpf/image.ts";
import { slotBytes } from "../bpf/isa.ts";
import { fixedKeyBytes, fixedValueBytes, type MapKindInfo, mapKindInfo } from "../bpf/maps.ts";
import type { BpfMap, BpfObject, BpfProgram, DataSection } from "../bpf/object.ts";
import { btfLineLimit } from "./btf-format.ts";
import { lineText } from "./line-text.ts";
import { type LinkResult, linkObject, Patcher } from "./link.ts";
import { specialStructNames } from "./link-fields.ts";
import { dataMap, ringBytes } from "./link-maps.ts";
import { programRole } from "./link-sections.ts";
import { readObject } from "./read.ts";
import { writeObject } from "./write.ts";

/** More instructions or data bytes than this take the long way, where the limits are. */
const mostPlain = 1_000_000;

/** The programs of an object of ours as the kernel gets them: equal to `linkObject` of the file that `writeObject` makes. */
export function linkOwn(object: BpfObject): LinkResult {
  if (!isPlain(object)) return linkObject(must(readObject(writeObject(object)).object, "our own object can't be read"));
  const maps = new Map<string, ImageMap>();
  for (const map of object.maps) maps.set(map.name, imageMap(map));
  const data = new Map(object.data.map((section): [string, ImageMap] => [section.name, sectionMap(section)]));
  const bySection = new Map<string, BpfProgram[]>();
  for (const program of object.programs) {
    const list = bySection.get(program.section);
    if (list) list.push(program);
    else bySection.set(program.section, [program]);
  }
  const programs = [...bySection.values()].flat();
  return { images: programs.map((program) => image(program, object.license, maps, data)), faults: [], others: [] };
}

function image(
  program: BpfProgram,
  license: string,
  maps: ReadonlyMap<string, ImageMap>,
  data: ReadonlyMap<string, ImageMap>,
): ProgramImage {
  const { name, section, insns } = program;
  const { bytes: code, relocations } = encode(insns);
  const patcher = new Patcher(code);
  for (const relocation of relocations) {
    const { slot } = relocation;
    if (relocation.kind === "map") patcher.map(slot, known(maps, relocation.symbol), null);
    else if (relocation.kind === "data") patcher.map(slot, known(data, relocation.section), relocation.offsetBytes);
  }
  const role = programRole(section, null, null);
  const [attach, frags] = role.xdp ? [role.attach, role.frags] : (["device", false] as const);
  const shape = { name, startSlot: 0, slots: code.length / slotBytes, global: true };
  const functions = [{ ...shape, parameters: [{ kind: "ctx" } as const], returnsScalar: true }];
  const lines = imageLines(program);
  return { name, section, attach, frags, license, code, maps: patcher.maps, kfuncs: [], functions, lines, gaps: [] };
}

function known(maps: ReadonlyMap<string, ImageMap>, name: string): ImageMap {
  return must(maps.get(name), `an instruction refers to ${name}, which the object doesn't have`);
}

function imageLines(program: BpfProgram): ImageLine[] {
  const starts = slotStarts(program.insns);
  const texts = new Map<string, string>();
  const textOf = (text: string): string => {
    const done = texts.get(text) ?? lineText(text);
    texts.set(text, done);
    return done;
  };
  return program.lines.map(({ insnIndex, file, text, line, column }) => ({
    slot: must(starts[insnIndex], `line info of ${program.name} lies outside it`),
    file: textOf(file),
    text: textOf(text),
    line: Math.min(line, btfLineLimit.line),
    column: Math.min(column, btfLineLimit.column),
  }));
}

/** The map as `mapDefinition` says it and a loader takes it. */
function imageMap(map: BpfMap): ImageMap {
  const row: MapKindInfo = mapKindInfo(map.kind);
  const typed = row.valueDeclaredBy === "type" && (row.keyDeclaredBy === "type" || row.keyDeclaredBy === "nothing");
  return {
    name: map.name,
    type: row.number,
    keyBytes: sizeOf(row.keyDeclaredBy, map.key, fixedKeyBytes(map.kind)),
    valueBytes: sizeOf(row.valueDeclaredBy, map.value, fixedValueBytes(map.kind)),
    maxEntries: map.kind === "ringbuf" ? ringBytes(map.maxEntries) : map.maxEntries,
    flags: (map.flags | row.requiredFlags) >>> 0,
    frozen: false,
    data: null,
    fields: [],
    hasBtf: typed && keyFits(row, map.key),
    inner: map.inner === undefined ? null : imageMap({ ...map.inner, name: `${map.name}.inner` }),
    ...(map.programs === undefined || map.programs.length === 0 ? {} : { programs: map.programs }),
  };
}

function sizeOf(declaredBy: MapKindInfo["keyDeclaredBy"], type: BtfType | null, fixed: number | null): number {
  if (declaredBy === "nothing") return 0;
  return type === null ? (fixed ?? 0) : btfSize(type);
}

/** Whether the kernel takes a key's type: indices must be integers of 32 bits, prefixes structs. */
function keyFits(row: MapKindInfo, key: BtfType | null): boolean {
  if (row.keyDeclaredBy === "nothing") return true;
  const type = key === null ? null : withoutModifiers(key);
  if (row.key === "u32Index") return type?.kind === "int" && type.bytes === 4;
  return row.key !== "lpm" || type?.kind === "struct";
}

function withoutModifiers(type: BtfType): BtfType {
  let at = type;
  for (;;) {
    if (at.kind === "typedef") at = at.to;
    else if (at.kind === "const" || at.kind === "volatile") at = at.of;
    else return at;
  }
}

function sectionMap({ name, bytes, variables }: DataSection): ImageMap {
  const shared = variables.some(({ local }) => !local);
  return dataMap({ name, bytes: bytes.length, data: bytes, shared, fields: [], hasBtf: variables.length > 0 });
}

/** Whether nothing in an object needs more than this file knows. */
function isPlain(object: BpfObject): boolean {
  const slots = object.programs.reduce((sum, { insns }) => sum + insns.length, 0);
  const bytes = object.data.reduce((sum, section) => sum + section.bytes.length, 0);
  if (slots > mostPlain || bytes > mostPlain) return false;
  const values = [
    ...object.maps.map(({ value }) => value),
    ...object.data.flatMap((d) => d.variables.map((v) => v.type)),
  ];
  if (values.some((type) => type !== null && mayBeSpecial(type))) return false;
  return object.programs.every(({ section, parameters, result, insns }) => {
    const only = parameters.length === 1 ? parameters[0]?.type : undefined;
    const target = only?.kind === "pointer" ? only.to : undefined;
    const takesContext = target?.kind === "struct" && target.name === "xdp_md";
    const isXdp = section !== ".text" && programRole(section, null, null).xdp;
    const isRaw = insns.some((insn) => insn.kind === "loadWide" && insn.value.kind === "raw");
    return takesContext && isXdp && !isRaw && result.kind === "int";
  });
}

/** Whether a value has a part that the kernel might treat specially: a struct of a special name. Our types have no tags. */
function mayBeSpecial(type: BtfType): boolean {
  switch (type.kind) {
    case "struct":
      return specialStructNames.has(type.name ?? "") || type.members.some((member) => mayBeSpecial(member.type));
    case "array":
      return mayBeSpecial(type.element);
    case "typedef":
      return specialStructNames.has(type.name) || mayBeSpecial(type.to);
    case "const":
    case "volatile":
      return mayBeSpecial(type.of);
    case "int":
      return specialStructNames.has(type.name);
    default:
      return false;
  }
}
