// The shape of an explanation. See entries.ts.

/** What a diagnostic means and how it is repaired. */
export interface Explanation {
  /** `X` and four digits. */
  readonly code: string;
  /** Its name: lower case words with hyphens; `-W` takes it for warnings. */
  readonly slug: string;
  readonly severity: "error" | "warning";
  /** One line: what is wrong. */
  readonly title: string;
  /** Why it is a fault and what to do about it: paragraphs, wrapped at 80 columns when shown. */
  readonly text: string;
  /** A program that has the fault. */
  readonly wrong: Program;
  /** The same program without it; null where the fault isn't one of the text (the file isn't UTF-8). */
  readonly right: Program | null;
}

/** A program to show and to compile: its text, and what it needs around it. */
export interface Program {
  readonly text: string;
  /** Other files, by path. */
  readonly files?: Readonly<Record<string, string>>;
  /** `-D` definitions. */
  readonly defines?: Readonly<Record<string, string>>;
  /** Words of the command line that bring the fault about, in place of the usual ones: `--kernel 5.4`. */
  readonly options?: readonly string[];
}
