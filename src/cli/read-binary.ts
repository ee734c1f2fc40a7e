// Reading a whole binary file, an object, say: never from a device or a pipe that has no end, never more than a bound.

import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { CliFailure, describeSystemError } from "./failure.ts";
import type { System } from "./system.ts";

/** The largest file that is read. */
const MAX_BYTES = 256 * 1024 * 1024;

/** The bytes of `file`; `-` is standard input. Throws CliFailure when it can't be read or is over 256 MiB. */
export function readBinary(file: string, system: System): Uint8Array {
  if (file === "-") {
    const bytes = system.readStdin(MAX_BYTES);
    if (bytes.length > MAX_BYTES) throw new CliFailure("can't read standard input: is over 256 MiB");
    return bytes;
  }
  try {
    const fd = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const stats = fstatSync(fd);
      if (stats.isDirectory()) throw new CliFailure(`can't read ${file}: is a directory`);
      if (!stats.isFile()) throw new CliFailure(`can't read ${file}: is not a regular file`);
      if (stats.size > MAX_BYTES) throw new CliFailure(`can't read ${file}: is over 256 MiB`);
      return readFileSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof CliFailure) throw error;
    throw new CliFailure(`can't read ${file}: ${describeSystemError(error)}`);
  }
}
