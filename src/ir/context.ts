// What the phases from names to types share: the table of declared names, the diagnostics, and the memory of what has been
// worked out already. One per compilation.

import { Diagnostics } from "../base/diagnostic.ts";
import type { Span } from "../base/source.ts";
import { nearest } from "../base/suggest.ts";
import type * as ast from "../parser/ast.ts";
import type { Facts } from "./facts.ts";
import type { ConstantSet, GlobalSymbol, HExpr, Header, MapSymbol } from "./hir.ts";
import { tooMuchInlining, unknownName } from "./messages.ts";
import type { SetFile } from "./set-file.ts";
import type { Type } from "./types.ts";

/** A declaration that has a name. */
export type NamedDecl =
  | ast.SetDecl
  | ast.MapDecl
  | ast.CounterDecl
  | ast.LimiterDecl
  | ast.TargetDecl
  | ast.ConstDecl
  | ast.ConstSetDecl
  | ast.ConfigDecl
  | ast.VarDecl
  | ast.StructDecl
  | ast.FnDecl
  | ast.ProgramDecl
  | ast.HeaderDecl;

/** How a kind of declaration is called in messages. */
export const DECLARATION_WORDS: Readonly<Record<NamedDecl["kind"], string>> = {
  setDecl: "a set",
  mapDecl: "a map",
  counterDecl: "a counter",
  limiterDecl: "a limiter",
  targetDecl: "a map of redirect targets",
  constDecl: "a constant",
  constSetDecl: "a constant set",
  configDecl: "a config value",
  varDecl: "a global variable",
  structDecl: "a struct",
  fnDecl: "a function",
  programDecl: "a program",
  headerDecl: "a header",
};

/**
 * What a program may be made of once functions are inlined: statements, calls of expression functions, arguments put into them. The
 * passes take some twenty seconds for that many; the verifier would give up long before on rules that don't share a field.
 */
const MOST_UNFOLDED = 50_000;

/** The state of one compilation's front end. */
export class Context {
  readonly diagnostics = new Diagnostics();
  /** Where what is found out is recorded for the editor; null: nowhere. */
  facts: Facts | null = null;
  /** The user's names, and the library's that they don't shadow. */
  readonly names = new Map<string, NamedDecl>();
  /** Every header by its declaration. */
  readonly headers = new Map<ast.HeaderDecl, Header>();
  /** Whether all headers are there, with their edges and sizes. */
  headersBuilt = false;
  /** The headers inside tunnels, by what they are like; null until a rule names one. */
  innerHeaders: ReadonlyMap<Header, Header> | null = null;
  /** The library's functions, by name: what statements stand for, whatever the user calls his own. */
  readonly libraryFunctions = new Map<string, ast.FnDecl>();
  /** The devices that `redirect dev` names: config values that a loader fills with their indexes. */
  readonly devices = new Map<string, GlobalSymbol>();
  readonly structs = new Map<ast.StructDecl, Type>();
  readonly maps = new Map<NamedDecl, MapSymbol>();
  readonly globals = new Map<NamedDecl, GlobalSymbol>();
  /** The most bytes of a packet that a sample for a ring buffer has; 0 where there is none. */
  sampledBytes = 0;
  /** Where a program first redirects to a device; null where none does. */
  toDevice: Span | null = null;
  /** The buffers that rules send events to, in the order of the rules. */
  readonly eventBuffers: MapSymbol[] = [];
  /** What the first program that goes on by each map of programs is: the kernel takes only its like for the map's others. */
  readonly tails = new Map<MapSymbol, { readonly attach: string | null; readonly frags: boolean }>();
  /** The values of constants; an error value after a fault, so that it is told once. */
  readonly constants = new Map<NamedDecl, HExpr>();
  /** The files of constant sets that could be read. */
  setFiles: ReadonlyMap<ast.ConstSetDecl, SetFile> = new Map();
  /** Constant sets by the names of their members' types; null after a fault. */
  readonly constantSets = new Map<ast.ConstSetDecl, Map<string, ConstantSet | null>>();
  /** Constants and structs whose meaning is being worked out: meeting one again is a circle. */
  readonly busy = new Set<NamedDecl>();
  /** Values given from outside for consts, by name. */
  readonly defines: ReadonlyMap<string, ast.Expr>;
  /** What the program being typed is attached to: decides what it may read and answer. null: a function of any program. */
  attach: "xdp" | "devmap" | "cpumap" | null = "xdp";
  /** Whether the program being typed takes packets of several buffers. */
  frags = false;
  /** The functions that something calls. */
  readonly called = new Set<ast.FnDecl>();
  /** What inlining has made so far. */
  #unfolded = 0;

  constructor(defines: ReadonlyMap<string, ast.Expr>) {
    this.defines = defines;
  }

  /** Counts what inlining makes; false from the limit on, with one diagnostic at `span` when it is passed. */
  unfold(span: Span, amount = 1): boolean {
    const before = this.#unfolded;
    this.#unfolded += amount;
    if (this.#unfolded <= MOST_UNFOLDED) return true;
    if (before <= MOST_UNFOLDED) this.diagnostics.add(tooMuchInlining(span, MOST_UNFOLDED));
    return false;
  }

  /** The declaration of `name`, or null with a diagnostic that suggests the nearest known name. */
  find(name: string, span: Span, also: Iterable<string> = []): NamedDecl | null {
    const decl = this.names.get(name);
    this.facts?.useDeclaration(span, decl);
    if (decl !== undefined) return decl;
    this.diagnostics.add(unknownName(name, span, nearest(name, [...also, ...this.names.keys()])));
    return null;
  }
}
