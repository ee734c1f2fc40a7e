// `xdpc disasm OBJECT`: the text of any BPF object file. Reading and writing only; the text is elfwriter's.

import { utf8 } from "../base/bytes.ts";
import { disassembleObject } from "../elfwriter/disasm-object.ts";
import { faultText } from "../elfwriter/object-file.ts";
import type { DisasmRequest } from "./command.ts";
import { CliFailure, EXIT } from "./failure.ts";
import { writeOutputs } from "./output.ts";
import { readBinary } from "./read-binary.ts";
import type { System } from "./system.ts";

/** Disassembles and returns the exit code. Throws CliFailure when the file can't be read or is no BPF object. */
export function runDisasm(request: DisasmRequest, system: System): number {
  const bytes = readBinary(request.file, system);
  const { text, faults } = disassembleObject(bytes);
  if (text === undefined) {
    throw new CliFailure(`can't disassemble ${request.file}: ${faults.map(faultText).join("; ")}`);
  }
  writeOutputs([{ path: request.output ?? "-", bytes: utf8(text), binary: false }], system, false);
  return EXIT.fine;
}
