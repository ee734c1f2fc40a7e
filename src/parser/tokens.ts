// The vocabulary: every token type of the language and the words that carry one. Patterns are coarse on purpose: a
// literal is taken up to where it sensibly ends and judged by literals.ts, and every word is first a NAME and given its
// part by roles.ts. Knows nothing of rules.

import { createToken, Lexer, type TokenType } from "chevrotain";

/**
 * Abstract: whatever may stand where a name is declared or used: plain names, labels and the words that are keywords
 * only at certain places (contextual keywords).
 */
export const NameToken = createToken({ name: "NAME", pattern: Lexer.NA });

/** Abstract: any token at all; what recovery skips. */
export const AnyToken = createToken({ name: "ANY", pattern: Lexer.NA });

/** A plain name: a word that has no other part to play where it stands. */
export const IdentifierToken = createToken({ name: "IDENTIFIER", pattern: Lexer.NA, categories: NameToken });

/** A word directly before a colon (`saddr :`): always a name. */
export const LabelToken = createToken({ name: "LABEL", pattern: Lexer.NA, categories: NameToken });

/** Abstract: an operator between two operands. */
export const OperatorToken = createToken({ name: "OPERATOR", pattern: Lexer.NA });

/** Abstract: `=` and its kin (`+=`). */
export const AssignOperatorToken = createToken({ name: "ASSIGN", pattern: Lexer.NA });

/** Abstract: a word that declares a map by its kind (`devmap`, `xskmap`). */
export const TargetKindToken = createToken({ name: "TARGET_KIND", pattern: Lexer.NA });

// ------------------------------------------------------------------------------------------------- what the lexer scans

/** A word before roles.ts has looked at it: never reaches the parser. */
export const WordToken = createToken({
  name: "WORD",
  // The ranges are letters outside ASCII, taken so that `größe` gives one message instead of four.
  pattern: /[A-Za-z_\u00aa-\u02af\u0370-\u1fff\u3040-\ud7ff][A-Za-z0-9_\u00aa-\u02af\u0370-\u1fff\u3040-\ud7ff]*/,
});

/** A number, duration, address or prefix; the payload is what literals.ts made of it. */
export const LiteralToken = createToken({
  name: "LITERAL",
  pattern: /[0-9][0-9A-Za-z_]*(?:(?:\.[0-9][0-9A-Za-z_]*)+(?:\/[0-9][0-9A-Za-z_]*)?)?/,
});

/** Two colons or more in a run of hexadecimal digits: a MAC or an IPv6 address, perhaps a prefix. */
export const ColonLiteralToken = createToken({
  name: "COLON_LITERAL",
  pattern: /[0-9A-Fa-f]*(?::[0-9A-Fa-f]*){2,}[0-9A-Za-z_]*(?:\.[0-9A-Za-z_]+)*(?:\/[0-9A-Za-z_]+)?/,
  start_chars_hint: [..."0123456789abcdefABCDEF:"],
});

/** Six pairs joined by dashes: how other tools write a MAC; always a fault. */
export const DashedMacToken = createToken({
  name: "DASHED_MAC",
  pattern: /[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}/,
  start_chars_hint: [..."0123456789abcdefABCDEF"],
});

/** A string with its quotes; one without a closing quote ends at its line's end. The payload is its value. */
export const StringToken = createToken({
  name: "STRING",
  pattern: /"[^"\\\r\n]*(?:\\[^\r\n]?[^"\\\r\n]*)*"?/,
  start_chars_hint: ['"'],
});

/** `'text'`: always a fault, but understood. */
export const SingleQuotedToken = createToken({ name: "SINGLE_QUOTED", pattern: /'[^'\r\n]*'/ });

/** `//` and `/* … *\/`: always faults, but understood. */
export const ForeignCommentToken = createToken({
  name: "FOREIGN_COMMENT",
  pattern: /\/\/[^\r\n]*|\/\*[^*]*(?:\*(?!\/)[^*]*)*(?:\*\/)?/,
  start_chars_hint: ["/"],
  line_breaks: true,
});

/** White space; a byte order mark is white space too. */
export const WhiteSpaceToken = createToken({
  name: "WHITE_SPACE",
  pattern: /[ \t\r\n\ufeff]+/,
  group: Lexer.SKIPPED,
  line_breaks: true,
});

/** `#` to the end of the line. */
export const CommentToken = createToken({ name: "COMMENT", pattern: /#[^\r\n]*/, group: Lexer.SKIPPED });

// -------------------------------------------------------------------------------------------------------------- symbols

/** `{` */
export const LeftBrace = createToken({ name: "LEFT_BRACE", label: "{", pattern: "{" });
/** `}` */
export const RightBrace = createToken({ name: "RIGHT_BRACE", label: "}", pattern: "}" });
/** `(` */
export const LeftParen = createToken({ name: "LEFT_PAREN", label: "(", pattern: "(" });
/** `)` */
export const RightParen = createToken({ name: "RIGHT_PAREN", label: ")", pattern: ")" });
/** `[` */
export const LeftBracket = createToken({ name: "LEFT_BRACKET", label: "[", pattern: "[" });
/** `]` */
export const RightBracket = createToken({ name: "RIGHT_BRACKET", label: "]", pattern: "]" });
/** `,` */
export const Comma = createToken({ name: "COMMA", label: ",", pattern: "," });
/** `:` */
export const Colon = createToken({ name: "COLON", label: ":", pattern: ":" });
/** `;` */
export const Semicolon = createToken({ name: "SEMICOLON", label: ";", pattern: ";" });
/** `.` */
export const Dot = createToken({ name: "DOT", label: ".", pattern: "." });
/** `=>` */
export const Arrow = createToken({ name: "ARROW", label: "=>", pattern: "=>" });
/** `=` */
export const Equals = createToken({ name: "EQUALS", label: "=", pattern: "=", categories: AssignOperatorToken });
/** `+=` and the other operators that update in place. */
export const UpdateOperator = createToken({
  name: "UPDATE",
  pattern: /[-+*/%&|^]=|<<=|>>=/,
  categories: AssignOperatorToken,
});
/** `<`, an operator and the opening of a type's arguments. */
export const Less = createToken({ name: "LESS", label: "<", pattern: "<", categories: OperatorToken });
/** `>`, an operator and the closing of a type's arguments. */
export const Greater = createToken({ name: "GREATER", label: ">", pattern: ">", categories: OperatorToken });
/** `/`: division, the rate's slash and what joins a test packet's layers. */
export const Slash = createToken({ name: "SLASH", label: "/", pattern: "/", categories: OperatorToken });
/** Every other operator, whether written in signs or as a word. */
export const OtherOperator = createToken({
  name: "OTHER_OPERATOR",
  pattern: /<<|>>|<=|>=|==|!=|&&|\|\||\.\.|[-+*%&|^]/,
  categories: OperatorToken,
});
/** `not` and `!` */
export const Not = createToken({ name: "NOT", label: "not", pattern: "!" });

// --------------------------------------------------------------------------------------------------------------- words

const reservedWords = new Map<string, TokenType>();
const contextualWords = new Map<string, TokenType>();

function reserved(word: string, categories: TokenType[] = []): TokenType {
  const type = createToken({ name: word.toUpperCase(), label: word, pattern: Lexer.NA, categories });
  reservedWords.set(word, type);
  return type;
}

function contextual(word: string, categories: TokenType[] = []): TokenType {
  const type = createToken({
    name: word.toUpperCase(),
    label: word,
    pattern: Lexer.NA,
    categories: [NameToken, ...categories],
  });
  contextualWords.set(word, type);
  return type;
}

/** `pass`, `drop`, `tx`, `aborted` */
export const VerdictToken = createToken({ name: "VERDICT", pattern: Lexer.NA });
for (const word of ["pass", "drop", "tx", "aborted"]) reservedWords.set(word, VerdictToken);

/** `if` */
export const If = reserved("if");
/** `then` */
export const Then = reserved("then");
/** `else` that belongs to an `if` */
export const Else = reserved("else");
/** `switch` */
export const Switch = reserved("switch");
/** `for` */
export const For = reserved("for");
/** `let` */
export const Let = reserved("let");
/** `as` */
export const As = reserved("as");
/** `in`: an operator and part of `for` */
export const In = reserved("in", [OperatorToken]);

reservedWords.set("and", OtherOperator);
reservedWords.set("or", OtherOperator);
reservedWords.set("exceeds", OtherOperator);
reservedWords.set("not", Not);
reservedWords.set("true", LiteralToken);
reservedWords.set("false", LiteralToken);

/** `else` directly before `if` */
export const ElseBeforeIf = createToken({ name: "ELSE_BEFORE_IF", label: "else", pattern: Lexer.NA });
/** `else` directly before `=>`: a switch's last arm */
export const ElseArm = createToken({ name: "ELSE_ARM", label: "else", pattern: Lexer.NA });
/** `or` directly before a verdict word: the fallback of the action before it */
export const OrFallback = createToken({ name: "OR_FALLBACK", label: "or", pattern: Lexer.NA });

// Words that open a declaration.
export const SetWord = contextual("set");
export const MapWord = contextual("map");
export const CounterWord = contextual("counter");
export const LimiterWord = contextual("limiter");
export const ConstWord = contextual("const");
export const ConfigWord = contextual("config");
export const VarWord = contextual("var");
export const StructWord = contextual("struct");
export const HeaderWord = contextual("header");
export const FnWord = contextual("fn");
export const ImportWord = contextual("import");
export const LicenseWord = contextual("license");
export const DefaultWord = contextual("default");
export const ProgramWord = contextual("program");
export const TestWord = contextual("test");
export const DevmapWord = contextual("devmap", [TargetKindToken]);
export const CpumapWord = contextual("cpumap", [TargetKindToken]);
/** `devmap_hash`, `xskmap`, `ringbuf`, `perf`, `prog_array` */
export const OtherTargetKind = createToken({
  name: "OTHER_TARGET_KIND",
  pattern: Lexer.NA,
  categories: [NameToken, TargetKindToken],
});
for (const word of ["devmap_hash", "xskmap", "ringbuf", "perf", "prog_array"])
  contextualWords.set(word, OtherTargetKind);

// Words that open a statement.
export const Redirect = contextual("redirect");
export const Log = contextual("log");
export const Count = contextual("count");
export const Insert = contextual("insert");
export const Delete = contextual("delete");
export const Swap = contextual("swap");
export const Flood = contextual("flood");
export const Forward = contextual("forward");
export const Tail = contextual("tail");
export const Emit = contextual("emit");
export const Sample = contextual("sample");
export const Push = contextual("push");
export const Pop = contextual("pop");
export const Encap = contextual("encap");
export const Decap = contextual("decap");
export const Trim = contextual("trim");

// Words inside declarations, statements and tests.
export const From = contextual("from");
export const Rfc = contextual("rfc");
export const On = contextual("on");
export const Extends = contextual("extends");
export const Inner = contextual("inner");
export const Depth = contextual("depth");
export const Size = contextual("size");
export const Next = contextual("next");
export const When = contextual("when");
export const Min = contextual("min");
export const Max = contextual("max");
export const Optional = contextual("optional");
export const Section = contextual("section");
export const Frags = contextual("frags");
export const Priority = contextual("priority");
export const Chain = contextual("chain");
export const Burst = contextual("burst");
export const Per = contextual("per");
export const With = contextual("with");
export const Packet = contextual("packet");
export const Expect = contextual("expect");
export const Times = contextual("times");

/** `dev` directly before a string: `redirect dev "eth1"`. Never a name, so that the grammar can tell the two apart. */
export const Dev = createToken({ name: "DEV", label: "dev", pattern: Lexer.NA });
contextualWords.set("dev", Dev);

/** `length` or `checksum` behind a header's field */
export const Covers = createToken({ name: "COVERS", pattern: Lexer.NA, categories: NameToken });
for (const word of ["length", "checksum"]) contextualWords.set(word, Covers);

/** What may follow a map's size: `lru`, `pinned` and the kernel's map flags in lower case. */
export const MapAttributeToken = createToken({ name: "MAP_ATTRIBUTE", pattern: Lexer.NA, categories: NameToken });

/**
 * The words that MapAttributeToken stands for.
 * **Source:** include/uapi/linux/bpf.h, BPF_F_* flags of BPF_MAP_CREATE.
 */
export const mapAttributeWords: readonly string[] = [
  "lru",
  "pinned",
  "no_prealloc",
  "no_common_lru",
  "numa_node",
  "rdonly",
  "wronly",
  "rdonly_prog",
  "wronly_prog",
  "zero_seed",
  "mmapable",
  "preserve_elems",
  "inner_map",
];
for (const word of mapAttributeWords) contextualWords.set(word, MapAttributeToken);

/** Words that are never names, except after a dot and before a colon. */
export const reservedWordTypes: ReadonlyMap<string, TokenType> = reservedWords;

/** Words that are keywords only where the grammar expects them and names everywhere else. */
export const contextualWordTypes: ReadonlyMap<string, TokenType> = contextualWords;

/** What the lexer tries at each place, in this order. */
export const scannedTokens: TokenType[] = [
  WhiteSpaceToken,
  CommentToken,
  ForeignCommentToken,
  DashedMacToken,
  ColonLiteralToken,
  LiteralToken,
  WordToken,
  StringToken,
  SingleQuotedToken,
  Arrow,
  UpdateOperator,
  OtherOperator,
  LeftBrace,
  RightBrace,
  LeftParen,
  RightParen,
  LeftBracket,
  RightBracket,
  Comma,
  Colon,
  Semicolon,
  Dot,
  Equals,
  Less,
  Greater,
  Slash,
  Not,
];

/** Every token type the parser may meet. */
export const parserTokens: TokenType[] = [
  ...new Set([
    AnyToken,
    NameToken,
    IdentifierToken,
    LabelToken,
    OperatorToken,
    AssignOperatorToken,
    TargetKindToken,
    LiteralToken,
    StringToken,
    LeftBrace,
    RightBrace,
    LeftParen,
    RightParen,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    Semicolon,
    Dot,
    Arrow,
    Equals,
    UpdateOperator,
    Less,
    Greater,
    Slash,
    OtherOperator,
    Not,
    ElseBeforeIf,
    ElseArm,
    OrFallback,
    ...reservedWords.values(),
    ...contextualWords.values(),
  ]),
];

for (const type of parserTokens) {
  if (type !== AnyToken) type.CATEGORIES = [...(type.CATEGORIES ?? []), AnyToken];
}
