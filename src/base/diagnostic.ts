// What the compiler has to say, as data. Each phase words its own in its messages.ts; one renderer (render.ts) draws them
// for people, the command line prints them as JSON, an editor shows the same value. Knows only places.

import type { Span } from "./source.ts";

/** How bad it is: an error stops the object from being written, the others don't. */
export type Severity = "error" | "warning" | "note";

/** A place with what is to be said about it; an empty text only marks the place. */
export interface Label {
  readonly span: Span;
  readonly text: string;
}

/** An edit that repairs the fault when applied as it stands. */
export interface Fix {
  readonly title: string;
  readonly edits: readonly { readonly span: Span; readonly newText: string }[];
}

/**
 * One message to the user. `code` is `X` and four digits and never changes its meaning; the hundreds name the phase:
 * X00xx files and imports, X01xx tokens and grammar, X02xx names, X03xx types, X04xx presence, X05xx state and actions,
 * X06xx limits of the target (size, stack, kernel), X07xx lints, X08xx tests, X09xx language that isn't supported yet.
 * `message` is lower case without a full stop; `help` says which edit repairs it.
 */
export interface Diagnostic {
  readonly code: string;
  readonly severity: Severity;
  readonly message: string;
  readonly primary: Label | null;
  readonly secondary: readonly Label[];
  readonly notes: readonly string[];
  readonly help: string | null;
  readonly fix: Fix | null;
}

/** The optional parts of a diagnostic, for the builders. */
export interface DiagnosticExtras {
  readonly label?: string;
  readonly secondary?: readonly Label[];
  readonly notes?: readonly string[];
  readonly help?: string;
  readonly fix?: Fix;
}

/** Makes an error at `span`. */
export function errorAt(span: Span, code: string, message: string, extras: DiagnosticExtras = {}): Diagnostic {
  return make("error", span, code, message, extras);
}

/** Makes a warning at `span`. */
export function warningAt(span: Span, code: string, message: string, extras: DiagnosticExtras = {}): Diagnostic {
  return make("warning", span, code, message, extras);
}

/** Makes a note at `span`. */
export function noteAt(span: Span, code: string, message: string, extras: DiagnosticExtras = {}): Diagnostic {
  return make("note", span, code, message, extras);
}

function make(severity: Severity, span: Span, code: string, message: string, extras: DiagnosticExtras): Diagnostic {
  return {
    code,
    severity,
    message,
    primary: { span, text: extras.label ?? "" },
    secondary: extras.secondary ?? [],
    notes: extras.notes ?? [],
    help: extras.help ?? null,
    fix: extras.fix ?? null,
  };
}

/**
 * Collects diagnostics in the order they are found; phases go on after a fault, so several can be told at once. What is found again
 * at the same place, in a function that is inlined twice, say, is told once.
 */
export class Diagnostics {
  readonly all: Diagnostic[] = [];
  readonly #told = new Set<string>();

  add(diagnostic: Diagnostic): void {
    const { code, message, primary } = diagnostic;
    const place = primary === null ? "" : `${primary.span.file.path}:${primary.span.start}:${primary.span.end}`;
    const key = `${code} ${place} ${message}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.all.push(diagnostic);
  }

  get hasErrors(): boolean {
    return this.all.some((d) => d.severity === "error");
  }
}
