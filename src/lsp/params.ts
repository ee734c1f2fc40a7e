// Whether the parameters of a request are what the protocol says: an editor that leaves out what is needed is told which, instead of
// being shown a fault of ours. A table of what each request needs. Knows no documents.

/** What a parameter must look like. */
type Shape = (value: unknown) => boolean;

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
const isText: Shape = (value) => typeof value === "string";
const isCount: Shape = (value) => typeof value === "number" && Number.isFinite(value);
const isPosition: Shape = (value) => isObject(value) && isCount(value.line) && isCount(value.character);
const isRange: Shape = (value) => isObject(value) && isPosition(value.start) && isPosition(value.end);

const SHAPES = {
  textDocument: (value) => isObject(value) && isText(value.uri),
  position: isPosition,
  positions: (value) => Array.isArray(value) && value.every(isPosition),
  range: isRange,
  context: isObject,
  newName: isText,
  ch: isText,
  query: isText,
} satisfies Readonly<Record<string, Shape>>;

type Key = keyof typeof SHAPES;

/** What requests need besides their document. **Source:** Language Server Protocol 3.17, "Language Features". */
const NEEDED: Readonly<Record<string, readonly Key[]>> = {
  "textDocument/codeAction": ["range", "context"],
  "textDocument/completion": ["position"],
  "textDocument/declaration": ["position"],
  "textDocument/definition": ["position"],
  "textDocument/documentHighlight": ["position"],
  "textDocument/hover": ["position"],
  "textDocument/inlayHint": ["range"],
  "textDocument/onTypeFormatting": ["position", "ch"],
  "textDocument/prepareRename": ["position"],
  "textDocument/rangeFormatting": ["range"],
  "textDocument/references": ["position"],
  "textDocument/rename": ["position", "newName"],
  "textDocument/selectionRange": ["positions"],
  "textDocument/semanticTokens/range": ["range"],
  "textDocument/signatureHelp": ["position"],
  "workspace/symbol": ["query"],
};

/** What is wrong with the parameters of a request, in words; null where nothing is. */
export function faultOfParams(method: string, params: unknown): string | null {
  const document: readonly Key[] = method.startsWith("textDocument/") ? ["textDocument"] : [];
  const given = isObject(params) ? params : {};
  const wrong = [...document, ...(NEEDED[method] ?? [])].find((key) => !SHAPES[key](given[key]));
  if (wrong === undefined) return null;
  return given[wrong] === undefined ? `\`${wrong}\` is missing` : `\`${wrong}\` isn't what the protocol says`;
}
