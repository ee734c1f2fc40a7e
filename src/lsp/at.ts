// What is in force at a place of the text: local names and what is proven of the packet, found by the innermost list of statements
// around it. Half-typed statements have no facts of their own; then what holds before them does. Pure; knows no protocol.

import type { Analysis } from "../analyse.ts";
import type { Span } from "../base/source.ts";
import type { Proven } from "../ir/facts.ts";
import { Scope } from "../ir/scope.ts";
import type * as ast from "../parser/ast.ts";
import { blocksOf, isStatement } from "./statement-at.ts";

/** What is in force at a place. */
export interface InForce {
  readonly scope: Scope;
  /** null where nobody knows or no packet gets there. */
  readonly proven: Proven | null;
}

/** What is in force where the text at `offset` of the main file is (or will be) written. */
export function inForceAt(analysis: Analysis, offset: number): InForce {
  const rules = analysis.file.items.filter(isStatement);
  const around = analysis.file.items.find((item) => !isStatement(item) && holds(item.span, offset));
  if (around?.kind === "programDecl") return inList(analysis, around.body.filter(isStatement), offset, nothing());
  if (around?.kind === "fnDecl" && around.body.kind === "block")
    return inBlock(analysis, around.body.block, offset, nothing());
  return inList(analysis, rules, offset, nothing());
}

function nothing(): InForce {
  return { scope: Scope.global, proven: null };
}

function holds(span: Span, offset: number): boolean {
  return span.start < offset && offset <= span.end;
}

function inBlock(analysis: Analysis, block: ast.BlockBody, offset: number, outside: InForce): InForce {
  const start = {
    scope: analysis.facts.scopeOf(block) ?? outside.scope,
    proven: analysis.facts.provenAtStart(block) ?? outside.proven,
  };
  return inList(analysis, block.statements, offset, start);
}

function inList(analysis: Analysis, statements: readonly ast.Stmt[], offset: number, start: InForce): InForce {
  const { facts } = analysis;
  let at = start;
  for (const statement of statements) {
    if (statement.span.start >= offset) break;
    const scopes = facts.scopesAt(statement);
    if (holds(statement.span, offset)) {
      const before = { scope: scopes?.before ?? at.scope, proven: facts.provenBefore(statement.span) ?? at.proven };
      const block = blocksOf(statement).find((b) => holds(b.span, offset));
      return block === undefined ? before : inBlock(analysis, block, offset, before);
    }
    at = { scope: scopes?.after ?? at.scope, proven: facts.provenAfter(statement.span) ?? at.proven };
  }
  return at;
}
