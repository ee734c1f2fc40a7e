// Types of statements: names resolved to maps and fields, functions inlined, assignments turned into what they do. Gives the
// typed statements that presence analysis and lowering read. A statement with a fault gives a diagnostic and is left out.

import { must } from "../base/assert.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import type * as ast from "../parser/ast.ts";
import { checkCondition } from "./check-condition.ts";
import {
  arithmetic,
  bindCall,
  checkConstant,
  checkValue,
  checkValueAs,
  errorValue,
  instanceNamed,
  typed,
} from "./check-value.ts";
import { checkPatterns } from "./constant-set.ts";
import { type Context, DECLARATION_WORDS } from "./context.ts";
import { convert, maxOf } from "./conversion.ts";
import { mapOf } from "./declare.ts";
import { fieldOf, isCovered } from "./headers.ts";
import type {
  ArithmeticOp,
  Entry,
  Field,
  HCond,
  HExpr,
  HStmt,
  Instance,
  Local,
  MapSymbol,
  Place,
  VerdictName,
} from "./hir.ts";
import { accepts, conversionFor, parseFormat } from "./log-format.ts";
import * as messages from "./messages.ts";
import { bodiesOf } from "./presence.ts";
import type { Scope } from "./scope.ts";
import { sameType, typeName, U32 } from "./types.ts";

/** Arguments that trace_vprintk takes. **Source:** Linux include/linux/bpf.h, MAX_BPRINTF_VARARGS. */
const MOST_LOG_ARGS = 12;

/**
 * Steps that the turns of a loop may take in all. The verifier follows every turn, for each way there that it can't merge with
 * another (some 250 behind IPv6 extension headers), and gives up after a million instructions; a test on the way doubles what it
 * keeps open. **Source:** Linux kernel/bpf/verifier.c, BPF_COMPLEXITY_LIMIT_INSNS and BPF_COMPLEXITY_LIMIT_JMP_SEQ.
 */
const MOST_LOOP_WORK = 4096n;
/** What a test counts against other statements. */
const TEST_WORK = 16n;

/** Types a list of statements; names bound by `let` are known to those behind it. */
export function checkStatements(ctx: Context, scope: Scope, statements: readonly ast.Stmt[]): HStmt[] {
  const result: HStmt[] = [];
  let inner = scope;
  for (const statement of statements) {
    if (!ctx.unfold(statement.span)) return result;
    if (statement.kind === "let") {
      const value = typed(ctx, checkValue(ctx, inner, statement.value));
      const local: Local = { name: statement.name.text, type: value.type };
      inner = inner.with(local.name, { kind: "local", local });
      if (value.kind !== "error") result.push({ kind: "let", local, value, span: statement.span });
    } else for (const made of checkStatement(ctx, inner, statement)) result.push(made);
  }
  return result;
}

function checkBlock(ctx: Context, scope: Scope, block: ast.BlockBody | null): HStmt[] {
  return block === null ? [] : checkStatements(ctx, scope, block.statements);
}

function checkStatement(ctx: Context, scope: Scope, statement: ast.Stmt): readonly HStmt[] {
  const { span } = statement;
  const fault = (diagnostic: Diagnostic): [] => {
    ctx.diagnostics.add(diagnostic);
    return [];
  };
  switch (statement.kind) {
    case "error":
    case "let":
      return [];
    case "if":
      return checkIf(ctx, scope, statement);
    case "switch":
      return checkSwitch(ctx, scope, statement);
    case "for": {
      const from = checkConstant(ctx, scope, statement.from, "the start of a loop");
      const to = checkConstant(ctx, scope, statement.to, "the end of a loop");
      if (from === null || to === null) return [];
      if (from.value > to.value) return fault(messages.badRange(span, from.value, to.value));
      if (to.value >= 1n << 32n) return fault(messages.doesNotFit(statement.to.span, to.value, U32, (1n << 32n) - 1n));
      const local: Local = { name: statement.name.text, type: U32 };
      const body = checkBlock(ctx, scope.with(local.name, { kind: "local", local }), statement.body);
      const loop = { kind: "for", local, from: from.value, to: to.value, body, span } as const;
      const work = loopWork(loop);
      if (work > MOST_LOOP_WORK) return fault(messages.tooMuchLooping(span, to.value - from.value + 1n));
      return [loop];
    }
    case "assign":
      return checkAssign(ctx, scope, statement);
    case "verdict": {
      const { verdict } = statement.verdict;
      if (ctx.attach !== "xdp" && verdict === "tx") {
        return fault(
          messages.badVerdict(
            span,
            `a ${ctx.attach} program can't answer \`tx\``,
            "it can `pass` and `drop`; everything else drops the packet",
          ),
        );
      }
      return [{ kind: "verdict", verdict, span }];
    }
    case "redirect":
      return checkRedirect(ctx, scope, statement);
    case "log":
      return checkLog(ctx, scope, statement);
    case "count": {
      const target = statement.counter;
      const name = target.kind === "index" ? target.object : target;
      if (name.kind !== "name") return fault(messages.notAValue(target.span, "this", "name a counter: `count hits`"));
      const map = mapNamed(ctx, name.name, "counter", "a counter");
      if (map === null) return [];
      if (target.kind === "index" && map.key !== null) {
        const key = checkValueAs(ctx, scope, target.index, map.key);
        return key.kind === "error" ? [] : [{ kind: "count", map, key, span }];
      }
      if (target.kind === "index")
        return fault(
          messages.badMap(target.span, `\`${map.name}\` is a single counter`, { help: `write \`count ${map.name}\`` }),
        );
      if (map.key !== null)
        return fault(
          messages.badMap(target.span, `\`${map.name}\` counts per ${typeName(map.key)}`, {
            help: `write \`count ${map.name}[key]\``,
          }),
        );
      return [{ kind: "count", map, key: null, span }];
    }
    case "insert": {
      const map = mapNamed(ctx, statement.map, "set", "a set", "assign to a map's entry instead: `m[key] = value`");
      if (map === null || map.key === null) return [];
      const key = checkValueAs(ctx, scope, statement.key, map.key);
      return key.kind === "error"
        ? []
        : [{ kind: "mapUpdate", map, key, value: null, orElse: statement.orElse?.verdict ?? null, span }];
    }
    case "delete": {
      const map = mapNamed(ctx, statement.map, null, "a set or a map");
      if (map === null || map.key === null) return [];
      if (map.mapKind === "array" || map.mapKind === "percpu_array")
        return fault(
          messages.badMap(statement.map.span, `entries of an ${map.mapKind} can't be deleted`, {
            help: "assign zero, or use a hash",
          }),
        );
      const key = checkValueAs(ctx, scope, statement.key, map.key);
      return key.kind === "error" ? [] : [{ kind: "mapDelete", map, key, span }];
    }
    case "swap":
      return checkSwap(ctx, scope, statement);
    case "callStmt": {
      if (statement.call.kind !== "call")
        return fault(
          messages.notAValue(span, "this", "a statement starts with a word such as `if`, `count` or `drop`"),
        );
      const call = bindCall(ctx, scope, statement.call);
      if (call === null) return [];
      if (call.fn.body.kind === "expr")
        return fault(
          messages.badMap(span, `\`${call.fn.name.text}\` only gives a value: as a statement it does nothing`, {
            help: `use it: \`if ${call.fn.name.text}(…) then …\``,
          }),
        );
      const lets = call.lets
        .filter((l) => l.value.kind !== "error")
        .map((l): HStmt => ({ kind: "let", local: l.local, value: l.value, span }));
      return [...lets, ...checkBlock(ctx, call.scope, call.fn.body.block)];
    }
    case "flood":
      return fault(messages.notSupportedYet(span, "flood"));
    case "forward":
      return fault(messages.notSupportedYet(span, "forward"));
    case "tail":
      return fault(messages.notSupportedYet(span, "tail"));
    case "emit":
    case "sample":
      return fault(messages.notSupportedYet(span, "emit"));
    case "push":
    case "pop":
    case "encap":
    case "decap":
    case "trim":
      return fault(messages.notSupportedYet(span, "headChange"));
  }
}

/** The map a name stands for, of the given role (null: any that has keys); null with a diagnostic. */
function mapNamed(
  ctx: Context,
  name: ast.Name,
  role: MapSymbol["role"] | null,
  wanted: string,
  help?: string,
): MapSymbol | null {
  const decl = ctx.find(name.text, name.span);
  if (decl === null) return null;
  const before = ctx.diagnostics.all.length;
  const map = mapOf(ctx, decl);
  if (map === null && (ctx.diagnostics.all.length > before || /^(set|map|counter|target|limiter)Decl$/.test(decl.kind)))
    return null;
  if (map === null || (role === null ? map.key === null || map.role === "counter" : map.role !== role)) {
    ctx.diagnostics.add(
      messages.wrongKindOfName(name.text, name.span, DECLARATION_WORDS[decl.kind], wanted, decl.name.span, help),
    );
    return null;
  }
  return map;
}

// ------------------------------------------------------------------------------------------------------------ branching

function checkIf(ctx: Context, scope: Scope, statement: ast.IfStmt): readonly HStmt[] {
  // `else if` chains may be long: they are followed in a loop and built from the last back.
  const parts: { statement: ast.IfStmt; make: (rest: readonly HStmt[]) => readonly HStmt[] }[] = [];
  let rest: readonly HStmt[] = [];
  for (let at: ast.IfStmt | null = statement; at !== null; ) {
    const current: ast.IfStmt = at;
    parts.push({ statement: current, make: checkOneIf(ctx, scope, current) });
    const only: ast.Stmt | undefined = current.else?.statements[0];
    if (current.else !== null && current.else.statements.length === 1 && only?.kind === "if") at = only;
    else {
      rest = checkBlock(ctx, scope, current.else);
      at = null;
    }
  }
  for (const part of parts.reverse()) rest = part.make(rest);
  return rest;
}

function checkOneIf(ctx: Context, scope: Scope, statement: ast.IfStmt): (rest: readonly HStmt[]) => readonly HStmt[] {
  const { span, condition } = statement;
  if (condition.kind !== "ifLet") {
    const typedCondition = checkCondition(ctx, scope, condition);
    const then = checkBlock(ctx, scope, statement.then);
    return (rest) => [{ kind: "if", condition: typedCondition, then, else: rest, span }];
  }
  const target = condition.value;
  const bound =
    target.kind === "index" && target.object.kind === "name" ? { name: target.object.name, index: target.index } : null;
  const map = bound === null ? null : mapNamed(ctx, bound.name, "map", "a map");
  if (bound === null)
    ctx.diagnostics.add(
      messages.notAValue(target.span, "this", "`if let` binds a map's entry: `if let s = flows[key] then …`"),
    );
  const entry: Entry | null = map === null ? null : { name: condition.name.text, map };
  const key =
    bound === null || map === null || map.key === null
      ? errorValue(span)
      : checkValueAs(ctx, scope, bound.index, map.key);
  const inner = entry === null ? scope : scope.with(entry.name, { kind: "entry", entry });
  const then = checkBlock(ctx, inner, statement.then);
  return (rest) =>
    entry === null || key.kind === "error" ? [] : [{ kind: "ifLet", entry, key, then, else: rest, span }];
}

function checkSwitch(ctx: Context, scope: Scope, statement: ast.SwitchStmt): readonly HStmt[] {
  const subject = typed(ctx, checkValue(ctx, scope, statement.subject));
  const arms = statement.arms.map((arm) => ({
    set: subject.kind === "error" ? null : checkPatterns(ctx, scope, arm.patterns, subject),
    body: checkBlock(ctx, scope, arm.body),
    span: arm.span,
  }));
  const otherwise = checkBlock(ctx, scope, statement.else);
  if (subject.kind === "error") return [];
  const good = arms.flatMap((arm) => (arm.set === null ? [] : [{ ...arm, set: arm.set }]));
  return [{ kind: "switch", subject, arms: good, else: otherwise, span: statement.span }];
}

/** The steps of a loop over all its turns: its statements, loops in it with theirs, and the single tests of conditions, which weigh more. */
function loopWork(loop: HStmt & { kind: "for" }): bigint {
  let steps = 0n;
  const open: (readonly HStmt[])[] = [loop.body];
  for (let list = open.pop(); list !== undefined; list = open.pop()) {
    for (const statement of list) {
      if (statement.kind === "for") {
        steps += loopWork(statement);
        continue;
      }
      steps += statement.kind === "if" ? TEST_WORK * testsOf(statement.condition) : 1n;
      for (const body of bodiesOf(statement)) open.push(body);
    }
  }
  return (steps === 0n ? 1n : steps) * (loop.to - loop.from + 1n);
}

function testsOf(condition: HCond): bigint {
  let tests = 0n;
  const open = [condition];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (at.kind === "and" || at.kind === "or") open.push(at.a, at.b);
    else if (at.kind === "not") open.push(at.operand);
    else tests += at.kind === "inSet" && at.set.kind === "ranges" ? BigInt(at.set.written.length) : 1n;
  }
  return tests;
}

// ----------------------------------------------------------------------------------------------------------- assignment

function checkAssign(ctx: Context, scope: Scope, statement: ast.Stmt & { kind: "assign" }): readonly HStmt[] {
  const { target } = statement;
  const root = rootIndex(target);
  if (root !== null) return checkEntryAssign(ctx, scope, statement, root);
  const place = checkValue(ctx, scope, target);
  if (statement.orElse !== null && place.kind !== "error") {
    ctx.diagnostics.add(
      messages.cantAssign(target.span, "with `or`, only a map's entry", "take the fallback away: this can't fail"),
    );
    return [];
  }
  switch (place.kind) {
    case "error":
      checkValue(ctx, scope, statement.value);
      return [];
    case "field":
      return assignField(ctx, scope, statement, place);
    case "place":
      if (place.place.kind === "global" && place.place.symbol.section === ".rodata") {
        ctx.diagnostics.add(
          messages.cantAssign(
            target.span,
            `the config value \`${place.place.symbol.name}\``,
            "it is read-only once loaded; declare it with `var` to change it",
          ),
        );
        return [];
      }
      return assignPlace(ctx, scope, statement, place.place);
    case "local":
      ctx.diagnostics.add(
        messages.cantAssign(
          target.span,
          `\`${place.local.name}\``,
          "what `let` binds stays as it is; use a new `let`, or a `var`",
        ),
      );
      return [];
    default:
      ctx.diagnostics.add(messages.cantAssign(target.span, "this", "fields, globals and map entries can"));
      return [];
  }
}

/** `m[k]`, `m[k].f`, `m[k].f.g`: the innermost index of a map whose entry may be missing; null when the target is something else. */
function rootIndex(target: ast.Expr): (ast.Expr & { kind: "index" }) | null {
  let at = target;
  while (at.kind === "member") at = at.object;
  return at.kind === "index" && at.object.kind === "name" ? at : null;
}

function checkEntryAssign(
  ctx: Context,
  scope: Scope,
  statement: ast.Stmt & { kind: "assign" },
  root: ast.Expr & { kind: "index" },
): readonly HStmt[] {
  const { span, target } = statement;
  if (instanceNamed(ctx, scope, root) !== null) {
    const place = checkValue(ctx, scope, target);
    return place.kind === "field" ? assignField(ctx, scope, statement, place) : [];
  }
  const map =
    root.object.kind === "name"
      ? mapNamed(ctx, root.object.name, "map", "a map", "put a key into a set with `insert`")
      : null;
  if (map === null || map.key === null || map.value === null) return [];
  const key = checkValueAs(ctx, scope, root.index, map.key);
  if (key.kind === "error") return [];
  const dense = map.mapKind === "array" || map.mapKind === "percpu_array";
  if (dense && key.kind === "const") {
    const place = checkValue(ctx, scope, target);
    return place.kind === "place" ? assignPlace(ctx, scope, statement, place.place) : [];
  }
  if (statement.op === "=" && target === root) {
    const value = checkValueAs(ctx, scope, statement.value, map.value);
    return value.kind === "error"
      ? []
      : [{ kind: "mapUpdate", map, key, value, orElse: statement.orElse?.verdict ?? null, span }];
  }
  if (statement.orElse !== null) {
    ctx.diagnostics.add(
      messages.cantAssign(target.span, "with `or`, only a whole entry", "write `if let entry = … then … else …`"),
    );
    return [];
  }
  // An update where there is an entry: bind it, then assign to the bound place.
  const entry: Entry = { name: map.name, map };
  const bound = scope.with(" entry", { kind: "entry", entry });
  const place = checkValue(ctx, bound, onEntry(target, root));
  if (place.kind !== "place") return [];
  const then = assignPlace(ctx, scope, statement, place.place);
  return then.length === 0 ? [] : [{ kind: "ifLet", entry, key, then, else: [], span }];
}

/** The target with the map's entry replaced by the bound name. */
function onEntry(target: ast.Expr, root: ast.Expr): ast.Expr {
  if (target === root) return { kind: "name", name: { text: " entry", span: root.span }, span: root.span };
  if (target.kind !== "member") return target;
  return { ...target, object: onEntry(target.object, root) };
}

function assignPlace(
  ctx: Context,
  scope: Scope,
  statement: ast.Stmt & { kind: "assign" },
  place: Place,
): readonly HStmt[] {
  const { span, op } = statement;
  if (op === "=") {
    const value = checkValueAs(ctx, scope, statement.value, place.type);
    return value.kind === "error" ? [] : [{ kind: "store", place, value, span }];
  }
  const { type } = place;
  const amount = checkValue(ctx, scope, statement.value);
  if (amount.kind === "error") return [];
  if ((op === "+=" || op === "-=") && type.kind === "int") {
    const value = convert(ctx, amount, type);
    if (value.kind === "error") return [];
    const shared = place.kind === "global" || !isPerCpu(place.kind === "entry" ? place.entry.map : place.map);
    if (shared && type.bits < 32) {
      ctx.diagnostics.add(messages.narrowIncrement(statement.target.span, type));
      return [];
    }
    if (shared || op === "+=") {
      const added = op === "+=" ? value : arithmetic(ctx, "-", { kind: "const", value: 0n, type, span }, value, span);
      return [{ kind: "add", place, value: added, span }];
    }
  }
  const value = arithmetic(
    ctx,
    op.slice(0, -1) as ArithmeticOp,
    { kind: "place", place, type, span: statement.target.span },
    amount,
    span,
  );
  const converted = convert(ctx, value, type);
  return converted.kind === "error" ? [] : [{ kind: "store", place, value: converted, span }];
}

function isPerCpu(map: MapSymbol): boolean {
  return map.mapKind.startsWith("percpu") || map.mapKind === "lru_percpu_hash";
}

function assignField(
  ctx: Context,
  scope: Scope,
  statement: ast.Stmt & { kind: "assign" },
  target: HExpr & { kind: "field" },
): readonly HStmt[] {
  const { span } = statement;
  const { instance, field } = target;
  if (isCovered(ctx, field)) {
    ctx.diagnostics.add(messages.notSupportedYet(statement.target.span, "checksumField"));
    return [];
  }
  const read: HExpr = { ...target, span: statement.target.span };
  const raw = checkValue(ctx, scope, statement.value);
  const value =
    statement.op === "=" ? raw : arithmetic(ctx, statement.op.slice(0, -1) as ArithmeticOp, read, raw, span);
  const widened =
    value.type.kind === "bool" && field.bitWidth === 1
      ? ({ kind: "cast", value, type: field.type, span: value.span } as const)
      : value;
  const converted = convert(ctx, widened, field.type);
  if (converted.kind === "error") return [];
  const most = (1n << BigInt(field.bitWidth)) - 1n;
  if (field.bitWidth <= 64 && maxOf(converted) > most) {
    const known = converted.kind === "const" ? converted.value : null;
    ctx.diagnostics.add(messages.doesNotFitField(statement.value.span, known, field.name, field.bitWidth));
    return [];
  }
  return [{ kind: "setField", instance, field, value: converted, span }];
}

function checkSwap(ctx: Context, scope: Scope, statement: ast.Stmt & { kind: "swap" }): readonly HStmt[] {
  const a = swapField(ctx, scope, statement.a);
  const b = swapField(ctx, scope, statement.b);
  if (a === null || b === null) return [];
  const whole = (f: Field): boolean => f.bitOffset % 8 === 0 && f.bitWidth % 8 === 0;
  if (
    !sameType(a.field.type, b.field.type) ||
    a.field.bitWidth !== b.field.bitWidth ||
    !whole(a.field) ||
    !whole(b.field)
  ) {
    ctx.diagnostics.add(
      messages.typeMismatch(statement.b.span, b.field.type, a.field.type, {
        label: "`swap` takes two whole fields of one type",
      }),
    );
    return [];
  }
  // The sum of a header doesn't change when two of its 16-bit words change places.
  const sameHeader =
    a.instance === b.instance && a.field.bitOffset % 16 === b.field.bitOffset % 16 && a.field.bitWidth % 16 === 0;
  for (const one of [a, b]) {
    const inSum = one.field.covered === "summed" || one.field.covered === "address";
    if (isCovered(ctx, one.field) && !(inSum && sameHeader)) {
      ctx.diagnostics.add(
        messages.notSupportedYet(statement.span, "checksumField", "two fields of one header may be swapped"),
      );
      return [];
    }
  }
  return [{ kind: "swap", instanceA: a.instance, a: a.field, instanceB: b.instance, b: b.field, span: statement.span }];
}

function swapField(ctx: Context, scope: Scope, expr: ast.Expr): { instance: Instance; field: Field } | null {
  const instance = expr.kind === "member" ? instanceNamed(ctx, scope, expr.object) : null;
  if (instance === null || expr.kind !== "member") {
    ctx.diagnostics.add(messages.notAValue(expr.span, "this", "`swap` takes two fields: `swap eth.saddr, eth.daddr`"));
    return null;
  }
  const field = fieldOf(ctx, instance.header, expr.member);
  return field === null ? null : { instance, field };
}

// -------------------------------------------------------------------------------------------------------------- actions

function checkRedirect(ctx: Context, scope: Scope, statement: ast.RedirectStmt): readonly HStmt[] {
  const { span, target } = statement;
  const orElse: VerdictName | null = statement.orElse?.verdict ?? null;
  if (target.kind === "device") {
    ctx.diagnostics.add(messages.notSupportedYet(span, "redirectDevice", "use a devmap of one entry"));
    return [];
  }
  if (ctx.attach === "devmap") {
    ctx.diagnostics.add(
      messages.badVerdict(
        span,
        "a devmap program can't redirect",
        "it can `pass` and `drop`; everything else drops the packet",
      ),
    );
    return [];
  }
  const map = mapNamed(
    ctx,
    target.map,
    "target",
    "a map of redirect targets",
    "declare it with `xskmap`, `devmap`, `devmap_hash` or `cpumap`",
  );
  if (map === null) return [];
  if (target.key === null) {
    if (map.mapKind === "xskmap") return [{ kind: "redirect", map, key: null, orElse, span }];
    ctx.diagnostics.add(
      messages.badMap(target.map.span, `to which entry of \`${map.name}\`?`, {
        help: `write \`redirect ${map.name}[key]\``,
      }),
    );
    return [];
  }
  const key = checkValueAs(ctx, scope, target.key, U32);
  return key.kind === "error" ? [] : [{ kind: "redirect", map, key, orElse, span }];
}

function checkLog(ctx: Context, scope: Scope, statement: ast.Stmt & { kind: "log" }): readonly HStmt[] {
  const { format, span } = statement;
  const parsed = parseFormat(format.value);
  const args = statement.args.map((a) => typed(ctx, checkValue(ctx, scope, a)));
  if ("error" in parsed) {
    ctx.diagnostics.add(
      messages.badFormat(
        format.span,
        parsed.error,
        "numbers print with %u, %d, %x (64 bits: %llu), addresses with %pI4, %pI6c; a percent sign is %%",
      ),
    );
    return [];
  }
  if (format.value.includes("\0")) {
    ctx.diagnostics.add(messages.badFormat(format.span, "a format can't hold a zero byte"));
    return [];
  }
  if (args.some((a) => a.kind === "error")) return [];
  if (parsed.conversions.length !== args.length || args.length > MOST_LOG_ARGS) {
    ctx.diagnostics.add(
      messages.wrongCount(
        format.span,
        "this format",
        `${parsed.conversions.length} value${parsed.conversions.length === 1 ? "" : "s"} (at most ${MOST_LOG_ARGS})`,
        args.length,
      ),
    );
    return [];
  }
  for (const [i, conversion] of parsed.conversions.entries()) {
    const arg = must(args[i], "an argument");
    if (accepts(conversion, arg.type)) continue;
    const better = conversionFor(arg.type);
    ctx.diagnostics.add(
      messages.badFormat(
        arg.span,
        `\`${conversion.text}\` can't print a ${typeName(arg.type)}`,
        `write \`${better}\` in the format`,
      ),
    );
    return [];
  }
  return [{ kind: "log", format: format.value, args, span }];
}
