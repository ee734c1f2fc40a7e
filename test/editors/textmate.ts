// VS Code's own engine for TextMate grammars over ours: a text becomes pieces with their scopes. And what the pieces are to a
// reader, so that the grammar can be held against the compiler's lexer: comment, string, number, address, keyword, name or sign.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import oniguruma from "vscode-oniguruma";
import textmate, { type IGrammar } from "vscode-textmate";

/** The grammar's file. */
export const grammarPath = fileURLToPath(new URL("../../editors/vscode/syntaxes/xdp.tmLanguage.json", import.meta.url));

/** A run of text with the same scopes, outermost first. */
export interface Piece {
  /** UTF-16 offsets in the whole text. */
  readonly start: number;
  readonly end: number;
  readonly scopes: readonly string[];
}

/** What a piece is to a reader. */
export type PieceClass = "comment" | "string" | "number" | "address" | "keyword" | "name" | "sign" | "none";

let loading: Promise<IGrammar> | undefined;

/** The grammar, loaded once. */
export function loadGrammar(): Promise<IGrammar> {
  loading ??= load();
  return loading;
}

async function load(): Promise<IGrammar> {
  const wasm = readFileSync(createRequire(import.meta.url).resolve("vscode-oniguruma/release/onig.wasm"));
  await oniguruma.loadWASM(wasm);
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
      createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async (scope) =>
      scope === "source.xdp" ? textmate.parseRawGrammar(readFileSync(grammarPath, "utf8"), grammarPath) : null,
  });
  const grammar = await registry.loadGrammar("source.xdp");
  if (grammar === null) throw new Error("the grammar isn't there");
  return grammar;
}

/** Splits `text` into pieces, line by line as an editor does; line breaks belong to none. */
export function piecesOf(grammar: IGrammar, text: string): Piece[] {
  const pieces: Piece[] = [];
  let state = textmate.INITIAL;
  let offset = 0;
  for (const line of text.split("\n")) {
    const shown = line.replace(/\r$/, "");
    const { tokens, ruleStack } = grammar.tokenizeLine(shown, state);
    state = ruleStack;
    for (const { startIndex, endIndex, scopes } of tokens) {
      const end = Math.min(endIndex, shown.length);
      if (end > startIndex) pieces.push({ start: offset + startIndex, end: offset + end, scopes });
    }
    offset += line.length + 1;
  }
  return pieces;
}

/** The scopes at `offset`. */
export function scopesAt(pieces: readonly Piece[], offset: number): readonly string[] {
  return pieces.find((piece) => piece.start <= offset && offset < piece.end)?.scopes ?? [];
}

const CLASSES: readonly (readonly [RegExp, PieceClass])[] = [
  [/^(?:comment|invalid\.illegal\.comment)\./, "comment"],
  [/^(?:string|invalid\.illegal\.string)\./, "string"],
  [/^(?:constant\.numeric\.address|invalid\.illegal\.address)\./, "address"],
  [/^(?:constant\.numeric|constant\.language\.boolean|invalid\.illegal\.number)\./, "number"],
  // A unit that stands alone (`100 / s`) is a word of the grammar's, a name to the lexer; glued to a number it's part of that.
  [/^keyword\.other\.unit\./, "name"],
  [/^keyword\.operator\.(?!wordlike)/, "sign"],
  [/^(?:keyword|storage)\./, "keyword"],
  [/^(?:variable|entity|support|constant\.language|constant\.other)\./, "name"],
  [/^punctuation\./, "sign"],
];

/** What a piece with these scopes is to a reader. */
export function classOf(scopes: readonly string[]): PieceClass {
  // Outermost first: an escape in a string is string.
  for (const scope of scopes) {
    const found = CLASSES.find(([pattern]) => pattern.test(scope))?.[1];
    if (found !== undefined) return found;
  }
  return "none";
}
