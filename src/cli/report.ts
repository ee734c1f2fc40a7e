// How a run speaks: everything it says goes to standard error, collected and written at once; only what was asked for as output
// goes to standard output. For people it is text drawn by base/render.ts; with --json each line is one JSON object whose
// `type` says what it is. Knows nothing of files or options.

import type { Diagnostic } from "../base/diagnostic.ts";
import { diagnosticToJson, renderDiagnostic } from "../base/render.ts";
import type { SourceFile } from "../base/source.ts";
import { slugOf } from "../explain/entries.ts";

/** Collects what is to be said; `take` gives it as text. */
export interface Reporter {
  diagnostic(diagnostic: Diagnostic): void;
  /** A line or more about the run itself: for people `text`, for programs `fields` with `type`. */
  info(type: string, fields: Readonly<Record<string, unknown>>, text: string): void;
  /** What was said since the last call. */
  take(): string;
}

/** A reporter for people; whether to use colour escapes is asked once there is something to colour. */
export function textReporter(wantsColor: () => boolean): Reporter {
  let text = "";
  let color: boolean | undefined;
  return {
    diagnostic(diagnostic) {
      color ??= wantsColor();
      text += `${renderDiagnostic(diagnostic, { color }).trimEnd()}\n\n`;
    },
    info(_type, _fields, line) {
      text += line.endsWith("\n") ? line : `${line}\n`;
    },
    take() {
      const taken = text;
      text = "";
      return taken;
    },
  };
}

/**
 * A reporter for programs: one JSON object a line, told apart by `type`. A "diagnostic" has the fields of JsonDiagnostic
 * (base/render.ts) and `name`, what `-W` calls it, or null.
 */
export function jsonReporter(): Reporter {
  let text = "";
  const line = (value: unknown): void => {
    text += `${JSON.stringify(value)}\n`;
  };
  return {
    diagnostic: (diagnostic) => {
      line({ type: "diagnostic", name: slugOf(diagnostic.code), ...diagnosticToJson(diagnostic) });
    },
    info: (type, fields) => line({ type, ...fields }),
    take() {
      const taken = text;
      text = "";
      return taken;
    },
  };
}

/** The paths of `files` in their order, each once. */
export function pathsOf(files: readonly SourceFile[]): readonly string[] {
  return [...new Set(files.map((file) => file.path))];
}
