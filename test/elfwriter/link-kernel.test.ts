// The linker against libbpf: the same objects give the same instructions, byte for byte once descriptors are names again, the
// same maps as the kernel sees them, and the kernel takes every image of what it takes from libbpf. Objects of two clangs at each
// level of the instruction set, of bpftool's linker, of Debian's xdp-tools, and ours.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import type { ImageMap, ProgramImage } from "../../src/bpf/image.ts";
import { mapKinds } from "../../src/bpf/maps.ts";
import { type LinkResult, linkObject } from "../../src/elfwriter/link.ts";
import { readObject } from "../../src/elfwriter/read.ts";
import { writeObject } from "../../src/elfwriter/write.ts";
import { possibleCpus } from "../support/bpf.ts";
import { kernelFunction } from "../support/btf-blob.ts";
import { ImageLoader } from "../support/image-load.ts";
import { type Judged, type JudgedMap, type JudgedProgram, judgeWithLibbpf } from "../support/libbpf-link.ts";
import { closeAll } from "../support/native.ts";
import { describeWith, kernelProblem, toolProblem } from "../support/requirements.ts";
import { linkSamples, type Sample } from "./link-samples.ts";
import * as sample from "./samples.ts";
import { compileC, output, richC, Scratch } from "./tools.ts";

const scratch = new Scratch();
afterAll(() => {
  scratch.remove();
  closeAll();
});

function link(path: string): LinkResult {
  const { object, faults } = readObject(new Uint8Array(readFileSync(path)));
  if (object === undefined) throw new Error(`${path}: ${JSON.stringify(faults)}`);
  return linkObject(object);
}

/** Each slot as text, with names in the place of handles; what only a kernel can resolve is left out. */
function slotsOf(insns: Uint8Array, mapName: (handle: number) => string, kfunc: (imm: number) => string): string[] {
  const view = new DataView(insns.buffer, insns.byteOffset, insns.byteLength);
  const slots: string[] = [];
  for (let slot = 0; slot * 8 < insns.length; slot++) {
    const at = slot * 8;
    const [opcode, regs, offset, imm] = [
      view.getUint8(at),
      view.getUint8(at + 1),
      view.getInt16(at + 2, true),
      view.getInt32(at + 4, true),
    ];
    const source = regs >> 4;
    const head = `${slot}: ${opcode.toString(16)} ${regs.toString(16)} ${offset}`;
    if (opcode === 0x18 && (source === 1 || source === 2)) slots.push(`${head} map ${mapName(imm)}`);
    else if (opcode === 0x85 && source === 2) slots.push(`${head} kfunc ${kfunc(imm)}`);
    else slots.push(`${head} ${imm}`);
  }
  return slots;
}

function expectSameCode(image: ProgramImage, judged: JudgedProgram, maps: readonly JudgedMap[]): void {
  const ours = slotsOf(
    image.code,
    (index) => image.maps[index]?.name ?? `no map ${index}`,
    (index) => `${kernelFunction(image.kfuncs[index] ?? "")}`,
  );
  const theirs = slotsOf(
    judged.insns,
    (fd) => maps.find((map) => map.fd === fd)?.name ?? `no map ${fd}`,
    (imm) => `${imm}`,
  );
  expect(ours).toEqual(theirs);
}

function expectSameMap(map: ImageMap, judged: JudgedMap | undefined): void {
  const maxEntries =
    map.type === mapKinds.perf_event_array.number && map.maxEntries === 0 ? possibleCpus() : map.maxEntries;
  const { name, type, keyBytes, valueBytes, hasBtf } = map;
  // The kernel makes the entries of device maps read only by itself.
  const flags = type === mapKinds.devmap.number || type === mapKinds.devmap_hash.number ? map.flags | 128 : map.flags;
  expect(judged).toMatchObject({ name, type, keyBytes, valueBytes, maxEntries, flags, hasBtf });
}

/** What libbpf loads must load from the image; returns how many images were compared. */
function expectSame(path: string): number {
  const { images, faults } = link(path);
  return judgeWithLibbpf(path, (judged: Judged) => {
    expect(judged.fault).toBeUndefined();
    expect(faults).toEqual([]);
    const { programs = [], maps = [] } = judged;
    const loader = new ImageLoader();
    try {
      for (const image of images) {
        const program = programs.find(({ name }) => name === image.name);
        expect(program, image.name).toBeDefined();
        if (program === undefined) continue;
        if (image.gaps.length === 0) expectSameCode(image, program, maps);
        else expect(image.code.length).toBe(program.insns.length);
        for (const map of image.maps) {
          if (map.name !== ".kconfig")
            expectSameMap(
              map,
              maps.find(({ name }) => name === map.name),
            );
        }
        const known = image.maps.every(({ fields }) => fields.every(({ kind }) => !kind.startsWith("kptr")));
        if (image.gaps.length === 0 && known) {
          const verdict = loader.judge(image);
          expect(`${image.name} ${verdict.verdict} ${verdict.reason}`).toBe(`${image.name} accept `);
        }
      }
    } finally {
      loader.close();
    }
    return images.length;
  });
}

describeWith("libbpf and the kernel", [kernelProblem(), toolProblem("clang-14", "clang-19", "bpftool")], () => {
  afterEach(() => closeAll());

  describe.each(["clang-14", "clang-19"])("%s", (clang) => {
    const levels = clang === "clang-14" ? ["v2", "v3"] : ["v1", "v3", "v4"];
    const all: [string, Sample][] = Object.entries({ ...linkSamples, rich: { source: richC } });
    for (const level of levels) {
      test.each(all.filter(([, s]) => s.refused === undefined))(`%s, ${level}`, (name, { source }) => {
        const file = `${clang}-${level}-${name.replaceAll(" ", "-")}`;
        const path = compileC(scratch, clang, file, source, `-mcpu=${level}`, "-Wno-everything");
        expect(expectSame(path)).toBeGreaterThan(0);
      });
    }

    test.each(all.filter(([, s]) => s.refused === true && !s.source.includes('SEC("tc")')))(
      "libbpf or the kernel refuses: %s",
      (name, { source }) => {
        const file = `${clang}-refused-${name.replaceAll(" ", "-")}`;
        const path = compileC(scratch, clang, file, source, "-Wno-everything");
        judgeWithLibbpf(path, (judged) => expect(judged.fault).toBeDefined());
        const { images, faults } = link(path);
        // What libbpf itself refuses is a fault; what only the kernel does is an image that the kernel refuses too.
        const loader = new ImageLoader();
        const verdicts = images.map((image) => loader.judge(image).verdict);
        loader.close();
        expect(faults.length > 0 || verdicts.includes("reject")).toBe(true);
      },
    );

    test("without BTF", () => {
      const source = linkSamples["only static data"]?.source ?? "";
      const path = compileC(scratch, clang, `${clang}-bare`, source, "-g0");
      expect(expectSame(path)).toBe(1);
    });
  });

  test("linked by bpftool from two objects", () => {
    const parts = ["functions in order of first call", "data sections", "callbacks"].map((name, i) =>
      compileC(
        scratch,
        "clang-19",
        `part${i}`,
        (linkSamples[name]?.source ?? "").replaceAll(/\bhelper\b/g, `helper${i}`),
      ),
    );
    const linked = join(scratch.path, "linked.o");
    output("bpftool", "gen", "object", linked, ...parts);
    expect(expectSame(linked)).toBe(7);
  });

  test("our own objects", () => {
    const maps = sample.oneMapOfEachKind();
    const objects = [
      sample.objectWithGlobals(),
      sample.object({
        maps,
        programs: [sample.program("p", [...sample.touch(maps), sample.move(0, 2), sample.exit])],
      }),
    ];
    for (const [i, object] of objects.entries())
      expect(expectSame(scratch.file(`own${i}.o`, writeObject(object)))).toBe(1);
  });

  const folders = ["/usr/lib/x86_64-linux-gnu/bpf", "/usr/lib/aarch64-linux-gnu/bpf", "/usr/lib/bpf"].filter(
    existsSync,
  );
  const installed = folders.flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
  // Tracing programs need a function to trace: libbpf can't load these objects as they are.
  test.each(installed.filter((path) => path.endsWith(".o") && !path.includes("xdpdump_bpf")))("%s", (path) => {
    expect(expectSame(path)).toBeGreaterThan(0);
  });
});
