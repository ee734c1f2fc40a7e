// Concrete tree to AST: declarations and tests. Statements are build-statements.ts's. Where the tree
// lacks a part because the text couldn't be parsed, an error node stands. Knows nothing of meaning.

import type { CstNode } from "chevrotain";
import type * as ast from "./ast.ts";
import { StatementBuilder } from "./build-statements.ts";
import { child, nodes, nodesInOrder, onlyChild, token, tokens } from "./cst.ts";
import * as messages from "./messages.ts";

/** Builds the AST of one file, item by item. */
export class AstBuilder extends StatementBuilder {
  /** The declarations or the statement in the tree of one `item`; an error node for what was skipped. */
  item(node: CstNode): readonly (ast.Decl | ast.Stmt)[] {
    if (node.name === "skipped") return [this.error(node)];
    const declaration = child(node, "declaration");
    const statement = child(node, "statement");
    if (declaration !== undefined) return this.#declaration(declaration);
    return statement === undefined ? [] : [this.statement(statement)];
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
            name: this.declared(node),
            type: this.type(child(node, "type"), node),
            value: this.expr(child(node, "expression"), node),
            span: this.span(node),
          },
        ];
      case "varDecl":
        return [
          {
            kind: "varDecl",
            name: this.declared(node),
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
    const name = this.declared(node);
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
      name: this.declared(node),
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
      name: this.declared(node),
      key: type === undefined ? null : this.type(type, node),
      span: this.span(node),
    };
  }

  #limiterDecl(node: CstNode): ast.LimiterDecl {
    const type = child(node, "type");
    return {
      kind: "limiterDecl",
      name: this.declared(node),
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
      name: this.declared(node),
      size: this.optionalExpr(child(node, "expression")),
      attributes: this.#attributes(node),
      programs: this.#programList(child(node, "programList")),
      span: this.span(node),
    };
  }

  #programList(node: CstNode | undefined): ast.ProgramEntry[] | null {
    if (node === undefined) return null;
    return nodes(node, "programEntry").map((entry) => {
      const literal = token(entry, "LITERAL");
      const label = token(entry, "LABEL");
      const program = this.name(token(entry, "NAME"), entry);
      const name = label === undefined ? null : this.name(label, entry);
      const index: ast.Expr | null =
        literal !== undefined ? this.literal(literal) : name === null ? null : { kind: "name", name, span: name.span };
      return { index, program, span: this.span(entry) };
    });
  }

  #attributes(node: CstNode): ast.MapAttribute[] {
    return tokens(node, "MAP_ATTRIBUTE").map((word) => this.name(word, node));
  }

  #constDecl(node: CstNode): ast.ConstDecl | ast.ConstSetDecl {
    const isSet = token(node, "SET") !== undefined;
    const name = this.declared(node);
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
      name: this.declared(node),
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
      name: this.declared(node),
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
      when: this.optionalExpr(child(node, "expression")),
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
    const initial = child(node, "atom");
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
      flag: token(node, "IF") === undefined ? null : this.name(token(node, "NAME"), node),
      initial: initial === undefined ? null : this.atom(initial, node),
      span: this.span(node),
    };
  }

  #fnDecl(node: CstNode): ast.FnDecl {
    const block = child(node, "block");
    return {
      kind: "fnDecl",
      name: this.declared(node),
      params: nodes(node, "parameter").map((parameter) => this.#typedName(parameter)),
      body:
        block === undefined
          ? { kind: "expr", value: this.expr(child(node, "expression"), node) }
          : { kind: "block", block: this.block(block) },
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
    return { kind: "defaultDecl", verdict: this.verdict(token(node, "VERDICT"), node), span: this.span(node) };
  }

  #programDecl(node: CstNode): ast.ProgramDecl {
    const bodyNode = child(node, "programBody");
    const body: (ast.Stmt | ast.DefaultDecl)[] = [];
    for (const item of bodyNode === undefined ? [] : nodesInOrder(bodyNode, ["programItem", "skipped"])) {
      const declaration = child(item, "defaultDecl");
      const statement = child(item, "statement");
      if (declaration !== undefined) body.push(this.#defaultDecl(declaration));
      else if (statement !== undefined) body.push(this.statement(statement));
      else if (item.name === "skipped" || child(item, "skipped") !== undefined) body.push(this.error(item));
    }
    return {
      kind: "programDecl",
      name: this.declared(node),
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
      return { kind: "chain", verdicts: tokens(node, "VERDICT").map((word) => this.verdict(word, node)), span };
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
    const packet = child(node, "layers");
    if (token(node, "PACKET") !== undefined && packet !== undefined) {
      const times = child(node, "atom");
      return {
        kind: "packet",
        layers: this.#layers(packet),
        times: times === undefined ? null : this.atom(times, node),
        span,
      };
    }
    const expected = child(node, "expected");
    if (expected === undefined || child(node, "skipped") !== undefined) return { kind: "error", span };
    const condition = child(expected, "expression");
    if (condition !== undefined) return { kind: "expectState", condition: this.expr(condition, expected), span };
    const expectation = child(expected, "expectation");
    if (expectation === undefined) return { kind: "error", span };
    const layers = child(expected, "layers");
    return { kind: "expect", action: this.action(expectation), layers: layers ? this.#layers(layers) : [], span };
  }

  #layers(node: CstNode): readonly ast.Expr[] {
    return nodes(node, "layer").map((layer) => this.#layer(layer));
  }

  #layer(node: CstNode): ast.Expr {
    const payload = token(node, "STRING");
    return payload === undefined ? this.target(node) : this.string(payload, node);
  }
}
