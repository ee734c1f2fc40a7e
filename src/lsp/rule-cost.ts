// What a rule costs, in words: the instructions that its lines became and what the kernel's verifier spends on them. From what a whole
// compilation said; a rule without code of its own (it shares another's) has none to tell.

import type { Span } from "../base/source.ts";
import type { DeepResult } from "./deep.ts";
import { lineAt } from "./ranges.ts";

/** The cost of the rule at `rule` as a sentence; null where nothing is known of it. */
export function ruleCost(deep: DeepResult | null, rule: Span): string | null {
  const first = lineAt(rule.file, rule.start);
  const last = lineAt(rule.file, rule.end);
  for (const program of deep?.programs ?? []) {
    const lines = program.lines.filter((l) => l.path === rule.file.path && l.line >= first && l.line <= last);
    const instructions = lines.reduce((sum, line) => sum + line.instructions, 0);
    if (instructions === 0) continue;
    const processed = lines.reduce<number | null>(
      (sum, l) => (sum === null || l.processed === null ? null : sum + l.processed),
      0,
    );
    const steps = processed === null ? "" : `; the verifier takes ${processed.toLocaleString("en-US")} steps on them`;
    return `${instructions} of the ${program.instructions} instructions of \`${program.name}\`${steps}.`;
  }
  return null;
}
