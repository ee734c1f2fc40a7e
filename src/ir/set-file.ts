// What a file of a constant set's elements says, before it has a type: one literal, range, prefix or tuple a line. Made by the reader
// (src/set-file.ts), which knows how literals are written; typed by constant-set.ts, which knows what the set holds.

import type { SourceFile, Span } from "../base/source.ts";

/** A literal of a set's file. */
export interface FileLiteral {
  readonly type: "number" | "ipv4" | "ipv6" | "mac";
  readonly value: bigint;
}

/** An element and its place in the file, as UTF-16 offsets. */
export type FileElement = { readonly start: number; readonly end: number } & (
  | { readonly kind: "value"; readonly literal: FileLiteral }
  | { readonly kind: "range"; readonly from: FileLiteral; readonly to: FileLiteral }
  | { readonly kind: "prefix"; readonly type: "ipv4" | "ipv6"; readonly value: bigint; readonly length: number }
  | { readonly kind: "tuple"; readonly parts: readonly FileLiteral[] }
);

/** A set's file, read; `elements` leaves out the lines that have been told as faults. */
export interface SetFile {
  readonly source: SourceFile;
  readonly elements: readonly FileElement[];
  /** Lines were left out. */
  readonly faulty: boolean;
}

/** The place of an element. */
export function spanOf(file: SetFile, element: { readonly start: number; readonly end: number }): Span {
  return { file: file.source, start: element.start, end: element.end };
}
