// The front half of a compilation: text to syntax tree, imports, names, types, presence. compile.ts goes on from here; an editor stops
// here and asks for the facts too (analyse). Gives a result for every text, however broken, and reads no files itself.

import type { Diagnostic } from "./base/diagnostic.ts";
import { SourceFile } from "./base/source.ts";
import type { CompileHost } from "./compile.ts";
import { type Followed, followImports } from "./imports.ts";
import { checkModule } from "./ir/check-module.ts";
import { checkFills } from "./ir/check-test.ts";
import { Context } from "./ir/context.ts";
import { Facts } from "./ir/facts.ts";
import { HeaderGraph } from "./ir/header-graph.ts";
import type { HModule } from "./ir/hir.ts";
import type { HFill } from "./ir/hir-test.ts";
import { lintProgram } from "./ir/lints.ts";
import { planParsing } from "./ir/lower/parse-plan.ts";
import { checkPresence } from "./ir/presence.ts";
import type * as ast from "./parser/ast.ts";
import { parse } from "./parser/parse.ts";

/** Runs a pass, and may tell somebody what it made and how long it took. */
export type Step = <T>(pass: string, program: string | null, run: () => T, dump?: (result: T) => string) => T;

/** What the front half needs of CompileOptions. */
export interface FrontOptions {
  readonly host: CompileHost;
  readonly defines: ReadonlyMap<string, string>;
  readonly setUp?: readonly string[];
}

/** What the front half made; faults are in `ctx.diagnostics`. */
export interface Front {
  readonly ctx: Context;
  readonly followed: Followed;
  readonly module: HModule;
  readonly setUp: readonly HFill[];
}

/** Parses, follows the imports, types and proves. */
export function frontHalf(source: SourceFile, options: FrontOptions, step: Step): Front {
  const parsed = step(
    "parse",
    null,
    () => parse(source),
    (r) => astText(r.file),
  );
  const followed = step("imports", null, () => followImports(parsed.file, options.host, parseOnce));
  const ctx = new Context(parseDefines(options.defines, parsed.diagnostics));
  for (const d of [...parsed.diagnostics, ...followed.diagnostics]) ctx.diagnostics.add(d);
  const module = step("types", null, () => checkModule(ctx, followed.sources));
  const setUp = checkSetUp(ctx, options.setUp ?? []);
  prove(ctx, module, step);
  return { ctx, followed, module, setUp };
}

function prove(ctx: Context, module: HModule, step: Step): void {
  const graph = new HeaderGraph(module.headers);
  for (const program of module.programs) step("presence", program.name, () => checkPresence(ctx, program, graph));
}

/** What is known of a file without making code of it. */
export interface Analysis {
  /** The main file's tree. */
  readonly file: ast.File;
  readonly followed: Followed;
  /** All that was found, lints too where there are no errors; also in imported files. */
  readonly diagnostics: readonly Diagnostic[];
  /** Names, headers, maps, structs as the checker knows them. */
  readonly context: Context;
  readonly facts: Facts;
  /** null where a fault of ours ended the work early. */
  readonly module: HModule | null;
  /** A fault of ours, for the log: the rest is what was known until then. */
  readonly fault: unknown;
}

/** Analyses a file for an editor, with the facts; never throws. */
export function analyse(source: SourceFile, host: CompileHost): Analysis {
  const parsed = parseOnce(source);
  const context = new Context(new Map());
  const facts = new Facts();
  context.facts = facts;
  let followed: Followed = nothingFollowed(parsed.file);
  let module: HModule | null = null;
  let fault: unknown = null;
  try {
    for (const d of parsed.diagnostics) context.diagnostics.add(d);
    followed = followImports(parsed.file, host, parseOnce);
    for (const d of followed.diagnostics) context.diagnostics.add(d);
    for (const { span, source } of followed.links) facts.use(span, { kind: "file", source });
    module = checkModule(context, followed.sources);
    prove(context, module, (_pass, _program, run) => run());
    if (!context.diagnostics.hasErrors)
      for (const program of module.programs) lintProgram(context, program, planParsing(program.body, module.headers));
  } catch (error) {
    fault = error;
  }
  // Whoever asks the context more may find more faults; those of the text are these.
  const diagnostics = [...context.diagnostics.all];
  return { file: parsed.file, followed, diagnostics, context, facts, module, fault };
}

function nothingFollowed(main: ast.File): Followed {
  const sources = { main, imported: [], library: [], setFiles: new Map() };
  return { sources, files: [main.source], links: [], diagnostics: [] };
}

const parsedFiles = new WeakMap<SourceFile, ReturnType<typeof parse>>();

/** Parses a file, or gives what was made of the same one earlier in this process (the library's). */
function parseOnce(source: SourceFile): ReturnType<typeof parse> {
  const known = parsedFiles.get(source);
  if (known !== undefined) return known;
  const parsed = parse(source);
  parsedFiles.set(source, parsed);
  return parsed;
}

/** The expressions of `-D NAME=VALUE`; faults in them go to `diagnostics`. */
function parseDefines(defines: ReadonlyMap<string, string>, diagnostics: Diagnostic[]): ReadonlyMap<string, ast.Expr> {
  const result = new Map<string, ast.Expr>();
  for (const [name, value] of defines) {
    const { file, diagnostics: faults } = parse(new SourceFile(`<-D ${name}>`, `const ${name} = ${value}`));
    diagnostics.push(...faults);
    const decl = file.items[0];
    if (decl?.kind === "constDecl") result.set(name, decl.value);
  }
  return result;
}

/** The statements of the option `setUp`; faults in them are the user's. */
function checkSetUp(ctx: Context, written: readonly string[]): readonly HFill[] {
  return written.flatMap((text) => {
    const { file, diagnostics: faults } = parse(new SourceFile("<--map>", `test "" {\n${text}\n}`));
    for (const fault of faults) ctx.diagnostics.add(fault);
    const [decl] = file.items;
    return faults.length > 0 || decl?.kind !== "testDecl" ? [] : checkFills(ctx, decl.steps);
  });
}

function astText(file: ast.File): string {
  const plain = (key: string, value: unknown): unknown => {
    if (key === "source" || key === "words") return undefined;
    if (key === "span") return `${(value as { start: number }).start}-${(value as { end: number }).end}`;
    return typeof value === "bigint" ? `${value}` : value;
  };
  return `${JSON.stringify(file, plain, 2)}\n`;
}
