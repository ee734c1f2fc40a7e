// The kernel's error numbers, as helpers and map operations return them (negated). One table for machine, maps and messages.
// Knows nothing of who returns which.
// Source: Linux include/uapi/asm-generic/errno-base.h and errno.h; include/linux/errno.h for ENOTSUPP.

/** The numbers by name; what returns them negates them. */
export const errno = {
  EPERM: 1,
  ENOENT: 2,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENOSPC: 28,
  ERANGE: 34,
  ENOSYS: 38,
  EOVERFLOW: 75,
  EMSGSIZE: 90,
  EPROTONOSUPPORT: 93,
  EOPNOTSUPP: 95,
  EAFNOSUPPORT: 97,
  ENETDOWN: 100,
  /** The kernel's own, seen by users all the same (system calls on maps give it). */
  ENOTSUPP: 524,
} as const;

/** The name of an error number. */
export type ErrnoName = keyof typeof errno;

/** The name of a returned error (a negative number, or a positive one of the table); the number itself when unknown. */
export function errnoName(result: number): string {
  for (const [name, number] of Object.entries(errno)) if (number === Math.abs(result)) return name;
  return `errno ${Math.abs(result)}`;
}
