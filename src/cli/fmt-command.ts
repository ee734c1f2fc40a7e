// `xdpc fmt FILE…`: formats rules to standard output, in their places, or only tells which files aren't formatted. Reading and
// writing only: how rules are formatted is src/parser's. Files are written beside their places and renamed, each with its mode.

import { accessSync, constants, statSync } from "node:fs";
import { utf8 } from "../base/bytes.ts";
import { formatSource } from "../parser/fmt.ts";
import { CliFailure, EXIT } from "./failure.ts";
import type { FmtRequest } from "./fmt-options.ts";
import { openFileHost } from "./host.ts";
import { writeOutputs } from "./output.ts";
import type { Reporter } from "./report.ts";
import type { System } from "./system.ts";

/** Formats and returns the exit code: 0, or 1 for syntax errors and, when checking, for files that would change. */
export function runFmt(request: FmtRequest, system: System, reporter: Reporter): number {
  const { files, mode } = request;
  if (mode === "write" && files.includes("-")) throw new CliFailure("--write can't replace standard input");
  let code: number = EXIT.fine;
  for (const file of files) {
    const { source, diagnostics } = openFileHost(file, [], system).main;
    const faulty = { text: null, diagnostics };
    const formatted = diagnostics.length > 0 ? faulty : formatSource(source);
    for (const diagnostic of formatted.diagnostics) reporter.diagnostic(diagnostic);
    if (formatted.text === null) code = EXIT.diagnostics;
    else if (mode === "print") system.write(1, utf8(formatted.text));
    else if (formatted.text !== source.text) {
      if (mode === "write") replace(file, formatted.text, system);
      else {
        code = EXIT.diagnostics;
        system.write(1, utf8(`${source.path}\n`));
      }
    }
  }
  return code;
}

function replace(file: string, text: string, system: System): void {
  if (!statSync(file).isFile()) throw new CliFailure(`can't write ${file}: is not a regular file`);
  accessSync(file, constants.W_OK);
  writeOutputs([{ path: file, bytes: utf8(text), binary: false, keepMode: true }], system, false);
}
