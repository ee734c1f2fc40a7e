// How many bytes further on than the IR says each packet pointer is kept, so that as few additions of constants as possible
// are left. Pointers that reach each other as block arguments move together; each such cluster takes the step that makes most
// of its distances to others zero. Part of `rebase`; knows only pointers and distances.

/** One pointer is made from another, or compared: `to` = `from` + `distance` costs an addition unless the biases make it 0. */
export interface Relation {
  readonly from: number;
  /** null: the sum is compared with the packet's end. */
  readonly to: number | null;
  readonly distance: number;
  /** An argument and its parameter, which should share a register. */
  readonly joins: boolean;
}

/** Biases stay small, so that loads' offsets keep to 16 bits. */
const largestBias = 2048;
const rounds = 4;
/** Steps tried for one cluster. */
const mostSteps = 16;

/** The biases that aren't 0; a pointer for which `isMovable` is false has none. */
export function chooseBiases(relations: readonly Relation[], isMovable: (v: number) => boolean): Map<number, number> {
  const cluster = clustersOf(relations, isMovable);
  const biases = new Map<number, number>();
  const bias = (v: number | null): number => (v === null ? 0 : (biases.get(cluster(v)) ?? 0));
  /** Relations by cluster, those within one left out: they can't change. */
  const touching = new Map<number, Relation[]>();
  for (const relation of relations) {
    const from = isMovable(relation.from) ? cluster(relation.from) : null;
    const to = relation.to !== null && isMovable(relation.to) ? cluster(relation.to) : null;
    if (from === to) continue;
    for (const c of [from, to]) {
      if (c === null) continue;
      const list = touching.get(c) ?? [];
      if (list.length === 0) touching.set(c, list);
      list.push(relation);
    }
  }
  const residue = (r: Relation): number => r.distance + bias(r.to) - bias(r.from);
  for (let round = 0; round < rounds; round++) {
    let changed = false;
    for (const [c, own] of touching) {
      const before = biases.get(c) ?? 0;
      const cost = (): number => own.reduce((sum, r) => sum + Number(residue(r) !== 0), 0);
      const steps = new Set<number>();
      for (const r of own) {
        const step = cluster(r.from) === c ? residue(r) : -residue(r);
        if (steps.size < mostSteps && Math.abs(before + step) <= largestBias) steps.add(step);
      }
      let best = before;
      let least = cost();
      for (const step of steps) {
        biases.set(c, before + step);
        const now = cost();
        if (now < least) [best, least] = [before + step, now];
      }
      biases.set(c, best);
      changed ||= best !== before;
    }
    if (!changed) break;
  }
  const found = new Map<number, number>();
  for (const relation of relations) {
    for (const v of [relation.from, relation.to])
      if (v !== null && isMovable(v) && bias(v) !== 0) found.set(v, bias(v));
  }
  return found;
}

/** The cluster of each pointer: those that are joined by arguments, unless one of them can't move. */
function clustersOf(relations: readonly Relation[], isMovable: (v: number) => boolean): (v: number) => number {
  const parent = new Map<number, number>();
  const find = (v: number): number => {
    let root = v;
    for (let up = parent.get(root); up !== undefined; up = parent.get(root)) root = up;
    for (let at = v; at !== root; ) {
      const up = parent.get(at) as number;
      parent.set(at, root);
      at = up;
    }
    return root;
  };
  for (const { from, to, joins } of relations) {
    if (!joins || to === null || !isMovable(from) || !isMovable(to)) continue;
    const [a, b] = [find(from), find(to)];
    if (a !== b) parent.set(a, b);
  }
  return find;
}
