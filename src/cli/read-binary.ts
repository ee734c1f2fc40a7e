// Reading a whole binary file, an object, say: never from a device or a pipe that has no end, never more than a bound.

import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { CliFailure, describeSystemError } from "./failure.ts";
import { openDescriptorOf } from "./host.ts";
import { readDescriptor, type System } from "./system.ts";

/** The largest file that is read. */
const MAX_BYTES = 256 * 1024 * 1024;

/** The bytes of `file`; `-` is standard input, and what a shell passes for `<(command)` is read too. Throws CliFailure when it can't be read or is over 256 MiB. */
export function readBinary(file: string, system: System): Uint8Array {
  const descriptor = openDescriptorOf(file);
  try {
    if (descriptor !== null) {
      const bytes = descriptor === 0 ? system.readStdin(MAX_BYTES) : readDescriptor(descriptor, MAX_BYTES);
      if (bytes.length > MAX_BYTES) throw new CliFailure(`can't read ${shownName(file)}: is over 256 MiB`);
      return bytes;
    }
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
    throw new CliFailure(`can't read ${shownName(file)}: ${describeSystemError(error)}`);
  }
}

function shownName(file: string): string {
  return file === "-" ? "standard input" : file;
}
