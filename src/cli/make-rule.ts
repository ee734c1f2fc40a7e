// The dependency file of `-MD`: a make rule that names what an object was made from, in the form that C compilers write.
// Pure text; which files were read is known by others.

/** Lines are broken before this column, as C compilers do. */
const MAX_COLUMN = 72;

/**
 * The rule `target: prerequisites…`, and with `phony` an empty rule for each prerequisite but the first (the main file), so
 * that make doesn't stop when an imported file was removed. Paths with a line break can't be said in a makefile:
 * they throw RangeError.
 */
export function makeRule(target: string, prerequisites: readonly string[], phony: boolean): string {
  let text = `${escapeForMake(target)}:`;
  let column = text.length;
  for (const prerequisite of prerequisites) {
    const word = escapeForMake(prerequisite);
    if (column + 1 + word.length > MAX_COLUMN) {
      text += " \\\n";
      column = 0;
    }
    text += ` ${word}`;
    column += 1 + word.length;
  }
  text += "\n";
  if (phony) for (const prerequisite of prerequisites.slice(1)) text += `${escapeForMake(prerequisite)}:\n`;
  return text;
}

/**
 * A path as make reads it back. **Source:** GNU make manual, "Using Variables" (`$$`), "What Makefiles Contain" (`\#`) and
 * "Splitting Long Lines"; in front of white space 2n+1 backslashes stand for n and the space itself. A colon is
 * escaped too: in the empty rule of a phony target it would end the name.
 */
export function escapeForMake(path: string): string {
  if (/[\r\n]/.test(path))
    throw new RangeError(`a makefile can't name a path with a line break: ${JSON.stringify(path)}`);
  return path
    .replace(/(\\*)([ \t])/g, (_all, slashes: string, space: string) => `${slashes}${slashes}\\${space}`)
    .replace(/\$/g, "$$$$")
    .replace(/[#:]/g, "\\$&");
}
