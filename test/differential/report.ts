// Keeps disagreements for those who mend them: each as a file that can be judged again, and one page with the causes, most frequent
// first, each with its smallest program, what the kernel said of it and what we said.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { disassemble } from "../../src/bpf/disasm.ts";
import type { ProgramImage } from "../../src/bpf/image.ts";
import { type ImageLoader, LOG_LEVEL, MapError } from "../support/image-load.ts";
import { type Comparison, causeOf, compare, type Judge, type Relation } from "./agreement.ts";
import type { Candidate } from "./candidate.ts";
import { minimise } from "./minimise.ts";

/** An image as text. */
export function imageToJson(image: ProgramImage): string {
  return JSON.stringify(image, function (this: Record<string, unknown>, name, value: unknown) {
    // A Buffer has turned itself into a list by now, so ask who holds it.
    const held = this[name];
    return held instanceof Uint8Array ? { hex: Buffer.from(held).toString("hex") } : value;
  });
}

/** The image a text stands for. */
export function imageFromJson(text: string): ProgramImage {
  return JSON.parse(text, (_, value: unknown) =>
    typeof value === "object" && value !== null && "hex" in value && typeof value.hex === "string"
      ? new Uint8Array(Buffer.from(value.hex, "hex"))
      : value,
  ) as ProgramImage;
}

/** Disagreements of one cause. */
export interface Cluster {
  readonly relation: Relation;
  readonly cause: string;
  readonly comparisons: readonly Comparison[];
}

const ORDER: readonly Relation[] = ["crash", "falseAccept", "falseReject", "unknown", "agree"];

/** Disagreements by cause: crashes and false accepts first, most frequent first. */
export function clusters(disagreements: readonly Comparison[]): Cluster[] {
  const groups = new Map<string, { relation: Relation; cause: string; comparisons: Comparison[] }>();
  for (const comparison of disagreements) {
    const cause = causeOf(comparison);
    const key = `${comparison.relation} ${cause}`;
    const group = groups.get(key) ?? { relation: comparison.relation, cause, comparisons: [] };
    group.comparisons.push(comparison);
    groups.set(key, group);
  }
  return [...groups.values()].sort(
    (a, b) => ORDER.indexOf(a.relation) - ORDER.indexOf(b.relation) || b.comparisons.length - a.comparisons.length,
  );
}

const WORDS: Readonly<Record<Relation, string>> = {
  crash: "Crash",
  falseAccept: "False accept",
  falseReject: "False reject",
  unknown: "Unknown",
  agree: "Agreement",
};

function tail(log: string, lines: number): string {
  const kept = log.split("\n").filter((line) => line !== "");
  return kept.slice(-lines).join("\n");
}

function listing(image: ProgramImage): string {
  const functions = image.functions.map(({ startSlot, name }) => ({ slot: startSlot, name }));
  return disassemble({ bytes: image.code, functions }).text.trimEnd();
}

function mapsOf(image: ProgramImage): string {
  return image.maps
    .map((map, index) => {
      const fields = map.fields.map(({ kind, offsetBytes }) => ` ${kind}@${offsetBytes}`).join("");
      const flags = `${map.flags === 0 ? "" : ` flags 0x${map.flags.toString(16)}`}${map.frozen ? " frozen" : ""}`;
      return `${index}: type ${map.type} key ${map.keyBytes} value ${map.valueBytes} entries ${map.maxEntries}${flags}${fields}`;
    })
    .join("\n");
}

/** How much a report may do. */
export interface ReportLimits {
  /** Causes told in full. */
  readonly causes: number;
  /** Milliseconds for making one program small. */
  readonly perCause: number;
  /** Disagreements kept as files for each cause. */
  readonly filesPerCause: number;
}

/** Writes the files and gives the page's text. */
export function report(
  disagreements: readonly Comparison[],
  tools: {
    readonly judge: Judge;
    readonly loader: ImageLoader;
    readonly folder: string;
    readonly limits: ReportLimits;
  },
): string {
  const { judge, loader, folder, limits } = tools;
  const parts: string[] = [];
  const all = clusters(disagreements);
  const summary = all.map(
    ({ relation, cause, comparisons }) => `- ${WORDS[relation]} × ${comparisons.length}: ${cause}`,
  );
  for (const [index, cluster] of all.slice(0, limits.causes).entries()) {
    const { relation, cause, comparisons } = cluster;
    const slug = `${relation}-${cause.replace(/[^A-Za-z0-9]+/g, "-").slice(0, 60)}`;
    const home = join(folder, slug);
    mkdirSync(home, { recursive: true });
    const bySize = comparisons.slice().sort((a, b) => a.candidate.image.code.length - b.candidate.image.code.length);
    const sample = bySize[0]!;
    const again = (image: ProgramImage): Comparison | null => {
      try {
        return compare({ ...sample.candidate, image }, judge, loader);
      } catch {
        return null;
      }
    };
    const same = (image: ProgramImage): boolean => {
      const now = again(image);
      return now !== null && now.relation === relation && causeOf(now) === cause;
    };
    const small = minimise(sample.candidate.image, same, limits.perCause);
    const now = again(small) ?? sample;
    const log = logOf(loader, small);
    for (const [number, comparison] of bySize.slice(0, limits.filesPerCause).entries())
      writeFileSync(join(home, `${number}.json`), imageToJson(comparison.candidate.image));
    writeFileSync(join(home, "small.json"), imageToJson(small));
    const names = comparisons.slice(0, 3).map(({ candidate }) => `  - ${candidate.name}`);
    parts.push(
      [
        `## ${index + 1}. ${WORDS[relation]} × ${comparisons.length}: ${cause}`,
        "",
        `ours: ${now.opinion.verdict}${now.opinion.why === "" ? "" : `: ${now.opinion.why}`}${now.opinion.slot === null ? "" : ` (slot ${now.opinion.slot})`}, processed ${now.opinion.processed}; kernel: ${now.kernel.verdict} ${now.kernel.reason}, processed ${now.kernel.processed}`,
        `file: ${join(home, "small.json")}; seen in`,
        ...names,
        "",
        "```",
        listing(small),
        "```",
        "",
        ...(small.maps.length === 0 ? [] : ["maps:", "", "```", mapsOf(small), "```", ""]),
        "kernel's log, its end:",
        "",
        "```",
        tail(log, 14),
        "```",
        "",
      ].join("\n"),
    );
  }
  return [`${disagreements.length} disagreements of ${all.length} causes`, "", ...summary, "", ...parts].join("\n");
}

function logOf(loader: ImageLoader, image: ProgramImage): string {
  try {
    return loader.judge(image, LOG_LEVEL.everything).log;
  } catch (failure) {
    if (failure instanceof MapError) return failure.message;
    throw failure;
  }
}

/** A candidate made of a file that `report` wrote. */
export function savedCandidate(name: string, text: string): Candidate {
  return { corpus: "mutants", name, image: imageFromJson(text) };
}
