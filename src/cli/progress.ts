// A line on a terminal that says how far something long has come. Nothing is shown before a second has gone by, and nothing is left.

import { utf8 } from "../base/bytes.ts";
import type { System } from "./system.ts";

const FIRST_MS = 1000;
const STEP_MS = 100;
const BAR_COLUMNS = 30;

/** Shows how far a work has come; on what is no terminal it shows nothing. */
export class Progress {
  readonly #system: System;
  readonly #shows: boolean;
  readonly #start = performance.now();
  #next = FIRST_MS;
  #drawn = false;

  constructor(system: System, wanted: boolean) {
    this.#system = system;
    this.#shows = wanted && system.isTerminal(2);
  }

  /** `part` of the work is done, 0 to 1, or null where its size isn't known; `text` says it in words. */
  at(part: number | null, text: () => string): void {
    if (!this.#shows) return;
    const elapsed = performance.now() - this.#start;
    if (elapsed < this.#next) return;
    this.#next = elapsed + STEP_MS;
    this.#drawn = true;
    this.#write(`\r\x1b[K${part === null ? "" : `${bar(part)} ${Math.floor(part * 100)} %  `}${text()}`);
  }

  /** Takes the line away. */
  end(): void {
    if (this.#drawn) this.#write("\r\x1b[K");
    this.#drawn = false;
  }

  #write(text: string): void {
    this.#system.write(2, utf8(text));
  }
}

function bar(part: number): string {
  const full = Math.round(Math.min(1, part) * BAR_COLUMNS);
  return `[${"=".repeat(full)}${" ".repeat(BAR_COLUMNS - full)}]`;
}
