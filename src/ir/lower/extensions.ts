// The loop over extension headers: headers of one kind or several that may stand, in any order, between a header and what it announces.
// Where packets may have several buffers there is a second loop for those beyond the first, which the other enters in any turn. Part of
// reading the packet (read-packet.ts).

import { must } from "../../base/assert.ts";
import { maxOf } from "../conversion.ts";
import type { Header } from "../hir.ts";
import type { Edge, IrType, ValueId } from "../ir.ts";
import { copyHeader } from "./beyond.ts";
import { type Candidate, dispatch } from "./dispatch.ts";
import { edge } from "./edge.ts";
import { fieldNumber } from "./evaluate.ts";
import type { Found, Lowering, Spot } from "./lowering.ts";
import type { Member } from "./parse-plan.ts";
import { argsOf, type Progress, taking } from "./progress.ts";
import type { StageReader } from "./read-packet.ts";

/** Goes on behind an extension header in the first buffer: what announces the next, and where that is. */
type More = (found: Progress, selector: ValueId, payload: Spot) => void;

/** Makes the code that reads the extension headers behind one header. */
export class ExtensionReader {
  readonly #l: Lowering;
  readonly #stage: StageReader;
  readonly #member: Member;

  /** `member`: the header behind which they stand. */
  constructor(l: Lowering, stage: StageReader, member: Member) {
    this.#l = l;
    this.#stage = stage;
    this.#member = member;
  }

  /** The loop over extension headers: up to the header's `depth` of them, in any order. */
  read(start: Progress): void {
    const l = this.#l;
    const { builder } = l;
    const instances = this.#member.extensions.flatMap((h) => h.instances).filter((i) => l.plan.named.has(i));
    const absent = (): Found => ({ present: l.i32(0), pointer: builder.undef("pkt"), beyond: this.#stage.near });
    const selector = must(start.selectors?.[0], "a selector");
    const payload = must(start.payload, "a payload");
    if (this.#stage.isBeyond(payload)) {
      const extensions = new Map(instances.map((i) => [i, absent()]));
      const from = { ...start, selectors: null, payload: null, extensions };
      return this.#turnBeyond(l.i32(0), selector, payload.beyond.distance, from);
    }
    const flagTypes = instances.flatMap((): IrType[] => ["i32", ...this.#stage.spotTypes]);
    const flags = (progress: Progress): ValueId[] =>
      instances.flatMap((i) => {
        const found = progress.extensions.get(i) ?? absent();
        return [found.present, ...argsOf(found)];
      });
    const head = builder.newBlock(["i32", "pkt", "i32", ...flagTypes]);
    const latch = builder.newBlock(["i32", "pkt", ...flagTypes]);
    builder.jump(head.id, [selector, payload.pointer, l.i32(0), ...flags(start)]);
    const progressAt = (params: readonly ValueId[], first: number): Progress => {
      const next = taking(params.slice(first));
      return {
        ...start,
        selectors: [must(params[0], "a selector")],
        payload: { pointer: must(params[1], "a payload"), beyond: this.#stage.near },
        extensions: new Map(instances.map((i) => [i, { present: next(), ...this.#stage.spotFrom(next) }])),
      };
    };
    l.goOn(head.id);
    const at = progressAt(head.params, 3);
    const turn = must(head.params[2], "the turn");
    this.#turn(at, turn, (found, next, behind) => builder.jump(latch.id, [next, behind.pointer, ...flags(found)]));
    l.goOn(latch.id);
    const reached = progressAt(latch.params, 2);
    const after = furthestEnd(l, this.#member) > FURTHEST ? reached : this.#placedAnew(reached);
    this.#nextTurn(after, turn, (nextTurn) =>
      builder.jump(head.id, [
        must(latch.params[0], "a selector"),
        must(after.payload, "a payload").pointer,
        nextTurn,
        ...latch.params.slice(2),
      ]),
    );
  }

  /**
   * One turn of the loop: reads the extension header that the selector announces and goes on as `more` says, beyond the first buffer
   * always with the loop there; or on behind the loop.
   */
  #turn(at: Progress, turn: ValueId, more: More | null): void {
    const candidates = this.#member.extensions.map((extension): Candidate => {
      const go = (): void => this.#extension(extension, at, turn, more);
      return { values: this.#valuesOf(extension), after: null, go };
    });
    dispatch(this.#l, at.selectors ?? [], candidates, () => this.#stage.chain(this.#member, at));
  }

  /** Goes round again where there are turns left, elsewhere on behind the loop. */
  #nextTurn(after: Progress, turn: ValueId, again: (turn: ValueId) => void): void {
    const l = this.#l;
    const [round, out] = [l.block(), l.block()];
    const depth = must(this.#member.instance.header.next, "a selector").depth;
    const nextTurn = l.builder.binary("add", "i32", turn, l.i32(1));
    l.builder.branch("ult", "i32", nextTurn, l.i32(depth), edge(round), edge(out));
    l.goOn(round);
    again(nextTurn);
    l.goOn(out);
    if (!l.plan.usesOpaque) return this.#stage.chain(this.#member, after);
    const beyond = {
      values: this.#member.extensions.flatMap((extension) => this.#valuesOf(extension)),
      after: null,
      go: () => this.#stage.done({ ...after, stuck: this.#stage.leadsToTransport }),
    };
    dispatch(l, after.selectors ?? [], [beyond], () => this.#stage.chain(this.#member, after));
  }

  /** A turn beyond the first buffer: of a loop of its own, which the other one enters in the middle of a turn. */
  #turnBeyond(turn: ValueId, selector: ValueId, distance: ValueId, from: Progress): void {
    this.#stage.enter("turn", [turn, selector, distance], from, (numbers, progress) => {
      const next = taking(numbers);
      const now = next();
      const at = { ...progress, selectors: [next()], payload: this.#stage.beyond(next()) };
      this.#turn(at, now, null);
    });
  }

  /** Behind an extension header beyond the first buffer. */
  #endTurnBeyond(turn: ValueId, selector: ValueId, payload: Spot, from: Progress): void {
    const numbers = [turn, selector, must(payload.beyond, "a place beyond the first buffer").distance];
    this.#stage.enter("turned", numbers, { ...from, selectors: null, payload: null }, (values, progress) => {
      const next = taking(values);
      const [now, announced, distance] = [next(), next(), next()];
      const after = { ...progress, selectors: [announced], payload: this.#stage.beyond(distance) };
      this.#nextTurn(after, now, (nextTurn) => this.#turnBeyond(nextTurn, announced, distance, progress));
    });
  }

  /**
   * What follows as an unknown distance from the packet's start: the same for the verifier however it was reached, so that its ways
   * there become one. What hangs there is guarded as ever.
   */
  #placedAnew(progress: Progress): Progress {
    const { builder, packet } = this.#l;
    const distance = builder.distance(packet, must(progress.payload, "a payload").pointer);
    const offset = builder.binary("and", "i64", distance, builder.constant("i64", FURTHEST));
    return { ...progress, payload: { pointer: builder.index(packet, offset), beyond: this.#stage.near } };
  }

  /** Reads an extension header. */
  #extension(header: Header, at: Progress, turn: ValueId, more: More | null): void {
    const l = this.#l;
    const failed = (from: Progress): Edge => this.#stage.failed(this.#member, from);
    const go = (spot: Spot, from: Progress, [now]: readonly ValueId[]): void => {
      const size = this.#stage.sized(header, spot.pointer, failed(from));
      const found = this.#nameExtension(header, spot, from, failed(from));
      this.#stage.when(header, spot.pointer, () => this.#stage.done({ ...found, stuck: this.#stage.leadsToTransport }));
      const { next } = header;
      if (next === null) return this.#stage.done(found);
      const selector = fieldNumber(l, spot.pointer, must(next.fields[0], "a selector"));
      const payload = this.#stage.payload(header, spot, size);
      if (this.#stage.isBeyond(payload)) this.#endTurnBeyond(must(now, "the turn"), selector, payload, found);
      else must(more, "a loop in the first buffer")(found, selector, payload);
    };
    const before = { ...at, selectors: null, payload: null };
    this.#stage.reach({ owner: header, at: must(at.payload, "a payload"), before, numbers: [turn], failed, go });
  }

  /** Remembers an extension header that rules name: the first of its kind is the one that is meant. */
  #nameExtension(header: Header, spot: Spot, at: Progress, failed: Edge): Progress {
    const l = this.#l;
    const { builder } = l;
    const instance = must(header.instances[0], "an instance");
    const known = at.extensions.get(instance);
    if (known === undefined) return at;
    const merged = builder.newBlock(this.#stage.spotTypes);
    const first = { target: merged.id, args: argsOf(known) };
    if (this.#stage.isBeyond(spot)) {
      // The next turn's copy takes the place of this one.
      const kept = l.block();
      builder.branch("eq", "i32", known.present, l.i32(1), first, edge(kept));
      l.goOn(kept);
      const pointer = copyHeader(l, instance, spot.beyond.distance, failed);
      builder.jump(merged.id, argsOf({ ...spot, pointer }));
    } else builder.branch("eq", "i32", known.present, l.i32(1), first, { target: merged.id, args: argsOf(spot) });
    l.goOn(merged.id);
    const here = { present: l.i32(1), ...this.#stage.spotFrom(taking(merged.params)) };
    return { ...at, extensions: new Map([...at.extensions, [instance, here]]) };
  }

  /** The selector's values that announce an extension header. */
  #valuesOf(extension: Header): bigint[] {
    return extension.edges.filter((e) => e.parent === this.#member.instance.header).flatMap((e) => e.values);
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
