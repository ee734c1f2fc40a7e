// Random sentences of the grammar, derived from grammar/xdp.ebnf: what the numbered remarks there exclude is avoided.

import fc from "fast-check";
import { type Ebnf, wordsOf } from "./ebnf.ts";

const NAMES = ["a", "tcp", "ip", "flows", "x1", "by_port", "_", "Stats"];
const CONTEXTUAL = [
  "size",
  "next",
  "length",
  "hash",
  "type",
  "id",
  "set",
  "map",
  "header",
  "count",
  "per",
  "max",
  "lru",
];
const LITERALS = [
  ..."0 80 0x1F 0b101 64K 1_000 100ms 5min true false 10.0.0.1 10.0.0.0/8 ::1 2001:db8::/32 fe80::1".split(" "),
  ..."aa:bb:cc:dd:ee:ff ::ffff:1.2.3.4".split(" "),
];
const STRINGS = ['"text"', '"a \\"b\\" \\x41 %u"', '""'];

/** An arbitrary of token lists derived from the rule `start`; `depth` bounds how far it recurses. */
export function sentences(rules: ReadonlyMap<string, Ebnf>, start: string, depth: number): fc.Arbitrary<string[]> {
  // A stream of small numbers drives the choices, so that a failure shrinks to small sentences.
  return fc
    .array(fc.nat({ max: 1_000_000 }), { minLength: 20, maxLength: 400 })
    .map((choices) => new Deriver(rules, choices).derive(start, depth));
}

class Deriver {
  readonly #rules: ReadonlyMap<string, Ebnf>;
  readonly #choices: readonly number[];
  #at = 0;
  #out: string[] = [];

  constructor(rules: ReadonlyMap<string, Ebnf>, choices: readonly number[]) {
    this.#rules = rules;
    this.#choices = choices;
  }

  derive(start: string, depth: number): string[] {
    this.#rule(start, depth);
    return this.#out;
  }

  /** 0 once the choices are used up: the first alternative, nothing optional. */
  #choose(count: number): number {
    const choice = this.#choices[this.#at++] ?? 0;
    return choice % count;
  }

  #pick(words: readonly string[]): void {
    this.#out.push(words[this.#choose(words.length)] ?? "a");
  }

  #rule(name: string, depth: number): void {
    const rule = this.#rules.get(name);
    if (rule === undefined) throw new Error(`no rule ${name}`);
    if (depth <= 0 && this.#cut(name)) return;
    const from = this.#out.length;
    this.#walk(rule, depth - 1);
    this.#amend(name, from);
  }

  /** The shortest sentence of the rules that recurse. */
  #cut(name: string): boolean {
    const shortest: Record<string, string[]> = {
      expression: ["a"],
      postfix: ["a"],
      type: ["u8"],
      statement: ["pass"],
      condition: ["a"],
      body: ["pass"],
      block: ["{", "}"],
      atom: ["1"],
      declaration: ["var", "a", ":", "u8"],
    };
    const words = shortest[name];
    if (words !== undefined) this.#out.push(...words);
    return words !== undefined;
  }

  /** What the grammar's numbered remarks ask for. */
  #amend(name: string, from: number): void {
    const words = this.#out.slice(from);
    if (name === "arm" && this.#out.at(-1) !== ";") this.#out.push(";");
    if (name === "testStep" && words[0] === "expect") this.#out.push(";");
    if (name === "testBody" && words.length === 2) this.#out.splice(from + 1, 0, ";");
    if (name === "assignOrCall") {
      const hasCast = words[1] === "as";
      const callOnly = words.at(-1) === ")" && words[1] === "(";
      if (hasCast || !(callOnly || words.some((w) => /^(<<|>>|[-+*/%&|^])?=$/.test(w)))) {
        this.#out.splice(from, words.length, "a", "(", ")");
      } else if (!words.some((w) => /^(<<|>>|[-+*/%&|^])?=$/.test(w)) && !endsInArguments(words)) {
        this.#out.splice(from, words.length, "a", "=", "1");
      }
    }
    // Braces behind a name in an edge's condition are the header's body.
    if (name === "edge" && words.includes("when") && words.includes("{"))
      this.#out.splice(from + words.indexOf("when"));
    if (name === "constDecl" && words[1] === "set" && words[2] === "from") this.#out[from + 1] = "a";
    if (name === "headerNext") {
      for (let i = from + 1; i < this.#out.length; i++) {
        if (this.#out[i - 1] === "," && /^(size|next)$/.test(this.#out[i] ?? "")) this.#out[i] = "a";
      }
    }
    if (name === "fill" && words[1] === "as") this.#out.splice(from + 1, 2);
    if (name === "primary" && words.length === 3 && words[1] === "{" && words[2] === "}") {
      this.#out.splice(from + 2, 0, "f", ":", "1");
    }
  }

  #walk(e: Ebnf, depth: number): void {
    switch (e.kind) {
      case "seq":
        for (const part of e.parts) this.#walk(part, depth);
        break;
      case "alt":
        this.#walk(e.parts[this.#choose(e.parts.length)] as Ebnf, depth);
        break;
      case "option":
        if (this.#choose(2) === 1) this.#walk(e.part, depth);
        break;
      case "repeat":
        for (let n = this.#choose(4); n > 0; n--) this.#walk(e.part, depth);
        break;
      case "word":
        this.#out.push(e.name === "not" && this.#choose(4) === 1 ? "!" : e.name);
        break;
      case "rule":
        this.#rule(e.name, depth);
        break;
      case "class":
        this.#class(e.name);
        break;
    }
  }

  #class(name: string): void {
    switch (name) {
      case "IDENTIFIER":
        this.#pick(this.#out.at(-1) === "." ? [...NAMES, ...CONTEXTUAL, "in", "drop", "if"] : NAMES);
        break;
      case "NAME":
        this.#pick([...NAMES, ...NAMES, ...CONTEXTUAL]);
        break;
      case "LABEL":
        this.#pick([...NAMES, ...CONTEXTUAL, "in", "else"]);
        break;
      case "LITERAL":
        this.#pick(LITERALS);
        break;
      case "STRING":
        this.#pick(STRINGS);
        break;
      default:
        this.#pick(wordsOf(this.#rules, name));
    }
  }
}

function endsInArguments(words: readonly string[]): boolean {
  let depth = 0;
  for (const [i, word] of words.entries()) {
    if (word === "(") depth += 1;
    if (word === ")") depth -= 1;
    if (i >= 2 && depth === 0) return i === words.length - 1;
  }
  return false;
}
