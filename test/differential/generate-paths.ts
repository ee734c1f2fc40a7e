// Random programs made to catch an analysis that forgets: values take one of several shapes on several paths, the paths join, and
// only then something is done that not all shapes allow. Another kind computes with numbers for a while and uses the result as
// an index. Both ask about exact bounds, precision, liveness and pruning rather than about packets. Deterministic.
// Source: Linux include/uapi/linux/bpf.h for numbers of helpers.

import type { ImageFunction, ImageMap, ProgramImage } from "../../src/bpf/image.ts";
import type { Random } from "../support/random.ts";
import { codeOfSlots, type Slot, WIDE } from "./code.ts";

const plain = { flags: 0, frozen: false, data: null, fields: [], hasBtf: false, inner: null } as const;
const VALUE_SIZES = [16, 48, 256, 4096];
const MAPS: readonly ImageMap[] = [
  ...VALUE_SIZES.map((valueBytes) => ({
    ...plain,
    name: `bytes${valueBytes}`,
    type: 2,
    keyBytes: 4,
    valueBytes,
    maxEntries: 4,
  })),
  { ...plain, name: "table", type: 1, keyBytes: 8, valueBytes: 32, maxEntries: 16 },
];

const ALU = [0, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90, 0xa0, 0xb0, 0xc0];
const JUMPS = [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xb0, 0xc0, 0xd0];
const SIZES = [0x10, 0x08, 0x00, 0x18];
const BYTES = [1, 2, 4, 8];
const FRAME = 10;
/** Registers of the programs: 6 the context, 7 a map's value, 8 and 9 and 1 to 5 whatever comes. */
const CONTEXT = 6;
const VALUE = 7;

class Writer {
  readonly slots: Slot[] = [];
  readonly random: Random;
  readonly starts: number[] = [0];
  /** Jumps to the way out. */
  #exits: number[] = [];
  readonly #calls: number[] = [];

  constructor(random: Random) {
    this.random = random;
  }

  emit(opcode: number, fields: Partial<Slot> = {}): void {
    this.slots.push({ opcode, dst: 0, src: 0, offset: 0, imm: 0, ...fields });
  }

  leave(opcode: number, fields: Partial<Slot> = {}): void {
    this.#exits.push(this.slots.length);
    this.emit(opcode, fields);
  }

  /** Emits a jump and gives what lets it land at the slot that is next then. */
  forward(opcode: number, fields: Partial<Slot> = {}): () => void {
    const at = this.slots.length;
    this.emit(opcode, fields);
    return () => {
      this.slots[at]!.offset = this.slots.length - at - 1;
    };
  }

  /** r0 = an unknown number; r1 to r5 are lost. */
  unknown(): void {
    this.emit(0x85, { imm: 7 });
  }

  /** The context in r6, and a value of map `map` in r7. */
  start(map: number): void {
    this.emit(0xbf, { dst: CONTEXT, src: 1 });
    this.emit(0x7a, { dst: FRAME, offset: -8, imm: this.random.pick([0, 1, 7]) });
    this.emit(0xbf, { dst: 2, src: FRAME });
    this.emit(0x07, { dst: 2, imm: -8 });
    this.emit(WIDE, { dst: 1, src: 1, imm: map });
    this.emit(0);
    this.emit(0x85, { imm: 1 });
    this.leave(0x15, { dst: 0, imm: 0 });
    this.emit(0xbf, { dst: VALUE, src: 0 });
  }

  /** A call of a function of two numbers that `finish` makes. */
  call(): void {
    this.#calls.push(this.slots.length);
    this.emit(0x85, { src: 1 });
  }

  finish(): ProgramImage {
    this.emit(0xb7, { dst: 0, imm: this.random.below(5) });
    const exit = this.slots.length;
    this.emit(0x95);
    const out = this.slots.length;
    if (this.#exits.length > 0) {
      this.emit(0xb7, { dst: 0, imm: 1 });
      this.emit(0x05, { offset: exit - out - 2 });
    }
    for (const at of this.#exits) this.slots[at]!.offset = out - at - 1;
    if (this.#calls.length > 0) {
      const start = this.slots.length;
      this.starts.push(start);
      for (const at of this.#calls) this.slots[at]!.imm = start - at - 1;
      this.#body();
    }
    const functions = this.starts.map(
      (startSlot, index): ImageFunction => ({
        name: index === 0 ? "entry" : `f${index}`,
        startSlot,
        slots: (this.starts[index + 1] ?? this.slots.length) - startSlot,
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
      code: codeOfSlots(this.slots),
      maps: MAPS,
      kfuncs: [],
      functions,
      lines: [],
      gaps: [],
    };
  }

  /** A function's body: gives back one argument or another, or a constant, by a comparison. */
  #body(): void {
    const { random } = this;
    this.emit(0xbf, { dst: 0, src: 1 });
    if (random.chance(50)) this.emit(0x7b, { dst: FRAME, src: 2, offset: -8 });
    const over = this.forward(random.pick(JUMPS) | random.pick([5, 6]), {
      dst: random.pick([1, 2]),
      imm: random.pick([0, 3, 16, -1]),
    });
    if (random.chance(50)) this.emit(0xbf, { dst: 0, src: 2 });
    else this.emit(0xb7, { dst: 0, imm: random.pick([0, 1, 8, 64]) });
    over();
    if (random.chance(40)) this.emit(0x57, { dst: 0, imm: random.pick([7, 15, 255]) });
    this.emit(0x95);
  }
}

/** A constant that bounds and masks often have. */
function constant(random: Random): number {
  return random.pick([
    () => random.below(20),
    () => random.pick([15, 16, 31, 32, 47, 48, 63, 64, 255, 256, 4095, 4096, 1000]),
    () => random.pick([-1, -2, -8, -16, 0x7fffffff, -0x80000000, 0x7fff, 0xffff, 0x10000, 0xff00]),
    () => 1 << random.below(31),
    () => random.next() | 0,
  ])();
}

/** One step of arithmetic on `registers`, all of them numbers. */
function compute(writer: Writer, registers: readonly number[]): void {
  const { random } = writer;
  const dst = random.pick(registers);
  const src = random.pick(registers);
  const wide = random.chance(60) ? 7 : 4;
  const kinds: (() => void)[] = [
    () => writer.emit(random.pick(ALU) | 8 | wide, { dst, src }),
    () => {
      const op = random.pick(ALU);
      const shift = op === 0x60 || op === 0x70 || op === 0xc0;
      const imm = shift
        ? random.below(wide === 7 ? 64 : 32)
        : op === 0x30 || op === 0x90
          ? constant(random) || 3
          : constant(random);
      writer.emit(op | wide, { dst, imm });
    },
    () => writer.emit(0x50 | wide, { dst, imm: random.pick([1, 3, 7, 15, 31, 63, 255, 0xff0, -8, -2]) }),
    () =>
      writer.emit(0xb0 | 8 | wide, {
        dst,
        src,
        offset: wide === 7 ? random.pick([0, 0, 8, 16, 32]) : random.pick([0, 0, 8, 16]),
      }),
    () => writer.emit(random.pick([0xd4, 0xdc, 0xd7]), { dst, imm: random.pick([16, 32, 64]) }),
    () => writer.emit(0x80 | wide, { dst }),
    () =>
      writer.emit(random.pick([0x30, 0x90]) | wide, {
        dst,
        imm: random.pick([2, 3, 16, 100]),
        offset: random.chance(25) ? 1 : 0,
      }),
  ];
  random.pick([...kinds, kinds[0]!, kinds[1]!, kinds[1]!, kinds[2]!])();
}

/** A comparison of numbers that leaves the program, or goes over what comes next. */
function compareNumbers(writer: Writer, registers: readonly number[]): () => void {
  const { random } = writer;
  const dst = random.pick(registers);
  const opcode = random.pick(JUMPS) | random.pick([5, 5, 6]);
  const byRegister = random.chance(30);
  const fields = byRegister ? { dst, src: random.pick(registers) } : { dst, imm: constant(random) };
  if (random.chance(65)) {
    writer.leave(opcode | (byRegister ? 8 : 0), fields);
    return () => {};
  }
  return writer.forward(opcode | (byRegister ? 8 : 0), fields);
}

/** Uses `index` as an offset into the map's value. */
function useIndex(writer: Writer, index: number, valueBytes: number): void {
  const { random } = writer;
  const way = random.below(6);
  if (way < 2) {
    const mask = valueBytes - 1;
    writer.emit(0x50 | random.pick([7, 4]), { dst: index, imm: random.chance(70) ? mask >> 1 : mask });
  } else if (way < 4) {
    writer.leave(random.pick([0x25, 0x26, 0x35, 0x65]), { dst: index, imm: valueBytes - random.pick([1, 2, 4, 8, 9]) });
    if (random.chance(35)) writer.leave(random.pick([0xc5, 0xc6]), { dst: index, imm: 0 });
  }
  writer.emit(0xbf, { dst: 5, src: VALUE });
  writer.emit(random.chance(90) ? 0x0f : 0x1f, { dst: 5, src: index });
  const which = random.below(4);
  const opcode = random.chance(60) ? 0x61 : 0x62;
  const offset = random.chance(70) ? 0 : random.pick([-8, -1, 1, 4, 8]);
  writer.emit(
    (opcode & ~0x18) | SIZES[which]!,
    opcode === 0x61 ? { dst: 4, src: 5, offset } : { dst: 5, offset, imm: 1 },
  );
}

/** Numbers computed with and compared, then used as an index. */
export function generateNumbers(random: Random): ProgramImage {
  const writer = new Writer(random);
  const map = random.below(VALUE_SIZES.length);
  writer.start(map);
  const registers = [1, 2, 3, 8, 9];
  for (const dst of registers) {
    const bytes = random.below(4);
    if (random.chance(75))
      writer.emit(((random.chance(80) || bytes === 3 ? 0x61 : 0x81) & ~0x18) | SIZES[bytes]!, {
        dst,
        src: VALUE,
        offset: 8 * random.below(2),
      });
    else writer.emit(0xb7, { dst, imm: constant(random) });
  }
  for (let turn = 1 + random.below(3); turn > 0; turn--) {
    for (let step = 1 + random.below(4); step > 0; step--) compute(writer, registers);
    const land = compareNumbers(writer, registers);
    if (random.chance(60)) compute(writer, registers);
    land();
    if (random.chance(25)) {
      const offset = -16 - 8 * random.below(3);
      const size = random.below(4);
      writer.emit(0x7b, { dst: FRAME, src: random.pick(registers), offset });
      if (random.chance(30)) writer.emit((0x62 & ~0x18) | SIZES[size]!, { dst: FRAME, offset, imm: 3 });
      writer.emit((0x61 & ~0x18) | SIZES[size]!, { dst: random.pick(registers), src: FRAME, offset });
    }
  }
  useIndex(writer, random.pick(registers), VALUE_SIZES[map]!);
  return writer.finish();
}

/** What a register or a stack slot may be given on one of the paths. */
function shape(writer: Writer, dst: number): void {
  const { random } = writer;
  const kinds: (() => void)[] = [
    () => writer.emit(0xb7, { dst, imm: random.pick([0, 1, 4, 8, 15, 16, 40, 64, -1]) }),
    () => writer.emit(0xb7, { dst, imm: random.pick([0, 8, 16, 40, 64]) }),
    () => writer.emit((0x61 & ~0x18) | SIZES[random.below(4)]!, { dst, src: VALUE }),
    () => writer.emit(0x71, { dst, src: VALUE }),
    () => writer.emit(0xbf, { dst, src: VALUE }),
    () => {
      writer.emit(0xbf, { dst, src: FRAME });
      writer.emit(0x07, { dst, imm: random.pick([-16, -24, -32]) });
    },
    () => writer.emit(0xbf, { dst, src: CONTEXT }),
    () => {
      writer.emit(0x61, { dst, src: CONTEXT, offset: 0 });
    },
  ];
  // Mostly numbers: a pointer on one path and a number on another is refused at once.
  random.pick(random.chance(75) ? kinds.slice(0, 4) : kinds)();
}

/** Values that differ by path, joined, kept in the stack, passed through calls and loops, then used. */
export function generatePaths(random: Random): ProgramImage {
  const writer = new Writer(random);
  const map = random.below(VALUE_SIZES.length);
  const valueBytes = VALUE_SIZES[map]!;
  writer.start(map);
  const slotsUsed = [-16, -24, -32];
  for (const offset of slotsUsed)
    if (random.chance(80)) writer.emit(0x7a, { dst: FRAME, offset, imm: random.pick([0, 4, 8]) });
  writer.emit(0xb7, { dst: 8, imm: random.below(16) });
  writer.emit(0xb7, { dst: 9, imm: random.below(16) });
  for (let turn = 2 + random.below(4); turn > 0; turn--) {
    writer.unknown();
    if (random.chance(50)) writer.emit(0x57, { dst: 0, imm: random.pick([1, 3, 7, 255]) });
    const target = random.pick([8, 8, 9]);
    const to = random.pick(slotsUsed);
    const over = writer.forward(random.pick(JUMPS) | random.pick([5, 6]), {
      dst: 0,
      imm: random.pick([0, 1, 2, 5, 100]),
    });
    const put = (): void => {
      const way = random.below(10);
      if (way < 5) shape(writer, target);
      else if (way < 7) {
        shape(writer, 1);
        writer.emit(0x7b, { dst: FRAME, src: 1, offset: to });
      } else if (way < 8)
        writer.emit((0x62 & ~0x18) | SIZES[random.below(4)]!, {
          dst: FRAME,
          offset: to,
          imm: random.pick([0, 1, 200]),
        });
      else if (way < 9) writer.emit(0xbf, { dst: target, src: 0 });
      else if (random.chance(70))
        writer.emit(random.pick([0x07, 0x67, 0x57]), { dst: target, imm: random.pick([1, 2, 8]) });
      else writer.emit(0x0f, { dst: target, src: 0 });
    };
    put();
    if (random.chance(50)) {
      const end = writer.forward(0x05);
      over();
      put();
      end();
    } else {
      over();
    }
    const between = random.below(12);
    if (between < 2) {
      // A value that decides later what an earlier one was.
      writer.emit(0xbf, { dst: 1, src: 8 });
      writer.emit(0xbf, { dst: 2, src: 9 });
      writer.call();
      writer.emit(0xbf, { dst: random.pick([8, 9]), src: 0 });
    } else if (between < 4) {
      writer.emit(0xb7, { dst: 1, imm: 0 });
      const start = writer.slots.length;
      if (random.chance(25)) writer.leave(0xe5);
      writer.emit(0x07, { dst: 1, imm: 1 });
      if (random.chance(60)) writer.emit(random.pick([0x07, 0x47, 0x27]), { dst: 9, imm: random.pick([0, 1, 2, 8]) });
      if (random.chance(30)) writer.emit(0x79, { dst: 9, src: FRAME, offset: random.pick(slotsUsed) });
      const again = random.pick([0xa5, 0x55, 0xc5]);
      writer.emit(again, { dst: 1, imm: random.pick([2, 4, 7]), offset: start - writer.slots.length - 1 });
    } else if (between < 6) {
      writer.emit(0x7b, { dst: FRAME, src: random.pick([8, 9]), offset: random.pick(slotsUsed) });
    } else if (between < 7) {
      writer.leave(random.pick(JUMPS) | 5, { dst: random.pick([8, 9]), imm: random.pick([0, 8, 16, 64]) });
    }
  }
  const use = random.below(10);
  const offset = random.pick(slotsUsed);
  const from = random.pick([8, 9, 1]);
  if (from === 1) writer.emit((0x61 & ~0x18) | SIZES[random.pick([3, 3, 2, 0])]!, { dst: 1, src: FRAME, offset });
  if (use < 5) useIndex(writer, from, valueBytes);
  else if (use < 7) {
    writer.emit(0xbf, { dst: 5, src: VALUE });
    writer.emit(0x0f, { dst: 5, src: from });
    writer.emit(0x71, { dst: 0, src: 5 });
  } else if (use < 8) {
    const which = random.below(4);
    writer.emit((0x61 & ~0x18) | SIZES[which]!, { dst: 0, src: from, offset: -random.below(2) * BYTES[which]! });
  } else {
    writer.emit(0xbf, { dst: 2, src: FRAME });
    writer.emit(0x07, { dst: 2, imm: offset });
    writer.emit(WIDE, { dst: 1, src: 1, imm: VALUE_SIZES.length });
    writer.emit(0);
    if (use === 9) writer.emit(0xbf, { dst: 2, src: from === 1 ? 8 : from });
    writer.emit(0x85, { imm: 1 });
    writer.leave(0x15, { dst: 0, imm: 0 });
    writer.emit(0x7a, { dst: 0, offset: random.pick([0, 24, 25]), imm: 1 });
  }
  return writer.finish();
}
