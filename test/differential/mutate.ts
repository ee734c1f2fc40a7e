// Mutants: one instruction of a program changed a little, as a bug in a compiler or a hostile hand would. Weighted so that a good
// part still loads: most changes are small. Deterministic for a random generator.

import type { ImageFunction, ImageParameter, ProgramImage } from "../../src/bpf/image.ts";
import type { Random } from "../support/random.ts";
import {
  distanceOf,
  isBranch,
  isCall,
  isJump,
  type Slot,
  secondHalves,
  slotsOfCode,
  splice,
  WIDE,
  withCode,
  withDistance,
} from "./code.ts";

/** A changed program, and what was changed. */
export interface Mutant {
  readonly image: ProgramImage;
  readonly what: string;
}

/** The slots of an image, and where its instructions start. */
interface Subject {
  readonly image: ProgramImage;
  readonly slots: readonly Slot[];
  readonly starts: readonly number[];
  readonly random: Random;
}

/** Changes a subject, or gives null where there is nothing of its kind. */
type Mutator = (subject: Subject) => ProgramImage | null;

/** Random choices of an instruction that a test holds for; null when there is none. */
function choose({ slots, starts, random }: Subject, holds: (slot: Slot, at: number) => boolean): number | null {
  for (let attempt = 0; attempt < 12; attempt++) {
    const at = random.pick(starts);
    if (holds(slots[at]!, at)) return at;
  }
  const all = starts.filter((at) => holds(slots[at]!, at));
  return all.length === 0 ? null : random.pick(all);
}

function replaced(subject: Subject, at: number | null, change: (slot: Slot) => Slot): ProgramImage | null {
  if (at === null) return null;
  const slots = subject.slots.slice();
  slots[at] = change(slots[at]!);
  return withCode(subject.image, slots);
}

/** Changes the first half of an instruction that `holds` for. */
const change =
  (holds: (slot: Slot) => boolean, alter: (slot: Slot, random: Random) => Slot): Mutator =>
  (subject) =>
    replaced(subject, choose(subject, holds), (slot) => alter(slot, subject.random));

const isAlu = ({ opcode }: Slot): boolean => (opcode & 7) === 4 || (opcode & 7) === 7;
const isMemory = ({ opcode }: Slot): boolean => [1, 2, 3].includes(opcode & 7);
const isAtomic = ({ opcode }: Slot): boolean => (opcode & 0xe7) === 0xc3;
const isMove = ({ opcode }: Slot): boolean => (opcode & 0xf0) === 0xb0 && ((opcode & 7) === 4 || (opcode & 7) === 7);
const isHelper = (slot: Slot): boolean => isCall(slot) && slot.src === 0;
const usesImm = (slot: Slot): boolean =>
  ((isAlu(slot) && (slot.opcode & 8) === 0) || (isBranch(slot) && (slot.opcode & 8) === 0)) && !isEndian(slot);
const isEndian = ({ opcode }: Slot): boolean => (opcode & 0xf0) === 0xd0 && ((opcode & 7) === 4 || (opcode & 7) === 7);
const isMapLoad = (slot: Slot): boolean => slot.opcode === WIDE && (slot.src === 1 || slot.src === 2);

const ALU_CODES = [0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90, 0xa0, 0xb0, 0xc0];
const JUMP_CODES = [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xb0, 0xc0, 0xd0];
/** Each condition with the one that differs only where both sides are equal, and its opposite. */
const NEAR_JUMPS: Readonly<Record<number, readonly number[]>> = {
  16: [0x50, 0x40],
  80: [0x10, 0x40],
  32: [0x30, 0xb0, 0x60],
  48: [0x20, 0xa0, 0x70],
  96: [0x70, 0xd0, 0x20],
  112: [0x60, 0xc0, 0x30],
  160: [0xb0, 0x30, 0xc0],
  176: [0xa0, 0x20, 0xd0],
  192: [0xd0, 0x70, 0xa0],
  208: [0xc0, 0x60, 0xb0],
  64: [0x10, 0x50],
};
const SIZE_BITS = [0x00, 0x08, 0x10, 0x18];
/** Helpers that XDP programs call, those that change packets or need references first, and a few that they may not. */
const HELPERS = [
  1, 2, 3, 5, 7, 8, 12, 23, 25, 28, 44, 51, 54, 65, 69, 84, 86, 87, 88, 89, 93, 94, 118, 130, 131, 132, 133, 134, 164,
  165, 181, 182, 188, 189, 190, 195, 197, 6, 4, 9, 26, 112, 113, 169, 170, 171, 999,
];

/** A number near another one, or one that bounds often are. */
function near(value: number, random: Random): number {
  const choices = [
    () => value + 1,
    () => value - 1,
    () => value + random.pick([2, 4, 8, 16, 64]),
    () => value - random.pick([2, 4, 8, 16, 64]),
    () => value ^ (1 << random.below(32)),
    () => -value,
    () => value * 2,
    () => value >> 1,
    () => random.below(16),
    () => random.pick([0, -1, 1, 0x7fffffff, -0x80000000, 0xffff, 0x10000, 255, 256, 31, 32, 63, 64, 512, -8, 14, 34]),
    () => random.next() | 0,
  ];
  return random.pick(choices)() | 0;
}

function nearOffset(value: number, random: Random): number {
  const moved = random.chance(75) ? value + random.pick([-8, -4, -2, -1, 1, 2, 4, 8, 16, -16]) : near(value, random);
  return (moved << 16) >> 16;
}

const anyRegister = (random: Random): number => random.below(11);

/** A jump somewhere else: mostly near where it went. */
function retarget(subject: Subject, holds: (slot: Slot) => boolean): ProgramImage | null {
  const at = choose(subject, holds);
  if (at === null) return null;
  const { random, starts, slots } = subject;
  const target = at + 1 + distanceOf(slots[at]!)!;
  const index = starts.findIndex((start) => start >= target);
  const fresh =
    random.chance(60) && index !== -1
      ? starts[Math.min(starts.length - 1, Math.max(0, index + random.pick([-2, -1, 1, 2, 3])))]!
      : random.chance(85)
        ? random.pick(starts)
        : random.below(slots.length + 1);
  return replaced(subject, at, (slot) => withDistance(slot, fresh - at - 1));
}

function width(slots: readonly Slot[], at: number): number {
  return slots[at]!.opcode === WIDE ? 2 : 1;
}

function remove(subject: Subject, holds: (slot: Slot, at: number) => boolean): ProgramImage | null {
  const at = choose(subject, holds);
  if (at === null || subject.slots.length <= 2) return null;
  return splice(subject.image, at, at + width(subject.slots, at), []);
}

/** An instruction that is plausible anywhere. */
function plausible(random: Random): Slot {
  const blank = { opcode: 0, dst: random.below(10), src: random.below(10), offset: 0, imm: 0 };
  const kinds: (() => Slot)[] = [
    () => ({ ...blank, opcode: 0xbf }),
    () => ({ ...blank, opcode: 0xbc }),
    () => ({ ...blank, opcode: 0xb7, src: 0, imm: random.below(200) }),
    () => ({ ...blank, opcode: random.pick(ALU_CODES) | random.pick([4, 7]), src: 0, imm: 1 + random.below(31) }),
    () => ({ ...blank, opcode: random.pick(ALU_CODES) | 8 | random.pick([4, 7]) }),
    () => ({ ...blank, opcode: 0x7b, dst: 10, offset: -8 * (1 + random.below(10)) }),
    () => ({ ...blank, opcode: 0x79, src: 10, offset: -8 * (1 + random.below(10)) }),
    () => ({ ...blank, opcode: 0x63, dst: 10, offset: -4 * (1 + random.below(20)) }),
    () => ({ ...blank, opcode: 0x71, src: 10, offset: -1 - random.below(64) }),
    () => ({ ...blank, opcode: random.pick([0xd4, 0xdc, 0xd7]), src: 0, imm: random.pick([16, 32, 64]) }),
    () => ({ ...blank, opcode: 0x87, src: 0 }),
    () => ({ ...blank, opcode: 0xbf, offset: random.pick([8, 16, 32]) }),
    () => ({ ...blank, opcode: 0x85, dst: 0, src: 0, imm: random.pick([5, 7, 8]) }),
  ];
  return random.pick(kinds)();
}

function swapped(subject: Subject): ProgramImage | null {
  const { starts, slots, random, image } = subject;
  if (starts.length < 2) return null;
  const index = random.below(starts.length - 1);
  const [a, b] = [starts[index]!, starts[index + 1]!];
  const end = b + width(slots, b);
  // Only plain instructions: a jump that changes its place would change its target too.
  if (distanceOf(slots[a]!) !== null || distanceOf(slots[b]!) !== null) return null;
  return splice(image, a, end, [...slots.slice(b, end), ...slots.slice(a, b)]);
}

function otherMap({ image, random }: Subject): ProgramImage | null {
  if (image.maps.length === 0) return null;
  const which = random.below(image.maps.length);
  const maps = image.maps.map((map, index) => {
    if (index !== which || map.data !== null || map.inner !== null) return map;
    const size = random.pick([-8, -4, -1, 1, 4, 8]);
    const kinds = [
      () => ({ ...map, valueBytes: Math.max(1, map.valueBytes + size) }),
      () => ({ ...map, keyBytes: Math.max(1, map.keyBytes + size) }),
      () => ({ ...map, flags: map.flags ^ random.pick([1 << 7, 1 << 8]) }),
      () => ({ ...map, type: random.pick([1, 2, 5, 6, 9, 22]) }),
      () => ({ ...map, maxEntries: random.pick([1, 2, 3, 4096]) }),
    ];
    return random.pick(kinds)();
  });
  return { ...image, maps };
}

function otherLoading({ image, random }: Subject): ProgramImage {
  const kinds: (() => ProgramImage)[] = [
    () => ({ ...image, license: image.license === "GPL" ? "Proprietary" : "GPL" }),
    () => ({ ...image, frags: !image.frags }),
    () => ({ ...image, attach: random.pick(["device", "devmap", "cpumap"] as const) }),
  ];
  return random.pick(kinds)();
}

/** What the object's types say of a function: what it takes, and whether it is verified on its own. */
function otherFunction({ image, random }: Subject): ProgramImage | null {
  const typed = image.functions.flatMap((fn, index) => (index > 0 && fn.parameters !== null ? [index] : []));
  if (typed.length === 0) return null;
  const which = random.pick(typed);
  const functions = image.functions.map((fn, index): ImageFunction => {
    if (index !== which || fn.parameters === null) return fn;
    const parameters = fn.parameters;
    const parameter = (change: (old: ImageParameter) => ImageParameter): ImageFunction => {
      const at = random.below(Math.max(1, parameters.length));
      return { ...fn, parameters: parameters.map((old, place) => (place === at ? change(old) : old)) };
    };
    const bytes = random.pick([1, 4, 8, 16, 64]);
    const kinds: (() => ImageFunction)[] = [
      () => ({ ...fn, global: !fn.global }),
      () => ({ ...fn, returnsScalar: !fn.returnsScalar }),
      () => ({ ...fn, parameters: [...parameters, { kind: "scalar" as const }].slice(0, 6) }),
      () => ({ ...fn, parameters: parameters.slice(1) }),
      () =>
        parameter(() =>
          random.pick([{ kind: "scalar" }, { kind: "ctx" }, { kind: "other", what: "unknown" }] as const),
        ),
      () => parameter(() => ({ kind: "memory", bytes, nonNull: random.chance(50) })),
      () => parameter((old) => (old.kind === "memory" ? { ...old, nonNull: !old.nonNull } : old)),
    ];
    return random.pick(kinds)();
  });
  return { ...image, functions, lines: [] };
}

/** All kinds with their weights. */
const MUTATORS: readonly (readonly [what: string, weight: number, mutate: Mutator])[] = [
  ["immediate", 12, change(usesImm, (slot, random) => ({ ...slot, imm: near(slot.imm, random) }))],
  ["small immediate", 8, change(usesImm, (slot, random) => ({ ...slot, imm: slot.imm + random.pick([-2, -1, 1, 2]) }))],
  [
    "offset of an access",
    10,
    change(isMemory, (slot, random) => ({ ...slot, offset: nearOffset(slot.offset, random) })),
  ],
  [
    "width of an access",
    8,
    change(
      (slot) => isMemory(slot),
      (slot, random) => ({ ...slot, opcode: (slot.opcode & ~0x18) | random.pick(SIZE_BITS) }),
    ),
  ],
  [
    "signed load",
    2,
    change(
      ({ opcode }) => (opcode & 0xe7) === 0x61 && opcode !== 0x79,
      (slot) => ({ ...slot, opcode: slot.opcode ^ 0xe0 }),
    ),
  ],
  [
    "destination",
    8,
    change(
      () => true,
      (slot, random) => ({ ...slot, dst: anyRegister(random) }),
    ),
  ],
  [
    "source",
    8,
    change(
      (slot) => isMemory(slot) || ((isAlu(slot) || isBranch(slot)) && (slot.opcode & 8) !== 0),
      (slot, random) => ({ ...slot, src: anyRegister(random) }),
    ),
  ],
  [
    "operation",
    9,
    change(
      (slot) => isAlu(slot) && !isEndian(slot),
      (slot, random) => ({ ...slot, opcode: (slot.opcode & 0x0f) | random.pick(ALU_CODES) }),
    ),
  ],
  [
    "width of arithmetic",
    6,
    change(
      (slot) => isAlu(slot) && !isEndian(slot),
      (slot) => ({ ...slot, opcode: slot.opcode ^ 3 }),
    ),
  ],
  ["width of a comparison", 4, change(isBranch, (slot) => ({ ...slot, opcode: slot.opcode ^ 3 }))],
  [
    "near condition",
    10,
    change(
      (slot) => isBranch(slot) && NEAR_JUMPS[slot.opcode & 0xf0] !== undefined,
      (slot, random) => ({ ...slot, opcode: (slot.opcode & 0x0f) | random.pick(NEAR_JUMPS[slot.opcode & 0xf0]!) }),
    ),
  ],
  [
    "condition",
    4,
    change(isBranch, (slot, random) => ({ ...slot, opcode: (slot.opcode & 0x0f) | random.pick(JUMP_CODES) })),
  ],
  [
    "register for immediate",
    3,
    change(
      (slot) => (isAlu(slot) || isBranch(slot)) && !isEndian(slot),
      (slot, random) =>
        (slot.opcode & 8) === 0
          ? { ...slot, opcode: slot.opcode | 8, src: anyRegister(random), imm: 0 }
          : { ...slot, opcode: slot.opcode & ~8, src: 0, imm: random.below(64) },
    ),
  ],
  ["target of a branch", 7, (subject) => retarget(subject, isBranch)],
  ["target of a jump", 3, (subject) => retarget(subject, isJump)],
  ["target of a call", 1, (subject) => retarget(subject, (slot) => isCall(slot) && slot.src === 1)],
  [
    "target of a function's address",
    1,
    (subject) => retarget(subject, (slot) => slot.opcode === WIDE && slot.src === 4),
  ],
  ["delete", 10, (subject) => remove(subject, () => true)],
  ["delete a branch", 6, (subject) => remove(subject, isBranch)],
  ["delete a move", 4, (subject) => remove(subject, isMove)],
  ["delete a call", 2, (subject) => remove(subject, isCall)],
  ["always jump", 4, change(isBranch, (slot) => ({ opcode: 0x05, dst: 0, src: 0, offset: slot.offset, imm: 0 }))],
  [
    "duplicate",
    4,
    (subject) => {
      const at = choose(subject, (slot) => distanceOf(slot) === null);
      if (at === null) return null;
      return splice(subject.image, at, at, subject.slots.slice(at, at + width(subject.slots, at)));
    },
  ],
  ["swap", 5, swapped],
  ["insert", 9, (subject) => splice(subject.image, ...insertionPoint(subject), [plausible(subject.random)])],
  ["helper", 5, change(isHelper, (slot, random) => ({ ...slot, imm: random.pick(HELPERS) }))],
  ["map", 4, change(isMapLoad, (slot, random) => ({ ...slot, imm: slot.imm + random.pick([-2, -1, 1, 2]) }))],
  [
    "offset in a map's value",
    2,
    (subject) => {
      const at = choose(subject, (slot) => slot.opcode === WIDE && slot.src === 2);
      return replaced(subject, at === null ? null : at + 1, (slot) => ({
        ...slot,
        imm: near(slot.imm, subject.random),
      }));
    },
  ],
  ["map's address for its value", 1, change(isMapLoad, (slot) => ({ ...slot, src: 3 - slot.src }))],
  [
    "wide constant",
    2,
    change(
      ({ opcode, src }) => opcode === WIDE && src === 0,
      (slot, random) => ({ ...slot, imm: near(slot.imm, random) }),
    ),
  ],
  [
    "atomic operation",
    4,
    change(isAtomic, (slot, random) => ({
      ...slot,
      imm: random.pick([0, 1, 0x40, 0x41, 0x50, 0xa0, 0xa1, 0xe1, 0xf1, 0x10, 0x100, 0x110]),
    })),
  ],
  [
    "store of an immediate",
    2,
    change(
      ({ opcode }) => (opcode & 0xe7) === 0x63,
      (slot, random) => ({ ...slot, opcode: (slot.opcode & ~7) | 2, src: 0, imm: near(0, random) }),
    ),
  ],
  ["a map's shape", 4, otherMap],
  ["a function's types", 3, otherFunction],
  ["how it is loaded", 2, otherLoading],
  [
    "a bit",
    3,
    ({ image, random }) => {
      const code = image.code.slice();
      const at = random.below(code.length);
      code[at] = code[at]! ^ (1 << random.below(8));
      return { ...image, code, lines: [] };
    },
  ],
];

function insertionPoint({ starts, random }: Subject): [number, number] {
  const at = random.pick(starts);
  return [at, at];
}

/** Each mutator as often as its weight says. */
const WEIGHTED = MUTATORS.flatMap(([what, weight, mutator]) =>
  Array.from({ length: weight }, () => [what, mutator] as const),
);

/** Makes one mutant of a program; `random` decides everything. */
export function mutate(image: ProgramImage, random: Random): Mutant {
  const slots = slotsOfCode(image.code);
  const second = secondHalves(slots);
  const starts = slots.flatMap((_, at) => (second[at] ? [] : [at]));
  for (;;) {
    const [what, mutator] = random.pick(WEIGHTED);
    const made = mutator({ image, slots, starts, random });
    if (made !== null && made.code.length > 0 && !same(made, image)) return { image: made, what };
  }
}

function same(a: ProgramImage, b: ProgramImage): boolean {
  return (
    a.maps === b.maps &&
    a.functions === b.functions &&
    a.license === b.license &&
    a.frags === b.frags &&
    a.attach === b.attach &&
    Buffer.compare(a.code, b.code) === 0
  );
}
