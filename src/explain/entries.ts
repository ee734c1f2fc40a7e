// What each diagnostic means, for `xdpc explain`: prose, a program that has the fault and the same program repaired. One entry per
// code; the entries of a phase stand in a file of its own. A test compiles both programs of each. Only data.

import type { Explanation } from "./explanation.ts";
import { fileExplanations } from "./files.ts";
import { limitExplanations } from "./limits.ts";
import { nameExplanations } from "./names.ts";
import { stateExplanations } from "./state.ts";
import { syntaxExplanations } from "./syntax.ts";
import { testExplanations } from "./tests.ts";
import { tokenExplanations } from "./tokens.ts";
import { treeExplanations } from "./tree.ts";
import { typeExplanations } from "./types.ts";
import { unsupportedExplanations } from "./unsupported.ts";

/** All explanations, by rising code. */
export const explanations: readonly Explanation[] = [
  ...fileExplanations,
  ...tokenExplanations,
  ...syntaxExplanations,
  ...treeExplanations,
  ...nameExplanations,
  ...typeExplanations,
  ...stateExplanations,
  ...limitExplanations,
  ...testExplanations,
  ...unsupportedExplanations,
];

/** The entry for a code (`X0401`, any case) or a name; null when there is none. */
export function explanationOf(codeOrSlug: string): Explanation | null {
  const code = codeOrSlug.toUpperCase();
  return explanations.find((e) => e.code === code || e.slug === codeOrSlug.toLowerCase()) ?? null;
}

/** The name of a code as `-W` takes it; null for a code without an entry. */
export function slugOf(code: string): string | null {
  return explanations.find((e) => e.code === code)?.slug ?? null;
}
