// The IR's text form, one line per block head, instruction and terminator. parse.ts reads it back; `--emit ir`, `--dump` and
// the pass tests use it. Origins can be shown as comments, which the parser skips.

import type { Edge, IrFunction, IrInsn, Origin, Terminator, ValueId } from "./ir.ts";

/** What to show beside the code. */
export interface PrintOptions {
  /** Append `# path:line` to the first line of each run with the same origin. */
  readonly origins?: boolean;
}

/** The function as text that parseIr reads back. */
export function printIr(fn: IrFunction, options: PrintOptions = {}): string {
  const lines: string[] = [`fn ${fn.name} {`];
  for (const slot of fn.slots) lines.push(`  slot${slot.id}: ${slot.bytes} align ${slot.align}`);
  let last: Origin = null;
  const push = (text: string, origin: Origin): void => {
    if (options.origins !== true || origin === last) lines.push(text);
    else lines.push(origin === null ? text : `${text}  # ${place(origin)}`);
    last = origin;
  };
  for (const block of fn.blocks) {
    lines.push(`  b${block.id}(${block.params.map((p) => `v${p.id}: ${p.type}`).join(", ")}):`);
    for (const insn of block.insns) push(`    ${printInsn(insn)}`, insn.origin);
    push(`    ${printTerm(block.term)}`, block.term.origin);
  }
  lines.push("}", "");
  return lines.join("\n");
}

/** One instruction as text. */
export function printInsn(insn: IrInsn): string {
  if (insn.op === "store") return `store ${insn.space} ${insn.width} ${at(insn.base, insn.offset)} = v${insn.value}`;
  if (insn.op === "atomicAdd") return `atomicAdd ${insn.width} ${at(insn.base, insn.offset)} = v${insn.value}`;
  return `v${insn.id}: ${insn.type} = ${right(insn)}`;
}

function right(insn: Exclude<IrInsn, { op: "store" } | { op: "atomicAdd" }>): string {
  switch (insn.op) {
    case "const":
      return `const ${number(insn.value)}`;
    case "undef":
      return "undef";
    case "binary":
      return `${insn.kind} v${insn.a}, v${insn.b}`;
    case "bswap":
      return `bswap ${insn.bytes} v${insn.a}`;
    case "zext":
    case "trunc":
      return `${insn.op} v${insn.a}`;
    case "ctxLoad":
      return `ctxLoad v${insn.ctx} ${insn.field}`;
    case "offset":
      return `offset ${at(insn.base, insn.bytes)}`;
    case "index":
      return `index v${insn.base} + v${insn.index}`;
    case "view":
      return `view v${insn.base}, ${insn.bytes}`;
    case "distance":
      return `distance v${insn.from}, v${insn.to}`;
    case "load":
      return `load ${insn.space} ${insn.width} ${at(insn.base, insn.offset)}`;
    case "slot":
      return `slot ${insn.slot}`;
    case "map":
      return `map ${insn.map}`;
    case "global":
      return `global ${insn.section} + ${insn.offsetBytes}`;
    case "call":
      return `call ${insn.helper}(${insn.args.map(v).join(", ")})`;
  }
}

/** A terminator as text. */
export function printTerm(term: Terminator): string {
  switch (term.op) {
    case "jump":
      return `jump ${edge(term.edge)}`;
    case "branch":
      return `branch ${term.compare} ${term.type} v${term.a}, v${term.b}, ${edge(term.then)}, ${edge(term.else)}`;
    case "switch": {
      const cases = term.cases.map((c) => `${number(c.value)} => ${edge(c.edge)}, `).join("");
      return `switch ${term.type} v${term.value} { ${cases}else => ${edge(term.default)} }`;
    }
    case "packetGuard":
      return `packetGuard ${at(term.base, term.bytes)} <= v${term.end}, ${edge(term.ok)}, ${edge(term.fail)}`;
    case "nullGuard":
      return `nullGuard v${term.value}, ${edge(term.ok)}, ${edge(term.fail)}`;
    case "return":
      return `return v${term.value}`;
  }
}

function v(id: ValueId): string {
  return `v${id}`;
}

function at(base: ValueId, offset: number): string {
  return offset < 0 ? `v${base} - ${-offset}` : `v${base} + ${offset}`;
}

function edge(e: Edge): string {
  return `b${e.target}(${e.args.map(v).join(", ")})`;
}

// Small numbers are read as counts, ports and protocols, larger ones as bytes and masks.
function number(value: bigint): string {
  return value < 0x10000n ? value.toString() : `0x${value.toString(16)}`;
}

function place(origin: NonNullable<Origin>): string {
  return `${origin.file.path}:${origin.file.positionAt(origin.start).line}`;
}
