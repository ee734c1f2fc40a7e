// What the parser says where the text doesn't follow the grammar: what was expected here in the user's words, what was
// found, and the edit that repairs it. Each recognisable slip has its own function; `slips` lists them from the most
// telling to the most general. Codes X0120 to X0129.

import { EOF, type IToken } from "chevrotain";
import { type Diagnostic, errorAt, type Label } from "../base/diagnostic.ts";
import type { SourceFile, Span } from "../base/source.ts";
import { nearest } from "../base/suggest.ts";
import { describe, expectationOf, labelOf, usages } from "./expectations.ts";
import { oneEdit, shown, tooManyFaults } from "./messages.ts";
import { type Fault, MAX_FAULTS, MAX_NESTING } from "./recovery.ts";
import * as t from "./tokens.ts";

/** A fault with the text around it. */
interface Context {
  readonly source: SourceFile;
  readonly tokens: readonly IToken[];
  readonly fault: Fault;
  /** The innermost rule. */
  readonly rule: string;
  readonly found: IToken;
  /** Where the message points. */
  readonly span: Span;
}

/**
 * Words the faults of one parse. `badPlaces` are where the lexer dropped characters: what the parser missed there is an
 * echo of that, as declarations inside braces are when the braces are never closed.
 */
export function syntaxFaults(
  source: SourceFile,
  tokens: readonly IToken[],
  faults: readonly Fault[],
  badPlaces: readonly Span[],
): Diagnostic[] {
  const bad = new Set(badPlaces.map((place) => indexOf(tokens, place.start)));
  const first = faults.filter((f) => f.kind === "tooMany" || !bad.has(foundIndex(tokens, f.found)));
  const worded = first.map((fault) => syntaxFault(source, tokens, fault));
  const neverClosed = faults.some((f) => f.found.tokenType === EOF && f.expected === t.RightBrace.name);
  return neverClosed ? worded.filter((d) => d.code !== "X0129") : worded;
}

function syntaxFault(source: SourceFile, tokens: readonly IToken[], fault: Fault): Diagnostic {
  const { found } = fault;
  const context = { source, tokens, fault, rule: fault.rules.at(-1) ?? "file", found, span: placeOf(source, found) };
  for (const slip of slips) {
    const diagnostic = slip(context);
    if (diagnostic !== null) return diagnostic;
  }
  return general(context);
}

const slips: readonly ((context: Context) => Diagnostic | null)[] = [
  limit,
  unknownStatement,
  misplacedColon,
  fallbackInExpression,
  strayElse,
  stray,
  declarationInside,
  mistypedStep,
  mistyped,
  unclosed,
  missingThen,
  reservedName,
  armOfSeveral,
  negative,
  bareBlock,
];

// --------------------------------------------------------------------------------------------------------------- limits

function limit({ fault, span }: Context): Diagnostic | null {
  if (fault.kind === "tooMany") return tooManyFaults(span, MAX_FAULTS);
  if (fault.kind !== "tooDeep") return null;
  return errorAt(span, "X0135", `this is nested more than ${MAX_NESTING} levels deep`, {
    label: `level ${MAX_NESTING + 1} starts here; the rest of the file isn't checked`,
    help: "move a part into a function: `fn name() { … }` or `fn name() = …`",
  });
}

// ---------------------------------------------------------------------------------------------------------------- slips

/** What people write who come from another language. */
const foreignWords: ReadonlyMap<string, string> = new Map([
  ["accept", "pass"],
  ["allow", "pass"],
  ["permit", "pass"],
  ["deny", "drop"],
  ["reject", "drop"],
  ["block", "drop"],
  ["discard", "drop"],
  ["abort", "aborted"],
  ["reflect", "tx"],
  ["print", "log"],
  ["printf", "log"],
  ["printk", "log"],
  ["bpf_printk", "log"],
  ["elif", "else if"],
  ["elsif", "else if"],
  ["elseif", "else if"],
  ["match", "switch"],
  ["case", "switch"],
  ["function", "fn"],
  ["func", "fn"],
  ["def", "fn"],
  ["include", "import"],
  ["use", "import"],
  ["add", "insert"],
  ["remove", "delete"],
  ["limit", "limiter"],
  ["protocol", "header"],
  ["hash", "map"],
]);

const statementWords = [
  ..."if else switch for let pass drop tx aborted redirect log count insert delete swap flood forward tail".split(" "),
  ..."emit sample push pop encap decap trim".split(" "),
];
const declarationTypes = new Set([
  t.SetWord,
  t.MapWord,
  t.CounterWord,
  t.LimiterWord,
  t.ConstWord,
  t.ConfigWord,
  t.VarWord,
  t.StructWord,
  t.HeaderWord,
  t.FnWord,
  t.ImportWord,
  t.LicenseWord,
  t.DefaultWord,
  t.ProgramWord,
  t.TestWord,
  t.DevmapWord,
  t.CpumapWord,
  t.OtherTargetKind,
]);
const declarationWords = [...t.contextualWordTypes]
  .filter(([, type]) => declarationTypes.has(type))
  .map(([word]) => word);

/** `dorp`, `accept`, `x.y` alone on a line. */
function unknownStatement(context: Context): Diagnostic | null {
  const { fault, source, tokens } = context;
  if (fault.kind !== "notAStatement") return null;
  const word = fault.before;
  const at = indexOf(tokens, word.startOffset);
  const previous = tokens[at - 1];
  const span = placeOf(source, word);
  const alone = previous?.tokenType !== t.Dot && word.tokenType === t.IdentifierToken;
  if (!alone) {
    return errorAt(context.span, "X0120", `expected an assignment or a call, found ${describe(fault.found)}`, {
      label: "a value alone does nothing",
      help: "assign with `=`, as in `ip.ttl = 64`",
    });
  }
  if (fault.found.tokenType === t.OtherOperator && fault.found.image === "==") {
    return errorAt(context.span, "X0120", "expected an assignment, found a comparison", {
      label: "`==` compares",
      help: "assign with `=`, or test with `if … then …`",
      fix: oneEdit("write `=`", context.span, "="),
    });
  }
  const behindMap = previous?.tokenType === t.RightBracket || previous?.tokenType === t.MapAttributeToken;
  const known = [...statementWords, ...declarationWords];
  const meant =
    foreignWords.get(word.image) ??
    (behindMap ? nearest(word.image, t.mapAttributeWords) : null) ??
    nearest(word.image, known) ??
    nearest(word.image, [...t.contextualWordTypes.keys(), "then", "and", "or", "not", "in"]);
  const message = `\`${shown(word.image)}\` doesn't start a statement`;
  if (meant === null) {
    return errorAt(span, "X0121", message, {
      label: "not a statement",
      help: `a statement starts with a word such as \`if\`, \`pass\`, \`drop\`, \`redirect\`, \`count\`; a function is called as \`${shown(word.image)}()\``,
    });
  }
  return errorAt(span, "X0121", message, {
    label: "not a statement",
    help: `did you mean \`${meant}\`?`,
    fix: oneEdit(`write \`${meant}\``, span, meant),
  });
}

/** `x : 5` as a statement, and a declaration without its first word. */
function misplacedColon({ fault, found, source, span }: Context): Diagnostic | null {
  if (fault.kind !== "expectedElement" || found.tokenType !== t.LabelToken) return null;
  if (fault.expected !== "file" && fault.expected !== "block" && fault.expected !== "programBody") return null;
  const reserved = t.reservedWordTypes.get(found.image);
  if (reserved !== undefined) {
    return errorAt(placeOf(source, fault.after), "X0120", `unexpected \`:\` behind \`${found.image}\``, {
      label: "remove it",
      fix: oneEdit("remove it", placeOf(source, fault.after), ""),
    });
  }
  return errorAt(span, "X0121", `\`${shown(found.image)} :\` doesn't start a statement or a declaration`, {
    label: "what is it?",
    help: `declare it with its kind, as in \`var ${shown(found.image)} : u32\`, or assign with \`=\``,
  });
}

/** `if a or drop then …` */
function fallbackInExpression({ found, fault, span, rule }: Context): Diagnostic | null {
  if (found.tokenType !== t.OrFallback) return null;
  const verdict = fault.after.image;
  return errorAt(span, "X0126", `\`or ${verdict}\` can't stand here`, {
    label: "a fallback belongs to an action that can fail",
    help:
      rule === "ifStmt"
        ? `a verdict isn't a condition; write \`if … then … else ${verdict}\``
        : "`redirect`, `insert`, `flood`, `forward`, `tail` and an assignment to a map's entry take a fallback",
  });
}

/** `else` behind `;` or without an `if`. */
function strayElse({ fault, found, source, span }: Context): Diagnostic | null {
  if (fault.kind !== "expectedElement" || fault.expected === "switchBody") return null;
  const { tokenType } = found;
  if (tokenType !== t.Else && tokenType !== t.ElseBeforeIf && tokenType !== t.ElseArm) return null;
  if (fault.before.tokenType === t.Semicolon) {
    const semicolon = placeOf(source, fault.before);
    return errorAt(span, "X0128", "this `else` belongs to no `if`", {
      label: "the `if` has ended before it",
      secondary: [{ span: semicolon, text: "this ends the `if`" }],
      help: "remove the `;`",
      fix: oneEdit("remove the `;`", semicolon, ""),
    });
  }
  return errorAt(span, "X0128", "this `else` belongs to no `if`", {
    label: "no `if` before it is open",
    help: "an `if` with several statements before its `else` needs braces: `if … then { … } else …`",
  });
}

/** A closing bracket that closes nothing. */
function stray({ fault, found, span }: Context): Diagnostic | null {
  if (fault.kind !== "expectedElement" || !isCloser(found)) return null;
  return errorAt(span, "X0124", `this \`${found.image}\` closes nothing`, {
    label: "no bracket is open that it could close",
    help: "remove it",
    fix: oneEdit("remove it", span, ""),
  });
}

/** A declaration inside a program or block. */
function declarationInside(context: Context): Diagnostic | null {
  const { fault, found, span } = context;
  if (fault.kind !== "expectedElement" && fault.rules.at(-1) !== "programItem") return null;
  if (fault.expected === "file" || !declarationTypes.has(found.tokenType)) return null;
  const opener = openBracket(context);
  return errorAt(span, "X0129", "a declaration can't stand inside braces", {
    label: `\`${found.image}\` starts a declaration`,
    secondary: opener === null ? [] : [{ ...opener, text: "inside these braces" }],
    help: "move it to the top level of the file, or close the braces before it",
  });
}

/** `expct pass` in a test. */
function mistypedStep({ fault, source }: Context): Diagnostic | null {
  if (fault.kind !== "expectedToken" || fault.rules.at(-1) !== "fill" || fault.expected !== t.Equals.name) return null;
  const span = placeOf(source, fault.before);
  const meant = nearest(fault.before.image, ["packet", "expect"]);
  if (meant === null) return null;
  return errorAt(span, "X0121", `\`${shown(fault.before.image)}\` doesn't start a step of a test`, {
    label: "not a step",
    help: `did you mean \`${meant}\`?`,
    fix: oneEdit(`write \`${meant}\``, span, meant),
  });
}

const programAttributeWords = ["section", "frags", "devmap", "cpumap", "priority", "chain"];
const optionalWords: Readonly<Record<string, readonly string[]>> = {
  programBody: programAttributeWords,
  testBody: ["for", "with"],
  headerField: ["length", "checksum", "optional", "if"],
};

/** A word that was nearly the one expected. */
function mistyped(context: Context): Diagnostic | null {
  const { fault, found, rule, span } = context;
  if (!/^[A-Za-z_]/.test(found.image)) return null;
  const wanted = fault.kind === "expectedToken" ? labelOf(fault.expected) : null;
  const candidates = wanted !== null && /^[a-z]/.test(wanted) ? [wanted] : [...(optionalWords[rule] ?? [])];
  if (fault.expected === t.VerdictToken.name) candidates.push("pass", "drop", "tx", "aborted");
  if (wanted === "then") candidates.push("and", "or", "in", "exceeds");
  const meant =
    fault.expected === t.VerdictToken.name
      ? (foreignWords.get(found.image) ?? nearest(found.image, candidates))
      : nearest(found.image, candidates);
  if (meant === null || meant === found.image) return null;
  return errorAt(
    span,
    "X0125",
    `expected ${expectationOf(context.fault, context.rule)}, found \`${shown(found.image)}\``,
    {
      label: `expected ${expectationOf(context.fault, context.rule)}`,
      help: `did you mean \`${meant}\`?`,
      fix: oneEdit(`write \`${meant}\``, span, meant),
    },
  );
}

const listRules = new Set([
  "primary",
  "arguments",
  "setLiteral",
  "fieldInits",
  "fieldBits",
  "covers",
  "fnDecl",
  "type",
]);
const closers = new Set([t.RightParen.name, t.RightBracket.name, t.RightBrace.name]);

/** A bracket that isn't closed where the grammar wants it. */
function unclosed(context: Context): Diagnostic | null {
  const { fault, found, rule, span, source } = context;
  const atEnd = found.tokenType === EOF;
  if (fault.kind !== "expectedToken" || !closers.has(fault.expected)) return null;
  const opener = openBracket(context);
  const closer = labelOf(fault.expected) ?? "}";
  if (opener === null) return null;
  const openerText = source.text.slice(opener.span.start, opener.span.end);
  const secondary: Label[] = atEnd ? [] : [{ ...opener, text: `this \`${openerText}\` is still open` }];
  const message = `this \`${openerText}\` is never closed`;
  if (atEnd)
    return errorAt(opener.span, "X0123", message, { label: `no \`${closer}\` closes it`, help: `add \`${closer}\`` });
  const wanted = listRules.has(rule) ? `\`,\` or \`${closer}\`` : `\`${closer}\``;
  return errorAt(span, "X0123", `expected ${wanted}, found ${describe(found)}`, {
    label: `expected ${wanted}`,
    secondary,
  });
}

/** An `if` whose `then` is missing or is another language's sign. */
function missingThen({ fault, found, source, span }: Context): Diagnostic | null {
  if (fault.kind !== "expectedToken" || fault.expected !== t.Then.name) return null;
  const base = { label: "expected `then`" };
  const message = `expected \`then\`, found ${describe(found)}`;
  const { tokenType } = found;
  if (tokenType === t.Equals) {
    const fix = oneEdit("write `==`", span, "==");
    return errorAt(span, "X0122", "expected a comparison, found an assignment", {
      label: "`=` assigns",
      help: "compare with `==`",
      fix,
    });
  }
  if (tokenType === t.Colon || tokenType === t.Arrow) {
    return errorAt(span, "X0120", message, {
      ...base,
      help: "write `then`",
      fix: oneEdit("write `then`", span, " then"),
    });
  }
  const starts =
    tokenType === t.LeftBrace ||
    tokenType === t.VerdictToken ||
    tokenType === t.If ||
    statementWords.includes(found.image);
  if (starts) {
    const before = placeOf(source, fault.before).end;
    const gap = { file: source, start: before, end: before };
    const help = `write \`then\` before \`${shown(found.image)}\``;
    return errorAt(span, "X0120", message, { ...base, help, fix: oneEdit("insert `then`", gap, " then") });
  }
  if (tokenType === t.LiteralToken || tokenType === t.IdentifierToken) {
    const help = "two values stand side by side; compare them with `==`, or join conditions with `and`";
    return errorAt(span, "X0120", message, { ...base, help });
  }
  return errorAt(span, "X0120", message, { ...base, help: "a condition is written `if a == b and c then …`" });
}

const nameTokens = new Set([t.NameToken.name, t.IdentifierToken.name, t.LabelToken.name]);

/** A reserved word, a number or a string where a name is wanted. */
function reservedName({ fault, found, span }: Context): Diagnostic | null {
  if (fault.kind !== "expectedToken" || !nameTokens.has(fault.expected)) return null;
  if (t.reservedWordTypes.has(found.image)) {
    return errorAt(span, "X0127", `\`${found.image}\` is a word of the language and can't be a name here`, {
      label: "expected a name",
      help: `choose another name, such as \`${found.image}_\``,
    });
  }
  if (found.tokenType === t.LiteralToken) {
    return errorAt(span, "X0127", `expected a name, found \`${shown(found.image)}\``, {
      label: "expected a name",
      help: "a name starts with a letter or `_`",
    });
  }
  return null;
}

/** Two statements in a switch's arm. */
function armOfSeveral({ fault, found, span }: Context): Diagnostic | null {
  const inArm = fault.expected === "switchBody" || (fault.rules.at(-1) === "arm" && fault.expected === t.Arrow.name);
  if (!inArm || !(found.tokenType === t.VerdictToken || statementWords.includes(found.image))) return null;
  return errorAt(span, "X0122", "an arm of a switch is one statement or a block", {
    label: "a further statement",
    help: "put braces around the arm's statements: `tcp => { …  … }`",
  });
}

/** `-1` */
function negative({ fault, found, span, rule }: Context): Diagnostic | null {
  if ((rule !== "primary" && rule !== "condition") || found.image !== "-" || fault.after.tokenType !== t.LiteralToken)
    return null;
  return errorAt(span, "X0122", "there are no negative numbers", {
    label: "a value can't start with `-`",
    help: "all values are unsigned; write `0 - 1` if wrapping around is meant",
  });
}

/** `{ … }` as a statement. */
function bareBlock({ fault, found, span }: Context): Diagnostic | null {
  if (fault.kind !== "expectedElement" || found.tokenType !== t.LeftBrace) return null;
  if (fault.expected === "switchBody") return null;
  return errorAt(span, "X0121", "a block can't stand alone", {
    label: "belongs to nothing",
    help: "a block follows `then`, `else`, `for …` or `=>`; remove the braces, or give it a condition",
  });
}

// -------------------------------------------------------------------------------------------------------------- general

function general(context: Context): Diagnostic {
  const { fault, found, span, rule } = context;
  const what = expectationOf(context.fault, context.rule);
  const around = [...fault.rules].reverse();
  const usage =
    rule === "primary" && fault.kind === "expectedOneOf"
      ? undefined
      : fault.expected === "headerBody"
        ? "headerField"
        : around.find((name) => usages[name] !== undefined);
  const code = fault.kind === "expectedElement" ? "X0121" : rule === "primary" ? "X0122" : "X0120";
  const label =
    rule === "primary" && isSign(fault.before)
      ? `a value is missing behind \`${fault.before.image}\``
      : `expected ${what}`;
  return errorAt(span, code, `expected ${what}, found ${describe(found)}`, {
    label,
    ...(usage === undefined ? {} : { help: usages[usage] ?? "" }),
  });
}

// --------------------------------------------------------------------------------------------------------------- places

function placeOf(file: SourceFile, token: IToken): Span {
  const end = file.text.length;
  if (Number.isNaN(token.startOffset)) return { file, start: end, end };
  return { file, start: token.startOffset, end: token.startOffset + token.image.length };
}

function isCloser(token: IToken): boolean {
  return closers.has(token.tokenType.name);
}

function isSign(token: IToken): boolean {
  return (token.tokenType.CATEGORIES ?? []).some((c) => c === t.OperatorToken || c === t.AssignOperatorToken);
}

function foundIndex(tokens: readonly IToken[], found: IToken): number {
  return found.tokenType === EOF ? tokens.length : indexOf(tokens, found.startOffset);
}

/** The index of the first of `tokens` that starts at `offset` or behind it. */
function indexOf(tokens: readonly IToken[], offset: number): number {
  let low = 0;
  let high = tokens.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((tokens[middle]?.startOffset ?? 0) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The innermost bracket that is open where the fault is. */
function openBracket({ tokens, found, source }: Context): Label | null {
  const end = foundIndex(tokens, found);
  let depth = 0;
  for (let i = end - 1; i >= 0; i--) {
    const token = tokens[i] as IToken;
    const type = token.tokenType;
    if (isCloser(token)) depth += 1;
    else if (type === t.LeftBrace || type === t.LeftParen || type === t.LeftBracket) {
      if (depth === 0) return { span: placeOf(source, token), text: "" };
      depth -= 1;
    }
  }
  return null;
}
