// The corpora as lists and streams of candidates, by size and seed: what the table's rows are made of.

import type { ProgramImage } from "../../src/bpf/image.ts";
import { type ImageLoader, MapError } from "../support/image-load.ts";
import { Random } from "../support/random.ts";
import type { Candidate, Corpus } from "./candidate.ts";
import { generate } from "./generate.ts";
import { generateCalls } from "./generate-calls.ts";
import { generateKfuncs } from "./generate-kfuncs.ts";
import { generateLimits } from "./generate-limits.ts";
import { generateNumbers, generatePaths } from "./generate-paths.ts";
import { mutate } from "./mutate.ts";

/** Programs to make mutants of: cheap ones are taken more often than those that cost the verifier much. */
export class MutantSource {
  readonly #cheap: Candidate[] = [];
  readonly #dear: Candidate[] = [];

  /** Asks the kernel what each of the `bases` costs. Only what it accepts and isn't very big is changed. */
  constructor(bases: readonly Candidate[], loader: ImageLoader) {
    for (const base of bases) {
      try {
        const { verdict, processed } = loader.judge(base.image);
        if (verdict === "accept" && processed !== null && processed < 30_000)
          (processed < 1500 ? this.#cheap : this.#dear).push(base);
      } catch (failure) {
        if (!(failure instanceof MapError)) throw failure;
      }
    }
  }

  /** How many programs there are to change. */
  get bases(): number {
    return this.#cheap.length + this.#dear.length;
  }

  /** Mutant number `index` of a seed, changed once or `changes` times; the same one every time. */
  mutant(seed: number, index: number, corpus: Corpus = "mutants", changes = 1): Candidate {
    const random = new Random(Math.imul(seed, 0x9e3779b1) + index);
    const pool = this.#dear.length > 0 && (this.#cheap.length === 0 || random.chance(4)) ? this.#dear : this.#cheap;
    const base = random.pick(pool);
    let image = base.image;
    const told: string[] = [];
    for (let change = 0; change < changes && image.code.length > 8; change++) {
      const mutant = mutate(image, random);
      image = mutant.image;
      told.push(mutant.what);
    }
    return { corpus, name: `mutant ${seed}/${index}: ${told.join(", ")} in ${base.name}`, image };
  }
}

/** Kinds of random programs, and of programs that call all there is to call; in turn. */
const GENERATORS = {
  "random programs": [
    generate,
    generateNumbers,
    generatePaths,
    generate,
    generateNumbers,
    generatePaths,
    generateLimits,
  ],
  "random calls": [generateCalls, generateKfuncs],
} as const;

/** Random program number `index` of a seed. */
export function randomProgram(corpus: keyof typeof GENERATORS, seed: number, index: number): Candidate {
  const makers = GENERATORS[corpus];
  const make = makers[index % makers.length]!;
  const image: ProgramImage = make(new Random(Math.imul(seed, 0x85ebca6b) + index));
  return { corpus, name: `${corpus} ${seed}/${index}`, image };
}
