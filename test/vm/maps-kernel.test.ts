// Maps against the kernel's: random sequences of operations from both sides, system calls and a program, on a real map and on ours;
// every result must be equal, and the whole content in the end. Not compared: which entry a full LRU map drops, and the order of
// hash maps' keys, which the kernel's random hash decides.

import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import type { ImageMap } from "../../src/bpf/image.ts";
import type { MapKind } from "../../src/bpf/maps.ts";
import { mapFlags } from "../../src/bpf/maps.ts";
import { createMap } from "../../src/vm/maps/create.ts";
import { Handles } from "../../src/vm/maps/handles.ts";
import type { MachineMap, MapHost } from "../../src/vm/maps/map.ts";
import { UserMap } from "../../src/vm/maps/user-map.ts";
import { possibleCpus } from "../support/bpf.ts";
import { closeAll } from "../support/native.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";
import type { Operation, RawMap } from "./kernel-maps.ts";
import {
  createRaw,
  imageMap,
  loadImage,
  madeMap,
  operations,
  operationsOf,
  operatorProgram,
  request,
} from "./kernel-maps.ts";

afterAll(closeAll);

const seed = process.env.FC_SEED === undefined ? undefined : Number(process.env.FC_SEED);
const scale = Number(process.env.FC_RUNS ?? 100) / 100;

function host(): MapHost {
  return { cpus: possibleCpus(), programs: new Handles(), maps: new Handles() };
}

function ours(image: ImageMap): MachineMap {
  const map = createMap(image, host());
  if ("errno" in map) throw new Error(`no map: ${map.reason}`);
  return map;
}

interface Step {
  readonly side: "user" | "program";
  readonly operation: Operation | "take" | "nextKey" | "freeze";
  readonly key: Uint8Array;
  /** Of 64 bytes; each side takes what it needs. */
  readonly value: Uint8Array;
  readonly flags: number;
}

const flags = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0, 1, 2) },
  { weight: 1, arbitrary: fc.constantFrom(3, 4, 5, 6, 7, 8, 2 ** 32, 2 ** 32 + 1, 2 ** 40) },
);

function steps(kind: MapKind, keys: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Step[]> {
  const user = fc.constantFrom(
    ...(["lookup", "lookup", "update", "update", "update", "delete", "take", "nextKey"] as const),
    ...(kind === "queue" || kind === "stack" ? (["take"] as const) : []),
  );
  const choices: fc.Arbitrary<Pick<Step, "side" | "operation">>[] = [
    fc.record({ side: fc.constant("user" as const), operation: user }),
  ];
  const program = operationsOf(kind);
  if (program.length > 0)
    choices.push(fc.record({ side: fc.constant("program" as const), operation: fc.constantFrom(...program) }));
  const step = fc
    .tuple(fc.oneof(...choices), keys, fc.uint8Array({ minLength: 64, maxLength: 64 }), flags)
    .map(([what, key, value, flags]): Step => ({ ...what, key, value, flags }));
  return fc.array(step, { minLength: 1, maxLength: 60, size: "max" });
}

/** Results as text: what a failure shows. */
function shown(result: Uint8Array | number): string {
  return typeof result === "number" ? `${result}` : Buffer.from(result).toString("hex");
}

function userStep(map: UserMap | RawMap, step: Step): string {
  const value = new Uint8Array(map.valueBytes).map((_, i) => step.value[i % 64] ?? 0);
  switch (step.operation) {
    case "lookup":
      return shown(map.lookup(step.key, step.flags < 8 ? step.flags : 0));
    case "update":
      return shown(map.update(step.key, value, step.flags));
    case "delete":
      return shown(map.delete(step.key));
    case "take":
      return shown(map.take(step.key, step.flags));
    case "nextKey":
      return shown(map.nextKey(step.key));
    default:
      throw new Error(step.operation);
  }
}

type Runner = (packet: Uint8Array) => Uint8Array;

function programStep(run: Runner, step: Step): { result: string; cpu: number } {
  const packet = new Uint8Array(request.packetBytes);
  const view = new DataView(packet.buffer);
  view.setUint32(request.operation, operations.indexOf(step.operation as Operation), true);
  view.setBigUint64(request.flags, BigInt(step.flags), true);
  packet.set(step.key, request.key);
  packet.set(step.value, request.value);
  const out = run(packet);
  const outView = new DataView(out.buffer, out.byteOffset);
  const result = outView.getBigInt64(request.result, true);
  return {
    result: `${result} ${Buffer.from(out.subarray(request.value, request.packetBytes)).toString("hex")}`,
    cpu: outView.getUint32(request.cpu, true),
  };
}

/** What the program does, done to our map directly. */
function ourProgramStep(map: MachineMap, step: Step, cpu: number): string {
  const { keyBytes, valueBytes } = map.image;
  const key = step.key.subarray(0, keyBytes);
  const area = step.value.slice();
  const value = area.subarray(0, valueBytes);
  const found = (bytes: Uint8Array | undefined): number => {
    if (bytes === undefined) return 0;
    area.set(bytes);
    return 1;
  };
  const result = ((): number => {
    switch (step.operation) {
      case "lookup":
        return found(map.lookup(key, cpu)?.bytes);
      case "lookupPercpu":
        return found(map.lookupPercpu(key, step.flags % 2 ** 32)?.bytes);
      case "update":
        return map.update(key, value, step.flags, cpu);
      case "delete":
        return map.delete(key);
      case "push":
        return map.push(value, step.flags);
      case "pop":
        return map.pop(value);
      case "peek":
        return map.peek(value);
      default:
        throw new Error(step.operation);
    }
  })();
  return `${result} ${Buffer.from(area).toString("hex")}`;
}

/** All keys and values by system calls, in order or sorted. */
function content(map: UserMap | RawMap, ordered: boolean): string[] {
  const rows: string[] = [];
  let key: Uint8Array | null = null;
  for (;;) {
    const next: Uint8Array | number = map.nextKey(key);
    if (typeof next === "number") {
      rows.push(`end ${next}`);
      return ordered ? rows : rows.sort();
    }
    rows.push(`${shown(next)} = ${shown(map.lookup(next))}`);
    key = next;
  }
}

interface Case {
  readonly name: string;
  readonly image: ImageMap;
  readonly kind: MapKind;
  readonly keys: fc.Arbitrary<Uint8Array>;
  /** Whether the order of keys is one that can be compared. */
  readonly ordered: boolean;
}

const anyKey = (bytes: number): fc.Arbitrary<Uint8Array> =>
  fc.integer({ min: 0, max: 5 }).map((n) => new Uint8Array(bytes).map((_, i) => (i === bytes - 1 ? n : i)));
const indexKey = fc
  .constantFrom(0, 1, 2, 3, 4, 5, 256, 0xffffffff)
  .map((n) => new Uint8Array(new Uint32Array([n]).buffer));
const noKey = fc.constant(new Uint8Array(0));
const lpmKey = (bytes: number): fc.Arbitrary<Uint8Array> =>
  fc
    .tuple(
      fc.oneof(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: bytes * 8 + 1 }), fc.constant(0x80000000)),
      fc.array(fc.constantFrom(0, 1, 0x80, 0xc0, 0xff), { minLength: bytes, maxLength: bytes }),
    )
    .map(([bits, data]) => new Uint8Array([...new Uint8Array(new Uint32Array([bits]).buffer), ...data]));

const hashCase = (kind: MapKind, keyBytes: number, valueBytes: number, flags = 0, maxEntries = 4): Case => ({
  name: `${kind}, keys of ${keyBytes}, values of ${valueBytes}, flags ${flags}`,
  kind,
  image: imageMap({ kind, keyBytes, valueBytes, maxEntries, flags }),
  keys: anyKey(keyBytes),
  ordered: false,
});
const arrayCase = (kind: MapKind, valueBytes: number, flags = 0): Case => ({
  name: `${kind}, values of ${valueBytes}, flags ${flags}`,
  kind,
  image: imageMap({ kind, keyBytes: 4, valueBytes, maxEntries: 4, flags }),
  keys: indexKey,
  ordered: true,
});

const cases: readonly Case[] = [
  hashCase("hash", 4, 8),
  hashCase("hash", 1, 4),
  hashCase("hash", 13, 20),
  hashCase("hash", 8, 12, mapFlags.noPrealloc),
  hashCase("percpu_hash", 4, 8),
  hashCase("percpu_hash", 7, 12),
  hashCase("percpu_hash", 16, 16, mapFlags.noPrealloc),
  hashCase("lru_hash", 4, 8, 0, 512),
  hashCase("lru_hash", 6, 12, mapFlags.noCommonLru, 512),
  hashCase("lru_percpu_hash", 5, 12, 0, 512),
  arrayCase("array", 8),
  arrayCase("array", 20),
  arrayCase("array", 8, mapFlags.mmapable),
  arrayCase("percpu_array", 8),
  arrayCase("percpu_array", 12),
  ...[1, 4, 16].map(
    (bytes): Case => ({
      name: `lpm_trie, ${bytes} bytes`,
      kind: "lpm_trie",
      image: imageMap({
        kind: "lpm_trie",
        keyBytes: 4 + bytes,
        valueBytes: 8,
        maxEntries: 6,
        flags: mapFlags.noPrealloc,
      }),
      keys: lpmKey(bytes),
      ordered: true,
    }),
  ),
  ...(["queue", "stack"] as const).map(
    (kind): Case => ({
      name: kind,
      kind,
      image: imageMap({ kind, keyBytes: 0, valueBytes: 12, maxEntries: 3 }),
      keys: noKey,
      ordered: true,
    }),
  ),
];

describeWith("maps and the kernel's", [kernelProblem()], () => {
  test.each(cases)("$name", ({ image, kind, keys, ordered }) => {
    let count = 0;
    const program = operatorProgram(image, kind);
    fc.assert(
      fc.property(steps(kind, keys), (sequence) => {
        const our = ours(image);
        const user = new UserMap(our);
        const raw = madeMap(createRaw(image, our.userValueBytes));
        const loaded = operationsOf(kind).length > 0 ? loadImage(program, [raw.fd]) : null;
        try {
          for (const [at, step] of sequence.entries()) {
            count += 1;
            if (step.side === "program") {
              const kernel = programStep((packet) => loaded!.run(packet).data, step);
              expect(`${at}: ${ourProgramStep(our, step, kernel.cpu)}`).toBe(`${at}: ${kernel.result}`);
            } else if (step.operation !== "nextKey" || ordered) {
              expect(`${at}: ${userStep(user, step)}`).toBe(`${at}: ${userStep(raw, step)}`);
            }
          }
          expect(content(user, ordered)).toEqual(content(raw, ordered));
        } finally {
          loaded?.close();
          raw.close();
        }
      }),
      { numRuns: Math.ceil(25 * scale), ...(seed === undefined ? {} : { seed }) },
    );
    expect(count).toBeGreaterThan(100 * Math.min(1, scale));
  });
});
