// How a program's packets are read: which headers its rules need, gathered into stages. A stage is read in one go, by one
// dispatch on the selector that the stage before it found; its headers exclude each other, or follow each other in a row (VLAN
// tags). Made before lowering; knows no protocol.

import { InternalError, must } from "../../base/assert.ts";
import { parentsOf, visitCondition, visitDeep } from "../header-graph.ts";
import type { HCond, HExpr, Header, HStmt, Instance } from "../hir.ts";
import { bodiesOf } from "../presence.ts";
import { edgeGroups } from "./edge-groups.ts";

/** A way to reach a member: by one of `parents` of stage `from`, at one of `values` of its selector. */
export interface Entry {
  /** null: the member begins the packet. */
  readonly from: Stage | null;
  readonly parents: readonly Instance[];
  readonly values: readonly bigint[];
  /** What must hold of the member itself; null: nothing. */
  readonly when: HCond | null;
}

/** A way from a member of the same stage. */
interface Chained {
  readonly parent: Instance;
  readonly values: readonly bigint[];
  readonly when: HCond | null;
}

/** A header instance in its stage. */
export interface Member {
  readonly instance: Instance;
  /** Ways from earlier stages. */
  readonly entries: readonly Entry[];
  /** Ways from a member of the same stage, earlier in its order. */
  readonly chained: readonly Chained[];
  /** Extension headers that may stand between this header and what follows. */
  readonly extensions: readonly Header[];
  /** True when some needed header follows this one, so its selector is read. */
  readonly leadsOn: boolean;
  /** True when some needed header other than its own kind follows it. */
  readonly carries: boolean;
}

/**
 * Headers that are read together. `members` is in an order in which parents come first. `layer` counts from 2 as people do:
 * what begins the packet (and its tags), what that carries, the transport, and so on, by the shortest way there.
 */
export interface Stage {
  readonly id: number;
  readonly layer: number;
  readonly members: readonly Member[];
  /** A stage for itself: a part of a header that may be missing; null for whole headers. */
  readonly part: Instance | null;
}

/** The plan of one program. Stages are in an order in which earlier ones come first. */
export interface ParsePlan {
  readonly stages: readonly Stage[];
  readonly stageOf: ReadonlyMap<Instance, Stage>;
  /** The headers that rules name: only these are handed on by a stage; the others are just read past. */
  readonly named: ReadonlySet<Instance>;
  readonly usesOpaque: boolean;
  /** The stages a statement needs, itself and everything in it, as a bit set of stage ids. */
  stagesOf(statement: HStmt): number;
  /** The same for a condition. */
  stagesOfCondition(condition: HCond): number;
}

/** The layer of what is no whole header. */
const BEHIND_ALL = 100;
/** The layer of what begins the packet. */
const FIRST_LAYER = 2;
/** The layer that `opaque` asks about. */
export const TRANSPORT_LAYER = 4;

/** More stages than a bit set holds would need protocols nested thirty deep. */
const MOST_STAGES = 30;

/** Plans the reading for a program's statements. */
export function planParsing(body: readonly HStmt[], headers: readonly Header[]): ParsePlan {
  const needed = new Set<Instance>();
  let usesOpaque = false;
  visitStatements(body, {
    instance: (i) => {
      needed.add(i);
      // A part is found by way of its header.
      if (i.header.part !== null) for (const whole of parentsOf(i)) needed.add(whole);
    },
    opaque: () => {
      usesOpaque = true;
    },
  });
  const named = new Set(needed);
  // Whether a packet can be read through depends on every header that could be in it.
  if (usesOpaque) {
    for (const header of headers)
      if (header.outer === null && header.part === null) for (const instance of header.instances) needed.add(instance);
  }
  for (const instance of needed) {
    const bases = instance.header.extension
      ? instance.header.edges.flatMap((e) => e.parent.instances)
      : parentsOf(instance);
    for (const parent of bases) needed.add(parent);
  }
  const stages = makeStages(
    [...needed].filter((i) => !i.header.extension && i.header.part === null),
    headers,
    needed,
  );
  const whole = stages.length;
  for (const part of needed)
    if (part.header.part !== null) stages.push({ id: stages.length, layer: BEHIND_ALL, members: [], part });
  if (stages.length > MOST_STAGES) throw new InternalError(`more than ${MOST_STAGES} stages of headers`);
  const stageOf = new Map<Instance, Stage>();
  for (const stage of stages) {
    if (stage.part !== null) stageOf.set(stage.part, stage);
    for (const member of stage.members) {
      stageOf.set(member.instance, stage);
      for (const extension of member.extensions) for (const i of extension.instances) stageOf.set(i, stage);
    }
  }
  const masks = new Map<HStmt, number>();
  return {
    stages,
    stageOf,
    named,
    usesOpaque,
    stagesOf: (statement) => {
      const known = masks.get(statement);
      if (known !== undefined) return known;
      const mask = maskOf(stageOf, whole, (visitor) => visitStatements([statement], visitor));
      masks.set(statement, mask);
      return mask;
    },
    stagesOfCondition: (condition) =>
      maskOf(stageOf, whole, ({ instance, opaque }) =>
        visitCondition(condition, { field: instance, present: instance, opaque }),
      ),
  };
}

/** Collects the stages of what is visited; the first `whole` are those of whole headers. */
function maskOf(stageOf: ReadonlyMap<Instance, Stage>, whole: number, visit: (visitor: NeedVisitor) => void): number {
  let mask = 0;
  visit({
    instance: (i) => {
      mask |= 1 << must(stageOf.get(i), "a planned header").id;
    },
    opaque: () => {
      mask |= (1 << whole) - 1;
    },
  });
  return mask;
}

interface NeedVisitor {
  readonly instance: (instance: Instance) => void;
  readonly opaque: () => void;
}

function visitStatements(statements: readonly HStmt[], visitor: NeedVisitor): void {
  const inCondition = { field: visitor.instance, present: visitor.instance, opaque: visitor.opaque };
  const value = (v: HExpr | null): void => {
    if (v !== null) visitDeep(v, inCondition);
  };
  const condition = (c: HCond): void => visitCondition(c, inCondition);
  const open: (readonly HStmt[])[] = [statements];
  for (let list = open.pop(); list !== undefined; list = open.pop()) {
    for (const s of list) {
      for (const body of bodiesOf(s)) open.push(body);
      switch (s.kind) {
        case "if":
          condition(s.condition);
          break;
        case "ifLet":
        case "mapDelete":
          value(s.key);
          break;
        case "switch":
          value(s.subject);
          break;
        case "let":
        case "store":
        case "add":
        case "put":
        case "emit":
          value(s.value);
          break;
        case "setField":
          visitor.instance(s.instance);
          for (const sum of s.sums) visitor.instance(sum.instance);
          value(s.value);
          break;
        case "swap":
          visitor.instance(s.instanceA);
          visitor.instance(s.instanceB);
          break;
        case "mapUpdate":
          value(s.key);
          value(s.value);
          break;
        case "count":
        case "redirect":
          value(s.key);
          break;
        case "log":
          for (const arg of s.args) value(arg);
          break;
        case "redirectDevice":
          value(s.ifindex);
          break;
        case "tail":
          value(s.index);
          break;
        case "push":
          for (const link of s.links) visitor.instance(link);
          value(s.value);
          break;
        case "pop":
          for (const link of [s.instance, ...s.links]) visitor.instance(link);
          for (const { instance } of s.carried?.followers ?? []) visitor.instance(instance);
          break;
        case "encap":
          for (const { values } of s.headers) for (const v of values.values()) value(v);
          for (const instance of [...s.links, ...s.inside.map((i) => i.instance)]) visitor.instance(instance);
          break;
        case "decap":
          for (const i of [...s.links, ...s.frames, ...s.packets.map((p) => p.instance)]) visitor.instance(i);
          break;
        case "trim":
          value(s.bytes);
          break;
        case "for":
        case "ifTake":
        case "sample":
        case "flood":
        case "verdict":
          break;
      }
    }
  }
}

// --------------------------------------------------------------------------------------------------------------- stages

class Groups {
  readonly #parent = new Map<Header, Header>();

  find(header: Header): Header {
    let at = header;
    for (let next = this.#parent.get(at); next !== undefined; next = this.#parent.get(at)) at = next;
    return at;
  }

  join(a: Header, b: Header): boolean {
    const [x, y] = [this.find(a), this.find(b)];
    if (x === y) return false;
    this.#parent.set(y, x);
    return true;
  }
}

function makeStages(instances: readonly Instance[], all: readonly Header[], needed: ReadonlySet<Instance>): Stage[] {
  const headers = all.filter((h) => instances.some((i) => i.header === h));
  const own = (h: Header): Header[] =>
    [...new Set(h.edges.map((e) => e.parent))].filter((p) => p !== h && headers.includes(p));
  const groups = new Groups();
  // A header that follows another and leads on to the same headers at the same values is read in a row with it.
  for (const child of headers) {
    for (const { parents } of edgeGroups(child)) {
      for (const p of parents)
        for (const q of parents) if (p !== child && q !== child && own(q).includes(p)) groups.join(p, q);
    }
  }
  // Headers that follow the same stages exclude each other and are told apart by one dispatch.
  for (let changed = true; changed; ) {
    changed = false;
    const byKey = new Map<string, Header>();
    const names = new Map(headers.map((h, i) => [h, i]));
    const keyOf = (h: Header): string => {
      const root = groups.find(h);
      const members = headers.filter((m) => groups.find(m) === root);
      const above = new Set(
        members
          .flatMap(own)
          .map((p) => groups.find(p))
          .filter((g) => g !== root),
      );
      return above.size === 0
        ? `root ${names.get(root)}`
        : [...above]
            .map((g) => names.get(g))
            .sort()
            .join(",");
    };
    for (const header of headers) {
      const key = keyOf(header);
      const same = byKey.get(key);
      if (same === undefined) byKey.set(key, header);
      else if (groups.join(same, header)) {
        changed = true;
        break;
      }
    }
  }
  return orderStages(headers, groups, own, all, needed);
}

function orderStages(
  headers: readonly Header[],
  groups: Groups,
  own: (h: Header) => Header[],
  all: readonly Header[],
  needed: ReadonlySet<Instance>,
): Stage[] {
  const stages: Stage[] = [];
  const stageOfHeader = new Map<Header, Stage>();
  const roots = [...new Set(headers.map((h) => groups.find(h)))];
  while (roots.length > 0) {
    const at = roots.findIndex((root) =>
      headers
        .filter((h) => groups.find(h) === root)
        .every((h) => own(h).every((p) => groups.find(p) === root || stageOfHeader.has(p))),
    );
    if (at === -1) throw new InternalError("the header graph's stages form a circle");
    const root = must(roots[at], "a stage");
    roots.splice(at, 1);
    const members: Member[] = [];
    const here = topological(
      headers.filter((h) => groups.find(h) === root),
      own,
    );
    const above = here.flatMap(own).flatMap((p) => stageOfHeader.get(p)?.layer ?? []);
    const stage: Stage = {
      id: stages.length,
      layer: (above.length === 0 ? FIRST_LAYER - 1 : Math.min(...above)) + 1,
      members,
      part: null,
    };
    for (const header of here) {
      stageOfHeader.set(header, stage);
      for (const instance of header.instances)
        if (needed.has(instance)) members.push(makeMember(instance, stage, stageOfHeader, headers, all, needed));
    }
    stages.push(stage);
  }
  return stages;
}

function topological(headers: readonly Header[], own: (h: Header) => Header[]): Header[] {
  const done: Header[] = [];
  const rest = [...headers];
  while (rest.length > 0) {
    const at = rest.findIndex((h) => own(h).every((p) => !rest.includes(p)));
    if (at === -1) throw new InternalError("headers of one stage follow each other in a circle");
    done.push(...rest.splice(at, 1));
  }
  return done;
}

function makeMember(
  instance: Instance,
  stage: Stage,
  stageOf: ReadonlyMap<Header, Stage>,
  headers: readonly Header[],
  all: readonly Header[],
  needed: ReadonlySet<Instance>,
): Member {
  const { header, index } = instance;
  const entries: Entry[] = [];
  const chained: Chained[] = [];
  for (const { parents, values, when } of edgeGroups(header)) {
    const byStage = new Map<Stage, Instance[]>();
    for (const parent of parents) {
      if (parent === header) {
        const before = header.instances[index - 1];
        if (before !== undefined) chained.push({ parent: before, values, when });
      } else if (index === 0 && stageOf.get(parent) === stage) {
        for (const p of parent.instances) chained.push({ parent: p, values, when });
      } else if (index === 0) {
        const from = stageOf.get(parent);
        if (from !== undefined) byStage.set(from, [...(byStage.get(from) ?? []), ...parent.instances]);
      }
    }
    for (const [from, instances] of byStage) entries.push({ from, parents: instances, values, when });
  }
  if (header.edges.length === 0) entries.push({ from: null, parents: [], values: [], when: null });
  // Whatever stands between decides what follows, so all extension headers are read where what follows is needed.
  const hangsHere = (h: Header): boolean => h.edges.some((e) => e.parent === header);
  const extensions = all.filter((h) => h.extension && hangsHere(h));
  const leadsOn = headers.some(hangsHere) || extensions.some((h) => h.instances.some((i) => needed.has(i)));
  const carries = headers.some((h) => h !== header && hangsHere(h));
  return { instance, entries, chained, extensions: leadsOn ? extensions : [], leadsOn, carries };
}

/** True when a later stage must know which header of `stage` was read last: not every one leads to all that may follow. */
export function lastMatters(plan: ParsePlan, stage: Stage): boolean {
  const leading = stage.members.filter((m) => m.leadsOn).map((m) => m.instance);
  const entries = plan.stages.flatMap((s) => s.members.flatMap((m) => m.entries)).filter((e) => e.from === stage);
  return entries.some((e) => leading.some((i) => !e.parents.includes(i)));
}

/** True when a packet that announces this member but can't be read there has a layer 4 that can't be read. */
export function hidesTransport(stage: Stage, member: Member): boolean {
  // What a tunnel carries is nothing to the packet that carries it.
  if (member.instance.header.outer !== null) return false;
  return stage.layer === TRANSPORT_LAYER || (stage.layer < TRANSPORT_LAYER && member.carries);
}
