// Which source line each instruction comes from: origins as line info, one entry where the line changes. The last step of
// code generation; knows nothing of instructions but their number.

import type { InsnLine } from "../bpf/object.ts";
import type { Origin } from "../ir/ir.ts";

/** Line info for instructions with these origins: rising, the first entry at 0; empty when no instruction has an origin. */
export function linesOf(origins: readonly Origin[]): InsnLine[] {
  const lines: InsnLine[] = [];
  let last: InsnLine | null = null;
  origins.forEach((origin, index) => {
    // What the compiler made for no rule belongs to the line before.
    if (origin === null) return;
    const { file } = origin;
    const { line, column } = file.positionAt(origin.start);
    if (last !== null && last.line === line && last.file === file.path) return;
    last = { insnIndex: last === null ? 0 : index, file: file.path, text: file.lineText(line), line, column };
    lines.push(last);
  });
  return lines;
}
