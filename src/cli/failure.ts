// What ends a run besides diagnostics: a usage or I/O fault with the exit code it means. Thrown anywhere in the command line,
// caught once in run.ts. Faults in the user's rules are diagnostics and never come here.

/** Exit codes of the command line, as sysexits and C compilers have them; `unknown` is `xdpc check`'s alone. */
export const EXIT = { fine: 0, diagnostics: 1, usage: 2, unknown: 3, bug: 70 } as const;

/** The run can't go on because of how it was asked for or what the file system said; ends it with EXIT.usage. */
export class CliFailure extends Error {
  override readonly name = "CliFailure";
}

/** What the operating system said, in words for people: "no such file", "permission denied", …; never throws. */
export function describeSystemError(error: unknown): string {
  const code = systemErrorCode(error);
  if (code === null) return error instanceof Error ? error.message : String(error);
  return SYSTEM_ERRORS[code] ?? code;
}

/** `ENOENT` and the like, or null when `error` isn't the operating system's. */
export function systemErrorCode(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return null;
  return error.code;
}

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EAGAIN: "there is nothing to read now",
  EBADF: "it isn't open",
  EDQUOT: "the disk quota is used up",
  EEXIST: "it exists already",
  EFBIG: "the file would be too large",
  EIO: "the device reports an input/output error",
  EISDIR: "is a directory",
  ELOOP: "too many symbolic links",
  EMFILE: "too many open files",
  ENAMETOOLONG: "the name is too long",
  ENODEV: "no such device",
  ENOENT: "no such file or directory",
  ENOSPC: "no space left on the device",
  ENOTDIR: "a part of the path is not a directory",
  ENXIO: "nothing reads from it",
  EPERM: "not permitted",
  EROFS: "the file system is read-only",
  ETXTBSY: "it is being executed",
};
