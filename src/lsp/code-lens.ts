// Code lenses: above each program what it costs, above each test how it ended. From what a whole compilation said (deep.ts); while that is
// under way there are none. A lens only tells: it has no command.

import type { CodeLens } from "vscode-languageserver-protocol";
import type { Span } from "../base/source.ts";
import type * as ast from "../parser/ast.ts";
import type { DeepProgram, DeepResult, DeepTest } from "./deep.ts";
import { rangeOf } from "./ranges.ts";

/** The lenses of a file. */
export function codeLenses(file: ast.File, deep: DeepResult | null): CodeLens[] {
  if (deep === null) return [];
  const programs = deep.programs.flatMap((program) => {
    const place = placeOf(file, program.name);
    return place === null ? [] : [lens(place, costOf(program))];
  });
  const tests = file.items
    .filter((item) => item.kind === "testDecl")
    .flatMap((test) => {
      const result = deep.tests.find((t) => t.title === test.title.value);
      return result === undefined ? [] : [lens(test.title.span, outcomeOf(result))];
    });
  return [...programs, ...tests];
}

/** Where a program begins: its name, or the first rule of a file without program blocks. */
function placeOf(file: ast.File, name: string): Span | null {
  const blocks = file.items.filter((item) => item.kind === "programDecl");
  if (blocks.length > 0) return blocks.find((block) => block.name.text === name)?.name.span ?? null;
  return file.items.find((item) => !item.kind.endsWith("Decl"))?.span ?? null;
}

function lens(span: Span, title: string): CodeLens {
  const range = rangeOf(span);
  return { range: { start: range.start, end: range.start }, command: { title, command: "" } };
}

function costOf(program: DeepProgram): string {
  const { instructions, stackBytes, processed, minimumKernel } = program;
  return [
    amount(instructions, "instruction"),
    `${amount(stackBytes, "byte")} of stack`,
    ...(processed === null ? [] : [`${processed.toLocaleString("en-US")} verifier steps`]),
    `Linux ${minimumKernel}`,
  ].join(" · ");
}

function amount(count: number, what: string): string {
  return `${count.toLocaleString("en-US")} ${what}${count === 1 ? "" : "s"}`;
}

function outcomeOf({ failure }: DeepTest): string {
  if (failure === null) return "passed";
  const [first = ""] = failure.message.split("\n");
  return `failed: ${first}`;
}
