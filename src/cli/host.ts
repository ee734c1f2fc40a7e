// Files for the compiler: the main file and what it imports, read from the disk with limits. Only regular files can be
// imported (a device or a pipe would hang or never end), no file is over 16 MiB, and a file is UTF-8 or isn't read. Two ways to one
// file are one file: its real path is its identity, the path by which it was found first is what people see.

import { closeSync, constants, fstatSync, openSync, realpathSync } from "node:fs";
import path from "node:path";
import type { Diagnostic } from "../base/diagnostic.ts";
import { errorAt } from "../base/diagnostic.ts";
import { SourceFile } from "../base/source.ts";
import type { CompileHost } from "../compile.ts";
import { libraryFiles, libraryHeaders } from "../library.ts";
import { CliFailure, describeSystemError, systemErrorCode } from "./failure.ts";
import type { System } from "./system.ts";
import { readDescriptor } from "./system.ts";

/** The largest file that is read. */
export const MAX_FILE_BYTES = 16 * 1024 * 1024;

/** The path that standard input goes by. */
export const STDIN_PATH = "<stdin>";

/** The main file, or why it can't be compiled though it could be read. */
export interface MainFile {
  readonly source: SourceFile;
  /** Faults of the file as a file; when there are any, the text isn't worth compiling. */
  readonly diagnostics: readonly Diagnostic[];
}

/** A host over the file system, and the main file read through it. */
export interface FileHost extends CompileHost {
  readonly main: MainFile;
}

/**
 * Reads `mainPath` (`-` is standard input) and returns the host that reads its imports. An import is looked for beside
 * the file that names it, then in `importDirs` in their order. Throws CliFailure when the main file can't be read.
 */
export function openFileHost(mainPath: string, importDirs: readonly string[], system: System): FileHost {
  const byRealPath = new Map<string, SourceFile>();
  const directoryOf = new Map<SourceFile, string>();

  function keep(realPath: string | null, directory: string, source: SourceFile): SourceFile {
    if (realPath !== null) byRealPath.set(realPath, source);
    directoryOf.set(source, directory);
    return source;
  }

  function readMain(): MainFile {
    const { bytes, shownPath, realPath } = readMainBytes(mainPath, system);
    const directory = realPath === null ? "." : path.dirname(shownPath);
    const text = decodeUtf8(bytes);
    if (typeof text === "string") {
      return { source: keep(realPath, directory, new SourceFile(shownPath, text)), diagnostics: [] };
    }
    const source = keep(realPath, directory, new SourceFile(shownPath, text.lossyText));
    return { source, diagnostics: [notUtf8(source, text)] };
  }

  function read(written: string, from: SourceFile): { source: SourceFile } | { error: string } {
    if (written.includes("\0")) return { error: "a path can't hold a NUL byte" };
    const beside = directoryOf.get(from) ?? ".";
    let error = "no such file or directory";
    for (const directory of path.isAbsolute(written) ? [""] : [beside, ...importDirs]) {
      const shownPath = directory === "" ? written : path.join(directory, written);
      const found = readImport(shownPath);
      if ("source" in found) return found;
      if (!found.missing) return found;
      error = found.error;
    }
    return { error: importDirs.length === 0 ? error : `${error}, also not in ${importDirs.join(", ")}` };
  }

  function readImport(shownPath: string): { source: SourceFile } | { error: string; missing: boolean } {
    let realPath: string;
    let bytes: Uint8Array;
    try {
      realPath = realpathSync(shownPath);
      const known = byRealPath.get(realPath);
      if (known !== undefined) return { source: known };
      bytes = readRegularFile(realPath);
    } catch (error) {
      const code = systemErrorCode(error);
      return { error: describeReadError(error), missing: code === "ENOENT" || code === "ENOTDIR" };
    }
    const text = decodeUtf8(bytes);
    if (typeof text !== "string") return { error: `is not UTF-8 (${describeBadByte(text)})`, missing: false };
    return { source: keep(realPath, path.dirname(shownPath), new SourceFile(shownPath, text)) };
  }

  const main = readMain();
  return { main, read, library: (name) => libraryFiles.get(name) ?? null, libraryHeaders };
}

/** A fault of a file that has no code of the system's. */
class FileFault extends Error {}

function describeReadError(error: unknown): string {
  return error instanceof FileFault ? error.message : describeSystemError(error);
}

function readMainBytes(
  mainPath: string,
  system: System,
): { bytes: Uint8Array; shownPath: string; realPath: string | null } {
  const descriptor = openDescriptorOf(mainPath);
  try {
    if (descriptor !== null) {
      const bytes = descriptor === 0 ? system.readStdin(MAX_FILE_BYTES) : readDescriptor(descriptor, MAX_FILE_BYTES);
      if (bytes.length > MAX_FILE_BYTES) throw new FileFault("is over 16 MiB");
      return { bytes, shownPath: descriptor === 0 ? STDIN_PATH : mainPath, realPath: null };
    }
    const realPath = realpathSync(mainPath);
    return { bytes: readRegularFile(realPath), shownPath: path.normalize(mainPath), realPath };
  } catch (error) {
    throw new CliFailure(`can't read ${mainPath === "-" ? "standard input" : mainPath}: ${describeReadError(error)}`);
  }
}

/** The descriptor that a path names which is open already (`-`, and what a shell passes for `<(command)`), else null. */
export function openDescriptorOf(mainPath: string): number | null {
  if (mainPath === "-" || mainPath === "/dev/stdin") return 0;
  const match = /^\/(?:dev|proc\/self)\/fd\/(\d{1,5})$/.exec(mainPath);
  return match === null ? null : Number(match[1]);
}

// O_NONBLOCK: opening a pipe that nobody writes to would hang; what kind of file it is can be asked once it is open.
function readRegularFile(realPath: string): Uint8Array {
  const fd = openSync(realPath, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0));
  try {
    const stats = fstatSync(fd);
    if (stats.isDirectory()) throw new FileFault("is a directory");
    if (!stats.isFile()) throw new FileFault("is not a regular file");
    if (stats.size > MAX_FILE_BYTES) throw new FileFault("is over 16 MiB");
    // A file of the kernel's own says 0 for its size; some (/proc/kmsg) would make one wait for what is still to come.
    const bytes = readDescriptor(fd, MAX_FILE_BYTES, false);
    if (bytes.length > MAX_FILE_BYTES) throw new FileFault("is over 16 MiB");
    return bytes;
  } finally {
    closeSync(fd);
  }
}

/** Where a byte string stops being UTF-8. */
interface BadByte {
  readonly offsetBytes: number;
  readonly byte: number;
  /** The text with U+FFFD in the place of what isn't UTF-8. */
  readonly lossyText: string;
  /** The place of the first bad byte in `lossyText`. */
  readonly offset: number;
}

/** The text of UTF-8 bytes without a byte order mark, or where they stop being UTF-8. */
function decodeUtf8(bytes: Uint8Array): string | BadByte {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return findBadByte(bytes);
  }
}

function findBadByte(bytes: Uint8Array): BadByte {
  // The longest prefix that decodes ends where the first bad sequence starts; whether a prefix decodes can be bisected
  // when a sequence that is cut by the prefix's end counts as good, which is what `stream` means.
  let good = 0;
  let bad = bytes.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (decodesSoFar(bytes.subarray(0, middle))) good = middle;
    else bad = middle;
  }
  const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, good), { stream: true });
  const offsetBytes = Buffer.byteLength(text) + (hasByteOrderMark(bytes) ? 3 : 0);
  const lossyText = new TextDecoder().decode(bytes);
  return { offsetBytes, byte: bytes[offsetBytes] ?? 0, lossyText, offset: text.length };
}

function decodesSoFar(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

function hasByteOrderMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

function describeBadByte(bad: BadByte): string {
  const at = new SourceFile("", bad.lossyText).positionAt(bad.offset);
  return `byte 0x${bad.byte.toString(16).padStart(2, "0")} at line ${at.line}, column ${at.column}`;
}

function notUtf8(source: SourceFile, bad: BadByte): Diagnostic {
  const utf16 = bad.offsetBytes === 0 && (bad.byte === 0xff || bad.byte === 0xfe);
  return errorAt({ file: source, start: bad.offset, end: bad.offset + 1 }, "X0091", "the file is not UTF-8", {
    label: `byte 0x${bad.byte.toString(16).padStart(2, "0")} (number ${bad.offsetBytes} from the file's start)`,
    help: utf16 ? "the file looks like UTF-16; save it as UTF-8" : "save the file as UTF-8",
  });
}
