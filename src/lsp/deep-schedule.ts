// When documents are compiled as a whole: some time after the last change, one after the other, the one that was changed last first. What is
// under way for a text that has changed since is ended. Knows no threads: whoever runs a job is given (stdio.ts starts a worker thread).

import { type DeepJob, type DeepResult, deepJob } from "./deep.ts";
import { keyOf } from "./uris.ts";
import type { Analysed, Workspace } from "./workspace.ts";

/** Runs jobs, one at a time. */
export interface DeepRunner {
  /** Runs a job and tells its result; null where that couldn't be had. What it gives back ends the job: then nothing is told. */
  run(job: DeepJob, done: (result: DeepResult | null) => void): () => void;
}

/** How long nothing must have changed, in milliseconds. */
const CALM_MILLISECONDS = 400;

/** The deep results of all open documents. */
export class DeepSchedule {
  readonly #workspace: Workspace;
  readonly #runner: DeepRunner;
  readonly #arrived: (document: Analysed, result: DeepResult | null) => void;
  readonly #results = new WeakMap<Analysed, DeepResult | "none">();
  #underWay: { readonly document: Analysed; readonly end: () => void } | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #last: string | null = null;

  /** `arrived` is told of every result. */
  constructor(
    workspace: Workspace,
    runner: DeepRunner,
    arrived: (document: Analysed, result: DeepResult | null) => void,
  ) {
    this.#workspace = workspace;
    this.#runner = runner;
    this.#arrived = arrived;
  }

  /** What a compilation of a document's present text gave; null where there is none yet. */
  resultOf(document: Analysed): DeepResult | null {
    const result = this.#results.get(document);
    return result === undefined || result === "none" ? null : result;
  }

  /** Some text has changed; `uri` is the document's. */
  changed(uri: string | null): void {
    this.#last = uri ?? this.#last;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#next();
    }, CALM_MILLISECONDS);
    const under = this.#underWay;
    if (under !== null && (uri === null || under.document.uri === uri || dependsOn(under.document, uri))) this.#end();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#end();
  }

  #end(): void {
    this.#underWay?.end();
    this.#underWay = null;
  }

  #next(): void {
    if (this.#underWay !== null) return;
    const document = this.#wanting();
    if (document === null) return;
    const end = this.#runner.run(deepJob(document), (result) => {
      if (this.#underWay?.document !== document) return;
      this.#underWay = null;
      this.#results.set(document, result ?? "none");
      this.#arrived(document, result);
      this.#next();
    });
    this.#underWay = { document, end };
  }

  /** The next document to be compiled: one without errors and without a result. */
  #wanting(): Analysed | null {
    const uris = this.#workspace.documents().map((document) => document.uri);
    const order = uris.filter((uri) => uri === this.#last).concat(uris.filter((uri) => uri !== this.#last));
    for (const uri of order) {
      const document = this.#workspace.analysed(uri);
      if (document === null || this.#results.has(document)) continue;
      const { module, diagnostics } = document.analysis;
      if (module !== null && !diagnostics.some((d) => d.severity === "error")) return document;
    }
    return null;
  }
}

function dependsOn({ reads }: Analysed, uri: string): boolean {
  return reads.some(({ tried }) => tried.some((one) => keyOf(one) === keyOf(uri)));
}
