// Counts how often each rule is reached and each branch taken: puts additions to globals of their own into a typed, proven program
// and keeps which is whose. Between presence and lowering, for runs that are explained; what a program does to packets stays the same.

import type { Span } from "../base/source.ts";
import type { GlobalSymbol, HCond, HExpr, HProgram, HStmt } from "./hir.ts";
import { U64 } from "./types.ts";

/** A program with its probes, and what they count. */
export interface Probed {
  readonly program: HProgram;
  /** The globals to add to the module: one for each count, u64, at first zero. */
  readonly symbols: readonly GlobalSymbol[];
  readonly rules: ProbedBlock;
}

/** A list of statements. `entered` counts how often it was begun. */
export interface ProbedBlock {
  readonly entered: GlobalSymbol;
  readonly statements: readonly ProbedStmt[];
}

/** A statement of a program: which kind it is, what decides its branches, how often it was reached. */
export interface ProbedStmt {
  readonly statement: HStmt;
  readonly span: Span;
  readonly reached: GlobalSymbol;
  /** What an `if`, an `if let` or a `switch` asks, or a `let` binds. */
  readonly asks: HCond | HExpr | null;
  /** The branches: `then` and `else` of an `if`, the arms and `else` of a `switch`, a loop's body; in this order. */
  readonly branches: readonly {
    readonly what: "then" | "else" | "arm" | "body";
    readonly span: Span;
    readonly block: ProbedBlock;
  }[];
}

/** Statements that always go on with the next one. */
const STRAIGHT: ReadonlySet<HStmt["kind"]> = new Set([
  "let",
  "setField",
  "swap",
  "store",
  "add",
  "log",
  "count",
  "mapDelete",
]);

/** Puts probes into a program. `prefix` makes the globals' names differ from those of other programs. */
export function probe(program: HProgram, prefix: string): Probed {
  const prober = new Prober(prefix);
  const { list, block } = prober.block(program.body, program.span);
  return { program: { ...program, body: list }, symbols: prober.symbols, rules: block };
}

interface Made {
  readonly list: readonly HStmt[];
  readonly block: ProbedBlock;
}

class Prober {
  readonly symbols: GlobalSymbol[] = [];
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  block(statements: readonly HStmt[], span: Span): Made {
    const entered = this.#symbol(span);
    const list: HStmt[] = [increment(entered, span)];
    const probed: ProbedStmt[] = [];
    let reached = entered;
    let straight = true;
    for (const statement of statements) {
      if (!straight) {
        reached = this.#symbol(statement.span);
        list.push(increment(reached, statement.span));
      }
      const made = this.#statement(statement, reached);
      list.push(made.list);
      probed.push(made.probed);
      straight = STRAIGHT.has(statement.kind);
    }
    return { list, block: { entered, statements: probed } };
  }

  #symbol(span: Span): GlobalSymbol {
    const name = `${this.#prefix}${this.symbols.length}`;
    const symbol: GlobalSymbol = { kind: "global", name, type: U64, section: ".bss", value: 0n, span };
    this.symbols.push(symbol);
    return symbol;
  }

  #statement(statement: HStmt, reached: GlobalSymbol): { readonly list: HStmt; readonly probed: ProbedStmt } {
    const { span } = statement;
    switch (statement.kind) {
      case "if":
      case "ifLet":
      case "ifTake":
        return this.#chain(statement, reached);
      case "switch": {
        const arms = statement.arms.map((arm) => ({ arm, made: this.block(arm.body, arm.span) }));
        const otherwise = this.block(statement.else, span);
        const list = {
          ...statement,
          arms: arms.map(({ arm, made }) => ({ ...arm, body: made.list })),
          else: otherwise.list,
        };
        const branches = [
          ...arms.map(({ arm, made }) => ({ what: "arm" as const, span: arm.span, block: made.block })),
          { what: "else" as const, span, block: otherwise.block },
        ];
        return { list, probed: { statement, span, reached, asks: statement.subject, branches } };
      }
      case "for": {
        const made = this.block(statement.body, span);
        const branches = [{ what: "body" as const, span, block: made.block }];
        return { list: { ...statement, body: made.list }, probed: { statement, span, reached, asks: null, branches } };
      }
      default:
        return {
          list: statement,
          probed: { statement, span, reached, asks: statement.kind === "let" ? statement.value : null, branches: [] },
        };
    }
  }

  /** An `if` with its `else if`s, which may be thousands: built from the last back. */
  #chain(
    first: HStmt & { readonly kind: "if" | "ifLet" | "ifTake" },
    reached: GlobalSymbol,
  ): { readonly list: HStmt; readonly probed: ProbedStmt } {
    const chain: {
      readonly at: HStmt & { readonly kind: "if" | "ifLet" | "ifTake" };
      readonly reached: GlobalSymbol;
    }[] = [];
    let last: Made | null = null;
    for (let at = first, count = reached; ; ) {
      chain.push({ at, reached: count });
      const only: HStmt | undefined = at.else[0];
      if (at.else.length === 1 && (only?.kind === "if" || only?.kind === "ifLet" || only?.kind === "ifTake")) {
        at = only;
        count = this.#symbol(only.span);
        continue;
      }
      if (at.else.length > 0) last = this.block(at.else, at.else[0]?.span ?? at.span);
      break;
    }
    let result: { readonly list: HStmt; readonly probed: ProbedStmt } | null = null;
    for (const { at, reached: count } of chain.reverse()) {
      const { span } = at;
      const then = this.block(at.then, at.then[0]?.span ?? span);
      const rest: Made | null =
        result === null
          ? last
          : {
              list: [increment(result.probed.reached, result.probed.span), result.list],
              block: { entered: result.probed.reached, statements: [result.probed] },
            };
      const branches = [{ what: "then" as const, span, block: then.block }];
      result = {
        list: { ...at, then: then.list, else: rest?.list ?? [] },
        probed: {
          statement: at,
          span,
          reached: count,
          asks: at.kind === "if" ? at.condition : at.kind === "ifLet" ? at.key : null,
          branches: rest === null ? branches : [...branches, { what: "else" as const, span, block: rest.block }],
        },
      };
    }
    return result as { readonly list: HStmt; readonly probed: ProbedStmt };
  }
}

function increment(symbol: GlobalSymbol, span: Span): HStmt {
  const place = { kind: "global", symbol, type: U64 } as const;
  return { kind: "add", place, value: { kind: "const", value: 1n, type: U64, span }, span };
}
