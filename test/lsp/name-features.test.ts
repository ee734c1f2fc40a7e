// Names through the protocol, client and server joined in one process: definitions into imports and the library, references and renames in
// open files and files on the disk, refusals as errors, tokens and their differences, symbols of all files.

import { PassThrough } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createConnection } from "vscode-languageserver/node";
import {
  createProtocolConnection,
  type DefinitionLink,
  type Location,
  type ProtocolConnection,
  type SemanticTokens,
  type SemanticTokensDelta,
  type SymbolInformation,
  type WorkspaceEdit,
} from "vscode-languageserver-protocol/node";
import { serve } from "../../src/lsp/server.ts";
import type { FileAccess } from "../../src/lsp/workspace.ts";

const FOLDER = "file:///rules/";
const FILES: Readonly<Record<string, string>> = {
  "common.xdp": "const WEB = 80\nfn web() = tcp.dport == WEB\n",
  "edge.xdp": 'import "common.xdp"\nif web() then drop\n',
  "deep/inner.xdp": 'import "../middle.xdp"\nif web() then pass\nif tcp.dport == WEB then drop\n',
  "middle.xdp": 'import "common.xdp"\n',
  "other.xdp": "fn web() = udp.dport == 80\nif web() then drop\n",
};

const files: FileAccess = {
  read(uri) {
    const text = FILES[uri.slice(FOLDER.length)];
    return uri.startsWith(FOLDER) && text !== undefined ? { text } : { error: "no such file or directory" };
  },
  ruleFiles: (folder) => (folder === FOLDER ? Object.keys(FILES).map((name) => FOLDER + name) : []),
  libraryUri: (name) => `file:///usr/lib/xdpc/stdlib/${name}`,
};

let client: ProtocolConnection;

beforeAll(async () => {
  const [up, down] = [new PassThrough(), new PassThrough()];
  serve(createConnection(up, down), { files, version: "0", runner: null });
  client = createProtocolConnection(down, up);
  client.listen();
  await client.sendRequest("initialize", {
    processId: null,
    rootUri: FOLDER,
    capabilities: { textDocument: { definition: { linkSupport: true }, rename: { prepareSupport: true } } },
  });
  await client.sendNotification("initialized", {});
});

afterAll(async () => {
  await client.sendRequest("shutdown");
  client.dispose();
});

let versions = 0;

/** Opens or changes a document; gives its name for requests. */
async function show(name: string, text: string): Promise<{ uri: string }> {
  const uri = FOLDER + name;
  versions += 1;
  await client.sendNotification("textDocument/didClose", { textDocument: { uri } });
  await client.sendNotification("textDocument/didOpen", {
    textDocument: { uri, version: versions, languageId: "xdp", text },
  });
  return { uri };
}

const placesOf = (locations: readonly Location[]): string[] =>
  locations.map(({ uri, range }) => `${uri.replace(FOLDER, "")}:${range.start.line}:${range.start.character}`).sort();

describe("definitions", () => {
  it("in an imported file", async () => {
    const textDocument = await show("edge.xdp", FILES["edge.xdp"] ?? "");
    const position = { line: 1, character: 4 };
    expect(await client.sendRequest("textDocument/definition", { textDocument, position })).toEqual([
      {
        originSelectionRange: { start: { line: 1, character: 3 }, end: { line: 1, character: 6 } },
        targetUri: `${FOLDER}common.xdp`,
        targetRange: { start: { line: 1, character: 0 }, end: { line: 1, character: 27 } },
        targetSelectionRange: { start: { line: 1, character: 3 }, end: { line: 1, character: 6 } },
      },
    ]);
    // Without links: a plain location.
    expect(await client.sendRequest("textDocument/declaration", { textDocument, position })).toEqual({
      uri: `${FOLDER}common.xdp`,
      range: { start: { line: 1, character: 3 }, end: { line: 1, character: 6 } },
    });
  });

  it("in the library, which is on the disk", async () => {
    const textDocument = await show("new.xdp", "if tcp.dport == 80 then drop\n");
    const [link] = await client.sendRequest<DefinitionLink[]>("textDocument/definition", {
      textDocument,
      position: { line: 0, character: 9 },
    });
    expect(link?.targetUri).toBe("file:///usr/lib/xdpc/stdlib/tcp.xdp");
  });

  it("of nothing are null", async () => {
    const textDocument = await show("new.xdp", "if tcp.dport == 80 then drop\n");
    const position = { line: 0, character: 17 };
    expect(await client.sendRequest("textDocument/definition", { textDocument, position })).toBe(null);
  });
});

describe("references", () => {
  const all = ["common.xdp:1:3", "deep/inner.xdp:1:3", "edge.xdp:1:3"];
  const from = async (name: string, character: number, includeDeclaration: boolean): Promise<string[]> => {
    const textDocument = await show(name, FILES[name] ?? "");
    const position = { line: 1, character };
    const context = { includeDeclaration };
    return placesOf(await client.sendRequest("textDocument/references", { textDocument, position, context }));
  };
  it("in files that import each other, wherever the cursor is", async () => {
    expect(await from("common.xdp", 3, true)).toEqual(all);
    expect(await from("edge.xdp", 5, true)).toEqual(all);
    expect(await from("deep/inner.xdp", 5, true)).toEqual(all);
  });
  it("without the declaration", async () => {
    expect(await from("edge.xdp", 5, false)).toEqual(all.slice(1));
  });
  it("in an open file's new text", async () => {
    const textDocument = await show("edge.xdp", 'import "common.xdp"\n\n\nif web() or web() then drop\n');
    const found = await client.sendRequest<Location[]>("textDocument/references", {
      textDocument,
      position: { line: 3, character: 4 },
      context: { includeDeclaration: false },
    });
    expect(placesOf(found)).toEqual(["deep/inner.xdp:1:3", "edge.xdp:3:12", "edge.xdp:3:3"]);
  });
});

describe("renames", () => {
  it("in open files and files on the disk", async () => {
    const textDocument = await show("edge.xdp", FILES["edge.xdp"] ?? "");
    const position = { line: 1, character: 3 };
    const start = { line: 1, character: 3 };
    const end = { line: 1, character: 6 };
    expect(await client.sendRequest("textDocument/prepareRename", { textDocument, position })).toEqual({
      range: { start, end },
      placeholder: "web",
    });
    const edit = await client.sendRequest<WorkspaceEdit>("textDocument/rename", {
      textDocument,
      position,
      newName: "http",
    });
    const edits = [{ range: { start, end }, newText: "http" }];
    expect(edit).toEqual({
      changes: { [`${FOLDER}edge.xdp`]: edits, [`${FOLDER}common.xdp`]: edits, [`${FOLDER}deep/inner.xdp`]: edits },
    });
  });

  it("are refused with the reason", async () => {
    const textDocument = await show("edge.xdp", FILES["edge.xdp"] ?? "");
    const rename = (character: number, newName: string): Promise<unknown> =>
      client.sendRequest("textDocument/rename", { textDocument, position: { line: 1, character }, newName });
    const refused = (message: string): object => ({ code: -32803, message });
    await expect(rename(3, "WEB")).rejects.toMatchObject(
      refused("`WEB` won't do in line 2 of common.xdp: `WEB` is declared twice"),
    );
    await expect(rename(3, "drop")).rejects.toMatchObject(refused("`drop` is a reserved word"));
    const reason = refused("`if` is part of the language and can't be renamed");
    await expect(rename(1, "x")).rejects.toMatchObject(reason);
    const position = { line: 1, character: 1 };
    await expect(client.sendRequest("textDocument/prepareRename", { textDocument, position })).rejects.toMatchObject(
      reason,
    );
  });
});

describe("semantic tokens", () => {
  it("change by their difference", async () => {
    const uri = `${FOLDER}tokens.xdp`;
    const textDocument = await show("tokens.xdp", "set a : u16[4]\nif tcp.dport in a then drop\n");
    const first = await client.sendRequest<SemanticTokens>("textDocument/semanticTokens/full", { textDocument });
    expect(first.data.length).toBe(6 * 5);
    versions += 1;
    await client.sendNotification("textDocument/didChange", {
      textDocument: { uri, version: versions },
      contentChanges: [
        { range: { start: { line: 1, character: 0 }, end: { line: 1, character: 0 } }, text: "if arp then pass\n" },
      ],
    });
    const delta = await client.sendRequest<SemanticTokensDelta>("textDocument/semanticTokens/full/delta", {
      textDocument,
      previousResultId: first.resultId,
    });
    const data = [...first.data];
    for (const edit of delta.edits) data.splice(edit.start, edit.deleteCount, ...(edit.data ?? []));
    const whole = await client.sendRequest<SemanticTokens>("textDocument/semanticTokens/full", { textDocument });
    expect(data).toEqual(whole.data);
    expect(data.length).toBe(7 * 5);
    // Of a result that nobody has any more, the whole comes.
    const unknown = await client.sendRequest<SemanticTokens>("textDocument/semanticTokens/full/delta", {
      textDocument,
      previousResultId: "nothing",
    });
    expect(unknown.data).toEqual(whole.data);
  });

  it("of a part", async () => {
    const textDocument = await show("tokens.xdp", "set a : u16[4]\nif tcp.dport in a then drop\n");
    const range = { start: { line: 1, character: 0 }, end: { line: 2, character: 0 } };
    const part = await client.sendRequest<SemanticTokens>("textDocument/semanticTokens/range", { textDocument, range });
    expect(part.data.length).toBe(3 * 5);
  });
});

describe("symbols of all files", () => {
  it("by a part of the name", async () => {
    await show("new.xdp", "set web_ports : u16[4]\npass\n");
    const found = await client.sendRequest<SymbolInformation[]>("workspace/symbol", { query: "web" });
    expect(found.map(({ name, location }) => `${location.uri.replace(FOLDER, "")} ${name}`).sort()).toEqual([
      "common.xdp WEB",
      "common.xdp web",
      "new.xdp web_ports",
      "other.xdp web",
    ]);
  });
  it("of the library", async () => {
    const found = await client.sendRequest<SymbolInformation[]>("workspace/symbol", { query: "geneve" });
    expect(found.map(({ location }) => location.uri)).toEqual(["file:///usr/lib/xdpc/stdlib/geneve.xdp"]);
  });
});
