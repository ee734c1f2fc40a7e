// The process seen by the command line: its streams, environment and terminal. One small interface, so that a run can also be
// made without a process (the start-up snapshot warms the compiler up with one). Files are host.ts's and output.ts's business.

import { fstatSync, readSync, writeSync } from "node:fs";
import { systemErrorCode } from "./failure.ts";

/** What a run needs of the process around it. */
export interface System {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Standard input up to `limitBytes` + 1 bytes; one more than the limit says that there was more. */
  readStdin(limitBytes: number): Uint8Array;
  /** Writes everything to standard output (1) or standard error (2); `false` when nobody reads it any more. */
  write(fd: 1 | 2, bytes: Uint8Array): boolean;
  isTerminal(fd: 0 | 1 | 2): boolean;
}

/** The real process. Streams are written synchronously: Node's own stream objects cost more start-up than a compilation. */
export function processSystem(): System {
  return {
    env: process.env,
    readStdin: (limitBytes) => readDescriptor(0, limitBytes),
    write: (fd, bytes) => writeDescriptor(fd, bytes),
    isTerminal,
  };
}

/**
 * Whether an open descriptor is a terminal. Only character devices can be; the module that knows is loaded for those alone,
 * because it costs milliseconds and isn't made for start-up snapshots.
 */
export function isTerminal(fd: number): boolean {
  try {
    return fstatSync(fd).isCharacterDevice() && process.getBuiltinModule("node:tty").isatty(fd);
  } catch {
    return false;
  }
}

/**
 * Reads an open descriptor to its end, or until it has given more than `limitBytes`; waits for what a pipe doesn't hold
 * yet, unless told not to: then the system's EAGAIN is thrown.
 */
export function readDescriptor(fd: number, limitBytes: number, patient = true): Uint8Array {
  const chunks: Uint8Array[] = [];
  let total = 0;
  while (total <= limitBytes) {
    const chunk = new Uint8Array(Math.min(1 << 16, limitBytes + 1 - total));
    const read = (): number => readAtMost(fd, chunk);
    const count = patient ? retryWhenBusy(read) : read();
    if (count === 0) break;
    chunks.push(chunk.subarray(0, count));
    total += count;
  }
  return Buffer.concat(chunks, total);
}

/** Writes all of `bytes` to an open descriptor; `false` when the reader of a pipe is gone. Throws what the system throws. */
export function writeDescriptor(fd: number, bytes: Uint8Array): boolean {
  let at = 0;
  while (at < bytes.length) {
    try {
      at += retryWhenBusy(() => writeSync(fd, bytes, at, bytes.length - at));
    } catch (error) {
      if (systemErrorCode(error) === "EPIPE") return false;
      throw error;
    }
  }
  return true;
}

function readAtMost(fd: number, into: Uint8Array): number {
  try {
    return readSync(fd, into, 0, into.length, null);
  } catch (error) {
    // Windows says EOF where others return 0.
    if (systemErrorCode(error) === "EOF") return 0;
    throw error;
  }
}

// A pipe that another process made non-blocking says EAGAIN; waiting a little is all that can be done synchronously.
function retryWhenBusy(operation: () => number): number {
  for (;;) {
    try {
      return operation();
    } catch (error) {
      if (systemErrorCode(error) !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}
