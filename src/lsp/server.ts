// The server on a connection: what it says of itself, the documents it is told of, the table of features registered, diagnostics pushed
// or pulled. Every answer is guarded: a fault of ours is an error reply and a line in the editor's log, never the end. Knows no Node;
// stdio.ts gives it a connection.

import {
  type CancellationToken,
  type ClientCapabilities,
  CodeLensRefreshRequest,
  type Connection,
  DidChangeWatchedFilesNotification,
  ErrorCodes,
  type InitializeError,
  type InitializeParams,
  type InitializeResult,
  InlayHintRefreshRequest,
  LSPErrorCodes,
  PositionEncodingKind,
  ResponseError,
  type ServerCapabilities,
  TextDocumentSyncKind,
} from "vscode-languageserver";
import type { Diagnostic } from "../base/diagnostic.ts";
import { deepDiagnostics } from "./deep.ts";
import { type DeepRunner, DeepSchedule } from "./deep-schedule.ts";
import type { Feature, Session } from "./feature.ts";
import { FEATURES } from "./features.ts";
import { faultOfParams } from "./params.ts";
import { Publisher } from "./publish.ts";
import { uriOfPath } from "./uris.ts";
import { type Analysed, type FileAccess, Workspace } from "./workspace.ts";

/** What the server needs of where it runs. */
export interface Surroundings {
  readonly files: FileAccess;
  readonly version: string;
  /** Compiles documents as a whole, somewhere else; null: nobody does. */
  readonly runner: DeepRunner | null;
}

/** Settings that an editor may give with `initialize` (`initializationOptions`). */
interface Settings {
  /** Folders where imports are looked for besides that of the file which names them, as `-I` says them to the compiler. */
  readonly importFolders: readonly string[];
}

/** Files that rules may name: a change on the disk has open documents looked at anew. */
const WATCHED = ["**/*.xdp", "**/*.txt", "**/*.csv", "**/*.list"];

/** Serves one editor until the connection ends. */
export function serve(connection: Connection, surroundings: Surroundings): void {
  const workspace = new Workspace(surroundings.files);
  let client: ClientCapabilities = {};
  let state: "new" | "running" | "ended" = "new";

  const report = (what: string, error: unknown): string => {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    connection.console.error(`${what}: ${error instanceof Error ? (error.stack ?? message) : message}`);
    return message;
  };
  const { runner } = surroundings;
  const schedule =
    runner === null
      ? null
      : new DeepSchedule(workspace, runner, (document, result) => {
          if (result?.fault) report("compilation", result.fault);
          try {
            publisher.learnt(document);
            refresh();
          } catch (error) {
            report("results", error);
          }
        });
  const deepOf = (document: Analysed): readonly Diagnostic[] => {
    const result = schedule?.resultOf(document) ?? null;
    return result === null ? [] : deepDiagnostics(result, document);
  };
  const publisher = new Publisher(connection, workspace, deepOf, report);
  const changed = (uri: string | null): void => {
    publisher.changed(uri);
    schedule?.changed(uri);
  };
  /** What an editor shows of an old text it is to ask for again. */
  const refresh = (): void => {
    const ask = [
      client.workspace?.codeLens?.refreshSupport === true ? [CodeLensRefreshRequest.method] : [],
      client.workspace?.inlayHint?.refreshSupport === true ? [InlayHintRefreshRequest.method] : [],
    ].flat();
    for (const method of ask) connection.sendRequest(method).catch((error) => report(method, error));
  };
  const session: Session = {
    workspace,
    get client() {
      return client;
    },
    deep: (document) => schedule?.resultOf(document) ?? null,
  };

  const notified = <P>(what: string, handle: (params: P) => void): ((params: P) => void) => {
    return (params) => {
      if (state !== "running") return;
      try {
        handle(params);
      } catch (error) {
        report(what, error);
      }
    };
  };

  connection.onInitialize((params): InitializeResult | ResponseError<InitializeError> => {
    if (state !== "new")
      return new ResponseError(ErrorCodes.InvalidRequest, "`initialize` comes once", { retry: false });
    client = params.capabilities;
    state = "running";
    const settings = settingsOf(params.initializationOptions);
    workspace.folders = foldersOf(params);
    workspace.importFolders = settings.importFolders.map(asFolder);
    publisher.start(client);
    return {
      capabilities: capabilitiesOf(publisher.capabilities, FEATURES),
      serverInfo: { name: "xdpc", version: surroundings.version },
    };
  });
  connection.onInitialized(
    notified("initialized", () => {
      if (client.workspace?.didChangeWatchedFiles?.dynamicRegistration !== true) return;
      const watchers = WATCHED.map((globPattern) => ({ globPattern }));
      connection.client
        .register(DidChangeWatchedFilesNotification.type, { watchers })
        .catch((error) => report("watching files", error));
    }),
  );
  connection.onShutdown(() => {
    state = "ended";
    publisher.stop();
    schedule?.stop();
  });

  connection.onDidOpenTextDocument(
    notified("open", ({ textDocument: { uri, version, text } }) => {
      workspace.open(uri, version, text);
      changed(uri);
    }),
  );
  connection.onDidChangeTextDocument(
    notified("change", ({ textDocument: { uri, version }, contentChanges }) => {
      workspace.change(uri, version, contentChanges);
      changed(uri);
    }),
  );
  connection.onDidCloseTextDocument(
    notified("close", ({ textDocument: { uri } }) => {
      workspace.close(uri);
      publisher.closed(uri);
      schedule?.changed(uri);
    }),
  );
  connection.onDidSaveTextDocument(notified("save", () => changed(null)));
  connection.onDidChangeWatchedFiles(notified("files", () => changed(null)));
  connection.onNotification(
    "workspace/didChangeWorkspaceFolders",
    notified("folders", ({ event }: { event: { added: readonly Folder[]; removed: readonly Folder[] } }) => {
      const gone = new Set(event.removed.map(({ uri }) => asFolder(uri)));
      const added = event.added.map(({ uri }) => asFolder(uri));
      workspace.folders = [...workspace.folders.filter((uri) => !gone.has(uri)), ...added];
      changed(null);
    }),
  );

  const answer = async (feature: Feature, params: unknown, token: CancellationToken): Promise<unknown> => {
    if (state === "new") return new ResponseError(ErrorCodes.ServerNotInitialized, "`initialize` comes first");
    if (state === "ended") return new ResponseError(ErrorCodes.InvalidRequest, "the server is shut down");
    const fault = faultOfParams(feature.method, params);
    if (fault !== null) return new ResponseError(ErrorCodes.InvalidParams, fault);
    // One turn for what is waiting in the connection: a newer edit or a withdrawal makes the answer needless.
    const before = versionOf(workspace, params);
    await new Promise((go) => setTimeout(go, 0));
    if (token.isCancellationRequested) return new ResponseError(LSPErrorCodes.RequestCancelled, "withdrawn");
    if (feature.places && versionOf(workspace, params) !== before)
      return new ResponseError(LSPErrorCodes.ContentModified, "the text has changed");
    try {
      return (await feature.answer(params as never, session, token)) ?? null;
    } catch (error) {
      if (error instanceof ResponseError) return error;
      return new ResponseError(ErrorCodes.InternalError, report(feature.method, error));
    }
  };
  for (const feature of [...FEATURES, ...publisher.features]) {
    connection.onRequest(feature.method, (params: unknown, token: CancellationToken | undefined) =>
      // A request without parameters comes with the token alone.
      token === undefined ? answer(feature, null, params as CancellationToken) : answer(feature, params, token),
    );
  }
  connection.listen();
}

interface Folder {
  readonly uri: string;
}

function versionOf(workspace: Workspace, params: unknown): number | null {
  const uri = (params as { textDocument?: { uri?: unknown } } | null)?.textDocument?.uri;
  return typeof uri === "string" ? (workspace.document(uri)?.version ?? null) : null;
}

function capabilitiesOf(diagnostics: ServerCapabilities, features: readonly Feature[]): ServerCapabilities {
  const all: ServerCapabilities = {
    positionEncoding: PositionEncodingKind.UTF16,
    textDocumentSync: { openClose: true, change: TextDocumentSyncKind.Incremental, save: true },
    workspace: { workspaceFolders: { supported: true, changeNotifications: true } },
    ...diagnostics,
  };
  return Object.assign(all, ...features.map((feature) => feature.capabilities));
}

function foldersOf(params: InitializeParams): readonly string[] {
  const folders = params.workspaceFolders?.map(({ uri }) => uri) ?? [];
  // Old editors have but a path.
  const root = params.rootUri ?? (params.rootPath ? uriOfPath(params.rootPath) : null);
  return (folders.length > 0 || root === null ? folders : [root]).map(asFolder);
}

function asFolder(uri: string): string {
  return uri.endsWith("/") ? uri : `${uri}/`;
}

function settingsOf(options: unknown): Settings {
  const written = (options as { importFolders?: unknown } | null | undefined)?.importFolders;
  const importFolders = Array.isArray(written) ? written.filter((one): one is string => typeof one === "string") : [];
  return { importFolders };
}
