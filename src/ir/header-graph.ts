// The graph of header instances: which may come directly before which, what must be present when one is, and which fields
// steer the reading of what follows. Read by presence analysis and by the parse plan.

import { must } from "../base/assert.ts";
import type { Field, HCond, HExpr, Header, Instance } from "./hir.ts";

/** The instances one of which comes directly before `instance` (extension headers between them not counted); empty at the packet's start. */
export function parentsOf(instance: Instance): readonly Instance[] {
  const { header, index } = instance;
  if (header.part !== null) return header.part.of.instances.slice(index, index + 1);
  const parents: Instance[] = [];
  for (const edge of header.edges) {
    if (edge.parent === header) {
      const before = header.instances[index - 1];
      if (before !== undefined) parents.push(before);
    } else if (index === 0) parents.push(...edge.parent.instances);
  }
  return [...new Set(parents)];
}

/** The instance that holds a field of the header `instance`: itself, or its part that has the field. */
export function holderOf(instance: Instance, field: Field): Instance {
  return field.header === instance.header ? instance : must(field.header.instances[instance.index], "a header's part");
}

/** The parts of headers that are there where a condition holds: a bit that announces them is set. */
export function announcedBy(condition: HCond): readonly Instance[] {
  const bit =
    condition.kind === "truth"
      ? condition.value
      : condition.kind === "compare" &&
          condition.op === "==" &&
          condition.b.kind === "const" &&
          condition.b.value === 1n
        ? condition.a
        : null;
  if (bit?.kind !== "field") return [];
  const parts = bit.instance.header.parts.filter((p) => p.part?.flag === bit.field);
  return parts.flatMap((p) => p.instances.slice(bit.instance.index, bit.instance.index + 1));
}

/** Facts about a set of headers, worked out once. */
export class HeaderGraph {
  readonly instances: readonly Instance[];
  readonly #children = new Map<Instance, Instance[]>();
  readonly #implied = new Map<Instance, ReadonlySet<Instance>>();
  readonly #behind = new Map<Instance, ReadonlySet<Instance>>();

  constructor(headers: readonly Header[]) {
    this.instances = headers.flatMap((h) => h.instances);
    for (const instance of this.instances) {
      for (const parent of parentsOf(instance)) {
        const list = this.#children.get(parent);
        if (list === undefined) this.#children.set(parent, [instance]);
        else list.push(instance);
      }
    }
  }

  /** The instances that may come directly after `instance`. */
  childrenOf(instance: Instance): readonly Instance[] {
    return this.#children.get(instance) ?? [];
  }

  /** What is present whenever `instance` is: itself and what all ways to it have in common. */
  impliedBy(instance: Instance): ReadonlySet<Instance> {
    const known = this.#implied.get(instance);
    if (known !== undefined) return known;
    let common: Set<Instance> | null = null;
    for (const parent of parentsOf(instance)) {
      const above = this.impliedBy(parent);
      common = common === null ? new Set(above) : intersection(common, above);
    }
    const result = new Set<Instance>([...(common ?? []), instance]);
    this.#implied.set(instance, result);
    return result;
  }

  /** Everything that can only be found by way of `instance`, itself not counted. */
  behind(instance: Instance): ReadonlySet<Instance> {
    const known = this.#behind.get(instance);
    if (known !== undefined) return known;
    const found = new Set<Instance>();
    const open = [...this.childrenOf(instance)];
    // An extension header hands its parent's selector on: whatever hangs there may come behind it, further extensions too.
    if (instance.header.extension) for (const parent of parentsOf(instance)) open.push(...this.childrenOf(parent));
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (found.has(next) || next === instance) continue;
      found.add(next);
      open.push(...this.childrenOf(next));
    }
    this.#behind.set(instance, found);
    return found;
  }
}

/** True for a field whose value decides how what follows is read: a selector, or part of `size` or `when`. */
export function steers(field: Field): boolean {
  const { header } = field;
  if (header.next !== null) {
    if (header.next.fields.some((f) => overlaps(f, field))) return true;
    if (header.next.when !== null && conditionFields(header.next.when).some((f) => overlaps(f, field))) return true;
  }
  return header.size !== null && valueFields(header.size.bytes).some((f) => overlaps(f, field));
}

function overlaps(a: Field, b: Field): boolean {
  return a.bitOffset < b.bitOffset + b.bitWidth && b.bitOffset < a.bitOffset + a.bitWidth;
}

function valueFields(value: HExpr): Field[] {
  const fields: Field[] = [];
  visitValue(value, (_instance, field) => fields.push(field));
  return fields;
}

function conditionFields(condition: HCond): Field[] {
  const fields: Field[] = [];
  visitCondition(condition, { field: (_instance, field) => fields.push(field) });
  return fields;
}

/** Calls `field` for every header field a value reads, also inside conditions that are part of it. */
export function visitValue(value: HExpr, field: (instance: Instance, field: Field, at: HExpr) => void): void {
  switch (value.kind) {
    case "field":
      return field(value.instance, value.field, value);
    case "binary":
      visitValue(value.a, field);
      return visitValue(value.b, field);
    case "cast":
    case "element":
      return visitValue(value.value, field);
    case "aggregate":
      for (const element of value.elements) visitValue(element, field);
      return;
    case "hash":
    case "fibLookup":
      for (const arg of value.args) visitValue(arg, field);
      return;
    default:
      return;
  }
}

/** What a walk over a condition reports. */
export interface ConditionVisitor {
  readonly field: (instance: Instance, field: Field) => void;
  readonly present?: (instance: Instance) => void;
  readonly opaque?: () => void;
}

/** Walks a condition's parts; left-deep chains of `and` and `or` are followed in a loop. */
export function visitCondition(condition: HCond, visitor: ConditionVisitor): void {
  let at = condition;
  for (;;) {
    switch (at.kind) {
      case "constant":
        return;
      case "present":
        visitor.present?.(at.instance);
        return;
      case "opaque":
        visitor.opaque?.();
        return;
      case "compare":
        visitDeep(at.a, visitor);
        visitDeep(at.b, visitor);
        return;
      case "inSet":
      case "truth":
        visitDeep(at.value, visitor);
        return;
      case "inMap":
      case "exceeds":
        visitDeep(at.key, visitor);
        return;
      case "not":
        at = at.operand;
        break;
      case "and":
      case "or":
        visitCondition(at.b, visitor);
        at = at.a;
        break;
    }
  }
}

/** Walks a value including the conditions inside it. */
export function visitDeep(value: HExpr, visitor: ConditionVisitor): void {
  switch (value.kind) {
    case "condition":
      return visitCondition(value.condition, visitor);
    case "binary":
      visitDeep(value.a, visitor);
      return visitDeep(value.b, visitor);
    case "cast":
    case "element":
      return visitDeep(value.value, visitor);
    case "aggregate":
      for (const element of value.elements) visitDeep(element, visitor);
      return;
    case "hash":
    case "fibLookup":
      for (const arg of value.args) visitDeep(arg, visitor);
      return;
    default:
      return visitValue(value, visitor.field);
  }
}

function intersection(a: ReadonlySet<Instance>, b: ReadonlySet<Instance>): Set<Instance> {
  return new Set([...a].filter((i) => b.has(i)));
}
