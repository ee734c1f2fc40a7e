// A rule file as one that takes packets of several buffers: the same rules in a `frags` program, or its programs with that attribute.

import { SourceFile } from "../../../src/base/source.ts";
import { parse } from "../../../src/parser/parse.ts";

/** The name of the program that rules outside of programs get. */
export const FRAGS_PROGRAM = "xdp_rules";

/** The text with every program a `frags` program. */
export function asFrags(text: string): string {
  const { file } = parse(new SourceFile("rules.xdp", text));
  if (file.items.some((item) => item.kind === "programDecl")) {
    const attribute = (whole: string, name: string, others: string): string =>
      others.includes("frags") ? whole : `${name}${others} frags {`;
    return text.replace(/^(\s*program\s+\w+)([^{]*)\{/gm, attribute);
  }
  const rules: string[] = [];
  let rest = "";
  let at = 0;
  for (const { kind, span } of file.items) {
    if (kind.endsWith("Decl") && kind !== "defaultDecl") continue;
    rest += text.slice(at, span.start);
    rules.push(text.slice(span.start, span.end));
    at = span.end;
  }
  return `${rest}${text.slice(at)}\nprogram ${FRAGS_PROGRAM} frags {\n${rules.join("\n")}\n}\n`;
}
