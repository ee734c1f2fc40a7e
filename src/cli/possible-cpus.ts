// How many CPUs the machine may have, which the kernel's verifier knows of the number a program gets for its CPU. Only Linux
// says it; elsewhere the checker assumes as many as usual kernels are built for.

import { readFileSync } from "node:fs";

/**
 * One more than the highest number in a list of CPUs such as `0-3,8`; undefined when that's no such list.
 * **Source:** Linux Documentation/admin-guide/cputopology.rst (`possible`); kernel/bpf/verifier.c bounds by nr_cpu_ids.
 */
export function cpusOfList(list: string): number | undefined {
  const numbers = /^\d{1,5}(?:[-,]\d{1,5})*$/.test(list.trim()) ? list.trim().split(/[-,]/).map(Number) : [];
  return numbers.length === 0 ? undefined : Math.max(...numbers) + 1;
}

/** The number of CPUs that the machine may have; undefined where the system doesn't say. */
export function possibleCpus(): number | undefined {
  try {
    return cpusOfList(readFileSync("/sys/devices/system/cpu/possible", "utf8"));
  } catch {
    return undefined;
  }
}
