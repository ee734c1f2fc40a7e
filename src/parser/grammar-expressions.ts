// The grammar's lowest part: types and expressions. Operators are a flat list here and bound by build-expr.ts, which
// keeps 100,000 operands from becoming 100,000 stack frames. Rules are named as in grammar/xdp.ebnf and have no meaning.

import type { TokenType } from "chevrotain";
import { RecoveringParser } from "./recovery.ts";
import * as t from "./tokens.ts";

/** The rules of types and expressions. */
export class ExpressionRules extends RecoveringParser {
  // ------------------------------------------------------------------------------------------------------------ types

  readonly type = this.RULE("type", () => {
    this.nested("type", () => {
      this.OR([
        {
          ALT: () => {
            this.CONSUME(t.NameToken);
            this.OPTION(() => {
              this.CONSUME(t.Less);
              this.SUBRULE(this.type, { LABEL: "of" });
              this.CONSUME(t.Greater);
            });
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.LeftParen);
            this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE1(this.type) });
            this.CONSUME(t.RightParen);
          },
        },
      ]);
      this.MANY(() => {
        this.CONSUME(t.LeftBracket);
        this.SUBRULE(this.expression);
        this.CONSUME(t.RightBracket);
      });
    });
  });

  // ------------------------------------------------------------------------------------------------------ expressions

  /** True inside what stands before a header's body: its braces aren't a struct's. */
  protected bodyFollows = false;

  readonly expression = this.RULE("expression", () => {
    this.nested("expression", () => {
      this.MANY(() => this.CONSUME(t.Not));
      this.SUBRULE(this.postfix);
      this.MANY1(() => {
        this.CONSUME(t.OperatorToken);
        this.MANY2(() => this.CONSUME1(t.Not));
        this.SUBRULE1(this.postfix);
      });
    });
  });

  readonly postfix = this.RULE("postfix", () => {
    this.SUBRULE(this.primary);
    this.MANY(() => this.SUBRULE(this.suffix));
  });

  readonly suffix = this.RULE("suffix", () => {
    this.OR([
      {
        ALT: () => {
          this.CONSUME(t.Dot);
          this.CONSUME(t.IdentifierToken);
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.LeftBracket);
          this.SUBRULE(this.expression);
          this.CONSUME(t.RightBracket);
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.As);
          this.CONSUME(t.NameToken);
        },
      },
    ]);
  });

  readonly primary = this.RULE("primary", () => {
    this.OR([
      {
        ALT: () => {
          this.CONSUME(t.NameToken);
          this.OPTION({
            GATE: () => this.LA(1).tokenType === t.LeftParen || this.startsFieldInits(),
            DEF: () =>
              this.OR1([{ ALT: () => this.SUBRULE(this.arguments_) }, { ALT: () => this.SUBRULE(this.fieldInits) }]),
          });
        },
      },
      { ALT: () => this.CONSUME(t.LiteralToken) },
      { ALT: () => this.CONSUME(t.StringToken) },
      {
        ALT: () => {
          this.CONSUME(t.LeftParen);
          this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.expression) });
          this.CONSUME(t.RightParen);
        },
      },
      { ALT: () => this.SUBRULE(this.setLiteral) },
    ]);
  });

  readonly setLiteral = this.RULE("setLiteral", () => {
    this.CONSUME(t.LeftBrace);
    this.OPTION(() => {
      this.SUBRULE(this.expression);
      this.MANY({
        GATE: () => this.LA(2).tokenType !== t.RightBrace,
        DEF: () => {
          this.CONSUME(t.Comma);
          this.SUBRULE1(this.expression);
        },
      });
      this.OPTION1(() => this.CONSUME1(t.Comma));
    });
    this.CONSUME(t.RightBrace);
  });

  readonly fieldInits = this.RULE("fieldInits", () => {
    this.CONSUME(t.LeftBrace);
    this.OPTION(() => {
      this.SUBRULE(this.fieldInit);
      this.MANY({
        GATE: () => this.LA(2).tokenType !== t.RightBrace,
        DEF: () => {
          this.CONSUME(t.Comma);
          this.SUBRULE1(this.fieldInit);
        },
      });
      this.OPTION1(() => this.CONSUME1(t.Comma));
    });
    this.CONSUME(t.RightBrace);
  });

  readonly fieldInit = this.RULE("fieldInit", () => {
    this.CONSUME(t.LabelToken);
    this.CONSUME(t.Colon);
    this.SUBRULE(this.expression);
  });

  readonly arguments_ = this.RULE("arguments", () => {
    this.CONSUME(t.LeftParen);
    this.MANY_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.argument) });
    this.CONSUME(t.RightParen);
  });

  readonly argument = this.RULE("argument", () => {
    this.OPTION({
      GATE: () => this.LA(1).tokenType === t.LabelToken,
      DEF: () => {
        this.CONSUME(t.LabelToken);
        this.CONSUME(t.Colon);
      },
    });
    this.SUBRULE(this.expression);
  });

  readonly atom = this.RULE("atom", () => {
    this.OR([
      { ALT: () => this.CONSUME(t.LiteralToken) },
      { ALT: () => this.CONSUME(t.NameToken) },
      {
        ALT: () => {
          this.CONSUME(t.LeftParen);
          this.SUBRULE(this.expression);
          this.CONSUME(t.RightParen);
        },
      },
    ]);
  });

  // --------------------------------------------------------------------------------------------- looking a bit further

  /** Whether the next name is the target of an assignment or a call and so begins a new statement. */
  protected startsAssignment(callsAreLayers = false): boolean {
    if (this.LA(1).tokenType !== t.IdentifierToken) return false;
    const next = this.LA(2).tokenType;
    if (next === t.LeftParen) return !callsAreLayers;
    return next === t.Dot || next === t.LeftBracket || next === t.Equals || next === t.UpdateOperator;
  }

  /** Whether a comma is followed by one more name of a list and not by a header's next entry or its end. */
  protected continuesNames(): boolean {
    const second = this.LA(2).tokenType;
    const isEntry = second === t.LabelToken || second === t.Size || second === t.Next;
    return !isEntry && second !== t.RightBrace;
  }

  /** Whether the brace after a name opens a struct literal: a label follows, or it is empty where a value stands. */
  protected startsFieldInits(): boolean {
    if (this.bodyFollows) return false;
    const second = this.LA(2).tokenType;
    if (second === t.LabelToken) return true;
    if (second !== t.RightBrace) return false;
    // `switch x {}` and `for i in 0..N {}`: the braces belong to the statement.
    const before = this.LA(-1).tokenType;
    return before !== t.Switch && before !== t.Not && !isOperator(before);
  }
}

function isOperator(type: TokenType): boolean {
  return (type.CATEGORIES ?? []).includes(t.OperatorToken);
}
