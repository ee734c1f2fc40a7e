// How a run speaks: everything it says goes to standard error, collected and written at once; only what was asked for as output
// goes to standard output. For people it is text drawn by base/render.ts; with --json each line is one JSON object whose
// `type` says what it is. Knows nothing of files or options.

import type { Diagnostic, Label } from "../base/diagnostic.ts";
import { renderDiagnostic } from "../base/render.ts";
import type { SourceFile, Span } from "../base/source.ts";
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

/** A reporter for programs: one JSON object a line. */
export function jsonReporter(): Reporter {
  let text = "";
  const line = (value: unknown): void => {
    text += `${JSON.stringify(value)}\n`;
  };
  return {
    diagnostic: (diagnostic) => line(diagnosticAsJson(diagnostic)),
    info: (type, fields) => line({ type, ...fields }),
    take() {
      const taken = text;
      text = "";
      return taken;
    },
  };
}

/** A place as JSON: lines and columns from 1, columns in UTF-16 units, the end exclusive. */
export interface JsonPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

/** A diagnostic as one plain object; `name` is its name for `-W` (null where it has none), absent parts are null or empty. */
export interface JsonDiagnostic {
  readonly type: "diagnostic";
  readonly code: string;
  readonly name: string | null;
  readonly severity: string;
  readonly message: string;
  readonly primary: (JsonPlace & { readonly text: string }) | null;
  readonly secondary: readonly (JsonPlace & { readonly text: string })[];
  readonly notes: readonly string[];
  readonly help: string | null;
  readonly fix: {
    readonly title: string;
    readonly edits: readonly (JsonPlace & { readonly newText: string })[];
  } | null;
}

/** The plain object that --json prints for a diagnostic. */
export function diagnosticAsJson(diagnostic: Diagnostic): JsonDiagnostic {
  const label = ({ span, text }: Label) => ({ ...placeAsJson(span), text });
  return {
    type: "diagnostic",
    code: diagnostic.code,
    name: slugOf(diagnostic.code),
    severity: diagnostic.severity,
    message: diagnostic.message,
    primary: diagnostic.primary === null ? null : label(diagnostic.primary),
    secondary: diagnostic.secondary.map(label),
    notes: diagnostic.notes,
    help: diagnostic.help,
    fix:
      diagnostic.fix === null
        ? null
        : {
            title: diagnostic.fix.title,
            edits: diagnostic.fix.edits.map(({ span, newText }) => ({ ...placeAsJson(span), newText })),
          },
  };
}

function placeAsJson(span: Span): JsonPlace {
  const start = span.file.positionAt(span.start);
  const end = span.file.positionAt(span.end);
  return {
    file: span.file.path,
    line: start.line,
    column: start.column,
    endLine: end.line,
    endColumn: end.column,
  };
}

/** The paths of `files` in their order, each once. */
export function pathsOf(files: readonly SourceFile[]): readonly string[] {
  return [...new Set(files.map((file) => file.path))];
}
