// Completion: what may be written at the cursor, as items. completion-place.ts says what kind of thing, this file finds them: words of the
// language, declared names, local names, headers and fields, those first that are proven to be there. Pure.

import {
  type CompletionItem,
  CompletionItemKind,
  InsertTextFormat,
  MarkupKind,
  type Range,
} from "vscode-languageserver-protocol";
import type { Analysis } from "../analyse.ts";
import type { NamedDecl } from "../ir/context.ts";
import { type Field, type Header, type Instance, instanceName } from "../ir/hir.ts";
import { type Type, typeName } from "../ir/types.ts";
import { type InForce, inForceAt } from "./at.ts";
import { type CompletionPlace, cursorAt, type NameWanted } from "./completion-place.ts";
import { type Description, describeDeclaration, describeField, describeHeader, markdownOf } from "./describe.ts";
import { rangeOf } from "./ranges.ts";
import { type Meant, meantBy } from "./value-at.ts";
import { META_FIELDS, snippetOf, WORDS, type Word, type WordPlace } from "./words.ts";

/** What completion needs besides the analysis. */
export interface CompletionOptions {
  /** Whether the editor fills in snippets; else plain words are inserted. */
  readonly snippets: boolean;
  /** The library's files without their ending: what `import std.` may name, and headers that are read when they are named. */
  readonly libraryNames: readonly string[];
}

/** Everything an item's making needs. */
interface Making extends CompletionOptions {
  readonly analysis: Analysis;
  readonly inForce: InForce;
  /** The range that an item replaces. */
  readonly range: Range;
}

/** How items are ordered: proven first, then what may be absent, then what is absent. */
const ORDER = { local: "0", proven: "1", name: "2", unknown: "3", word: "4", absent: "8" } as const;

/** The items at `offset` of the main file. */
export function complete(analysis: Analysis, offset: number, options: CompletionOptions): CompletionItem[] {
  const source = analysis.file.source;
  const { place, wordStart } = cursorAt(source.text, offset);
  if (place.kind === "nothing") return [];
  const inForce = inForceAt(analysis, wordStart);
  const range = rangeOf({ file: source, start: wordStart, end: offset });
  const items = itemsAt({ ...options, analysis, inForce, range }, place);
  const seen = new Set<string>();
  return items.filter(({ label }) => !seen.has(label) && seen.add(label));
}

function itemsAt(m: Making, place: CompletionPlace): CompletionItem[] {
  switch (place.kind) {
    case "member":
      return memberItems(m, place.words, place.comparable);
    case "statement":
      return [
        ...(place.armOf === null ? [] : [...followers(m, place.armOf), ...wordItems(m, ["else"])]),
        ...localItems(m),
        ...wordsOf(m, place.declarations ? ["statement", "verdict", "declaration"] : ["statement", "verdict"]),
        ...declared(m, (d) => d.kind === "fnDecl" && d.body.kind === "block").map((d) => declItem(m, d)),
        ...declared(m, (d) => ["varDecl", "mapDecl"].includes(d.kind)).map((d) => declItem(m, d)),
        ...headerItems(m, false),
      ];
    case "value":
      return [
        ...(place.beside === null ? [] : followers(m, place.beside)),
        ...(place.bare ? wordItems(m, ["let"]) : []),
        ...localItems(m),
        ...headerItems(m, place.comparable),
        ...declared(m, isValue).map((d) => declItem(m, d)),
        ...valueWords(m),
      ];
    case "name":
      return [
        ...declared(m, (d) => place.of.some((w) => isWanted(m, d, w))).map((d) => declItem(m, d)),
        ...innerMaps(m, place.of),
        ...wordItems(m, place.words),
        ...(place.of.includes("header") ? headerItems(m, true) : []),
      ];
    case "type":
      return [...wordsOf(m, ["type"]), ...declared(m, (d) => d.kind === "structDecl").map((d) => declItem(m, d))];
    case "mapKind":
    case "attribute":
    case "program":
    case "verdict":
    case "header":
      return wordsOf(m, [place.kind]);
    case "outcome":
      return [
        ...wordsOf(m, ["verdict"]),
        ...wordItems(m, ["redirect"]),
        ...declared(m, (d) => m.analysis.context.maps.has(d)).map((d) => declItem(m, d)),
      ];
    case "testStep":
      return [
        ...wordItems(m, ["packet", "expect"]),
        ...declared(m, (d) => m.analysis.context.maps.has(d)).map((d) => declItem(m, d)),
      ];
    case "layer":
      return headerItems(m, true);
    case "library":
      return m.libraryNames.map((name) => ({ ...plain(m, name, CompletionItemKind.Module), detail: `std.${name}` }));
    case "words":
      return wordItems(m, place.words);
    case "headerField":
      return headerFieldItems(m, place.header, place.given);
    case "structField":
      return structFieldItems(m, place.struct, place.given);
    case "nothing":
      return [];
  }
}

// ---------------------------------------------------------------------------------------------------------------- words

function wordsOf(m: Making, places: readonly WordPlace[]): CompletionItem[] {
  return [...WORDS.values()].filter((w) => w.places.some((p) => places.includes(p))).map((w) => wordItem(m, w));
}

function wordItems(m: Making, words: readonly string[]): CompletionItem[] {
  return words.flatMap((text) => {
    const word = WORDS.get(text);
    return word === undefined ? [plain(m, text, CompletionItemKind.Keyword)] : [wordItem(m, word, null)];
  });
}

function wordItem(m: Making, word: Word, snippet: string | null = word.snippet): CompletionItem {
  const kind = word.places.includes("verdict") ? CompletionItemKind.EnumMember : CompletionItemKind.Keyword;
  const item = plain(m, word.word, kind, ORDER.word);
  return withSnippet(m, { ...item, detail: word.form, documentation: markdown(word.text) }, snippet);
}

/** What words that also name something else look like as values. */
const AS_VALUES: ReadonlyMap<string, string> = new Map([
  ["hash", "hash(«ip.saddr», «ip.daddr»)"],
  ["pop", "pop(«queue»)"],
]);

function valueWords(m: Making): CompletionItem[] {
  return [...WORDS.values()]
    .filter((w) => w.places.includes("value"))
    .map((w) => wordItem(m, w, AS_VALUES.get(w.word) ?? w.snippet));
}

// ------------------------------------------------------------------------------------------------------- declared names

function declared(m: Making, wanted: (decl: NamedDecl) => boolean): NamedDecl[] {
  return [...m.analysis.context.names].filter(([name, d]) => name === d.name.text && wanted(d)).map(([, d]) => d);
}

function isValue(decl: NamedDecl): boolean {
  if (decl.kind === "fnDecl") return decl.body.kind === "expr";
  return ["constDecl", "configDecl", "varDecl"].includes(decl.kind);
}

function isWanted(m: Making, decl: NamedDecl, wanted: NameWanted): boolean {
  if (wanted === "constantSet")
    return decl.kind === "constSetDecl" || (decl.kind === "constDecl" && decl.value.kind === "setLiteral");
  if (wanted === "program") return decl.kind === "programDecl";
  const map = m.analysis.context.maps.get(decl);
  if (map === undefined) return false;
  if (wanted === "devmap") return map.mapKind === "devmap" || map.mapKind === "devmap_hash";
  return map.role === wanted;
}

function declItem(m: Making, decl: NamedDecl): CompletionItem {
  const kinds: Partial<Record<NamedDecl["kind"], CompletionItemKind>> = {
    fnDecl: CompletionItemKind.Function,
    constDecl: CompletionItemKind.Constant,
    constSetDecl: CompletionItemKind.Constant,
    structDecl: CompletionItemKind.Struct,
    programDecl: CompletionItemKind.Module,
    configDecl: CompletionItemKind.Variable,
    varDecl: CompletionItemKind.Variable,
  };
  const item = plain(m, decl.name.text, kinds[decl.kind] ?? CompletionItemKind.Variable, ORDER.name);
  const described = withDescription(item, describeDeclaration(m.analysis.context, decl));
  if (decl.kind !== "fnDecl") return described;
  const gaps = decl.params.map((p) => `«${p.name.text}»`).join(", ");
  return withSnippet(m, described, `${decl.name.text}(${gaps})`);
}

function localItems(m: Making): CompletionItem[] {
  const { scope } = m.inForce;
  return [...new Set(scope.names())].flatMap((name) => {
    const meant = meantBy(m.analysis.context, scope, [name]);
    if (meant === null || (meant.kind !== "value" && meant.kind !== "map")) return [];
    const detail = meant.kind === "value" ? typeName(meant.type) : meant.map.mapKind;
    return [{ ...plain(m, name, CompletionItemKind.Variable, ORDER.local), detail }];
  });
}

/** Inner maps that `if let` has bound: they stand where a map's name may. */
function innerMaps(m: Making, wanted: readonly NameWanted[]): CompletionItem[] {
  return localItems(m).filter(({ label }) => {
    const bound = m.inForce.scope.find(label);
    return bound?.kind === "map" && wanted.some((w) => w === bound.map.role);
  });
}

// -------------------------------------------------------------------------------------------------------------- headers

function headerItems(m: Making, harmless: boolean): CompletionItem[] {
  const known = [...m.analysis.context.headers].flatMap(([decl, header]) => {
    const description = describeHeader(decl, header);
    const own = headerItem(m, header.alias ?? header.name, header, description, harmless);
    return header.alias === null ? [own] : [own, headerItem(m, header.name, header, description, harmless)];
  });
  // The library reads some headers only where they are named.
  const names = new Set(known.map((item) => item.label));
  const more = m.libraryNames
    .filter((name) => !names.has(name))
    .map((name) => plain(m, name, CompletionItemKind.Class, ORDER.unknown));
  return [...known, ...more];
}

function headerItem(
  m: Making,
  label: string,
  header: Header,
  description: Description,
  harmless: boolean,
): CompletionItem {
  const [first] = header.instances;
  const state = first === undefined ? "unknown" : stateOf(m, first);
  const item = withDescription(plain(m, label, CompletionItemKind.Class, ORDER[state]), description);
  return { ...item, ...presenceNote(m, state, label, harmless), commitCharacters: ["."] };
}

type Presence = "proven" | "unknown" | "absent";

function stateOf(m: Making, instance: Instance): Presence {
  const { proven } = m.inForce;
  if (instance.header.edges.length === 0 || proven?.present.has(instance)) return "proven";
  return proven?.absent.has(instance) ? "absent" : "unknown";
}

function presenceNote(
  m: Making,
  state: Presence,
  name: string,
  harmless: boolean,
): Pick<CompletionItem, "labelDetails"> {
  if (state === "absent") return { labelDetails: { description: "absent here" } };
  const unsaid = state === "proven" || harmless || m.inForce.proven === null;
  return unsaid ? {} : { labelDetails: { description: `may be absent: if ${name} then …` } };
}

/** The headers that may follow one whose selector is written in `words`: their names stand for its values. */
function followers(m: Making, words: readonly string[]): CompletionItem[] {
  const owner = meantBy(m.analysis.context, m.inForce.scope, words.slice(0, -2));
  const field = owner?.kind === "header" ? owner.header.fields.get(words.at(-1) ?? "") : undefined;
  if (owner?.kind !== "header" || field === undefined || !owner.header.next?.fields.includes(field)) return [];
  return [...m.analysis.context.headers].flatMap(([decl, header]) => {
    const edge = header.edges.find((e) => e.parent === owner.header);
    if (edge === undefined) return [];
    const item = withDescription(
      plain(m, header.name, CompletionItemKind.EnumMember, ORDER.local),
      describeHeader(decl, header),
    );
    return [{ ...item, labelDetails: { detail: ` = ${edge.values.map((v) => `0x${v.toString(16)}`).join(", ")}` } }];
  });
}

// --------------------------------------------------------------------------------------------------------------- fields

function memberItems(m: Making, words: readonly string[], comparable: boolean): CompletionItem[] {
  const meant = meantBy(m.analysis.context, m.inForce.scope, words);
  if (meant === null) return [];
  if (meant.kind === "meta") {
    return [...META_FIELDS].map(([name, { type, text }]) =>
      withDescription(plain(m, name, CompletionItemKind.Field), { code: `meta.${name} : ${type}`, text }),
    );
  }
  if (meant.kind === "inner") return headerItems(m, true);
  if (meant.kind === "header") return fieldItems(m, meant, words.join(""), comparable);
  return meant.kind === "value" && meant.type.kind === "struct" ? structItems(m, meant.type) : [];
}

function fieldItems(
  m: Making,
  meant: Meant & { kind: "header" },
  written: string,
  comparable: boolean,
): CompletionItem[] {
  const state = meant.instance === null ? "unknown" : stateOf(m, meant.instance);
  const note = meant.instance === null ? {} : presenceNote(m, state, instanceName(meant.instance), comparable);
  return [...meant.header.fields.values()].map((field, at) => {
    const item = withDescription(
      plain(m, field.name, CompletionItemKind.Field),
      describeField(meant.decl, field, written),
    );
    return { ...item, sortText: String(at).padStart(3, "0"), detail: widthOf(field), ...note };
  });
}

function widthOf(field: Field): string {
  return field.bitWidth % 8 === 0 ? typeName(field.type) : `${field.bitWidth} bit${field.bitWidth === 1 ? "" : "s"}`;
}

function structItems(m: Making, type: Type & { kind: "struct" }): CompletionItem[] {
  return type.fields.map(({ name, type: of }, at) => ({
    ...plain(m, name, CompletionItemKind.Field),
    sortText: String(at).padStart(3, "0"),
    detail: typeName(of),
  }));
}

function headerFieldItems(m: Making, name: string, given: readonly string[]): CompletionItem[] {
  const meant = meantBy(m.analysis.context, m.inForce.scope, [name]);
  if (meant?.kind !== "header") return [];
  return fieldItems(m, meant, name, true)
    .filter(({ label }) => !given.includes(label))
    .map((item) => withInsert(m, item, `${item.label}: `));
}

function structFieldItems(m: Making, name: string, given: readonly string[]): CompletionItem[] {
  const decl = m.analysis.context.names.get(name);
  const type = decl?.kind === "structDecl" ? m.analysis.context.structs.get(decl) : undefined;
  if (type?.kind !== "struct") return [];
  return structItems(m, type)
    .filter(({ label }) => !given.includes(label))
    .map((item) => withInsert(m, item, `${item.label}: `));
}

// ---------------------------------------------------------------------------------------------------------------- items

function plain(m: Making, label: string, kind: CompletionItemKind, order: string = ORDER.name): CompletionItem {
  return { label, kind, sortText: `${order}${label}`, textEdit: { range: m.range, newText: label } };
}

function withInsert(m: Making, item: CompletionItem, newText: string): CompletionItem {
  return { ...item, textEdit: { range: m.range, newText } };
}

function withSnippet(m: Making, item: CompletionItem, gaps: string | null): CompletionItem {
  if (gaps === null || !m.snippets || !gaps.includes("«"))
    return gaps !== null && !gaps.includes("«") ? withInsert(m, item, gaps) : item;
  return { ...withInsert(m, item, snippetOf(gaps)), insertTextFormat: InsertTextFormat.Snippet };
}

function withDescription(item: CompletionItem, description: Description): CompletionItem {
  return { ...item, documentation: markdown(markdownOf(description)) };
}

function markdown(value: string): { kind: typeof MarkupKind.Markdown; value: string } {
  return { kind: MarkupKind.Markdown, value };
}
