// The other places of the name at the cursor in its file, with those where it is written told apart.

import { type DocumentHighlight, DocumentHighlightKind } from "vscode-languageserver-protocol";
import type { Analysis } from "../analyse.ts";
import { nameAt } from "./names.ts";
import { rangeOf } from "./ranges.ts";
import { usesOf } from "./uses.ts";

/** The places of the name at an offset of the analysis's main file, itself among them; none where there is no name. */
export function highlightsAt(analysis: Analysis, offset: number): DocumentHighlight[] {
  const { file } = analysis;
  const found = nameAt(analysis, file.source, offset);
  if (found === null) return [];
  const { declared, span } = found;
  // What has no declaration (`meta`, a builtin type) is only itself.
  if (declared === null) return [{ range: rangeOf(span), kind: DocumentHighlightKind.Text }];
  return usesOf([analysis], declared, "any", file).map((use) => ({
    range: rangeOf(use.span),
    kind: use.writes ? DocumentHighlightKind.Write : DocumentHighlightKind.Read,
  }));
}
