// Reading the packet: makes the code that finds the headers of a stage, once on each way that needs them, and leaves what it found
// in the environment. Every stage ends in one join whose parameters tell which headers are there and where; jump threading
// turns the tests of those flags back into control flow. In programs that take packets of several buffers every header is read on two
// ways: in the first buffer, and as a copy (beyond.ts); once beyond the first buffer, all that follows is.

import { must } from "../../base/assert.ts";
import { type HCond, type Header, type Instance, NO_SELECTOR } from "../hir.ts";
import type { BlockId, Edge, IrType, ValueId } from "../ir.ts";
import { copyHeader } from "./beyond.ts";
import { lowerCondition } from "./condition.ts";
import { type Candidate, dispatch } from "./dispatch.ts";
import { edge } from "./edge.ts";
import { fieldNumber, lowerNumber } from "./evaluate.ts";
import { ExtensionReader } from "./extensions.ts";
import { minOf, partsOf } from "./header-size.ts";
import type { Beyond, Found, Lowering, Spot, StageResult } from "./lowering.ts";
import { hidesTransport, lastMatters, type Member, type Stage, TRANSPORT_LAYER } from "./parse-plan.ts";
import { isWhole, readPart } from "./parts.ts";
import { type Attempt, argsOf, NOTHING_FOUND, PackedProgress, type Progress, taking } from "./progress.ts";

/** What is known of a header: whether it's there and where. Reads the stage it belongs to where that hasn't been done on this way. */
export function headerOf(l: Lowering, instance: Instance): Found {
  const pinned = l.pinned.get(instance);
  if (pinned !== undefined) return pinned;
  const stage = must(l.plan.stageOf.get(instance), `a stage for ${instance.header.name}`);
  return must(readStage(l, stage).headers.get(instance), `${instance.header.name} in its stage`);
}

/** Reads the stages of a bit set that haven't been read on this way, in order. */
export function readStages(l: Lowering, mask: number): void {
  for (const stage of l.plan.stages) if ((mask & (1 << stage.id)) !== 0) readStage(l, stage);
}

/** Reads a stage, and those it hangs on, unless that has been done on this way. */
export function readStage(l: Lowering, stage: Stage): StageResult {
  const known = l.env.get(stage);
  if (known !== undefined) return known;
  if (stage.part !== null) {
    const part = readPart(l, stage.part);
    l.env = new Map([...l.env, [stage, part]]);
    return part;
  }
  const sources = [...new Set(stage.members.flatMap((m) => m.entries.map((e) => e.from)))].filter((s) => s !== null);
  sources.sort((a, b) => a.id - b.id);
  const found = sources.map((from) => ({ from, result: readStage(l, from) }));
  const result = new StageReader(l, stage).read(found);
  l.env = new Map([...l.env, [stage, result]]);
  return result;
}

/** Makes the code that reads one stage. */
export class StageReader {
  readonly #l: Lowering;
  readonly #stage: Stage;
  /** The stage's headers and extensions that rules name, in the order of the join's parameters. */
  readonly #instances: readonly Instance[];
  readonly #selectorCount: number;
  readonly #asksLast: boolean;
  /** Constants that edges to the join pass, made where the stage begins: they hold everywhere in it. */
  readonly #shared: {
    readonly zero: ValueId;
    readonly one: ValueId;
    readonly none: ValueId;
    readonly nowhere: ValueId;
  };
  /** What is said of what lies in the first buffer; null where packets have only one. */
  readonly near: Beyond | null;
  /** The types of a spot's arguments. */
  readonly spotTypes: readonly IrType[];
  /** The blocks that `enter` made, by what they do and what they are told. */
  readonly #entries = new Map<string, BlockId>();
  /** The members' numbers as constants, where anybody asks which was read last. */
  readonly #numbers: readonly ValueId[];
  readonly #join: { readonly id: BlockId; readonly params: readonly ValueId[] };

  constructor(l: Lowering, stage: Stage) {
    this.#l = l;
    this.#stage = stage;
    const all = stage.members.flatMap((m) => [m.instance, ...m.extensions.flatMap((h) => h.instances)]);
    this.#instances = [...new Set(all)].filter((i) => l.plan.named.has(i));
    this.#asksLast = lastMatters(l.plan, stage);
    this.#selectorCount = Math.max(
      0,
      ...stage.members.map((m) => (m.leadsOn ? (m.instance.header.next?.fields.length ?? 0) : 0)),
    );
    this.spotTypes = l.copies === null ? ["pkt"] : ["pkt", "i32", "i64"];
    const types: IrType[] = this.#instances.flatMap((): IrType[] => ["i32", ...this.spotTypes]);
    for (let i = 0; i < this.#selectorCount; i++) types.push("i32");
    types.push(...this.spotTypes);
    if (this.#asksLast) types.push("i32");
    if (l.plan.usesOpaque) types.push("i32");
    this.#join = l.builder.newBlock(types);
    this.#shared = { zero: l.i32(0), one: l.i32(1), none: l.i32(NO_SELECTOR), nowhere: l.builder.undef("pkt") };
    this.near = l.copies === null ? null : { copied: this.#shared.zero, distance: l.builder.undef("i64") };
    this.#numbers = this.#asksLast ? Array.from({ length: stage.members.length + 1 }, (_, n) => l.i32(n)) : [];
  }

  /** Whether the transport comes behind what this stage reads. */
  get leadsToTransport(): boolean {
    return this.#stage.layer < TRANSPORT_LAYER;
  }

  /** Makes the code; goes on at the join. */
  read(sources: readonly { readonly from: Stage; readonly result: StageResult }[]): StageResult {
    const l = this.#l;
    const root = this.#stage.members.find((m) => m.entries.some((e) => e.from === null));
    if (root !== undefined) this.#try(root, { pointer: l.packet, beyond: this.near }, NOTHING_FOUND, null, null);
    else this.#fromSources(sources, 0);
    l.goOn(this.#join.id);
    // In the order in which `done` passes them.
    const next = taking(this.#join.params);
    return {
      headers: new Map(this.#instances.map((instance) => [instance, { present: next(), ...this.spotFrom(next) }])),
      selectors: Array.from({ length: this.#selectorCount }, next),
      payload: this.spotFrom(next),
      last: this.#asksLast ? next() : null,
      stuck: l.plan.usesOpaque ? next() : null,
    };
  }

  /** A spot as a block's parameters tell it. */
  spotFrom(next: () => ValueId): Spot {
    return { pointer: next(), beyond: this.#l.copies === null ? null : { copied: next(), distance: next() } };
  }

  /** Whether a place is known to lie beyond the first buffer, so that there is no way on which it is reached directly. */
  isBeyond(spot: Spot): spot is Spot & { readonly beyond: Beyond } {
    return spot.beyond?.copied === this.#shared.one;
  }

  /** A place beyond the first buffer, or the copy of what lies there. */
  beyond(distance: ValueId, copy: ValueId = this.#shared.nowhere): Spot & { readonly beyond: Beyond } {
    return { pointer: copy, beyond: { copied: this.#shared.one, distance } };
  }

  /** Tries the ways from each earlier stage in turn. */
  #fromSources(sources: readonly { readonly from: Stage; readonly result: StageResult }[], index: number): void {
    const source = sources[index];
    if (source === undefined) return this.done(NOTHING_FOUND);
    const l = this.#l;
    const { selectors, payload } = source.result;
    const behind = (): void => this.#fromSources(sources, index + 1);
    if (payload.beyond === null) return dispatch(l, selectors, this.#candidates(source, payload), behind);
    // First of all whether it lies in the first buffer: then the ways stay apart from here on.
    const { copied, distance } = payload.beyond;
    const [near, far, next] = [l.block(), l.block(), l.block()];
    l.builder.branch("eq", "i32", copied, this.#shared.one, edge(far), edge(near));
    l.goOn(near);
    dispatch(l, selectors, this.#candidates(source, { ...payload, beyond: this.near }), edge(next));
    l.goOn(far);
    dispatch(l, selectors, this.#candidates(source, this.beyond(distance)), edge(next));
    l.goOn(next);
    behind();
  }

  /** The headers that may stand at a place behind an earlier stage. */
  #candidates({ from, result }: { readonly from: Stage; readonly result: StageResult }, at: Spot): Candidate[] {
    const candidates: Candidate[] = [];
    for (const member of this.#stage.members) {
      for (const entry of member.entries) {
        if (entry.from !== from) continue;
        const leading = from.members.flatMap((m, i) => (m.leadsOn ? [{ instance: m.instance, number: i + 1 }] : []));
        const numbers = leading.filter((m) => entry.parents.includes(m.instance)).map((m) => m.number);
        const after = result.last === null || numbers.length === leading.length ? null : { last: result.last, numbers };
        const { values, when } = entry;
        const go = (skip: Edge | null): void => this.#try(member, at, NOTHING_FOUND, when, skip);
        candidates.push({ values, after, tentative: when !== null, go });
      }
    }
    return candidates;
  }

  /** Tries to read a header; where it is one only `when` something holds of it, going to `skip` where that isn't so. */
  #try(member: Member, at: Spot, before: Progress, when: HCond | null, skip: Edge | null): void {
    const l = this.#l;
    const failed = (from: Progress): Edge => skip ?? this.failed(member, from);
    this.reach({
      owner: member.instance,
      at,
      before,
      numbers: [],
      failed,
      ...(skip === null ? {} : { mark: `or ${skip.target}` }),
      go: (spot, from) => {
        const { target, args } = failed(from);
        if (when !== null) this.#holds(when, spot.pointer, () => l.builder.jump(target, args));
        this.#tryOn(member, spot, from, { target, args });
      },
    });
  }

  /** What follows the reading of a header's fixed part. */
  #tryOn(member: Member, spot: Spot, before: Progress, failed: Edge): void {
    const l = this.#l;
    const { header } = member.instance;
    const { pointer } = spot;
    const size = this.sized(header, pointer, failed);
    if (header.parts.length > 0) isWhole(l, header, spot, must(size, "a size"), failed);
    const number = this.#stage.members.indexOf(member) + 1;
    const here: Progress = {
      ...before,
      found: new Map([...before.found, [member.instance, spot]]),
      selectors: null,
      payload: null,
      last: number,
      stuck: false,
    };
    if (!member.leadsOn || header.next === null) return this.done(here);
    this.when(header, pointer, () => this.done({ ...here, stuck: this.leadsToTransport }));
    const selectors = header.next.fields.map((f) => fieldNumber(l, pointer, f));
    const payload = this.payload(header, spot, size);
    if (member.extensions.length > 0) new ExtensionReader(l, this, member).read({ ...here, selectors, payload });
    else this.chain(member, { ...here, selectors, payload });
  }

  /**
   * Makes the code that reads a header's fixed part, and what follows that, on each way to it: in the first buffer where it lies there
   * whole; else as a copy, where packets may have several buffers.
   */
  reach(attempt: Attempt): void {
    const l = this.#l;
    const { builder } = l;
    const { owner, at, before, numbers, failed, mark = "", go } = attempt;
    const { fixedBytes } = "header" in owner ? owner.header : owner;
    const { pointer, beyond } = at;
    if (beyond === null) {
      const ok = l.block();
      builder.packetGuard(pointer, l.packetEnd, fixedBytes, edge(ok), failed(before));
      l.goOn(ok);
      return go(at, before, numbers);
    }
    const far = builder.newBlock(["i64"]);
    let ok: BlockId | null = null;
    if (this.isBeyond(at)) builder.jump(far.id, [beyond.distance]);
    else {
      const cut = l.block();
      ok = l.block();
      builder.packetGuard(pointer, l.packetEnd, fixedBytes, edge(ok), edge(cut));
      l.goOn(cut);
      builder.jump(far.id, [builder.distance(builder.ctxLoad("data"), pointer)]);
    }
    l.goOn(far.id);
    const name = `read ${l.copies?.placeOf(owner)} ${mark}`;
    this.enter(name, [must(far.params[0], "a distance"), ...numbers], before, ([distance, ...rest], from) => {
      const there = must(distance, "a distance");
      const copy = copyHeader(l, owner, there, failed(from));
      go(this.beyond(there, copy), from, rest);
    });
    if (ok === null) return;
    l.goOn(ok);
    go({ pointer, beyond: this.near }, before, numbers);
  }

  /**
   * Goes to a block that several ways come to with the same kinds of knowledge, which are its parameters; the first to come makes its
   * code. So what lies beyond the first buffer is read by one piece of code, wherever the buffer ended.
   */
  enter(
    name: string,
    numbers: readonly ValueId[],
    progress: Progress,
    make: (numbers: readonly ValueId[], progress: Progress) => void,
  ): void {
    const { builder } = this.#l;
    const packed = new PackedProgress(this.#instances, progress);
    const args = [...numbers, ...packed.values];
    const key = `${name} ${packed.shape}`;
    const known = this.#entries.get(key);
    if (known !== undefined) return builder.jump(known, args);
    const { id, params } = builder.newBlock(args.map((value) => builder.typeOf(value)));
    this.#entries.set(key, id);
    builder.jump(id, args);
    this.#l.goOn(id);
    make(params.slice(0, numbers.length), packed.unpack(params.slice(numbers.length)));
  }

  /** Goes on where the header's size is sane; gives what varies of it. */
  sized(header: Header, pointer: ValueId, failed: Edge): ValueId | null {
    const l = this.#l;
    if (header.size === null) return null;
    const { bytes, min } = header.size;
    const { variable, fixed } = partsOf(bytes);
    const size = inHeader(l, pointer, () => lowerNumber(l, variable));
    if (minOf(bytes) < BigInt(min)) {
      const sane = l.block();
      const type = l.builder.typeOf(size) === "i64" ? "i64" : "i32";
      const least = l.builder.constant(type, min - fixed);
      l.builder.branch("uge", type, size, least, { target: sane, args: [] }, failed);
      l.goOn(sane);
    }
    return size;
  }

  /** Goes on where the header's `when` holds. */
  when(header: Header, pointer: ValueId, otherwise: () => void): void {
    const when = header.next?.when ?? null;
    if (when !== null) this.#holds(when, pointer, otherwise);
  }

  /** Goes on where something holds of the header at `pointer`. */
  #holds(condition: HCond, pointer: ValueId, otherwise: () => void): void {
    const l = this.#l;
    const holds = l.block();
    const fails = l.block();
    inHeader(l, pointer, () => lowerCondition(l, condition, holds, fails));
    l.goOn(fails);
    otherwise();
    l.goOn(holds);
  }

  /** What follows a header. `size`: what varies of its size; null where nothing does. */
  payload(header: Header, spot: Spot, size: ValueId | null): Spot {
    const { builder } = this.#l;
    const fixed = size === null || header.size === null ? header.fixedBytes : partsOf(header.size.bytes).fixed;
    const varies = size === null || header.size === null ? null : this.#l.resize(size, "i64");
    if (this.isBeyond(spot)) {
      const { distance } = spot.beyond;
      const end = varies === null ? distance : builder.binary("add", "i64", distance, varies);
      return this.beyond(builder.binary("add", "i64", end, builder.constant("i64", fixed)));
    }
    const end = varies === null ? spot.pointer : builder.index(spot.pointer, varies);
    return { ...spot, pointer: varies !== null && fixed === 0 ? end : builder.offset(end, fixed) };
  }

  /** Tries the headers of this stage that may follow. */
  chain(member: Member, progress: Progress): void {
    const candidates: Candidate[] = [];
    for (const next of this.#stage.members) {
      for (const way of next.chained) {
        if (way.parent !== member.instance) continue;
        candidates.push({
          values: way.values,
          after: null,
          tentative: way.when !== null,
          go: (skip) => this.#try(next, must(progress.payload, "a payload"), progress, way.when, skip),
        });
      }
    }
    const deepest =
      member.instance.header.instances.at(-1) === member.instance && member.instance.header.instances.length > 1;
    const beyond = deepest && this.#l.plan.usesOpaque;
    const otherwise = beyond ? () => this.#beyondDepth(member, progress) : this.#edge(progress);
    dispatch(this.#l, progress.selectors ?? [], candidates, otherwise);
  }

  /** A header that would be one more of its kind than is read makes the packet opaque. */
  #beyondDepth(member: Member, progress: Progress): void {
    const { header } = member.instance;
    const values = header.edges.filter((e) => e.parent === header).flatMap((e) => e.values);
    const stop = {
      values,
      after: null,
      go: () => this.done({ ...progress, stuck: hidesTransport(this.#stage, member) }),
    };
    dispatch(this.#l, progress.selectors ?? [], [stop], this.#edge(progress));
  }

  /** The edge to the stage's end from where a header that was announced can't be read. */
  failed(member: Member, before: Progress): Edge {
    return this.#edge({ ...before, stuck: hidesTransport(this.#stage, member) || before.stuck });
  }

  /** Ends the stage with what was found. */
  done(progress: Progress): void {
    const { target, args } = this.#edge(progress);
    this.#l.builder.jump(target, args);
  }

  /** The edge to the stage's end, from anywhere in it. */
  #edge(progress: Progress): Edge {
    const { zero, one, none, nowhere } = this.#shared;
    const absent: Spot = { pointer: nowhere, beyond: this.near };
    const args: ValueId[] = [];
    for (const instance of this.#instances) {
      const spot = progress.found.get(instance);
      const extension = progress.extensions.get(instance);
      if (spot !== undefined) args.push(one, ...argsOf(spot));
      else if (extension !== undefined) args.push(extension.present, ...argsOf(extension));
      else args.push(zero, ...argsOf(absent));
    }
    for (let i = 0; i < this.#selectorCount; i++) args.push(progress.selectors?.[i] ?? none);
    args.push(...argsOf(progress.payload ?? absent));
    if (this.#asksLast) args.push(must(this.#numbers[progress.last], "a member's number"));
    if (this.#l.plan.usesOpaque) args.push(progress.stuck ? one : zero);
    return { target: this.#join.id, args };
  }
}

function inHeader<T>(l: Lowering, pointer: ValueId, make: () => T): T {
  const outer = l.self;
  l.self = pointer;
  const made = make();
  l.self = outer;
  return made;
}
