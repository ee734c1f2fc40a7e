// What lints have to say (X07xx) that is about rules beside each other. Beside messages.ts; deciding when is lint-shadow.ts's.

import { type Diagnostic, warningAt } from "../base/diagnostic.ts";
import type { Span } from "../base/source.ts";

/** `by`: the conditions of the rules that come first. */
export function neverMatches(span: Span, by: readonly Span[]): Diagnostic {
  return warningAt(span, "X0708", "this rule never matches", {
    label: "no packet that gets here is like this",
    secondary: by.slice(0, 3).map((earlier) => ({ span: earlier, text: "ends all of them before" })),
    help: "take one of the rules away, or put the narrower one first",
  });
}

export function contradicts(span: Span): Diagnostic {
  return warningAt(span, "X0708", "this rule never matches", {
    label: "its comparisons exclude each other",
    help: "join what are alternatives with `or`",
  });
}
