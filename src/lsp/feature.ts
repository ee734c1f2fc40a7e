// What a feature of the server is: a request that it answers, what that adds to the server's capabilities, and a plain function. The
// table of all features is features.ts; server.ts registers it. Knows no connection.

import type {
  CancellationToken,
  ClientCapabilities,
  ProtocolRequestType,
  ServerCapabilities,
  TextDocumentIdentifier,
} from "vscode-languageserver-protocol";
import type { DeepResult } from "./deep.ts";
import type { Analysed, Workspace } from "./workspace.ts";

/** What a feature may ask of the server while it answers. */
export interface Session {
  readonly workspace: Workspace;
  readonly client: ClientCapabilities;
  /** What a whole compilation of a document gave (instructions, verdicts of the checker, tests), in so far as it is of its present text. */
  deep(document: Analysed): DeepResult | null;
}

/** One request that the server answers. */
export interface Feature {
  readonly method: string;
  readonly capabilities: ServerCapabilities;
  /** True: the answer speaks of places in a text, and one of an older text is of no use. */
  readonly places: boolean;
  readonly answer: (params: never, session: Session, token: CancellationToken) => unknown;
}

/**
 * A feature that asks about one document; `type` is the protocol's (`HoverRequest.type`). `answer` gets it analysed; it isn't asked about documents that nobody knows (the reply is
 * null). What it throws becomes an error reply and a line in the editor's log.
 */
export function documentFeature<P extends { readonly textDocument: TextDocumentIdentifier }, R, PR, E, RO>(
  type: ProtocolRequestType<P, R, PR, E, RO>,
  capabilities: ServerCapabilities,
  answer: (document: Analysed, params: P, session: Session) => R,
): Feature {
  return {
    method: type.method,
    capabilities,
    places: true,
    answer: (params: P, session) => {
      const document = session.workspace.analysed(params.textDocument.uri);
      return document === null ? null : answer(document, params, session);
    },
  };
}

/** A feature that asks about everything. */
export function workspaceFeature<P, R, PR, E, RO>(
  type: ProtocolRequestType<P, R, PR, E, RO>,
  capabilities: ServerCapabilities,
  answer: (params: P, session: Session, token: CancellationToken) => R | Promise<R>,
): Feature {
  return { method: type.method, capabilities, places: false, answer };
}
