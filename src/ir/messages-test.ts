// What is to be said about tests (X08xx): which program, how packets are put together, what can be filled and expected. Wording only.

import { type Diagnostic, type DiagnosticExtras, errorAt, warningAt } from "../base/diagnostic.ts";
import type { Span } from "../base/source.ts";

/** X0801: it isn't clear which program is tested. */
export function whichProgram(span: Span, names: readonly string[]): Diagnostic {
  return errorAt(span, "X0801", `which of the ${names.length} programs is tested?`, {
    help: `name it behind the title: \`for ${names[0] ?? "NAME"}\``,
  });
}

/** X0802: a header stands behind one that never announces it. */
export function neverFollows(span: Span, child: string, parent: string, places: readonly string[]): Diagnostic {
  const help =
    places.length === 0
      ? `\`${child}\` begins a packet`
      : `\`${child}\` follows ${places.map((p) => `\`${p}\``).join(", ")}`;
  return errorAt(span, "X0802", `\`${child}\` never follows \`${parent}\``, { label: "can't stand here", help });
}

/** X0803: the layers of a packet make no packet. */
export function badPacket(span: Span, message: string, extras: DiagnosticExtras = {}): Diagnostic {
  return errorAt(span, "X0803", message, extras);
}

/** X0804: a test can't set this up. */
export function badFill(span: Span, message: string, help?: string): Diagnostic {
  return errorAt(span, "X0804", message, help === undefined ? {} : { help });
}

/** X0805: this can't be expected. */
export function badExpectation(span: Span, message: string, help?: string): Diagnostic {
  return errorAt(span, "X0805", message, help === undefined ? {} : { help });
}

/** X0806: a test that can't fail. */
export function expectsNothing(span: Span): Diagnostic {
  return warningAt(span, "X0806", "this test expects nothing", {
    label: "it can't fail",
    help: "say what becomes of the packet: `expect drop`",
  });
}
