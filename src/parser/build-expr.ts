// Concrete tree to AST: names, literals, types and expressions. Operators come as a flat list from the grammar and are
// bound here by one table of precedences. Counts how deep the AST gets, so that later phases may recurse over it.

import type { CstNode, IToken } from "chevrotain";
import type { Diagnostic } from "../base/diagnostic.ts";
import { cover, type SourceFile, type Span } from "../base/source.ts";
import type * as ast from "./ast.ts";
import { child, nodeSpan, nodes, token, tokens } from "./cst.ts";
import { type LiteralPayload, type StringPayload, tokenSpan } from "./lexer.ts";
import * as messages from "./messages.ts";
import { reservedWordTypes } from "./tokens.ts";

/** The AST's greatest depth, counted in expressions, blocks and `if`s below each other (an `else if` is one below). */
export const MAX_AST_DEPTH = 1000;

/** How tightly operators bind; the larger, the tighter. `not` stands between `and` and the comparisons. */
const precedences: ReadonlyMap<string, number> = new Map(
  [
    ["or", "||"],
    ["and", "&&"],
    ["not", "!"],
    ["==", "!=", "<", "<=", ">", ">=", "in", "exceeds"],
    [".."],
    ["|"],
    ["^"],
    ["&"],
    ["<<", ">>"],
    ["+", "-"],
    ["*", "/", "%"],
  ].flatMap((operators, precedence) => operators.map((operator): [string, number] => [operator, precedence])),
);
const NOT = precedenceOf("not");
const COMPARISON = precedenceOf("==");
const RANGE = precedenceOf("..");

/** How tightly `operator` binds; the larger, the tighter. */
export function precedenceOf(operator: string): number {
  return precedences.get(operator) ?? 0;
}

interface Operand {
  readonly nots: readonly IToken[];
  readonly node: CstNode;
}

/** Builds expressions and types; build-ast.ts extends it with what holds them. */
export class ExpressionBuilder {
  readonly file: SourceFile;
  readonly diagnostics: Diagnostic[];
  #depth = 0;
  #tooDeep = false;

  constructor(file: SourceFile, diagnostics: Diagnostic[]) {
    this.file = file;
    this.diagnostics = diagnostics;
  }

  /** Runs `build` with the AST's depth counted `levels` deeper; null, with a diagnostic once, where that is too deep. */
  deeper<T>(levels: number, node: CstNode, build: () => T): T | null {
    if (this.#depth + levels > MAX_AST_DEPTH) {
      if (!this.#tooDeep) this.diagnostics.push(messages.astTooDeep(this.span(node), node.name, levels));
      this.#tooDeep = true;
      return null;
    }
    this.#depth += levels;
    const result = build();
    this.#depth -= levels;
    return result;
  }

  span(node: CstNode): Span {
    return nodeSpan(this.file, node);
  }

  error(node: CstNode): ast.ErrorNode {
    return { kind: "error", span: this.span(node) };
  }

  /** The name a token spells; an empty one at `parent` where the token is missing. */
  name(word: IToken | undefined, parent: CstNode): ast.Name {
    if (word === undefined) {
      const { start } = this.span(parent);
      return { text: "", span: { file: this.file, start, end: start } };
    }
    return { text: word.image, span: tokenSpan(this.file, word) };
  }

  /** The name that `node` declares or uses. */
  nameIn(node: CstNode): ast.Name {
    return this.name(token(node, "NAME"), node);
  }

  /** The name that `node` declares; a reserved word before a colon could be declared but never used. */
  declared(node: CstNode): ast.Name {
    const name = this.name(token(node, "NAME") ?? token(node, "LABEL"), node);
    if (reservedWordTypes.has(name.text)) this.diagnostics.push(messages.reservedName(name));
    return name;
  }

  string(literal: IToken | undefined, parent: CstNode): ast.StringLiteral {
    if (literal === undefined) return { kind: "string", value: "", span: this.span(parent) };
    return { kind: "string", value: literal.payload as StringPayload, span: tokenSpan(this.file, literal) };
  }

  literal(literal: IToken): ast.Expr {
    const payload = literal.payload as LiteralPayload;
    const span = tokenSpan(this.file, literal);
    return payload === null ? { kind: "error", span } : { ...payload, span };
  }

  type(node: CstNode | undefined, parent: CstNode): ast.TypeExpr {
    if (node === undefined) return this.error(parent);
    const base = this.#baseType(node);
    const counts = nodes(node, "expression");
    const closers = tokens(node, "RIGHT_BRACKET");
    const built = this.deeper(counts.length + 1, node, () => {
      let type = base;
      for (const [i, count] of counts.entries()) {
        const closer = closers[i];
        const span = closer === undefined ? type.span : cover(base.span, tokenSpan(this.file, closer));
        type = { kind: "arrayType", element: type, count: this.expr(count, node), span };
      }
      return type;
    });
    return built ?? this.error(node);
  }

  #baseType(node: CstNode): ast.TypeExpr {
    const word = token(node, "NAME");
    const of = child(node, "of");
    if (word !== undefined) {
      const name = this.name(word, node);
      if (of === undefined) return { kind: "namedType", name, span: name.span };
      if (name.text !== "prefix") {
        this.diagnostics.push(messages.notGeneric(name));
        return { kind: "error", span: name.span };
      }
      const closer = token(node, "GREATER");
      const span = closer === undefined ? this.span(node) : cover(name.span, tokenSpan(this.file, closer));
      return { kind: "prefixType", of: this.type(of, node), span };
    }
    const open = token(node, "LEFT_PAREN");
    const close = token(node, "RIGHT_PAREN");
    const elements = nodes(node, "type").map((element) => this.type(element, node));
    const [first] = elements;
    if (elements.length === 1 && first !== undefined) return first;
    const span = open && close ? cover(tokenSpan(this.file, open), tokenSpan(this.file, close)) : this.span(node);
    return { kind: "tupleType", elements, span };
  }

  optionalExpr(node: CstNode | undefined): ast.Expr | null {
    return node === undefined ? null : this.expr(node, node);
  }

  expr(node: CstNode | undefined, parent: CstNode): ast.Expr {
    if (node === undefined) return this.error(parent);
    const parts = nodes(node, "postfix");
    const operators = tokens(node, "OPERATOR");
    const nots = tokens(node, "NOT");
    const [only] = parts;
    if (operators.length === 0 && nots.length === 0 && only !== undefined) {
      return this.deeper(1, node, () => this.postfix(only, node)) ?? this.error(node);
    }
    const operands: Operand[] = [];
    let used = 0;
    for (const part of parts) {
      const from = used;
      const start = part.location?.startOffset ?? 0;
      while ((nots[used]?.startOffset ?? Number.POSITIVE_INFINITY) < start) used += 1;
      operands.push({ nots: nots.slice(from, used), node: part });
    }
    const levels = operators.length + nots.length + 1;
    return this.deeper(levels, node, () => this.#bind(operands, operators, node)) ?? this.error(node);
  }

  /** Binds a flat list of operands and operators by precedence; recurses at most once per level of the table. */
  #bind(operands: readonly Operand[], operators: readonly IToken[], parent: CstNode): ast.Expr {
    let at = 0;
    const operandAt = (least: number): ast.Expr => {
      const operand = operands[at];
      if (operand === undefined) return this.error(parent);
      const [firstNot] = operand.nots;
      if (firstNot === undefined) {
        at += 1;
        return this.postfix(operand.node, parent);
      }
      if (least > NOT) this.diagnostics.push(messages.notInOperand(tokenSpan(this.file, firstNot)));
      operands = operands.with(at, { nots: [], node: operand.node });
      let value = climb(Math.max(least, NOT + 1));
      for (const not of operand.nots.toReversed()) {
        value = { kind: "not", operand: value, span: cover(tokenSpan(this.file, not), value.span) };
      }
      return value;
    };
    const climb = (least: number): ast.Expr => {
      let left = operandAt(least);
      let previous: IToken | null = null;
      for (let operator = operators[at - 1]; operator !== undefined; operator = operators[at - 1]) {
        const precedence = precedenceOf(operator.image);
        if (precedence < least) break;
        if (previous !== null && precedenceOf(previous.image) === precedence && !isAssociative(precedence)) {
          const place = tokenSpan(this.file, operator);
          this.diagnostics.push(messages.chained(precedence === RANGE, place, tokenSpan(this.file, previous)));
        }
        previous = operator;
        const right = climb(precedence + 1);
        const span = cover(left.span, right.span);
        left =
          precedence === RANGE
            ? { kind: "range", from: left, to: right, span }
            : { kind: "binary", op: operatorOf(operator.image), left, right, span };
      }
      return left;
    };
    return climb(0);
  }

  postfix(node: CstNode | undefined, parent: CstNode): ast.Expr {
    if (node === undefined) return this.error(parent);
    const primary = child(node, "primary");
    const suffixes = nodes(node, "suffix");
    if (suffixes.length === 0) return this.#primary(primary, node);
    const built = this.deeper(suffixes.length, node, () => this.#suffixed(this.#primary(primary, node), suffixes));
    return built ?? this.error(node);
  }

  /** What an assignment, a call statement, a fill or a layer starts with: a name, arguments, suffixes. */
  target(node: CstNode): ast.Expr {
    const name = this.name(token(node, "IDENTIFIER"), node);
    const args = child(node, "arguments");
    const suffixes = nodes(node, "suffix");
    const base: ast.Expr = args === undefined ? { kind: "name", name, span: name.span } : this.#call(name, args);
    return this.deeper(suffixes.length, node, () => this.#suffixed(base, suffixes)) ?? this.error(node);
  }

  #suffixed(base: ast.Expr, suffixes: readonly CstNode[]): ast.Expr {
    let value = base;
    for (const suffix of suffixes) {
      const span = cover(base.span, this.span(suffix));
      const member = token(suffix, "IDENTIFIER");
      const type = token(suffix, "NAME");
      if (member !== undefined) {
        value = { kind: "member", object: value, member: this.name(member, suffix), span };
      } else if (type !== undefined) {
        const name = this.name(type, suffix);
        value = { kind: "cast", value, type: { kind: "namedType", name, span: name.span }, span };
      } else {
        value = { kind: "index", object: value, index: this.expr(child(suffix, "expression"), suffix), span };
      }
    }
    return value;
  }

  #primary(node: CstNode | undefined, parent: CstNode): ast.Expr {
    if (node === undefined) return this.error(parent);
    const span = this.span(node);
    const word = token(node, "NAME");
    if (word !== undefined) {
      const name = this.name(word, node);
      const args = child(node, "arguments");
      if (args !== undefined) return this.#call(name, args);
      const inits = child(node, "fieldInits");
      if (inits === undefined) return { kind: "name", name, span };
      return { kind: "structLiteral", name, fields: this.fieldInits(inits), span };
    }
    const literal = token(node, "LITERAL");
    if (literal !== undefined) return this.literal(literal);
    const string = token(node, "STRING");
    if (string !== undefined) return this.string(string, node);
    const set = child(node, "setLiteral");
    if (set !== undefined) {
      return { kind: "setLiteral", elements: nodes(set, "expression").map((one) => this.expr(one, set)), span };
    }
    const elements = nodes(node, "expression").map((element) => this.expr(element, node));
    const [first] = elements;
    if (elements.length === 1 && first !== undefined) return first;
    return elements.length === 0 ? this.error(node) : { kind: "tuple", elements, span };
  }

  #call(callee: ast.Name, node: CstNode): ast.Expr {
    const args: ast.Expr[] = [];
    const fields: ast.FieldInit[] = [];
    for (const argument of nodes(node, "argument")) {
      const value = this.expr(child(argument, "expression"), argument);
      const label = token(argument, "LABEL");
      if (label === undefined) args.push(value);
      else fields.push({ name: this.name(label, argument), value, span: this.span(argument) });
    }
    return { kind: "call", callee, args, fields, span: cover(callee.span, this.span(node)) };
  }

  fieldInits(node: CstNode | undefined): ast.FieldInit[] {
    if (node === undefined) return [];
    return nodes(node, "fieldInit").map((init) => ({
      name: this.name(token(init, "LABEL"), init),
      value: this.expr(child(init, "expression"), init),
      span: this.span(init),
    }));
  }

  /** A literal, a name or an expression in parentheses (the rules `atom` and `edgeValue`). */
  atom(node: CstNode | undefined, parent: CstNode): ast.Expr {
    if (node === undefined) return this.error(parent);
    const literal = token(node, "LITERAL");
    if (literal !== undefined) return this.literal(literal);
    const word = token(node, "NAME") ?? token(node, "IDENTIFIER");
    if (word === undefined) return this.expr(child(node, "expression"), node);
    const name = this.name(word, node);
    return { kind: "name", name, span: name.span };
  }
}

function isAssociative(precedence: number): boolean {
  return precedence !== COMPARISON && precedence !== RANGE;
}

function operatorOf(image: string): ast.BinaryOp {
  return (image === "&&" ? "and" : image === "||" ? "or" : image) as ast.BinaryOp;
}
