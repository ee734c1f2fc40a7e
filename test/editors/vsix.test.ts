// The VS Code extension as it is packed: what lies in the .vsix; its server started from there over standard input and output; the
// extension itself, run against a stand-in for VS Code.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import path from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  createProtocolConnection,
  DefinitionRequest,
  DidOpenTextDocumentNotification,
  ExitNotification,
  InitializedNotification,
  InitializeRequest,
  type Location,
  PublishDiagnosticsNotification,
  type PublishDiagnosticsParams,
  ShutdownRequest,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-languageserver-protocol/node";
import { builtBin, projectRoot } from "../cli/build.ts";
import { plainEnv, scratchFolder, writeFiles } from "../cli/support.ts";
import { BUILD_MS } from "./documented.ts";
import { unzip } from "./unzip.ts";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly main: string;
  readonly type?: string;
  readonly contributes: {
    readonly languages: readonly {
      readonly id: string;
      readonly configuration: string;
      readonly extensions: string[];
    }[];
    readonly grammars: readonly { readonly language: string; readonly scopeName: string; readonly path: string }[];
    readonly commands: readonly { readonly command: string }[];
  };
}

const folder = scratchFolder();
const read = (file: string): string => readFileSync(path.join(projectRoot, file), "utf8");
const { version } = JSON.parse(read("package.json")) as { version: string };
const NAME = `xdpc-vscode-${version}.vsix`;

let files: Map<string, Buffer>;
let extensionFolder = "";
let manifest: Manifest;
const running: ChildProcess[] = [];

function pack(out: string): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(projectRoot, "scripts/vsix.mjs"), out], {
    env: plainEnv(),
    encoding: "utf8",
    timeout: 60_000,
  });
  if (status !== 0) throw new Error(`${stdout}${stderr}`);
  expect(stdout.trim().split("\n").at(-1)).toBe(path.join(out, NAME));
}

beforeAll(() => {
  builtBin();
  pack(path.join(folder, "out"));
  files = unzip(readFileSync(path.join(folder, "out", NAME)));
  for (const [name, bytes] of files) writeFiles(path.join(folder, "unpacked"), { [name]: bytes });
  extensionFolder = path.join(folder, "unpacked/extension");
  manifest = JSON.parse(files.get("extension/package.json")?.toString() ?? "") as Manifest;
}, BUILD_MS);

afterEach(() => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
});

describe("the package", () => {
  test("has all that the manifest names, and nothing of the sources", () => {
    const { main, contributes } = manifest;
    const named = [
      main,
      ...contributes.languages.map((l) => l.configuration),
      ...contributes.grammars.map((g) => g.path),
    ];
    for (const name of named) expect([...files.keys()]).toContain(path.posix.join("extension", name));
    for (const name of ["LICENSE.txt", "readme.md", "THIRD-PARTY-NOTICES.txt", "dist/lsp.cjs"]) {
      expect([...files.keys()]).toContain(`extension/${name}`);
    }
    const library = readdirSync(path.join(projectRoot, "stdlib")).map((name) => `extension/stdlib/${name}`);
    expect([...files.keys()].filter((name) => name.startsWith("extension/stdlib/")).sort()).toEqual(library.sort());
    expect([...files.keys()].filter((name) => /node_modules|\.ts$|\.map$/.test(name))).toEqual([]);
  });

  test("has the version of the project and the grammar of the sources", () => {
    expect(manifest).toMatchObject({ name: "xdpc-vscode", version });
    // A module by its manifest would make VS Code load it another way.
    expect(manifest.type).toBeUndefined();
    expect(files.get("extension.vsixmanifest")?.toString()).toContain(`Id="xdpc-vscode" Version="${version}"`);
    const grammar = "syntaxes/xdp.tmLanguage.json";
    expect(files.get(`extension/${grammar}`)?.toString()).toBe(read(`editors/vscode/${grammar}`));
    expect(files.get("extension/LICENSE.txt")?.toString()).toBe(read("LICENSE"));
    const notices = files.get("extension/THIRD-PARTY-NOTICES.txt")?.toString() ?? "";
    for (const name of ["vscode-languageclient", "vscode-languageserver", "chevrotain"])
      expect(notices).toContain(`${name} `);
  });

  test("needs nothing that isn't in it but VS Code and Node", () => {
    for (const name of ["extension", "lsp"]) {
      const text = files.get(`extension/dist/${name}.cjs`)?.toString() ?? "";
      const wanted = new Set([...text.matchAll(/\brequire\("([^"]+)"\)/g)].map((match) => match[1] ?? ""));
      expect([...wanted].filter((one) => !isBuiltin(one))).toEqual(name === "extension" ? ["vscode"] : []);
    }
  });

  test("has the same bytes when it's packed again", () => {
    pack(path.join(folder, "again"));
    const [first, second] = ["out", "again"].map((one) => readFileSync(path.join(folder, one, NAME)));
    expect(second?.equals(first as Buffer)).toBe(true);
  });
});

test("the packed server answers over standard input and output", async () => {
  const child = spawn(process.execPath, [path.join(extensionFolder, "dist/lsp.cjs"), "--stdio"], { env: plainEnv() });
  running.push(child);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const connection = createProtocolConnection(
    new StreamMessageReader(child.stdout),
    new StreamMessageWriter(child.stdin),
  );
  const published = new Promise<PublishDiagnosticsParams>((resolve) => {
    connection.onNotification(PublishDiagnosticsNotification.type, resolve);
  });
  connection.listen();
  const { serverInfo } = await connection.sendRequest(InitializeRequest.type, {
    processId: process.pid,
    rootUri: null,
    capabilities: {},
  });
  expect(serverInfo).toMatchObject({ name: "xdpc", version });
  await connection.sendNotification(InitializedNotification.type, {});
  const uri = pathToFileURL(path.join(folder, "rules.xdp")).href;
  await connection.sendNotification(DidOpenTextDocumentNotification.type, {
    textDocument: { uri, languageId: "xdp", version: 1, text: "if tcp.dport == 80 then drop\ncount nothing\n" },
  });
  const { diagnostics } = await published;
  expect(diagnostics.map(({ code, range }) => [code, range.start.line])).toEqual([["X0202", 1]]);
  const found = await connection.sendRequest(DefinitionRequest.type, {
    textDocument: { uri },
    position: { line: 0, character: 8 },
  });
  const [place] = [found].flat() as (Location & { targetUri?: string })[];
  expect(place?.targetUri ?? place?.uri).toBe(pathToFileURL(path.join(extensionFolder, "stdlib/tcp.xdp")).href);
  await connection.sendRequest(ShutdownRequest.type);
  await connection.sendNotification(ExitNotification.type);
  expect(await ended).toBe(0);
});

/** What the stand-in tells. */
interface Told {
  readonly what: string;
  readonly text?: string;
  readonly name?: string;
  readonly commands?: readonly string[];
  readonly uri?: string;
  readonly diagnostics?: readonly { readonly code: string; readonly line: number; readonly message: string }[];
}

/** The extension in the stand-in, with `text` open. */
class Editor {
  readonly #child: ChildProcess;
  readonly #told: Told[] = [];
  #waiting: (() => void) | null = null;

  constructor(text: string, settings: Readonly<Record<string, unknown>> = {}) {
    const file = path.join(folder, "project/main.xdp");
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
    const standIn = path.join(projectRoot, "test/editors/vscode-stand-in.cjs");
    this.#child = spawn(process.execPath, [standIn, extensionFolder, file, JSON.stringify(settings)], {
      env: plainEnv(),
    });
    running.push(this.#child);
    this.#child.stderr?.on("data", (chunk) => this.#hear({ what: "fault", text: String(chunk) }));
    if (this.#child.stdout !== null) {
      createInterface({ input: this.#child.stdout }).on("line", (line) => this.#hear(JSON.parse(line) as Told));
    }
  }

  #hear(told: Told): void {
    this.#told.push(told);
    this.#waiting?.();
  }

  order(order: string, values: Readonly<Record<string, unknown>> = {}): void {
    this.#child.stdin?.write(`${JSON.stringify({ order, ...values })}\n`);
  }

  /** Waits for something told since the last time that `wanted` accepts, and forgets what came before it. */
  async heard(wanted: (told: Told) => boolean): Promise<Told> {
    const end = performance.now() + 20_000;
    for (;;) {
      const fault = this.#told.find((told) => told.what === "fault");
      if (fault !== undefined) throw new Error(fault.text);
      const at = this.#told.findIndex(wanted);
      const found = this.#told[at];
      if (found !== undefined) {
        this.#told.splice(0, at + 1);
        return found;
      }
      if (performance.now() > end) throw new Error(`not heard; but ${JSON.stringify(this.#told)}`);
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
        setTimeout(resolve, 1000);
      });
    }
  }

  async diagnostics(count: number): Promise<Told["diagnostics"]> {
    return (await this.heard((told) => told.what === "diagnostics" && told.diagnostics?.length === count)).diagnostics;
  }

  /** Ends the extension; resolves when its process has ended, which it does only when its server has. */
  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.order("deactivate");
    await this.heard((told) => told.what === "deactivated");
    this.#child.stdin?.end();
    await ended;
  }
}

describe("the extension in a stand-in for VS Code", () => {
  test("starts its server, shows diagnostics as the text changes, and ends", async () => {
    const editor = new Editor("if arp then drp\n");
    editor.order("activate");
    const { commands } = await editor.heard((told) => told.what === "activated");
    expect([...(commands ?? [])].sort()).toEqual(manifest.contributes.commands.map((one) => one.command).sort());
    expect(await editor.diagnostics(1)).toEqual([{ code: "X0121", line: 0, message: expect.any(String) }]);
    editor.order("write", { text: "if arp then drop\n" });
    await editor.diagnostics(0);
    editor.order("write", { text: "if arp then drop\ncount nothing\n" });
    expect(await editor.diagnostics(1)).toMatchObject([{ code: "X0202", line: 1 }]);
    await editor.end();
  });

  test("starts another server when it's told to, and when the settings name one", async () => {
    const editor = new Editor("if arp then drp\n");
    editor.order("activate");
    await editor.diagnostics(1);
    editor.order("run", { name: "xdp.restartServer" });
    await editor.heard((told) => told.what === "ran");
    await editor.diagnostics(1);
    editor.order("set", { name: "xdp.server.path", value: path.join(folder, "nowhere/xdpc") });
    const { text } = await editor.heard((told) => told.what === "error");
    expect(text).toContain("nowhere/xdpc");
    await editor.heard((told) => told.what === "set");
    editor.order("set", { name: "xdp.server.path", value: builtBin() });
    await editor.heard((told) => told.what === "set");
    await editor.diagnostics(1);
    await editor.end();
  });

  test("tells the server the folders of imports", async () => {
    writeFiles(folder, { "project/shared/common.xdp": "fn is_web(port : u16) = port in { 80, 443 }\n" });
    const text = 'import "common.xdp"\nif is_web(tcp.dport) then drop\ncount nothing\n';
    const editor = new Editor(text, { "xdp.importFolders": ["shared"] });
    editor.order("activate");
    expect(await editor.diagnostics(1)).toMatchObject([{ code: "X0202", line: 2 }]);
    await editor.end();
  });
});
