// What the lexer and the parser have to say, each message worded by hand for the place it is said at. The only English
// of this room; codes X0101 to X0119 are the lexer's, X0120 and up the grammar's.
import { type Diagnostic, errorAt } from "../base/diagnostic.ts";
import { type Span, textOf } from "../base/source.ts";
import type { Fault } from "./grammar.ts";
import type { LiteralFault, StringFault } from "./literals.ts";
export function unexpectedCharacters(span: Span): Diagnostic {
  return errorAt(span, "X0101", `unexpected ${textOf(span)}`);
}
export function foreignComment(span: Span): Diagnostic {
  return errorAt(span, "X0110", "a comment starts with `#`");
}
export function singleQuotes(span: Span): Diagnostic {
  return errorAt(span, "X0111", "a string stands in double quotes");
}
export function badString(fault: StringFault, span: Span): Diagnostic {
  return errorAt(span, "X0103", fault.what);
}
export function foreignLetters(span: Span): Diagnostic {
  return errorAt(span, "X0112", "a name is made of ASCII letters, digits and `_`");
}
export function badLiteral(fault: LiteralFault, span: Span): Diagnostic {
  return errorAt(span, "X0104", fault.message);
}
export function syntaxFault(fault: Fault, span: Span): Diagnostic {
  return errorAt(span, "X0120", `${fault.kind} ${fault.expected} ${fault.rules.join(">")}`);
}
export function general(span: Span, code: string, message: string): Diagnostic {
  return errorAt(span, code, message);
}

import type { Name } from "./ast.ts";
export function setWithoutSize(name: Name, span: Span): Diagnostic {
  return errorAt(span, "X0137", `set ${name.text} has no size`);
}
export function secondInHeader(what: string, span: Span, _first: Span): Diagnostic {
  return errorAt(span, "X0138", `second ${what}`);
}
export function armAfterElse(span: Span, _first: Span, _isElse: boolean): Diagnostic {
  return errorAt(span, "X0142", "arm after else");
}
export function forWithoutRange(span: Span): Diagnostic {
  return errorAt(span, "X0141", "for needs a range");
}
export function badTarget(span: Span): Diagnostic {
  return errorAt(span, "X0139", "can't assign to this");
}
export function astTooDeep(span: Span, _rule: string, _levels: number): Diagnostic {
  return errorAt(span, "X0135", "too deep");
}
export function notGeneric(name: Name): Diagnostic {
  return errorAt(name.span, "X0143", `${name.text} takes no type`);
}
export function notInOperand(span: Span): Diagnostic {
  return errorAt(span, "X0131", "not in operand");
}
export function chained(_range: boolean, span: Span, _first: Span): Diagnostic {
  return errorAt(span, "X0130", "chained");
}
export function constFromFile(span: Span, name: Name): Diagnostic {
  return errorAt(span, "X0144", `const ${name.text}`);
}
