// Builds the .BTF.ext section: which bytes of a code section are which function, and which source line each instruction
// comes from. Strings lie in .BTF, so they arrive here as offsets. Knows neither ELF nor instructions.
// Source: Linux Documentation/bpf/btf.rst, ".BTF.ext section"; kernel/bpf/verifier.c (check_btf_func, check_btf_line).

import { assert } from "../base/assert.ts";
import { ByteWriter } from "../base/bytes.ts";
import { btfExtRecord, btfHeader, btfLineLimit } from "./btf-format.ts";

/** A function's start in its section in bytes and the number of its FUNC type. */
export interface FuncInfo {
  readonly offsetBytes: number;
  readonly type: number;
}

/** A source line and the place in its section, in bytes, of the first instruction that comes from it. */
export interface LineInfo {
  readonly offsetBytes: number;
  /** The file's name in .BTF's strings. */
  readonly fileOffset: number;
  /** The line's text in .BTF's strings. */
  readonly textOffset: number;
  /** From 1; clamped to what a record can hold. */
  readonly line: number;
  /** From 1; clamped to what a record can hold. */
  readonly column: number;
}

/** What .BTF.ext says about one code section. */
export interface SectionInfo {
  /** The section's name in .BTF's strings. */
  readonly nameOffset: number;
  readonly funcs: readonly FuncInfo[];
  /** Rising by offset. */
  readonly lines: readonly LineInfo[];
}

/** The .BTF.ext section for `sections`; a section without lines gets none. */
export function encodeBtfExt(sections: readonly SectionInfo[]): Uint8Array {
  const funcs = new ByteWriter().u32(btfExtRecord.func);
  for (const section of sections.filter((s) => s.funcs.length > 0)) {
    funcs.u32(section.nameOffset).u32(section.funcs.length);
    for (const func of section.funcs) funcs.u32(func.offsetBytes).u32(func.type);
  }
  const lines = new ByteWriter().u32(btfExtRecord.line);
  for (const section of sections.filter((s) => s.lines.length > 0)) {
    lines.u32(section.nameOffset).u32(section.lines.length);
    let last = -1;
    for (const info of section.lines) {
      assert(info.offsetBytes > last, "line info must rise");
      last = info.offsetBytes;
      lines.u32(info.offsetBytes).u32(info.fileOffset).u32(info.textOffset).u32(lineAndColumn(info));
    }
  }
  const out = new ByteWriter();
  out.u16(btfHeader.magic).u8(btfHeader.version).u8(0).u32(btfHeader.extBytes);
  out.u32(0).u32(funcs.length).u32(funcs.length).u32(lines.length);
  return out.bytes(funcs.finish()).bytes(lines.finish()).finish();
}

/** The record's line_col: the line in the high 22 bits, the column in the low 10. */
function lineAndColumn(info: LineInfo): number {
  return Math.min(info.line, btfLineLimit.line) * 1024 + Math.min(info.column, btfLineLimit.column);
}
