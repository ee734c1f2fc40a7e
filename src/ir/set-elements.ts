// The elements of a set's file, typed: each must be what the set holds. Faults are told at their lines, the first few one by one.
// Beside constant-set.ts, which does the same for elements written in the rules.

import type { Diagnostic } from "../base/diagnostic.ts";
import type { Span } from "../base/source.ts";
import type { Context } from "./context.ts";
import { fits } from "./conversion.ts";
import type { SetElement } from "./hir.ts";
import * as messages from "./messages-sets.ts";
import { type FileElement, type FileLiteral, type SetFile, spanOf } from "./set-file.ts";
import { elementsOf, type Type, typeName } from "./types.ts";

/** Lines told as faults of their own; the rest are counted. */
const MOST_FAULTS = 10;
/** Prefixes with host bits told one by one. */
const MOST_TOLD = 3;

const WORDS: Readonly<Record<FileLiteral["type"], string>> = {
  number: "a number",
  ipv4: "an IPv4 address",
  ipv6: "an IPv6 address",
  mac: "a MAC address",
};

/** Types the elements of one file. */
export class FileTyper {
  readonly #ctx: Context;
  readonly #file: SetFile;
  readonly #faults: { readonly element: FileElement; readonly why: string }[] = [];

  constructor(ctx: Context, file: SetFile) {
    this.#ctx = ctx;
    this.#file = file;
  }

  /** Gives every element of a set of scalars to `take`. */
  elements(type: Type, take: (element: SetElement, span: Span) => void): void {
    const hostBits: Span[] = [];
    for (const element of this.#file.elements) {
      const typed = this.#element(element, type);
      if (typed === null) continue;
      const span = spanOf(this.#file, element);
      if (element.kind === "prefix" && typed.kind === "prefix" && element.value !== typed.value) hostBits.push(span);
      take(typed, span);
    }
    this.#tell();
    const told = hostBits.length <= MOST_TOLD ? hostBits.map((span) => [span]) : [hostBits];
    for (const spans of told) {
      const warning = messages.manyHostBits(spans);
      if (warning !== null) this.#ctx.diagnostics.add(warning);
    }
  }

  /** Gives every element of a set of aggregates to `take`, as its numbers from the first to the last. */
  tuples(type: Type, take: (tuple: readonly bigint[], span: Span) => void): void {
    const types = scalarsOf(type);
    for (const element of this.#file.elements) {
      if (element.kind !== "tuple") {
        this.#fault(element, `one value; the set holds ${typeName(type)}`);
        continue;
      }
      if (element.parts.length !== types.length) {
        this.#fault(element, `${element.parts.length} values; the set holds ${typeName(type)}`);
        continue;
      }
      const why = element.parts.map((part, i) => mismatch(part, types[i] as Type)).find((w) => w !== null) ?? null;
      if (why !== null) this.#fault(element, why);
      else
        take(
          element.parts.map((part) => part.value),
          spanOf(this.#file, element),
        );
    }
    this.#tell();
  }

  #element(element: FileElement, type: Type): SetElement | null {
    switch (element.kind) {
      case "value": {
        const why = mismatch(element.literal, type);
        return why === null ? { kind: "value", value: element.literal.value } : this.#fault(element, why);
      }
      case "range": {
        const why = mismatch(element.from, type) ?? mismatch(element.to, type);
        if (why !== null) return this.#fault(element, why);
        if (element.from.value > element.to.value) return this.#fault(element, "the range ends before it starts");
        return { kind: "range", from: element.from.value, to: element.to.value };
      }
      case "prefix": {
        if (element.type !== type.kind)
          return this.#fault(element, `an ${NAMES[element.type]} prefix; the set holds ${typeName(type)}`);
        const free = (1n << BigInt((element.type === "ipv4" ? 32 : 128) - element.length)) - 1n;
        return { kind: "prefix", value: element.value & ~free, length: element.length };
      }
      case "tuple":
        return this.#fault(element, `${element.parts.length} values; the set holds ${typeName(type)}`);
    }
  }

  #fault(element: FileElement, why: string): null {
    this.#faults.push({ element, why });
    return null;
  }

  #tell(): void {
    const told: Diagnostic[] = this.#faults
      .slice(0, MOST_FAULTS)
      .map(({ element, why }) => messages.badSetLine(spanOf(this.#file, element), why));
    const next = this.#faults[MOST_FAULTS];
    if (next !== undefined)
      told.push(messages.moreBadLines(spanOf(this.#file, next.element), this.#faults.length - MOST_FAULTS));
    for (const diagnostic of told) this.#ctx.diagnostics.add(diagnostic);
  }
}

const NAMES = { ipv4: "IPv4", ipv6: "IPv6" } as const;

/** Why a literal can't be a value of the type; null where it can. */
function mismatch(literal: FileLiteral, type: Type): string | null {
  const same = literal.type === "number" ? type.kind === "int" : literal.type === type.kind;
  if (!same) return `${WORDS[literal.type]}; the set holds ${typeName(type)}`;
  return fits(literal.value, type) ? null : `${literal.value} doesn't fit in ${typeName(type)}`;
}

/** The types of the numbers an aggregate is made of, first to last. */
function scalarsOf(type: Type): Type[] {
  return elementsOf(type)?.flatMap(scalarsOf) ?? [type];
}
