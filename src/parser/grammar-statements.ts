// The grammar's middle part: statements and blocks. Rules are named as in grammar/xdp.ebnf and have no meaning.

import { ExpressionRules } from "./grammar-expressions.ts";
import * as t from "./tokens.ts";

/** The rules of statements. */
export class StatementRules extends ExpressionRules {
  // ------------------------------------------------------------------------------------------------------- statements

  readonly statement = this.RULE("statement", () => {
    this.guard(() =>
      this.nested("statement", () =>
        this.OR([
          { ALT: () => this.SUBRULE(this.ifStmt) },
          { ALT: () => this.CONSUME(t.VerdictToken) },
          { ALT: () => this.SUBRULE(this.assignOrCall) },
          { ALT: () => this.SUBRULE(this.switchStmt) },
          { ALT: () => this.SUBRULE(this.forStmt) },
          { ALT: () => this.SUBRULE(this.letStmt) },
          { ALT: () => this.SUBRULE(this.redirectStmt) },
          { ALT: () => this.SUBRULE(this.logStmt) },
          { ALT: () => this.SUBRULE(this.countStmt) },
          { ALT: () => this.SUBRULE(this.insertStmt) },
          { ALT: () => this.SUBRULE(this.deleteStmt) },
          { ALT: () => this.SUBRULE(this.swapStmt) },
          { ALT: () => this.SUBRULE(this.floodStmt) },
          { ALT: () => this.SUBRULE(this.forwardStmt) },
          { ALT: () => this.SUBRULE(this.tailStmt) },
          { ALT: () => this.SUBRULE(this.emitStmt) },
          { ALT: () => this.SUBRULE(this.sampleStmt) },
          { ALT: () => this.SUBRULE(this.pushStmt) },
          { ALT: () => this.SUBRULE(this.popStmt) },
          { ALT: () => this.SUBRULE(this.encapStmt) },
          { ALT: () => this.CONSUME(t.Decap) },
          { ALT: () => this.SUBRULE(this.trimStmt) },
        ]),
      ),
    );
  });

  readonly block = this.RULE("block", () => {
    this.CONSUME(t.LeftBrace);
    do {
      this.MANY(() => this.OR([{ ALT: () => this.SUBRULE(this.statement) }, { ALT: () => this.CONSUME(t.Semicolon) }]));
    } while (this.resync("block"));
    this.close("block");
  });

  readonly body = this.RULE("body", () => {
    this.OR([{ ALT: () => this.SUBRULE(this.block) }, { ALT: () => this.SUBRULE(this.statement) }]);
  });

  readonly ifStmt = this.RULE("ifStmt", () => {
    this.CONSUME(t.If);
    this.SUBRULE(this.condition);
    this.CONSUME(t.Then);
    this.SUBRULE(this.body);
    this.MANY(() => {
      this.CONSUME(t.ElseBeforeIf);
      this.CONSUME1(t.If);
      this.SUBRULE1(this.condition);
      this.CONSUME1(t.Then);
      this.SUBRULE1(this.body);
    });
    this.OPTION(() => {
      this.CONSUME(t.Else);
      this.SUBRULE2(this.body, { LABEL: "else" });
    });
  });

  readonly condition = this.RULE("condition", () => {
    this.OR([{ ALT: () => this.SUBRULE(this.ifLet) }, { ALT: () => this.SUBRULE(this.expression) }]);
  });

  readonly ifLet = this.RULE("ifLet", () => {
    this.CONSUME(t.Let);
    this.CONSUME(t.NameToken);
    this.CONSUME(t.Equals);
    this.SUBRULE(this.postfix);
  });

  readonly switchStmt = this.RULE("switchStmt", () => {
    this.CONSUME(t.Switch);
    this.SUBRULE(this.expression);
    this.SUBRULE(this.switchBody);
  });

  readonly switchBody = this.RULE("switchBody", () => {
    this.CONSUME(t.LeftBrace);
    do {
      this.MANY(() => this.SUBRULE(this.arm));
    } while (this.resync("switchBody"));
    this.close("switchBody");
  });

  readonly arm = this.RULE("arm", () => {
    this.guard(() => {
      this.OR([
        { ALT: () => this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.expression) }) },
        { ALT: () => this.CONSUME(t.ElseArm) },
      ]);
      this.CONSUME(t.Arrow);
      this.SUBRULE(this.body);
      this.MANY(() => this.CONSUME(t.Semicolon));
    });
  });

  readonly forStmt = this.RULE("forStmt", () => {
    this.CONSUME(t.For);
    this.CONSUME(t.NameToken);
    this.CONSUME(t.In);
    this.SUBRULE(this.expression);
    this.SUBRULE(this.block);
  });

  readonly letStmt = this.RULE("letStmt", () => {
    this.CONSUME(t.Let);
    this.CONSUME(t.NameToken);
    this.CONSUME(t.Equals);
    this.SUBRULE(this.expression);
  });

  readonly assignOrCall = this.RULE("assignOrCall", () => {
    this.CONSUME(t.IdentifierToken);
    this.OPTION(() => this.SUBRULE(this.arguments_));
    this.MANY(() => this.SUBRULE(this.suffix));
    const assigned = this.OPTION1(() => {
      this.CONSUME(t.AssignOperatorToken);
      this.SUBRULE(this.expression);
      this.OPTION2(() => this.SUBRULE(this.fallback));
      return true;
    });
    this.ACTION(() => {
      if (assigned !== true && this.LA(0).tokenType !== t.RightParen) this.raise("notAStatement", "assignOrCall");
    });
  });

  readonly fallback = this.RULE("fallback", () => {
    this.CONSUME(t.OrFallback);
    this.CONSUME(t.VerdictToken);
  });

  readonly redirectStmt = this.RULE("redirectStmt", () => {
    this.CONSUME(t.Redirect);
    this.OR([
      {
        ALT: () => {
          this.CONSUME(t.Dev);
          this.SUBRULE(this.postfix);
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.NameToken);
          this.OPTION(() => {
            this.CONSUME(t.LeftBracket);
            this.SUBRULE(this.expression);
            this.CONSUME(t.RightBracket);
          });
        },
      },
    ]);
    this.OPTION1(() => this.SUBRULE(this.fallback));
  });

  readonly logStmt = this.RULE("logStmt", () => {
    this.CONSUME(t.Log);
    this.CONSUME(t.StringToken);
    this.MANY(() => {
      this.CONSUME(t.Comma);
      this.SUBRULE(this.expression);
    });
  });

  readonly countStmt = this.RULE("countStmt", () => {
    this.CONSUME(t.Count);
    this.CONSUME(t.NameToken);
    this.OPTION(() => {
      this.CONSUME(t.LeftBracket);
      this.SUBRULE(this.expression);
      this.CONSUME(t.RightBracket);
    });
  });

  readonly insertStmt = this.RULE("insertStmt", () => {
    this.CONSUME(t.Insert);
    this.CONSUME(t.NameToken);
    this.SUBRULE(this.expression);
    this.OPTION(() => this.SUBRULE(this.fallback));
  });

  readonly deleteStmt = this.RULE("deleteStmt", () => {
    this.CONSUME(t.Delete);
    this.CONSUME(t.NameToken);
    this.SUBRULE(this.expression);
  });

  readonly swapStmt = this.RULE("swapStmt", () => {
    this.CONSUME(t.Swap);
    this.SUBRULE(this.postfix);
    this.CONSUME(t.Comma);
    this.SUBRULE1(this.postfix);
  });

  readonly floodStmt = this.RULE("floodStmt", () => {
    this.CONSUME(t.Flood);
    this.CONSUME(t.NameToken);
    this.OPTION(() => this.SUBRULE(this.fallback));
  });

  readonly forwardStmt = this.RULE("forwardStmt", () => {
    this.CONSUME(t.Forward);
    this.OPTION(() => this.SUBRULE(this.fallback));
  });

  readonly tailStmt = this.RULE("tailStmt", () => {
    this.CONSUME(t.Tail);
    this.CONSUME(t.NameToken);
    this.CONSUME(t.LeftBracket);
    this.SUBRULE(this.expression);
    this.CONSUME(t.RightBracket);
    this.OPTION(() => this.SUBRULE(this.fallback));
  });

  readonly emitStmt = this.RULE("emitStmt", () => {
    this.CONSUME(t.Emit);
    this.CONSUME(t.NameToken);
    this.SUBRULE(this.expression);
    this.OPTION(() => this.SUBRULE(this.fallback));
  });

  readonly sampleStmt = this.RULE("sampleStmt", () => {
    this.CONSUME(t.Sample);
    this.CONSUME(t.NameToken);
    this.OPTION(() => {
      this.CONSUME(t.Max);
      this.SUBRULE(this.expression);
    });
    this.OPTION1(() => this.SUBRULE(this.fallback));
  });

  readonly pushStmt = this.RULE("pushStmt", () => {
    this.CONSUME(t.Push);
    this.CONSUME(t.NameToken);
    this.SUBRULE(this.expression);
  });

  readonly popStmt = this.RULE("popStmt", () => {
    this.CONSUME(t.Pop);
    this.CONSUME(t.NameToken);
  });

  readonly encapStmt = this.RULE("encapStmt", () => {
    this.CONSUME(t.Encap);
    this.SUBRULE(this.newHeader);
    this.MANY(() => {
      this.CONSUME(t.Slash);
      this.SUBRULE1(this.newHeader);
    });
  });

  readonly newHeader = this.RULE("newHeader", () => {
    this.CONSUME(t.NameToken);
    this.SUBRULE(this.fieldInits);
  });

  readonly trimStmt = this.RULE("trimStmt", () => {
    this.CONSUME(t.Trim);
    this.SUBRULE(this.expression);
  });
}
