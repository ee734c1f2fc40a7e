// Reading the packet: makes the code that finds the headers of a stage, once on each way that needs them, and leaves what it found
// in the environment. Every stage ends in one join whose parameters tell which headers are there and where; jump threading
// turns the tests of those flags back into control flow.

import { must } from "../../base/assert.ts";
import { maxOf } from "../conversion.ts";
import { type Header, type Instance, NO_SELECTOR } from "../hir.ts";
import type { BlockId, Edge, IrType, ValueId } from "../ir.ts";
import { lowerCondition } from "./condition.ts";
import { type Candidate, dispatch } from "./dispatch.ts";
import { fieldNumber, lowerNumber } from "./evaluate.ts";
import { minOf, partsOf } from "./header-size.ts";
import type { Lowering, StageResult } from "./lowering.ts";
import { hidesTransport, lastMatters, type Member, type Stage, TRANSPORT_LAYER } from "./parse-plan.ts";

/** What is known of a header: whether it's there and where. Reads the stage it belongs to where that hasn't been done on this way. */
export function headerOf(l: Lowering, instance: Instance): { readonly present: ValueId; readonly pointer: ValueId } {
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
  const sources = [...new Set(stage.members.flatMap((m) => m.entries.map((e) => e.from)))].filter((s) => s !== null);
  sources.sort((a, b) => a.id - b.id);
  const found = sources.map((from) => ({ from, result: readStage(l, from) }));
  const result = new StageReader(l, stage).read(found);
  l.env = new Map([...l.env, [stage, result]]);
  return result;
}

/** What is known at a place inside a stage's code: the headers found on the way there and what follows them. */
interface Progress {
  readonly found: ReadonlyMap<Instance, ValueId>;
  /** Extension headers found by the loop over them: flags and pointers. */
  readonly extensions: ReadonlyMap<Instance, { readonly present: ValueId; readonly pointer: ValueId }>;
  readonly selectors: readonly ValueId[] | null;
  readonly payload: ValueId | null;
  readonly last: number;
  readonly stuck: boolean;
}

const NOTHING_FOUND: Progress = {
  found: new Map(),
  extensions: new Map(),
  selectors: null,
  payload: null,
  last: 0,
  stuck: false,
};

class StageReader {
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
    const types: IrType[] = this.#instances.flatMap((): IrType[] => ["i32", "pkt"]);
    for (let i = 0; i < this.#selectorCount; i++) types.push("i32");
    types.push("pkt");
    if (this.#asksLast) types.push("i32");
    if (l.plan.usesOpaque) types.push("i32");
    this.#join = l.builder.newBlock(types);
    this.#shared = { zero: l.i32(0), one: l.i32(1), none: l.i32(NO_SELECTOR), nowhere: l.builder.undef("pkt") };
    this.#numbers = this.#asksLast ? Array.from({ length: stage.members.length + 1 }, (_, n) => l.i32(n)) : [];
  }

  /** Whether the transport comes behind what this stage reads. */
  get #leadsToTransport(): boolean {
    return this.#stage.layer < TRANSPORT_LAYER;
  }

  /** Makes the code; goes on at the join. */
  read(sources: readonly { readonly from: Stage; readonly result: StageResult }[]): StageResult {
    const l = this.#l;
    const root = this.#stage.members.find((m) => m.entries.some((e) => e.from === null));
    if (root !== undefined) this.#try(root, l.packet, NOTHING_FOUND);
    else this.#fromSources(sources, 0);
    l.goOn(this.#join.id);
    // In the order in which `#done` passes them.
    const params = this.#join.params.values();
    const next = (): ValueId => must(params.next().value, "a parameter of a stage");
    return {
      headers: new Map(this.#instances.map((instance) => [instance, { present: next(), pointer: next() }])),
      selectors: Array.from({ length: this.#selectorCount }, next),
      payload: next(),
      last: this.#asksLast ? next() : null,
      stuck: l.plan.usesOpaque ? next() : null,
    };
  }

  /** Tries the ways from each earlier stage in turn. */
  #fromSources(sources: readonly { readonly from: Stage; readonly result: StageResult }[], index: number): void {
    const source = sources[index];
    if (source === undefined) return this.#done(NOTHING_FOUND);
    const { from, result } = source;
    const candidates: Candidate[] = [];
    for (const member of this.#stage.members) {
      for (const entry of member.entries) {
        if (entry.from !== from) continue;
        const leading = from.members.flatMap((m, i) => (m.leadsOn ? [{ instance: m.instance, number: i + 1 }] : []));
        const numbers = leading.filter((m) => entry.parents.includes(m.instance)).map((m) => m.number);
        const after = result.last === null || numbers.length === leading.length ? null : { last: result.last, numbers };
        candidates.push({ values: entry.values, after, go: () => this.#try(member, result.payload, NOTHING_FOUND) });
      }
    }
    dispatch(this.#l, result.selectors, candidates, () => this.#fromSources(sources, index + 1));
  }

  /** Tries to read a header at `pointer`. */
  #try(member: Member, pointer: ValueId, before: Progress): void {
    const l = this.#l;
    const { header } = member.instance;
    const size = this.#fits(member, header, pointer, before);
    const number = this.#stage.members.indexOf(member) + 1;
    const here: Progress = {
      ...before,
      found: new Map([...before.found, [member.instance, pointer]]),
      selectors: null,
      payload: null,
      last: number,
      stuck: false,
    };
    if (!member.leadsOn || header.next === null) return this.#done(here);
    this.#when(header, pointer, () => this.#done({ ...here, stuck: this.#leadsToTransport }));
    const selectors = header.next.fields.map((f) => fieldNumber(l, pointer, f));
    const payload = this.#payload(header, pointer, size);
    if (member.extensions.length > 0) this.#extensions(member, { ...here, selectors, payload });
    else this.#chain(member, { ...here, selectors, payload });
  }

  /** Goes on where the header's fixed part fits and its size is sane, elsewhere ends the stage; gives what varies of its size. */
  #fits(member: Member, header: Header, pointer: ValueId, otherwise: Progress): ValueId | null {
    const l = this.#l;
    const failed = this.#edge({ ...otherwise, stuck: hidesTransport(this.#stage, member) || otherwise.stuck });
    const ok = l.block();
    l.builder.packetGuard(pointer, l.packetEnd, header.fixedBytes, { target: ok, args: [] }, failed);
    l.goOn(ok);
    if (header.size === null) return null;
    const { bytes, min } = header.size;
    const { variable, fixed } = partsOf(bytes);
    const size = this.#inHeader(pointer, () => lowerNumber(l, variable));
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
  #when(header: Header, pointer: ValueId, otherwise: () => void): void {
    const when = header.next?.when ?? null;
    if (when === null) return;
    const l = this.#l;
    const holds = l.block();
    const fails = l.block();
    this.#inHeader(pointer, () => lowerCondition(l, when, holds, fails));
    l.goOn(fails);
    otherwise();
    l.goOn(holds);
  }

  #inHeader<T>(pointer: ValueId, make: () => T): T {
    const outer = this.#l.self;
    this.#l.self = pointer;
    const made = make();
    this.#l.self = outer;
    return made;
  }

  #payload(header: Header, pointer: ValueId, size: ValueId | null): ValueId {
    const l = this.#l;
    if (size === null || header.size === null) return l.builder.offset(pointer, header.fixedBytes);
    const end = l.builder.index(pointer, l.resize(size, "i64"));
    const { fixed } = partsOf(header.size.bytes);
    return fixed === 0 ? end : l.builder.offset(end, fixed);
  }

  /** Tries the headers of this stage that may follow. */
  #chain(member: Member, progress: Progress): void {
    const candidates: Candidate[] = [];
    for (const next of this.#stage.members) {
      for (const way of next.chained) {
        if (way.parent !== member.instance) continue;
        candidates.push({
          values: way.values,
          after: null,
          go: () => this.#try(next, must(progress.payload, "a payload"), progress),
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
    const stop = { values, after: null, go: () => this.#done({ ...progress, stuck: this.#leadsToTransport }) };
    dispatch(this.#l, progress.selectors ?? [], [stop], this.#edge(progress));
  }

  /** The loop over extension headers: up to the header's `depth` of them, in any order. */
  #extensions(member: Member, start: Progress): void {
    const l = this.#l;
    const { builder } = l;
    const extensions = member.extensions;
    const instances = extensions.flatMap((h) => h.instances).filter((i) => l.plan.named.has(i));
    const flagTypes: IrType[] = instances.flatMap((): IrType[] => ["i32", "pkt"]);
    const flags = (progress: Progress): ValueId[] =>
      instances.flatMap((i) => {
        const e = progress.extensions.get(i);
        return e === undefined ? [l.i32(0), builder.undef("pkt")] : [e.present, e.pointer];
      });
    const head = builder.newBlock(["i32", "pkt", "i32", ...flagTypes]);
    const latch = builder.newBlock(["i32", "pkt", ...flagTypes]);
    const selector = must(start.selectors?.[0], "a selector");
    builder.jump(head.id, [selector, must(start.payload, "a payload"), l.i32(0), ...flags(start)]);
    const progressAt = (params: readonly ValueId[], first: number): Progress => ({
      ...start,
      selectors: [must(params[0], "a selector")],
      payload: must(params[1], "a payload"),
      extensions: new Map(
        instances.map((i, n) => [
          i,
          { present: must(params[first + 2 * n], "a flag"), pointer: must(params[first + 2 * n + 1], "a pointer") },
        ]),
      ),
    });
    l.goOn(head.id);
    const at = progressAt(head.params, 3);
    const turn = must(head.params[2], "the turn");
    const candidates = extensions.map((extension): Candidate => {
      const values = extension.edges.filter((e) => e.parent === member.instance.header).flatMap((e) => e.values);
      return { values, after: null, go: () => this.#extension(member, extension, at, latch.id, flags) };
    });
    dispatch(l, at.selectors ?? [], candidates, () => this.#chain(member, at));
    l.goOn(latch.id);
    const reached = progressAt(latch.params, 2);
    const after = furthestEnd(l, member) > FURTHEST ? reached : this.#placedAnew(reached);
    const again = l.block();
    const out = l.block();
    const depth = must(member.instance.header.next, "a selector").depth;
    const nextTurn = builder.binary("add", "i32", turn, l.i32(1));
    builder.branch("ult", "i32", nextTurn, l.i32(depth), { target: again, args: [] }, { target: out, args: [] });
    l.goOn(again);
    builder.jump(head.id, [
      must(latch.params[0], "a selector"),
      must(after.payload, "a payload"),
      nextTurn,
      ...latch.params.slice(2),
    ]);
    l.goOn(out);
    if (!l.plan.usesOpaque) return this.#chain(member, after);
    const beyond = {
      values: candidates.flatMap((c) => c.values),
      after: null,
      go: () => this.#done({ ...after, stuck: this.#leadsToTransport }),
    };
    dispatch(l, after.selectors ?? [], [beyond], () => this.#chain(member, after));
  }

  /**
   * What follows as an unknown distance from the packet's start: the same for the verifier however it was reached, so that its ways
   * there become one. What hangs there is guarded as ever.
   */
  #placedAnew(progress: Progress): Progress {
    const { builder, packet } = this.#l;
    const distance = builder.distance(packet, must(progress.payload, "a payload"));
    const offset = builder.binary("and", "i64", distance, builder.constant("i64", FURTHEST));
    return { ...progress, payload: builder.index(packet, offset) };
  }

  /** One turn of the loop: reads an extension header and goes to the latch. */
  #extension(
    member: Member,
    header: Header,
    at: Progress,
    latch: BlockId,
    flags: (progress: Progress) => ValueId[],
  ): void {
    const l = this.#l;
    const pointer = must(at.payload, "a payload");
    const stopped: Progress = { ...at, selectors: null, payload: null };
    const size = this.#fits(member, header, pointer, stopped);
    const found = this.#nameExtension(header, pointer, at);
    this.#when(header, pointer, () =>
      this.#done({ ...found, selectors: null, payload: null, stuck: this.#leadsToTransport }),
    );
    const next = header.next;
    if (next === null) return this.#done({ ...found, selectors: null, payload: null });
    const selector = fieldNumber(l, pointer, must(next.fields[0], "a selector"));
    l.builder.jump(latch, [selector, this.#payload(header, pointer, size), ...flags(found)]);
  }

  /** Remembers an extension header that rules name: the first of its kind is the one that is meant. */
  #nameExtension(header: Header, pointer: ValueId, at: Progress): Progress {
    const { builder } = this.#l;
    const instance = must(header.instances[0], "an instance");
    const known = at.extensions.get(instance);
    if (known === undefined) return at;
    const merged = builder.newBlock(["pkt"]);
    const [first, own] = [
      { target: merged.id, args: [known.pointer] },
      { target: merged.id, args: [pointer] },
    ];
    builder.branch("eq", "i32", known.present, this.#l.i32(1), first, own);
    this.#l.goOn(merged.id);
    const here = { present: this.#l.i32(1), pointer: must(merged.params[0], "a pointer") };
    return { ...at, extensions: new Map([...at.extensions, [instance, here]]) };
  }

  /** Ends the stage with what was found. */
  #done(progress: Progress): void {
    const { target, args } = this.#edge(progress);
    this.#l.builder.jump(target, args);
  }

  /** The edge to the stage's end, from anywhere in it. */
  #edge(progress: Progress): Edge {
    const { zero, one, none, nowhere } = this.#shared;
    const args: ValueId[] = [];
    for (const instance of this.#instances) {
      const pointer = progress.found.get(instance);
      const extension = progress.extensions.get(instance);
      if (pointer !== undefined) args.push(one, pointer);
      else if (extension !== undefined) args.push(extension.present, extension.pointer);
      else args.push(zero, nowhere);
    }
    for (let i = 0; i < this.#selectorCount; i++) args.push(progress.selectors?.[i] ?? none);
    args.push(progress.payload ?? nowhere);
    if (this.#asksLast) args.push(must(this.#numbers[progress.last], "a member's number"));
    if (this.#l.plan.usesOpaque) args.push(progress.stuck ? one : zero);
    return { target: this.#join.id, args };
  }
}

/** A mask that leaves every distance up to it as it is, and that the verifier takes for a packet's offset (below MAX_PACKET_OFF). */
const FURTHEST = 0x7fff;

/** The most bytes from the packet's start to the end of a header and the extensions behind it. */
function furthestEnd(l: Lowering, { instance: { header }, extensions }: Member): number {
  const most = (h: Header): number => (h.size === null ? h.fixedBytes : Number(maxOf(h.size.bytes)));
  const parents = header.edges.map((e) => e.parent).filter((p) => p !== header);
  const before = l.plan.stages
    .flatMap((stage) => stage.members)
    .filter((m) => m.instance.index === 0 && parents.includes(m.instance.header))
    .map((m) => furthestEnd(l, m));
  const behind = (header.next?.depth ?? 0) * Math.max(0, ...extensions.map(most));
  return Math.max(0, ...before) + header.instances.length * most(header) + behind;
}
