// How results of tests are told: for people, as TAP, as JUnit's XML. Text only; what happened is src/testing's, where it goes is the
// command's.
// Source: testanything.org, TAP 14; the JUnit schema as Jenkins and GitLab read it.

import type { Span } from "../base/source.ts";
import { textOf } from "../base/source.ts";
import type { PathStep } from "../testing/rule-path.ts";
import type { SentPacket, TestFailure, TestResult } from "../testing/run-test.ts";
import { showPacket } from "../testing/show-packet.ts";

/** A test's result with what the command knows beside it. */
export interface ToldResult extends TestResult {
  readonly milliseconds: number;
  /** What the kernel did otherwise than the machine; empty when it agreed or wasn't asked. */
  readonly kernel: readonly string[];
  /** Why the kernel wasn't asked though it was to be; null when it was, or wasn't to be. */
  readonly notInKernel: string | null;
}

/** The results of one file. */
export interface ToldFile {
  readonly path: string;
  readonly results: readonly ToldResult[];
}

/** Colours of a terminal, or none. */
export interface Paint {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly strong: (text: string) => string;
}

/** The escapes of ANSI terminals, or plain text. */
export function paintOf(color: boolean): Paint {
  const of = (code: number) => (text: string) => (color ? `\x1b[${code}m${text}\x1b[0m` : text);
  return { good: of(32), bad: of(31), dim: of(2), strong: of(1) };
}

/** True when a test has nothing against it. */
export function passed(result: ToldResult): boolean {
  return result.failure === null && result.kernel.length === 0;
}

// ---------------------------------------------------------------------------------------------------------- for people

/** One file's results for people; failures in full below the list. */
export function prettyFile(file: ToldFile, paint: Paint, verbose: boolean): string {
  const lines = [paint.strong(file.path)];
  for (const result of file.results) {
    const mark = passed(result) ? paint.good("✓") : paint.bad("✗");
    const time = verbose ? paint.dim(` ${timeText(result.milliseconds)}`) : "";
    const note = verbose && result.notInKernel !== null ? paint.dim(`  not in the kernel: ${result.notInKernel}`) : "";
    lines.push(`  ${mark} ${result.test.title}${time}${note}`);
  }
  for (const result of file.results) {
    if (!passed(result)) lines.push("", ...failureLines(result, paint));
  }
  return `${lines.join("\n")}\n`;
}

/** The line below all files. */
export function prettySummary(files: readonly ToldFile[], paint: Paint, milliseconds: number | null): string {
  const all = files.flatMap((f) => f.results);
  const bad = all.filter((r) => !passed(r)).length;
  const good = all.length - bad;
  const parts = [bad > 0 ? paint.bad(`${bad} failed`) : null, good > 0 ? paint.good(`${good} passed`) : null];
  const skipped = all.filter((r) => r.notInKernel !== null).length;
  if (skipped > 0) parts.push(paint.dim(`${skipped} not run in the kernel`));
  const time = milliseconds === null ? "" : paint.dim(` in ${timeText(milliseconds)}`);
  return `${parts.filter((p) => p !== null).join(", ")}${time}\n`;
}

function timeText(milliseconds: number): string {
  return milliseconds < 1000 ? `${milliseconds.toFixed(1)} ms` : `${(milliseconds / 1000).toFixed(2)} s`;
}

/** A failed test: the expectation, what was, the packet, its way. */
export function failureLines(result: ToldResult, paint: Paint): readonly string[] {
  const lines = [`${paint.bad("✗")} ${paint.strong(result.test.title)}`];
  const { failure } = result;
  if (failure !== null) lines.push(...expectationLines(failure, paint).map((l) => (l === "" ? "" : `  ${l}`)));
  if (result.kernel.length > 0) {
    lines.push(`  ${paint.strong("the kernel disagrees with the machine")}`);
    lines.push(...result.kernel.map((l) => `    ${l}`));
  }
  return lines;
}

function expectationLines(failure: TestFailure, paint: Paint): readonly string[] {
  const { span, message, details, sent } = failure;
  const { line, column } = span.file.positionAt(span.start);
  const number = `${line}`;
  const lines = [
    `${span.file.path}:${line}:${column}: ${message}`,
    "",
    `  ${paint.dim(`${number} |`)} ${span.file.lineText(line).trim()}`,
    ...details.map((d) => `  ${" ".repeat(number.length)} ${paint.dim("=")} ${d}`),
  ];
  if (sent !== null) lines.push("", ...packetLines(sent, paint));
  return lines;
}

/** A packet before and after, and its way. */
export function packetLines(sent: SentPacket, paint: Paint): readonly string[] {
  const { before, after, path, wanted } = sent;
  const lines = [`${paint.strong(`packet ${sent.number}`)}, ${before.bytes.length} bytes`];
  lines.push(...showPacket(before).map((l) => `  ${l}`));
  const changed = after !== null && !sameBytes(before.bytes, after.bytes);
  if (changed)
    lines.push(`${paint.strong("as it left")}, ${after.bytes.length} bytes`, ...showPacket(after).map((l) => `  ${l}`));
  if (path === null) return lines;
  lines.push("", paint.strong(`its way: ${sent.fate}`), ...pathLines(path, paint));
  if (wanted.length > 0) {
    const reached = new Set(path.map((s) => `${s.span.file.path}:${s.span.start}`));
    lines.push(paint.strong("rules that would have done it"));
    for (const place of wanted) {
      const state = reached.has(`${place.file.path}:${place.start}`) ? "" : paint.dim("   it didn't come that far");
      lines.push(`  ${paint.dim(placeText(place))}  ${lineOf(place)}${state}`);
    }
  }
  return lines;
}

/** The statements a packet reached, each with what it decided and why. */
export function pathLines(path: readonly PathStep[], paint: Paint): readonly string[] {
  if (path.length === 0) return ["  it reached no rule"];
  const places = path.map((s) => placeText(s.span));
  const texts = path.map((s) => "  ".repeat(s.depth) + lineOf(s.span));
  const placeWidth = Math.max(...places.map((p) => p.length));
  const textWidth = Math.max(...texts.map((t) => t.length));
  const lines = path.map((step, i) => {
    const took = step.took === null ? "" : step.took === "arm" && step.arm !== null ? lineOf(step.arm) : step.took;
    const colored = step.took === "yes" ? paint.good("yes") : took;
    const pad =
      took === "" && step.facts.length === 0 ? "" : " ".repeat(Math.max(0, textWidth - (texts[i] ?? "").length));
    const facts = step.facts.length === 0 ? "" : paint.dim(`   ${step.facts.join(", ")}`);
    const place = paint.dim((places[i] ?? "").padEnd(placeWidth));
    return `  ${place}  ${texts[i]}${pad}${took === "" ? "" : `  ${colored}`}${facts}`.trimEnd();
  });
  if (!ENDS.has(path.at(-1)?.kind ?? ""))
    lines.push(`  ${" ".repeat(placeWidth)}  ${paint.dim("(the rules end here)")}`);
  return lines;
}

/** Statements behind which nothing comes. */
const ENDS: ReadonlySet<string> = new Set(["verdict", "redirect", "redirectDevice", "flood", "tail"]);

function placeText(span: Span): string {
  const { line } = span.file.positionAt(span.start);
  return `${span.file.path}:${line}`;
}

/** A rule is shown with so many characters. */
const LONGEST_RULE = 56;

/** The first line of what a span covers, cut to what a line shows. */
export function lineOf(span: Span): string {
  const [first = ""] = textOf(span).split("\n");
  const text = first.trim().replace(/\s*\{$/, " { …");
  return text.length > LONGEST_RULE ? `${text.slice(0, LONGEST_RULE - 1)}…` : text;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

// ---------------------------------------------------------------------------------------------------------- for programs

/** All results as JSON, one object a line: `type` "test". */
export function jsonText(files: readonly ToldFile[]): string {
  const plain = paintOf(false);
  const all = files.flatMap((file) => file.results.map((result) => ({ file, result })));
  const lines = all.map(({ file, result }) => {
    const place = result.failure?.span ?? result.test.span;
    const { line, column } = place.file.positionAt(place.start);
    return JSON.stringify({
      type: "test",
      file: file.path,
      title: result.test.title,
      program: result.test.program,
      passed: passed(result),
      message: passed(result) ? null : messageOf(result),
      line,
      column,
      text: passed(result) ? null : failureLines(result, plain).join("\n"),
      packets: result.packets,
      ms: result.milliseconds,
      kernel: result.kernel,
      notInKernel: result.notInKernel,
    });
  });
  return lines.map((line) => `${line}\n`).join("");
}

/** All results as TAP. */
export function tapText(files: readonly ToldFile[]): string {
  const plain = paintOf(false);
  const all = files.flatMap((file) => file.results.map((result) => ({ file, result })));
  const lines = ["TAP version 14", `1..${all.length}`];
  all.forEach(({ file, result }, i) => {
    const name = `${file.path}: ${result.test.title}`.replace(/[\\#]/g, (sign) => `\\${sign}`).replace(/\n/g, " ");
    lines.push(`${passed(result) ? "ok" : "not ok"} ${i + 1} - ${name}`);
    if (passed(result)) return;
    lines.push("  ---", `  message: ${JSON.stringify(messageOf(result))}`);
    const place = result.failure?.span ?? result.test.span;
    const { line, column } = place.file.positionAt(place.start);
    lines.push(`  at: ${JSON.stringify(`${place.file.path}:${line}:${column}`)}`, "  details: |");
    lines.push(...failureLines(result, plain).map((l) => (l === "" ? "" : `    ${l}`)), "  ...");
  });
  return `${lines.join("\n")}\n`;
}

/** All results as JUnit's XML. */
export function junitText(files: readonly ToldFile[]): string {
  const plain = paintOf(false);
  const total = files.flatMap((f) => f.results);
  const seconds = (results: readonly ToldResult[]): string =>
    (results.reduce((sum, r) => sum + r.milliseconds, 0) / 1000).toFixed(3);
  const failures = (results: readonly ToldResult[]): number => results.filter((r) => !passed(r)).length;
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites tests="${total.length}" failures="${failures(total)}" time="${seconds(total)}">`,
  ];
  for (const { path, results } of files) {
    lines.push(
      `  <testsuite name="${xml(path)}" tests="${results.length}" failures="${failures(results)}" errors="0" time="${seconds(results)}">`,
    );
    for (const result of results) {
      const { line } = result.test.span.file.positionAt(result.test.span.start);
      const open = `    <testcase classname="${xml(path)}" name="${xml(result.test.title)}" file="${xml(path)}" line="${line}" time="${seconds([result])}"`;
      if (passed(result)) lines.push(`${open}/>`);
      else {
        lines.push(
          `${open}>`,
          `      <failure message="${xml(messageOf(result))}">${xml(failureLines(result, plain).join("\n"))}</failure>`,
        );
        lines.push("    </testcase>");
      }
    }
    lines.push("  </testsuite>");
  }
  lines.push("</testsuites>");
  return `${lines.join("\n")}\n`;
}

function messageOf(result: ToldResult): string {
  return result.failure?.message ?? `the kernel disagrees: ${result.kernel[0] ?? ""}`;
}

/** XML 1.0 has no way to write most control characters at all. */
function xml(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what has to go
  const legal = text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd");
  return legal.replace(/[<>&"\n\t\r]/g, (c) =>
    c === "\n" ? "&#10;" : c === "\t" ? "&#9;" : c === "\r" ? "&#13;" : (ENTITIES[c] ?? c),
  );
}

const ENTITIES: Readonly<Record<string, string>> = { "<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;" };
