// Explanations of X00xx: files and imports.

import type { Explanation } from "./explanation.ts";

/** X00xx. */
export const fileExplanations: readonly Explanation[] = [
  {
    code: "X0091",
    slug: "not-utf8",
    severity: "error",
    title: "the file is not UTF-8",
    text: "A rule file is text in UTF-8; a byte order mark at its start is allowed. The message names the first byte that belongs to no character and its place. Files saved by editors as Latin-1 or UTF-16 have such bytes, mostly in comments and strings: save them as UTF-8 again, or convert them with iconv.",
    wrong: { text: "# caf\uFFFD: here stands the byte 0xe9, Latin-1 for é\npass\n" },
    right: { text: "# café: é is the two bytes 0xc3 0xa9\npass\n" },
  },
];
