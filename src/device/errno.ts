// The kernel's error numbers that these commands meet, by name, and in words for people. Numbers are those of x86-64 and arm64.
// Source: Linux include/uapi/asm-generic/errno-base.h and errno.h.

/** Error numbers by name. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOSPC: 28,
  EROFS: 30,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  EOPNOTSUPP: 95,
  ENETDOWN: 100,
  ENOTSUPP: 524,
} as const;

const WORDS: Readonly<Record<keyof typeof ERRNO, string>> = {
  EPERM: "not permitted",
  ENOENT: "there is none",
  EINTR: "interrupted",
  E2BIG: "too big, or full",
  EBADF: "a descriptor of the wrong kind",
  EAGAIN: "try again",
  ENOMEM: "no memory for it",
  EACCES: "permission denied",
  EFAULT: "a bad address",
  EBUSY: "busy",
  EEXIST: "it exists already",
  EXDEV: "it lies on another file system",
  ENODEV: "no such device",
  ENOTDIR: "a part of the path is not a directory",
  EISDIR: "is a directory",
  EINVAL: "the kernel doesn't take these values",
  ENFILE: "too many open files in the system",
  EMFILE: "too many open files",
  ENOSPC: "no space left",
  EROFS: "the file system is read-only",
  ERANGE: "out of range",
  ENAMETOOLONG: "the name is too long",
  ENOSYS: "this kernel hasn't got it",
  ENOTEMPTY: "the directory is not empty",
  EOPNOTSUPP: "not supported",
  ENETDOWN: "the network is down",
  ENOTSUPP: "not supported",
};

const NAMES = new Map<number, keyof typeof ERRNO>(
  Object.entries(ERRNO).map(([name, number]) => [number, name as keyof typeof ERRNO]),
);

/** An error number (its sign doesn't matter) as people see it: `permission denied (EACCES)`. */
export function errnoText(number: number): string {
  const name = NAMES.get(Math.abs(number));
  return name === undefined ? errnoName(number) : `${WORDS[name]} (${name})`;
}

/** The name of an error number (its sign doesn't matter): `EACCES`. */
export function errnoName(number: number): string {
  return NAMES.get(Math.abs(number)) ?? `error ${Math.abs(number)}`;
}
