// The formatter's reading of a file: its tokens in order, each with the grammar rule it stands in, the item it belongs to, and
// what stood before it: comments, line breaks, spaces. Words replace signs here and needless semicolons go. Decides nothing
// about lines (fmt-layout.ts) or spaces (fmt-space.ts).

import type { CstNode, IToken } from "chevrotain";
import type { SourceFile } from "../base/source.ts";
import { startOf } from "./cst.ts";
import { tokenize } from "./lexer.ts";
import { sharedParser } from "./parse.ts";

/** A comment before a token. */
export interface Comment {
  /** From `#` to the line's end, without white space at the end. */
  readonly text: string;
  /** Whether it has a line of its own; else it stands behind code. */
  readonly ownLine: boolean;
  readonly blankBefore: boolean;
  /** Spaces written before it, if nothing but spaces is there; else 0. */
  readonly spaces: number;
}

/** One token with what the layout needs to know of it. */
export interface Piece {
  /** How it is printed. */
  readonly text: string;
  /** Its type's name (tokens.ts). */
  readonly type: string;
  /** The innermost grammar rule it belongs to, named as in grammar/xdp.ebnf. */
  readonly rule: string;
  /**
   * `item`: first of a declaration, statement, arm, field or step of a list; `body`: first of a statement behind `then`, `else` or
   * `=>`; `layers`: first of a packet's layers; null otherwise.
   */
  readonly starts: "item" | "body" | "layers" | null;
  /** Index of the first token of the innermost item or body it belongs to. */
  readonly owner: number;
  /** Like `owner`, of the item around that one. */
  readonly outer: number;
  /** Index of the innermost open bracket around it (for a closing one: its partner); -1: none. */
  readonly open: number;
  /** Open brackets around it. */
  readonly depth: number;
  readonly comments: readonly Comment[];
  /** Line breaks written between it and what stands before it, a comment included; 2 stands for more. */
  readonly breaks: number;
  /** Spaces written before it, if nothing but spaces is there; else 0. */
  readonly spaces: number;
}

/** A file as pieces, and the comments behind the last one. */
export interface Pieces {
  readonly pieces: readonly Piece[];
  readonly last: readonly Comment[];
}

/** What words a sign is printed as. */
const WORDS: ReadonlyMap<string, string> = new Map([
  ["&&", "and"],
  ["||", "or"],
  ["!", "not"],
]);

const LIST_RULES = new Set(["arm", "testStep", "structField", "headerEntry", "declaration", "defaultDecl"]);

/** Reads a file that parses without errors. `keepSemicolons`: also those that mean nothing. */
export function readPieces(source: SourceFile, keepSemicolons: boolean): Pieces {
  const { lexer, rules } = sharedParser();
  const tokens = tokenize(lexer, source, []);
  const places = new Places(tokens);
  rules.parseFile(tokens, source.text, (item) => places.walk(item, "file"));
  const gaps = tokens.map((token, i) => {
    const before = tokens[i - 1];
    const start = before === undefined ? 0 : endOf(before);
    return readGap(source.text.slice(start, token.startOffset), i === 0);
  });
  const lastToken = tokens.at(-1);
  const last = readGap(source.text.slice(lastToken === undefined ? 0 : endOf(lastToken)), lastToken === undefined);
  const dropped = new Set<number>();
  if (!keepSemicolons) for (const i of tokens.keys()) if (isNeedless(i, tokens, gaps, places, dropped)) dropped.add(i);
  return assemble(tokens, gaps, last, places, dropped);
}

function endOf(token: IToken): number {
  return token.startOffset + token.image.length;
}

// ------------------------------------------------------------------------------------------------------ places in the grammar

/** What the grammar says of each token. */
class Places {
  readonly rule: string[] = [];
  readonly starts: Piece["starts"][] = [];
  readonly owner: number[] = [];
  readonly outer: number[] = [];
  /** Indices of tokens by their offsets. */
  readonly #indexAt: ReadonlyMap<number, number>;

  constructor(tokens: readonly IToken[]) {
    this.#indexAt = new Map(tokens.map((token, i) => [token.startOffset, i]));
  }

  walk(node: CstNode, parent: string, owner = -1, outer = -1): void {
    const { name } = node;
    let [within, around] = [owner, outer];
    const start = this.#startKind(name, parent);
    const first = start === null ? undefined : this.#indexAt.get(startOf(node));
    if (first !== undefined) {
      this.starts[first] ??= start;
      if (start !== "layers" && first !== within) [within, around] = [first, owner];
    }
    for (const elements of Object.values(node.children)) {
      for (const element of elements) {
        if ("children" in element) this.walk(element, name, within, around);
        else {
          const i = this.#indexAt.get(element.startOffset);
          if (i === undefined) continue;
          this.rule[i] = name;
          this.owner[i] = within;
          this.outer[i] = around;
        }
      }
    }
  }

  #startKind(name: string, parent: string): Piece["starts"] {
    if (name === "statement") return parent === "body" ? "body" : "item";
    if (name === "layers") return "layers";
    return LIST_RULES.has(name) ? "item" : null;
  }
}

// ------------------------------------------------------------------------------------------------------- what stands between

interface Gap {
  readonly comments: readonly Comment[];
  readonly breaks: number;
  readonly spaces: number;
}

const LINE_BREAK = /\r\n|\r|\n/;

/** Reads white space and comments; `first`: nothing stands before them. */
function readGap(text: string, first: boolean): Gap {
  const lines = text.split(LINE_BREAK);
  const comments: Comment[] = [];
  let breaks = 0;
  for (const [i, line] of lines.entries()) {
    if (i > 0) breaks += 1;
    const at = line.indexOf("#");
    if (at === -1) continue;
    const ownLine = i > 0 || first;
    const spaces = /^ *#/.test(line) ? at : 0;
    comments.push({ text: line.slice(at).trimEnd(), ownLine, blankBefore: breaks > 1, spaces });
    breaks = 0;
  }
  const spaces = lines.length === 1 && /^ *$/.test(text) ? text.length : 0;
  return { comments, breaks: Math.min(breaks, 2), spaces };
}

// -------------------------------------------------------------------------------------------------------------- semicolons

// One between two arms may be what ends the first; all others only stand between what the line break parts already.
function isNeedless(
  i: number,
  tokens: readonly IToken[],
  gaps: readonly Gap[],
  places: Places,
  dropped: Set<number>,
): boolean {
  if (tokens[i]?.image !== ";") return false;
  const next = tokens[i + 1];
  if (next === undefined || next.image === "}" || next.image === ";") return true;
  if (places.rule[i] === "arm") return false;
  let before = i - 1;
  while (dropped.has(before)) before -= 1;
  const previous = tokens[before]?.image;
  if (previous === undefined || previous === "{" || previous === ";") return true;
  return gaps.slice(before + 1, i + 2).some((gap) => gap.breaks > 0 || gap.comments.length > 0);
}

function merged(a: Gap, b: Gap): Gap {
  const apart = a.breaks > 0 || a.comments.length > 0;
  const [first, ...rest] = b.comments;
  const comments =
    first === undefined
      ? a.comments
      : [
          ...a.comments,
          { ...first, ownLine: first.ownLine || apart, blankBefore: first.blankBefore || a.breaks > 1 },
          ...rest,
        ];
  const breaks = b.comments.length > 0 ? b.breaks : Math.max(a.breaks, b.breaks);
  return { comments, breaks, spaces: apart ? 0 : b.spaces };
}

// ---------------------------------------------------------------------------------------------------------------- assembling

function assemble(
  tokens: readonly IToken[],
  gaps: readonly Gap[],
  end: Gap,
  places: Places,
  dropped: Set<number>,
): Pieces {
  const pieces: Piece[] = [];
  const opened: number[] = [];
  const newIndex: number[] = [];
  let held: Gap | null = null;
  for (const [i, token] of tokens.entries()) {
    newIndex[i] = pieces.length;
    const own = gaps[i] ?? { comments: [], breaks: 0, spaces: 0 };
    const gap: Gap = held === null ? own : merged(held, own);
    held = null;
    if (dropped.has(i)) {
      held = gap;
      continue;
    }
    const rule = places.rule[i] ?? "item";
    const bracket = bracketOf(token.image, rule);
    const open: number = bracket === "close" ? (opened.pop() ?? -1) : (opened.at(-1) ?? -1);
    const ownerOf = (index: number | undefined): number =>
      index === undefined || index < 0 ? -1 : (newIndex[index] ?? -1);
    pieces.push({
      text: token.tokenType.name === "STRING" ? token.image : (WORDS.get(token.image) ?? token.image),
      type: token.tokenType.name,
      rule,
      starts: places.starts[i] ?? null,
      owner: ownerOf(places.owner[i]),
      outer: ownerOf(places.outer[i]),
      open,
      depth: opened.length,
      ...gap,
    });
    if (bracket === "open") opened.push(pieces.length - 1);
  }
  return { pieces, last: (held === null ? end : merged(held, end)).comments };
}

/** Whether a token opens or closes a bracket; `<` and `>` only around types. */
export function bracketOf(text: string, rule: string): "open" | "close" | null {
  if (text === "(" || text === "[" || text === "{") return "open";
  if (text === ")" || text === "]" || text === "}") return "close";
  if (rule === "type" || rule === "mapDecl") return text === "<" ? "open" : text === ">" ? "close" : null;
  return null;
}
