// Whether a file is an object or rules: told by its first bytes, so that commands that take both need no option for it.

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/** How ELF files begin. **Source:** ELF gABI, chapter 4, e_ident. */
const ELF_MAGIC = [0x7f, 0x45, 0x4c, 0x46];

/** Whether a file begins as ELF files do. Standard input and what can't be read count as rules. */
export function isObjectFile(file: string): boolean {
  if (file === "-") return false;
  try {
    const fd = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      if (!fstatSync(fd).isFile()) return false;
      const start = new Uint8Array(ELF_MAGIC.length);
      return readSync(fd, start, 0, start.length, 0) === start.length && ELF_MAGIC.every((b, i) => start[i] === b);
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  }
}
