// What the parser's tests share: seeds, trees without places, diagnostics as short texts.

import type { Parameters } from "fast-check";
import { SourceFile } from "../../src/base/source.ts";
import type { File } from "../../src/parser/ast.ts";
import { parse } from "../../src/parser/parse.ts";

/** Options for fast-check: FC_SEED and FC_RUNS override; a failure prints its seed. */
export function fcOptions(runs: number): Parameters<unknown> {
  const seed = process.env.FC_SEED;
  const count = process.env.FC_RUNS;
  return { numRuns: count === undefined ? runs : Number(count), ...(seed === undefined ? {} : { seed: Number(seed) }) };
}

/** A tree as plain data without places, for comparison. */
export function treeOf(file: File): unknown {
  return strip(file.items);
}

/** Any part of a tree as plain data without places. */
export function strip(value: unknown): unknown {
  if (typeof value === "bigint") return `${value}n`;
  if (Array.isArray(value)) return value.map(strip);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => key !== "span");
  // A name is its text.
  if (entries.length === 1 && entries[0]?.[0] === "text") return entries[0][1];
  return Object.fromEntries(entries.map(([key, inner]) => [key, strip(inner)]));
}

/** Parses `text` and gives its diagnostics as `line:column code message`. */
export function faultsOf(text: string): string[] {
  return parse(new SourceFile("test.xdp", text)).diagnostics.map((d) => {
    const place = d.primary?.span.file.positionAt(d.primary.span.start);
    return `${place?.line}:${place?.column} ${d.code} ${d.message}`;
  });
}

/** Parses `text`, which must be faultless, and gives its items as plain data. */
export function itemsOf(text: string): Record<string, unknown>[] {
  const faults = faultsOf(text);
  if (faults.length > 0) throw new Error(`${text}\n${faults.join("\n")}`);
  return treeOf(parse(new SourceFile("test.xdp", text)).file) as Record<string, unknown>[];
}
