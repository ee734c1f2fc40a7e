// Random programs that call helpers, right and wrong: every number up to the newest, arguments mostly of the kind the table of
// helpers says and sometimes of another, results checked or not, references released or not. Deterministic.
// Source: Linux include/uapi/linux/bpf.h for numbers of helpers; src/bpf/helpers.ts for what arguments usually are.

import { type ArgKind, type Helper, helperById, helpers } from "../../src/bpf/helpers.ts";
import type { ImageFunction, ImageMap, ProgramImage } from "../../src/bpf/image.ts";
import type { Random } from "../support/random.ts";
import { codeOfSlots, type Slot, WIDE } from "./code.ts";

const plain = { flags: 0, frozen: false, data: null, fields: [], hasBtf: false, inner: null } as const;
const array: ImageMap = { ...plain, name: "array", type: 2, keyBytes: 4, valueBytes: 64, maxEntries: 2 };

/** One map of every type a program of this kind can have. */
const MAPS: readonly ImageMap[] = [
  array,
  { ...plain, name: "hash", type: 1, keyBytes: 8, valueBytes: 32, maxEntries: 4 },
  { ...plain, name: "programs", type: 3, keyBytes: 4, valueBytes: 4, maxEntries: 4 },
  { ...plain, name: "events", type: 4, keyBytes: 4, valueBytes: 4, maxEntries: 2 },
  { ...plain, name: "percpu_hash", type: 5, keyBytes: 4, valueBytes: 16, maxEntries: 4 },
  { ...plain, name: "percpu_array", type: 6, keyBytes: 4, valueBytes: 16, maxEntries: 4 },
  { ...plain, name: "stack_trace", type: 7, keyBytes: 4, valueBytes: 8, maxEntries: 4 },
  { ...plain, name: "cgroups", type: 8, keyBytes: 4, valueBytes: 4, maxEntries: 4 },
  { ...plain, name: "lru", type: 9, keyBytes: 4, valueBytes: 16, maxEntries: 4 },
  { ...plain, name: "trie", type: 11, keyBytes: 8, valueBytes: 8, maxEntries: 4, flags: 1 },
  { ...plain, name: "maps", type: 12, keyBytes: 4, valueBytes: 4, maxEntries: 2, inner: array },
  { ...plain, name: "devices", type: 14, keyBytes: 4, valueBytes: 4, maxEntries: 4 },
  { ...plain, name: "sockets", type: 15, keyBytes: 4, valueBytes: 4, maxEntries: 4 },
  { ...plain, name: "cpus", type: 16, keyBytes: 4, valueBytes: 4, maxEntries: 1 },
  { ...plain, name: "xsks", type: 17, keyBytes: 4, valueBytes: 4, maxEntries: 4 },
  { ...plain, name: "sockhash", type: 18, keyBytes: 4, valueBytes: 4, maxEntries: 4 },
  { ...plain, name: "queue", type: 22, keyBytes: 0, valueBytes: 16, maxEntries: 4 },
  { ...plain, name: "stack", type: 23, keyBytes: 0, valueBytes: 16, maxEntries: 4 },
  { ...plain, name: "ring", type: 27, keyBytes: 0, valueBytes: 0, maxEntries: 4096 },
  { ...plain, name: "bloom", type: 30, keyBytes: 0, valueBytes: 8, maxEntries: 4 },
  { ...plain, name: "user_ring", type: 31, keyBytes: 0, valueBytes: 0, maxEntries: 4096 },
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
  {
    ...plain,
    name: "timed",
    type: 2,
    keyBytes: 4,
    valueBytes: 32,
    maxEntries: 2,
    fields: [{ kind: "timer", offsetBytes: 8, bytes: 16 }],
    hasBtf: true,
  },
  {
    ...plain,
    name: "constants",
    type: 2,
    keyBytes: 4,
    valueBytes: 32,
    maxEntries: 1,
    flags: 1 << 7,
    frozen: true,
    data: new TextEncoder().encode("%d and %s\0text without an end.."),
  },
  { ...plain, name: "write_only", type: 2, keyBytes: 4, valueBytes: 32, maxEntries: 2, flags: 1 << 8 },
];
const at = (name: string): number => MAPS.findIndex((map) => map.name === name);
/** Maps that a helper is usually called with. */
const USUAL: Readonly<Record<string, readonly string[]>> = {
  tail_call: ["programs"],
  perf_event_output: ["events"],
  perf_event_read: ["events"],
  redirect_map: ["devices", "cpus", "xsks"],
  ringbuf_output: ["ring"],
  ringbuf_reserve: ["ring"],
  ringbuf_reserve_dynptr: ["ring"],
  ringbuf_query: ["ring"],
  user_ringbuf_drain: ["user_ring"],
  map_push_elem: ["queue", "stack", "bloom"],
  map_pop_elem: ["queue", "stack"],
  map_peek_elem: ["queue", "stack", "bloom"],
  current_task_under_cgroup: ["cgroups"],
  timer_init: ["timed"],
  map_lookup_percpu_elem: ["percpu_hash", "percpu_array"],
};
const LOOKED_UP = [
  "hash",
  "array",
  "percpu_array",
  "lru",
  "trie",
  "maps",
  "xsks",
  "locked",
  "timed",
  "devices",
  "sockets",
  "constants",
];

const FRAME = 10;
const CONTEXT = 6;
const VALUE = 7;
const PACKET = 8;
const NUMBER = 9;

class Caller {
  readonly slots: Slot[] = [];
  readonly #random: Random;
  readonly #leave: number[] = [];
  readonly #callbacks: number[] = [];
  #valueMap = "array";

  constructor(random: Random) {
    this.#random = random;
  }

  #emit(opcode: number, fields: Partial<Slot> = {}): void {
    this.slots.push({ opcode, dst: 0, src: 0, offset: 0, imm: 0, ...fields });
  }

  #exitWhen(opcode: number, fields: Partial<Slot>): void {
    this.#leave.push(this.slots.length);
    this.#emit(opcode, fields);
  }

  #wide(dst: number, src: number, imm: number, high = 0): void {
    this.#emit(WIDE, { dst, src, imm });
    this.#emit(0, { imm: high });
  }

  #copy(dst: number, src: number, add = 0): void {
    this.#emit(0xbf, { dst, src });
    if (add !== 0) this.#emit(0x07, { dst, imm: add });
  }

  #constant(dst: number, imm: number): void {
    this.#emit(0xb7, { dst, imm });
  }

  /** The context in r6, a value in r7, packet bytes in r8, a number in r9, the stack's first 64 bytes written, mostly. */
  #start(called: readonly (Helper | null)[]): void {
    const random = this.#random;
    this.#copy(CONTEXT, 1);
    for (let offset = -8; offset >= -64; offset -= 8) if (random.chance(93)) this.#emit(0x7a, { dst: FRAME, offset });
    const wanted = called.flatMap((helper) => helper?.args ?? []);
    const usual = wanted.includes("lock") ? ["locked"] : wanted.includes("timer") ? ["timed"] : ["array", "hash"];
    this.#valueMap = random.pick(random.chance(90) ? usual : ["array", "locked", "timed", "constants"]);
    this.#copy(2, FRAME, -8);
    this.#wide(1, 1, at(this.#valueMap));
    this.#emit(0x85, { imm: 1 });
    if (random.chance(95)) this.#exitWhen(0x15, { dst: 0 });
    this.#copy(VALUE, 0);
    this.#emit(0x61, { dst: PACKET, src: CONTEXT });
    this.#emit(0x61, { dst: 3, src: CONTEXT, offset: 4 });
    this.#copy(2, PACKET, 40);
    this.#exitWhen(0x2d, { dst: 2, src: 3 });
    this.#emit(0x61, { dst: NUMBER, src: CONTEXT, offset: 16 });
    if (random.chance(60)) this.#emit(0x57, { dst: NUMBER, imm: random.pick([3, 7, 15, 31, 63, 255]) });
    if (random.chance(20)) this.#exitWhen(0x15, { dst: NUMBER });
  }

  /** Bytes to read or write somewhere. */
  #memory(dst: number): void {
    const random = this.#random;
    random.pick([
      () => this.#copy(dst, FRAME, -8 * (4 + random.below(5))),
      () => this.#copy(dst, FRAME, -8 * (1 + random.below(8))),
      () => this.#copy(dst, FRAME, -64),
      () => this.#copy(dst, FRAME, -4 * (1 + random.below(16))),
      () => this.#copy(dst, VALUE, random.pick([0, 0, 8, 16])),
      () => this.#copy(dst, PACKET, random.pick([0, 14, 4])),
      () => (random.chance(30) ? this.#wide(dst, 2, at("constants"), random.pick([0, 4, 10])) : this.#copy(dst, VALUE)),
    ])();
  }

  #anything(dst: number): void {
    const random = this.#random;
    random.pick([
      () => this.#copy(dst, CONTEXT),
      () => this.#constant(dst, 0),
      () => this.#constant(dst, random.pick([1, 4, 8, 16, -1, 64])),
      () => this.#copy(dst, NUMBER),
      () => this.#wide(dst, 1, random.below(MAPS.length)),
      () => this.#memory(dst),
      () => this.#memory(dst),
      () => this.#function(dst),
      () => this.#copy(dst, 0),
      () => {},
    ])();
  }

  #function(dst: number): void {
    this.#callbacks.push(this.slots.length);
    this.#wide(dst, 4, 0);
  }

  #argument(kind: ArgKind, dst: number, helper: string): void {
    const random = this.#random;
    if (random.chance(3)) return this.#anything(dst);
    switch (kind) {
      case "ctx":
        return this.#copy(dst, CONTEXT);
      case "map": {
        const usual = USUAL[helper] ?? LOOKED_UP;
        return this.#wide(dst, 1, random.chance(88) ? at(random.pick(usual)) : random.below(MAPS.length));
      }
      case "size":
      case "sizeOrZero":
        return random.chance(70)
          ? this.#constant(dst, random.pick([0, 1, 2, 4, 6, 8, 8, 8, 12, 16, 20, 32, 48, 64, 65]))
          : this.#copy(dst, NUMBER);
      case "constSize":
        return random.chance(85) ? this.#constant(dst, random.pick([0, 1, 8, 16, 33])) : this.#copy(dst, NUMBER);
      case "scalar":
      case "extra":
        return random.chance(55) ? this.#constant(dst, random.pick([0, 0, 1, 2, 7, 16, -1])) : this.#copy(dst, NUMBER);
      case "memoryOrNull":
      case "memoryOrNullOut":
      case "stackOrNull":
      case "valueOrNull":
        return random.chance(40) ? this.#constant(dst, 0) : this.#memory(dst);
      case "string":
        return this.#wide(dst, 2, at("constants"), random.pick([0, 0, 3, 10, 31]));
      case "function":
        return this.#function(dst);
      case "lock":
        return this.#copy(dst, VALUE, random.pick([4, 4, 4, 0]));
      case "timer":
        return this.#copy(dst, VALUE, random.pick([8, 8, 8, 0]));
      case "socket":
        return random.chance(90) ? this.#copy(dst, NUMBER) : this.#anything(dst);
      case "record":
      case "btf":
      case "kptr":
        return random.chance(70) ? this.#copy(dst, 0) : this.#anything(dst);
      case "dynptr":
        return this.#copy(dst, FRAME, random.pick([-80, -80, -80, -96, -16, -84]));
      default:
        return this.#memory(dst);
    }
  }

  /** A socket in r9, by a lookup. */
  #socket(): void {
    this.#copy(1, CONTEXT);
    this.#copy(2, FRAME, -64);
    this.#constant(3, 12);
    this.#constant(4, -1);
    this.#constant(5, 0);
    this.#emit(0x85, { imm: this.#random.pick([84, 85, 99]) });
    this.#exitWhen(0x15, { dst: 0 });
    this.#copy(NUMBER, 0);
  }

  #call(helper: Helper | null): void {
    const random = this.#random;
    const id = helper?.id ?? random.below(216);
    const socket = helper?.args.includes("socket") === true && random.chance(93);
    if (socket) this.#socket();
    if (helper?.args.includes("btf") === true && random.chance(80)) this.#emit(0x85, { imm: 158 });
    const args = helper?.args ?? (["ctx", "scalar", "scalar", "scalar", "scalar"] as const);
    const order = args.map((_, index) => index);
    // What takes the last result from r0 doesn't mind the order; anything else may not rely on one either.
    if (random.chance(30)) order.reverse();
    for (const index of order) this.#argument(args[index]!, index + 1, helper?.name ?? "");
    this.#emit(0x85, { imm: id });
    if (helper === null) return;
    this.#use(helper.name, helper.result);
    if (!socket) return;
    if (helper.name !== "sk_release" && random.chance(95)) {
      this.#copy(1, NUMBER);
      this.#emit(0x85, { imm: 86 });
    }
    this.#constant(NUMBER, 8);
  }

  /** Something with the result in r0. */
  #use(name: string, result: string): void {
    const random = this.#random;
    const maybe = result.endsWith("OrNull");
    if (maybe && random.chance(90)) this.#exitWhen(0x15, { dst: 0 });
    if (name === "ringbuf_reserve" && random.chance(90)) {
      if (random.chance(60)) this.#emit(0x72, { dst: 0, offset: random.pick([0, 0, 7, 8]), imm: 1 });
      this.#copy(1, 0);
      this.#constant(2, 0);
      this.#emit(0x85, { imm: random.pick([132, 133]) });
      return;
    }
    if (/^skc?_lookup/.test(name)) {
      if (random.chance(40))
        this.#emit(0x61, { dst: 2, src: 0, offset: random.pick([0, 4, 8, 12, 24, 44, 72, 76, 80]) });
      if (random.chance(50)) this.#copy(NUMBER, 0);
      if (random.chance(92)) {
        this.#copy(1, 0);
        this.#emit(0x85, { imm: 86 });
      }
      return;
    }
    if (name === "ringbuf_reserve_dynptr" && random.chance(90)) {
      this.#copy(1, FRAME, -80);
      this.#constant(2, 0);
      this.#emit(0x85, { imm: random.pick([199, 200]) });
      return;
    }
    if (name === "spin_lock" && random.chance(90)) {
      this.#emit(0x62, { dst: VALUE, offset: random.pick([0, 8]), imm: 1 });
      this.#copy(1, VALUE, 4);
      this.#emit(0x85, { imm: 94 });
      return;
    }
    if (result === "nothing" || result === "never") return;
    if (maybe || result === "btf") {
      if (random.chance(60))
        this.#emit((0x61 & ~0x18) | random.pick([0, 8, 16, 24]), {
          dst: 2,
          src: 0,
          offset: random.pick([0, 0, 4, 8, 24]),
        });
      if (random.chance(25))
        this.#emit((0x62 & ~0x18) | random.pick([0, 8, 16, 24]), { dst: 0, offset: random.pick([0, 0, 4, 8]), imm: 1 });
      return;
    }
    if (random.chance(5)) {
      this.#copy(1, PACKET);
      this.#emit(0x0f, { dst: 1, src: 0 });
    }
    if (random.chance(25)) this.#emit(0x71, { dst: 1, src: PACKET });
  }

  make(): ProgramImage {
    const random = this.#random;
    const called = Array.from({ length: 1 + random.below(3) }, () =>
      random.chance(97) ? random.pick(helpers) : helperById(random.below(216)),
    );
    this.#start(called);
    for (const helper of called) {
      this.#call(helper);
      if (random.chance(30)) this.#constant(0, 0);
    }
    this.#constant(0, random.below(5));
    const exit = this.slots.length;
    this.#emit(0x95);
    const out = this.slots.length;
    this.#constant(0, 1);
    this.#emit(0x05, { offset: exit - out - 2 });
    for (const jump of this.#leave) this.slots[jump]!.offset = out - jump - 1;
    const starts = [0];
    if (this.#callbacks.length > 0) {
      const start = this.slots.length;
      starts.push(start);
      for (const slot of this.#callbacks) this.slots[slot]!.imm = start - slot - 1;
      const body: (() => void)[] = [
        () => this.#emit(0x79, { dst: 1, src: random.pick([1, 2, 3, 4]), offset: 0 }),
        () => this.#emit(0x7a, { dst: random.pick([2, 3, 4]), offset: random.pick([0, 0, 8]), imm: 1 }),
        () => this.#emit(0x61, { dst: 1, src: 2 }),
        () => this.#emit(0x85, { imm: random.pick([5, 7, 8]) }),
        () => {},
      ];
      random.pick(body)();
      this.#constant(0, random.pick([0, 0, 0, 1, 2]));
      this.#emit(0x95);
    }
    const functions = starts.map(
      (startSlot, index): ImageFunction => ({
        name: index === 0 ? "entry" : "callback",
        startSlot,
        slots: (starts[index + 1] ?? this.slots.length) - startSlot,
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
      license: random.chance(92) ? "GPL" : "Proprietary",
      code: codeOfSlots(this.slots),
      maps: MAPS,
      kfuncs: [],
      functions,
      lines: [],
      gaps: [],
    };
  }
}

/** Makes one program; `random` decides everything. */
export function generateCalls(random: Random): ProgramImage {
  return new Caller(random).make();
}
