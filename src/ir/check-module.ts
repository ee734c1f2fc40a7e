// From the files of a compilation to the typed module: collects names, builds the headers, finds the programs and types
// their statements. The entry of the front end behind the parser; imports have been followed already (imports.ts).

import { nearest } from "../base/suggest.ts";
import type { RunConfig } from "../bpf/object.ts";
import type * as ast from "../parser/ast.ts";
import { BEYOND_MAP } from "./beyond.ts";
import { checkCondition, isConditional } from "./check-condition.ts";
import { checkStatements } from "./check-statement.ts";
import { checkTests } from "./check-test.ts";
import { checkConstant, checkValue } from "./check-value.ts";
import { memberType, setOf } from "./constant-set.ts";
import type { Context, NamedDecl } from "./context.ts";
import { globalOf, mapOf, typeOf } from "./declare.ts";
import { buildHeaders } from "./headers.ts";
import type { GlobalSymbol, HModule, HProgram, MapSymbol, VerdictName } from "./hir.ts";
import { allHeaders } from "./inner.ts";
import { lostMap } from "./lost.ts";
import * as messages from "./messages.ts";
import { vethPeer } from "./messages-loading.ts";
import { SAMPLE_MAP, sampleMap } from "./sample.ts";
import { type Binding, Scope } from "./scope.ts";
import type { SetFile } from "./set-file.ts";
import { checkStaticPrograms } from "./static-programs.ts";

/** The files of a compilation. */
export interface Sources {
  readonly main: ast.File;
  /** The user's imported files, in order of import. */
  readonly imported: readonly ast.File[];
  /** The library's files: those with headers, and those imported by name. */
  readonly library: readonly ast.File[];
  /** The files of constant sets; what couldn't be read is missing, and told. */
  readonly setFiles: ReadonlyMap<ast.ConstSetDecl, SetFile>;
}

/** `priority` of a program that names only `chain`. **Source:** libxdp, XDP_DEFAULT_RUN_PRIO. */
const DEFAULT_PRIORITY = 50;
/** **Source:** Linux include/uapi/linux/bpf.h, BPF_OBJ_NAME_LEN, without the closing zero. */
const KERNEL_NAME_LENGTH = 15;
/** **Source:** Linux kernel/bpf/btf.c, __btf_name_valid (KSYM_NAME_LEN at first). */
const MOST_NAME_LENGTH = 127;
const CHAIN_NAMES = { pass: "XDP_PASS", drop: "XDP_DROP", tx: "XDP_TX", aborted: "XDP_ABORTED" } as const;

/** Types everything; faults are in ctx.diagnostics. */
export function checkModule(ctx: Context, sources: Sources): HModule {
  const users = [sources.main, ...sources.imported];
  ctx.setFiles = sources.setFiles;
  declareNames(ctx, sources.library, users);
  const headers = [
    ...sources.library.map((file) => ({ file, library: true })),
    ...users.map((file) => ({ file, library: false })),
  ];
  buildHeaders(
    ctx,
    headers.flatMap(({ file, library }) =>
      file.items.filter((i) => i.kind === "headerDecl").map((decl) => ({ decl, library })),
    ),
  );
  const maps: MapSymbol[] = [];
  const globals: GlobalSymbol[] = [];
  for (const decl of users.flatMap((file) => file.items)) {
    switch (decl.kind) {
      case "setDecl":
      case "mapDecl":
      case "counterDecl":
      case "targetDecl":
      case "limiterDecl": {
        const map = mapOf(ctx, decl);
        if (map !== null) maps.push(map);
        break;
      }
      case "configDecl":
      case "varDecl":
        globals.push(globalOf(ctx, decl));
        break;
      case "structDecl":
        typeOf(ctx, { kind: "namedType", name: decl.name, span: decl.name.span });
        break;
      case "constDecl":
        checkConst(ctx, decl);
        break;
      case "constSetDecl":
        checkConstantSet(ctx, decl);
        break;
      default:
        break;
    }
  }
  for (const [name, value] of ctx.defines) {
    if (ctx.names.get(name)?.kind === "constDecl") continue;
    const consts = [...ctx.names].filter(([, decl]) => decl.kind === "constDecl").map(([known]) => known);
    ctx.diagnostics.add(messages.unusedDefine(value.span, name, nearest(name, consts)));
  }
  const license = sources.main.items.findLast((i) => i.kind === "licenseDecl")?.value.value ?? "GPL";
  const programs = programsOf(ctx, sources.main);
  for (const decl of users.flatMap((file) => file.items)) {
    if (decl.kind === "fnDecl" && !ctx.called.has(decl)) checkUncalled(ctx, decl);
  }
  checkStaticPrograms(ctx, maps, programs);
  const tests = checkTests(
    ctx,
    sources.main.items.filter((i) => i.kind === "testDecl"),
    programs,
  );
  if (ctx.toDevice !== null) ctx.diagnostics.add(vethPeer(ctx.toDevice));
  const lost = lostMap(ctx, sources.main.span);
  if (lost !== null) maps.push(lost);
  if (ctx.sampledBytes > 0) maps.push(sampleMap(ctx.sampledBytes, sources.main.span));
  globals.push(...ctx.devices.values());
  return { license, programs, maps, globals, headers: allHeaders(ctx), tests };
}

function isNamed(item: ast.Decl | ast.Stmt): item is NamedDecl {
  return "name" in item && item.kind.endsWith("Decl");
}

/** The user's names shadow the library's; two of the user's own clash. */
function declareNames(ctx: Context, library: readonly ast.File[], users: readonly ast.File[]): void {
  for (const item of library.flatMap((file) => file.items)) {
    if (!isNamed(item) || (item.kind === "headerDecl" && item.body === null)) continue;
    ctx.names.set(item.name.text, item);
    if (item.kind === "fnDecl") ctx.libraryFunctions.set(item.name.text, item);
    if (item.kind === "headerDecl" && item.alias !== null) ctx.names.set(item.alias.text, item);
  }
  const own = new Map<string, NamedDecl>();
  for (const item of users.flatMap((file) => file.items)) {
    if (!isNamed(item) || (item.kind === "headerDecl" && item.body === null)) continue;
    const names = item.kind === "headerDecl" && item.alias !== null ? [item.name, item.alias] : [item.name];
    for (const name of names) {
      const isMap = MAP_DECLARATIONS.has(item.kind);
      checkLength(ctx, name, isMap);
      if (isMap && OWN_MAPS.has(name.text)) ctx.diagnostics.add(messages.ownMapName(name.text, name.span));
      const first = own.get(name.text);
      if (first !== undefined) ctx.diagnostics.add(messages.duplicateName(name.text, name.span, first.name.span));
      else {
        own.set(name.text, item);
        ctx.names.set(name.text, item);
      }
    }
  }
}

/** Maps that are made where a program needs them. */
const OWN_MAPS: ReadonlySet<string> = new Set([BEYOND_MAP, SAMPLE_MAP]);

const MAP_DECLARATIONS: ReadonlySet<string> = new Set([
  "setDecl",
  "mapDecl",
  "counterDecl",
  "targetDecl",
  "limiterDecl",
]);

function checkLength(ctx: Context, name: ast.Name, isMap: boolean): void {
  if (name.text.length > MOST_NAME_LENGTH) ctx.diagnostics.add(messages.longName(name.span, MOST_NAME_LENGTH));
  else if (isMap && name.text.length > KERNEL_NAME_LENGTH)
    ctx.diagnostics.add(messages.cutName(name.span, KERNEL_NAME_LENGTH));
}

/** Constants are typed where they are used; here one that nobody uses is looked at too. */
function checkConst(ctx: Context, decl: ast.ConstDecl): void {
  if (decl.value.kind === "name") ctx.facts?.useDeclaration(decl.value.span, ctx.names.get(decl.value.name.text));
  if (
    decl.value.kind === "setLiteral" ||
    decl.value.kind === "range" ||
    decl.value.kind === "prefix" ||
    decl.value.kind === "name"
  )
    return;
  checkConstant(ctx, Scope.global, decl.value, `the value of \`${decl.name.text}\``);
}

/** A constant set is typed once for its own type, used or not; one without a type takes those of its uses. */
function checkConstantSet(ctx: Context, decl: ast.ConstSetDecl): void {
  const type = memberType(ctx, decl);
  if (type !== null && type.kind !== "error") setOf(ctx, decl, type);
}

/** A function that nobody calls is typed for its faults, with its parameters bound to names; what is called is typed where it is. */
function checkUncalled(ctx: Context, decl: ast.FnDecl): void {
  const bindings = decl.params.map((param): [string, Binding] => {
    const local = { name: param.name.text, type: typeOf(ctx, param.type) };
    const binding: Binding = { kind: "local", local, declared: param.name };
    ctx.facts?.bind(binding);
    return [local.name, binding];
  });
  const scope = Scope.ofFunction(decl, new Map(bindings), Scope.global);
  ctx.attach = null;
  if (decl.body.kind !== "expr") checkStatements(ctx, scope, decl.body.block.statements);
  else if (isConditional(ctx, decl.body.value)) checkCondition(ctx, scope, decl.body.value);
  else checkValue(ctx, scope, decl.body.value);
}

function programsOf(ctx: Context, main: ast.File): HProgram[] {
  const blocks = main.items.filter((i) => i.kind === "programDecl");
  const rules: ast.Stmt[] = main.items.filter((i): i is ast.Stmt => !i.kind.endsWith("Decl"));
  const fallback = main.items.findLast((i) => i.kind === "defaultDecl")?.verdict.verdict ?? "pass";
  const first = blocks[0];
  if (first === undefined) {
    if (rules.length === 0 && !ctx.diagnostics.hasErrors) ctx.diagnostics.add(messages.noProgram(main.span));
    ctx.attach = "xdp";
    ctx.frags = false;
    const body = checkStatements(ctx, Scope.global, rules);
    return [
      {
        name: `xdp_${stemOf(main.source.path)}`.slice(0, MOST_NAME_LENGTH),
        section: "xdp",
        attach: "xdp",
        frags: false,
        default: fallback,
        runConfig: null,
        body,
        span: main.span,
      },
    ];
  }
  const stray = rules[0];
  if (stray !== undefined && stray.kind !== "error")
    ctx.diagnostics.add(messages.rulesBesidePrograms(stray.span, first.name.span));
  return blocks.map((block) => programOf(ctx, block, fallback));
}

function programOf(ctx: Context, decl: ast.ProgramDecl, fallback: VerdictName): HProgram {
  let section: string | null = null;
  let attach: HProgram["attach"] = "xdp";
  let frags = false;
  let priority: number | null = null;
  let chain: RunConfig["chainOn"] | null = null;
  for (const attribute of decl.attributes) {
    switch (attribute.kind) {
      case "section":
        section = attribute.value.value;
        if (!/^[A-Za-z0-9_./-]+$/.test(section) || section.length > 64) {
          ctx.diagnostics.add(
            messages.badProgram(attribute.value.span, "a section's name is made of letters, digits and `_ . / -`"),
          );
        }
        break;
      case "frags":
        frags = true;
        break;
      case "devmap":
      case "cpumap":
        attach = attribute.kind;
        break;
      case "priority": {
        const value = checkConstant(ctx, Scope.global, attribute.value, "the priority");
        if (value !== null && value.value <= 0x7fffffffn) priority = Number(value.value);
        else if (value !== null)
          ctx.diagnostics.add(messages.badProgram(attribute.value.span, "a priority is 0 to 2147483647"));
        break;
      }
      case "chain":
        chain = attribute.verdicts.map((v) => CHAIN_NAMES[v.verdict]);
        break;
    }
  }
  const own = decl.body.findLast((i) => i.kind === "defaultDecl")?.verdict.verdict ?? fallback;
  const statements = decl.body.filter((i): i is ast.Stmt => i.kind !== "defaultDecl");
  const kind = `xdp${frags ? ".frags" : ""}`;
  ctx.attach = attach;
  ctx.frags = frags;
  const runConfig =
    priority === null && chain === null
      ? null
      : { priority: priority ?? DEFAULT_PRIORITY, chainOn: chain ?? ["XDP_PASS" as const] };
  return {
    name: decl.name.text,
    section: section ?? (attach === "xdp" ? kind : `${kind}/${attach}`),
    attach,
    frags,
    default: own,
    runConfig,
    body: checkStatements(ctx, Scope.global, statements),
    span: decl.span,
  };
}

/** A file's stem as a C identifier. */
function stemOf(path: string): string {
  const base = path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
  const dot = base.lastIndexOf(".");
  return (dot > 0 ? base.slice(0, dot) : base).replace(/[^A-Za-z0-9_]/g, "_");
}
