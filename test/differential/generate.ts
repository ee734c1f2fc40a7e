// Random programs that look like programs: guarded packet accesses, lookups with and without null checks, bounded loops, the
// stack, calls, references, locks. A generator that knows the kinds of its registers makes them, and now and then forgets what
// it knows, so that some are refused for what people get wrong. Deterministic for a random generator.
// Source: Linux include/uapi/linux/bpf.h for numbers of helpers and offsets in struct xdp_md.

import type { ImageFunction, ImageMap, ProgramImage } from "../../src/bpf/image.ts";
import type { Random } from "../support/random.ts";
import { codeOfSlots, type Slot, WIDE } from "./code.ts";

const plain = { flags: 0, frozen: false, data: null, fields: [], hasBtf: false, inner: null } as const;

const MAPS: readonly ImageMap[] = [
  { ...plain, name: "table", type: 1, keyBytes: 4, valueBytes: 16, maxEntries: 64 },
  { ...plain, name: "cells", type: 2, keyBytes: 4, valueBytes: 64, maxEntries: 8 },
  { ...plain, name: "own", type: 6, keyBytes: 4, valueBytes: 24, maxEntries: 4 },
  { ...plain, name: "ring", type: 27, keyBytes: 0, valueBytes: 0, maxEntries: 4096 },
  {
    ...plain,
    name: "locked",
    type: 2,
    keyBytes: 4,
    valueBytes: 16,
    maxEntries: 2,
    fields: [{ kind: "spinLock", offsetBytes: 4, bytes: 4 }],
    hasBtf: true,
  },
  { ...plain, name: "devices", type: 14, keyBytes: 4, valueBytes: 4, maxEntries: 8 },
  { ...plain, name: "programs", type: 3, keyBytes: 4, valueBytes: 4, maxEntries: 8 },
  {
    ...plain,
    name: "constants",
    type: 2,
    keyBytes: 4,
    valueBytes: 32,
    maxEntries: 1,
    flags: 1 << 7,
    frozen: true,
    data: Uint8Array.from({ length: 32 }, (_, index) => (index * 7) & 0xff),
  },
];
const RING = 3;
const LOCKED = 4;
const CONSTANTS = 7;

/** What the generator knows of a register; null: nothing that can be read. */
type Kind =
  | { readonly kind: "scalar"; readonly max: number | null }
  | { readonly kind: "ctx" | "end" | "frame" }
  | { readonly kind: "packet"; readonly root: number; readonly at: number }
  | { readonly kind: "value"; readonly bytes: number; readonly writable: boolean }
  | null;

interface Label {
  at: number | null;
  readonly uses: number[];
}

const FRAME = 10;
const SIZES = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 } as const;
type Bytes = keyof typeof SIZES;
const BYTES: readonly Bytes[] = [1, 2, 4, 8];
const ALU = {
  add: 0,
  sub: 0x10,
  mul: 0x20,
  div: 0x30,
  or: 0x40,
  and: 0x50,
  lsh: 0x60,
  rsh: 0x70,
  mod: 0x90,
  xor: 0xa0,
  mov: 0xb0,
  arsh: 0xc0,
};
const JUMP = {
  eq: 0x10,
  gt: 0x20,
  ge: 0x30,
  set: 0x40,
  ne: 0x50,
  sgt: 0x60,
  sge: 0x70,
  lt: 0xa0,
  le: 0xb0,
  slt: 0xc0,
  sle: 0xd0,
};

class Maker {
  readonly slots: Slot[] = [];
  readonly #random: Random;
  #kinds: Kind[] = [];
  /** Readable bytes behind each packet root. */
  #ranges = new Map<number, number>();
  /** Which 8-byte stack slots (0 is fp-8) hold something. */
  #stack = new Map<number, Kind>();
  #roots = 0;
  #depth = 0;
  /** Percent of statements that forget a rule. */
  readonly #careless: number;
  #leave: Label = { at: null, uses: [] };
  readonly #functions: { readonly label: Label; readonly callback: boolean }[] = [];
  readonly starts: number[] = [0];

  constructor(random: Random) {
    this.#random = random;
    this.#careless = random.pick([0, 0, 0, 1, 3, 8]);
  }

  #forgets(): boolean {
    return this.#random.chance(this.#careless);
  }

  #emit(slot: Partial<Slot> & { readonly opcode: number }): void {
    this.slots.push({ dst: 0, src: 0, offset: 0, imm: 0, ...slot });
  }

  #jump(label: Label, slot: Partial<Slot> & { readonly opcode: number }): void {
    label.uses.push(this.slots.length);
    this.#emit(slot);
  }

  #place(label: Label): void {
    label.at = this.slots.length;
    for (const use of label.uses) {
      const slot = this.slots[use]!;
      const distance = label.at - use - 1;
      if (slot.opcode === 0x85 || slot.opcode === WIDE) slot.imm = distance;
      else slot.offset = distance;
    }
  }

  #set(register: number, kind: Kind): void {
    this.#kinds[register] = kind;
  }

  /** A register that holds something of a kind; null when none does. */
  #find(kind: NonNullable<Kind>["kind"]): number | null {
    const all = this.#kinds.flatMap((known, register) => (known?.kind === kind ? [register] : []));
    return all.length === 0 ? null : this.#random.pick(all);
  }

  /** A register to write to: not the context's while it is the only copy, nor the frame pointer. */
  #target(kept = false): number {
    return this.#random.pick(kept ? [7, 8, 9] : [0, 1, 2, 3, 4, 5, 7, 8, 9]);
  }

  #called(): void {
    for (let register = 1; register <= 5; register++) this.#set(register, null);
    this.#set(0, { kind: "scalar", max: null });
  }

  #scalar(): number {
    const found = this.#find("scalar");
    if (found !== null && this.#random.chance(85)) return found;
    const register = this.#target();
    if (this.#random.chance(50)) {
      this.#emit({ opcode: 0x85, imm: this.#random.pick([5, 7, 8]) });
      this.#called();
      this.#emit({ opcode: 0xbf, dst: register, src: 0 });
    } else {
      this.#emit({ opcode: 0x61, dst: register, src: 6, offset: this.#random.pick([12, 16]) });
    }
    this.#set(register, { kind: "scalar", max: null });
    return register;
  }

  /** A scalar known to be at most `most`, by a mask, a comparison, a remainder or a shift. */
  #bounded(most: number): number {
    const from = this.#scalar();
    const register = this.#target(true);
    if (register !== from) this.#emit({ opcode: this.#random.chance(70) ? 0xbf : 0xbc, dst: register, src: from });
    const off = this.#forgets() ? this.#random.pick([1, 8, 64]) : 0;
    const mask = 2 ** Math.floor(Math.log2(most + 1)) - 1;
    const wide = this.#random.chance(70) ? 7 : 4;
    const ways: (() => void)[] = [
      () => this.#emit({ opcode: ALU.and | wide, dst: register, imm: mask + off }),
      () => this.#emit({ opcode: ALU.mod | wide, dst: register, imm: most + 1 + off }),
      () => this.#jump(this.#leave, { opcode: JUMP.gt | (wide === 7 ? 5 : 6), dst: register, imm: most + off }),
      () => this.#jump(this.#leave, { opcode: JUMP.ge | 5, dst: register, imm: most + 1 + off }),
      () => {
        this.#jump(this.#leave, { opcode: JUMP.sgt | 5, dst: register, imm: most + off });
        if (!this.#forgets()) this.#jump(this.#leave, { opcode: JUMP.slt | 5, dst: register, imm: 0 });
      },
      () => {
        this.#emit({ opcode: ALU.rsh | 7, dst: register, imm: 64 - Math.log2(mask + 1) });
      },
    ];
    const way = mask === 0 ? ways[0]! : this.#random.pick(ways);
    way();
    this.#set(register, { kind: "scalar", max: most });
    return register;
  }

  /** A packet pointer with a range; loads data and data_end and compares as needed. */
  #packet(bytes: number): { readonly register: number; readonly at: number } {
    const known = this.#find("packet");
    const kind = known === null ? null : this.#kinds[known]!;
    if (
      known !== null &&
      kind?.kind === "packet" &&
      (this.#ranges.get(kind.root) ?? 0) >= kind.at + bytes &&
      this.#random.chance(80)
    )
      return { register: known, at: kind.at };
    const [data, end] = this.#random.pick([
      [7, 3],
      [8, 2],
      [2, 3],
      [9, 5],
      [4, 1],
    ] as const);
    const scratch = this.#random.pick([0, 1, 2, 3, 4, 5].filter((register) => register !== data && register !== end));
    this.#emit({ opcode: 0x61, dst: data, src: 6, offset: 0 });
    this.#emit({ opcode: 0x61, dst: end, src: 6, offset: 4 });
    const root = ++this.#roots;
    const size = bytes + this.#random.pick([0, 0, 1, 6, 20]);
    this.#emit({ opcode: 0xbf, dst: scratch, src: data });
    this.#emit({ opcode: 0x07, dst: scratch, imm: this.#forgets() ? size - this.#random.below(4) - 1 : size });
    this.#guard(scratch, end);
    this.#set(data, { kind: "packet", root, at: 0 });
    this.#set(end, { kind: "end" });
    this.#set(scratch, { kind: "packet", root, at: size });
    this.#ranges.set(root, size);
    return { register: data, at: 0 };
  }

  /** Goes to the end unless `pointer` is within the packet, by one of the comparisons the verifier knows. */
  #guard(pointer: number, end: number): void {
    const narrow = this.#forgets() ? 6 : 5;
    const leave = (code: number, dst: number, src: number): void =>
      this.#jump(this.#leave, { opcode: code | 8 | narrow, dst, src });
    const stay = (code: number, dst: number, src: number): void => {
      this.#emit({ opcode: code | 8 | narrow, dst, src, offset: 1 });
      this.#jump(this.#leave, { opcode: 0x05 });
    };
    this.#random.pick([
      () => leave(JUMP.gt, pointer, end),
      () => leave(JUMP.gt, pointer, end),
      () => leave(JUMP.lt, end, pointer),
      () => stay(JUMP.le, pointer, end),
      () => stay(JUMP.ge, end, pointer),
      () => leave(JUMP.ge, pointer, end),
      () => stay(JUMP.lt, pointer, end),
      () => leave(this.#random.pick([JUMP.gt, JUMP.ge, JUMP.lt, JUMP.eq, JUMP.sgt]), pointer, end),
    ])();
  }

  #packetAccess(): void {
    const bytes = this.#random.pick(BYTES);
    const { register, at } = this.#packet(bytes + this.#random.below(8));
    const kind = this.#kinds[register];
    const range = kind?.kind === "packet" ? (this.#ranges.get(kind.root) ?? 0) : 0;
    const room = Math.max(0, range - at - bytes);
    const offset = this.#random.below(room + 1) + (this.#forgets() ? this.#random.pick([1, 8, -1]) : 0);
    if (this.#random.chance(65)) {
      const target = this.#target();
      const mode = bytes !== 8 && this.#random.chance(10) ? 0x80 : 0x60;
      this.#emit({ opcode: 1 | mode | SIZES[bytes], dst: target, src: register, offset });
      this.#set(target, { kind: "scalar", max: bytes === 1 && mode === 0x60 ? 255 : null });
    } else if (this.#random.chance(60)) {
      const value = this.#scalar();
      const still = this.#kinds[register]?.kind === "packet";
      if (still) this.#emit({ opcode: (0x63 & ~0x18) | SIZES[bytes], dst: register, src: value, offset });
    } else {
      this.#emit({ opcode: (0x62 & ~0x18) | SIZES[bytes], dst: register, offset, imm: this.#random.below(1000) });
    }
  }

  #variablePacket(): void {
    const step = this.#bounded(this.#random.pick([15, 63, 255, 1000, 40000]));
    const { register } = this.#packet(14);
    if (this.#kinds[step]?.kind !== "scalar" || this.#kinds[register]?.kind !== "packet" || step === register) return;
    const moved = this.#random.pick([7, 8, 9].filter((other) => other !== step && other !== register));
    this.#emit({ opcode: 0xbf, dst: moved, src: register });
    this.#emit({ opcode: 0x0f, dst: moved, src: step });
    const root = ++this.#roots;
    const bytes = this.#random.pick(BYTES) + this.#random.below(8);
    const [scratch, end] = this.#random.pick([
      [2, 3],
      [4, 5],
      [1, 0],
    ] as const);
    this.#emit({ opcode: 0x61, dst: end, src: 6, offset: 4 });
    this.#emit({ opcode: 0xbf, dst: scratch, src: moved });
    this.#emit({ opcode: 0x07, dst: scratch, imm: bytes });
    this.#set(end, { kind: "end" });
    this.#set(scratch, { kind: "packet", root, at: bytes });
    this.#set(moved, { kind: "packet", root, at: 0 });
    if (!this.#forgets()) this.#guard(scratch, end);
    this.#ranges.set(root, bytes);
  }

  #arithmetic(): void {
    const register = this.#scalar();
    const wide = this.#random.chance(65) ? 7 : 4;
    const code = this.#random.pick(Object.values(ALU));
    const kind = { kind: "scalar", max: null } as const;
    if (this.#random.chance(55)) {
      const shift = code === ALU.lsh || code === ALU.rsh || code === ALU.arsh;
      const imm = shift
        ? this.#random.below(wide === 7 ? 64 : 32)
        : this.#random.pick([1, 2, 3, 7, 8, 255, 1 << 16, -1, -8, 0x7fffffff]);
      this.#emit({ opcode: code | wide, dst: register, imm });
    } else {
      const other = this.#scalar();
      if (this.#kinds[register]?.kind === "scalar") this.#emit({ opcode: code | 8 | wide, dst: register, src: other });
    }
    if (this.#kinds[register]?.kind === "scalar") this.#set(register, kind);
    if (this.#random.chance(12))
      this.#emit({
        opcode: this.#random.pick([0xd4, 0xdc, 0xd7]),
        dst: register,
        imm: this.#random.pick([16, 32, 64]),
      });
    if (this.#random.chance(8))
      this.#emit({ opcode: 0xbf, dst: register, src: register, offset: this.#random.pick([8, 16, 32]) });
    if (this.#random.chance(5)) this.#emit({ opcode: this.#random.pick([0x87, 0x84]), dst: register });
  }

  #spill(): void {
    const candidates = this.#kinds.flatMap((kind, register) =>
      kind !== null && kind !== undefined && register !== FRAME ? [register] : [],
    );
    if (candidates.length === 0) return;
    const register = this.#random.pick(candidates);
    const slot = this.#random.below(12);
    const kind = this.#kinds[register]!;
    if (kind?.kind === "scalar" && this.#random.chance(40)) {
      const bytes = this.#random.pick(BYTES);
      this.#emit({
        opcode: (0x63 & ~0x18) | SIZES[bytes],
        dst: FRAME,
        src: register,
        offset: -8 * (slot + 1) + bytes * this.#random.below(8 / bytes),
      });
      if (bytes === 8) this.#stack.set(slot, { kind: "scalar", max: null });
      else if (this.#stack.get(slot)?.kind !== "scalar") this.#stack.delete(slot);
      return;
    }
    this.#emit({ opcode: 0x7b, dst: FRAME, src: register, offset: -8 * (slot + 1) });
    this.#stack.set(slot, kind);
  }

  #fill(): void {
    const known = [...this.#stack];
    if (known.length === 0 || this.#forgets()) {
      const target = this.#target();
      this.#emit({ opcode: 0x79, dst: target, src: FRAME, offset: -8 * (1 + this.#random.below(12)) });
      this.#set(target, { kind: "scalar", max: null });
      return;
    }
    const [slot, kind] = this.#random.pick(known);
    const target = this.#target(kind?.kind !== "scalar");
    if (kind?.kind === "scalar" && this.#random.chance(40)) {
      const bytes = this.#random.pick(BYTES);
      this.#emit({
        opcode: (0x61 & ~0x18) | SIZES[bytes],
        dst: target,
        src: FRAME,
        offset: -8 * (slot + 1) + bytes * this.#random.below(8 / bytes),
      });
      this.#set(target, { kind: "scalar", max: bytes === 1 ? 255 : null });
      return;
    }
    this.#emit({ opcode: 0x79, dst: target, src: FRAME, offset: -8 * (slot + 1) });
    this.#set(target, kind);
  }

  /** Reads or writes the stack at a variable place, after filling all of the window. */
  #variableStack(): void {
    for (let slot = 12; slot < 16; slot++) this.#emit({ opcode: 0x7a, dst: FRAME, offset: -8 * (slot + 1), imm: 0 });
    const index = this.#bounded(31);
    const pointer = this.#random.pick([1, 2, 3, 4, 5]);
    this.#emit({ opcode: 0xbf, dst: pointer, src: FRAME });
    this.#emit({ opcode: 0x0f, dst: pointer, src: index });
    this.#set(pointer, null);
    const target = this.#target();
    if (this.#random.chance(50)) {
      this.#emit({ opcode: 0x71, dst: target, src: pointer, offset: -128 });
      this.#set(target, { kind: "scalar", max: 255 });
    } else {
      this.#emit({ opcode: 0x73, dst: pointer, src: index, offset: -128 });
    }
  }

  #wideMap(register: number, map: number): void {
    this.#emit({ opcode: WIDE, dst: register, src: 1, imm: map });
    this.#emit({ opcode: 0 });
  }

  #lookup(map: number): number {
    if (this.#random.chance(50))
      this.#emit({ opcode: 0x62, dst: FRAME, offset: -4, imm: this.#random.pick([0, 1, 3, 7, 9]) });
    else this.#emit({ opcode: 0x63, dst: FRAME, src: this.#scalar(), offset: -4 });
    this.#stack.delete(0);
    this.#emit({ opcode: 0xbf, dst: 2, src: FRAME });
    this.#emit({ opcode: 0x07, dst: 2, imm: -4 });
    this.#wideMap(1, map);
    this.#emit({ opcode: 0x85, imm: 1 });
    this.#called();
    const target = this.#target(true);
    const early = this.#random.chance(50);
    if (early && !this.#forgets()) this.#jump(this.#leave, { opcode: JUMP.eq | 5, dst: 0 });
    this.#emit({ opcode: 0xbf, dst: target, src: 0 });
    if (!early && !this.#forgets()) {
      const checked = this.#random.pick([0, target]);
      if (this.#random.chance(70)) {
        this.#jump(this.#leave, { opcode: JUMP.eq | 5, dst: checked });
      } else {
        this.#emit({ opcode: JUMP.ne | 5, dst: checked, offset: 1 });
        this.#jump(this.#leave, { opcode: 0x05 });
      }
    }
    this.#set(target, { kind: "value", bytes: MAPS[map]!.valueBytes, writable: true });
    this.#set(0, null);
    return target;
  }

  #valueAccess(): void {
    const known = this.#find("value");
    const register = known !== null && this.#random.chance(70) ? known : this.#lookup(this.#random.pick([0, 1, 2]));
    const kind = this.#kinds[register];
    if (kind?.kind !== "value") return;
    const bytes = this.#random.pick(BYTES);
    const offset = this.#random.below(kind.bytes - bytes + 1) & -bytes;
    const wrong = this.#forgets() ? this.#random.pick([kind.bytes, -8]) : 0;
    const choice = this.#random.below(10);
    if (choice < 4 || !kind.writable) {
      const target = this.#target();
      this.#emit({ opcode: (0x61 & ~0x18) | SIZES[bytes], dst: target, src: register, offset: offset + wrong });
      this.#set(target, { kind: "scalar", max: bytes === 1 ? 255 : null });
    } else if (choice < 6) {
      this.#emit({ opcode: (0x62 & ~0x18) | SIZES[bytes], dst: register, offset: offset + wrong, imm: 5 });
    } else if (choice < 8) {
      const value = this.#scalar();
      if (this.#kinds[register]?.kind !== "value") return;
      const atomic = bytes >= 4 && this.#random.chance(60);
      if (atomic) {
        const imm = this.#random.pick([0, 1, 0x40, 0x50, 0xa0, 0x41, 0xe1]);
        this.#emit({ opcode: 0xc3 | SIZES[bytes], dst: register, src: value, offset: offset + wrong, imm });
      } else {
        this.#emit({ opcode: (0x63 & ~0x18) | SIZES[bytes], dst: register, src: value, offset: offset + wrong });
      }
    } else {
      const index = this.#bounded(kind.bytes - bytes);
      if (this.#kinds[register]?.kind !== "value" || index === register) return;
      const moved = this.#random.pick([1, 2, 3, 4, 5]);
      this.#emit({ opcode: 0xbf, dst: moved, src: register });
      this.#emit({ opcode: this.#forgets() ? 0x1f : 0x0f, dst: moved, src: index });
      this.#set(moved, null);
      const target = this.#target();
      this.#emit({ opcode: (0x61 & ~0x18) | SIZES[bytes], dst: target, src: moved });
      this.#set(target, { kind: "scalar", max: null });
    }
  }

  #constant(): void {
    const register = this.#target(true);
    const offset = this.#random.below(24);
    this.#emit({ opcode: WIDE, dst: register, src: 2, imm: CONSTANTS });
    this.#emit({ opcode: 0, imm: offset });
    this.#set(register, { kind: "value", bytes: 32 - offset, writable: false });
  }

  #record(): void {
    const bytes = this.#random.pick([8, 16, 40]);
    this.#wideMap(1, RING);
    this.#emit({ opcode: 0xb7, dst: 2, imm: bytes });
    this.#emit({ opcode: 0xb7, dst: 3 });
    this.#emit({ opcode: 0x85, imm: 131 });
    this.#called();
    if (!this.#forgets()) this.#jump(this.#leave, { opcode: JUMP.eq | 5, dst: 0 });
    const kept = this.#random.pick([7, 8, 9]);
    this.#emit({ opcode: 0xbf, dst: kept, src: 0 });
    this.#emit({ opcode: 0x7a, dst: kept, offset: this.#random.pick([0, bytes - 8]), imm: 3 });
    if (this.#random.chance(40)) {
      const skip = { at: null, uses: [] };
      this.#emit({ opcode: 0x85, imm: 7 });
      this.#jump(skip, { opcode: JUMP.ne | 5, dst: 0 });
      this.#emit({ opcode: 0x72, dst: kept, offset: bytes - 1, imm: 3 });
      this.#place(skip);
    }
    this.#emit({ opcode: 0xbf, dst: 1, src: kept });
    this.#emit({ opcode: 0xb7, dst: 2 });
    if (!this.#forgets()) this.#emit({ opcode: 0x85, imm: this.#random.pick([132, 133]) });
    this.#called();
    this.#set(0, null);
    this.#set(kept, null);
  }

  #locked(): void {
    const value = this.#lookup(LOCKED);
    this.#emit({ opcode: 0xbf, dst: 1, src: value });
    this.#emit({ opcode: 0x07, dst: 1, imm: this.#forgets() ? 0 : 4 });
    this.#emit({ opcode: 0x85, imm: 93 });
    this.#emit({ opcode: 0x62, dst: value, offset: this.#forgets() ? 4 : this.#random.pick([0, 8, 12]), imm: 1 });
    if (this.#forgets()) this.#emit({ opcode: 0x85, imm: 7 });
    this.#emit({ opcode: 0xbf, dst: 1, src: value });
    this.#emit({ opcode: 0x07, dst: 1, imm: 4 });
    if (!this.#forgets()) this.#emit({ opcode: 0x85, imm: 94 });
    this.#called();
    this.#set(0, null);
    this.#set(value, null);
  }

  #move(): void {
    const helper = this.#random.pick([44, 54, 65]);
    this.#emit({ opcode: 0xbf, dst: 1, src: 6 });
    this.#emit({ opcode: 0xb7, dst: 2, imm: this.#random.pick([-8, -4, 4, 8, -20]) });
    this.#emit({ opcode: 0x85, imm: helper });
    this.#called();
    if (this.#forgets()) return;
    for (let register = 0; register < 10; register++) {
      const kind = this.#kinds[register]?.kind;
      if (kind === "packet" || kind === "end") this.#set(register, null);
    }
    for (const [slot, kind] of this.#stack)
      if (kind?.kind === "packet" || kind?.kind === "end") this.#stack.delete(slot);
  }

  #tail(): void {
    this.#emit({ opcode: 0xbf, dst: 1, src: 6 });
    this.#wideMap(2, 6);
    this.#emit({ opcode: 0xb7, dst: 3, imm: this.#random.below(10) });
    this.#emit({ opcode: 0x85, imm: 12 });
    this.#called();
    for (let register = 0; register < 10; register++) {
      const kind = this.#kinds[register]?.kind;
      if (kind === "packet" || kind === "end") this.#set(register, null);
    }
    for (const [slot, kind] of this.#stack)
      if (kind?.kind === "packet" || kind?.kind === "end") this.#stack.delete(slot);
    this.#set(0, null);
  }

  #call(): void {
    const label: Label = { at: null, uses: [] };
    for (let register = 1; register <= 2; register++) {
      const value = this.#scalar();
      if (value !== register) this.#emit({ opcode: 0xbf, dst: register, src: value });
      this.#set(register, { kind: "scalar", max: null });
    }
    this.#jump(label, { opcode: 0x85, src: 1 });
    this.#functions.push({ label, callback: false });
    this.#called();
  }

  #loopHelper(): void {
    const label: Label = { at: null, uses: [] };
    this.#emit({ opcode: 0xb7, dst: 1, imm: this.#random.pick([1, 10, 1000]) });
    this.#jump(label, { opcode: WIDE, dst: 2, src: 4 });
    this.#emit({ opcode: 0 });
    this.#emit({ opcode: 0x7a, dst: FRAME, offset: -8, imm: 0 });
    this.#stack.set(0, { kind: "scalar", max: null });
    this.#emit({ opcode: 0xbf, dst: 3, src: FRAME });
    this.#emit({ opcode: 0x07, dst: 3, imm: -8 });
    this.#emit({ opcode: 0xb7, dst: 4 });
    this.#emit({ opcode: 0x85, imm: 181 });
    this.#functions.push({ label, callback: true });
    this.#called();
  }

  /** Runs `body` on a path of its own; what both paths know is known behind. */
  #fork(body: () => void): void {
    const kinds = this.#kinds.slice();
    const ranges = new Map(this.#ranges);
    const stack = new Map(this.#stack);
    body();
    this.#kinds = kinds.map((kind, register) => (equal(kind, this.#kinds[register] ?? null) ? kind : null));
    this.#ranges = ranges;
    this.#stack = new Map([...stack].filter(([slot, kind]) => equal(kind, this.#stack.get(slot) ?? null)));
  }

  #condition(label: Label): void {
    const register = this.#scalar();
    const narrow = this.#random.chance(25) ? 6 : 5;
    const code = this.#random.pick(Object.values(JUMP));
    if (this.#random.chance(70)) {
      this.#jump(label, {
        opcode: code | narrow,
        dst: register,
        imm: this.#random.pick([0, 1, 5, 10, 64, 255, 1000, -1]),
      });
    } else {
      const other = this.#scalar();
      if (this.#kinds[register]?.kind !== "scalar")
        return this.#jump(label, { opcode: JUMP.eq | 5, dst: other, imm: 0 });
      this.#jump(label, { opcode: code | 8 | narrow, dst: register, src: other });
    }
  }

  #if(): void {
    const over: Label = { at: null, uses: [] };
    this.#condition(over);
    if (this.#random.chance(60)) {
      this.#fork(() => this.#statements(1 + this.#random.below(3)));
      this.#place(over);
      return;
    }
    const end: Label = { at: null, uses: [] };
    this.#fork(() => this.#statements(1 + this.#random.below(2)));
    this.#jump(end, { opcode: 0x05 });
    this.#place(over);
    this.#fork(() => this.#statements(1 + this.#random.below(2)));
    this.#place(end);
  }

  /** A loop with a constant bound; its counter lives in the stack, so that its body may use every register. */
  #loop(): void {
    const slot = 20 + this.#depth;
    const turns = this.#random.pick([2, 3, 5, 8, 16]);
    const again: Label = { at: null, uses: [] };
    const out: Label = { at: null, uses: [] };
    this.#emit({ opcode: 0x7a, dst: FRAME, offset: -8 * (slot + 1), imm: 0 });
    const start = this.slots.length;
    if (this.#random.chance(15)) this.#jump(out, { opcode: 0xe5 });
    // What the body needs must be there in each turn: only what lives through it.
    for (let register = 0; register < 6; register++) this.#set(register, null);
    for (const register of [7, 8, 9]) this.#set(register, null);
    this.#stack.clear();
    this.#ranges.clear();
    this.#fork(() => this.#statements(1 + this.#random.below(3)));
    for (let register = 0; register < 10; register++) if (register !== 6) this.#set(register, null);
    this.#emit({ opcode: 0x79, dst: 1, src: FRAME, offset: -8 * (slot + 1) });
    this.#emit({ opcode: 0x07, dst: 1, imm: 1 });
    this.#emit({ opcode: 0x7b, dst: FRAME, src: 1, offset: -8 * (slot + 1) });
    if (!this.#forgets()) {
      const code = this.#random.pick([JUMP.lt, JUMP.ne, JUMP.slt, JUMP.lt]);
      this.#emit({
        opcode: code | this.#random.pick([5, 5, 6]),
        dst: 1,
        imm: turns,
        offset: start - this.slots.length - 1,
      });
    }
    this.#place(again);
    this.#place(out);
    this.#stack.clear();
  }

  #statements(count: number): void {
    this.#depth++;
    for (let index = 0; index < count; index++) {
      const deep = this.#depth > 3;
      const choice = this.#random.below(100);
      if (choice < 20) this.#packetAccess();
      else if (choice < 27) this.#variablePacket();
      else if (choice < 43) this.#arithmetic();
      else if (choice < 50) this.#spill();
      else if (choice < 56) this.#fill();
      else if (choice < 59) this.#variableStack();
      else if (choice < 71) this.#valueAccess();
      else if (choice < 73) this.#constant();
      else if (choice < 76) this.#record();
      else if (choice < 78) this.#locked();
      else if (choice < 80) this.#move();
      else if (choice < 81) this.#tail();
      else if (choice < 84) this.#call();
      else if (choice < 85) this.#loopHelper();
      else if (deep) this.#arithmetic();
      else if (choice < 95) this.#if();
      else this.#loop();
    }
    this.#depth--;
  }

  #function({ label, callback }: { readonly label: Label; readonly callback: boolean }): void {
    this.starts.push(this.slots.length);
    this.#place(label);
    this.#kinds = Array.from({ length: 11 }, () => null);
    this.#set(1, { kind: "scalar", max: null });
    if (!callback) this.#set(2, { kind: "scalar", max: null });
    this.#emit({ opcode: 0xbf, dst: 0, src: 1 });
    const random = this.#random;
    for (let index = random.below(5); index > 0; index--)
      this.#emit({ opcode: random.pick(Object.values(ALU)) | random.pick([4, 7]), dst: 0, imm: 1 + random.below(30) });
    if (callback) {
      if (random.chance(60)) {
        this.#emit({ opcode: 0x79, dst: 3, src: 2 });
        this.#emit({ opcode: 0x07, dst: 3, imm: 1 });
        this.#emit({ opcode: 0x7b, dst: 2, src: 3 });
      }
      this.#emit({ opcode: 0x57, dst: 0, imm: this.#forgets() ? 3 : 1 });
    } else if (random.chance(50)) {
      this.#emit({ opcode: JUMP.gt | 8 | 5, dst: 0, src: 2, offset: 1 });
      this.#emit({ opcode: 0xbf, dst: 0, src: 2 });
    }
    this.#emit({ opcode: 0x95 });
  }

  make(): void {
    this.#kinds = Array.from({ length: 11 }, () => null);
    this.#set(6, { kind: "ctx" });
    this.#emit({ opcode: 0xbf, dst: 6, src: 1 });
    this.#statements(2 + this.#random.below(8));
    if (!this.#forgets()) this.#emit({ opcode: 0xb7, dst: 0, imm: this.#random.below(5) });
    this.#emit({ opcode: 0x95 });
    this.#place(this.#leave);
    if (this.#leave.uses.length > 0) {
      this.#emit({ opcode: 0xb7, dst: 0, imm: 2 });
      this.#emit({ opcode: 0x95 });
    }
    for (const fn of this.#functions) this.#function(fn);
  }
}

function equal(a: Kind, b: Kind): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Makes one program; `random` decides everything. */
export function generate(random: Random): ProgramImage {
  const maker = new Maker(random);
  maker.make();
  const { slots, starts } = maker;
  const functions = starts.map(
    (startSlot, index): ImageFunction => ({
      name: index === 0 ? "entry" : `f${index}`,
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
    maps: MAPS,
    kfuncs: [],
    functions,
    lines: [],
    gaps: [],
  };
}
