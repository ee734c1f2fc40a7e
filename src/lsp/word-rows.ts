// Questions about a row of words that doesn't parse yet: which brackets are open and what they hold, what value ends at a place. For
// completion-place.ts; knows no names.

/** An open bracket: which, and the place of its token. */
export interface Open {
  readonly bracket: string;
  readonly at: number;
}

/** The brackets that are open behind the last word, outermost first. */
export function openBrackets(words: readonly string[]): Open[] {
  const open: Open[] = [];
  for (const [at, word] of words.entries()) {
    if (word === "{" || word === "(" || word === "[") open.push({ bracket: word, at });
    else if (word === "}" || word === ")" || word === "]") {
      const opener = word === "}" ? "{" : word === ")" ? "(" : "[";
      const match = open.findLastIndex((o) => o.bracket === opener);
      if (match >= 0) open.length = match;
    }
  }
  return open;
}

/** What a brace opens, as far as completion cares. */
export type Braces =
  | { readonly kind: "block" }
  | { readonly kind: "switch" }
  | { readonly kind: "test" }
  | { readonly kind: "struct" | "encap" | "declaration"; readonly name: string };

/** What the brace at place `at` opens. */
export function bracesKind(words: readonly string[], at: number): Braces {
  const name = words[at - 1] ?? "";
  for (let i = at - 1; i >= 0; i--) {
    const word = words[i];
    if (word === "test") return { kind: "test" };
    if (word === "header" || word === "struct") return { kind: "declaration", name: word };
    if (word === "switch") return { kind: "switch" };
    if (word === "encap" || (word === "/" && words[i - 1] === "}")) return { kind: "encap", name };
    if (word === "program" || word === "fn" || word === "then" || word === "else" || word === "for" || word === "=>")
      break;
    if (word === "{" || word === "}" || word === "=" || word === "emit" || word === "in") break;
  }
  const previous = words[at - 2];
  const literal = /^[A-Z]/.test(name) && ["=", "emit", ":", "(", ","].includes(previous ?? "");
  if (literal || words[at - 3] === "emit") return { kind: "struct", name };
  return { kind: "block" };
}

/** The words before a colon behind place `at`. */
export function labelsBehind(words: readonly string[], at: number): string[] {
  return words.flatMap((word, i) => (i > at && words[i + 1] === ":" ? [word] : []));
}

/** The words of the value that ends before place `end`: `inner.ip`, `vlan[1]`, `hop`. */
export function valueBefore(words: readonly string[], end: number): string[] {
  let at = end;
  for (;;) {
    let start = at - 1;
    if (words[start] === "]" || words[start] === ")") {
      let depth = 0;
      for (; start >= 0; start--) {
        if (words[start] === "]" || words[start] === ")") depth++;
        else if (words[start] === "[" || words[start] === "(") depth--;
        if (depth === 0) break;
      }
      start--;
    }
    if (start < 0 || !/^[A-Za-z_]/.test(words[start] ?? "")) return words.slice(at, end);
    at = start;
    if (words[at - 1] !== ".") return words.slice(at, end);
    at--;
  }
}
