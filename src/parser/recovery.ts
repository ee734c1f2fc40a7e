// What the parser does where the text doesn't follow the grammar. Faults are caught at the elements of lists
// (statements, declarations, fields, arms): what can't be understood is skipped to where the next element seems to start,
// and parsing goes on. Uses chevrotain's public interface only; must not know the rules or word messages.

import { type CstNode, CstParser, EOF, type IToken, isRecognitionException } from "chevrotain";
import * as t from "./tokens.ts";

/** How deep brackets, blocks and unfinished statements may nest; beyond it the rest of the file isn't parsed. */
export const MAX_NESTING = 128;

/** After so many faults the rest of the file isn't parsed. */
export const MAX_FAULTS = 100;

/** A place where the text doesn't follow the grammar, for messages.ts to word. */
export interface Fault {
  readonly kind: "expectedToken" | "expectedOneOf" | "expectedElement" | "notAStatement" | "tooDeep" | "tooMany";
  /** The rules that were being parsed, outermost first. */
  readonly rules: readonly string[];
  /** What the grammar wanted: a token's name for expectedToken, else the rule's name. */
  readonly expected: string;
  /** The token that was found, chevrotain's EOF where the file ends, with its neighbours. */
  readonly found: IToken;
  readonly before: IToken;
  readonly after: IToken;
}

/** The lists whose elements are parsed one by one, each fault for itself. */
type ListRule = "file" | "block" | "programBody" | "structBody" | "headerBody" | "switchBody" | "testBody";

/** How far recovery has come: open brackets, and whether the element's end has been seen. */
interface Skipping {
  /** Braces, and other brackets, that the element had opened before the fault. */
  outerBraces: number;
  outerOthers: number;
  /** Brackets opened since. */
  depth: number;
  atLeastOne: boolean;
  readonly commaSeparates: boolean;
  done: boolean;
}

/** Unwinds to the outermost element once parsing has been given up. */
class Stop extends Error {}

class RuleFault extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(fault.kind);
    this.fault = fault;
  }
}

/** A chevrotain parser that goes on after a fault; the grammar's classes extend it with rules. */
export class RecoveringParser extends CstParser {
  /** The faults of the last parse, in order. */
  faults: Fault[] = [];
  #text = "";
  #onItem: ((item: CstNode) => void) | null = null;
  #nesting = 0;
  #stopped = false;
  #skippedTo: IToken | null = null;
  #skipping: Skipping = {
    outerBraces: 0,
    outerOthers: 0,
    depth: 0,
    atLeastOne: false,
    commaSeparates: false,
    done: false,
  };

  constructor(skipValidations: boolean) {
    super(t.parserTokens, {
      maxLookahead: 1,
      recoveryEnabled: false,
      nodeLocationTracking: "onlyOffset",
      skipValidations,
      errorMessageProvider: {
        // The message is only a carrier for the name of what was expected.
        buildMismatchTokenMessage: ({ expected }) => expected.name,
        buildNotAllInputParsedMessage: () => "",
        buildNoViableAltMessage: () => "",
        buildEarlyExitMessage: () => "",
      },
    });
  }

  /** Runs `parse` on `tokens`; see RuleParser.parseFile. */
  protected recovering(tokens: IToken[], text: string, onItem: (item: CstNode) => void, parse: () => void): void {
    this.input = tokens;
    this.faults = [];
    this.#text = text;
    this.#nesting = 0;
    this.#stopped = false;
    this.#skippedTo = null;
    this.#onItem = onItem;
    try {
      parse();
    } finally {
      this.input = [];
      this.#text = "";
      this.#onItem = null;
    }
  }

  /** What was left out after a fault. Not part of the language: only reached by recovery. */
  readonly skipped = this.RULE("skipped", () => {
    this.MANY({ GATE: () => this.#skipsNext(), DEF: () => this.CONSUME(t.AnyToken) });
  });

  protected deliver(item: CstNode): void {
    this.#onItem?.(item);
    for (const name in item.children) delete item.children[name];
  }

  /** Runs an element of a list; a fault inside it is noted and the rest of the element skipped. */
  protected guard(parse: () => void, commaSeparates = false): void {
    if (this.RECORDING_PHASE) {
      parse();
      return;
    }
    const nesting = this.#nesting;
    const first = this.LA(1);
    try {
      parse();
    } catch (error) {
      this.#nesting = nesting;
      this.#note(error);
      if (this.#stopped && nesting > 0) throw new Stop();
      this.#skip(false, commaSeparates, this.#openSince(first));
    }
  }

  /** Notes that what follows can't start an element of this list and skips it; false at the list's end. */
  protected resync(list: ListRule): boolean {
    if (this.RECORDING_PHASE) return false;
    const next = this.LA(1).tokenType;
    if (next === EOF || (next === t.RightBrace && list !== "file")) return false;
    // The `else` of an `if` that has been skipped is an echo of the fault there.
    const isEcho = this.LA(1) === this.#skippedTo && (next === t.Else || next === t.ElseBeforeIf);
    if (!isEcho) this.#addFault({ kind: "expectedElement", rules: [list], expected: list, ...this.#here() });
    if (this.#stopped && this.#nesting > 0) throw new Stop();
    const skipped = this.#skip(true, list === "structBody" || list === "headerBody");
    if (list === "file") this.deliver(skipped);
    return true;
  }

  /** Takes a list's closing brace; where the file ends before it, the list is kept as far as it goes. */
  protected close(list: ListRule): void {
    if (this.RECORDING_PHASE || this.LA(1).tokenType !== EOF) {
      this.CONSUME(t.RightBrace);
    } else {
      this.#addFault({ kind: "expectedToken", rules: [list], expected: t.RightBrace.name, ...this.#here() });
    }
  }

  /** Counts how deep the parser stands in itself, so that hostile input can't exhaust the stack. */
  protected nested(rule: string, parse: () => void): void {
    if (this.RECORDING_PHASE) {
      parse();
      return;
    }
    this.#nesting += 1;
    if (this.#nesting > MAX_NESTING) this.raise("tooDeep", rule);
    parse();
    this.#nesting -= 1;
  }

  protected raise(kind: Fault["kind"], expected: string): never {
    throw new RuleFault({ kind, rules: [expected], expected, ...this.#here() });
  }

  #note(error: unknown): void {
    if (error instanceof Stop) return;
    if (error instanceof RuleFault) {
      this.#addFault(error.fault);
      if (error.fault.kind === "tooDeep") this.#stopped = true;
      return;
    }
    if (!(error instanceof Error) || !isRecognitionException(error)) throw error;
    const recognized = error as Error & { context?: { ruleStack?: string[] } };
    const rules = recognized.context?.ruleStack ?? [];
    const one = error.name === "MismatchedTokenException";
    this.#addFault({
      kind: one ? "expectedToken" : "expectedOneOf",
      rules,
      expected: one ? error.message : (rules.at(-1) ?? "file"),
      ...this.#here(),
    });
  }

  #addFault(fault: Fault): void {
    if (this.#stopped) return;
    // A second fault at the same token is an echo of the first.
    if (this.faults.at(-1)?.found === fault.found) return;
    this.faults.push(fault);
    if (this.faults.length >= MAX_FAULTS) {
      this.faults.push({ ...fault, kind: "tooMany" });
      this.#stopped = true;
    }
  }

  /** Skips to where the next element seems to start: behind `;`, at a word that begins a line, or at the closing brace. */
  #skip(atLeastOne: boolean, commaSeparates: boolean, outer = { outerBraces: 0, outerOthers: 0 }): CstNode {
    this.#skipping = { ...outer, depth: 0, atLeastOne, commaSeparates, done: false };
    const node = this.SUBRULE(this.skipped);
    this.#skippedTo = this.LA(1);
    return node;
  }

  #skipsNext(): boolean {
    const state = this.#skipping;
    const { tokenType: type, image } = this.LA(1);
    if (state.done || type === EOF) return false;
    if (this.#stopped) return true;
    const first = state.atLeastOne;
    state.atLeastOne = false;
    if (type === t.LeftBrace || type === t.LeftParen || type === t.LeftBracket) {
      state.depth += 1;
    } else if (type === t.RightBrace || type === t.RightParen || type === t.RightBracket) {
      if (state.depth > 0) state.depth -= 1;
      else if (type !== t.RightBrace) state.outerOthers = Math.max(0, state.outerOthers - 1);
      else if (state.outerBraces > 0) state.outerBraces -= 1;
      else {
        state.done = true;
        return first;
      }
    } else if (state.depth === 0) {
      const separates = type === t.Semicolon || (state.commaSeparates && type === t.Comma);
      if (separates && state.outerBraces + state.outerOthers === 0) state.done = true;
      // A bracket may have been forgotten: what the element had opened doesn't hold the next line back.
      else if (!first && /^[A-Za-z_]/.test(image) && this.#startsLine()) return false;
    }
    return true;
  }

  /** How many brackets are open that weren't before the token `first`. */
  #openSince(first: IToken): { outerBraces: number; outerOthers: number } {
    let closed = 0;
    let outerBraces = 0;
    let outerOthers = 0;
    for (let i = 0; ; i--) {
      const token = this.LA(i);
      const type = token.tokenType;
      if (type === EOF) break;
      if (type === t.RightBrace || type === t.RightParen || type === t.RightBracket) closed += 1;
      else if (type === t.LeftBrace || type === t.LeftParen || type === t.LeftBracket) {
        if (closed > 0) closed -= 1;
        else if (type === t.LeftBrace) outerBraces += 1;
        else outerOthers += 1;
      }
      if (token === first) break;
    }
    return { outerBraces, outerOthers };
  }

  #startsLine(): boolean {
    const before = this.LA(0);
    const from = Number.isNaN(before.startOffset) ? 0 : before.startOffset + before.image.length;
    return this.#text.slice(from, this.LA(1).startOffset).includes("\n");
  }

  #here(): Pick<Fault, "found" | "before" | "after"> {
    return { found: this.LA(1), before: this.LA(0), after: this.LA(2) };
  }
}
