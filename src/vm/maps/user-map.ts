// A map as user space works on it by bpf(2): what the system call judges before it asks the map (access, flags, sizes), then the map.
// Errors are negative numbers here; the public API makes exceptions of them. Knows nothing of programs or types.
// Source: Linux kernel/bpf/syscall.c: map_lookup_elem, map_update_elem, map_delete_elem, map_get_next_key,
// map_lookup_and_delete_elem, map_freeze, map_get_sys_perms.

import { errno } from "../errno.ts";
import type { MachineMap } from "./map.ts";
import { updateFlags } from "./map.ts";

/** Creation flags that close a map for user space. **Source:** Linux include/uapi/linux/bpf.h. */
const closed = { reading: 1 << 4, writing: 1 << 3 } as const;

/** The system calls on one map. Keys and values have exactly the bytes the kernel would copy; others are EFAULT. */
export class UserMap {
  readonly map: MachineMap;
  #frozen: boolean;

  constructor(map: MachineMap) {
    this.map = map;
    this.#frozen = map.image.frozen;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  /** The bytes of a key; 0 for kinds without keys. */
  get keyBytes(): number {
    return this.map.image.keyBytes;
  }

  /** The bytes of a value; for per-CPU kinds those of all CPUs, each rounded up to 8. */
  get valueBytes(): number {
    return this.map.userValueBytes;
  }

  /** BPF_MAP_LOOKUP_ELEM; a bloom filter is asked with a value in place of the key. */
  lookup(key: Uint8Array, flags = 0): Uint8Array | number {
    if (flags !== 0 && flags !== updateFlags.lock) return -errno.EINVAL;
    if (!this.#mayRead) return -errno.EPERM;
    if (flags === updateFlags.lock && !this.map.hasSpinLock) return -errno.EINVAL;
    const bytes = this.map.kind === "bloom_filter" ? this.valueBytes : this.keyBytes;
    return key.length === bytes ? this.map.userLookup(key) : -errno.EFAULT;
  }

  /** BPF_MAP_UPDATE_ELEM; pushes where there are no keys. */
  update(key: Uint8Array, value: Uint8Array, flags = 0): number {
    if (!this.#mayWrite) return -errno.EPERM;
    if (hasLockFlag(flags) && !this.map.hasSpinLock) return -errno.EINVAL;
    if (key.length !== this.keyBytes || value.length !== this.valueBytes) return -errno.EFAULT;
    return this.map.userUpdate(key, value, flags);
  }

  /** BPF_MAP_DELETE_ELEM. */
  delete(key: Uint8Array): number {
    if (!this.#mayWrite) return -errno.EPERM;
    return key.length === this.keyBytes ? this.map.userDelete(key) : -errno.EFAULT;
  }

  /** BPF_MAP_LOOKUP_AND_DELETE_ELEM: pops where there are no keys. */
  take(key: Uint8Array, flags = 0): Uint8Array | number {
    if (flags !== 0 && flags !== updateFlags.lock) return -errno.EINVAL;
    const keyless = this.map.kind === "queue" || this.map.kind === "stack";
    if (keyless && flags !== 0) return -errno.EINVAL;
    if (!this.#mayRead || !this.#mayWrite) return -errno.EPERM;
    if (flags === updateFlags.lock && !this.map.hasSpinLock) return -errno.EINVAL;
    return key.length === this.keyBytes ? this.map.userTake(key) : -errno.EFAULT;
  }

  /** BPF_MAP_GET_NEXT_KEY. */
  nextKey(key: Uint8Array | null): Uint8Array | number {
    if (!this.#mayRead) return -errno.EPERM;
    if (key !== null && key.length !== this.keyBytes) return -errno.EFAULT;
    return this.map.userNextKey(key);
  }

  /** BPF_MAP_FREEZE: user space can't write any more. */
  freeze(): number {
    if (this.map.image.fields.length > 0) return -errno.ENOTSUPP;
    if (!this.#mayWrite) return -errno.EPERM;
    this.#frozen = true;
    return 0;
  }

  get #mayRead(): boolean {
    return (this.map.image.flags & closed.reading) === 0;
  }

  get #mayWrite(): boolean {
    return !this.#frozen && (this.map.image.flags & closed.writing) === 0;
  }
}

function hasLockFlag(flags: number): boolean {
  return ((flags % 8) & updateFlags.lock) !== 0;
}
