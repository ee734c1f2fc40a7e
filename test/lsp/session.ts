// The server's features without a connection, for tests: a workspace over texts, and every request of the table asked at once.

import { CancellationToken, type ClientCapabilities, type Position } from "vscode-languageserver-protocol";
import type { Feature, Session } from "../../src/lsp/feature.ts";
import { FEATURES } from "../../src/lsp/features.ts";
import { positionAt } from "../../src/lsp/ranges.ts";
import { keyOf } from "../../src/lsp/uris.ts";
import { type FileAccess, Workspace } from "../../src/lsp/workspace.ts";

/** Files in memory, by URI. */
export function filesOf(files: ReadonlyMap<string, string>): FileAccess {
  return {
    read: (uri) => {
      const text = files.get(keyOf(uri));
      return text === undefined ? { error: "no such file or directory" } : { text };
    },
    ruleFiles: (folder, limit) =>
      [...files.keys()].filter((uri) => uri.startsWith(folder) && uri.endsWith(".xdp")).slice(0, limit),
    libraryUri: (name) => `file:///usr/lib/xdpc/stdlib/${name}`,
  };
}

/** A session over files in memory, as features see it. */
export function sessionOf(files: ReadonlyMap<string, string> = new Map(), client: ClientCapabilities = {}): Session {
  return { workspace: new Workspace(filesOf(files)), client, deep: () => null };
}

/** What each request of the table is asked with at a place. */
const PARAMS: Readonly<Record<string, (position: Position, end: Position) => object>> = {
  "textDocument/codeAction": (start, end) => ({ range: { start, end }, context: { diagnostics: [] } }),
  "textDocument/rangeFormatting": (start, end) => ({
    range: { start, end },
    options: { tabSize: 4, insertSpaces: true },
  }),
  "textDocument/formatting": () => ({ options: { tabSize: 4, insertSpaces: true } }),
  "textDocument/onTypeFormatting": (position) => ({ position, ch: "}", options: { tabSize: 4, insertSpaces: true } }),
  "textDocument/selectionRange": (position, end) => ({ positions: [position, end] }),
  "textDocument/references": (position) => ({ position, context: { includeDeclaration: true } }),
  "textDocument/rename": (position) => ({ position, newName: "renamed" }),
  "textDocument/inlayHint": (start, end) => ({ range: { start, end } }),
  "textDocument/semanticTokens/range": (start, end) => ({ range: { start, end } }),
  "textDocument/semanticTokens/full/delta": () => ({ previousResultId: "1" }),
  "workspace/symbol": () => ({ query: "p" }),
};

/** Requests that ask about the whole document: the place makes no difference. */
const WHOLE: ReadonlySet<string> = new Set([
  "textDocument/codeLens",
  "textDocument/documentSymbol",
  "textDocument/foldingRange",
  "textDocument/formatting",
  "textDocument/semanticTokens/full",
  "textDocument/semanticTokens/full/delta",
  "workspace/symbol",
]);

/** A request that somebody refuses with words (a rename of what can't be renamed) is answered; everything else thrown is a fault. */
async function ask(feature: Feature, params: object, session: Session): Promise<unknown> {
  try {
    return await feature.answer(params as never, session, CancellationToken.None);
  } catch (error) {
    if (error instanceof Error && error.constructor.name === "ResponseError") return null;
    const said = error instanceof Error ? error.stack : String(error);
    throw new Error(`${feature.method} with ${JSON.stringify(params)}: ${said}`);
  }
}

/** Asks everything about a document at the given offsets; throws what a feature throws, and the analysis' fault. */
export async function askEverything(session: Session, uri: string, offsets: readonly number[]): Promise<void> {
  const document = session.workspace.analysed(uri);
  if (document === null) throw new Error(`${uri} isn't open`);
  const { fault } = document.analysis;
  if (fault !== null) throw fault;
  const end = positionAt(document.source, document.source.text.length);
  for (const feature of FEATURES) {
    const places = WHOLE.has(feature.method) ? offsets.slice(0, 1) : offsets;
    for (const offset of places) {
      const position = positionAt(document.source, offset);
      const own = PARAMS[feature.method]?.(position, end) ?? { position };
      await ask(feature, { textDocument: { uri }, ...own }, session);
    }
  }
}
