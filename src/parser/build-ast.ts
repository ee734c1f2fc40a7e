// Concrete tree to AST: declarations, statements and tests. Expressions and types are build-expr.ts's. Where the tree
// lacks a part because the text couldn't be parsed, an error node stands. Knows nothing of meaning.

import type { CstNode, IToken } from "chevrotain";
import type * as ast from "./ast.ts";
import { ExpressionBuilder } from "./build-expr.ts";
import { child, nodeSpan, nodes, nodesInOrder, onlyChild, token, tokens } from "./cst.ts";
import { tokenSpan } from "./lexer.ts";
import * as messages from "./messages.ts";

/** Builds the AST of one file, item by item. */
export class AstBuilder extends ExpressionBuilder {
  /** The declarations or the statement in the tree of one `item`; an error node for what was skipped. */
  item(node: CstNode): readonly (ast.Decl | ast.Stmt)[] {
    if (node.name === "skipped") return [this.error(node)];
    const declaration = child(node, "declaration");
    const statement = child(node, "statement");
    if (declaration !== undefined) return this.#declaration(declaration);
    return statement === undefined ? [] : [this.#statement(statement)];
  }

  // ----------------------------------------------------------------------------------------------------- declarations

  #declaration(wrapper: CstNode): (ast.Decl | ast.ErrorNode)[] {
    const only = onlyChild(wrapper);
    if (only === undefined || only.name === "skipped") return [this.error(wrapper)];
    const node = only.element as CstNode;
    switch (only.name) {
      case "setDecl":
        return [this.#setDecl(node)];
      case "mapDecl":
        return [this.#mapDecl(node)];
      case "counterDecl":
        return nodes(node, "counterName").map((one) => this.#counterDecl(one));
      case "limiterDecl":
        return [this.#limiterDecl(node)];
      case "targetDecl":
        return [this.#targetDecl(node)];
      case "constDecl":
        return [this.#constDecl(node)];
      case "configDecl":
        return [
          {
            kind: "configDecl",
            name: this.nameIn(node),
            type: this.type(child(node, "type"), node),
            value: this.expr(child(node, "expression"), node),
            span: this.span(node),
          },
        ];
      case "varDecl":
        return [
          {
            kind: "varDecl",
            name: this.nameIn(node),
            type: this.type(child(node, "type"), node),
            value: this.optionalExpr(child(node, "expression")),
            span: this.span(node),
          },
        ];
      case "structDecl":
        return [this.#structDecl(node)];
      case "headerDecl":
        return [this.#headerDecl(node)];
      case "fnDecl":
        return [this.#fnDecl(node)];
      case "importDecl":
        return [this.#importDecl(node)];
      case "licenseDecl":
        return [{ kind: "licenseDecl", value: this.string(token(node, "STRING"), node), span: this.span(node) }];
      case "defaultDecl":
        return [this.#defaultDecl(node)];
      case "programDecl":
        return [this.#programDecl(node)];
      case "testDecl":
        return [this.#testDecl(node)];
      default:
        return [this.error(wrapper)];
    }
  }

  #setDecl(node: CstNode): ast.SetDecl {
    const name = this.nameIn(node);
    let element = this.type(child(node, "type"), node);
    let size: ast.Expr;
    if (element.kind === "arrayType") {
      size = element.count;
      element = element.element;
    } else {
      size = { kind: "error", span: element.span };
      if (element.kind !== "error") this.diagnostics.push(messages.setWithoutSize(name, element.span));
    }
    return { kind: "setDecl", name, element, size, attributes: this.#attributes(node), span: this.span(node) };
  }

  #mapDecl(node: CstNode): ast.MapDecl {
    return {
      kind: "mapDecl",
      name: this.nameIn(node),
      mapKind: this.name(token(node, "mapKind"), node),
      types: nodes(node, "type").map((type) => this.type(type, node)),
      size: this.expr(child(node, "expression"), node),
      attributes: this.#attributes(node),
      span: this.span(node),
    };
  }

  #counterDecl(node: CstNode): ast.CounterDecl {
    const type = child(node, "type");
    return {
      kind: "counterDecl",
      name: this.nameIn(node),
      key: type === undefined ? null : this.type(type, node),
      span: this.span(node),
    };
  }

  #limiterDecl(node: CstNode): ast.LimiterDecl {
    const type = child(node, "type");
    return {
      kind: "limiterDecl",
      name: this.nameIn(node),
      size: this.expr(child(node, "size"), node),
      rate: this.atom(child(node, "atom"), node),
      per: this.name(token(node, "per"), node),
      burst: this.optionalExpr(child(node, "burst")),
      key: type === undefined ? null : this.type(type, node),
      span: this.span(node),
    };
  }

  #targetDecl(node: CstNode): ast.TargetDecl {
    const mapKind = token(node, "TARGET_KIND")?.image as ast.TargetDecl["mapKind"];
    return {
      kind: "targetDecl",
      mapKind,
      name: this.nameIn(node),
      size: this.optionalExpr(child(node, "expression")),
      attributes: this.#attributes(node),
      span: this.span(node),
    };
  }

  #attributes(node: CstNode): ast.MapAttribute[] {
    return tokens(node, "MAP_ATTRIBUTE").map((word) => this.name(word, node));
  }

  #constDecl(node: CstNode): ast.ConstDecl | ast.ConstSetDecl {
    const isSet = token(node, "SET") !== undefined;
    const name = this.nameIn(node);
    const typeNode = child(node, "type");
    const type = typeNode === undefined ? null : this.type(typeNode, node);
    const span = this.span(node);
    const file = token(node, "STRING");
    if (file !== undefined) {
      const path = this.string(file, node);
      if (isSet) return { kind: "constSetDecl", name, element: type, source: { kind: "file", path }, span };
      this.diagnostics.push(messages.constFromFile(path.span, name));
      return { kind: "constDecl", name, type, value: { kind: "error", span: path.span }, span };
    }
    const value = this.expr(child(node, "expression"), node);
    return isSet
      ? { kind: "constSetDecl", name, element: type, source: { kind: "literal", value }, span }
      : { kind: "constDecl", name, type, value, span };
  }

  #structDecl(node: CstNode): ast.StructDecl {
    const body = child(node, "structBody");
    const fields =
      body === undefined ? [] : nodes(body, "structField").filter((f) => child(f, "skipped") === undefined);
    return {
      kind: "structDecl",
      name: this.nameIn(node),
      fields: fields.map((field) => this.#typedName(field)),
      span: this.span(node),
    };
  }

  #typedName(node: CstNode): ast.FnDecl["params"][number] {
    const name = this.name(token(node, "LABEL"), node);
    const type = this.type(child(node, "type"), node);
    return { name, type, span: { ...name.span, end: Math.max(name.span.end, type.span.end) } };
  }

  #headerDecl(node: CstNode): ast.HeaderDecl {
    const alias = token(node, "alias");
    const title = token(node, "STRING");
    const rfc = child(node, "atom");
    const depth = child(node, "depth");
    const body = child(node, "headerBody");
    return {
      kind: "headerDecl",
      name: this.nameIn(node),
      alias: alias === undefined ? null : this.name(alias, node),
      title: title === undefined ? null : this.string(title, node),
      rfc: rfc === undefined ? null : this.atom(rfc, node),
      extension: token(node, "EXTENDS") !== undefined,
      edges: nodes(node, "edge").map((edge) => this.#edge(edge)),
      depth: depth === undefined ? null : this.atom(depth, node),
      body: body === undefined ? null : this.#headerBody(body),
      span: this.span(node),
    };
  }

  #edge(node: CstNode): ast.HeaderEdge {
    return {
      inner: token(node, "INNER") !== undefined,
      parent: this.name(token(node, "IDENTIFIER"), node),
      values: nodes(node, "edgeValue").map((value) => this.atom(value, node)),
      span: this.span(node),
    };
  }

  #headerBody(node: CstNode): ast.HeaderBody {
    const fields: ast.HeaderField[] = [];
    let size: ast.HeaderBody["size"] = null;
    let next: ast.HeaderBody["next"] = null;
    for (const entry of nodes(node, "headerEntry")) {
      const field = child(entry, "headerField");
      const sizeNode = child(entry, "headerSize");
      const nextNode = child(entry, "headerNext");
      if (field !== undefined) fields.push(this.#headerField(field));
      if (sizeNode !== undefined) {
        if (size !== null) this.diagnostics.push(messages.secondInHeader("size", this.span(sizeNode), size.span));
        else size = this.#headerSize(sizeNode);
      }
      if (nextNode !== undefined) {
        if (next !== null) this.diagnostics.push(messages.secondInHeader("next", this.span(nextNode), next.span));
        else next = this.#headerNext(nextNode);
      }
    }
    return { fields, size, next };
  }

  #headerSize(node: CstNode): ast.HeaderBody["size"] {
    return {
      bytes: this.expr(child(node, "expression"), node),
      min: this.optionalExpr(child(node, "min")),
      span: this.span(node),
    };
  }

  #headerNext(node: CstNode): ast.HeaderBody["next"] {
    const depth = child(node, "atom");
    return {
      fields: tokens(node, "NAME").map((name) => this.name(name, node)),
      depth: depth === undefined ? null : this.atom(depth, node),
      when: this.optionalExpr(child(node, "expression")),
      span: this.span(node),
    };
  }

  #headerField(node: CstNode): ast.HeaderField {
    const bits = token(node, "LITERAL");
    const named = child(node, "fieldBits");
    const covers = child(node, "covers");
    return {
      name: this.name(token(node, "LABEL"), node),
      width:
        bits !== undefined
          ? { kind: "bits", value: this.literal(bits) }
          : { kind: "type", type: this.type(child(node, "type"), node) },
      bits: named === undefined ? [] : tokens(named, "NAME").map((name) => this.name(name, named)),
      covers:
        covers === undefined
          ? null
          : {
              kind: token(covers, "COVERS")?.image === "checksum" ? "checksum" : "length",
              parts: tokens(covers, "NAME").map((name) => this.name(name, covers)),
              span: this.span(covers),
            },
      optional: token(node, "OPTIONAL") !== undefined,
      span: this.span(node),
    };
  }

  #fnDecl(node: CstNode): ast.FnDecl {
    const block = child(node, "block");
    return {
      kind: "fnDecl",
      name: this.nameIn(node),
      params: nodes(node, "parameter").map((parameter) => this.#typedName(parameter)),
      body:
        block === undefined
          ? { kind: "expr", value: this.expr(child(node, "expression"), node) }
          : { kind: "block", block: this.#block(block) },
      span: this.span(node),
    };
  }

  #importDecl(node: CstNode): ast.ImportDecl {
    const library = child(node, "libraryPath");
    const span = this.span(node);
    if (library === undefined) {
      return { kind: "importDecl", target: { kind: "path", path: this.string(token(node, "STRING"), node) }, span };
    }
    const words = tokens(library, "NAME").map((word) => this.name(word, library));
    return { kind: "importDecl", target: { kind: "library", words, span: this.span(library) }, span };
  }

  #defaultDecl(node: CstNode): ast.DefaultDecl {
    return { kind: "defaultDecl", verdict: this.#verdict(token(node, "VERDICT"), node), span: this.span(node) };
  }

  #programDecl(node: CstNode): ast.ProgramDecl {
    const bodyNode = child(node, "programBody");
    const body: (ast.Stmt | ast.DefaultDecl)[] = [];
    for (const item of bodyNode === undefined ? [] : nodesInOrder(bodyNode, ["programItem", "skipped"])) {
      const declaration = child(item, "defaultDecl");
      const statement = child(item, "statement");
      if (declaration !== undefined) body.push(this.#defaultDecl(declaration));
      else if (statement !== undefined) body.push(this.#statement(statement));
      else if (item.name === "skipped" || child(item, "skipped") !== undefined) body.push(this.error(item));
    }
    return {
      kind: "programDecl",
      name: this.nameIn(node),
      attributes: nodes(node, "programAttribute").map((attribute) => this.#programAttribute(attribute)),
      body,
      span: this.span(node),
    };
  }

  #programAttribute(node: CstNode): ast.ProgramAttribute {
    const span = this.span(node);
    if (token(node, "SECTION") !== undefined) {
      return { kind: "section", value: this.string(token(node, "STRING"), node), span };
    }
    if (token(node, "PRIORITY") !== undefined) {
      return { kind: "priority", value: this.atom(child(node, "atom"), node), span };
    }
    if (token(node, "CHAIN") !== undefined) {
      return { kind: "chain", verdicts: tokens(node, "VERDICT").map((word) => this.#verdict(word, node)), span };
    }
    return { kind: token(node, "FRAGS") ? "frags" : token(node, "DEVMAP") ? "devmap" : "cpumap", span };
  }

  // ------------------------------------------------------------------------------------------------------------ tests

  #testDecl(node: CstNode): ast.TestDecl {
    const program = token(node, "NAME");
    const body = child(node, "testBody");
    const steps = body === undefined ? [] : nodesInOrder(body, ["testStep", "skipped"]);
    return {
      kind: "testDecl",
      title: this.string(token(node, "STRING"), node),
      program: program === undefined ? null : this.name(program, node),
      settings: nodes(node, "setting").map((setting) => ({
        target: this.postfix(child(setting, "postfix"), setting),
        value: this.expr(child(setting, "expression"), setting),
        span: this.span(setting),
      })),
      steps: steps.filter((step) => token(step, "SEMICOLON") === undefined).map((step) => this.#testStep(step)),
      span: this.span(node),
    };
  }

  #testStep(node: CstNode): ast.TestStep {
    const span = this.span(node);
    const fill = child(node, "fill");
    if (fill !== undefined) {
      return {
        kind: "fill",
        target: this.target(fill),
        value: this.expr(child(fill, "expression"), fill),
        span,
      };
    }
    const layersNode = child(node, "layers");
    const layers = layersNode === undefined ? [] : nodes(layersNode, "layer").map((layer) => this.#layer(layer));
    if (token(node, "PACKET") !== undefined && layersNode !== undefined) return { kind: "packet", layers, span };
    const expectation = child(node, "expectation");
    if (expectation === undefined || child(node, "skipped") !== undefined) return { kind: "error", span };
    return { kind: "expect", action: this.#action(expectation), layers, span };
  }

  #layer(node: CstNode): ast.Expr {
    const payload = token(node, "STRING");
    return payload === undefined ? this.target(node) : this.string(payload, node);
  }

  // ------------------------------------------------------------------------------------------------------- statements

  #verdict(word: IToken | undefined, parent: CstNode): ast.Verdict {
    const name = this.name(word, parent);
    return { verdict: name.text as ast.Verdict["verdict"], span: name.span };
  }

  #fallback(node: CstNode): ast.Verdict | null {
    const fallback = child(node, "fallback");
    return fallback === undefined ? null : this.#verdict(token(fallback, "VERDICT"), fallback);
  }

  #statement(node: CstNode): ast.Stmt {
    if (child(node, "skipped") !== undefined) return this.error(node);
    return this.#action(node);
  }

  #block(node: CstNode): ast.BlockBody {
    const statements = this.deeper(1, node, () =>
      nodesInOrder(node, ["statement", "skipped"]).map((one) =>
        one.name === "skipped" ? this.error(one) : this.#statement(one),
      ),
    );
    return { kind: "block", statements: statements ?? [], braces: true, span: this.span(node) };
  }

  #body(node: CstNode | undefined, parent: CstNode): ast.BlockBody {
    const block = node === undefined ? undefined : child(node, "block");
    if (block !== undefined) return this.#block(block);
    const statement = node === undefined ? undefined : child(node, "statement");
    const one = statement === undefined ? this.error(parent) : this.deeper(1, parent, () => this.#statement(statement));
    const only = one ?? this.error(parent);
    return { kind: "block", statements: [only], braces: false, span: only.span };
  }

  /** The statement below an alternation of statements. */
  #action(wrapper: CstNode): ast.Stmt {
    const only = onlyChild(wrapper);
    if (only === undefined) return this.error(wrapper);
    const node = only.element as CstNode;
    const span = this.span(wrapper);
    switch (only.name) {
      case "VERDICT":
        return { kind: "verdict", verdict: this.#verdict(only.element as IToken, wrapper), span };
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
        return { kind: "insert", map: this.nameIn(node), key, orElse: this.#fallback(node), span };
      }
      case "deleteStmt":
        return { kind: "delete", map: this.nameIn(node), key: this.expr(child(node, "expression"), node), span };
      case "swapStmt": {
        const [a, b] = nodes(node, "postfix");
        return { kind: "swap", a: this.postfix(a, node), b: this.postfix(b, node), span };
      }
      case "floodStmt":
        return { kind: "flood", map: this.nameIn(node), orElse: this.#fallback(node), span };
      case "forwardStmt":
        return { kind: "forward", orElse: this.#fallback(node), span };
      case "tailStmt": {
        const index = this.expr(child(node, "expression"), node);
        return { kind: "tail", map: this.nameIn(node), index, orElse: this.#fallback(node), span };
      }
      case "emitStmt":
        return { kind: "emit", map: this.nameIn(node), value: this.expr(child(node, "expression"), node), span };
      case "sampleStmt":
        return { kind: "sample", map: this.nameIn(node), max: this.optionalExpr(child(node, "expression")), span };
      case "pushStmt":
        return { kind: "push", header: this.nameIn(node), value: this.expr(child(node, "expression"), node), span };
      case "popStmt":
        return { kind: "pop", header: this.nameIn(node), span };
      case "encapStmt":
        return { kind: "encap", header: this.nameIn(node), fields: this.fieldInits(child(node, "fieldInits")), span };
      case "trimStmt":
        return { kind: "trim", bytes: this.expr(child(node, "expression"), node), span };
      default:
        return this.error(wrapper);
    }
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
          // biome-ignore lint/suspicious/noThenProperty: the field is named after the language's word; nothing awaits it.
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
    const body = block === undefined ? this.#body(undefined, node) : this.#block(block);
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
      orElse: this.#fallback(node),
      span,
    };
  }

  #redirect(node: CstNode): ast.Stmt {
    const span = this.span(node);
    const orElse = this.#fallback(node);
    const device = token(node, "STRING");
    if (device !== undefined) {
      return { kind: "redirect", target: { kind: "device", name: this.string(device, node) }, orElse, span };
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
