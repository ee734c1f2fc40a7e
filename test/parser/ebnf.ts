// Reads grammar/xdp.ebnf for the tests: an own little reader that shares nothing with the compiler's parser.

/** A part of a rule's right side. */
export type Ebnf =
  | { readonly kind: "seq" | "alt"; readonly parts: readonly Ebnf[] }
  | { readonly kind: "option" | "repeat"; readonly part: Ebnf }
  | { readonly kind: "rule" | "class" | "word"; readonly name: string };

/** The rules of an EBNF text by name; classes described in words (`? … ?`) are left out. */
export function readEbnf(text: string): Map<string, Ebnf> {
  const tokens = text.replace(/\(\*[\s\S]*?\*\)/g, " ").match(/"[^"]*"|\?[^?]*\?|[A-Za-z_]+|\S/g) ?? [];
  const rules = new Map<string, Ebnf>();
  let at = 0;
  const peek = (): string => tokens[at] ?? "";
  const take = (wanted?: string): string => {
    const token = peek();
    if (wanted !== undefined && token !== wanted) throw new Error(`expected ${wanted}, found ${token} at token ${at}`);
    at += 1;
    return token;
  };
  const alternatives = (): Ebnf => {
    const parts = [sequence()];
    while (peek() === "|") {
      take();
      parts.push(sequence());
    }
    return parts.length === 1 ? (parts[0] as Ebnf) : { kind: "alt", parts };
  };
  const sequence = (): Ebnf => {
    const parts: Ebnf[] = [];
    while (!["|", ";", ")", "]", "}"].includes(peek())) parts.push(part());
    return { kind: "seq", parts };
  };
  const part = (): Ebnf => {
    const token = take();
    if (token.startsWith('"')) return { kind: "word", name: token.slice(1, -1) };
    if (token === "(") {
      const inner = alternatives();
      take(")");
      return inner;
    }
    if (token === "[" || token === "{") {
      const inner = alternatives();
      take(token === "[" ? "]" : "}");
      return { kind: token === "[" ? "option" : "repeat", part: inner };
    }
    if (!/^[A-Za-z_]+$/.test(token)) throw new Error(`unexpected ${token}`);
    return { kind: /^[A-Z_]+$/.test(token) ? "class" : "rule", name: token };
  };
  while (at < tokens.length) {
    const name = take();
    take("=");
    if (peek().startsWith("?")) take();
    else {
      if (rules.has(name)) throw new Error(`rule ${name} stands twice`);
      rules.set(name, alternatives());
    }
    take(";");
  }
  return rules;
}

/** One spelling per structure, to compare rules by. */
export function spell(e: Ebnf): string {
  switch (e.kind) {
    case "seq":
      return e.parts.map(spell).join(" ");
    case "alt":
      return `( ${e.parts.map(spell).join(" | ")} )`;
    case "option":
      return `[ ${spell(e.part)} ]`.replaceAll(/\[ \( (.*) \) \]$/g, "[ $1 ]");
    case "repeat":
      return `{ ${spell(e.part)} }`.replaceAll(/^\{ \( (.*) \) \}$/g, "{ $1 }");
    case "word":
      return `"${e.name}"`;
    default:
      return e.name;
  }
}

/** The words of a class that is a plain list of them. */
export function wordsOf(rules: ReadonlyMap<string, Ebnf>, name: string): string[] {
  const found: string[] = [];
  const walk = (e: Ebnf): void => {
    if (e.kind === "word") found.push(e.name);
    else if (e.kind === "seq" || e.kind === "alt") e.parts.forEach(walk);
  };
  const rule = rules.get(name);
  if (rule !== undefined) walk(rule);
  return found;
}
