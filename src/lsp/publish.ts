// When diagnostics are computed and who gets them: pushed to an editor that doesn't ask, told on request to one that does. Short waits let a
// burst of keystrokes pass; what is being computed for an old text is given up between documents. Knows what diagnostics are from
// diagnostics.ts only.

import {
  type ClientCapabilities,
  type Connection,
  type Diagnostic,
  DiagnosticRefreshRequest,
  type DocumentDiagnosticParams,
  type DocumentDiagnosticReport,
  DocumentDiagnosticRequest,
  type ServerCapabilities,
} from "vscode-languageserver";
import type * as base from "../base/diagnostic.ts";
import { diagnosticsOf } from "./diagnostics.ts";
import type { Feature } from "./feature.ts";
import { keyOf } from "./uris.ts";
import type { Analysed, Workspace } from "./workspace.ts";

/** The share of the last analysis' time that is waited for further keystrokes, and the most, in milliseconds. */
const PATIENCE = 0.25;
const MOST_PATIENCE = 30;

/** Tells an editor what is wrong with its documents. */
export class Publisher {
  readonly #connection: Connection;
  readonly #workspace: Workspace;
  readonly #report: (what: string, error: unknown) => void;
  readonly #deep: (document: Analysed) => readonly base.Diagnostic[];
  /** What each document was last told, as text, and under which number. */
  readonly #told = new Map<string, { readonly text: string; readonly id: string }>();
  #client: ClientCapabilities = {};
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** The document that was changed last: its diagnostics are waited for. */
  #first: string | null = null;
  #lastMilliseconds = 0;
  #ids = 0;
  #stopped = false;
  readonly #loggedFaults = new Set<string>();

  /** `deep` gives what a whole compilation says of a document, as far as there has been one. */
  constructor(
    connection: Connection,
    workspace: Workspace,
    deep: (document: Analysed) => readonly base.Diagnostic[],
    report: (what: string, error: unknown) => void,
  ) {
    this.#connection = connection;
    this.#workspace = workspace;
    this.#deep = deep;
    this.#report = report;
  }

  /** What the server says of its diagnostics. */
  readonly capabilities: ServerCapabilities = {
    diagnosticProvider: { identifier: "xdpc", interFileDependencies: true, workspaceDiagnostics: false },
  };

  /** The requests that ask for them. */
  readonly features: readonly Feature[] = [
    {
      method: DocumentDiagnosticRequest.method,
      capabilities: {},
      places: false,
      answer: ({ textDocument, previousResultId }: DocumentDiagnosticParams) => {
        const document = this.#workspace.analysed(textDocument.uri);
        return document === null ? { kind: "full", items: [] } : this.#answer(document, previousResultId);
      },
    },
  ];

  start(client: ClientCapabilities): void {
    this.#client = client;
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** A text has changed, that of `uri` or one on the disk: it and documents that depend on it are looked at anew, soon. */
  changed(uri: string | null): void {
    if (this.#stopped) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const wait = Math.min(this.#lastMilliseconds * PATIENCE, MOST_PATIENCE);
    this.#first = uri ?? this.#first;
    this.#timer = setTimeout(() => {
      const uris = this.#workspace.documents().map((document) => document.uri);
      const first = uris.filter((one) => one === this.#first);
      this.#look([...first, ...uris.filter((one) => one !== this.#first)]);
    }, wait);
  }

  /** More is known of a document than before. */
  learnt(document: Analysed): void {
    if (this.#stopped) return;
    if (!this.#pulls) this.#tell(document);
    else if (this.#deep(document).length > 0 && this.#client.workspace?.diagnostics?.refreshSupport === true)
      this.#sent(this.#connection.sendRequest(DiagnosticRefreshRequest.method));
  }

  /** A document was closed: its diagnostics go, others may change. */
  closed(uri: string): void {
    this.#told.delete(keyOf(uri));
    if (!this.#pulls) this.#sent(this.#connection.sendDiagnostics({ uri, diagnostics: [] }));
    this.changed(null);
  }

  get #pulls(): boolean {
    return this.#client.textDocument?.diagnostic !== undefined;
  }

  /** Looks at documents one by one; what comes in between is heard. */
  #look(uris: readonly string[]): void {
    this.#timer = null;
    const [uri, ...rest] = uris;
    if (uri === undefined) return;
    try {
      const start = performance.now();
      const document = this.#workspace.document(uri) === null ? null : this.#workspace.analysed(uri);
      if (document !== null) this.#tell(document);
      if (uri === this.#first) this.#lastMilliseconds = performance.now() - start;
    } catch (error) {
      this.#report("diagnostics", error);
    }
    if (rest.length > 0) this.#timer = setTimeout(() => this.#look(rest), 0);
  }

  #tell(document: Analysed): void {
    if (this.#pulls) return;
    const diagnostics = this.#diagnostics(document);
    const key = keyOf(document.uri);
    const text = `${document.version} ${JSON.stringify(diagnostics)}`;
    if (this.#told.get(key)?.text === text) return;
    this.#told.set(key, { text, id: "" });
    const version = document.version === null ? {} : { version: document.version };
    this.#sent(this.#connection.sendDiagnostics({ uri: document.uri, ...version, diagnostics }));
  }

  /** An editor that is gone or refuses is no fault of ours. */
  #sent(sending: Promise<unknown>): void {
    sending.catch((error) => this.#report("diagnostics", error));
  }

  #answer(document: Analysed, previous: string | undefined): DocumentDiagnosticReport {
    const items = this.#diagnostics(document);
    const key = keyOf(document.uri);
    const text = JSON.stringify(items);
    const known = this.#told.get(key);
    if (known?.text === text && known.id === previous) return { kind: "unchanged", resultId: known.id };
    this.#ids += 1;
    const id = known?.text === text ? known.id : String(this.#ids);
    this.#told.set(key, { text, id });
    return { kind: "full", resultId: id, items };
  }

  #diagnostics(document: Analysed): Diagnostic[] {
    const { fault } = document.analysis;
    const said = fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
    if (fault !== null && !this.#loggedFaults.has(said)) {
      this.#loggedFaults.add(said);
      this.#report("analysis", fault);
    }
    return diagnosticsOf(document, this.#workspace, this.#deep(document), this.#client);
  }
}
