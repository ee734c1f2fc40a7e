// Random programs near a limit: frames in a row and their stack, tail calls under them, maps, functions, jumps in a row, turns of
// loops, offsets and sizes at the edge of what a pointer may reach. Deterministic.
// Source: Linux include/linux/bpf_verifier.h and kernel/bpf/verifier.c (MAX_CALL_FRAMES, MAX_USED_MAPS, BPF_COMPLEXITY_LIMIT_*).

import type { ImageFunction, ImageMap, ProgramImage } from "../../src/bpf/image.ts";
import type { Random } from "../support/random.ts";
import { codeOfSlots, type Slot, WIDE } from "./code.ts";

const plain = { flags: 0, frozen: false, data: null, fields: [], hasBtf: false, inner: null } as const;
const FRAME = 10;

function slot(opcode: number, fields: Partial<Slot> = {}): Slot {
  return { opcode, dst: 0, src: 0, offset: 0, imm: 0, ...fields };
}

function image(
  slots: readonly Slot[],
  starts: readonly number[],
  maps: readonly ImageMap[],
  typed: boolean,
): ProgramImage {
  const functions = starts.map(
    (startSlot, index): ImageFunction => ({
      name: `f${index}`,
      startSlot,
      slots: (starts[index + 1] ?? slots.length) - startSlot,
      global: false,
      parameters: [],
      returnsScalar: true,
    }),
  );
  return {
    name: "entry",
    section: "xdp",
    attach: "device",
    frags: false,
    license: "GPL",
    code: codeOfSlots(slots),
    maps,
    kfuncs: [],
    functions: typed ? functions : [],
    lines: [],
    gaps: [],
  };
}

const exit = [slot(0xb7), slot(0x95)];

/** Functions that call each other in a row, each with a frame, here and there a tail call, now and then a circle. */
function frames(random: Random): ProgramImage {
  const maps: ImageMap[] = [{ ...plain, name: "programs", type: 3, keyBytes: 4, valueBytes: 4, maxEntries: 2 }];
  const depth = random.pick([2, 3, 5, 7, 8, 9, 10]);
  const most = random.pick([64, 96, 128, 256, 512]);
  const bodies: Slot[][] = [];
  const calls: { readonly from: number; readonly at: number; readonly to: number }[] = [];
  const tailCalls = random.chance(40);
  for (let index = 0; index < depth; index++) {
    const body: Slot[] = [];
    const used = Math.min(512, Math.max(0, random.below(most + 1) & ~3)) + (random.chance(2) ? 8 : 0);
    if (used > 0) body.push(slot(0x62, { dst: FRAME, offset: -used }));
    body.push(slot(0xbf, { dst: 6, src: 1 }));
    if (tailCalls && random.chance(35)) {
      body.push(slot(WIDE, { dst: 2, src: 1 }), slot(0), slot(0xb7, { dst: 3 }), slot(0x85, { imm: 12 }));
      body.push(slot(0xbf, { dst: 1, src: 6 }));
    }
    const next = index + 1 < depth ? [index + 1] : [];
    if (random.chance(20) && index + 2 < depth) next.push(index + 2);
    if (random.chance(2)) next.push(random.below(depth));
    for (const to of next) {
      body.push(slot(0xbf, { dst: 1, src: 6 }));
      calls.push({ from: index, at: body.length, to });
      body.push(slot(0x85, { src: 1 }));
    }
    body.push(...exit);
    bodies.push(body);
  }
  const starts: number[] = [];
  const slots: Slot[] = [];
  for (const body of bodies) {
    starts.push(slots.length);
    slots.push(...body);
  }
  for (const { from, at, to } of calls) {
    const here = starts[from]! + at;
    slots[here] = slot(0x85, { src: 1, imm: starts[to]! - here - 1 });
  }
  return image(slots, starts, maps, random.chance(70));
}

/** Many maps, each used once; many functions, each called once. */
function many(random: Random): ProgramImage {
  const slots: Slot[] = [];
  if (random.chance(50)) {
    const count = random.pick([10, 63, 64, 65, 66]);
    const maps = Array.from({ length: count }, (_, index) => ({
      ...plain,
      name: `map${index}`,
      type: 2,
      keyBytes: 4,
      valueBytes: 8 + index,
      maxEntries: 1,
    }));
    for (let index = 0; index < count; index++) slots.push(slot(WIDE, { dst: 1, src: 1, imm: index }), slot(0));
    return image([...slots, ...exit], [0], maps, true);
  }
  const count = random.pick([10, 254, 255, 256, 257]);
  const starts = [0];
  for (let index = 0; index < count; index++)
    slots.push(slot(0x85, { src: 1, imm: count + 2 + index * 2 - index - 1 }));
  slots.push(...exit);
  for (let index = 0; index < count; index++) {
    starts.push(slots.length);
    slots.push(...exit);
  }
  return image(slots, starts, [], random.chance(70));
}

/** Branches on numbers nobody knows, one behind the other: states to keep, and jumps not yet followed. */
function branches(random: Random): ProgramImage {
  const slots: Slot[] = [slot(0x85, { imm: 7 }), slot(0xbf, { dst: 6, src: 0 })];
  const count = random.chance(3) ? random.pick([8190, 8191, 8192, 8200]) : random.pick([10, 50, 100, 300]);
  const step = random.below(3);
  for (let index = 0; index < count; index++) {
    if (step === 1) slots.push(slot(0x85, { imm: 7 }), slot(0xbf, { dst: 6, src: 0 }));
    slots.push(slot(step === 2 ? 0x25 : 0x15, { dst: 6, imm: random.pick([index, random.below(1 << 20)]), offset: 1 }));
    slots.push(slot(step === 0 ? 0xb7 : 0x07, { dst: 7, imm: step === 0 ? index & 15 : 0 }));
    if (step !== 0 && index === 0) slots[slots.length - 1] = slot(0xb7, { dst: 7 });
  }
  if (step !== 0) slots.unshift(slot(0xb7, { dst: 7 }));
  return image([...slots, ...exit], [0], [], false);
}

/** Loops whose turns multiply to about a budget. */
function turns(random: Random): ProgramImage {
  const inner = random.chance(5)
    ? random.pick([100_000, 199_000, 201_000, 340_000])
    : random.pick([10, 100, 500, 1000]);
  const outer = random.pick([1, 1, 2, 10]);
  const body = 1 + random.below(4);
  const slots: Slot[] = [slot(0xb7, { dst: 6 })];
  const outerStart = slots.length;
  slots.push(slot(0xb7, { dst: 7 }));
  const innerStart = slots.length;
  for (let index = 0; index < body; index++)
    slots.push(random.chance(50) ? slot(0xb7, { dst: 8, imm: index }) : slot(0xbf, { dst: 9, src: 7 }));
  slots.push(slot(0x07, { dst: 7, imm: 1 }));
  slots.push(slot(random.pick([0xa5, 0x55]), { dst: 7, imm: inner, offset: innerStart - slots.length - 1 }));
  slots.push(slot(0x07, { dst: 6, imm: 1 }));
  slots.push(slot(0xa5, { dst: 6, imm: outer, offset: outerStart - slots.length - 1 }));
  return image([...slots, ...exit], [0], [], false);
}

/** Pointers moved about as far as they may be, in steps that a number bounds. */
function far(random: Random): ProgramImage {
  const bytes = random.pick([64, 4096, 65536, 1 << 20]);
  const maps = [{ ...plain, name: "big", type: 2, keyBytes: 4, valueBytes: bytes, maxEntries: 1 }];
  const slots: Slot[] = [
    slot(0xbf, { dst: 6, src: 1 }),
    slot(0x62, { dst: FRAME, offset: -4 }),
    slot(0xbf, { dst: 2, src: FRAME }),
    slot(0x07, { dst: 2, imm: -4 }),
    slot(WIDE, { dst: 1, src: 1 }),
    slot(0),
    slot(0x85, { imm: 1 }),
    slot(0x55, { offset: 2 }),
    ...exit,
  ];
  const packet = random.chance(50);
  if (packet) slots.push(slot(0x61, { dst: 0, src: 6 }), slot(0x61, { dst: 9, src: 6, offset: 4 }));
  slots.push(slot(0xbf, { dst: 7, src: 0 }), slot(0x61, { dst: 8, src: 6, offset: 16 }));
  for (let count = 1 + random.below(4); count > 0; count--) {
    const edge = random.pick([bytes, 65535, 65536, 32767, 1 << 29, (1 << 29) - 1, 1 << 28, 16, 200]);
    const near = edge + random.pick([0, 0, -1, 1, -8, 8]);
    const kind = random.below(4);
    if (kind === 0) slots.push(slot(0x07, { dst: 7, imm: random.chance(75) ? near : -near }));
    else if (kind === 1) {
      slots.push(slot(0x25, { dst: 8, imm: near, offset: 1 }), slot(0x0f, { dst: 7, src: 8 }));
    } else if (kind === 2) {
      slots.push(slot(0xbf, { dst: 3, src: 8 }), slot(0x57, { dst: 3, imm: random.pick([7, 255, 0xffff, 0x7fff]) }));
      slots.push(slot(random.chance(80) ? 0x0f : 0x1f, { dst: 7, src: 3 }));
    } else slots.push(slot(0x17, { dst: 7, imm: near }));
  }
  if (packet) {
    const room = random.pick([1, 8, 64, 65535, 4096]);
    slots.push(slot(0xbf, { dst: 4, src: 7 }), slot(0x07, { dst: 4, imm: room }));
    slots.push(slot(0xad, { dst: 4, src: 9, offset: 2 }), ...exit);
  }
  slots.push(slot(0x71, { dst: 0, src: 7, offset: random.pick([0, 0, 7, -1, 32767, -32768]) }));
  return image([...slots, ...exit], [0], maps, false);
}

const KINDS = [
  ...Array.from({ length: 6 }, () => frames),
  many,
  many,
  branches,
  turns,
  ...Array.from({ length: 8 }, () => far),
];

/** Makes one program; `random` decides everything. */
export function generateLimits(random: Random): ProgramImage {
  return random.pick(KINDS)(random);
}
