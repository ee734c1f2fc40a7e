// What is declared in a file's text, and what a name at a place stands for: the common ground of definition, references, highlights and
// rename. Which use belongs to which declaration is known by the checker's facts and isn't worked out again here.

import type { Analysis } from "../analyse.ts";
import { type SourceFile, type Span, textOf } from "../base/source.ts";
import { declaredAt, type Meaning } from "../ir/facts.ts";
import { findHeader } from "../ir/header-lookup.ts";
import { Scope } from "../ir/scope.ts";
import type * as ast from "../parser/ast.ts";
import { reservedWordTypes } from "../parser/tokens.ts";
import { inForceAt } from "./at.ts";
import { isNamedDecl, type NamedDecl } from "./document-symbols.ts";
import { type Word, wordIndexAt, wordsOf } from "./text.ts";
import { type Node, walk } from "./walk.ts";

/** Something that is declared in a text. */
export interface Declared {
  /** The declaring name. */
  readonly name: ast.Name;
  readonly kind: NamedDecl["kind"] | "alias" | "field" | "bit" | "structField" | "parameter" | "let" | "entry" | "loop";
  /** All of what declares it. */
  readonly whole: Span;
  /** The file's declaration that it is or is a part of; null for names inside rules. */
  readonly decl: NamedDecl | null;
}

/** A name in the text and what it stands for. */
export interface NameAt {
  readonly span: Span;
  /** null where the name stands for nothing that has a declaration (builtins, whole files). */
  readonly declared: Declared | null;
  /** null where the name declares. */
  readonly meaning: Meaning | null;
}

const known = new WeakMap<ast.File, ReadonlyMap<number, Declared>>();

/** Everything that a file declares, by the offset of the declaring name. */
export function declaredIn(file: ast.File): ReadonlyMap<number, Declared> {
  const before = known.get(file);
  if (before !== undefined) return before;
  const found = new Map<number, Declared>();
  const add: Add = (name, kind, whole, decl) => {
    if (name.text !== "" && !found.has(name.span.start)) found.set(name.span.start, { name, kind, whole, decl });
  };
  for (const item of file.items) {
    if (isNamedDecl(item)) addDeclaration(item, add);
    // Only these hold statements; walking what can't bind a name would cost most of the time.
    if (item.kind === "fnDecl" || item.kind === "programDecl" || !item.kind.endsWith("Decl")) {
      walk(item, (node) => addBinding(node, add));
    }
  }
  known.set(file, found);
  return found;
}

type Add = (name: ast.Name, kind: Declared["kind"], whole: Span, decl: NamedDecl | null) => void;

function addDeclaration(item: NamedDecl, add: Add): void {
  // One without a body adds places to a header that is declared elsewhere.
  if (item.kind === "headerDecl" && item.body === null) return;
  add(item.name, item.kind, item.span, item);
  if (item.kind === "headerDecl") {
    if (item.alias !== null) add(item.alias, "alias", item.span, item);
    for (const field of item.body?.fields ?? []) {
      add(field.name, "field", field.span, item);
      for (const bit of field.bits) add(bit, "bit", field.span, item);
    }
  }
  if (item.kind === "structDecl") for (const field of item.fields) add(field.name, "structField", field.span, item);
  if (item.kind === "fnDecl") for (const param of item.params) add(param.name, "parameter", param.span, item);
}

function addBinding(node: Node, add: Add): void {
  if (isStatement(node, "let")) add(node.name, "let", node.span, null);
  else if (isStatement(node, "for")) add(node.name, "loop", node.span, null);
  else if (node.kind === "ifLet") add((node as ast.IfLet).name, "entry", node.span, null);
}

function isStatement<K extends ast.Stmt["kind"]>(node: Node, kind: K): node is Extract<ast.Stmt, { readonly kind: K }> {
  return node.kind === kind;
}

/** The trees of all files of an analysis, the library's too. */
export function filesOf(analysis: Analysis): readonly ast.File[] {
  const { main, imported, library } = analysis.followed.sources;
  return [main, ...imported, ...library];
}

/** Whether a source is one of the library's. */
export function isLibrary(source: SourceFile): boolean {
  return source.path.startsWith("<std>/");
}

/** What tells two declarations apart, in whichever analysis they were met: file and offset of the declaring name. */
export function keyOf({ file, start }: Span): string {
  return `${file.path}:${start}`;
}

/** Whether two declarations are one, in whichever analysis they were met. */
export function isSame(a: Declared, b: Declared): boolean {
  return keyOf(a.name.span) === keyOf(b.name.span);
}

/** The declaration whose name stands at a place. */
function declaredBy(analysis: Analysis, { file, start }: Span): Declared | null {
  const tree = filesOf(analysis).find(({ source }) => source.path === file.path);
  return tree === undefined ? null : (declaredIn(tree).get(start) ?? null);
}

/** The declaration that a meaning leads to; `text` is the name as it was written, for headers have two. */
export function declarationOf(analysis: Analysis, meaning: Meaning, text: string): Declared | null {
  if (meaning.kind === "declaration") return ofDeclaration(analysis, meaning.decl, text);
  const at = declaredAt(meaning);
  return at === null ? null : declaredBy(analysis, at);
}

function ofDeclaration(analysis: Analysis, decl: NamedDecl, text: string): Declared | null {
  const isAlias = decl.kind === "headerDecl" && decl.alias?.text === text;
  return declaredBy(analysis, isAlias ? (decl.alias ?? decl.name).span : decl.name.span);
}

/** The name at an offset of a source, or right before it; null where none is known. */
export function nameAt(analysis: Analysis, source: SourceFile, offset: number): NameAt | null {
  const file = filesOf(analysis).find((candidate) => candidate.source === source);
  if (file === undefined) return null;
  for (const declared of declaredIn(file).values()) {
    const { span } = declared.name;
    if (span.start <= offset && offset <= span.end) return { span, declared, meaning: null };
  }
  const found = analysis.facts.referenceAt(source, offset);
  if (found !== null) {
    const { span, meaning } = found;
    return { span, declared: declarationOf(analysis, meaning, textOf(span)), meaning };
  }
  const words = wordsOf(source);
  const at = wordIndexAt(words, offset);
  for (const index of [at, at - 1]) {
    const word = words[index];
    if (word === undefined || word.offset > offset || offset > word.offset + word.text.length) continue;
    const declared = guess(analysis, file, index);
    const span = { file: source, start: word.offset, end: word.offset + word.text.length };
    if (declared !== null) return { span, declared, meaning: null };
  }
  return null;
}

/**
 * What a word that the checker didn't come to would stand for: in a statement that is still being typed, or behind a fault. null where
 * only its type could tell.
 */
export function guess(analysis: Analysis, file: ast.File, index: number): Declared | null {
  const words = wordsOf(file.source);
  const word = words[index];
  if (word === undefined || !/^[A-Za-z_]/.test(word.text)) return null;
  if (reservedWordTypes.has(word.text) || words[index + 1]?.text === ":") return null;
  if (words[index - 1]?.text === ".") return guessField(analysis, words[index - 2], word.text);
  // A keyword that is one here isn't told from a name of the same spelling; only what is declared counts.
  const scope = file === analysis.file ? inForceAt(analysis, word.offset).scope : Scope.global;
  const binding = scope.find(word.text);
  if (binding !== null) return binding.declared === undefined ? null : declaredBy(analysis, binding.declared.span);
  const decl = analysis.context.names.get(word.text);
  return decl === undefined || word.type !== "IDENTIFIER" ? null : ofDeclaration(analysis, decl, word.text);
}

function guessField(analysis: Analysis, before: Word | undefined, name: string): Declared | null {
  const header = before === undefined ? null : findHeader(analysis.context, before.text);
  const field = header?.fields.get(name);
  return field === undefined ? null : declaredBy(analysis, field.span);
}
