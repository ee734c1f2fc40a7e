// Random programs that call kernel functions: dynptrs of packets and memory, number iterators, sections without preemption or under
// RCU, strings, and some that XDP programs don't have. What is opened is mostly closed, mostly in order. Deterministic.
// Source: Linux kernel/bpf/helpers.c and net/core/filter.c (BTF_KFUNCS_START, 6.18) for names and arguments.

import type { ImageMap, ProgramImage } from "../../src/bpf/image.ts";
import type { Random } from "../support/random.ts";
import { codeOfSlots, type Slot, WIDE } from "./code.ts";

const plain = { flags: 0, frozen: false, data: null, fields: [], hasBtf: false, inner: null } as const;
const MAPS: readonly ImageMap[] = [
  { ...plain, name: "array", type: 2, keyBytes: 4, valueBytes: 64, maxEntries: 2 },
  { ...plain, name: "ring", type: 27, keyBytes: 0, valueBytes: 0, maxEntries: 4096 },
];

const FRAME = 10;
const CONTEXT = 6;
const VALUE = 7;
const NUMBER = 9;
/** Where dynptrs (16 bytes) and iterators (8 bytes) live. */
const DYNPTRS = [-80, -96, -112];
const ITERATOR = -120;

class Caller {
  readonly slots: Slot[] = [];
  readonly #kfuncs: string[] = [];
  readonly #random: Random;
  readonly #leave: number[] = [];
  readonly #careless: number;
  #depth = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#careless = random.pick([0, 0, 2, 5, 12]);
  }

  #forgets(): boolean {
    return this.#random.chance(this.#careless);
  }

  #emit(opcode: number, fields: Partial<Slot> = {}): void {
    this.slots.push({ opcode, dst: 0, src: 0, offset: 0, imm: 0, ...fields });
  }

  #exitWhen(opcode: number, fields: Partial<Slot>): void {
    this.#leave.push(this.slots.length);
    this.#emit(opcode, fields);
  }

  #copy(dst: number, src: number, add = 0): void {
    this.#emit(0xbf, { dst, src });
    if (add !== 0) this.#emit(0x07, { dst, imm: add });
  }

  #constant(dst: number, imm: number): void {
    this.#emit(0xb7, { dst, imm });
  }

  #call(name: string): void {
    let index = this.#kfuncs.indexOf(name);
    if (index === -1) index = this.#kfuncs.push(name) - 1;
    this.#emit(0x85, { src: 2, imm: index });
  }

  #start(): void {
    this.#copy(CONTEXT, 1);
    for (let offset = -8; offset >= -64; offset -= 8) this.#emit(0x7a, { dst: FRAME, offset });
    this.#copy(2, FRAME, -8);
    this.#emit(WIDE, { dst: 1, src: 1 });
    this.#emit(0);
    this.#emit(0x85, { imm: 1 });
    this.#exitWhen(0x15, { dst: 0 });
    this.#copy(VALUE, 0);
    this.#emit(0x61, { dst: NUMBER, src: CONTEXT, offset: 16 });
    if (this.#random.chance(70)) this.#emit(0x57, { dst: NUMBER, imm: 31 });
  }

  /** A number in `dst`. */
  #number(dst: number): void {
    if (this.#random.chance(70)) this.#constant(dst, this.#random.pick([0, 1, 4, 8, 14, 16, 20, 64, -1]));
    else this.#copy(dst, NUMBER);
  }

  #dynptr(): void {
    const random = this.#random;
    const place = random.pick(DYNPTRS);
    const kind = random.below(10);
    if (kind < 6) {
      this.#copy(1, CONTEXT);
      this.#constant(2, random.chance(90) ? 0 : 1);
      this.#copy(3, FRAME, place);
      this.#call("bpf_dynptr_from_xdp");
      if (random.chance(30)) this.#exitWhen(0x55, { dst: 0 });
    } else if (kind < 8) {
      this.#copy(1, VALUE);
      this.#constant(2, random.pick([8, 32, 64, 65]));
      this.#constant(3, 0);
      this.#copy(4, FRAME, place);
      this.#emit(0x85, { imm: 197 });
    } else {
      this.#emit(WIDE, { dst: 1, src: 1, imm: 1 });
      this.#emit(0);
      this.#constant(2, 16);
      this.#constant(3, 0);
      this.#copy(4, FRAME, place);
      this.#emit(0x85, { imm: 198 });
    }
    for (let count = 1 + random.below(4); count > 0; count--)
      this.#useDynptr(this.#forgets() ? random.pick(DYNPTRS) : place);
    if (kind >= 8 && !this.#forgets()) {
      this.#copy(1, FRAME, place);
      this.#constant(2, 0);
      this.#emit(0x85, { imm: random.pick([199, 200]) });
    }
  }

  #useDynptr(place: number): void {
    const random = this.#random;
    const kind = random.below(12);
    if (kind < 5) {
      const bytes = random.pick([1, 8, 14, 20, 32]);
      this.#copy(1, FRAME, place);
      this.#number(2);
      if (random.chance(50)) this.#constant(3, 0);
      else this.#copy(3, FRAME, random.pick([-32, -32, -64, -8]));
      if (this.#forgets()) this.#copy(4, NUMBER);
      else this.#constant(4, bytes);
      const writable = random.chance(40);
      this.#call(writable ? "bpf_dynptr_slice_rdwr" : "bpf_dynptr_slice");
      if (!this.#forgets()) this.#exitWhen(0x15, { dst: 0 });
      if (random.chance(40)) this.#copy(8, 0);
      if (random.chance(70))
        this.#emit(0x71, { dst: 1, src: 0, offset: random.below(bytes + (this.#forgets() ? 2 : 0)) });
      else this.#emit(0x72, { dst: 0, offset: random.below(bytes), imm: 1 });
      if (random.chance(25)) {
        this.#mover();
        this.#emit(0x71, { dst: 1, src: 8 });
      }
      return;
    }
    if (kind < 7) {
      this.#copy(1, FRAME, place);
      this.#call(random.pick(["bpf_dynptr_size", "bpf_dynptr_is_null", "bpf_dynptr_is_rdonly"]));
      return;
    }
    if (kind < 8) {
      this.#copy(1, FRAME, place);
      this.#number(2);
      this.#number(3);
      this.#call("bpf_dynptr_adjust");
      return;
    }
    if (kind < 9) {
      this.#copy(1, FRAME, place);
      this.#copy(2, FRAME, random.pick(DYNPTRS));
      this.#call("bpf_dynptr_clone");
      return;
    }
    if (kind < 11) {
      this.#copy(1, FRAME, -64);
      this.#constant(2, random.pick([1, 8, 16]));
      this.#copy(3, FRAME, place);
      this.#number(4);
      this.#constant(5, 0);
      this.#emit(0x85, { imm: 201 });
      return;
    }
    this.#copy(1, FRAME, place);
    this.#constant(2, 0);
    this.#constant(3, 8);
    this.#emit(0x85, { imm: 203 });
    if (!this.#forgets()) this.#exitWhen(0x15, { dst: 0 });
    this.#emit(0x71, { dst: 1, src: 0 });
  }

  /** Something that changes where the packet is, or not. */
  #mover(): void {
    this.#copy(1, CONTEXT);
    this.#constant(2, 4);
    this.#emit(0x85, { imm: this.#random.pick([44, 65, 54]) });
  }

  #iterator(): void {
    const random = this.#random;
    const place = ITERATOR - 8 * this.#depth;
    this.#copy(1, FRAME, place);
    this.#number(2);
    this.#number(3);
    this.#call("bpf_iter_num_new");
    if (random.chance(15)) this.#copy(NUMBER, 0);
    const start = this.slots.length;
    this.#copy(1, FRAME, this.#forgets() ? place - 8 : place);
    this.#call("bpf_iter_num_next");
    const out = this.slots.length;
    this.#emit(0x15, { dst: 0 });
    this.#emit(0x61, { dst: random.pick([1, NUMBER]), src: 0 });
    if (random.chance(50)) {
      this.#emit(0x07, { dst: NUMBER, imm: random.pick([0, 1]) });
      if (random.chance(50)) this.#emit(0x57, { dst: NUMBER, imm: 63 });
    }
    if (random.chance(30)) {
      this.#emit(0x25, { dst: NUMBER, imm: 60, offset: 3 });
      this.#copy(1, VALUE);
      this.#emit(0x0f, { dst: 1, src: NUMBER });
      this.#emit(0x71, { dst: 2, src: 1 });
    }
    if (random.chance(30) && this.#depth < 2) {
      this.#depth++;
      this.#statement();
      this.#depth--;
    }
    this.#emit(0x05, { offset: start - this.slots.length - 1 });
    this.slots[out]!.offset = this.slots.length - out - 1;
    if (this.#forgets()) return;
    this.#copy(1, FRAME, place);
    this.#call("bpf_iter_num_destroy");
  }

  #section(): void {
    const random = this.#random;
    const [open, close] = random.pick([
      ["bpf_rcu_read_lock", "bpf_rcu_read_unlock"],
      ["bpf_preempt_disable", "bpf_preempt_enable"],
    ] as const);
    this.#call(open);
    if (random.chance(30)) this.#call(open);
    if (random.chance(60)) this.#emit(0x85, { imm: random.pick([7, 5]) });
    if (this.#depth < 2 && random.chance(40)) {
      this.#depth++;
      this.#statement();
      this.#depth--;
    }
    if (!this.#forgets()) this.#call(close);
    if (random.chance(30)) this.#call(close);
  }

  #other(): void {
    const random = this.#random;
    random.pick([
      () => {
        this.#copy(1, CONTEXT);
        this.#call("bpf_cast_to_kern_ctx");
        if (random.chance(50)) this.#emit(0x79, { dst: 1, src: 0, offset: random.pick([0, 8, 32]) });
      },
      () => {
        this.#copy(1, VALUE);
        this.#copy(2, FRAME, -64);
        this.#call(random.pick(["bpf_strcmp", "bpf_strstr", "bpf_strspn"]));
      },
      () => {
        this.#copy(1, CONTEXT);
        this.#copy(2, FRAME, -64);
        this.#call(random.pick(["bpf_xdp_metadata_rx_timestamp", "bpf_xdp_metadata_rx_hash"]));
      },
      () => this.#call(random.pick(["bpf_cpumask_create", "bpf_task_release", "tcp_slow_start", "no_such_function"])),
      () => {
        this.#constant(1, 0);
        this.#call("bpf_throw");
      },
      () => {
        this.#copy(1, CONTEXT);
        this.#number(2);
        this.#call("bpf_xdp_pull_data");
      },
      () => {
        this.#constant(1, 1);
        this.#call("bpf_task_from_pid");
        this.#exitWhen(0x15, { dst: 0 });
        this.#copy(1, 0);
        this.#call("bpf_task_release");
      },
    ])();
  }

  #statement(): void {
    const choice = this.#random.below(20);
    if (choice < 9) this.#dynptr();
    else if (choice < 15) this.#iterator();
    else if (choice < 18) this.#section();
    else this.#other();
  }

  make(): ProgramImage {
    const random = this.#random;
    this.#start();
    for (let count = 1 + random.below(3); count > 0; count--) this.#statement();
    this.#constant(0, random.below(5));
    const exit = this.slots.length;
    this.#emit(0x95);
    const out = this.slots.length;
    this.#constant(0, 1);
    this.#emit(0x05, { offset: exit - out - 2 });
    for (const jump of this.#leave) this.slots[jump]!.offset = out - jump - 1;
    return {
      name: "entry",
      section: "xdp",
      attach: "device",
      frags: random.chance(20),
      license: random.chance(97) ? "GPL" : "Proprietary",
      code: codeOfSlots(this.slots),
      maps: MAPS,
      kfuncs: this.#kfuncs,
      functions: [],
      lines: [],
      gaps: [],
    };
  }
}

/** Makes one program; `random` decides everything. */
export function generateKfuncs(random: Random): ProgramImage {
  return new Caller(random).make();
}
