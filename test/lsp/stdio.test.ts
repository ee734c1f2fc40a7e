// The built server as a process, as an editor starts it: its command line, its exit codes, the thread that compiles, input that is cut or
// is no protocol, files on the disk.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { CodeLens, Location } from "vscode-languageserver-protocol";
import { builtBin, projectRoot } from "../cli/build.ts";
import { Editor } from "./client.ts";

let bin: string;
beforeAll(() => {
  bin = builtBin();
}, 180_000);

const started: ChildProcess[] = [];
const folders: string[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface Server {
  readonly child: ChildProcess;
  /** What it ended with. */
  readonly ended: Promise<number | string | null>;
  readonly stderr: () => string;
}

function start(): Server & { stdin: NodeJS.WritableStream; stdout: NodeJS.ReadableStream } {
  const child = spawn(bin, ["lsp", "--stdio"], { stdio: ["pipe", "pipe", "pipe"] });
  started.push(child);
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = new Promise<number | string | null>((done) => child.on("exit", (code, signal) => done(code ?? signal)));
  return { child, ended, stderr: () => stderr, stdin: child.stdin, stdout: child.stdout };
}

function editorOf(server: ReturnType<typeof start>): Editor {
  return new Editor(server.child.stdout as never, server.child.stdin as never);
}

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(path.join(tmpdir(), "xdpc-lsp-"));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  return folder;
}

const uriOf = (...parts: string[]): string => pathToFileURL(path.join(...parts)).href;
const ask = (uri: string): object => ({ textDocument: { uri } });

describe("the command line", () => {
  const run = (...words: string[]) => spawnSync(bin, words, { encoding: "utf8", input: "" });

  test("has help, and says what it wants", () => {
    expect(run("--help").stdout).toContain("xdpc lsp --stdio");
    const help = run("lsp", "--help");
    expect([help.status, help.stderr]).toEqual([0, ""]);
    expect(help.stdout).toContain("Language Server Protocol");
    const bare = run("lsp");
    expect([bare.status, bare.stdout]).toEqual([2, ""]);
    expect(bare.stderr).toContain("xdpc lsp --stdio");
  });

  test("refuses words it doesn't know", () => {
    for (const words of [
      ["lsp", "--socket=1"],
      ["lsp", "--stdio", "--fast"],
      ["lsp", "--stdio", "rules.xdp"],
    ]) {
      const { status, stdout, stderr } = run(...words);
      expect([status, stdout], words.join(" ")).toEqual([2, ""]);
      expect(stderr).toMatch(/^(?:xdpc|error): /);
    }
  });
});

describe("an editor's session", () => {
  test("ends with 0 behind `shutdown` and `exit`, with 1 behind `exit` alone", async () => {
    const orderly = start();
    const editor = editorOf(orderly);
    await editor.start();
    await editor.ask("shutdown", null);
    await editor.tell("exit", null);
    expect(await orderly.ended).toBe(0);
    const abrupt = start();
    const other = editorOf(abrupt);
    await other.start();
    await other.tell("exit", null);
    expect(await abrupt.ended).toBe(1);
    expect(orderly.stderr() + abrupt.stderr()).toBe("");
  });

  test("finds files on the disk, tells of changes there, and leads into the library", async () => {
    const folder = folderWith({ "common.xdp": "fn is_web() = tcp.dport == 80\n" });
    const server = start();
    const editor = editorOf(server);
    await editor.start({}, { workspaceFolders: [{ uri: pathToFileURL(folder).href, name: "rules" }] });
    const uri = uriOf(folder, "main.xdp");
    await editor.open(uri, 'import "common.xdp"\nif is_web() then pass\nif ip.ttl == 1 then drop\n');
    expect(await editor.diagnostics(uri, 1)).toEqual([]);
    writeFileSync(path.join(folder, "common.xdp"), "fn is_web() = tcp.dprt == 80\n");
    await editor.tell("workspace/didChangeWatchedFiles", { changes: [{ uri: uriOf(folder, "common.xdp"), type: 2 }] });
    const told = await editor.until(() => editor.published.find((p) => p.uri === uri && p.diagnostics.length > 0));
    expect(told.diagnostics[0]?.message).toContain('"common.xdp" has a fault');
    const [found] = [
      await editor.ask<Location | Location[] | null>("textDocument/definition", {
        ...ask(uri),
        position: { line: 2, character: 7 },
      }),
    ].flat();
    expect(found?.uri).toBe(uriOf(projectRoot, "stdlib", "ipv4.xdp"));
    await editor.ask("shutdown", null);
    await editor.tell("exit", null);
    expect(await server.ended).toBe(0);
  });

  test("compiles in a thread and gives up what isn't wanted any more", async () => {
    const server = start();
    const editor = editorOf(server);
    await editor.start({ workspace: { codeLens: { refreshSupport: true } } });
    // Long enough to be under way when the next edit comes.
    const list = Array.from(
      { length: 3000 },
      (_, i) => `if ip.saddr == 10.0.${i >> 8}.${i & 255} and tcp.dport == ${i} then drop`,
    ).join("\n");
    const big = "file:///rules/big.xdp";
    await editor.open(big, `${list}\n`);
    await editor.diagnostics(big, 1);
    await new Promise((go) => setTimeout(go, 1500));
    const began = performance.now();
    await editor.edit(big, 2, [0, 0], [3000, 0], readFileSync(path.join(projectRoot, "examples/ports.xdp"), "utf8"));
    await editor.diagnostics(big, 2);
    expect(performance.now() - began).toBeLessThan(3000);
    await editor.until(() => editor.asked.includes("workspace/codeLens/refresh"));
    const lenses = await editor.ask<CodeLens[]>("textDocument/codeLens", ask(big));
    expect(lenses.map((lens) => lens.command?.title)).toContainEqual(expect.stringContaining("bytes of stack"));
    expect(editor.log).toEqual([]);
    await editor.ask("shutdown", null);
    await editor.tell("exit", null);
    expect(await server.ended).toBe(0);
  });
});

describe("an editor that isn't well", () => {
  test("closes its end: the server ends with 1", async () => {
    const server = start();
    const editor = editorOf(server);
    await editor.start();
    await editor.open("file:///rules/x.xdp", "pass\n");
    editor.connection.end();
    expect(await server.ended).toBe(1);
  });

  test("is gone before it has said anything", async () => {
    const server = start();
    server.stdin.end();
    expect(await server.ended).toBe(1);
  });

  test("doesn't read any more", async () => {
    const server = start();
    const editor = editorOf(server);
    await editor.start();
    editor.connection.dispose();
    (server.child.stdout as unknown as { destroy(): void }).destroy();
    server.child.stdin?.write(
      message("textDocument/didOpen", {
        textDocument: { uri: "file:///x.xdp", languageId: "xdp", version: 1, text: "count hits\n" },
      }),
    );
    await new Promise((go) => setTimeout(go, 300));
    server.child.stdin?.end();
    expect(await server.ended).toBe(1);
  });

  test.each([
    ["no header at all", "GET / HTTP/1.1\r\n\r\n"],
    ["noise", "\u0000\u0001\u0002 Content\r\n\r\n\r\n"],
    ["a length that is no number", "Content-Length: many\r\n\r\n{}"],
    ["a body that is no JSON", "Content-Length: 5\r\n\r\n{{{{{"],
    ["a body that is no message", "Content-Length: 2\r\n\r\n[]"],
    ["a length of nothing", "Content-Length: 0\r\n\r\n"],
  ])(
    "says %s: the server ends or goes on, but neither hangs nor fails by itself",
    { timeout: 30_000 },
    async (_what, noise) => {
      const server = start();
      server.stdin.write(noise);
      server.stdin.write(message("initialize", { processId: null, rootUri: null, capabilities: {} }, 1));
      server.stdin.write(message("shutdown", null, 2));
      server.stdin.write(message("exit", null));
      setTimeout(() => server.stdin.end(), 2000);
      expect([0, 1]).toContain(await server.ended);
      expect(server.stderr()).not.toMatch(/\bat .*\.cjs:/);
    },
  );
});

function message(method: string, params: object | null, id?: number): string {
  const body = JSON.stringify({ jsonrpc: "2.0", ...(id === undefined ? {} : { id }), method, params });
  return `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}
