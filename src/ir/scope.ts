// Names inside a program: what `let`, `if let`, loops and parameters bind, innermost first. Immutable, so a scope can be kept
// with the code it belongs to. Declarations of the file are not here but in the context.

import type * as ast from "../parser/ast.ts";
import type { Entry, HExpr, Header, Local, MapSymbol } from "./hir.ts";

/** What a name inside a program stands for. `declared` is the name that was bound; absent for names that nobody wrote. */
export type Binding = { readonly declared?: ast.Name } & (
  | { readonly kind: "local"; readonly local: Local }
  | { readonly kind: "entry"; readonly entry: Entry }
  /** An inner map. */
  | { readonly kind: "map"; readonly map: MapSymbol }
  /** A parameter of an expression function: the argument in its place. */
  | { readonly kind: "argument"; readonly value: HExpr }
);

/** The names in force at a place. */
export class Scope {
  readonly #parent: Scope | null;
  readonly #names: ReadonlyMap<string, Binding>;
  /** The header whose own fields are bare names here (its `size` and `when`). */
  readonly self: Header | null;
  /** The functions being inlined around this place, outermost first. */
  readonly inlining: readonly ast.FnDecl[];

  private constructor(
    parent: Scope | null,
    names: ReadonlyMap<string, Binding>,
    self: Header | null,
    inlining: readonly ast.FnDecl[],
  ) {
    this.#parent = parent;
    this.#names = names;
    this.self = self;
    this.inlining = inlining;
  }

  /** No names at all: where declarations are. */
  static readonly global = new Scope(null, new Map(), null, []);

  /** The scope of a header's own expressions. */
  static ofHeader(header: Header): Scope {
    return new Scope(null, new Map(), header, []);
  }

  /** The scope of a function's body: it sees its parameters only. */
  static ofFunction(fn: ast.FnDecl, parameters: ReadonlyMap<string, Binding>, caller: Scope): Scope {
    return new Scope(null, parameters, null, [...caller.inlining, fn]);
  }

  /** This scope with one more name. */
  with(name: string, binding: Binding): Scope {
    return new Scope(this, new Map([[name, binding]]), this.self, this.inlining);
  }

  /** What `name` is bound to, or null. */
  find(name: string): Binding | null {
    for (let scope: Scope | null = this; scope !== null; scope = scope.#parent) {
      const binding = scope.#names.get(name);
      if (binding !== undefined) return binding;
    }
    return null;
  }

  /** All names in force, for suggestions. */
  names(): string[] {
    const all: string[] = [];
    for (let scope: Scope | null = this; scope !== null; scope = scope.#parent) all.push(...scope.#names.keys());
    return all;
  }
}
