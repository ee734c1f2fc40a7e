// The shape of an explanation. See entries.ts.

/** What a diagnostic means and how it is repaired. */
export interface Explanation {
  /** `X` and four digits. */
  readonly code: string;
  /** Its name: lower case words with hyphens; `-W` takes it for warnings. */
  readonly slug: string;
  readonly severity: "error" | "warning" | "note";
  /** One line: what is wrong. */
  readonly title: string;
  /** Why it is a fault and what to do about it: paragraphs, wrapped when shown. */
  readonly text: string;
  /** A program that has the fault; null where no program short enough to read has it. */
  readonly wrong: Program | null;
  /** The same program without it; null with `wrong`. */
  readonly right: Program | null;
}

/** A program to show and to compile: its text, and what it needs around it. */
export interface Program {
  readonly text: string;
  /** Other files, by path. */
  readonly files?: Readonly<Record<string, string>>;
  /** Further words of the command line. */
  readonly options?: readonly string[];
  /** The text is to be written in Latin-1 rather than UTF-8. */
  readonly latin1?: true;
}

/** Makes the entry of an error; programs are given as their text alone where they need nothing else. */
export function errorEntry(
  code: string,
  slug: string,
  title: string,
  text: string,
  wrong: string | Program | null,
  right: string | Program | null,
): Explanation {
  return { code, slug, severity: "error", title, text, wrong: program(wrong), right: program(right) };
}

/** Makes the entry of a warning. */
export function warningEntry(...parts: Parameters<typeof errorEntry>): Explanation {
  return { ...errorEntry(...parts), severity: "warning" };
}

/** Makes the entry of a note. */
export function noteEntry(...parts: Parameters<typeof errorEntry>): Explanation {
  return { ...errorEntry(...parts), severity: "note" };
}

function program(given: string | Program | null): Program | null {
  return typeof given === "string" ? { text: given } : given;
}
