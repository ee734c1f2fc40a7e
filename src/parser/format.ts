// AST to canonical text: one statement a line, two spaces a level, operators as words, no semicolon but between a switch's
// arms, parentheses only where the tree needs them. Parsing the result gives the same tree, places aside. Literals keep
// the spelling they were written in. Comments aren't part of the tree and are lost.

import { textOf } from "../base/source.ts";
import type * as ast from "./ast.ts";
import { precedenceOf } from "./build-expr.ts";
import { readColonLiteral, readDigitLiteral } from "./literals.ts";

const STEP = "  ";

/** Prints a whole file, with a line break at its end unless it is empty. */
export function formatFile(file: ast.File): string {
  return file.items.map((item) => `${formatItem(item)}\n`).join("");
}

/** Prints a declaration or a statement, without a line break at the end; lines behind the first start with `indent`. */
export function formatItem(item: ast.Decl | ast.Stmt, indent = ""): string {
  return isDeclaration(item) ? declaration(item, indent) : statement(item, indent);
}

function isDeclaration(item: ast.Decl | ast.Stmt): item is ast.Decl {
  return item.kind.endsWith("Decl");
}

// --------------------------------------------------------------------------------------------------------- declarations

function declaration(d: ast.Decl, indent: string): string {
  switch (d.kind) {
    case "setDecl":
      return `set ${d.name.text} : ${formatType(d.element)}[${formatExpr(d.size)}]${words(d.attributes)}`;
    case "mapDecl": {
      const types = d.types.length === 0 ? "" : `<${d.types.map(formatType).join(", ")}>`;
      return `map ${d.name.text} : ${d.mapKind.text}${types}[${formatExpr(d.size)}]${words(d.attributes)}`;
    }
    case "counterDecl":
      return `counter ${d.name.text}${d.key === null ? "" : `[${formatType(d.key)}]`}`;
    case "limiterDecl": {
      const burst = d.burst === null ? "" : ` burst ${formatExpr(d.burst)}`;
      const key = d.key === null ? "" : ` per ${formatType(d.key)}`;
      // Behind an address a slash would make a prefix.
      const slash = d.rate.kind === "number" ? "/" : " / ";
      return `limiter ${d.name.text}[${formatExpr(d.size)}] : ${atom(d.rate)}${slash}${d.per.text}${burst}${key}`;
    }
    case "targetDecl": {
      const entry = (e: ast.ProgramEntry): string =>
        `${e.index === null ? "" : `${formatExpr(e.index)}: `}${e.program.text}`;
      const programs =
        d.programs === null ? "" : ` = ${d.programs.length === 0 ? "{}" : `{ ${d.programs.map(entry).join(", ")} }`}`;
      const size = d.size === null ? "" : `[${formatExpr(d.size)}]`;
      return `${d.mapKind} ${d.name.text}${size}${words(d.attributes)}${programs}`;
    }
    case "constDecl":
      return `const ${d.name.text}${typed(d.type)} = ${formatExpr(d.value)}`;
    case "constSetDecl": {
      const source = d.source.kind === "file" ? `from ${string(d.source.path)}` : `= ${formatExpr(d.source.value)}`;
      return `const set ${d.name.text}${typed(d.element)} ${source}`;
    }
    case "configDecl":
      return `config ${d.name.text}${typed(d.type)} = ${formatExpr(d.value)}`;
    case "varDecl":
      return `var ${d.name.text}${typed(d.type)}${d.value === null ? "" : ` = ${formatExpr(d.value)}`}`;
    case "structDecl":
      return `struct ${d.name.text} ${braced(
        d.fields.map((f) => `${f.name.text} : ${formatType(f.type)}`),
        indent,
      )}`;
    case "headerDecl":
      return header(d, indent);
    case "fnDecl": {
      const params = d.params.map((p) => `${p.name.text} : ${formatType(p.type)}`).join(", ");
      const body = d.body.kind === "expr" ? `= ${formatExpr(d.body.value)}` : block(d.body.block, indent);
      return `fn ${d.name.text}(${params}) ${body}`;
    }
    case "importDecl":
      return `import ${d.target.kind === "path" ? string(d.target.path) : d.target.words.map((w) => w.text).join(".")}`;
    case "licenseDecl":
      return `license ${string(d.value)}`;
    case "defaultDecl":
      return `default ${d.verdict.verdict}`;
    case "programDecl": {
      const attributes = d.attributes.map((a) => ` ${programAttribute(a)}`).join("");
      const items = d.body.map((item) => formatItem(item, indent + STEP));
      return `program ${d.name.text}${attributes} ${braced(items, indent)}`;
    }
    case "testDecl":
      return test(d, indent);
  }
}

function typed(type: ast.TypeExpr | null): string {
  return type === null ? "" : ` : ${formatType(type)}`;
}

function words(names: readonly ast.Name[]): string {
  return names.map((name) => ` ${name.text}`).join("");
}

function braced(lines: readonly string[], indent: string): string {
  if (lines.length === 0) return "{\n".concat(indent, "}");
  return `{\n${lines.map((line) => `${indent}${STEP}${line}\n`).join("")}${indent}}`;
}

function header(d: ast.HeaderDecl, indent: string): string {
  const parts = [`header ${d.name.text}`];
  if (d.alias !== null) parts.push(`as ${d.alias.text}`);
  if (d.title !== null) parts.push(string(d.title));
  if (d.rfc !== null) parts.push(`rfc ${atom(d.rfc)}`);
  if (d.edges.length > 0) {
    const edges = d.edges.map((e) => {
      const when = e.when === null ? [] : ["when", formatExpr(e.when)];
      return [...(e.inner ? ["inner"] : []), e.parent.text, ...e.values.map(atom), ...when].join(" ");
    });
    parts.push(`${d.extension ? "extends" : "on"} ${edges.join(", ")}`);
  }
  if (d.depth !== null) parts.push(`depth ${atom(d.depth)}`);
  if (d.body !== null) {
    const { fields, size, next } = d.body;
    const lines = fields.map((f) => `${headerField(f)},`);
    if (size !== null) {
      lines.push(`size ${formatExpr(size.bytes)}${size.min === null ? "" : ` min ${formatExpr(size.min)}`}`);
    }
    if (next !== null) {
      const depth = next.depth === null ? "" : ` depth ${atom(next.depth)}`;
      const when = next.when === null ? "" : ` when ${formatExpr(next.when)}`;
      lines.push(`next ${next.fields.map((f) => f.text).join(", ")}${depth}${when}`);
    }
    parts.push(braced(lines, indent));
  }
  return parts.join(" ");
}

function headerField(f: ast.HeaderField): string {
  const width = f.width.kind === "bits" ? formatExpr(f.width.value) : formatType(f.width.type);
  const bits = f.bits.length === 0 ? "" : ` { ${f.bits.map((b) => b.text).join(", ")} }`;
  const covers = f.covers === null ? "" : ` ${f.covers.kind}(${f.covers.parts.map((p) => p.text).join(", ")})`;
  const initial = f.initial === null ? "" : ` = ${atom(f.initial)}`;
  const flag = f.flag === null ? "" : ` if ${f.flag.text}`;
  return `${f.name.text} : ${width}${bits}${covers}${initial}${f.optional ? " optional" : ""}${flag}`;
}

function programAttribute(a: ast.ProgramAttribute): string {
  switch (a.kind) {
    case "section":
      return `section ${string(a.value)}`;
    case "priority":
      return `priority ${atom(a.value)}`;
    case "chain":
      return `chain ${a.verdicts.map((v) => v.verdict).join(", ")}`;
    default:
      return a.kind;
  }
}

function test(d: ast.TestDecl, indent: string): string {
  const program = d.program === null ? "" : ` for ${d.program.text}`;
  // Before empty braces a bare name would become a struct's literal.
  const bareNames = d.steps.length > 0 ? 0 : PRIMARY + 1;
  const value = (e: ast.Expr): string => (e.kind === "name" ? expr(e, bareNames) : formatExpr(e));
  const settings = d.settings.map((s) => `${postfix(s.target)} = ${value(s.value)}`).join(", ");
  const steps = d.steps.map((s) => testStep(s, indent + STEP));
  return `test ${string(d.title)}${program}${settings === "" ? "" : ` with ${settings}`} ${braced(steps, indent)}`;
}

function testStep(s: ast.TestStep, indent: string): string {
  switch (s.kind) {
    case "fill":
      return `${postfix(s.target)} = ${formatExpr(s.value)}`;
    case "packet": {
      const times = s.times === null ? "" : ` times ${atom(s.times)}`;
      return `packet ${s.layers.map(formatExpr).join(" / ")}${times}`;
    }
    case "expect": {
      const layers = s.layers.length === 0 ? "" : ` ${s.layers.map(formatExpr).join(" / ")}`;
      return `expect ${statement(s.action, indent)}${layers}`;
    }
    case "expectState":
      return `expect ${formatExpr(s.condition)}`;
    case "error":
      return textOf(s.span);
  }
}

// ----------------------------------------------------------------------------------------------------------- statements

function statement(s: ast.Stmt, indent: string): string {
  switch (s.kind) {
    case "if":
      return ifStatement(s, indent);
    case "switch": {
      const arms = s.arms.map(
        (arm) => `${arm.patterns.map(formatExpr).join(", ")} => ${body(arm.body, indent + STEP)}`,
      );
      if (s.else !== null) arms.push(`else => ${body(s.else, indent + STEP)}`);
      return `switch ${formatExpr(s.subject)} ${braced(
        arms.map((arm, i) => (i + 1 < arms.length ? `${arm};` : arm)),
        indent,
      )}`;
    }
    case "for":
      return `for ${s.name.text} in ${rangeOf(s.from, s.to)} ${block(s.body, indent)}`;
    case "let":
      return `let ${s.name.text} = ${formatExpr(s.value)}`;
    case "assign":
      return `${postfix(s.target)} ${s.op} ${formatExpr(s.value)}${orElse(s.orElse)}`;
    case "verdict":
      return s.verdict.verdict;
    case "redirect": {
      const { target } = s;
      const key = target.kind === "map" && target.key !== null ? `[${formatExpr(target.key)}]` : "";
      const to = target.kind === "map" ? `${target.map.text}${key}` : `dev ${formatExpr(target.name)}`;
      return `redirect ${to}${orElse(s.orElse)}`;
    }
    case "log":
      return `log ${[string(s.format), ...s.args.map(formatExpr)].join(", ")}`;
    case "count":
      return `count ${postfix(s.counter)}`;
    case "insert":
      return `insert ${s.map.text} ${formatExpr(s.key)}${orElse(s.orElse)}`;
    case "delete":
      return `delete ${s.map.text} ${formatExpr(s.key)}`;
    case "swap":
      return `swap ${postfix(s.a)}, ${postfix(s.b)}`;
    case "callStmt":
      return postfix(s.call);
    case "flood":
      return `flood ${s.map.text}${orElse(s.orElse)}`;
    case "forward":
      return `forward${orElse(s.orElse)}`;
    case "tail":
      return `tail ${s.map.text}[${formatExpr(s.index)}]${orElse(s.orElse)}`;
    case "emit":
      return `emit ${s.map.text} ${formatExpr(s.value)}${orElse(s.orElse)}`;
    case "sample":
      return `sample ${s.map.text}${s.max === null ? "" : ` max ${formatExpr(s.max)}`}${orElse(s.orElse)}`;
    case "push":
      return `push ${s.header.text} ${formatExpr(s.value)}`;
    case "pop":
      return `pop ${s.header.text}`;
    case "encap":
      return `encap ${s.headers.map((h) => `${h.name.text} ${fieldInits(h.fields)}`).join(" / ")}`;
    case "decap":
      return "decap";
    case "trim":
      return `trim ${formatExpr(s.bytes)}`;
    case "error":
      return textOf(s.span);
  }
}

function ifStatement(s: ast.IfStmt, indent: string): string {
  const { condition } = s;
  const test =
    condition.kind === "ifLet" ? `let ${condition.name.text} = ${postfix(condition.value)}` : formatExpr(condition);
  const then = `if ${test} then ${body(s.then, indent)}`;
  if (s.else === null) return then;
  return `${then}${s.then.braces ? " " : `\n${indent}`}else ${body(s.else, indent)}`;
}

function body(b: ast.BlockBody, indent: string): string {
  const [only] = b.statements;
  return b.braces || only === undefined ? block(b, indent) : statement(only, indent);
}

function block(b: ast.BlockBody, indent: string): string {
  return braced(
    b.statements.map((s) => statement(s, indent + STEP)),
    indent,
  );
}

function orElse(verdict: ast.Verdict | null): string {
  return verdict === null ? "" : ` or ${verdict.verdict}`;
}

// ---------------------------------------------------------------------------------------------------------------- types

/** Prints a type. */
export function formatType(type: ast.TypeExpr): string {
  switch (type.kind) {
    case "namedType":
      return type.name.text;
    case "prefixType":
      return `prefix<${formatType(type.of)}>`;
    case "tupleType":
      return `(${type.elements.map(formatType).join(", ")})`;
    case "arrayType":
      return `${formatType(type.element)}[${formatExpr(type.count)}]`;
    case "error":
      return textOf(type.span);
  }
}

// ---------------------------------------------------------------------------------------------------------- expressions

const NOT = precedenceOf("not");
const RANGE = precedenceOf("..");
const COMPARISON = precedenceOf("==");
/** Tighter than every operator. */
const POSTFIX = precedenceOf("*") + 1;
const PRIMARY = POSTFIX + 1;

/** Prints an expression. */
export function formatExpr(e: ast.Expr): string {
  return expr(e, 0);
}

function postfix(e: ast.Expr): string {
  return expr(e, POSTFIX);
}

/** Prints `e` where only operators at least as tight as `least` may stand without parentheses. */
function expr(e: ast.Expr, least: number): string {
  const text = bare(e);
  return tightness(e) < least ? `(${text})` : text;
}

function tightness(e: ast.Expr): number {
  switch (e.kind) {
    case "binary":
      return precedenceOf(e.op);
    case "not":
      return NOT;
    case "range":
      return RANGE;
    case "structLiteral":
      // Empty braces behind an operator would be taken for a block.
      return e.fields.length === 0 ? 0 : PRIMARY;
    case "member":
    case "index":
    case "cast":
      return POSTFIX;
    default:
      return PRIMARY;
  }
}

function bare(e: ast.Expr): string {
  switch (e.kind) {
    case "number":
    case "address":
    case "prefix":
    case "duration":
      return literal(e);
    case "bool":
      return String(e.value);
    case "string":
      return string(e);
    case "range":
      return rangeOf(e.from, e.to);
    case "setLiteral":
      return e.elements.length === 0 ? "{}" : `{ ${e.elements.map(formatExpr).join(", ")} }`;
    case "tuple":
      return `(${e.elements.map(formatExpr).join(", ")})`;
    case "structLiteral":
      return `${e.name.text} ${fieldInits(e.fields)}`;
    case "name":
      return e.name.text;
    case "member":
      return `${object(e.object)}.${e.member.text}`;
    case "index":
      return `${object(e.object)}[${formatExpr(e.index)}]`;
    case "call": {
      const fields = e.fields.map((f) => `${f.name.text}: ${formatExpr(f.value)}`);
      return `${e.callee.text}(${[...e.args.map(formatExpr), ...fields].join(", ")})`;
    }
    case "not":
      return `not ${expr(e.operand, NOT)}`;
    case "binary": {
      const precedence = precedenceOf(e.op);
      const left = expr(e.left, precedence === COMPARISON ? precedence + 1 : precedence);
      return `${left} ${e.op} ${expr(e.right, precedence + 1)}`;
    }
    case "cast":
      return `${object(e.value)} as ${formatType(e.type)}`;
    case "error":
      return textOf(e.span);
  }
}

/** What stands before a dot or bracket: literals in parentheses, since a dot could continue them. */
function object(e: ast.Expr): string {
  const isLiteral = e.kind === "number" || e.kind === "address" || e.kind === "prefix" || e.kind === "duration";
  return isLiteral ? `(${literal(e)})` : expr(e, POSTFIX);
}

function rangeOf(from: ast.Expr, to: ast.Expr): string {
  return `${expr(from, RANGE + 1)}..${expr(to, RANGE + 1)}`;
}

function atom(e: ast.Expr): string {
  return e.kind === "name" || (tightness(e) === PRIMARY && isScalarLiteral(e)) ? bare(e) : `(${bare(e)})`;
}

function isScalarLiteral(e: ast.Expr): boolean {
  return ["number", "address", "prefix", "duration", "bool", "error"].includes(e.kind);
}

function fieldInits(fields: readonly ast.FieldInit[]): string {
  return fields.length === 0 ? "{}" : `{ ${fields.map((f) => `${f.name.text}: ${formatExpr(f.value)}`).join(", ")} }`;
}

type ScalarLiteral = Extract<ast.Expr, { kind: "number" | "address" | "prefix" | "duration" }>;

/** The literal as written where its place still spells it, else in its plainest form. */
function literal(e: ScalarLiteral): string {
  const written = textOf(e.span);
  if (/^[0-9A-Fa-f:][0-9A-Za-z_:./]*$/.test(written)) {
    const read = written.includes(":")
      ? readColonLiteral(written)
      : /^[0-9]/.test(written)
        ? readDigitLiteral(written)
        : null;
    if (read !== null && read.kind === e.kind && sameValue(read, e)) return written;
  }
  switch (e.kind) {
    case "number":
      return e.value.toString();
    case "duration":
      return `${e.nanoseconds}ns`;
    case "address":
      return address(e.type, e.value);
    case "prefix":
      return `${address(e.type, e.value)}/${e.length}`;
  }
}

function sameValue(a: object, b: object): boolean {
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  return Object.keys(left).every((key) => left[key] === right[key]);
}

function address(type: "ipv4" | "mac" | "ipv6", value: bigint): string {
  const [count, bits, radix, width, joiner] = {
    ipv4: [4, 8n, 10, 1, "."] as const,
    mac: [6, 8n, 16, 2, ":"] as const,
    ipv6: [8, 16n, 16, 1, ":"] as const,
  }[type];
  const parts = Array.from({ length: count }, (_, i) => {
    const shift = BigInt(count - 1 - i) * bits;
    return ((value >> shift) & ((1n << bits) - 1n)).toString(radix).padStart(width, "0");
  });
  return parts.join(joiner);
}

function string(s: ast.StringLiteral): string {
  const escapes: Record<string, string> = { "\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\" };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to escape.
  const text = s.value.replace(/["\\\u0000-\u001f\u007f]/g, (c) => {
    return escapes[c] ?? `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return `"${text}"`;
}
