// `xdpc lsp --stdio` as a process, talked to as a modern editor does that pulls: a whole session from `initialize` to `exit`, with
// diagnostics asked for, semantic tokens against what the parser takes each word for, hints, lenses. And the ways a process ends.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type {
  ClientCapabilities,
  CodeLens,
  DocumentDiagnosticReport,
  InlayHint,
  SemanticTokens,
  SemanticTokensDelta,
  SemanticTokensLegend,
} from "vscode-languageserver-protocol";
import { builtBin, projectRoot } from "../cli/build.ts";
import { plainEnv, scratchFolder, writeFiles } from "../cli/support.ts";
import { Editor } from "../lsp/client.ts";
import { type ColouredFile, filesToColour } from "./coloured.ts";
import { BUILD_MS } from "./documented.ts";

const CAPABILITIES: ClientCapabilities = {
  workspace: { workspaceFolders: true, diagnostics: { refreshSupport: true }, codeLens: { refreshSupport: true } },
  textDocument: {
    diagnostic: { dynamicRegistration: false, relatedInformation: true },
    hover: { contentFormat: ["markdown"] },
    inlayHint: {},
    codeLens: {},
    semanticTokens: {
      requests: { full: { delta: true }, range: true },
      tokenTypes: ["class", "struct", "type", "function", "parameter", "variable", "property", "namespace", "keyword"],
      tokenModifiers: ["declaration", "readonly", "static", "defaultLibrary", "modification"],
      formats: ["relative"],
    },
  },
};

/** Names to the parser, but of a fixed vocabulary where they stand: what a checksum covers, a rate's unit, `inner.ip`. */
const VOCABULARY = new Set(["header", "payload", "pseudo", "us", "ms", "s", "min", "h", "inner"]);

const folder = scratchFolder();
const children: ChildProcessWithoutNullStreams[] = [];

beforeAll(() => {
  builtBin();
}, BUILD_MS);

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

interface Session {
  readonly editor: Editor;
  readonly child: ChildProcessWithoutNullStreams;
  /** The exit code of the process, once it has ended. */
  readonly ended: Promise<number | null>;
  /** What it wrote to standard error. */
  said(): string;
}

function startServer(words: readonly string[] = []): Session {
  const child = spawn(builtBin(), ["lsp", "--stdio", ...words], { cwd: folder, env: plainEnv() });
  children.push(child);
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  return { editor: new Editor(child.stdout, child.stdin), child, ended, said: () => said };
}

function uriIn(name: string): string {
  return pathToFileURL(path.join(folder, name)).href;
}

/** A token of the protocol's list, unfolded. */
interface Token {
  readonly text: string;
  readonly start: number;
  readonly type: string;
}

function tokensOf(text: string, data: readonly number[], legend: SemanticTokensLegend): Token[] {
  const starts = [0, ...[...text.matchAll(/\r\n|\n|\r/g)].map((match) => match.index + match[0].length)];
  const tokens: Token[] = [];
  let [line, character] = [0, 0];
  for (let i = 0; i < data.length; i += 5) {
    const [lines = 0, characters = 0, length = 0, type = -1] = data.slice(i, i + 4);
    character = lines === 0 ? character + characters : characters;
    line += lines;
    const start = (starts[line] ?? Number.NaN) + character;
    tokens.push({ text: text.slice(start, start + length), start, type: legend.tokenTypes[type] ?? "none" });
  }
  return tokens;
}

/** Where the server's tokens differ from the parser: names as keywords, keywords as names, tokens that are no word. */
function disagreements(file: ColouredFile, tokens: readonly Token[]): string[] {
  const compiler = new Map(file.tokens.map((token) => [token.start, token]));
  return tokens.flatMap((token) => {
    const known = compiler.get(token.start);
    const is = token.type === "keyword" ? "keyword" : "name";
    if (known?.text === token.text && (known.class === is || VOCABULARY.has(token.text))) return [];
    return [
      `${path.basename(file.path)}: ${token.text} at ${token.start}: ${token.type}, not ${known?.class ?? "a word"}`,
    ];
  });
}

test("a session with diagnostics that are asked for, tokens, hints, lenses", async () => {
  const common = "fn is_web(port : u16) = port in { 80, 443 }\n";
  const main =
    '# \u{1f600}\nimport "common.xdp"\nset ports : u16[1024]\nif opaque then drop\n' +
    "if is_web(tcp.dport) then drop\nif tcp.dport in portz then drop\n";
  writeFiles(folder, { "session/common.xdp": common, "session/main.xdp": main });
  const uri = uriIn("session/main.xdp");
  const { editor, ended, said } = startServer();
  const { capabilities } = await editor.start(CAPABILITIES, {
    workspaceFolders: [{ uri: uriIn("session"), name: "session" }],
  });
  expect(capabilities.diagnosticProvider).toMatchObject({ interFileDependencies: true });
  const legend = capabilities.semanticTokensProvider?.legend as SemanticTokensLegend;
  await editor.open(uri, main);
  const textDocument = { uri };

  const pull = (previousResultId?: string): Promise<DocumentDiagnosticReport> =>
    editor.ask("textDocument/diagnostic", { textDocument, previousResultId });
  const first = await pull();
  expect(first).toMatchObject({
    kind: "full",
    items: [{ code: "X0202", range: { start: { line: 5, character: 16 } } }],
  });
  expect(await pull(first.resultId)).toMatchObject({ kind: "unchanged" });

  const before = await editor.ask<SemanticTokens>("textDocument/semanticTokens/full", { textDocument });
  const imported = tokensOf(main, before.data, legend).find((token) => token.text === "is_web");
  expect(imported).toMatchObject({ type: "function", start: main.indexOf("is_web") });

  await editor.edit(uri, 2, [5, 20], [5, 21], "s");
  const mended = main.replace("portz", "ports");
  expect(await pull(first.resultId)).toMatchObject({ kind: "full", items: [] });
  const delta = await editor.ask<SemanticTokensDelta>("textDocument/semanticTokens/full/delta", {
    textDocument,
    previousResultId: before.resultId,
  });
  const data = [...before.data];
  for (const { start, deleteCount, data: added = [] } of [...delta.edits].reverse())
    data.splice(start, deleteCount, ...added);
  const whole = await editor.ask<SemanticTokens>("textDocument/semanticTokens/full", { textDocument });
  expect(data).toEqual(whole.data);
  expect(tokensOf(mended, data, legend).findLast((token) => token.text === "ports")).toMatchObject({
    type: "variable",
  });

  const range = { start: { line: 0, character: 0 }, end: { line: 6, character: 0 } };
  const hints = await editor.ask<InlayHint[]>("textDocument/inlayHint", { textDocument, range });
  for (const { position } of hints) expect(position.line).toBeLessThan(6);
  // What a whole compilation knows comes by and by, and the editor is told to ask again.
  await editor.until(() => editor.asked.includes("workspace/codeLens/refresh"));
  const lenses = await editor.ask<CodeLens[]>("textDocument/codeLens", { textDocument });
  expect(lenses.map((lens) => lens.command?.title ?? "").join("\n")).toMatch(/\d+ instructions/);
  const hover = await editor.ask<object>("textDocument/hover", { textDocument, position: { line: 4, character: 15 } });
  expect(JSON.stringify(hover)).toContain("dport");

  expect(editor.published).toEqual([]);
  await editor.ask("shutdown", null);
  await editor.tell("exit", null);
  expect(await ended).toBe(0);
  expect([editor.log, said()]).toEqual([[], ""]);
});

test("what VS Code is told of the kinds of tokens is in the server's legend", async () => {
  const { editor } = startServer();
  const { capabilities } = await editor.start(CAPABILITIES);
  const legend = capabilities.semanticTokensProvider?.legend as SemanticTokensLegend;
  const manifest = readFileSync(path.join(projectRoot, "editors/vscode/package.json"), "utf8");
  const { contributes } = JSON.parse(manifest) as {
    contributes: { semanticTokenScopes: [{ scopes: Record<string, string[]> }] };
  };
  const selectors = Object.keys(contributes.semanticTokenScopes[0].scopes).map((selector) => selector.split("."));
  expect(selectors.length).toBeGreaterThan(0);
  for (const [type = "", ...modifiers] of selectors) {
    expect(legend.tokenTypes).toContain(type);
    for (const modifier of modifiers) expect(legend.tokenModifiers).toContain(modifier);
  }
});

test("semantic tokens are what the parser takes each word for, in all rules there are", async () => {
  const { editor } = startServer();
  const { capabilities } = await editor.start(CAPABILITIES);
  const legend = capabilities.semanticTokensProvider?.legend as SemanticTokensLegend;
  const wrong: string[] = [];
  let count = 0;
  for (const file of filesToColour(folder)) {
    const uri = pathToFileURL(file.path).href;
    await editor.open(uri, file.text);
    const found = await editor.ask<SemanticTokens>("textDocument/semanticTokens/full", { textDocument: { uri } });
    const tokens = tokensOf(file.text, found.data, legend);
    count += tokens.length;
    wrong.push(...disagreements(file, tokens));
    await editor.tell("textDocument/didClose", { textDocument: { uri } });
  }
  expect(wrong).toEqual([]);
  expect(count).toBeGreaterThan(2000);
  expect(editor.log).toEqual([]);
});

describe("the process ends", () => {
  test("with 1 where the editor leaves without a word", async () => {
    const { editor, child, ended } = startServer();
    await editor.start(CAPABILITIES);
    child.stdin.end();
    expect(await ended).toBe(1);
  });

  test("with 1 on `exit` without `shutdown`", async () => {
    const { editor, ended } = startServer();
    await editor.start(CAPABILITIES);
    await editor.tell("exit", null);
    expect(await ended).toBe(1);
  });

  test("also while a whole compilation is under way", async () => {
    const { editor, child, ended } = startServer();
    await editor.start(CAPABILITIES);
    const text = Array.from({ length: 300 }, (_, i) => `if tcp.dport == ${i} and ip.ttl > ${i % 200} then drop\n`).join(
      "",
    );
    await editor.open(uriIn("long.xdp"), text);
    await editor.ask("textDocument/codeLens", { textDocument: { uri: uriIn("long.xdp") } });
    child.stdin.end();
    expect(await ended).toBe(1);
  });

  test("when the editor's process is gone, though the pipes are open", async () => {
    const gone = spawn(process.execPath, ["-e", "setTimeout(() => {}, 600_000)"]);
    const { editor, ended } = startServer();
    await editor.start(CAPABILITIES, { processId: gone.pid ?? null });
    gone.kill("SIGKILL");
    expect(await ended).toBe(1);
  }, 30_000);
});

test("an editor that only knows the first version of the protocol gets diagnostics too", async () => {
  writeFileSync(path.join(folder, "old.xdp"), "");
  const { editor } = startServer();
  await editor.start({});
  await editor.open(uriIn("old.xdp"), "if arp then drp\n");
  expect(await editor.diagnostics(uriIn("old.xdp"), 1)).toMatchObject([{ code: "X0121", severity: 1 }]);
});
