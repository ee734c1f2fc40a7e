// Explanations of X0120 to X0129: text that doesn't follow the grammar.

import { type Explanation, errorEntry } from "./explanation.ts";

/** X0120 to X0129. */
export const syntaxExplanations: readonly Explanation[] = [
  errorEntry(
    "X0120",
    "unexpected",
    "something else was expected here",
    "The text up to this place started a construct that goes on differently. The message says what was expected and how the construct is written.",
    "if tcp.dport == 23 drop\n",
    "if tcp.dport == 23 then drop\n",
  ),
  errorEntry(
    "X0121",
    "not-a-statement",
    "this starts neither a statement nor a declaration",
    "A file is a list of declarations (set, map, counter, const, fn, …) and rules; each begins with its own word. Mostly the word is mistyped, or it is another language's (accept, deny, print).",
    "if tcp.dport == 23 then drop\naccept\n",
    "if tcp.dport == 23 then drop\npass\n",
  ),
  errorEntry(
    "X0122",
    "not-a-value",
    "a value was expected here",
    "A condition or an expression has a hole, an assignment stands where a comparison is meant, or a minus sign stands before a number: all values are unsigned.",
    "if tcp.dport = 23 then drop\n",
    "if tcp.dport == 23 then drop\n",
  ),
  errorEntry(
    "X0123",
    "unclosed-bracket",
    "a bracket is never closed",
    "Every (, [ and { needs its counterpart. The message shows the bracket that is open where the text ends or goes on differently.",
    "if tcp then {\n  if tcp.dport == 23 then drop\n",
    "if tcp then {\n  if tcp.dport == 23 then drop\n}\n",
  ),
  errorEntry(
    "X0124",
    "stray-bracket",
    "a bracket closes nothing",
    "No bracket of this kind is open here: one is closed twice, or its counterpart is missing before.",
    "if tcp.dport == 23 then drop\n}\n",
    "if tcp.dport == 23 then drop\n",
  ),
  errorEntry(
    "X0125",
    "mistyped-word",
    "a word of the language is mistyped",
    "A certain word belongs here, and what stands here is nearly that word.",
    "if tcp.dport == 23 thn drop\n",
    "if tcp.dport == 23 then drop\n",
  ),
  errorEntry(
    "X0126",
    "misplaced-fallback",
    "`or` with a verdict where no action can fail",
    "`or drop` is what happens instead when an action fails: redirect to an entry that is empty, insert into a map that is full. In a condition `or` joins two tests, and a verdict isn't a test.",
    "if tcp.dport == 23 or drop then pass\n",
    "if tcp.dport == 23 then pass else drop\n",
  ),
  errorEntry(
    "X0127",
    "reserved-word",
    "a word of the language is used as a name",
    "Words that start statements or are operators can't name a declaration: no rule could use it.",
    "const if = 23\npass\n",
    "const telnet = 23\nif tcp.dport == telnet then drop\n",
  ),
  errorEntry(
    "X0128",
    "stray-else",
    "an `else` belongs to no `if`",
    "An `else` belongs to the nearest `if` that is still open. A semicolon ends it, and so does a second statement behind a body without braces.",
    "if tcp.dport == 23 then drop; else pass\n",
    "if tcp.dport == 23 then drop else pass\n",
  ),
  errorEntry(
    "X0129",
    "inner-declaration",
    "a declaration stands inside braces",
    "Maps, constants, functions and headers belong to the file, so that every program in it can use them. Values inside a rule are named with let.",
    "program filter {\n  const telnet = 23\n  if tcp.dport == telnet then drop\n}\n",
    "const telnet = 23\nprogram filter {\n  if tcp.dport == telnet then drop\n}\n",
  ),
];
