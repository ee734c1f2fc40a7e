// How a run over a capture is told: verdicts with their shares, the table of rules, the way of one packet; for people or as one JSON
// object. Text only.

import type { RuleRow, Tally, Way } from "../testing/run-capture.ts";
import type { SentPacket } from "../testing/run-test.ts";
import { type Paint, packetLines } from "./test-output.ts";

/** A packet that was to be explained. */
export interface Explained {
  readonly sent: SentPacket;
  readonly way: Way | null;
  readonly timestampNs: bigint;
}

/** What a run gave. */
export interface RunReport {
  readonly file: string;
  readonly program: string;
  readonly tally: Tally;
  readonly rules: readonly RuleRow[];
  readonly explained: Explained | null;
  readonly milliseconds: number;
  /** What else is to be said: a capture that stops in the middle, packets that weren't run. */
  readonly notes: readonly string[];
}

const whole = (n: number): string => n.toLocaleString("en-US");

/** The report for people. */
export function runText(report: RunReport, paint: Paint): string {
  const { tally, rules, explained } = report;
  const seconds = report.milliseconds / 1000;
  const speed = seconds >= 1 ? ` (${whole(Math.round(tally.packets / seconds))} a second)` : "";
  const lines = [
    `${paint.strong(`${whole(tally.packets)} packet${tally.packets === 1 ? "" : "s"}`)}, ${whole(tally.bytes)} bytes, in ${seconds.toFixed(2)} s${speed}`,
  ];
  const verdicts = tally.rows();
  if (verdicts.length > 0) {
    lines.push("");
    const wide = Math.max(...verdicts.map((r) => r.what.length));
    const numbers = Math.max(...verdicts.map((r) => whole(r.packets).length));
    for (const { what, packets } of verdicts) {
      const share = ((100 * packets) / tally.packets).toFixed(1).padStart(5);
      lines.push(`  ${what.padEnd(wide)}  ${whole(packets).padStart(numbers)}  ${share} %`);
    }
  }
  if (rules.length > 0) lines.push("", ...ruleLines(rules, paint));
  if (explained !== null) lines.push("", ...explainedLines(explained, paint));
  for (const note of report.notes) lines.push("", `note: ${note}`);
  return `${lines.join("\n")}\n`;
}

/** Rules are shown with so many characters. */
const LONGEST = 64;

function ruleLines(rules: readonly RuleRow[], paint: Paint): readonly string[] {
  const withHeld = rules.some((r) => r.held !== null);
  const places = rules.map((r) => `${r.file}:${r.line}`);
  const texts = rules.map((r) => shortened(`${"  ".repeat(r.depth)}${r.text}`));
  const placeWidth = Math.max(...places.map((p) => p.length));
  const textWidth = Math.max("rule".length, ...texts.map((t) => t.length));
  const reached = rules.map((r) => whole(r.reached));
  const held = rules.map((r) => (r.held === null ? "" : whole(r.held)));
  const reachedWidth = Math.max("reached".length, ...reached.map((t) => t.length));
  const heldWidth = Math.max("held".length, ...held.map((t) => t.length));
  const head = `  ${"".padEnd(placeWidth)}  ${"rule".padEnd(textWidth)}  ${"reached".padStart(reachedWidth)}${withHeld ? `  ${"held".padStart(heldWidth)}` : ""}`;
  return [
    paint.dim(head),
    ...rules.map((r, i) => {
      const line =
        `${(texts[i] ?? "").padEnd(textWidth)}  ${(reached[i] ?? "").padStart(reachedWidth)}${withHeld ? `  ${(held[i] ?? "").padStart(heldWidth)}` : ""}`.trimEnd();
      return `  ${paint.dim((places[i] ?? "").padEnd(placeWidth))}  ${r.reached === 0 ? paint.dim(line) : line}`;
    }),
  ];
}

function shortened(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}

function explainedLines({ sent, way, timestampNs }: Explained, paint: Paint): readonly string[] {
  const path = way?.kind === "rules" ? way.steps : null;
  const lines = [...packetLines({ ...sent, path }, paint)];
  const when = timestampNs === 0n ? "" : `, ${timeText(timestampNs)}`;
  lines[0] = `${lines[0]}${when}`;
  if (way?.kind === "lines") {
    lines.push("", paint.strong(`its way: ${sent.fate}`));
    const places = way.lines.map((l) => `${l.file}:${l.line}`);
    const width = Math.max(0, ...places.map((p) => p.length));
    way.lines.forEach((l, i) => {
      lines.push(`  ${paint.dim((places[i] ?? "").padEnd(width))}  ${shortened(l.text.trim())}`);
    });
    if (way.lines.length === 0) lines.push("  the object doesn't say which lines its instructions come from");
  } else if (way === null) lines.push("", paint.strong(`it became: ${sent.fate}`));
  return lines;
}

function timeText(timestampNs: bigint): string {
  const date = new Date(Number(timestampNs / 1_000_000n));
  return `${date.toISOString().slice(0, 19)}.${String(timestampNs % 1_000_000_000n).padStart(9, "0")}Z`;
}

/** The report as one JSON object with `type` "run". */
export function runJson(report: RunReport): string {
  const { explained, tally } = report;
  const way = explained?.way ?? null;
  return `${JSON.stringify({
    type: "run",
    file: report.file,
    program: report.program,
    packets: tally.packets,
    bytes: tally.bytes,
    cut: tally.cut,
    verdicts: Object.fromEntries(tally.rows().map((r) => [r.what, r.packets])),
    rules: report.rules.map(({ file, line, text, reached, held }) => ({ file, line, text, reached, held })),
    explained:
      explained === null
        ? null
        : {
            packet: explained.sent.number,
            fate: explained.sent.fate,
            way:
              way === null
                ? null
                : way.kind === "lines"
                  ? way.lines.map(({ file, line, text }) => ({ file, line, text }))
                  : way.steps.map(({ span, took, facts, kind }) => ({
                      file: span.file.path,
                      line: span.file.positionAt(span.start).line,
                      kind,
                      took,
                      facts,
                    })),
          },
    notes: report.notes,
    ms: Math.round(report.milliseconds * 1000) / 1000,
  })}\n`;
}
