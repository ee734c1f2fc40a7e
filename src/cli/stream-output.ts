// A result that is written piece by piece because it may be large: into a file beside its place, renamed when it is whole, or to standard
// output. After a failure the old file stands untouched.

import { closeSync, openSync, realpathSync, renameSync, statSync, unlinkSync } from "node:fs";
import path from "node:path";
import { CliFailure, describeSystemError, systemErrorCode } from "./failure.ts";
import type { System } from "./system.ts";
import { writeDescriptor } from "./system.ts";

/** A place that takes bytes until it is finished or given up. */
export interface StreamOutput {
  write(bytes: Uint8Array): void;
  /** Puts the result in its place. */
  finish(): void;
  /** Leaves no trace; does nothing after `finish`. */
  abandon(): void;
}

/** Opens `shownPath` (`-` is standard output). Throws CliFailure, as do the methods. */
export function openStream(shownPath: string, system: System): StreamOutput {
  if (shownPath === "-") {
    if (system.isTerminal(1)) throw new CliFailure("standard output is a terminal, and a capture is not text");
    return {
      write: (bytes) => attempt("standard output", () => void system.write(1, bytes)),
      finish() {},
      abandon() {},
    };
  }
  const special = attempt(shownPath, () => {
    const stats = statSync(shownPath, { throwIfNoEntry: false });
    if (stats?.isDirectory()) throw new CliFailure(`can't write ${shownPath}: is a directory`);
    return stats !== undefined && !stats.isFile();
  });
  if (special) {
    const fd = attempt(shownPath, () => openSync(shownPath, "w"));
    const close = once(() => closeSync(fd));
    return {
      write: (bytes) => attempt(shownPath, () => void writeDescriptor(fd, bytes)),
      finish: close,
      abandon: close,
    };
  }
  const place = attempt(shownPath, () => realOr(shownPath));
  const unfinished = path.join(path.dirname(place), `.xdpc-${process.pid}-capture.tmp`);
  const fd = attempt(shownPath, () => openSync(unfinished, "wx"));
  let open = true;
  return {
    write: (bytes) => attempt(shownPath, () => void writeDescriptor(fd, bytes)),
    finish: () =>
      attempt(shownPath, () => {
        open = false;
        closeSync(fd);
        renameSync(unfinished, place);
      }),
    abandon: () => {
      if (!open) return;
      open = false;
      try {
        closeSync(fd);
        unlinkSync(unfinished);
      } catch {
        // It is the clean-up of a failure that is reported already.
      }
    },
  };
}

function realOr(shownPath: string): string {
  try {
    return realpathSync(shownPath);
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return shownPath;
    throw error;
  }
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}

function attempt<T>(shownPath: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof CliFailure) throw error;
    throw new CliFailure(`can't write ${shownPath}: ${describeSystemError(error)}`);
  }
}
