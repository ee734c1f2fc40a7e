// Which rules a program's size or stack comes from, for the messages that say it has too much of one: by the places its instructions were
// made from. Looks at the IR as it goes to the code generator; an estimate, since registers may be saved on the stack as well.

import type { Label } from "../base/diagnostic.ts";
import type { Span } from "../base/source.ts";
import type { IrFunction, IrInsn } from "./ir.ts";

/** How many places a message names. */
const PLACES_NAMED = 3;

/** The places with the most instructions, and how many that are. */
export function longestRules(fn: IrFunction): Label[] {
  return largest(
    fn,
    () => 1,
    (share) => `${share} of its instructions`,
  );
}

/** The places whose keys and values take the most stack. */
export function deepestRules(fn: IrFunction): Label[] {
  const bytes = new Map(fn.slots.map((slot) => [slot.id, slot.bytes]));
  const seen = new Set<number>();
  const cost = (insn: IrInsn): number => {
    if (insn.op !== "slot" || seen.has(insn.slot)) return 0;
    seen.add(insn.slot);
    return bytes.get(insn.slot) ?? 0;
  };
  return largest(fn, cost, (_share, amount) => `${amount} bytes for keys and values`);
}

function largest(
  fn: IrFunction,
  cost: (insn: IrInsn) => number,
  words: (share: string, amount: number) => string,
): Label[] {
  const costs = new Map<string, { readonly span: Span; amount: number }>();
  let all = 0;
  for (const insn of fn.blocks.flatMap((block) => block.insns)) {
    const amount = cost(insn);
    all += amount;
    if (insn.origin === null || amount === 0) continue;
    const { file, start, end } = insn.origin;
    const key = `${start} ${end} ${file.path}`;
    const known = costs.get(key);
    if (known === undefined) costs.set(key, { span: insn.origin, amount });
    else known.amount += amount;
  }
  const most = [...costs.values()].sort((a, b) => b.amount - a.amount).slice(0, PLACES_NAMED);
  return most.map(({ span, amount }) => ({ span, text: words(`${Math.round((100 * amount) / all)} %`, amount) }));
}
