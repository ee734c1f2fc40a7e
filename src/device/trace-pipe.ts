// The kernel's trace pipe, where `log` statements write: finds it, reads it line by line, and tells which rule wrote a line. A line holds only
// the formatted text, so the rule is found by its format: the kernel keeps the instructions, lines and read-only data of each program.
// Source: Linux Documentation/trace/ftrace.rst; kernel/trace/bpf_trace.c (bpf_trace_printk, bpf_trace_vprintk); kernel/bpf/helpers.c (bpf_bprintf_prepare).

import { existsSync } from "node:fs";
import { btfBytes, openById, programCode, programInfo } from "./bpf-call.ts";
import { DeviceFailure } from "./failure.ts";
import { KernelMap } from "./kernel-map.ts";
import { textOf, withFd } from "./native.ts";
import type { SourceLine } from "./rule-lines.ts";

const PLACES = ["/sys/kernel/tracing/trace_pipe", "/sys/kernel/debug/tracing/trace_pipe"];

/** The path of the trace pipe. Throws DeviceFailure where tracing isn't mounted. */
export function tracePipe(): string {
  const found = PLACES.find((place) => existsSync(place));
  if (found !== undefined) return found;
  throw new DeviceFailure(
    "no-tracefs",
    "the kernel's trace pipe isn't there: tracefs isn't mounted, or may not be looked into",
    ["as root: mount -t tracefs tracefs /sys/kernel/tracing"],
  );
}

/** A line of the trace pipe that a program's log wrote. */
export interface TraceLine {
  readonly task: string;
  readonly pid: number;
  readonly cpu: number;
  /** Seconds since the machine started, as the kernel prints them. */
  readonly seconds: string;
  readonly text: string;
}

/** A line as the kernel prints it, taken apart; null for what no program's log wrote. */
export function parseTraceLine(line: string): TraceLine | null {
  const found = /^\s*(.{1,16})-(\d+)\s+(?:\([^)]*\)\s+)?\[(\d+)\]\s+\S+\s+([\d.]+): bpf_trace_printk: (.*)$/.exec(line);
  if (found === null) return null;
  const [, task = "", pid = "", cpu = "", seconds = "", text = ""] = found;
  return { task: task.trim(), pid: Number(pid), cpu: Number(cpu), seconds, text };
}

/** A `log` statement of a running program. */
export interface LogStatement {
  readonly format: string;
  /** null where the program came without line info. */
  readonly at: SourceLine | null;
  readonly matches: RegExp;
}

const LOAD_WIDE = 0x18;
const MAP_VALUE = 2;

/**
 * The formats that a program may log, with their lines: texts in its read-only data that instructions point to. In a C program a format on
 * the stack isn't found.
 */
export function logStatements(programId: number): readonly LogStatement[] {
  const fd = openById("program", programId);
  if (fd < 0) return [];
  return withFd(fd, (open) => {
    const info = programInfo(open);
    const code = programCode(open);
    if (code === null || typeof info === "number") return [];
    const view = new DataView(code.code.buffer, code.code.byteOffset, code.code.byteLength);
    const data = new Map<number, Uint8Array | null>();
    const lineAt = linesBySlot(info.btfId, code.lines);
    const found = new Map<string, LogStatement>();
    for (let slot = 0; slot * 8 < view.byteLength; slot++) {
      if (view.getUint8(slot * 8) !== LOAD_WIDE) continue;
      if (view.getUint8(slot * 8 + 1) >> 4 === MAP_VALUE) {
        const id = view.getUint32(slot * 8 + 4, true);
        const offset = view.getUint32(slot * 8 + 12, true);
        if (!data.has(id)) data.set(id, readOnlyData(id));
        const bytes = data.get(id);
        const format = bytes == null ? null : textIn(bytes, offset);
        const at = lineAt(slot);
        if (format !== null && (at === null || /\blog\b|printk/.test(at.text)))
          found.set(`${format}@${at?.line ?? ""}`, { format, at, matches: patternOf(format) });
      }
      slot += 1;
    }
    return [...found.values()];
  });
}

function linesBySlot(
  btfId: number,
  lines: readonly {
    readonly slot: number;
    readonly fileOffset: number;
    readonly textOffset: number;
    readonly lineColumn: number;
  }[],
): (slot: number) => SourceLine | null {
  const btf = btfId === 0 ? null : btfBytes(btfId);
  if (btf === null) return () => null;
  const view = new DataView(btf.buffer, btf.byteOffset, btf.byteLength);
  const start = view.getUint32(4, true) + view.getUint32(16, true);
  const text = (offset: number): string => textOf(btf.subarray(start + offset));
  return (slot) => {
    const one = lines.findLast((line) => line.slot <= slot);
    return one === undefined
      ? null
      : { file: text(one.fileOffset), line: one.lineColumn >>> 10, text: text(one.textOffset).trim() };
  };
}

/** The bytes of a frozen data section by its map's id; null for maps that programs may write. */
function readOnlyData(id: number): Uint8Array | null {
  const map = KernelMap.fromId(id);
  if (typeof map === "number") return null;
  try {
    const values = map.kind === "array" && map.info.name.endsWith(".rodata") ? map.lookup(new Uint8Array(4)) : null;
    return values === null || typeof values === "number" ? null : (values[0] ?? null);
  } finally {
    map.close();
  }
}

/** The text of at most 1,000 printable characters that begins at `offset`, ended by a zero. */
function textIn(bytes: Uint8Array, offset: number): string | null {
  const end = bytes.indexOf(0, offset);
  if (offset >= bytes.length || end <= offset || end - offset > 1000) return null;
  const text = new TextDecoder().decode(bytes.subarray(offset, end));
  return /^[\t\n\x20-\x7e\u00a0-\uffff]+$/.test(text) ? text : null;
}

/** What a format's conversions print. **Source:** Linux Documentation/core-api/printk-formats.rst. */
function patternOf(format: string): RegExp {
  const quoted = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  let pattern = "";
  let at = 0;
  for (const found of format.matchAll(/%(?:%|p[A-Za-z][46]?c?|[-+ #0]*\d*(?:l{0,2}|h{0,2})[a-zA-Z])/g)) {
    pattern += quoted(format.slice(at, found.index)) + printed(found[0]);
    at = found.index + found[0].length;
  }
  return new RegExp(`^${pattern}${quoted(format.slice(at).replace(/\n$/, ""))}$`);
}

function printed(conversion: string): string {
  if (conversion === "%%") return "%";
  const kind = conversion.at(-1) ?? "";
  if (conversion.startsWith("%pI4")) return "[0-9.]+";
  if (conversion.startsWith("%p")) return "[0-9a-fA-F:.x]+";
  if ("di".includes(kind)) return "\\s*-?\\d+";
  if (kind === "u") return "\\s*\\d+";
  if ("xX".includes(kind)) return "\\s*[0-9a-fA-Fx]+";
  return ".*";
}
