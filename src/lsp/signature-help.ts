// What a call wants, while it is typed: the user's functions and the builtin ones, with the argument the cursor is at. Works on words,
// since an open call doesn't parse. Pure.

import { MarkupKind, type SignatureHelp, type SignatureInformation } from "vscode-languageserver-protocol";
import type { Analysis } from "../analyse.ts";
import { textOf } from "../base/source.ts";
import { describeDeclaration } from "./describe.ts";
import { wordsOf } from "./text.ts";
import { WORDS } from "./words.ts";

interface Signature {
  readonly label: string;
  readonly parameters: readonly string[];
  readonly text: string;
  /** Takes any number of values like its last parameter. */
  readonly variadic: boolean;
}

/** The builtin functions: parameters as they are written. */
const BUILTINS: ReadonlyMap<string, { readonly parameters: readonly string[]; readonly variadic: boolean }> = new Map([
  ["random", { parameters: [], variadic: false }],
  ["hash", { parameters: ["value", "…"], variadic: true }],
  ["fib_lookup", { parameters: ["saddr : ipv4 or ipv6", "daddr", "tos : u8", "length : u16"], variadic: false }],
  ["pop", { parameters: ["queue"], variadic: false }],
  ["peek", { parameters: ["queue"], variadic: false }],
]);

/** The call around `offset` of the main file, or null where there is none. */
export function signatureHelp(analysis: Analysis, offset: number): SignatureHelp | null {
  const words = wordsOf(analysis.file.source).filter((w) => w.offset < offset);
  let depth = 0;
  let argument = 0;
  for (let i = words.length - 1; i > 0; i--) {
    const { text } = words[i] as { text: string };
    if (text === ")" || text === "]" || text === "}") depth++;
    else if (text === "[" || text === "{") {
      // A call doesn't reach into braces, nor out of an index that is still open.
      if (depth === 0) return null;
      depth--;
    } else if (text === "(") {
      if (depth > 0) depth--;
      else {
        const called = words[i - 1]?.text ?? "";
        const signature = words[i - 2]?.text === "fn" ? null : signatureOf(analysis, called);
        if (signature !== null) return help(signature, argument);
        if (/^[A-Za-z_]/.test(called)) return null;
        // A tuple or a value in parentheses, perhaps an argument of a call further out.
        argument = 0;
      }
    } else if (text === "," && depth === 0) argument++;
  }
  return null;
}

function signatureOf(analysis: Analysis, name: string): Signature | null {
  const decl = analysis.context.names.get(name);
  if (decl?.kind === "fnDecl") {
    const parameters = decl.params.map((p) => textOf(p.span));
    const { text } = describeDeclaration(analysis.context, decl);
    return { label: `${name}(${parameters.join(", ")})`, parameters, text, variadic: false };
  }
  const builtin = decl === undefined ? BUILTINS.get(name) : undefined;
  if (builtin === undefined) return null;
  const { parameters, variadic } = builtin;
  return { label: `${name}(${parameters.join(", ")})`, parameters, text: WORDS.get(name)?.text ?? "", variadic };
}

function help({ label, parameters, text, variadic }: Signature, argument: number): SignatureHelp {
  // Parameters as places in the label, so that two of the same spelling aren't mixed up.
  let from = label.indexOf("(") + 1;
  const places = parameters.map((p): [number, number] => {
    const start = from;
    from += p.length + 2;
    return [start, start + p.length];
  });
  const information: SignatureInformation = {
    label,
    documentation: { kind: MarkupKind.Markdown, value: text },
    parameters: places.map((place) => ({ label: place })),
  };
  const active = variadic ? Math.min(argument, parameters.length - 1) : argument;
  return { signatures: [information], activeSignature: 0, activeParameter: active };
}
