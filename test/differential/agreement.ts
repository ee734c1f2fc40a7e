// Asks the kernel and the checker about the same programs and keeps what they disagree on. Knows neither where programs come
// from nor how the checker works: that is a function from an image to an opinion.

import type { ProgramImage } from "../../src/bpf/image.ts";
import { type ImageLoader, type KernelVerdict, MapError } from "../support/image-load.ts";
import { type Candidate, type Corpus, corpora } from "./candidate.ts";

/** What the checker says of a program. */
export interface Opinion {
  /** `crash` when it threw: always a fault of its own. */
  readonly verdict: "accept" | "reject" | "unknown" | "crash";
  /** Why, for everything but accept; without numbers where possible. */
  readonly why: string;
  /** The instruction at fault, where there is one. */
  readonly slot: number | null;
  readonly processed: number;
  readonly milliseconds: number;
}

/** The checker as the proof sees it. */
export type Judge = (image: ProgramImage) => Opinion;

/** How the two may relate. */
export type Relation = "agree" | "falseAccept" | "falseReject" | "unknown" | "crash";

/** One program both were asked about. */
export interface Comparison {
  readonly candidate: Candidate;
  readonly kernel: KernelVerdict;
  readonly opinion: Opinion;
  readonly relation: Relation;
}

/** How verdict and opinion relate. */
export function relate(kernel: KernelVerdict, opinion: Opinion): Relation {
  if (opinion.verdict === "crash") return "crash";
  if (opinion.verdict === "unknown") return "unknown";
  if (opinion.verdict === kernel.verdict) return "agree";
  return opinion.verdict === "accept" ? "falseAccept" : "falseReject";
}

/** A message with its numbers taken out, so that those with one cause are equal. */
export function withoutNumbers(message: string): string {
  return message.replace(/0x[0-9a-f]+|-?\d+/g, "N").slice(0, 160);
}

/** What a disagreement is about: the kernel's reason when it refused, ours when we did. */
export function causeOf({ kernel, opinion, relation }: Comparison): string {
  const reason = kernel.reason === "" ? `errno ${kernel.errno}` : kernel.reason;
  switch (relation) {
    case "agree":
      return "";
    case "falseAccept":
      return withoutNumbers(reason);
    case "falseReject":
      return withoutNumbers(opinion.why);
    case "unknown":
    case "crash":
      return `${withoutNumbers(opinion.why)} (kernel: ${kernel.verdict})`;
  }
}

/** Asks both; null when the kernel can't make the program's maps and so has no verdict. */
export function compare(candidate: Candidate, judge: Judge, loader: ImageLoader): Comparison | null {
  let kernel: KernelVerdict;
  try {
    kernel = loader.judge(candidate.image);
  } catch (failure) {
    if (failure instanceof MapError) return null;
    throw failure;
  }
  const opinion = judge(candidate.image);
  return { candidate, kernel, opinion, relation: relate(kernel, opinion) };
}

/** A row of the table. */
export interface Row {
  readonly corpus: Corpus;
  readonly total: number;
  /** Programs the kernel accepts. */
  readonly accepted: number;
  readonly agree: number;
  readonly falseAccept: number;
  readonly falseReject: number;
  readonly unknown: number;
  readonly crash: number;
  /** Our count of processed instructions by the kernel's, over programs both accept: median and worst (furthest from 1 up). */
  readonly processedMedian: number | null;
  readonly processedWorst: number | null;
  /** Our time by the verifier's, over all programs both accept, in sum. */
  readonly timeRatio: number | null;
}

/** The share of programs both are of one mind about, 0 to 1; unknown counts against it. */
export function agreementOf(row: Row): number {
  return row.total === 0 ? 1 : row.agree / row.total;
}

/** Counts comparisons by corpus. */
export class Agreement {
  readonly #counts = new Map<Corpus, Record<Relation, number> & { accepted: number; unlabelled: number }>();
  readonly #ratios = new Map<Corpus, number[]>();
  readonly #times = new Map<Corpus, { ours: number; kernel: number }>();
  readonly disagreements: Comparison[] = [];

  #of(corpus: Corpus): Record<Relation, number> & { accepted: number; unlabelled: number } {
    const known = this.#counts.get(corpus);
    if (known !== undefined) return known;
    const fresh = { agree: 0, falseAccept: 0, falseReject: 0, unknown: 0, crash: 0, accepted: 0, unlabelled: 0 };
    this.#counts.set(corpus, fresh);
    return fresh;
  }

  /** Adds one; `null` counts as a program without a label. */
  add(corpus: Corpus, comparison: Comparison | null): void {
    const counts = this.#of(corpus);
    if (comparison === null) {
      counts.unlabelled++;
      return;
    }
    const { kernel, opinion, relation } = comparison;
    counts[relation]++;
    if (kernel.verdict === "accept") counts.accepted++;
    if (relation !== "agree") {
      this.disagreements.push(comparison);
      return;
    }
    if (kernel.verdict !== "accept" || kernel.processed === null) return;
    const ratios = this.#ratios.get(corpus) ?? [];
    ratios.push(opinion.processed / Math.max(1, kernel.processed));
    this.#ratios.set(corpus, ratios);
    const times = this.#times.get(corpus) ?? { ours: 0, kernel: 0 };
    times.ours += opinion.milliseconds;
    times.kernel += (kernel.verificationMicroseconds ?? 0) / 1000;
    this.#times.set(corpus, times);
  }

  /** Programs that the kernel was not asked about. */
  unlabelled(corpus: Corpus): number {
    return this.#counts.get(corpus)?.unlabelled ?? 0;
  }

  /** One row for each corpus that has programs. */
  rows(): Row[] {
    return corpora.flatMap((corpus) => {
      const counts = this.#counts.get(corpus);
      if (counts === undefined) return [];
      const { unlabelled: _, ...rest } = counts;
      const ratios = (this.#ratios.get(corpus) ?? []).sort((a, b) => a - b);
      const times = this.#times.get(corpus);
      return [
        {
          corpus,
          total: rest.agree + rest.falseAccept + rest.falseReject + rest.unknown + rest.crash,
          ...rest,
          processedMedian: ratios[ratios.length >> 1] ?? null,
          processedWorst: worst(ratios),
          timeRatio: times === undefined || times.kernel === 0 ? null : times.ours / times.kernel,
        },
      ];
    });
  }
}

/** The ratio furthest from 1, up or down. */
function worst(sorted: readonly number[]): number | null {
  const low = sorted[0];
  const high = sorted.at(-1);
  if (low === undefined || high === undefined) return null;
  return high >= 1 / low ? high : low;
}

/** The table as Markdown. */
export function tableOf(rows: readonly Row[]): string {
  const head =
    "| corpus | programs | kernel accepts | agree | false accepts | false rejects | unknown | processed, ours / kernel: median (worst) | time, ours / kernel |";
  const line = `|${" --- |".repeat(head.split("|").length - 2)}`;
  const ratio = (value: number | null): string => (value === null ? "–" : value.toFixed(2));
  const body = rows.map((row) => {
    const percent = `${(Math.floor(agreementOf(row) * 10_000) / 100).toFixed(2)} %`;
    const crash = row.crash === 0 ? "" : ` (+ ${row.crash} crashes)`;
    const cells = [
      row.corpus,
      row.total,
      row.accepted,
      percent,
      row.falseAccept,
      row.falseReject,
      `${row.unknown}${crash}`,
      `${ratio(row.processedMedian)} (${ratio(row.processedWorst)})`,
      ratio(row.timeRatio),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [head, line, ...body].join("\n");
}
