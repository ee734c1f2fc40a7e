// The rows of the server's table that are about names: where they are declared and used, what they are called, what they are. Here the
// features' spans become the protocol's locations; which files are asked is decided here too.

// The connection tells its own errors by their class, and it is another than the protocol package's of the same name.
import { LSPErrorCodes, ResponseError } from "vscode-languageserver";
import {
  DeclarationRequest,
  type Definition,
  type DefinitionLink,
  DefinitionRequest,
  DocumentHighlightRequest,
  type Location,
  PrepareRenameRequest,
  ReferencesRequest,
  RenameRequest,
  type SemanticTokens,
  type SemanticTokensDelta,
  SemanticTokensDeltaRequest,
  SemanticTokensRangeRequest,
  SemanticTokensRequest,
  type WorkspaceEdit,
  WorkspaceSymbolRequest,
} from "vscode-languageserver-protocol";
import type { Span } from "../base/source.ts";
import { libraryFiles } from "../library.ts";
import type * as ast from "../parser/ast.ts";
import { parse } from "../parser/parse.ts";
import { definitionAt } from "./definition.ts";
import { documentFeature, type Feature, type Session, workspaceFeature } from "./feature.ts";
import { highlightsAt } from "./highlights.ts";
import { ruleFilesOf, seenBy } from "./importers.ts";
import { type Declared, isLibrary, nameAt } from "./names.ts";
import { offsetAt, rangeOf } from "./ranges.ts";
import { prepareRename, type Refusal, rename } from "./rename.ts";
import { LEGEND, semanticTokens, tokensDelta } from "./semantic-tokens.ts";
import { usesOf } from "./uses.ts";
import type { Analysed, Workspace } from "./workspace.ts";
import { workspaceSymbols } from "./workspace-symbols.ts";

/** Everything about names. */
export const NAME_FEATURES: readonly Feature[] = [
  documentFeature(DefinitionRequest.type, { definitionProvider: true }, (document, { position }, session) =>
    definition(document, offsetAt(document.source, position), session, session.client.textDocument?.definition),
  ),
  documentFeature(DeclarationRequest.type, { declarationProvider: true }, (document, { position }, session) =>
    definition(document, offsetAt(document.source, position), session, session.client.textDocument?.declaration),
  ),
  documentFeature(ReferencesRequest.type, { referencesProvider: true }, (document, params, session) => {
    const found = nameAt(document.analysis, document.source, offsetAt(document.source, params.position));
    if (found === null || found.declared === null) return null;
    const analyses = thoseThatSee(document, found.declared, session.workspace).map(({ analysis }) => analysis);
    return usesOf(analyses, found.declared).flatMap((use) =>
      use.declares && !params.context.includeDeclaration ? [] : (locationOf(use.span, session.workspace) ?? []),
    );
  }),
  documentFeature(DocumentHighlightRequest.type, { documentHighlightProvider: true }, (document, { position }) =>
    highlightsAt(document.analysis, offsetAt(document.source, position)),
  ),
  documentFeature(
    PrepareRenameRequest.type,
    { renameProvider: { prepareProvider: true } },
    ({ analysis, source }, { position }) => accepted(prepareRename(analysis, offsetAt(source, position))),
  ),
  documentFeature(RenameRequest.type, {}, (document, { position, newName }, { workspace }): WorkspaceEdit | null => {
    const { analysis, source } = document;
    const offset = offsetAt(source, position);
    const declared = nameAt(analysis, source, offset)?.declared ?? null;
    const analyses = declared === null ? [document] : thoseThatSee(document, declared, workspace);
    const all = analyses.map((one) => one.analysis);
    const edits = accepted(rename(all, offset, newName, workspace.host()));
    if (edits === null) return null;
    return { changes: Object.fromEntries([...edits].map(([file, list]) => [workspace.uriOf(file), [...list]])) };
  }),
  workspaceFeature(WorkspaceSymbolRequest.type, { workspaceSymbolProvider: true }, ({ query }, { workspace }) => {
    const sources = [...ruleFilesOf(workspace, null).values()].map(({ source }) => source);
    const trees = [...sources, ...libraryFiles.values()].map(treeOf);
    return workspaceSymbols(trees, query).flatMap(({ name, kind, span }) => {
      const location = locationOf(span, workspace);
      return location === null ? [] : [{ name, kind, location }];
    });
  }),
  documentFeature(
    SemanticTokensRequest.type,
    {
      semanticTokensProvider: {
        legend: { tokenTypes: [...LEGEND.tokenTypes], tokenModifiers: [...LEGEND.tokenModifiers] },
        full: { delta: true },
        range: true,
      },
    },
    (document, _params, { workspace }) => keep(document, workspace),
  ),
  documentFeature(SemanticTokensDeltaRequest.type, {}, (document, { previousResultId }, { workspace }) => {
    const before = keptTokens.get(workspace)?.get(document.uri);
    const now = keep(document, workspace);
    if (before?.resultId !== previousResultId) return now;
    return { resultId: now.resultId ?? "", edits: tokensDelta(before.data, now.data) } satisfies SemanticTokensDelta;
  }),
  documentFeature(SemanticTokensRangeRequest.type, {}, ({ analysis, source }, { range }) => ({
    data: semanticTokens(analysis, offsetAt(source, range.start), offsetAt(source, range.end)),
  })),
];

// -------------------------------------------------------------------------------------------------------------------- places

function definition(
  { analysis, source }: Analysed,
  offset: number,
  { workspace }: Session,
  client: { readonly linkSupport?: boolean } | undefined,
): Definition | DefinitionLink[] | null {
  const found = definitionAt(analysis, source, offset);
  const location = found === null ? null : locationOf(found.name, workspace);
  if (found === null || location === null || client?.linkSupport !== true) return location;
  return [
    {
      originSelectionRange: rangeOf(found.origin),
      targetUri: location.uri,
      targetRange: rangeOf(found.whole),
      targetSelectionRange: location.range,
    },
  ];
}

/** Where an editor finds a span; null for what it can't open: the library where its files are nowhere on the disk. */
function locationOf(span: Span, workspace: Workspace): Location | null {
  const uri = workspace.uriOf(span.file);
  return isLibrary(span.file) && !uri.startsWith("file:") ? null : { uri, range: rangeOf(span) };
}

/** The files in which a declaration may be used, the document first. */
function thoseThatSee(document: Analysed, declared: Declared, workspace: Workspace): readonly Analysed[] {
  // Names inside a rule or function are used nowhere else.
  if (declared.decl === null || declared.kind === "parameter") return [document];
  const { file } = declared.name.span;
  // What the library declares is seen everywhere: the files that are worked on are asked.
  const home = isLibrary(file) ? null : workspace.analysed(workspace.uriOf(file));
  const others = home === null ? workspace.analyses() : seenBy(workspace, home);
  return [document, ...others.filter((other) => other.source !== document.source)];
}

/** The result, or the reason why there is none as an error that the editor shows. */
function accepted<T extends object>(result: T | Refusal | null): T | null {
  if (result !== null && "refused" in result) throw new ResponseError(LSPErrorCodes.RequestFailed, result.refused);
  return result;
}

const trees = new WeakMap<object, ast.File>();

function treeOf(source: Parameters<typeof parse>[0]): ast.File {
  const known = trees.get(source);
  if (known !== undefined) return known;
  const { file } = parse(source);
  trees.set(source, file);
  return file;
}

// -------------------------------------------------------------------------------------------------------------------- tokens

/** The last tokens of each document, for the difference to the next. */
const keptTokens = new WeakMap<Workspace, Map<string, SemanticTokens>>();
let nextResult = 0;

function keep({ uri, analysis }: Analysed, workspace: Workspace): SemanticTokens {
  nextResult += 1;
  const tokens: SemanticTokens = { resultId: String(nextResult), data: semanticTokens(analysis) };
  const known = keptTokens.get(workspace) ?? new Map<string, SemanticTokens>();
  keptTokens.set(workspace, known);
  known.set(uri, tokens);
  for (const old of known.keys()) if (workspace.document(old) === null) known.delete(old);
  return tokens;
}
