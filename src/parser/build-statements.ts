// Concrete tree to AST: statements and blocks. Between build-expr.ts, which it extends, and build-ast.ts. Where the tree
// lacks a part because the text couldn't be parsed, an error node stands. Knows nothing of meaning.

import type { CstNode, IToken } from "chevrotain";
import type * as ast from "./ast.ts";
import { ExpressionBuilder } from "./build-expr.ts";
import { child, nodeSpan, nodes, nodesInOrder, onlyChild, token, tokens } from "./cst.ts";
import { tokenSpan } from "./lexer.ts";
import * as messages from "./messages.ts";

/** Builds statements; build-ast.ts extends it with what holds them. */
export class StatementBuilder extends ExpressionBuilder {
  /** The library's files that statements stand for. */
  readonly implies = new Set<string>();

  protected verdict(word: IToken | undefined, parent: CstNode): ast.Verdict {
    const name = this.name(word, parent);
    return { verdict: name.text as ast.Verdict["verdict"], span: name.span };
  }

  protected fallback(node: CstNode): ast.Verdict | null {
    const fallback = child(node, "fallback");
    return fallback === undefined ? null : this.verdict(token(fallback, "VERDICT"), fallback);
  }

  protected statement(node: CstNode): ast.Stmt {
    if (child(node, "skipped") !== undefined) return this.error(node);
    return this.action(node);
  }

  protected block(node: CstNode): ast.BlockBody {
    const statements = this.deeper(1, node, () =>
      nodesInOrder(node, ["statement", "skipped"]).map((one) =>
        one.name === "skipped" ? this.error(one) : this.statement(one),
      ),
    );
    return { kind: "block", statements: statements ?? [], braces: true, span: this.span(node) };
  }

  #body(node: CstNode | undefined, parent: CstNode): ast.BlockBody {
    const block = node === undefined ? undefined : child(node, "block");
    if (block !== undefined) return this.block(block);
    const statement = node === undefined ? undefined : child(node, "statement");
    const one = statement === undefined ? this.error(parent) : this.deeper(1, parent, () => this.statement(statement));
    const only = one ?? this.error(parent);
    return { kind: "block", statements: [only], braces: false, span: only.span };
  }

  /** The statement below an alternation of statements. */
  protected action(wrapper: CstNode): ast.Stmt {
    const only = onlyChild(wrapper);
    if (only === undefined) return this.error(wrapper);
    const node = only.element as CstNode;
    const span = this.span(wrapper);
    switch (only.name) {
      case "VERDICT":
        return { kind: "verdict", verdict: this.verdict(only.element as IToken, wrapper), span };
      case "DECAP":
        return { kind: "decap", span };
      case "ifStmt":
        return this.#ifStmt(node);
      case "switchStmt":
        return this.#switchStmt(node);
      case "forStmt":
        return this.#forStmt(node);
      case "letStmt":
        return { kind: "let", name: this.nameIn(node), value: this.expr(child(node, "expression"), node), span };
      case "assignOrCall":
        return this.#assignOrCall(node);
      case "redirectStmt":
        return this.#redirect(node);
      case "logStmt":
        return {
          kind: "log",
          format: this.string(token(node, "STRING"), node),
          args: nodes(node, "expression").map((one) => this.expr(one, node)),
          span,
        };
      case "countStmt":
        return { kind: "count", counter: this.#counterUse(node), span };
      case "insertStmt": {
        const key = this.expr(child(node, "expression"), node);
        return { kind: "insert", map: this.nameIn(node), key, orElse: this.fallback(node), span };
      }
      case "deleteStmt":
        return { kind: "delete", map: this.nameIn(node), key: this.expr(child(node, "expression"), node), span };
      case "swapStmt": {
        const [a, b] = nodes(node, "postfix");
        return { kind: "swap", a: this.postfix(a, node), b: this.postfix(b, node), span };
      }
      case "floodStmt":
        return { kind: "flood", map: this.nameIn(node), orElse: this.fallback(node), span };
      case "forwardStmt":
        this.implies.add("forward");
        return { kind: "forward", orElse: this.fallback(node), span };
      case "tailStmt": {
        const index = this.expr(child(node, "expression"), node);
        return { kind: "tail", map: this.nameIn(node), index, orElse: this.fallback(node), span };
      }
      case "emitStmt": {
        const value = this.expr(child(node, "expression"), node);
        return { kind: "emit", map: this.nameIn(node), value, orElse: this.fallback(node), span };
      }
      case "sampleStmt": {
        const max = this.optionalExpr(child(node, "expression"));
        return { kind: "sample", map: this.nameIn(node), max, orElse: this.fallback(node), span };
      }
      case "pushStmt":
        return { kind: "push", header: this.nameIn(node), value: this.expr(child(node, "expression"), node), span };
      case "popStmt":
        return { kind: "pop", header: this.nameIn(node), span };
      case "encapStmt":
        return { kind: "encap", headers: nodes(node, "newHeader").map((header) => this.#newHeader(header)), span };
      case "trimStmt":
        return { kind: "trim", bytes: this.expr(child(node, "expression"), node), span };
      default:
        return this.error(wrapper);
    }
  }

  #newHeader(node: CstNode): ast.NewHeader {
    const fields = this.fieldInits(child(node, "fieldInits"));
    return { name: this.nameIn(node), fields, span: this.span(node) };
  }

  /** A chain of `else if` is flat in the tree and nests to the right in the AST; built from its end, without recursion. */
  #ifStmt(node: CstNode): ast.Stmt {
    const conditions = nodes(node, "condition");
    const bodies = nodes(node, "body");
    const ifTokens = tokens(node, "IF");
    const last = child(node, "else");
    const end = this.span(node).end;
    const result = this.deeper(conditions.length, node, () => {
      let otherwise = last === undefined ? null : this.#body(last, node);
      for (let i = conditions.length - 1; i >= 0; i--) {
        const start = ifTokens[i]?.startOffset ?? 0;
        const one: ast.IfStmt = {
          kind: "if",
          condition: this.#condition(conditions[i], node),
          then: this.#body(bodies[i], node),
          else: otherwise,
          span: { file: this.file, start, end },
        };
        if (i === 0) return one;
        otherwise = { kind: "block", statements: [one], braces: false, span: one.span };
      }
      return null;
    });
    return result ?? this.error(node);
  }

  #condition(node: CstNode | undefined, parent: CstNode): ast.Expr | ast.IfLet {
    const ifLet = node === undefined ? undefined : child(node, "ifLet");
    if (ifLet === undefined) return this.expr(node && child(node, "expression"), parent);
    const value = this.postfix(child(ifLet, "postfix"), ifLet);
    return { kind: "ifLet", name: this.nameIn(ifLet), value, span: this.span(ifLet) };
  }

  #switchStmt(node: CstNode): ast.Stmt {
    const arms: ast.SwitchStmt["arms"][number][] = [];
    let otherwise: ast.BlockBody | null = null;
    let firstElse: CstNode | undefined;
    const body = child(node, "switchBody");
    for (const arm of body === undefined ? [] : nodes(body, "arm")) {
      if (child(arm, "skipped") !== undefined) continue;
      if (firstElse !== undefined) {
        const elseSpan = this.span(firstElse);
        this.diagnostics.push(messages.armAfterElse(this.span(arm), elseSpan, token(arm, "ELSE_ARM") !== undefined));
      }
      const block = this.#body(child(arm, "body"), arm);
      if (token(arm, "ELSE_ARM") !== undefined) {
        firstElse ??= arm;
        otherwise ??= block;
      } else {
        const patterns = nodes(arm, "expression").map((pattern) => this.expr(pattern, arm));
        arms.push({ patterns, body: block, span: { ...this.span(arm), end: block.span.end } });
      }
    }
    const subject = this.expr(child(node, "expression"), node);
    return { kind: "switch", subject, arms, else: otherwise, span: this.span(node) };
  }

  #forStmt(node: CstNode): ast.Stmt {
    const range = this.expr(child(node, "expression"), node);
    const block = child(node, "block");
    const body = block === undefined ? this.#body(undefined, node) : this.block(block);
    let bounds = { from: range, to: range };
    if (range.kind === "range") {
      bounds = { from: range.from, to: range.to };
    } else if (range.kind !== "error") {
      this.diagnostics.push(messages.forWithoutRange(range.span));
      bounds = { from: range, to: { kind: "error", span: range.span } };
    }
    return { kind: "for", name: this.nameIn(node), ...bounds, body, span: this.span(node) };
  }

  #assignOrCall(node: CstNode): ast.Stmt {
    const target = this.target(node);
    const operator = token(node, "ASSIGN");
    const span = this.span(node);
    if (operator === undefined) return { kind: "callStmt", call: target, span };
    if (endsInCallOrCast(target)) this.diagnostics.push(messages.badTarget(target.span));
    return {
      kind: "assign",
      target,
      op: operator.image as ast.AssignOp,
      value: this.expr(child(node, "expression"), node),
      orElse: this.fallback(node),
      span,
    };
  }

  #redirect(node: CstNode): ast.Stmt {
    const span = this.span(node);
    const orElse = this.fallback(node);
    if (token(node, "DEV") !== undefined) {
      const index = this.postfix(child(node, "postfix"), node);
      return { kind: "redirect", target: { kind: "device", name: index }, orElse, span };
    }
    const key = this.optionalExpr(child(node, "expression"));
    return { kind: "redirect", target: { kind: "map", map: this.nameIn(node), key }, orElse, span };
  }

  #counterUse(node: CstNode): ast.Expr {
    const name = this.nameIn(node);
    const counter: ast.Expr = { kind: "name", name, span: name.span };
    const key = child(node, "expression");
    if (key === undefined) return counter;
    const close = token(node, "RIGHT_BRACKET");
    const end = close === undefined ? nodeSpan(this.file, node).end : tokenSpan(this.file, close).end;
    return { kind: "index", object: counter, index: this.expr(key, node), span: { ...name.span, end } };
  }
}

function endsInCallOrCast(target: ast.Expr): boolean {
  let at = target;
  while (at.kind === "member" || at.kind === "index") at = at.object;
  return at.kind !== "name" && at.kind !== "error";
}
