// Reads the file of a constant set: one element a line, `#` begins a comment. Elements are spelled as in the rules: literals, ranges,
// prefixes, tuples. Beside the imports (imports.ts), which ask the host for the text; knows no types and no sets.

import type { Diagnostic } from "./base/diagnostic.ts";
import type { SourceFile, Span } from "./base/source.ts";
import * as messages from "./ir/messages-sets.ts";
import type { FileElement, FileLiteral, SetFile } from "./ir/set-file.ts";
import {
  type LiteralFault,
  type LiteralValue,
  readColonLiteral,
  readDashedMac,
  readDigitLiteral,
} from "./parser/literals.ts";
import { badLiteral } from "./parser/messages.ts";

/** The most elements of one file. */
export const MOST_LINES = 1_000_000;
/** Lines told as faults of their own; the rest are counted. */
const MOST_FAULTS = 10;
/** A byte order mark, which editors of Windows put first. */
const BOM = "\ufeff";

/** What reading a set's file gave. */
export interface ReadSet {
  readonly file: SetFile;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads the elements of a set from `source`. Bad lines are errors at their place, the first ten one by one. */
export function readSetFile(source: SourceFile): ReadSet {
  const { text } = source;
  const elements: FileElement[] = [];
  const diagnostics: Diagnostic[] = [];
  const more: Span[] = [];
  const reader = new LineReader(source);
  for (let at = text.startsWith(BOM) ? 1 : 0; at < text.length; ) {
    const newline = text.indexOf("\n", at);
    const lineEnd = newline === -1 ? text.length : newline;
    const [start, end] = trim(text, at, commentStart(text, at, lineEnd));
    at = lineEnd + 1;
    if (start === end) continue;
    if (elements.length === MOST_LINES) {
      diagnostics.push(messages.tooManyLines({ file: source, start, end }, MOST_LINES));
      break;
    }
    const element = reader.read(start, end);
    if (element !== null) elements.push(element);
    else if (diagnostics.length < MOST_FAULTS) diagnostics.push(reader.fault());
    else more.push({ file: source, start, end });
  }
  const [first] = more;
  if (first !== undefined) diagnostics.push(messages.moreBadLines(first, more.length));
  return { file: { source, elements, faulty: diagnostics.length > 0 }, diagnostics };
}

function commentStart(text: string, from: number, lineEnd: number): number {
  for (let i = from; i < lineEnd; i++) if (text.charCodeAt(i) === 0x23) return i;
  return lineEnd;
}

/** The part of [from, to) without white space around it. */
function trim(text: string, from: number, to: number): [start: number, end: number] {
  let [start, end] = [from, to];
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return [start, end];
}

/** Space, tab, carriage return, and what other programs leave at the ends of lines. */
function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0d || code === 0x0b || code === 0x0c || code === 0xa0;
}

/** Reads single elements and keeps the fault of the one that couldn't be read. */
class LineReader {
  readonly #source: SourceFile;
  #fault: (() => Diagnostic) | null = null;

  constructor(source: SourceFile) {
    this.#source = source;
  }

  /** Why the last `read` gave null. */
  fault(): Diagnostic {
    if (this.#fault === null) throw new Error("no fault");
    return this.#fault();
  }

  /** The element at [start, end), which is not blank. */
  read(start: number, end: number): FileElement | null {
    const { text } = this.#source;
    this.#fault = null;
    const address = quickIpv4(text, start, end);
    if (address !== null) return address;
    const written = text.slice(start, end);
    if (written.startsWith("(") || written.includes(",")) return this.#tuple(start, end);
    const dots = written.indexOf("..");
    if (dots !== -1) return this.#range(start, start + dots, end);
    const value = this.#literal(start, end);
    if (value === null) return null;
    if (value.kind === "prefix") return { start, end, ...value };
    return { start, end, kind: "value", literal: value.literal };
  }

  #range(start: number, dots: number, end: number): FileElement | null {
    if (this.#source.text.slice(dots + 2, end).includes("..")) return this.#bad(start, end, "a range has two ends");
    const from = this.#plain(...trim(this.#source.text, start, dots));
    if (from === null) return null;
    const to = this.#plain(...trim(this.#source.text, dots + 2, end));
    return to === null ? null : { start, end, kind: "range", from, to };
  }

  /** `(10.0.0.1, 80)`, or without parentheses as in a table of comma-separated values. */
  #tuple(start: number, end: number): FileElement | null {
    const { text } = this.#source;
    const open = text[start] === "(";
    if (open && text[end - 1] !== ")") return this.#bad(start, end, "the closing parenthesis is missing");
    const [from, to] = open ? [start + 1, end - 1] : [start, end];
    const parts: FileLiteral[] = [];
    let at = from;
    for (const written of text.slice(from, to).split(",")) {
      const part = this.#plain(...trim(text, at, at + written.length));
      if (part === null) return null;
      parts.push(part);
      at += written.length + 1;
    }
    const [only] = parts;
    if (parts.length === 1 && only !== undefined) return { start, end, kind: "value", literal: only };
    return { start, end, kind: "tuple", parts };
  }

  #plain(start: number, end: number): FileLiteral | null {
    if (start === end) return this.#bad(start, end, "a value is missing here");
    const value = this.#literal(start, end);
    if (value === null) return null;
    return value.kind === "literal" ? value.literal : this.#bad(start, end, "a prefix can't stand inside an element");
  }

  #literal(
    start: number,
    end: number,
  ):
    | { readonly kind: "literal"; readonly literal: FileLiteral }
    | { readonly kind: "prefix"; readonly type: "ipv4" | "ipv6"; readonly value: bigint; readonly length: number }
    | null {
    const written = this.#source.text.slice(start, end);
    const value = readLiteral(written);
    switch (value?.kind) {
      case "number":
        return { kind: "literal", literal: { type: "number", value: value.value } };
      case "address":
        return { kind: "literal", literal: { type: value.type, value: value.value } };
      case "prefix":
        return value;
      case "fault": {
        const span = { file: this.#source, start, end };
        this.#fault = () => badLiteral(value, span);
        return null;
      }
      default:
        return this.#bad(start, end, lineFault(written));
    }
  }

  #bad(start: number, end: number, why: string): null {
    const span = { file: this.#source, start, end };
    this.#fault = () => messages.badSetLine(span, why);
    return null;
  }
}

/** What a person may have meant by a line that holds no literal. */
function lineFault(written: string): string {
  if (/^[0-9a-fA-F.:]+ *[-–] *[0-9a-fA-F.:]+$/.test(written)) return "a range is written with two dots, `80..90`";
  if (/\s/.test(written)) return "a line holds one element";
  return "not a number, address, prefix, range or tuple";
}

function readLiteral(written: string): LiteralValue | LiteralFault | null {
  if (/^[0-9a-fA-F]{2}(?:-[0-9a-fA-F]{2}){5}$/.test(written)) return readDashedMac(written);
  if (/^[0-9a-fA-F:][0-9a-fA-F:./]*$/.test(written) && written.includes(":")) return readColonLiteral(written);
  return /^[0-9][0-9A-Za-z_./]*$/.test(written) ? readDigitLiteral(written) : null;
}

/** IPv4 addresses and prefixes as nearly all files have them, read without a detour; null for all else, faults among it. */
function quickIpv4(text: string, start: number, end: number): FileElement | null {
  let value = 0;
  let part = 0;
  let digits = 0;
  let dots = 0;
  let at = start;
  for (; at < end; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit >= 0 && digit <= 9) {
      if (digits > 0 && part === 0) return null;
      part = part * 10 + digit;
      digits++;
    } else if (digit === -2 && digits > 0 && part <= 255 && dots < 3) {
      value = value * 256 + part;
      dots++;
      part = 0;
      digits = 0;
    } else break;
  }
  if (dots !== 3 || digits === 0 || digits > 3 || part > 255) return null;
  value = value * 256 + part;
  if (at === end) return { start, end, kind: "value", literal: { type: "ipv4", value: BigInt(value) } };
  const length = text.slice(at, end);
  if (!/^\/(?:[0-9]|[12][0-9]|3[0-2])$/.test(length)) return null;
  return { start, end, kind: "prefix", type: "ipv4", value: BigInt(value), length: Number(length.slice(1)) };
}
