// `-W`: which warnings are shown, and which count as errors. A warning is named by its code or by its name in the table of
// explanations. Choices apply in their order, the last one about a warning wins. Notes can be switched off, and are never errors.

import type { Diagnostic, Severity } from "../base/diagnostic.ts";
import { nearest } from "../base/suggest.ts";
import { explanations } from "../explain/entries.ts";
import { CliFailure } from "./failure.ts";

/** What is to become of a warning. */
export type WarningLevel = "off" | "on" | "error";

/** One `-W`; `code` null: all warnings. */
export interface WarningChoice {
  readonly code: string | null;
  readonly level: WarningLevel;
}

/** Reads the word behind `-W`: `NAME`, `no-NAME`, `error`, `no-error`, `error=NAME`. Throws CliFailure for a name nobody gave. */
export function parseWarningChoice(word: string): WarningChoice {
  if (word === "error") return { code: null, level: "error" };
  if (word === "no-error") return { code: null, level: "on" };
  if (word.startsWith("error=")) return { code: codeOf(word.slice("error=".length), ["warning"]), level: "error" };
  if (word.startsWith("no-")) return { code: codeOf(word.slice("no-".length)), level: "off" };
  return { code: codeOf(word), level: "on" };
}

function codeOf(name: string, switched: readonly Severity[] = ["warning", "note"]): string {
  const entry = explanations.find((e) => e.slug === name || e.code === name.toUpperCase());
  if (entry !== undefined && switched.includes(entry.severity)) return entry.code;
  if (entry?.severity === "note") throw new CliFailure(`-Werror=${name}: ${entry.code} is a note and no fault`);
  if (entry !== undefined) throw new CliFailure(`-W${name}: ${entry.code} is an error and can't be switched`);
  const guess = nearest(
    name,
    explanations.filter((e) => switched.includes(e.severity)).map((e) => e.slug),
  );
  throw new CliFailure(`no warning is named "${name}"${guess === null ? "" : `; did you mean ${guess}?`}`);
}

/** The diagnostics with the choices applied: warnings and notes switched off are gone, other warnings have become errors. */
export function applyWarningChoices(
  diagnostics: readonly Diagnostic[],
  choices: readonly WarningChoice[],
): readonly Diagnostic[] {
  return diagnostics.flatMap((diagnostic) => {
    if (diagnostic.severity === "error") return [diagnostic];
    const level = levelOf(diagnostic.code, choices);
    if (level === "off") return [];
    return level === "error" && diagnostic.severity === "warning"
      ? [{ ...diagnostic, severity: "error" as const }]
      : [diagnostic];
  });
}

// "All are errors" doesn't bring back what was switched off, in whichever order they were said.
function levelOf(code: string, choices: readonly WarningChoice[]): WarningLevel {
  let own: WarningLevel | null = null;
  let all: WarningLevel = "on";
  for (const choice of choices) {
    if (choice.code === null) all = choice.level;
    else if (choice.code === code) own = choice.level;
  }
  if (own === "off" || own === "error") return own;
  return all;
}

/** The diagnostics without what is said of the devices an object goes to: who only runs the rules has none. */
export function withoutDevices(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return diagnostics.filter((diagnostic) => diagnostic.code !== VETH_PEER);
}

const VETH_PEER = "X0707";
