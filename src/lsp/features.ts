// The table of what the server can do. One row each: the request, what it adds to the capabilities, the function that answers. A new
// feature is a file of its own with a plain function, and a row here.

import {
  CodeActionKind,
  CodeActionRequest,
  CodeLensRequest,
  CompletionRequest,
  DocumentFormattingRequest,
  DocumentOnTypeFormattingRequest,
  DocumentRangeFormattingRequest,
  DocumentSymbolRequest,
  FoldingRangeRequest,
  HoverRequest,
  InlayHintRequest,
  SelectionRangeRequest,
  SignatureHelpRequest,
} from "vscode-languageserver-protocol";
import { libraryFiles } from "../library.ts";
import { codeActions } from "./code-actions.ts";
import { codeLenses } from "./code-lens.ts";
import { complete } from "./completion.ts";
import { toProtocol } from "./diagnostics.ts";
import { documentSymbols, flatSymbols } from "./document-symbols.ts";
import { documentFeature, type Feature } from "./feature.ts";
import { foldingRanges } from "./folding.ts";
import { formatDocument, formatOnType, formatRange, TYPED_SIGNS } from "./formatting.ts";
import { hover } from "./hover.ts";
import { inlayHints } from "./inlay-hints.ts";
import { NAME_FEATURES } from "./name-features.ts";
import { offsetAt } from "./ranges.ts";
import { ruleCost } from "./rule-cost.ts";
import { selectionRanges } from "./selection-ranges.ts";
import { signatureHelp } from "./signature-help.ts";

/** The library's files without their ending, as `import std.` names them. */
const libraryNames = [...libraryFiles.keys()].map((name) => name.replace(/\.xdp$/, ""));

const [FIRST_SIGN, ...MORE_SIGNS] = TYPED_SIGNS;

/** Every feature but diagnostics. */
export const FEATURES: readonly Feature[] = [
  documentFeature(
    CodeActionRequest.type,
    { codeActionProvider: { codeActionKinds: [CodeActionKind.QuickFix] } },
    (document, { range, context }, { workspace, client }) =>
      codeActions(document, range, context.only, (diagnostic) =>
        toProtocol(diagnostic, document.source, workspace, client),
      ),
  ),
  documentFeature(CodeLensRequest.type, { codeLensProvider: {} }, (document, _params, session) =>
    codeLenses(document.analysis.file, session.deep(document)),
  ),
  documentFeature(
    DocumentSymbolRequest.type,
    { documentSymbolProvider: true },
    ({ uri, analysis }, _params, { client }) => {
      const symbols = documentSymbols(analysis.file);
      const knowsTrees = client.textDocument?.documentSymbol?.hierarchicalDocumentSymbolSupport === true;
      return knowsTrees ? symbols : flatSymbols(symbols, uri);
    },
  ),
  documentFeature(FoldingRangeRequest.type, { foldingRangeProvider: true }, ({ source }, _params, { client }) =>
    foldingRanges(source, client.textDocument?.foldingRange?.rangeLimit),
  ),
  documentFeature(SelectionRangeRequest.type, { selectionRangeProvider: true }, ({ analysis }, { positions }) =>
    selectionRanges(analysis.file, positions),
  ),
  documentFeature(DocumentFormattingRequest.type, { documentFormattingProvider: true }, ({ source }) =>
    formatDocument(source),
  ),
  documentFeature(
    DocumentRangeFormattingRequest.type,
    { documentRangeFormattingProvider: true },
    ({ analysis }, { range }) => formatRange(analysis.file, range),
  ),
  documentFeature(
    DocumentOnTypeFormattingRequest.type,
    { documentOnTypeFormattingProvider: { firstTriggerCharacter: FIRST_SIGN, moreTriggerCharacter: [...MORE_SIGNS] } },
    ({ analysis }, { position, ch }) => formatOnType(analysis.file, position, ch),
  ),
  documentFeature(
    CompletionRequest.type,
    { completionProvider: { triggerCharacters: [".", "{", "("] } },
    ({ analysis, source }, { position }, { client }) =>
      complete(analysis, offsetAt(source, position), {
        snippets: client.textDocument?.completion?.completionItem?.snippetSupport === true,
        libraryNames,
      }),
  ),
  documentFeature(HoverRequest.type, { hoverProvider: true }, (document, { position }, session) =>
    hover(document.analysis, offsetAt(document.source, position), (rule) => ruleCost(session.deep(document), rule)),
  ),
  documentFeature(
    SignatureHelpRequest.type,
    { signatureHelpProvider: { triggerCharacters: ["(", ","] } },
    ({ analysis, source }, { position }) => signatureHelp(analysis, offsetAt(source, position)),
  ),
  documentFeature(InlayHintRequest.type, { inlayHintProvider: true }, ({ analysis, source }, { range }) =>
    inlayHints(analysis, offsetAt(source, range.start), offsetAt(source, range.end)),
  ),
  ...NAME_FEATURES,
];
