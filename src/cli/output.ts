// Writing results: whole or not at all. A regular file is made beside its place under another name and renamed over the old
// one, so a reader or a later `make` never sees a half; after an error the old file stands untouched, older than its source.
// Devices and pipes are written directly.

import { closeSync, fchmodSync, openSync, realpathSync, renameSync, statSync, unlinkSync } from "node:fs";
import path from "node:path";
import { CliFailure, describeSystemError, systemErrorCode } from "./failure.ts";
import type { System } from "./system.ts";
import { isTerminal, writeDescriptor } from "./system.ts";

/** One result to be written. */
export interface OutputFile {
  /** Where to; `-` is standard output. */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Bytes that would only garble a terminal: refused there. */
  readonly binary: boolean;
  /** Whether a file that is replaced keeps its permissions; else they are a new file's. */
  readonly keepMode?: true;
}

/**
 * Writes all `files`; the last regular file is put in its place last, so that it is never there without the others.
 * Throws CliFailure when one can't be written; then none of the regular files has changed.
 */
export function writeOutputs(files: readonly OutputFile[], system: System, force: boolean): void {
  const pending: PendingFile[] = [];
  try {
    for (const file of files) {
      const step = prepare(file, system, force);
      if (step !== null) pending.push(step);
    }
    while (pending.length > 0) {
      const [next] = pending;
      if (next === undefined) break;
      attempt(next.shownPath, () => renameSync(next.temporaryPath, next.finalPath));
      pending.shift();
    }
  } finally {
    for (const { temporaryPath } of pending) removeQuietly(temporaryPath);
  }
}

interface PendingFile {
  readonly shownPath: string;
  readonly temporaryPath: string;
  readonly finalPath: string;
}

function prepare(file: OutputFile, system: System, force: boolean): PendingFile | null {
  if (file.path === "-") {
    if (file.binary && !force && system.isTerminal(1)) throw refusal("standard output");
    attempt("standard output", () => system.write(1, file.bytes));
    return null;
  }
  const finalPath = attempt(file.path, () => resolveTarget(file.path));
  if (finalPath === null) {
    attempt(file.path, () => writeSpecial(file, force));
    return null;
  }
  return attempt(file.path, () => writeTemporary(file, finalPath));
}

// The file a path leads to (through symbolic links, which stay), or null when it is no regular file but something to write into.
function resolveTarget(shownPath: string): string | null {
  try {
    const stats = statSync(shownPath);
    if (stats.isDirectory()) throw new CliFailure(`can't write ${shownPath}: is a directory`);
    return stats.isFile() ? realpathSync(shownPath) : null;
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return shownPath;
    throw error;
  }
}

function writeSpecial(file: OutputFile, force: boolean): void {
  const fd = openSync(file.path, "w");
  try {
    if (file.binary && !force && isTerminal(fd)) throw refusal(file.path);
    writeDescriptor(fd, file.bytes);
  } finally {
    closeSync(fd);
  }
}

function writeTemporary(file: OutputFile, finalPath: string): PendingFile {
  serial += 1;
  // Short and independent of the target's name, which may be as long as names can be.
  const temporaryPath = path.join(path.dirname(finalPath), `.xdpc-${process.pid}-${serial}.tmp`);
  const mode = file.keepMode === true ? statSync(finalPath).mode & 0o7777 : null;
  // Nobody reads what is in the making of a file that only its owner may read.
  const fd = openSync(temporaryPath, "wx", mode === null ? 0o666 : 0o600);
  try {
    try {
      if (mode !== null) fchmodSync(fd, mode);
      writeDescriptor(fd, file.bytes);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    removeQuietly(temporaryPath);
    throw error;
  }
  return { shownPath: file.path, temporaryPath, finalPath };
}

let serial = 0;

function attempt<T>(shownPath: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof CliFailure) throw error;
    throw new CliFailure(`can't write ${shownPath}: ${describeSystemError(error)}`);
  }
}

function refusal(where: string): CliFailure {
  return new CliFailure(`${where} is a terminal, and an object is not text; name a file with -o, or say --force`);
}

function removeQuietly(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // It is the clean-up of a failure that is reported already.
  }
}
