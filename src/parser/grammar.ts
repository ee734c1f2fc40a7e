// The grammar: chevrotain rules without meaning, named as in grammar/xdp.ebnf; this file holds the declarations and the
// tests, its base classes the statements and expressions. The output is a concrete syntax tree that build-ast.ts turns
// into the AST. Must not word messages.

import type { CstNode, IToken } from "chevrotain";
import { StatementRules } from "./grammar-statements.ts";
import * as t from "./tokens.ts";

/** The parser; make it with createParser (parse.ts), since its construction is the dearest part of a start. */
export class RuleParser extends StatementRules {
  constructor(skipValidations: boolean) {
    super(skipValidations);
    this.performSelfAnalysis();
  }

  /**
   * Parses a whole file's tokens and hands each item's tree (rule `item`, or `skipped` after a fault) to `onItem` as soon
   * as it is whole; the tree is emptied afterwards, so that 100,000 rules never stand as 100,000 trees. What couldn't be
   * parsed is left out; `faults` says why.
   */
  parseFile(tokens: IToken[], text: string, onItem: (item: CstNode) => void): void {
    this.recovering(tokens, text, onItem, () => this.file());
  }

  // ------------------------------------------------------------------------------------------------------------- file

  readonly file = this.RULE("file", () => {
    do {
      this.MANY(() => {
        const item = this.SUBRULE(this.item);
        this.ACTION(() => this.deliver(item));
      });
    } while (this.resync("file"));
  });

  readonly item = this.RULE("item", () => {
    this.OR([
      { ALT: () => this.SUBRULE(this.declaration) },
      { ALT: () => this.SUBRULE(this.statement) },
      { ALT: () => this.CONSUME(t.Semicolon) },
    ]);
  });

  // ----------------------------------------------------------------------------------------------------- declarations

  readonly declaration = this.RULE("declaration", () => {
    this.guard(() =>
      this.OR([
        { ALT: () => this.SUBRULE(this.setDecl) },
        { ALT: () => this.SUBRULE(this.mapDecl) },
        { ALT: () => this.SUBRULE(this.counterDecl) },
        { ALT: () => this.SUBRULE(this.limiterDecl) },
        { ALT: () => this.SUBRULE(this.targetDecl) },
        { ALT: () => this.SUBRULE(this.constDecl) },
        { ALT: () => this.SUBRULE(this.configDecl) },
        { ALT: () => this.SUBRULE(this.varDecl) },
        { ALT: () => this.SUBRULE(this.structDecl) },
        { ALT: () => this.SUBRULE(this.headerDecl) },
        { ALT: () => this.SUBRULE(this.fnDecl) },
        { ALT: () => this.SUBRULE(this.importDecl) },
        { ALT: () => this.SUBRULE(this.licenseDecl) },
        { ALT: () => this.SUBRULE(this.defaultDecl) },
        { ALT: () => this.SUBRULE(this.programDecl) },
        { ALT: () => this.SUBRULE(this.testDecl) },
      ]),
    );
  });

  readonly setDecl = this.RULE("setDecl", () => {
    this.CONSUME(t.SetWord);
    this.CONSUME(t.NameToken);
    this.CONSUME(t.Colon);
    this.SUBRULE(this.type);
    this.MANY(() => this.CONSUME(t.MapAttributeToken));
  });

  readonly mapDecl = this.RULE("mapDecl", () => {
    this.CONSUME(t.MapWord);
    this.CONSUME(t.NameToken);
    this.CONSUME(t.Colon);
    this.CONSUME1(t.NameToken, { LABEL: "mapKind" });
    this.OPTION(() => {
      this.CONSUME(t.Less);
      this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.type) });
      this.CONSUME(t.Greater);
    });
    this.CONSUME(t.LeftBracket);
    this.SUBRULE(this.expression);
    this.CONSUME(t.RightBracket);
    this.MANY(() => this.CONSUME(t.MapAttributeToken));
  });

  readonly counterDecl = this.RULE("counterDecl", () => {
    this.CONSUME(t.CounterWord);
    this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.counterName) });
  });

  readonly counterName = this.RULE("counterName", () => {
    this.CONSUME(t.NameToken);
    this.OPTION(() => {
      this.CONSUME(t.LeftBracket);
      this.SUBRULE(this.type);
      this.CONSUME(t.RightBracket);
    });
  });

  readonly limiterDecl = this.RULE("limiterDecl", () => {
    this.CONSUME(t.LimiterWord);
    this.CONSUME(t.NameToken);
    this.CONSUME(t.LeftBracket);
    this.SUBRULE(this.expression, { LABEL: "size" });
    this.CONSUME(t.RightBracket);
    this.CONSUME(t.Colon);
    this.SUBRULE(this.atom);
    this.CONSUME(t.Slash);
    this.CONSUME1(t.NameToken, { LABEL: "per" });
    this.OPTION(() => {
      this.CONSUME(t.Burst);
      this.SUBRULE1(this.expression, { LABEL: "burst" });
    });
    this.OPTION1(() => {
      this.CONSUME(t.Per);
      this.SUBRULE(this.type);
    });
  });

  readonly targetDecl = this.RULE("targetDecl", () => {
    this.CONSUME(t.TargetKindToken);
    this.CONSUME(t.NameToken);
    this.OPTION(() => {
      this.CONSUME(t.LeftBracket);
      this.SUBRULE(this.expression);
      this.CONSUME(t.RightBracket);
    });
    this.MANY(() => this.CONSUME(t.MapAttributeToken));
    this.OPTION1(() => {
      this.CONSUME(t.Equals);
      this.SUBRULE(this.programList);
    });
  });

  readonly programList = this.RULE("programList", () => {
    this.CONSUME(t.LeftBrace);
    this.OPTION(() => {
      this.SUBRULE(this.programEntry);
      this.MANY({
        GATE: () => this.LA(2).tokenType !== t.RightBrace,
        DEF: () => {
          this.CONSUME(t.Comma);
          this.SUBRULE1(this.programEntry);
        },
      });
      this.OPTION1(() => this.CONSUME1(t.Comma));
    });
    this.CONSUME(t.RightBrace);
  });

  readonly programEntry = this.RULE("programEntry", () => {
    this.OPTION(() => {
      this.OR([{ ALT: () => this.CONSUME(t.LiteralToken) }, { ALT: () => this.CONSUME(t.LabelToken) }]);
      this.CONSUME(t.Colon);
    });
    this.CONSUME(t.NameToken);
  });

  readonly constDecl = this.RULE("constDecl", () => {
    this.CONSUME(t.ConstWord);
    this.OPTION(() => this.CONSUME(t.SetWord));
    this.CONSUME(t.NameToken);
    this.OPTION1(() => {
      this.CONSUME(t.Colon);
      this.SUBRULE(this.type);
    });
    this.OR([
      {
        ALT: () => {
          this.CONSUME(t.From);
          this.CONSUME(t.StringToken);
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.Equals);
          this.SUBRULE(this.expression);
        },
      },
    ]);
  });

  readonly configDecl = this.RULE("configDecl", () => {
    this.CONSUME(t.ConfigWord);
    this.CONSUME(t.NameToken);
    this.CONSUME(t.Colon);
    this.SUBRULE(this.type);
    this.CONSUME(t.Equals);
    this.SUBRULE(this.expression);
  });

  readonly varDecl = this.RULE("varDecl", () => {
    this.CONSUME(t.VarWord);
    this.CONSUME(t.NameToken);
    this.CONSUME(t.Colon);
    this.SUBRULE(this.type);
    this.OPTION(() => {
      this.CONSUME(t.Equals);
      this.SUBRULE(this.expression);
    });
  });

  readonly structDecl = this.RULE("structDecl", () => {
    this.CONSUME(t.StructWord);
    this.CONSUME(t.NameToken);
    this.SUBRULE(this.structBody);
  });

  readonly structBody = this.RULE("structBody", () => {
    this.CONSUME(t.LeftBrace);
    do {
      this.MANY(() => this.SUBRULE(this.structField));
    } while (this.resync("structBody"));
    this.close("structBody");
  });

  readonly structField = this.RULE("structField", () => {
    this.guard(() => {
      this.CONSUME(t.LabelToken);
      this.CONSUME(t.Colon);
      this.SUBRULE(this.type);
      this.OPTION(() => this.CONSUME(t.Comma));
    }, true);
  });

  readonly headerDecl = this.RULE("headerDecl", () => {
    this.CONSUME(t.HeaderWord);
    this.CONSUME(t.NameToken);
    this.OPTION(() => {
      this.CONSUME(t.As);
      this.CONSUME1(t.NameToken, { LABEL: "alias" });
    });
    this.OPTION1(() => this.CONSUME(t.StringToken));
    this.OPTION2(() => {
      this.CONSUME(t.Rfc);
      this.SUBRULE(this.atom);
    });
    this.OPTION3(() => {
      this.OR([{ ALT: () => this.CONSUME(t.On) }, { ALT: () => this.CONSUME(t.Extends) }]);
      this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.edge) });
      this.OPTION4(() => {
        this.CONSUME(t.Depth);
        this.SUBRULE1(this.atom, { LABEL: "depth" });
      });
    });
    this.OPTION5(() => this.SUBRULE(this.headerBody));
  });

  readonly edge = this.RULE("edge", () => {
    this.OPTION(() => this.CONSUME(t.Inner));
    this.CONSUME(t.IdentifierToken);
    this.MANY({ GATE: () => !this.startsAssignment(), DEF: () => this.SUBRULE(this.edgeValue) });
    this.OPTION1(() => {
      this.CONSUME(t.When);
      this.bodyFollows = true;
      try {
        this.SUBRULE(this.expression);
      } finally {
        this.bodyFollows = false;
      }
    });
  });

  readonly edgeValue = this.RULE("edgeValue", () => {
    this.OR([{ ALT: () => this.CONSUME(t.LiteralToken) }, { ALT: () => this.CONSUME(t.IdentifierToken) }]);
  });

  readonly headerBody = this.RULE("headerBody", () => {
    this.CONSUME(t.LeftBrace);
    do {
      this.MANY(() => this.SUBRULE(this.headerEntry));
    } while (this.resync("headerBody"));
    this.close("headerBody");
  });

  readonly headerEntry = this.RULE("headerEntry", () => {
    this.guard(() => {
      this.OR([
        { ALT: () => this.SUBRULE(this.headerField) },
        { ALT: () => this.SUBRULE(this.headerSize) },
        { ALT: () => this.SUBRULE(this.headerNext) },
      ]);
      this.OPTION(() => this.CONSUME(t.Comma));
    }, true);
  });

  readonly headerField = this.RULE("headerField", () => {
    this.CONSUME(t.LabelToken);
    this.CONSUME(t.Colon);
    this.OR([{ ALT: () => this.CONSUME(t.LiteralToken) }, { ALT: () => this.SUBRULE(this.type) }]);
    this.OPTION(() => this.SUBRULE(this.fieldBits));
    this.OPTION1(() => this.SUBRULE(this.covers));
    this.OPTION2(() => {
      this.CONSUME(t.Equals);
      this.SUBRULE(this.atom);
    });
    this.OPTION3(() => this.CONSUME(t.Optional));
    this.OPTION4(() => {
      this.CONSUME(t.If);
      this.CONSUME(t.NameToken);
    });
  });

  readonly fieldBits = this.RULE("fieldBits", () => {
    this.CONSUME(t.LeftBrace);
    this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.CONSUME(t.NameToken) });
    this.CONSUME(t.RightBrace);
  });

  readonly covers = this.RULE("covers", () => {
    this.CONSUME(t.Covers);
    this.CONSUME(t.LeftParen);
    this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.CONSUME(t.NameToken) });
    this.CONSUME(t.RightParen);
  });

  readonly headerSize = this.RULE("headerSize", () => {
    this.CONSUME(t.Size);
    this.SUBRULE(this.expression);
    this.OPTION(() => {
      this.CONSUME(t.Min);
      this.SUBRULE1(this.expression, { LABEL: "min" });
    });
  });

  readonly headerNext = this.RULE("headerNext", () => {
    this.CONSUME(t.Next);
    this.CONSUME(t.NameToken);
    this.MANY({
      // After a comma the next entry may start instead; there `size` and `next` aren't names.
      GATE: () => this.continuesNames(),
      DEF: () => {
        this.CONSUME(t.Comma);
        this.CONSUME1(t.NameToken);
      },
    });
    this.OPTION(() => {
      this.CONSUME(t.Depth);
      this.SUBRULE(this.atom);
    });
    this.OPTION1(() => {
      this.CONSUME(t.When);
      this.SUBRULE(this.expression);
    });
  });

  readonly fnDecl = this.RULE("fnDecl", () => {
    this.CONSUME(t.FnWord);
    this.CONSUME(t.NameToken);
    this.CONSUME(t.LeftParen);
    this.MANY_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.parameter) });
    this.CONSUME(t.RightParen);
    this.OR([
      {
        ALT: () => {
          this.CONSUME(t.Equals);
          this.SUBRULE(this.expression);
        },
      },
      { ALT: () => this.SUBRULE(this.block) },
    ]);
  });

  readonly parameter = this.RULE("parameter", () => {
    this.CONSUME(t.LabelToken);
    this.CONSUME(t.Colon);
    this.SUBRULE(this.type);
  });

  readonly importDecl = this.RULE("importDecl", () => {
    this.CONSUME(t.ImportWord);
    this.OR([{ ALT: () => this.CONSUME(t.StringToken) }, { ALT: () => this.SUBRULE(this.libraryPath) }]);
  });

  readonly libraryPath = this.RULE("libraryPath", () => {
    this.AT_LEAST_ONE_SEP({ SEP: t.Dot, DEF: () => this.CONSUME(t.NameToken) });
  });

  readonly licenseDecl = this.RULE("licenseDecl", () => {
    this.CONSUME(t.LicenseWord);
    this.CONSUME(t.StringToken);
  });

  readonly defaultDecl = this.RULE("defaultDecl", () => {
    this.CONSUME(t.DefaultWord);
    this.CONSUME(t.VerdictToken);
  });

  readonly programDecl = this.RULE("programDecl", () => {
    this.CONSUME(t.ProgramWord);
    this.CONSUME(t.NameToken);
    this.MANY(() => this.SUBRULE(this.programAttribute));
    this.SUBRULE(this.programBody);
  });

  readonly programAttribute = this.RULE("programAttribute", () => {
    this.OR([
      {
        ALT: () => {
          this.CONSUME(t.Section);
          this.CONSUME(t.StringToken);
        },
      },
      { ALT: () => this.CONSUME(t.Frags) },
      { ALT: () => this.CONSUME(t.DevmapWord) },
      { ALT: () => this.CONSUME(t.CpumapWord) },
      {
        ALT: () => {
          this.CONSUME(t.Priority);
          this.SUBRULE(this.atom);
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.Chain);
          this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.CONSUME(t.VerdictToken) });
        },
      },
    ]);
  });

  readonly programBody = this.RULE("programBody", () => {
    this.CONSUME(t.LeftBrace);
    do {
      this.MANY(() => this.SUBRULE(this.programItem));
    } while (this.resync("programBody"));
    this.close("programBody");
  });

  readonly programItem = this.RULE("programItem", () => {
    this.guard(() =>
      this.OR([
        { ALT: () => this.SUBRULE(this.defaultDecl) },
        { ALT: () => this.SUBRULE(this.statement) },
        { ALT: () => this.CONSUME(t.Semicolon) },
      ]),
    );
  });

  // ------------------------------------------------------------------------------------------------------------ tests

  readonly testDecl = this.RULE("testDecl", () => {
    this.CONSUME(t.TestWord);
    this.CONSUME(t.StringToken);
    this.OPTION(() => {
      this.CONSUME(t.For);
      this.CONSUME(t.NameToken);
    });
    this.OPTION1(() => {
      this.CONSUME(t.With);
      this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.setting) });
    });
    this.SUBRULE(this.testBody);
  });

  readonly setting = this.RULE("setting", () => {
    this.SUBRULE(this.postfix);
    this.CONSUME(t.Equals);
    this.SUBRULE(this.expression);
  });

  readonly testBody = this.RULE("testBody", () => {
    this.CONSUME(t.LeftBrace);
    do {
      this.MANY(() => this.SUBRULE(this.testStep));
    } while (this.resync("testBody"));
    this.close("testBody");
  });

  readonly testStep = this.RULE("testStep", () => {
    this.guard(() =>
      this.OR([
        {
          ALT: () => {
            this.CONSUME(t.Packet);
            this.SUBRULE(this.layers);
            this.OPTION(() => {
              this.CONSUME(t.Times);
              this.SUBRULE(this.atom);
            });
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.Expect);
            this.SUBRULE(this.expected);
          },
        },
        { ALT: () => this.SUBRULE(this.fill) },
        { ALT: () => this.CONSUME(t.Semicolon) },
      ]),
    );
  });

  readonly fill = this.RULE("fill", () => {
    this.CONSUME(t.IdentifierToken);
    this.MANY(() => this.SUBRULE(this.suffix));
    this.CONSUME(t.Equals);
    this.SUBRULE(this.expression);
  });

  readonly expected = this.RULE("expected", () => {
    this.OR([
      {
        ALT: () => {
          this.SUBRULE(this.expectation);
          this.OPTION({ GATE: () => !this.startsAssignment(true), DEF: () => this.SUBRULE(this.layers) });
        },
        // The words that open an action are names too; here they are never taken for names.
        IGNORE_AMBIGUITIES: true,
      },
      { ALT: () => this.SUBRULE(this.expression) },
    ]);
  });

  readonly expectation = this.RULE("expectation", () => {
    this.OR([
      { ALT: () => this.CONSUME(t.VerdictToken) },
      { ALT: () => this.SUBRULE(this.redirectStmt) },
      { ALT: () => this.SUBRULE(this.floodStmt) },
      { ALT: () => this.SUBRULE(this.forwardStmt) },
      { ALT: () => this.SUBRULE(this.tailStmt) },
    ]);
  });

  readonly layers = this.RULE("layers", () => {
    this.AT_LEAST_ONE_SEP({ SEP: t.Slash, DEF: () => this.SUBRULE(this.layer) });
  });

  readonly layer = this.RULE("layer", () => {
    this.OR([
      { ALT: () => this.CONSUME(t.StringToken) },
      {
        ALT: () => {
          this.CONSUME(t.IdentifierToken);
          this.OPTION(() => this.SUBRULE(this.arguments_));
        },
      },
    ]);
  });
}
