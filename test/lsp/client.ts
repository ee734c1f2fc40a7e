// An editor for tests: the protocol library's client on a pair of streams, either to a server in this process or to one that was started.

import { PassThrough, type Readable, type Writable } from "node:stream";
import { createConnection, ProposedFeatures } from "vscode-languageserver/node";
import type {
  ClientCapabilities,
  Diagnostic,
  InitializeParams,
  InitializeResult,
  Position,
  ProtocolConnection,
  PublishDiagnosticsParams,
  RegistrationParams,
} from "vscode-languageserver-protocol";
import {
  createProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-languageserver-protocol/node";
import type { DeepRunner } from "../../src/lsp/deep-schedule.ts";
import { serve } from "../../src/lsp/server.ts";
import { filesOf } from "./session.ts";

/** How long a test waits for what must come. */
const PATIENCE_MILLISECONDS = 20_000;

/** An editor with one server. */
export class Editor {
  readonly connection: ProtocolConnection;
  /** Everything published, in order. */
  readonly published: PublishDiagnosticsParams[] = [];
  /** What the server wrote to the editor's log. */
  readonly log: string[] = [];
  /** Requests of the server's, by method. */
  readonly asked: string[] = [];

  constructor(output: Readable, input: Writable) {
    this.connection = createProtocolConnection(new StreamMessageReader(output), new StreamMessageWriter(input));
    this.connection.onNotification("textDocument/publishDiagnostics", (params: PublishDiagnosticsParams) => {
      this.published.push(params);
    });
    this.connection.onNotification("window/logMessage", ({ message }: { message: string }) => {
      this.log.push(message);
    });
    for (const what of ["codeLens", "inlayHint", "diagnostic", "semanticTokens"]) {
      const method = `workspace/${what}/refresh`;
      this.connection.onRequest(method, () => {
        this.asked.push(method);
        return null;
      });
    }
    this.connection.onRequest("client/registerCapability", ({ registrations }: RegistrationParams) => {
      this.asked.push(...registrations.map((registration) => `register ${registration.method}`));
    });
    this.connection.listen();
  }

  async start(capabilities: ClientCapabilities = {}, more: Partial<InitializeParams> = {}): Promise<InitializeResult> {
    const params: InitializeParams = { processId: null, rootUri: null, capabilities, ...more };
    const result = await this.ask<InitializeResult>("initialize", params);
    await this.tell("initialized", {});
    return result;
  }

  ask<T>(method: string, params: object | null): Promise<T> {
    return this.connection.sendRequest(method, params);
  }

  tell(method: string, params: object | null): Promise<void> {
    return this.connection.sendNotification(method, params);
  }

  open(uri: string, text: string, version = 1): Promise<void> {
    return this.tell("textDocument/didOpen", { textDocument: { uri, languageId: "xdp", version, text } });
  }

  /** Replaces what stands between two places, given as `[line, character]`. */
  edit(
    uri: string,
    version: number,
    from: readonly [number, number],
    to: readonly [number, number],
    text: string,
  ): Promise<void> {
    const at = ([line, character]: readonly [number, number]): Position => ({ line, character });
    const contentChanges = [{ range: { start: at(from), end: at(to) }, text }];
    return this.tell("textDocument/didChange", { textDocument: { uri, version }, contentChanges });
  }

  /** The diagnostics pushed for a version of a document, once they have come. */
  async diagnostics(uri: string, version: number): Promise<readonly Diagnostic[]> {
    const found = await this.until(() => this.published.findLast((p) => p.uri === uri && p.version === version));
    return found.diagnostics;
  }

  /** Waits until `look` gives something. */
  async until<T>(look: () => T | undefined | null | false): Promise<T> {
    const end = performance.now() + PATIENCE_MILLISECONDS;
    for (;;) {
      const found = look();
      if (found !== undefined && found !== null && found !== false) return found;
      if (performance.now() > end) throw new Error(`waited in vain; the log says: ${this.log.join("\n")}`);
      await new Promise((go) => setTimeout(go, 5));
    }
  }

  async end(): Promise<void> {
    await this.ask("shutdown", null);
    this.connection.dispose();
  }
}

/** An editor with a server in this process, over files in memory. */
export function editorHere(files: ReadonlyMap<string, string> = new Map(), runner: DeepRunner | null = null): Editor {
  const toServer = new PassThrough();
  const toEditor = new PassThrough();
  serve(createConnection(ProposedFeatures.all, toServer, toEditor), { files: filesOf(files), version: "test", runner });
  return new Editor(toEditor, toServer);
}
