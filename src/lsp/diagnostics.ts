// Diagnostics for the editor: the compiler's own, with their further places, notes and help. What is wrong in an imported file is told
// there, and at the import that brings it in. Knows no connection; when to compute them is publish.ts's.

import {
  type ClientCapabilities,
  type Diagnostic,
  type DiagnosticRelatedInformation,
  DiagnosticSeverity,
  DiagnosticTag,
} from "vscode-languageserver-protocol";
import type * as base from "../base/diagnostic.ts";
import type { SourceFile } from "../base/source.ts";
import type * as ast from "../parser/ast.ts";
import { rangeOf } from "./ranges.ts";
import type { Analysed, Workspace } from "./workspace.ts";

const SEVERITIES: Readonly<Record<base.Severity, DiagnosticSeverity>> = {
  error: DiagnosticSeverity.Error,
  warning: DiagnosticSeverity.Warning,
  note: DiagnosticSeverity.Information,
};

/** "The file has no rules": whoever has just begun one needn't be told in red. */
const NO_RULES = "X0207";
/** Lints of what can go: shown faded. */
const UNNECESSARY: ReadonlySet<string> = new Set(["X0702", "X0708"]);
/** Faults of an imported file that are named at the import. */
const MOST_NAMED = 5;

/** What an editor gets for a document: its own diagnostics, and those of imports at the import. */
export function diagnosticsOf(
  document: Analysed,
  workspace: Workspace,
  deep: readonly base.Diagnostic[],
  client: ClientCapabilities,
): Diagnostic[] {
  const { source } = document;
  const found = [...diagnosticsIn(document, workspace), ...deep];
  const told = new Set<string>();
  const own: Diagnostic[] = [];
  const elsewhere = new Map<SourceFile, base.Diagnostic[]>();
  for (const diagnostic of found) {
    const { primary, code, message } = diagnostic;
    const key = `${code} ${primary?.span.file.path} ${primary?.span.start} ${message}`;
    if (told.has(key)) continue;
    told.add(key);
    if (primary === null || primary.span.file === source) own.push(toProtocol(diagnostic, source, workspace, client));
    else elsewhere.set(primary.span.file, [...(elsewhere.get(primary.span.file) ?? []), diagnostic]);
  }
  for (const [file, faults] of elsewhere) own.push(...atImport(document, file, faults, workspace, client));
  return own;
}

/** The diagnostics of the analysis that a document's belong to: those of what imports it where it has nothing but declarations. */
function diagnosticsIn(document: Analysed, workspace: Workspace): readonly base.Diagnostic[] {
  const { source, analysis } = document;
  if (!analysis.file.items.every(isDeclaration)) return analysis.diagnostics;
  const importers = workspace
    .analyses()
    .filter((other) => other.source !== source && other.analysis.followed.files.includes(source));
  // Declarations alone are there to be imported by somebody.
  if (importers.length === 0)
    return analysis.diagnostics.filter((d) => d.code !== NO_RULES || analysis.file.items.length === 0);
  return importers.flatMap((other) => other.analysis.diagnostics.filter((d) => d.primary?.span.file === source));
}

function isDeclaration(item: ast.Decl | ast.Stmt): boolean {
  return item.kind.endsWith("Decl") && item.kind !== "programDecl" && item.kind !== "testDecl";
}

/** One diagnostic as the protocol has it. `source` is where it goes when it has no place. */
export function toProtocol(
  diagnostic: base.Diagnostic,
  source: SourceFile,
  workspace: Workspace,
  client: ClientCapabilities,
): Diagnostic {
  const { code, severity, message, primary, secondary, notes, help } = diagnostic;
  const span = primary?.span ?? { file: source, start: 0, end: 0 };
  const lines = [
    message,
    ...(primary === null || primary.text === "" ? [] : [primary.text]),
    ...notes.map((note) => `note: ${note}`),
    ...(help === null ? [] : [`help: ${help}`]),
  ];
  const related = secondary.map(
    (label): DiagnosticRelatedInformation => ({
      location: { uri: workspace.uriOf(label.span.file), range: rangeOf(label.span) },
      message: label.text === "" ? "see here" : label.text,
    }),
  );
  const noRules = code === NO_RULES;
  const plain = primary !== null && primary.span.start === 0 && primary.span.end === primary.span.file.text.length;
  return {
    range: rangeOf(noRules && plain ? { ...span, end: span.start } : span),
    severity: noRules ? DiagnosticSeverity.Information : SEVERITIES[severity],
    code,
    source: "xdpc",
    message: lines.join("\n"),
    ...(UNNECESSARY.has(code) ? { tags: [DiagnosticTag.Unnecessary] } : {}),
    ...(related.length > 0 && client.textDocument?.publishDiagnostics?.relatedInformation !== false
      ? { relatedInformation: related }
      : {}),
  };
}

/** What is wrong in another file, told where this one names it. */
function atImport(
  document: Analysed,
  file: SourceFile,
  faults: readonly base.Diagnostic[],
  workspace: Workspace,
  client: ClientCapabilities,
): Diagnostic[] {
  const serious = faults.filter((d) => d.severity === "error");
  const [first] = serious;
  if (first === undefined) return [];
  const link = linkTo(document, file);
  const name = file.path.slice(file.path.lastIndexOf("/") + 1);
  const count = serious.length === 1 ? "a fault" : `${serious.length} faults`;
  const named = serious
    .slice(0, MOST_NAMED)
    .flatMap((d) => (d.primary === null ? [] : [{ ...d.primary, text: d.message }]));
  const told: base.Diagnostic = {
    code: first.code,
    severity: "error",
    message: `"${name}" has ${count}: ${first.message}`,
    primary: { span: link ?? { file: document.source, start: 0, end: 0 }, text: "" },
    secondary: named,
    notes: [],
    help: null,
    fix: null,
  };
  return [toProtocol(told, document.source, workspace, client)];
}

/** Where a document names a file, itself or by way of others. */
function linkTo(document: Analysed, file: SourceFile): base.Label["span"] | null {
  const { links } = document.analysis.followed;
  const seen = new Set<SourceFile>([file]);
  const open = [file];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const { span, source } of links) {
      if (source !== at) continue;
      if (span.file === document.source) return span;
      if (!seen.has(span.file)) {
        seen.add(span.file);
        open.push(span.file);
      }
    }
  }
  return null;
}
