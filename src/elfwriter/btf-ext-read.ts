// Reads a .BTF.ext section: per code section, by name, its source lines, the types of its functions and its relocations
// against kernel types. Trusts nothing; the strings come from .BTF. Knows no ELF.
// Source: Linux Documentation/bpf/btf.rst, ".BTF.ext section".

import { ByteReader } from "../base/bytes.ts";
import type { DecodedBtf } from "./btf-decode.ts";
import { btfExtRecord, btfHeader } from "./btf-format.ts";
import type { ObjectCoreRelocation, ObjectFault, ObjectFaultKind, ObjectFuncInfo, ObjectLine } from "./object-file.ts";

/** What .BTF.ext says, by the name of the code section. */
export interface DecodedBtfExt {
  readonly funcs: ReadonlyMap<string, readonly ObjectFuncInfo[]>;
  readonly lines: ReadonlyMap<string, readonly ObjectLine[]>;
  readonly cores: ReadonlyMap<string, readonly ObjectCoreRelocation[]>;
}

/** The least a header has; the place of the relocations against kernel types may follow. */
const leastHeaderBytes = 24;

/** Decodes `bytes`; the faults' offsets count from `fileOffset`, the section's place in its file. */
export function decodeBtfExt(
  bytes: Uint8Array,
  btf: DecodedBtf,
  fileOffset: number,
): { ext: DecodedBtfExt } | { fault: ObjectFault } {
  const reader = new ByteReader(bytes);
  const at = (what: ObjectFaultKind, offset: number) => ({ fault: { what, offset: fileOffset + offset } });
  if (!reader.covers(0, leastHeaderBytes)) return at("btf-ext-header", 0);
  if (reader.u16(0) !== btfHeader.magic || reader.u8(2) !== btfHeader.version) return at("btf-ext-header", 0);
  const start = reader.u32(4);
  if (start < leastHeaderBytes) return at("btf-ext-header", 4);

  const funcs = readPart(reader, start + reader.u32(8), reader.u32(12), btfExtRecord.func, btf, (place) => {
    const type = reader.u32(place + 4);
    return type < btf.types.length ? { offsetBytes: reader.u32(place), type } : null;
  });
  if (typeof funcs === "number") return at("btf-ext-record", funcs);
  const lines = readPart(
    reader,
    start + reader.u32(16),
    reader.u32(20),
    btfExtRecord.line,
    btf,
    (place): ObjectLine | null => {
      const file = btf.strings.at(reader.u32(place + 4));
      const text = btf.strings.at(reader.u32(place + 8));
      const lineColumn = reader.u32(place + 12);
      if (file === null || text === null) return null;
      return { offsetBytes: reader.u32(place), file, text, line: lineColumn >>> 10, column: lineColumn & 1023 };
    },
  );
  if (typeof lines === "number") return at("btf-ext-record", lines);
  const hasCores = start >= btfHeader.extWithCoreBytes && reader.covers(0, btfHeader.extWithCoreBytes);
  const [coreOffset, coreBytes] = hasCores ? [reader.u32(24), reader.u32(28)] : [0, 0];
  const cores = readPart(reader, start + coreOffset, coreBytes, btfExtRecord.core, btf, (place) => {
    const type = reader.u32(place + 4);
    const access = btf.strings.at(reader.u32(place + 8));
    if (type >= btf.types.length || access === null) return null;
    return { offsetBytes: reader.u32(place), type, access, kind: reader.u32(place + 12) };
  });
  if (typeof cores === "number") return at("btf-ext-record", cores);
  return { ext: { funcs, lines, cores } };
}

/** Reads one part: a record size, then per code section its name, a count and the records. A number is the place of a fault. */
function readPart<T>(
  reader: ByteReader,
  start: number,
  length: number,
  leastRecordBytes: number,
  btf: DecodedBtf,
  read: (place: number) => T | null,
): Map<string, T[]> | number {
  const bySection = new Map<string, T[]>();
  if (length === 0) return bySection;
  if (length < 4 || !reader.covers(start, length)) return start;
  const recordBytes = reader.u32(start);
  if (recordBytes < leastRecordBytes || recordBytes % 4 !== 0) return start;
  const end = start + length;
  let at = start + 4;
  while (at < end) {
    if (end - at < btfExtRecord.section) return at;
    const section = btf.strings.at(reader.u32(at));
    const count = reader.u32(at + 4);
    const first = at + btfExtRecord.section;
    if (section === null || count > (end - first) / recordBytes) return at;
    const list = bySection.get(section) ?? [];
    bySection.set(section, list);
    for (let i = 0; i < count; i++) {
      const record = read(first + i * recordBytes);
      if (record === null) return first + i * recordBytes;
      list.push(record);
    }
    at = first + count * recordBytes;
  }
  return bySection;
}
