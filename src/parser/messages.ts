// What the parser has to say about tokens and about the tree, worded by hand; syntax-messages.ts words what doesn't
// follow the grammar. Codes X0101 to X0119 are the lexer's, X0120 and up the grammar's, X0130 and up the tree's checks.

import { type Diagnostic, errorAt, type Fix, warningAt } from "../base/diagnostic.ts";
import { type Span, textOf } from "../base/source.ts";
import type { Name } from "./ast.ts";
import type { LiteralFault, StringFault } from "./literals.ts";

/** Makes a fix of one edit. */
export function oneEdit(title: string, span: Span, newText: string): Fix {
  return { title, edits: [{ span, newText }] };
}

/** The span of `length` characters from `offset` into `span`. */
function within(span: Span, start: number, end: number): Span {
  return { file: span.file, start: span.start + start, end: span.start + end };
}

/** Text as shown in a message: cut when long, and what can't be seen is spelled out. */
export function shown(text: string): string {
  const visible = text.replace(/[^\x20-\x7e\u00a1-\uffff]|[\u200b-\u200f\u2028-\u202e\ufeff]/gu, (c) => codePoint(c));
  return visible.length > 40 ? `${visible.slice(0, 37)}…` : visible;
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}

// --------------------------------------------------------------------------------------------------------------- tokens

const lookalikes: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "×": "*",
    "·": "*",
    "÷": "/",
    "–": "-",
    "—": "-",
    "−": "-",
    "∧": "and",
    "∨": "or",
    "¬": "not",
  }).concat(Object.entries({ "≠": "!=", "≤": "<=", "≥": ">=", "→": "=>", "⇒": "=>", "…": "..", "∈": "in" })),
);

/** X0101: characters that no token starts with. */
export function unexpectedCharacters(span: Span): Diagnostic {
  const text = textOf(span);
  const first = String.fromCodePoint(text.codePointAt(0) ?? 0);
  if (/^[“”„«»]/.test(first)) {
    const help = 'write a string in straight double quotes: `"text"`';
    return errorAt(span, "X0101", `unexpected character \`${first}\``, { label: "not a quote here", help });
  }
  if (first === "\0") {
    const help = "this file may not be text, or it is UTF-16; save it as UTF-8";
    return errorAt(span, "X0101", "unexpected NUL byte", { label: "a NUL byte", help });
  }
  const extras: { label: string; help?: string } = { label: `${codePoint(first)} has no meaning here` };
  const meant = lookalikes.get(first);
  if (meant !== undefined) {
    const help = `write \`${meant}\``;
    return errorAt(span, "X0101", `unexpected character \`${shown(first)}\``, {
      label: `${codePoint(first)} isn't an operator`,
      help,
    });
  }
  if (/^\s/.test(first) || /^[\u200b-\u200f]/.test(first)) extras.help = "replace it by an ordinary space";
  else if (first === "~")
    extras.help = "there is no complement operator; write `x ^ 0xff` with as many ones as the type has";
  else if (first === "?") extras.help = "there is no `? :`; write `if … then … else …`";
  else if (first === "@" || first === "$" || first === "`") extras.help = "remove it";
  return errorAt(span, "X0101", `unexpected character \`${shown(first)}\``, extras);
}

/** X0110: a comment in another language's style. */
export function foreignComment(span: Span): Diagnostic {
  const text = textOf(span);
  if (text.startsWith("//")) {
    return errorAt({ ...span, end: span.start + 2 }, "X0110", "a comment starts with `#`", {
      label: "not a comment here",
      help: "write `#` instead of `//`",
      fix: oneEdit("write `#`", { ...span, end: span.start + 2 }, "#"),
    });
  }
  return errorAt({ ...span, end: span.start + 2 }, "X0110", "a comment starts with `#`", {
    label: "not a comment here",
    help: "start each line of the comment with `#`",
  });
}

/** X0111: a string in single quotes. */
export function singleQuotes(span: Span): Diagnostic {
  const text = textOf(span).slice(1, -1);
  const safe = !/["\\]/.test(text);
  return errorAt(span, "X0111", "a string stands in double quotes", {
    help: safe ? `write \`"${shown(text)}"\`` : 'write it between `"` and `"`',
    ...(safe ? { fix: oneEdit("use double quotes", span, `"${text}"`) } : {}),
  });
}

/** X0102, X0103, X0113: a string that doesn't end, an escape that doesn't exist, a control character. */
export function badString(fault: StringFault, span: Span): Diagnostic {
  switch (fault.what) {
    case "unterminated":
      return errorAt(span, "X0102", "this string has no closing quote", {
        label: "it starts here and runs to the end of the line",
        help: 'close it with `"`; a line break inside a string is written `\\n`',
      });
    case "escape":
      return errorAt(span, "X0103", `\`${shown(textOf(span))}\` isn't an escape`, {
        label: "not an escape",
        help: 'escapes are `\\n`, `\\t`, `\\r`, `\\"`, `\\\\`, `\\x41` and `\\u{20ac}` (not zero)',
      });
    case "control":
      return errorAt(span, "X0113", `a string can't hold ${codePoint(textOf(span))} as it is`, {
        label: "a control character",
        help: `write \`\\x${textOf(span).charCodeAt(0).toString(16).padStart(2, "0")}\``,
      });
  }
}

/** X0112: a word with letters outside ASCII. */
export function foreignLetters(span: Span): Diagnostic {
  return errorAt(span, "X0112", `\`${shown(textOf(span))}\` has letters that a name can't have`, {
    label: "a name is made of the letters a to z, digits and `_`",
  });
}

const literalCodes: Readonly<Record<LiteralFault["what"], string>> = {
  number: "X0104",
  tooLarge: "X0105",
  ipv4: "X0106",
  ipv6: "X0107",
  mac: "X0108",
  prefix: "X0109",
};

/** X0104 to X0109: a literal that isn't one. */
export function badLiteral(fault: LiteralFault, span: Span): Diagnostic {
  return errorAt(within(span, fault.start, fault.end), literalCodes[fault.what], fault.message, {
    label: fault.label,
    ...(fault.help === null ? {} : { help: fault.help }),
    ...(fault.repaired === null ? {} : { fix: oneEdit(`write \`${fault.repaired}\``, span, fault.repaired) }),
  });
}

// ----------------------------------------------------------------------------------------------------------- expressions

/** X0130: `a < b < c`, `1..2..3`. */
export function chained(range: boolean, span: Span, first: Span): Diagnostic {
  const operator = shown(textOf(span));
  const before = shown(textOf(first));
  if (range) {
    return errorAt(span, "X0130", "a range has two ends", {
      label: "a third end",
      secondary: [{ span: first, text: "the range stands here" }],
    });
  }
  return errorAt(span, "X0130", `\`${before}\` and \`${operator}\` can't follow each other`, {
    label: "compares the result of a comparison",
    secondary: [{ span: first, text: "the first comparison" }],
    help: "join two comparisons with `and`: `a < b and b < c`",
  });
}

/** X0131: `a == not b`. */
export function notInOperand(span: Span): Diagnostic {
  return errorAt(span, "X0131", `\`${textOf(span)}\` can't stand behind an operator that binds tighter`, {
    label: "`not` binds looser than comparisons",
    help: "put it in parentheses: `a == (not b)`",
  });
}

/** X0135: the tree would be too deep for the phases behind. */
export function astTooDeep(span: Span, rule: string, levels: number): Diagnostic {
  const start = { ...span, end: Math.min(span.end, span.start + 1) };
  if (rule === "ifStmt") {
    return errorAt(start, "X0135", `this chain of \`else if\` has ${levels} links; 1000 levels are the most`, {
      label: "starts here",
      help: "write a `switch`, a constant set, or rules below each other",
    });
  }
  if (rule === "expression") {
    return errorAt(start, "X0135", `this expression has ${levels} operands; 1000 levels are the most`, {
      label: "starts here",
      help: "test against a set: `x in { 1, 2, 3 }`",
    });
  }
  return errorAt(start, "X0135", "this is nested more than 1000 levels deep", { label: "starts here" });
}

/** X0143: `u8<u16>`. */
export function notGeneric(name: Name): Diagnostic {
  return errorAt(name.span, "X0143", `\`${shown(name.text)}\` takes no type in \`<\` and \`>\``, {
    label: "only `prefix` does: `prefix<ipv4>`",
  });
}

// ---------------------------------------------------------------------------------------------------------- declarations

/** X0137: a set's type without a size. */
export function setWithoutSize(name: Name, type: Span): Diagnostic {
  const end = { ...type, start: type.end };
  return errorAt(type, "X0137", `the set \`${shown(name.text)}\` has no size`, {
    label: "the most entries it can hold belong behind the type",
    help: `write \`${shown(textOf(type))}[1024]\``,
    fix: oneEdit("give it 1024 entries", end, "[1024]"),
  });
}

/** X0138: two `size` or two `next` in a header. */
export function secondInHeader(what: "size" | "next", span: Span, first: Span): Diagnostic {
  const help = what === "next" ? "several selectors stand in one: `next dport, sport`" : "remove one of them";
  return errorAt(span, "X0138", `a header has only one \`${what}\``, {
    label: "the second one",
    secondary: [{ span: first, text: "the first one" }],
    help,
  });
}

/** X0127: a declared name that could never be used. */
export function reservedName(name: Name): Diagnostic {
  return errorAt(name.span, "X0127", `\`${name.text}\` is a word of the language and can't be a name here`, {
    label: "no rule could use it",
    help: `choose another name, such as \`${name.text}_\``,
  });
}

/** X0144: `const x from "file"`. */
export function constFromFile(span: Span, name: Name): Diagnostic {
  return errorAt(span, "X0144", "only a set of constants can come from a file", {
    label: "a file",
    help: `write \`const set ${shown(name.text)} : … from …\``,
  });
}

// ------------------------------------------------------------------------------------------------------------ statements

/** X0132: a further statement on the line of a body without braces. */
export function furtherStatement(next: Span, body: Span, keyword: Span, fallback: boolean): Diagnostic {
  const file = body.file;
  const word = shown(textOf(keyword));
  return errorAt(next, "X0132", `this statement isn't part of the \`${word}\` before it`, {
    label: "would run for every packet that gets here",
    secondary: [{ span: body, text: `only this belongs to the \`${word}\`` }],
    help: fallback
      ? `write \`or ${shown(textOf(next))}\` for an entry that is missing, or begin a new line`
      : "put braces around both, or begin a new line",
    fix: fallback
      ? oneEdit("make it the fallback", { file, start: next.start, end: next.start }, "or ")
      : {
          title: "put braces around both",
          edits: [
            { span: { file, start: body.start, end: body.start }, newText: "{ " },
            { span: { file, start: next.end, end: next.end }, newText: " }" },
          ],
        },
  });
}

/** X0133: a statement that can't be reached. */
export function afterVerdict(next: Span, verdict: Span): Diagnostic {
  return errorAt(next, "X0133", "this statement is never reached", {
    label: "nothing gets here",
    secondary: [{ span: verdict, text: "every packet ends here" }],
    help: "remove it, or make the verdict depend on a condition: `if … then …`",
  });
}

/** X0134: a statement that is indented like the body above it, without belonging to it. */
export function misleadingIndentation(next: Span, body: Span, keyword: Span): Diagnostic {
  const word = shown(textOf(keyword));
  return warningAt(next, "X0134", `this statement looks as if it belonged to the \`${word}\` above`, {
    label: "runs for every packet that gets here",
    secondary: [{ span: body, text: `only this belongs to the \`${word}\`` }],
    help: "put braces around both, or indent it less",
  });
}

/** X0139: assignment to something that isn't a place. */
export function badTarget(span: Span): Diagnostic {
  return errorAt(span, "X0139", "nothing can be assigned to this", {
    label: "not a place that holds a value",
    help: "assign to a field, a variable or an entry of a map",
  });
}

/** X0141: `for i in x`. */
export function forWithoutRange(span: Span): Diagnostic {
  return errorAt(span, "X0141", "`for` counts over a range", {
    label: "not a range",
    help: "write both ends: `for i in 0..8`",
  });
}

/** X0142: an arm behind `else`. */
export function armAfterElse(span: Span, first: Span, isElse: boolean): Diagnostic {
  return errorAt(span, "X0142", isElse ? "a switch has only one `else`" : "`else` is a switch's last arm", {
    label: isElse ? "the second one" : "never reached",
    secondary: [{ span: first, text: "`else` takes every packet left" }],
  });
}

/** X0136: so many faults that the rest isn't worth reading. */
export function tooManyFaults(span: Span, count: number): Diagnostic {
  return errorAt(span, "X0136", `more than ${count} faults; the rest of this file isn't checked`);
}
