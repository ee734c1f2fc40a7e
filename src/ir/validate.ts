// Holds a function to the shape rules written at the top of ir.ts. Run between passes in tests and on generated programs;
// an answer that isn't empty means a bug in xdpc. It reports, it never throws for a broken function and repairs nothing.

import { ctxFieldType } from "./builder.ts";
import { type DomTree, dominators, type Graph, graphOf, type Values, valuesOf } from "./graph.ts";
import {
  type Block,
  type BlockId,
  edgesOf,
  type IrFunction,
  type IrInsn,
  type IrType,
  operandsOf,
  resultOf,
  type Terminator,
  termOperandsOf,
  type ValueId,
} from "./ir.ts";
import { type Facts, type KnownBytes, knownBytes } from "./known-bytes.ts";
import { printInsn, printTerm } from "./print.ts";

/** At most so many problems are reported. */
const LIMIT = 50;

/** The shape rules that `fn` breaks, as sentences with their place; empty when it is fine. */
export function validate(fn: IrFunction): string[] {
  const problems = new Problems();
  checkNumbers(fn, problems);
  // The rest walks edges and would trip over numbers that don't exist.
  if (problems.list.length > 0) return problems.list;
  const values = valuesOf(fn);
  for (const block of fn.blocks) checkTypes(fn, block, values, problems);
  checkArgs(fn, values, problems);
  if (problems.list.length > 0) return problems.list;
  const graph = graphOf(fn);
  if ((graph.preds[graph.entry] as readonly BlockId[]).length > 0)
    problems.add(`b${graph.entry}: the entry has predecessors`);
  checkDominance(graph, dominators(graph), values, problems);
  if (problems.list.length > 0) return problems.list;
  checkMemory(graph, values, knownBytes(graph, values), problems);
  return problems.list;
}

class Problems {
  readonly list: string[] = [];
  add(problem: string): void {
    if (this.list.length < LIMIT) this.list.push(problem);
  }
}

// Every number is in range, defined once, and every edge has a target with as many parameters.
function checkNumbers(fn: IrFunction, problems: Problems): void {
  const defined = new Uint8Array(fn.nextValue);
  const blockOf: (Block | undefined)[] = new Array(fn.nextBlock);
  const define = (id: ValueId, where: string): void => {
    if (!(id >= 0 && id < fn.nextValue)) problems.add(`${where}: v${id} isn't below nextValue ${fn.nextValue}`);
    else if (defined[id] === 1) problems.add(`${where}: v${id} is defined twice`);
    else defined[id] = 1;
  };
  for (const block of fn.blocks) {
    if (!(block.id >= 0 && block.id < fn.nextBlock)) problems.add(`b${block.id} isn't below nextBlock ${fn.nextBlock}`);
    if (blockOf[block.id] !== undefined) problems.add(`b${block.id} exists twice`);
    blockOf[block.id] = block;
    for (const param of block.params) define(param.id, `b${block.id}`);
    for (const insn of block.insns) {
      const result = resultOf(insn);
      if (result !== null) define(result.id, `b${block.id}`);
    }
  }
  for (const block of fn.blocks) {
    const use = (v: ValueId): void => {
      if (defined[v] !== 1) problems.add(`b${block.id}: v${v} is defined nowhere`);
    };
    for (const insn of block.insns) operandsOf(insn).forEach(use);
    termOperandsOf(block.term).forEach(use);
    for (const edge of edgesOf(block.term)) {
      edge.args.forEach(use);
      const target = blockOf[edge.target];
      if (target === undefined) problems.add(`b${block.id}: no block b${edge.target}`);
      else if (target.params.length !== edge.args.length) {
        problems.add(
          `b${block.id}: ${edge.args.length} arguments for b${edge.target}, which has ${target.params.length} parameters`,
        );
      }
    }
  }
  const entry = fn.blocks[0];
  if (entry === undefined) problems.add("no block");
  else if (entry.params.length !== 1 || entry.params[0]?.type !== "ctx") {
    problems.add("the entry's only parameter must be the context");
  }
}

function checkTypes(fn: IrFunction, block: Block, values: Values, problems: Problems): void {
  const typeOf = (v: ValueId): IrType | undefined => values.type[v];
  for (const insn of block.insns) {
    const wrong = wrongInsn(fn, insn, typeOf);
    if (wrong !== null) problems.add(`b${block.id}: ${printInsn(insn)}: ${wrong}`);
  }
  const wrong = wrongTerm(block.term, typeOf);
  if (wrong !== null) problems.add(`b${block.id}: ${printTerm(block.term)}: ${wrong}`);
}

function checkArgs(fn: IrFunction, values: Values, problems: Problems): void {
  const paramsOf = new Map(fn.blocks.map((block) => [block.id, block.params]));
  for (const block of fn.blocks) {
    for (const edge of edgesOf(block.term)) {
      paramsOf.get(edge.target)?.forEach((param, i) => {
        const arg = edge.args[i] as ValueId;
        if (values.type[arg] === param.type) return;
        problems.add(`b${block.id}: v${arg} of type ${values.type[arg]} for v${param.id} of type ${param.type}`);
      });
    }
  }
}

function wrongInsn(fn: IrFunction, insn: IrInsn, typeOf: (v: ValueId) => IrType | undefined): string | null {
  const isInt = (v: ValueId): boolean => typeOf(v) === "i32" || typeOf(v) === "i64";
  switch (insn.op) {
    case "const":
      return insn.value >= 0n && insn.value < (insn.type === "i32" ? 1n << 32n : 1n << 64n) ? null : "out of range";
    case "undef":
    case "map":
    case "call":
      return null;
    case "slot":
      return fn.slots.some((s) => s.id === insn.slot) ? null : "no such slot";
    case "global":
      return insn.offsetBytes >= 0 ? null : "negative offset";
    case "binary":
      return typeOf(insn.a) === insn.type && typeOf(insn.b) === insn.type ? null : "operand types";
    case "bswap": {
      const type = insn.bytes === 8 ? "i64" : "i32";
      return insn.type === type && typeOf(insn.a) === type ? null : `must be ${type}`;
    }
    case "zext":
      return typeOf(insn.a) === "i32" ? null : "operand must be i32";
    case "trunc":
      return typeOf(insn.a) === "i64" ? null : "operand must be i64";
    case "ctxLoad":
      if (typeOf(insn.ctx) !== "ctx") return "operand must be the context";
      return insn.type === ctxFieldType(insn.field) ? null : "result type";
    case "offset":
      return Number.isInteger(insn.bytes) ? wrongBase(insn.type, typeOf(insn.base)) : "offset";
    case "index":
      return typeOf(insn.index) === "i64" ? wrongBase(insn.type, typeOf(insn.base)) : "index must be i64";
    case "view":
      return insn.bytes > 0 ? wrongBase("mem", typeOf(insn.base)) : "bytes";
    case "distance":
      return [insn.from, insn.to].every((v) => typeOf(v) === "pkt" || typeOf(v) === "end")
        ? null
        : "operands must be pkt or end";
    case "load":
      if (insn.type !== (insn.width === 8 ? "i64" : "i32")) return "result type";
      return wrongBase(insn.space === "packet" ? "pkt" : "mem", typeOf(insn.base));
    case "store":
      if (!isInt(insn.value) || (insn.width === 8 && typeOf(insn.value) !== "i64")) return "value type";
      if (insn.space === "rodata") return "store to read-only data";
      return wrongBase(insn.space === "packet" ? "pkt" : "mem", typeOf(insn.base));
    case "atomicAdd":
      if (!isInt(insn.value) || (insn.width === 8 && typeOf(insn.value) !== "i64")) return "value type";
      return wrongBase("mem", typeOf(insn.base));
  }
}

function wrongBase(wanted: "pkt" | "mem", found: IrType | undefined): string | null {
  if (wanted === "pkt") return found === "pkt" ? null : "base must be pkt";
  return found === "mem" || found === "maybe" ? null : "base must be mem or maybe";
}

function wrongTerm(term: Terminator, typeOf: (v: ValueId) => IrType | undefined): string | null {
  switch (term.op) {
    case "jump":
      return null;
    case "branch":
      return typeOf(term.a) === term.type && typeOf(term.b) === term.type ? null : "operand types";
    case "switch": {
      if (typeOf(term.value) !== term.type) return "operand type";
      const limit = term.type === "i32" ? 1n << 32n : 1n << 64n;
      if (term.cases.some((c) => c.value < 0n || c.value >= limit)) return "case out of range";
      return new Set(term.cases.map((c) => c.value)).size === term.cases.length ? null : "a case twice";
    }
    case "packetGuard":
      if (typeOf(term.base) !== "pkt" || typeOf(term.end) !== "end") return "must compare a pkt with the end";
      return Number.isInteger(term.bytes) ? null : "bytes";
    case "nullGuard":
      return typeOf(term.value) === "maybe" ? null : "must be a maybe pointer";
    case "return":
      return typeOf(term.value) === "i32" || typeOf(term.value) === "i64" ? null : "must return an integer";
  }
}

function checkDominance(graph: Graph, tree: DomTree, values: Values, problems: Problems): void {
  const defined = new Uint8Array(graph.fn.nextValue);
  for (const id of graph.order) {
    const block = graph.blockOf[id] as Block;
    const use = (v: ValueId): void => {
      const home = values.block[v] as number;
      if (home === id ? defined[v] !== 1 : !tree.dominates(home, id)) {
        problems.add(`b${id}: the definition of v${v} doesn't dominate its use`);
      }
    };
    for (const param of block.params) defined[param.id] = 1;
    for (const insn of block.insns) {
      operandsOf(insn).forEach(use);
      const result = resultOf(insn);
      if (result !== null) defined[result.id] = 1;
    }
    termOperandsOf(block.term).forEach(use);
    for (const edge of edgesOf(block.term)) edge.args.forEach(use);
  }
}

function checkMemory(graph: Graph, values: Values, known: KnownBytes, problems: Problems): void {
  const slots = new Map(graph.fn.slots.map((s) => [s.id, s]));
  const { root, offset } = known.places;
  const check = (insn: IrInsn, facts: Facts): string | null => {
    if ((insn.op === "offset" || insn.op === "index" || insn.op === "view") && values.type[insn.base] === "maybe") {
      return known.known(facts, insn.base) > 0 ? null : "the pointer may be null";
    }
    if (insn.op !== "load" && insn.op !== "store" && insn.op !== "atomicAdd") return null;
    const base = root[insn.base] as number;
    const from = (offset[insn.base] as number) + insn.offset;
    if (values.type[base] === "maybe") return known.known(facts, insn.base) > 0 ? null : "the pointer may be null";
    if (values.type[base] === "pkt") {
      const bytes = known.known(facts, base);
      if (from < 0) return "before the start of what is known";
      return from + insn.width <= bytes ? null : `only ${bytes} bytes from v${base} are known to be in the packet`;
    }
    const def = values.def[base];
    if (def?.op !== "slot") return null;
    const slot = slots.get(def.slot);
    if (slot === undefined) return "no such slot";
    if (from < 0 || from + insn.width > slot.bytes) return `outside slot${slot.id}`;
    return from % insn.width === 0 && slot.align >= insn.width ? null : `not aligned in slot${slot.id}`;
  };
  for (const id of graph.order) {
    const block = graph.blockOf[id] as Block;
    const facts = known.atEntry(id);
    for (const insn of block.insns) {
      const wrong = check(insn, facts);
      if (wrong !== null) problems.add(`b${id}: ${printInsn(insn)}: ${wrong}`);
      known.step(facts, insn);
    }
  }
}
