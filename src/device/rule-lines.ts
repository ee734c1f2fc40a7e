// Which lines of the source a running program uses a map in: asked of the kernel, which keeps the line info and the instructions of every program, so
// that it is known of any program that is attached, however it came there and whatever became of its source.
// Source: Linux Documentation/bpf/btf.rst (bpf_line_info); kernel/bpf/syscall.c (bpf_insn_prepare_dump puts the maps' ids into the loads).

import { btfBytes, openById, programCode, programInfo } from "./bpf-call.ts";
import { textOf, withFd } from "./native.ts";

/** A line of the source. */
export interface SourceLine {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** The lines of a program: those that have instructions, and for each map's id those that use it. */
export interface ProgramLines {
  readonly all: readonly SourceLine[];
  readonly byMap: ReadonlyMap<number, readonly SourceLine[]>;
}

const NONE: ProgramLines = { all: [], byMap: new Map() };

/** What the kernel knows of a program's lines; nothing where it has no line info or keeps it to itself. */
export function linesOfProgram(id: number): ProgramLines {
  const fd = openById("program", id);
  if (fd < 0) return NONE;
  return withFd(fd, (open) => {
    const info = programInfo(open);
    const code = programCode(open);
    const btf = typeof info === "number" || info.btfId === 0 ? null : btfBytes(info.btfId);
    if (code === null || btf === null || code.lines.length === 0) return NONE;
    const text = stringsOf(btf);
    const lines = code.lines.map((one) => ({
      slot: one.slot,
      at: { file: text(one.fileOffset), line: one.lineColumn >>> 10, text: text(one.textOffset).trim() },
    }));
    const byMap = new Map<number, SourceLine[]>();
    const view = new DataView(code.code.buffer, code.code.byteOffset, code.code.byteLength);
    let next = 0;
    for (let slot = 0; slot * 8 < view.byteLength; slot++) {
      while ((lines[next]?.slot ?? Number.POSITIVE_INFINITY) <= slot) next += 1;
      if (view.getUint8(slot * 8) !== LOAD_WIDE) continue;
      const source = view.getUint8(slot * 8 + 1) >> 4;
      const line = lines[next - 1]?.at;
      if (line !== undefined && (source === MAP || source === MAP_VALUE)) {
        const map = view.getInt32(slot * 8 + 4, true);
        byMap.set(map, [...(byMap.get(map) ?? []), line]);
      }
      slot += 1;
    }
    return { all: unique(lines.map(({ at }) => at)), byMap: new Map([...byMap].map(([map, at]) => [map, unique(at)])) };
  });
}

const LOAD_WIDE = 0x18;
const MAP = 1;
const MAP_VALUE = 2;

/**
 * The lines of rules that count with counter `name`, whose map has this id: those with instructions for it, and those that say `count name`, since
 * equal ends of several rules are one piece of code, which has the line of one of them.
 */
export function linesOfCounter(lines: ProgramLines, name: string, map: number): readonly SourceLine[] {
  const says = new RegExp(`\\bcount\\s+${name.replace(/\W/g, "\\$&")}\\b`);
  const found = [...(lines.byMap.get(map) ?? []), ...lines.all.filter(({ text }) => says.test(text))];
  return unique(found).sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1));
}

function unique(lines: readonly SourceLine[]): SourceLine[] {
  return [...new Map(lines.map((one) => [`${one.file}:${one.line}`, one])).values()];
}

/** The strings of a .BTF section by their offsets. */
function stringsOf(btf: Uint8Array): (offset: number) => string {
  const view = new DataView(btf.buffer, btf.byteOffset, btf.byteLength);
  const start = view.getUint32(4, true) + view.getUint32(16, true);
  return (offset) => textOf(btf.subarray(start + offset));
}
