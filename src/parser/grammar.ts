// The grammar: chevrotain rules without actions, named as in grammar/xdp.ebnf. Their output is a concrete syntax tree
// that build-ast.ts turns into the AST. Faults are caught at the elements of lists (statements, declarations, fields,
// arms): what can't be understood is skipped to where the next element seems to start, and parsing goes on. Must not
// word messages.

import { type CstNode, CstParser, EOF, type IToken, isRecognitionException, type TokenType } from "chevrotain";
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

/** The parser; make it with createParser (parse.ts), since its construction is the dearest part of a start. */
export class RuleParser extends CstParser {
  /** The faults of the last parse, in order. */
  faults: Fault[] = [];
  #text = "";
  #nesting = 0;
  #stopped = false;
  #skipping: Skipping = { depth: 0, atLeastOne: false, commaSeparates: false, done: false };

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
    this.performSelfAnalysis();
  }

  /** Parses a whole file's tokens; the tree lacks what couldn't be parsed, `faults` says why. */
  parseFile(tokens: IToken[], text: string): CstNode {
    this.input = tokens;
    this.faults = [];
    this.#text = text;
    this.#nesting = 0;
    this.#stopped = false;
    try {
      return this.file();
    } finally {
      this.input = [];
      this.#text = "";
    }
  }

  // ------------------------------------------------------------------------------------------------------------- file

  readonly file = this.RULE("file", () => {
    do {
      this.MANY(() => this.SUBRULE(this.item));
    } while (this.#resync("file"));
  });

  readonly item = this.RULE("item", () => {
    this.OR([
      { ALT: () => this.SUBRULE(this.declaration) },
      { ALT: () => this.SUBRULE(this.statement) },
      { ALT: () => this.CONSUME(t.Semicolon) },
    ]);
  });

  /** What was left out after a fault. Not part of the language: only reached by recovery. */
  readonly skipped = this.RULE("skipped", () => {
    this.MANY({ GATE: () => this.#skipsNext(), DEF: () => this.CONSUME(t.AnyToken) });
  });

  // ----------------------------------------------------------------------------------------------------- declarations

  readonly declaration = this.RULE("declaration", () => {
    this.#guard(() =>
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
    } while (this.#resync("structBody"));
    this.#close("structBody");
  });

  readonly structField = this.RULE("structField", () => {
    this.#guard(() => {
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
    this.MANY({ GATE: () => !this.#startsAssignment(), DEF: () => this.SUBRULE(this.edgeValue) });
  });

  readonly edgeValue = this.RULE("edgeValue", () => {
    this.OR([{ ALT: () => this.CONSUME(t.LiteralToken) }, { ALT: () => this.CONSUME(t.IdentifierToken) }]);
  });

  readonly headerBody = this.RULE("headerBody", () => {
    this.CONSUME(t.LeftBrace);
    do {
      this.MANY(() => this.SUBRULE(this.headerEntry));
    } while (this.#resync("headerBody"));
    this.#close("headerBody");
  });

  readonly headerEntry = this.RULE("headerEntry", () => {
    this.#guard(() => {
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
    this.OPTION2(() => this.CONSUME(t.Optional));
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
      GATE: () => this.LA(2).tokenType !== t.LabelToken,
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
    } while (this.#resync("programBody"));
    this.#close("programBody");
  });

  readonly programItem = this.RULE("programItem", () => {
    this.#guard(() =>
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
    } while (this.#resync("testBody"));
    this.#close("testBody");
  });

  readonly testStep = this.RULE("testStep", () => {
    this.#guard(() =>
      this.OR([
        {
          ALT: () => {
            this.CONSUME(t.Packet);
            this.SUBRULE(this.layers);
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.Expect);
            this.SUBRULE(this.expectation);
            this.OPTION({ GATE: () => !this.#startsAssignment(true), DEF: () => this.SUBRULE1(this.layers) });
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

  // ------------------------------------------------------------------------------------------------------- statements

  readonly statement = this.RULE("statement", () => {
    this.#guard(() =>
      this.#nested("statement", () =>
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
      this.MANY(() =>
        this.OR([{ ALT: () => this.SUBRULE(this.statement) }, { ALT: () => this.CONSUME(t.Semicolon) }]),
      );
    } while (this.#resync("block"));
    this.#close("block");
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
    } while (this.#resync("switchBody"));
    this.#close("switchBody");
  });

  readonly arm = this.RULE("arm", () => {
    this.#guard(() => {
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
      if (assigned !== true && this.LA(0).tokenType !== t.RightParen) this.#raise("notAStatement", "assignOrCall");
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
          this.CONSUME(t.StringToken);
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
  });

  readonly sampleStmt = this.RULE("sampleStmt", () => {
    this.CONSUME(t.Sample);
    this.CONSUME(t.NameToken);
    this.OPTION(() => {
      this.CONSUME(t.Max);
      this.SUBRULE(this.expression);
    });
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
    this.CONSUME(t.NameToken);
    this.SUBRULE(this.fieldInits);
  });

  readonly trimStmt = this.RULE("trimStmt", () => {
    this.CONSUME(t.Trim);
    this.SUBRULE(this.expression);
  });

  // ------------------------------------------------------------------------------------------------------------ types

  readonly type = this.RULE("type", () => {
    this.#nested("type", () => {
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

  readonly expression = this.RULE("expression", () => {
    this.#nested("expression", () => {
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
          this.OPTION(() => this.SUBRULE(this.arguments_));
          this.OPTION1({ GATE: () => this.#startsFieldInits(), DEF: () => this.SUBRULE(this.fieldInits) });
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
  #startsAssignment(callsAreLayers = false): boolean {
    if (this.LA(1).tokenType !== t.IdentifierToken) return false;
    const next = this.LA(2).tokenType;
    if (next === t.LeftParen) return !callsAreLayers;
    return next === t.Dot || next === t.LeftBracket || next === t.Equals || next === t.UpdateOperator;
  }

  /** Whether the brace after a name opens a struct literal: a label follows, or it is empty where a value stands. */
  #startsFieldInits(): boolean {
    const second = this.LA(2).tokenType;
    if (second === t.LabelToken) return true;
    if (second !== t.RightBrace) return false;
    // `switch x {}` and `for i in 0..N {}`: the braces belong to the statement.
    const before = this.LA(-1).tokenType;
    return before !== t.Switch && !isOperator(before);
  }

  // --------------------------------------------------------------------------------------------------------- recovery

  /** Runs an element of a list; a fault inside it is noted and the rest of the element skipped. */
  #guard(parse: () => void, commaSeparates = false): void {
    if (this.RECORDING_PHASE) {
      parse();
      return;
    }
    const nesting = this.#nesting;
    try {
      parse();
    } catch (error) {
      this.#nesting = nesting;
      this.#note(error);
      if (this.#stopped && nesting > 0) throw new Stop();
      this.#skip(false, commaSeparates);
    }
  }

  /** Notes that what follows can't start an element of this list and skips it; false at the list's end. */
  #resync(list: ListRule): boolean {
    if (this.RECORDING_PHASE) return false;
    const next = this.LA(1).tokenType;
    if (next === EOF || (next === t.RightBrace && list !== "file")) return false;
    this.#addFault({ kind: "expectedElement", rules: [list], expected: list, ...this.#here() });
    if (this.#stopped && this.#nesting > 0) throw new Stop();
    this.#skip(true, list === "structBody" || list === "headerBody");
    return true;
  }

  /** Takes a list's closing brace; where the file ends before it, the list is kept as far as it goes. */
  #close(list: ListRule): void {
    if (this.RECORDING_PHASE || this.LA(1).tokenType !== EOF) {
      this.CONSUME(t.RightBrace);
    } else {
      this.#addFault({ kind: "expectedToken", rules: [list], expected: t.RightBrace.name, ...this.#here() });
    }
  }

  /** Counts how deep the parser stands in itself, so that hostile input can't exhaust the stack. */
  #nested(rule: string, parse: () => void): void {
    if (this.RECORDING_PHASE) {
      parse();
      return;
    }
    this.#nesting += 1;
    if (this.#nesting > MAX_NESTING) this.#raise("tooDeep", rule);
    parse();
    this.#nesting -= 1;
  }

  #raise(kind: Fault["kind"], expected: string): never {
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
  #skip(atLeastOne: boolean, commaSeparates: boolean): void {
    this.#skipping = { depth: 0, atLeastOne, commaSeparates, done: false };
    this.SUBRULE(this.skipped);
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
      if (state.depth === 0 && type === t.RightBrace) {
        state.done = true;
        return first;
      }
      state.depth = Math.max(0, state.depth - 1);
    } else if (state.depth === 0) {
      if (type === t.Semicolon || (state.commaSeparates && type === t.Comma)) state.done = true;
      else if (!first && /^[A-Za-z_]/.test(image) && this.#startsLine()) return false;
    }
    return true;
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

function isOperator(type: TokenType): boolean {
  return (type.CATEGORIES ?? []).includes(t.OperatorToken);
}
