// What the type checker and presence analysis find out and the typed program doesn't keep: what each name in the text means, the
// value each expression has, the names and headers known at each statement. Filled by those phases as they work, where somebody (the
// editor's server) asked for it by giving the context a `Facts`; a plain compilation has none and pays nothing. Knows no editor.
//
// For readers: functions are inlined while they are typed, so one place in a function's body is met once for each call, and a faulty
// place may never be met. The first that is met is kept, of values the first that is no error; what is proven is what every call
// proves. Tables are keyed by nodes of the syntax tree, or by the span objects that statements of the typed program share with it.

import type { SourceFile, Span } from "../base/source.ts";
import type * as ast from "../parser/ast.ts";
import type { NamedDecl } from "./context.ts";
import type { ConstantSet, Field, GlobalSymbol, HExpr, HStmt, Instance, MetaName } from "./hir.ts";
import type { Binding, Scope } from "./scope.ts";
import type { StructField, Type } from "./types.ts";

/** What a name stands for. */
export type Meaning =
  /** A declaration of a file: the user's or the library's, headers among them (`inner.ip` means the declaration of `ip`). */
  | { readonly kind: "declaration"; readonly decl: NamedDecl }
  /** A field or named bit of a header. */
  | { readonly kind: "field"; readonly field: Field }
  /** A field of a struct; `decl` is null for structs that nobody declared (what `fib_lookup` gives, counters). */
  | {
      readonly kind: "structField";
      readonly owner: Type;
      readonly field: StructField;
      readonly decl: ast.StructDecl | null;
    }
  /** What `let`, `if let`, a loop or a parameter binds. */
  | { readonly kind: "binding"; readonly binding: Binding }
  | { readonly kind: "meta"; readonly name: MetaName; readonly type: Type }
  /** A word that has a meaning of its own where nothing of that name is declared. */
  | { readonly kind: "builtin"; readonly name: BuiltinName }
  /** A builtin type's name. */
  | { readonly kind: "type"; readonly type: Type }
  /** An imported file or the file of a constant set. */
  | { readonly kind: "file"; readonly source: SourceFile }
  /** The config value that holds the index of a device which a rule names. */
  | { readonly kind: "device"; readonly symbol: GlobalSymbol };

/** The builtin names. */
export type BuiltinName = "meta" | "inner" | "opaque" | "random" | "hash" | "fib_lookup" | "pop" | "peek";

/** A name in the text and what it stands for. */
export interface Reference {
  readonly span: Span;
  readonly meaning: Meaning;
}

/** What is proven of the packet at a place. */
export interface Proven {
  readonly present: ReadonlySet<Instance>;
  readonly absent: ReadonlySet<Instance>;
}

/** Where what a name stands for was declared: the declaring name's place; null for what has none (builtins, whole files). */
export function declaredAt(meaning: Meaning): Span | null {
  switch (meaning.kind) {
    case "declaration":
      return meaning.decl.name.span;
    case "field":
      return meaning.field.span;
    case "structField":
      return meaning.decl?.fields.find((f) => f.name.text === meaning.field.name)?.name.span ?? null;
    case "binding":
      return meaning.binding.declared?.span ?? null;
    default:
      return null;
  }
}

/** The facts of one analysis. */
export class Facts {
  /** The value of each expression that was typed as one. */
  readonly values = new Map<ast.Expr, HExpr>();
  /** What a constant without a type became: by the span of its expression. */
  readonly settled = new Map<Span, Type>();
  /** The constant sets: by the literal or name behind `in`, or by declaration. */
  readonly sets = new Map<ast.Expr | ast.ConstSetDecl, ConstantSet>();
  /** What each name of a scope was bound to: by the declaring name. */
  readonly bindings = new Map<ast.Name, Binding>();
  /** How often each function was inlined. */
  readonly calls = new Map<ast.FnDecl, number>();
  readonly #references = new Map<SourceFile, Map<number, Reference>>();
  readonly #sorted = new Map<SourceFile, readonly Reference[]>();
  readonly #scopes = new Map<ast.Stmt, { readonly before: Scope; readonly after: Scope }>();
  readonly #blockScopes = new Map<ast.BlockBody, Scope>();
  readonly #blockOf = new WeakMap<readonly HStmt[], ast.BlockBody>();
  readonly #blockStarts = new Map<ast.BlockBody, Proven>();
  readonly #before = new Map<Span, Proven>();
  readonly #after = new Map<Span, Proven>();

  // ------------------------------------------------------------------------------------------------------------- reading

  /** The names in a file and what they stand for, in the order of the text; declaring names aren't among them. */
  referencesIn(file: SourceFile): readonly Reference[] {
    const known = this.#sorted.get(file);
    if (known !== undefined) return known;
    const sorted = [...(this.#references.get(file)?.values() ?? [])].sort((a, b) => a.span.start - b.span.start);
    this.#sorted.set(file, sorted);
    return sorted;
  }

  /** The name at `offset`, where the cursor may also stand right behind it; null where none is known. */
  referenceAt(file: SourceFile, offset: number): Reference | null {
    const all = this.referencesIn(file);
    let low = 0;
    let high = all.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((all[middle]?.span.start ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    const found = all[low - 1];
    if (found !== undefined && offset <= found.span.end) return found;
    return null;
  }

  /** The files that have references. */
  files(): Iterable<SourceFile> {
    return this.#references.keys();
  }

  /** The local names in force before and behind a statement; null where it wasn't typed. */
  scopesAt(statement: ast.Stmt): { readonly before: Scope; readonly after: Scope } | null {
    return this.#scopes.get(statement) ?? null;
  }

  /** The local names in force where a block starts; null where it wasn't typed. */
  scopeOf(block: ast.BlockBody): Scope | null {
    return this.#blockScopes.get(block) ?? null;
  }

  /** What is proven where a block starts; null where no packet gets there or nobody knows. */
  provenAtStart(block: ast.BlockBody): Proven | null {
    const [first] = block.statements;
    // A function's body is no list of its own where it is called.
    return this.#blockStarts.get(block) ?? (first === undefined ? null : this.provenBefore(first.span));
  }

  /** What is proven where a statement (by its span object) starts; null where no packet gets there or nobody knows. */
  provenBefore(statement: Span): Proven | null {
    return this.#before.get(statement) ?? null;
  }

  /** What is proven behind a statement; null where no packet gets there or nobody knows. */
  provenAfter(statement: Span): Proven | null {
    return this.#after.get(statement) ?? null;
  }

  // ----------------------------------------------------------------------------------------------------------- recording

  /** The name at `span` stands for `meaning`. */
  use(span: Span, meaning: Meaning): void {
    const known = this.#references.get(span.file) ?? new Map<number, Reference>();
    this.#references.set(span.file, known);
    if (!known.has(span.start)) known.set(span.start, { span, meaning });
  }

  /** The name at `span` is that of a declaration; undefined is let by. */
  useDeclaration(span: Span, decl: NamedDecl | undefined): void {
    if (decl !== undefined) this.use(span, { kind: "declaration", decl });
  }

  /** The name at `span` is that of a field of a struct. */
  useStructField(span: Span, owner: Type & { kind: "struct" }, name: string, decl: NamedDecl | undefined): void {
    const field = owner.fields.find((f) => f.name === name);
    if (field === undefined) return;
    this.use(span, { kind: "structField", owner, field, decl: decl?.kind === "structDecl" ? decl : null });
  }

  /** A binding comes into force. */
  bind(binding: Binding): void {
    const { declared } = binding;
    if (declared !== undefined && !this.bindings.has(declared)) this.bindings.set(declared, binding);
  }

  value(expr: ast.Expr, value: HExpr): void {
    const known = this.values.get(expr);
    if (known === undefined || (known.kind === "error" && value.kind !== "error")) this.values.set(expr, value);
  }

  settle(span: Span, type: Type): void {
    if (!this.settled.has(span)) this.settled.set(span, type);
  }

  set(of: ast.Expr | ast.ConstSetDecl, set: ConstantSet | null): void {
    if (set !== null && !this.sets.has(of)) this.sets.set(of, set);
  }

  call(fn: ast.FnDecl): void {
    this.calls.set(fn, (this.calls.get(fn) ?? 0) + 1);
  }

  scopes(statement: ast.Stmt, before: Scope, after: Scope): void {
    if (!this.#scopes.has(statement)) this.#scopes.set(statement, { before, after });
  }

  /** A block was typed in `scope` and became `made`. */
  block(block: ast.BlockBody, scope: Scope, made: readonly HStmt[]): void {
    if (!this.#blockScopes.has(block)) this.#blockScopes.set(block, scope);
    this.#blockOf.set(made, block);
  }

  /** Presence analysis enters a list of statements. */
  enter(list: readonly HStmt[], proven: Proven): void {
    const block = this.#blockOf.get(list);
    if (block !== undefined) merge(this.#blockStarts, block, proven);
  }

  /** Presence analysis has come by a statement; `after` is null where none goes on. */
  pass(statement: Span, before: Proven, after: Proven | null): void {
    merge(this.#before, statement, before);
    if (after !== null) merge(this.#after, statement, after);
  }
}

function merge<K>(table: Map<K, Proven>, key: K, found: Proven): void {
  const known = table.get(key);
  if (known === undefined || known === found) {
    table.set(key, { present: found.present, absent: found.absent });
    return;
  }
  const both = (a: ReadonlySet<Instance>, b: ReadonlySet<Instance>): ReadonlySet<Instance> =>
    a === b ? a : new Set([...a].filter((i) => b.has(i)));
  table.set(key, { present: both(known.present, found.present), absent: both(known.absent, found.absent) });
}
