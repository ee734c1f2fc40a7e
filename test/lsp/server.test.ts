// The server over its protocol, in this process: documents and their changes, diagnostics pushed and pulled, imports that are open, odd
// documents, requests withdrawn or overtaken, faults of ours.

import { describe, expect, test } from "vitest";
import {
  CancellationTokenSource,
  type ClientCapabilities,
  type CodeLens,
  DiagnosticSeverity,
  type DocumentDiagnosticReport,
  type DocumentSymbol,
  ErrorCodes,
  LSPErrorCodes,
} from "vscode-languageserver-protocol";
import { type DeepJob, type DeepResult, runDeep } from "../../src/lsp/deep.ts";
import { FEATURES } from "../../src/lsp/features.ts";
import { editorHere } from "./client.ts";

const MAIN = "file:///rules/main.xdp";
const PULLS: ClientCapabilities = { textDocument: { diagnostic: { dynamicRegistration: false } } };

const codes = (diagnostics: readonly { code?: unknown }[]): unknown[] => diagnostics.map((d) => d.code);
const ask = (uri: string, previousResultId?: string): object => ({
  textDocument: { uri },
  ...(previousResultId === undefined ? {} : { previousResultId }),
});

describe("what the server says of itself", () => {
  test("its capabilities have every feature of the table", async () => {
    const editor = editorHere();
    const { capabilities, serverInfo } = await editor.start();
    expect(serverInfo).toEqual({ name: "xdpc", version: "test" });
    expect(capabilities.textDocumentSync).toEqual({ openClose: true, change: 2, save: true });
    expect(capabilities.positionEncoding).toBe("utf-16");
    for (const feature of FEATURES) expect(capabilities).toMatchObject(feature.capabilities);
    await editor.end();
  });

  test("no two features share a request", () => {
    const methods = FEATURES.map((feature) => feature.method);
    expect(new Set(methods).size).toBe(methods.length);
  });

  test("nothing is answered before `initialize` or after `shutdown`", async () => {
    const editor = editorHere();
    await expect(editor.ask("textDocument/documentSymbol", ask(MAIN))).rejects.toMatchObject({ code: -32002 });
    await editor.start();
    expect(await editor.ask("textDocument/documentSymbol", ask(MAIN))).toBeNull();
    await expect(editor.start()).rejects.toMatchObject({ code: ErrorCodes.InvalidRequest });
    await editor.ask("shutdown", null);
    await expect(editor.start()).rejects.toMatchObject({ code: ErrorCodes.InvalidRequest });
    await expect(editor.ask("textDocument/documentSymbol", ask(MAIN))).rejects.toMatchObject({ code: -32600 });
    await expect(editor.ask("textDocument/nothing", {})).rejects.toMatchObject({ code: -32601 });
    editor.connection.dispose();
  });
});

describe("diagnostics that are pushed", () => {
  test("come as one types, with places, notes and further places", async () => {
    const editor = editorHere();
    await editor.start();
    await editor.open(MAIN, "set ports : u16[8]\nif tcp.dprt in ports then pass\n");
    const [first, ...none] = await editor.diagnostics(MAIN, 1);
    expect(none).toEqual([]);
    expect(first).toMatchObject({
      code: "X0203",
      source: "xdpc",
      severity: DiagnosticSeverity.Error,
      range: { start: { line: 1, character: 7 }, end: { line: 1, character: 11 } },
    });
    expect(first?.message).toContain("help: did you mean `dport`?");
    await editor.edit(MAIN, 2, [1, 7], [1, 11], "dport");
    expect(await editor.diagnostics(MAIN, 2)).toEqual([]);
    await editor.edit(MAIN, 3, [0, 0], [0, 0], "counter ports\n");
    const [clash] = await editor.diagnostics(MAIN, 3);
    expect(clash).toMatchObject({ code: "X0201", range: { start: { line: 1, character: 4 } } });
    expect(clash?.relatedInformation).toEqual([
      {
        location: { uri: MAIN, range: { start: { line: 0, character: 8 }, end: { line: 0, character: 13 } } },
        message: "first declared here",
      },
    ]);
    await editor.tell("textDocument/didClose", { textDocument: { uri: MAIN } });
    await editor.until(
      () => editor.published.at(-1)?.diagnostics.length === 0 && editor.published.at(-1)?.version === undefined,
    );
    await editor.end();
  });

  test("many keystrokes end with the last text's", async () => {
    const editor = editorHere();
    await editor.start();
    await editor.open(MAIN, "");
    const text = "if tcp.dport == 22 then drop\nif opaque then drop\ncount hits\n";
    let [line, character] = [0, 0];
    for (const [i, typed] of [...text].entries()) {
      await editor.edit(MAIN, i + 2, [line, character], [line, character], typed);
      [line, character] = typed === "\n" ? [line + 1, 0] : [line, character + 1];
    }
    const last = await editor.diagnostics(MAIN, text.length + 1);
    expect(codes(last)).toEqual(["X0202"]);
    expect(last[0]?.range).toEqual({ start: { line: 2, character: 6 }, end: { line: 2, character: 10 } });
    expect(editor.published.map((p) => p.version)).toEqual(
      editor.published.map((p) => p.version).sort((a = 0, b = 0) => a - b),
    );
    await editor.end();
  });

  test("a file without rules isn't told off in red", async () => {
    const editor = editorHere();
    await editor.start();
    await editor.open(MAIN, "# soon\n");
    const [only] = await editor.diagnostics(MAIN, 1);
    expect(only).toMatchObject({ code: "X0207", severity: DiagnosticSeverity.Information });
    expect(only?.range.end).toEqual(only?.range.start);
    await editor.end();
  });
});

describe("diagnostics that are asked for", () => {
  test("aren't pushed; what hasn't changed isn't repeated", async () => {
    const editor = editorHere();
    const { capabilities } = await editor.start(PULLS);
    expect(capabilities.diagnosticProvider).toMatchObject({ interFileDependencies: true });
    await editor.open(MAIN, "count hits\n");
    const first = await editor.ask<DocumentDiagnosticReport>("textDocument/diagnostic", ask(MAIN));
    if (first.kind !== "full") throw new Error("not in full");
    expect(codes(first.items)).toEqual(["X0202"]);
    const again = await editor.ask("textDocument/diagnostic", ask(MAIN, first.resultId));
    expect(again).toEqual({ kind: "unchanged", resultId: first.resultId });
    await editor.edit(MAIN, 2, [0, 0], [0, 0], "counter hits\n");
    const mended = await editor.ask<DocumentDiagnosticReport>("textDocument/diagnostic", ask(MAIN, first.resultId));
    expect(mended).toMatchObject({ kind: "full", items: [] });
    expect(editor.published).toEqual([]);
    expect(await editor.ask("textDocument/diagnostic", ask("file:///rules/nowhere.xdp"))).toEqual({
      kind: "full",
      items: [],
    });
    await editor.end();
  });
});

describe("imports", () => {
  const COMMON = "file:///rules/common.xdp";
  const IMPORTS = 'import "common.xdp"\nif is_web() then pass\n';

  test("are read from the disk, and from the editor where they are open", async () => {
    const editor = editorHere(new Map([[COMMON, "fn is_web() = tcp.dport == 80\n"]]));
    await editor.start();
    await editor.open(MAIN, IMPORTS);
    expect(await editor.diagnostics(MAIN, 1)).toEqual([]);
    // The open text comes before the disk's, and who imports it is looked at again.
    await editor.open(COMMON, "fn is_web() = tcp.dprt == 80\n");
    const told = await editor.until(() => editor.published.findLast((p) => p.uri === MAIN && p.diagnostics.length > 0));
    expect(told.diagnostics).toHaveLength(1);
    expect(told.diagnostics[0]).toMatchObject({
      code: "X0203",
      range: { start: { line: 0, character: 7 }, end: { line: 0, character: 19 } },
      message: '"common.xdp" has a fault: `tcp` has no field `dprt`',
      relatedInformation: [{ location: { uri: COMMON, range: { start: { line: 0, character: 18 } } } }],
    });
    expect(codes(await editor.diagnostics(COMMON, 1))).toEqual(["X0203"]);
    await editor.edit(COMMON, 2, [0, 18], [0, 22], "dport");
    expect(await editor.diagnostics(COMMON, 2)).toEqual([]);
    await editor.until(() => editor.published.findLast((p) => p.uri === MAIN)?.diagnostics.length === 0);
    await editor.end();
  });

  test("that are missing are told, and found once they are there", async () => {
    const files = new Map<string, string>();
    const editor = editorHere(files);
    await editor.start();
    await editor.open(MAIN, IMPORTS);
    expect(codes(await editor.diagnostics(MAIN, 1))).toEqual(["X0002", "X0202"]);
    files.set(COMMON, "fn is_web() = tcp.dport == 80\n");
    await editor.tell("workspace/didChangeWatchedFiles", { changes: [{ uri: COMMON, type: 1 }] });
    await editor.until(() => editor.published.findLast((p) => p.uri === MAIN)?.diagnostics.length === 0);
    await editor.end();
  });

  test("are watched where the editor offers it", async () => {
    const editor = editorHere();
    await editor.start({ workspace: { didChangeWatchedFiles: { dynamicRegistration: true } } });
    await editor.until(() => editor.asked.includes("register workspace/didChangeWatchedFiles"));
    await editor.end();
  });

  test("circles, a file that names itself, and a spelling of a URI that differs", async () => {
    const files = new Map([["file:///rules/a b.xdp", 'import "main.xdp"\nfn f() = ip\n']]);
    const editor = editorHere(files);
    await editor.start();
    await editor.open(MAIN, 'import "a b.xdp"\nimport "main.xdp"\nif f() then pass\n');
    expect(codes(await editor.diagnostics(MAIN, 1))).toEqual(["X0003", "X0003"]);
    await editor.open("file:///rules/a%20b.xdp", "fn f() = ip\n");
    await editor.until(() => codes(editor.published.findLast((p) => p.uri === MAIN)?.diagnostics ?? []).length === 1);
    await editor.end();
  });

  test("folders of the workspace are told by URI, or by an old editor's path", async () => {
    const files = new Map([["file:///rules/main.xdp", "counter hits\n"]]);
    for (const root of [{ rootPath: "/rules" }, { rootUri: "file:///rules", rootPath: "/elsewhere" }]) {
      const editor = editorHere(files);
      await editor.start({}, root);
      const found = await editor.ask<{ name: string }[]>("workspace/symbol", { query: "hits" });
      expect(found.map(({ name }) => name)).toEqual(["hits"]);
      await editor.end();
    }
  });

  test("what only declares is seen with the eyes of who imports it", async () => {
    const editor = editorHere();
    await editor.start();
    await editor.open(COMMON, "fn f() { count hits }\n");
    expect(codes(await editor.diagnostics(COMMON, 1))).toEqual(["X0202"]);
    await editor.open(MAIN, 'import "common.xdp"\ncounter hits\nf()\n');
    await editor.until(() => editor.published.findLast((p) => p.uri === COMMON)?.diagnostics.length === 0);
    expect(await editor.diagnostics(MAIN, 1)).toEqual([]);
    await editor.end();
  });

  test("folders of the settings are looked through too", async () => {
    const editor = editorHere(new Map([["file:///lib/common.xdp", "fn is_web() = tcp.dport == 80\n"]]));
    await editor.start({}, { initializationOptions: { importFolders: ["file:///lib"] } });
    await editor.open(MAIN, IMPORTS);
    expect(await editor.diagnostics(MAIN, 1)).toEqual([]);
    await editor.end();
  });
});

describe("odd documents", () => {
  test("one that was never saved", async () => {
    const editor = editorHere(new Map([["file:///rules/common.xdp", "fn f() = ip\n"]]));
    await editor.start({}, { workspaceFolders: [{ uri: "file:///rules", name: "rules" }] });
    const uri = "untitled:Untitled-1";
    await editor.open(uri, 'import "common.xdp"\nif f() then drop\n');
    expect(await editor.diagnostics(uri, 1)).toEqual([]);
    const symbols = await editor.ask<DocumentSymbol[]>("textDocument/documentSymbol", ask(uri));
    expect(Array.isArray(symbols)).toBe(true);
    await editor.end();
  });

  test("one with nowhere to look for imports", async () => {
    const editor = editorHere();
    await editor.start();
    await editor.open("untitled:1", 'import "common.xdp"\npass\n');
    const [only] = await editor.diagnostics("untitled:1", 1);
    expect(only?.message).toContain("isn't saved anywhere");
    await editor.end();
  });

  test("places count UTF-16 units, and every kind of line end", async () => {
    const editor = editorHere();
    await editor.start();
    await editor.open(MAIN, "# \u{1f600} pass\u00e9\r\n# a\rcounter h # \u{1f600}\r\ncount hits # \u00fc\r\n");
    const [only] = await editor.diagnostics(MAIN, 1);
    expect(only?.range).toEqual({ start: { line: 3, character: 6 }, end: { line: 3, character: 10 } });
    // Behind a letter of two units in a comment, then over a line end of two characters.
    await editor.edit(MAIN, 2, [2, 14], [2, 14], "!");
    await editor.edit(MAIN, 3, [3, 6], [3, 10], "h");
    expect(await editor.diagnostics(MAIN, 3)).toEqual([]);
    await editor.edit(MAIN, 4, [0, 9], [1, 0], " ");
    expect(await editor.diagnostics(MAIN, 4)).toEqual([]);
    await editor.end();
  });

  test("changes of what isn't open, places beyond the end, texts as a whole", async () => {
    const editor = editorHere();
    await editor.start();
    await editor.edit("file:///rules/closed.xdp", 2, [0, 0], [0, 0], "x");
    await editor.open(MAIN, "broken (");
    await editor.tell("textDocument/didChange", {
      textDocument: { uri: MAIN, version: 1 },
      contentChanges: [{ range: null, text: "pass" }],
    });
    await editor.edit(MAIN, 2, [5, 0], [9, 99], "\n# more");
    await editor.edit(MAIN, 3, [0, 99], [0, 99], " # end");
    expect(await editor.diagnostics(MAIN, 3)).toEqual([]);
    await editor.tell("textDocument/didChange", {
      textDocument: { uri: MAIN, version: 4 },
      contentChanges: [
        { text: "count hits\n" },
        { range: { start: { line: 0, character: 6 }, end: { line: 0, character: 10 } }, text: "h" },
      ],
    });
    expect(codes(await editor.diagnostics(MAIN, 4))).toEqual(["X0202"]);
    await editor.end();
  });

  test("a library file by itself, and URIs that are none", async () => {
    const editor = editorHere();
    await editor.start();
    await editor.open("file:///%zz/x.xdp", "pass\n");
    expect(await editor.diagnostics("file:///%zz/x.xdp", 1)).toEqual([]);
    await editor.open("", "pass\n");
    expect(await editor.diagnostics("", 1)).toEqual([]);
    await editor.end();
  });
});

describe("requests", () => {
  test("that are withdrawn aren't answered", async () => {
    const editor = editorHere();
    await editor.start();
    await editor.open(MAIN, "pass\n");
    const source = new CancellationTokenSource();
    const asked = editor.connection.sendRequest("textDocument/documentSymbol", ask(MAIN), source.token);
    source.cancel();
    await expect(asked).rejects.toMatchObject({ code: LSPErrorCodes.RequestCancelled });
    await editor.end();
  });

  test("that an edit overtakes say so", async () => {
    const editor = editorHere();
    await editor.start();
    await editor.open(MAIN, "pass\n");
    // Whether the edit is there before the answer is chance, a loaded machine's above all.
    let code: unknown = null;
    for (let version = 2; version < 100 && code === null; version++) {
      const asked = editor.ask("textDocument/hover", { ...ask(MAIN), position: { line: 0, character: 0 } });
      void editor.edit(MAIN, version, [0, 0], [0, 0], "# ");
      code = await asked.then(
        () => null,
        (error: unknown) => (error as { code: unknown }).code,
      );
    }
    expect(code).toBe(LSPErrorCodes.ContentModified);
    // What has no place in the text is answered by the new one.
    const symbols = await editor.ask("textDocument/documentSymbol", ask(MAIN));
    expect(symbols).toEqual([]);
    await editor.end();
  });

  test("with parameters that make no sense are refused, and the next one is answered", async () => {
    const editor = editorHere();
    await editor.start();
    await editor.open(MAIN, "pass\n");
    for (const params of [
      {},
      null,
      { textDocument: null },
      { textDocument: { uri: 5 } },
      { textDocument: { uri: MAIN } },
      { textDocument: { uri: MAIN }, position: "x" },
      { textDocument: { uri: MAIN }, position: { line: 0, character: null } },
    ]) {
      const asked = editor.ask("textDocument/hover", params);
      await expect(asked).rejects.toMatchObject({ code: ErrorCodes.InvalidParams });
    }
    const place = { textDocument: { uri: MAIN }, position: { line: 0, character: 0 } };
    await expect(editor.ask("textDocument/rename", place)).rejects.toMatchObject({ message: "`newName` is missing" });
    await expect(editor.connection.sendRequest("textDocument/hover")).rejects.toMatchObject({
      code: ErrorCodes.InvalidParams,
    });
    // None of it is a fault of ours.
    expect(editor.log).toEqual([]);
    await editor.tell("textDocument/didOpen", { textDocument: { uri: 7 } });
    await editor.tell("textDocument/didChange", {
      textDocument: { uri: MAIN, version: 9 },
      contentChanges: [{ range: 1, text: 2 }],
    });
    await editor.tell("textDocument/didChange", {});
    expect(await editor.ask("textDocument/foldingRange", ask(MAIN))).toEqual([]);
    await editor.end();
  });
});

describe("what a whole compilation knows", () => {
  const RULES =
    'default drop\nif tcp.dport == 80 then pass\n\ntest "web" {\n    packet eth / ip / tcp(dport: 80)\n    expect drop\n}\n';

  test("comes a while after the last change, as lenses", async () => {
    const jobs: DeepJob[] = [];
    const editor = editorHere(new Map(), {
      run(job, done) {
        jobs.push(job);
        const timer = setTimeout(() => done(runDeep(job)), 0);
        return () => clearTimeout(timer);
      },
    });
    await editor.start({ workspace: { codeLens: { refreshSupport: true } } });
    await editor.open(MAIN, RULES);
    expect(await editor.ask("textDocument/codeLens", ask(MAIN))).toEqual([]);
    await editor.until(() => editor.asked.includes("workspace/codeLens/refresh"));
    const lenses = await editor.ask<CodeLens[]>("textDocument/codeLens", ask(MAIN));
    expect(lenses.map((l) => [l.range.start.line, l.command?.title])).toEqual([
      [1, expect.stringMatching(/^\d+ instructions · \d+ bytes of stack · [\d,]+ verifier steps · Linux \d+\.\d+$/)],
      [3, expect.stringMatching(/^failed: /)],
    ]);
    await editor.edit(MAIN, 2, [5, 11], [5, 15], "pass");
    expect(await editor.ask("textDocument/codeLens", ask(MAIN))).toEqual([]);
    await editor.until(() => editor.asked.filter((m) => m === "workspace/codeLens/refresh").length === 2);
    const mended = await editor.ask<CodeLens[]>("textDocument/codeLens", ask(MAIN));
    expect(mended[1]?.command?.title).toBe("passed");
    // Faulty rules aren't compiled.
    await editor.edit(MAIN, 3, [0, 0], [0, 0], "count hits\n");
    await editor.diagnostics(MAIN, 3);
    await new Promise((go) => setTimeout(go, 600));
    expect(jobs).toHaveLength(2);
    await editor.end();
  });

  test("is given up where the text changes meanwhile; a fault of ours is logged", async () => {
    let ended = 0;
    const waiting: ((result: DeepResult | null) => void)[] = [];
    const editor = editorHere(new Map(), {
      run(_job, done) {
        waiting.push(done);
        return () => {
          ended += 1;
        };
      },
    });
    await editor.start();
    await editor.open(MAIN, RULES);
    await editor.until(() => waiting.length === 1);
    await editor.edit(MAIN, 2, [0, 0], [0, 0], "# x\n");
    await editor.until(() => ended === 1);
    await editor.until(() => waiting.length === 2);
    // A result that comes late is of no use.
    waiting[0]?.({ diagnostics: [], programs: [], tests: [], fault: "too late" });
    waiting[1]?.({ diagnostics: [], programs: [], tests: [], fault: "an internal error" });
    await editor.until(() => editor.log.some((line) => line.includes("an internal error")));
    expect(editor.log.some((line) => line.includes("too late"))).toBe(false);
    await editor.end();
  });

  test("adds what only it can tell to the diagnostics", async () => {
    const range = { path: "/rules/main.xdp", start: 13, end: 15, text: "" };
    const told = {
      code: "X0607",
      severity: "error",
      message: "too complex",
      primary: range,
      secondary: [],
      notes: [],
      help: null,
    } as const;
    const editor = editorHere(new Map(), {
      run(_job, done) {
        setTimeout(() => done({ diagnostics: [told], programs: [], tests: [], fault: null }), 0);
        return () => {};
      },
    });
    await editor.start();
    await editor.open(MAIN, RULES);
    const last = await editor.until(() => editor.published.find((p) => p.diagnostics.length > 0));
    expect(last.diagnostics).toMatchObject([{ code: "X0607", range: { start: { line: 1, character: 0 } } }]);
    await editor.end();
  });
});
