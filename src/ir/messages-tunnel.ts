// What the checks of `encap` and `decap` have to say.

import { type Diagnostic, type DiagnosticExtras, errorAt } from "../base/diagnostic.ts";
import type { Span } from "../base/source.ts";

/** A tunnel that can't be made as it is written. */
export function cantEncap(span: Span, message: string, extras: DiagnosticExtras = {}): Diagnostic {
  return errorAt(span, "X0512", message, extras);
}

/** An address of a new header that nobody gives. */
export function needsAddress(span: Span, header: string, fields: readonly string[]): Diagnostic {
  const [names, verb] = [fields.map((f) => `\`${f}\``).join(" and "), fields.length > 1 ? "are" : "is"];
  return errorAt(span, "X0513", `${names} of the new \`${header}\` header ${verb} missing`, {
    label: "addresses must be given",
    help: `write \`${header} { ${fields.map((f) => `${f}: …`).join(", ")} }\``,
  });
}
