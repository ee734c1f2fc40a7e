// Text to syntax tree: scan, parse, build, check, in this order and nothing else. Never throws on any text; what is
// wrong with it comes back as diagnostics in the order of their places.

import type { IToken, Lexer } from "chevrotain";
import type { Diagnostic } from "../base/diagnostic.ts";
import type { SourceFile } from "../base/source.ts";
import type { Decl, File, Stmt } from "./ast.ts";
import { AstBuilder } from "./build-ast.ts";
import { checkStatements } from "./checks.ts";
import { RuleParser } from "./grammar.ts";
import { createLexer, tokenize } from "./lexer.ts";
import { tooManyFaults } from "./messages.ts";
import { MAX_FAULTS } from "./recovery.ts";
import { syntaxFaults } from "./syntax-messages.ts";

/** A lexer and a parser that have been analysed and can be used any number of times. */
export interface Parser {
  readonly lexer: Lexer;
  readonly rules: RuleParser;
}

/**
 * Makes the lexer and the parser: the dearest part of a start, so done once and lazily. The grammar's own validations
 * cost as much again and hold for every run or for none: a test does them.
 */
export function createParser(options: { readonly skipValidations: boolean } = { skipValidations: true }): Parser {
  return { lexer: createLexer(options.skipValidations), rules: new RuleParser(options.skipValidations) };
}

let shared: Parser | undefined;

/** The parser that `parse` uses, made at the first call; a start-up snapshot may call this to have it ready. */
export function sharedParser(): Parser {
  shared ??= createParser();
  return shared;
}

/** Parses one file; the tree holds error nodes where the text couldn't be understood. Never throws. */
export function parse(source: SourceFile): { file: File; diagnostics: Diagnostic[] } {
  const { lexer, rules } = sharedParser();
  const diagnostics: Diagnostic[] = [];
  const tokens: IToken[] = tokenize(lexer, source, diagnostics);
  const badPlaces = diagnostics.filter((d) => d.code === "X0101").flatMap((d) => d.primary?.span ?? []);
  const builder = new AstBuilder(source, diagnostics);
  const items: (Decl | Stmt)[] = [];
  rules.parseFile(tokens, source.text, (item) => items.push(...builder.item(item)));
  diagnostics.push(...syntaxFaults(source, tokens, rules.faults, badPlaces));
  const span = { file: source, start: 0, end: source.text.length };
  const file: File = { kind: "file", source, items, implies: [...builder.implies], words: wordsOf(tokens), span };
  checkStatements(file, diagnostics);
  diagnostics.sort((a, b) => startOf(a) - startOf(b));
  return { file, diagnostics: limited(source, diagnostics) };
}

/** Every word of the text that stands outside comments and texts. */
function wordsOf(tokens: readonly IToken[]): Set<string> {
  const words = new Set<string>();
  for (const { image } of tokens) if (/^[A-Za-z_]/.test(image)) words.add(image);
  return words;
}

function limited(file: SourceFile, diagnostics: Diagnostic[]): Diagnostic[] {
  if (diagnostics.length <= MAX_FAULTS + 1) return diagnostics;
  const end = file.text.length;
  return [...diagnostics.slice(0, MAX_FAULTS), tooManyFaults({ file, start: end, end }, MAX_FAULTS)];
}

function startOf(diagnostic: Diagnostic): number {
  return diagnostic.primary?.span.start ?? 0;
}
