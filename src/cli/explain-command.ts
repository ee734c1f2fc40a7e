// `xdpc explain CODE`: an entry of the explanations as text, or the list of all.

import { utf8 } from "../base/bytes.ts";
import { nearest } from "../base/suggest.ts";
import { explanationOf, explanations } from "../explain/entries.ts";
import type { Explanation, Program } from "../explain/explanation.ts";
import type { ExplainRequest } from "./command.ts";
import { CliFailure, EXIT } from "./failure.ts";
import type { System } from "./system.ts";

/** Prints the explanation and returns the exit code. Throws CliFailure for a code that doesn't exist. */
export function runExplain(request: ExplainRequest, system: System): number {
  system.write(1, utf8(request.code === null ? listText() : entryText(find(request.code))));
  return EXIT.fine;
}

function find(code: string): Explanation {
  const entry = explanationOf(code.replace(/^(?:error|warning|note)\[(.*)\]$/, "$1"));
  if (entry !== null) return entry;
  const guess = nearest(
    code,
    explanations.flatMap((e) => [e.code, e.slug]),
  );
  throw new CliFailure(
    `no diagnostic has the code or name "${code}"${guess === null ? "" : `; did you mean ${guess}?`} (xdpc explain lists all)`,
  );
}

function listText(): string {
  const width = Math.max(0, ...explanations.map((e) => e.slug.length));
  return explanations.map((e) => `${e.code}  ${e.slug.padEnd(width)}  ${e.title}\n`).join("");
}

function entryText(entry: Explanation): string {
  const parts = [`${entry.severity}[${entry.code}] ${entry.slug}: ${entry.title}`, wrap(entry.text, 80)];
  if (entry.wrong !== null) parts.push("This has it:", programText(entry.wrong));
  if (entry.right !== null) parts.push("This doesn't:", programText(entry.right));
  if (entry.severity === "warning") {
    parts.push(`Switch it off with -Wno-${entry.slug}, or make it an error with -Werror=${entry.slug}.`);
  }
  if (entry.severity === "note") parts.push(`Switch it off with -Wno-${entry.slug}.`);
  return `${parts.join("\n\n")}\n`;
}

function programText(program: Program): string {
  const texts = [indent(program.text)];
  for (const [path, text] of Object.entries(program.files ?? {})) texts.push(`with ${path}:`, indent(text));
  if (program.options !== undefined) texts.push(`compiled with ${program.options.join(" ")}`);
  return texts.join("\n\n");
}

function indent(text: string): string {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => (line === "" ? "" : `    ${shorten(line)}`))
    .join("\n");
}

// A program that has a fault of size is no pleasure to read whole.
function shorten(line: string): string {
  return line.length > 140 ? `${line.slice(0, 100)}\u2026` : line;
}

/** `text` with its paragraphs (parted by empty lines) wrapped to lines of at most `width` characters where words allow it. */
export function wrap(text: string, width: number): string {
  return text
    .split(/\n\s*\n/)
    .map((paragraph) => {
      const lines: string[] = [];
      let line = "";
      for (const word of paragraph.split(/\s+/).filter((w) => w !== "")) {
        if (line !== "" && line.length + 1 + word.length > width) {
          lines.push(line);
          line = word;
        } else {
          line = line === "" ? word : `${line} ${word}`;
        }
      }
      lines.push(line);
      return lines.join("\n");
    })
    .join("\n\n");
}
