// The state of lowering one program: the builder, what has been read of the packet on the way to the current point, and what
// names are bound to. The files beside this one are functions over it, one for each kind of thing that is lowered.

import { must } from "../../base/assert.ts";
import { verdicts } from "../../bpf/verdicts.ts";
import type { Builder } from "../builder.ts";
import type { HProgram, Instance, Local, Entry as MapEntry, VerdictName } from "../hir.ts";
import type { BlockId, IntType, ValueId } from "../ir.ts";
import { Copies } from "./beyond.ts";
import type { DataPool } from "./data-pool.ts";
import type { ParsePlan, Stage } from "./parse-plan.ts";
import type { Value } from "./value.ts";

/** Where something lies in the packet. */
export interface Spot {
  /** Its first byte, or that of the copy of it. What isn't reached directly and wasn't copied (yet) has none. */
  readonly pointer: ValueId;
  /** In programs that take packets of several buffers, else null. */
  readonly beyond: Beyond | null;
}

/** What is known of a header: its spot is of use where it is present. */
export interface Found extends Spot {
  /** An i32, 0 or 1. */
  readonly present: ValueId;
}

/** Whether something lies beyond the first buffer, at least in part, so that it is reached by helpers. */
export interface Beyond {
  /** An i32, 0 or 1. */
  readonly copied: ValueId;
  /** Where that is 1: the bytes from the packet's first, an i64. */
  readonly distance: ValueId;
}

/** What the reading of a stage found, as SSA values that hold from there on. */
export interface StageResult {
  /** The headers that rules name. */
  readonly headers: ReadonlyMap<Instance, Found>;
  /** The selectors of the last header read, i32 each; NO_SELECTOR where nothing follows. */
  readonly selectors: readonly ValueId[];
  /** What follows the last header read; of no use where nothing does. */
  readonly payload: Spot;
  /** Which header was read last: its number in the stage from 1, an i32; 0 for none. null where nobody asks. */
  readonly last: ValueId | null;
  /** 1 where a header was announced that couldn't be read, an i32. null where nobody asks. */
  readonly stuck: ValueId | null;
}

/** What has been read on every way to a point. Replaced, never changed, so that it can be kept and gone back to. */
export type Env = ReadonlyMap<Stage, StageResult>;

/** Everything the lowering of one program knows. */
export class Lowering {
  readonly builder: Builder;
  readonly program: HProgram;
  readonly plan: ParsePlan;
  readonly data: DataPool;
  /** The packet's first byte and end, read at the start and where the packet may have been moved. */
  packet: ValueId;
  packetEnd: ValueId;
  env: Env = new Map();
  /** Headers that stay proven though what follows them is read anew: their place can't have changed. */
  pinned: ReadonlyMap<Instance, Found> = new Map();
  /** Where headers beyond the first buffer are copied to; null in a program that takes packets of one buffer only. */
  readonly copies: Copies | null;
  readonly locals = new Map<Local, Value>();
  /** The pointers that `if let` bound. */
  readonly entries = new Map<MapEntry, ValueId>();
  /** The header whose own expressions are being evaluated: where `self` is. */
  self: ValueId | null = null;

  constructor(builder: Builder, program: HProgram, plan: ParsePlan, data: DataPool) {
    this.builder = builder;
    this.program = program;
    this.plan = plan;
    this.data = data;
    this.copies = program.frags ? new Copies() : null;
    this.packet = builder.ctxLoad("data");
    this.packetEnd = builder.ctxLoad("data_end");
  }

  /** Reads anew where the packet begins and ends: nothing found before is where it was. */
  lookAgain(): void {
    this.packet = this.builder.ctxLoad("data");
    this.packetEnd = this.builder.ctxLoad("data_end");
    this.env = new Map();
    this.pinned = new Map();
  }

  /** A new block without parameters. */
  block(): BlockId {
    return this.builder.newBlock().id;
  }

  /** Goes on in a new block, which is returned: for an edge that leads here. */
  goOn(block: BlockId): void {
    this.builder.setBlock(block);
  }

  /** An i32 constant. */
  i32(value: number | bigint): ValueId {
    return this.builder.constant("i32", value);
  }

  /** A value as one of `type`, zero-extended or cut. */
  resize(value: ValueId, type: IntType): ValueId {
    const own = this.builder.typeOf(value);
    if (own === type) return value;
    return type === "i64" ? this.builder.zext(value) : this.builder.trunc(value);
  }

  /** A verdict's number. */
  verdict(name: VerdictName): number {
    const numbers = {
      aborted: verdicts.XDP_ABORTED,
      drop: verdicts.XDP_DROP,
      pass: verdicts.XDP_PASS,
      tx: verdicts.XDP_TX,
    };
    return numbers[name];
  }

  /** What a name was bound to. */
  local(local: Local): Value {
    return must(this.locals.get(local), `a value for \`${local.name}\``);
  }
}
