// Small programs for the tests of the checker's memory and calls: text with maps by name becomes a ProgramImage, which the
// checker judges and support/image-load.ts shows to the kernel. Shares nothing with the checker.

import { parseAsm } from "../../src/bpf/asm-parse.ts";
import { encode } from "../../src/bpf/encode.ts";
import type { AttachPoint, ImageMap, ProgramImage } from "../../src/bpf/image.ts";
import { type MapKind, mapFlags, mapKinds } from "../../src/bpf/maps.ts";

/** What a map of the tests says besides its kind. */
export interface TestMap extends Partial<Omit<ImageMap, "type" | "name">> {
  readonly kind: MapKind | number;
}

/** An `ImageMap` with what is usual filled in: 4-byte keys, 8-byte values, 4 entries. */
export function testMap(name: string, map: TestMap): ImageMap {
  const type = typeof map.kind === "number" ? map.kind : mapKinds[map.kind].number;
  const keyless = typeof map.kind === "string" && mapKinds[map.kind].key === "none";
  const ring = map.kind === "ringbuf";
  const handles = typeof map.kind === "string" && mapKinds[map.kind].value === "fixed";
  const fields = map.fields ?? [];
  return {
    name,
    type,
    keyBytes: map.keyBytes ?? (keyless ? 0 : 4),
    valueBytes: map.valueBytes ?? (ring ? 0 : handles ? 4 : 8),
    maxEntries: map.maxEntries ?? (ring ? 4096 : 4),
    flags: map.flags ?? (map.kind === "lpm_trie" ? mapFlags.noPrealloc : 0),
    frozen: map.frozen ?? false,
    data: map.data ?? null,
    fields,
    hasBtf: map.hasBtf ?? fields.length > 0,
    inner: map.inner ?? null,
  };
}

/** What a program of the tests says besides its text. */
export interface TestProgram {
  readonly text: string;
  readonly maps?: readonly ImageMap[];
  readonly license?: string;
  readonly attach?: AttachPoint;
  readonly frags?: boolean;
}

/** The program as the checker gets it. Throws on text that is no program. */
export function imageOf(program: TestProgram): ProgramImage {
  const maps = program.maps ?? [];
  const parsed = parseAsm(program.text);
  if (parsed.kind === "errors")
    throw new Error(`${parsed.errors.map((e) => `${e.line}: ${e.message}`).join("; ")}\n${program.text}`);
  const used: ImageMap[] = [];
  const indexOf = (name: string): number => {
    const at = used.findIndex((map) => map.name === name);
    if (at >= 0) return at;
    const map = maps.find((m) => m.name === name);
    if (map === undefined) throw new Error(`no map ${name}`);
    return used.push(map) - 1;
  };
  const { bytes, relocations } = encode(parsed.insns);
  const code = bytes.slice();
  const view = new DataView(code.buffer);
  for (const relocation of relocations) {
    const at = relocation.slot * 8;
    if (relocation.kind === "call") throw new Error("no relocated calls here");
    const name = relocation.kind === "map" ? relocation.symbol : relocation.section;
    view.setInt32(at + 4, indexOf(name), true);
    const dst = view.getUint8(at + 1) & 0x0f;
    view.setUint8(at + 1, dst | (relocation.kind === "map" ? 0x10 : 0x20));
    if (relocation.kind === "data") view.setInt32(at + 12, relocation.offsetBytes, true);
  }
  return {
    name: "test",
    section: "xdp",
    attach: program.attach ?? "device",
    frags: program.frags ?? false,
    license: program.license ?? "GPL",
    code,
    maps: used,
    kfuncs: [],
    functions: [],
    lines: [],
    gaps: [],
  };
}
