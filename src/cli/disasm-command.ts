// `xdpc disasm OBJECT`: the text of any BPF object file. Reading and writing only; the text is elfwriter's.

import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { utf8 } from "../base/bytes.ts";
import { disassembleObject } from "../elfwriter/disasm-object.ts";
import { faultText } from "../elfwriter/object-file.ts";
import type { DisasmRequest } from "./command.ts";
import { CliFailure, describeSystemError, EXIT } from "./failure.ts";
import { writeOutputs } from "./output.ts";
import type { System } from "./system.ts";

/** The largest object that is read. */
const MAX_OBJECT_BYTES = 256 * 1024 * 1024;

/** Disassembles and returns the exit code. Throws CliFailure when the file can't be read or is no BPF object. */
export function runDisasm(request: DisasmRequest, system: System): number {
  const bytes = readObjectBytes(request.file, system);
  const { text, faults } = disassembleObject(bytes);
  if (text === undefined) {
    throw new CliFailure(`can't disassemble ${request.file}: ${faults.map(faultText).join("; ")}`);
  }
  writeOutputs([{ path: request.output ?? "-", bytes: utf8(text), binary: false }], system, false);
  return EXIT.fine;
}

function readObjectBytes(file: string, system: System): Uint8Array {
  if (file === "-") {
    const bytes = system.readStdin(MAX_OBJECT_BYTES);
    if (bytes.length > MAX_OBJECT_BYTES) throw new CliFailure("can't read standard input: is over 256 MiB");
    return bytes;
  }
  try {
    const fd = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const stats = fstatSync(fd);
      if (stats.isDirectory()) throw new CliFailure(`can't read ${file}: is a directory`);
      if (!stats.isFile()) throw new CliFailure(`can't read ${file}: is not a regular file`);
      if (stats.size > MAX_OBJECT_BYTES) throw new CliFailure(`can't read ${file}: is over 256 MiB`);
      return readFileSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof CliFailure) throw error;
    throw new CliFailure(`can't read ${file}: ${describeSystemError(error)}`);
  }
}
