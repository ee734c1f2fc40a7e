// The helpers that ask about the surroundings: clocks, random numbers, the CPU, and who is running, which for a packet is nobody.
// Constants stand for what only a kernel has, so that runs repeat exactly. And loop, which is control flow.
// Source: Linux kernel/bpf/helpers.c; kernel/bpf/bpf_iter.c, bpf_loop.

import { errno } from "../errno.ts";
import type { HelperEnvironment } from "../helper-call.ts";
import { argIsNull, argU32, argU64, argWritable, giveNumber, giveU64 } from "../helper-call.ts";
import { bytesFrom, readString } from "./format.ts";

/** The most turns of bpf_loop. **Source:** Linux include/linux/bpf.h, BPF_MAX_LOOPS. */
const mostLoops = 8 * 1024 * 1024;
/** With CONFIG_HZ=250; the kernel's count begins five minutes before 2^32. */
const jiffyNs = 4_000_000n;
const firstJiffies = 2n ** 32n - 300n * 250n;
/** The control group that packets belong to: the root. */
const rootCgroup = 1;

/** ktime_get_ns, ktime_get_coarse_ns. */
export function monotonic(env: HelperEnvironment): void {
  giveU64(env, env.clock.monotonicNs);
}

/** ktime_get_boot_ns. */
export function boot(env: HelperEnvironment): void {
  giveU64(env, env.clock.bootNs);
}

/** ktime_get_tai_ns. */
export function tai(env: HelperEnvironment): void {
  giveU64(env, env.clock.taiNs);
}

/** jiffies64, as a kernel counts them that ticks 250 times a second. */
export function jiffies(env: HelperEnvironment): void {
  giveU64(env, firstJiffies + env.clock.monotonicNs / jiffyNs);
}

/** get_prandom_u32. */
export function random(env: HelperEnvironment): void {
  giveNumber(env, env.random());
}

/** get_smp_processor_id. */
export function cpu(env: HelperEnvironment): void {
  giveNumber(env, env.cpu);
}

/** What is 0 for a packet: NUMA node, process, user, task, class. */
export function zero(env: HelperEnvironment): void {
  giveNumber(env, 0);
}

/** get_current_comm: the name of the CPU's idle task. */
export function comm(env: HelperEnvironment): void {
  const target = argWritable(env, 1, argU32(env, 2));
  const name = new TextEncoder().encode(`swapper/${env.cpu}`).subarray(0, target.length - 1);
  target.fill(0);
  target.set(name);
  giveNumber(env, 0);
}

/** get_current_cgroup_id. */
export function cgroup(env: HelperEnvironment): void {
  giveNumber(env, rootCgroup);
}

/** get_current_ancestor_cgroup_id: the root has no others above it. */
export function ancestorCgroup(env: HelperEnvironment): void {
  giveNumber(env, argU32(env, 1) === 0 ? rootCgroup : 0);
}

/** probe_read_kernel: what isn't the program's own memory can't be read. */
export function probeReadKernel(env: HelperEnvironment): void {
  const target = argWritable(env, 1, argU32(env, 2));
  const found = bytesFrom(env.memory, argU64(env, 3), target.length);
  if (target.length > 0 && found?.length !== target.length) return probeFails(env);
  if (found !== null) target.set(found);
  giveNumber(env, 0);
}

/** probe_read_kernel_str: gives the length with the terminating zero. */
export function probeReadKernelString(env: HelperEnvironment): void {
  const target = argWritable(env, 1, argU32(env, 2));
  if (target.length === 0) return giveNumber(env, 0);
  const found = readString(env.memory, argU64(env, 3), target.length - 1)?.slice();
  if (found === undefined) return probeFails(env);
  target.set(found);
  target[found.length] = 0;
  giveNumber(env, found.length + 1);
}

/** probe_read_user and its string form: there is no user. Also the end of a failed read: the target is zeroed. */
export function probeFails(env: HelperEnvironment): void {
  argWritable(env, 1, argU32(env, 2)).fill(0);
  giveNumber(env, -errno.EFAULT);
}

/** bpf_loop: calls back with the turn's number and the context until told to stop; gives the number of calls. */
export function loop(env: HelperEnvironment): void {
  const { words } = env;
  const turns = argU32(env, 1);
  const callback = { lo: words[4]!, hi: words[5]! };
  const context = { lo: words[6]!, hi: words[7]! };
  if (!argIsNull(env, 4)) return giveNumber(env, -errno.EINVAL);
  // The verifier puts a loop in the place of a call whose flags are constant, and there the error has 32 bits.
  if (turns > mostLoops) return giveNumber(env, -errno.E2BIG >>> 0);
  const args = new Int32Array(12);
  let turn = 0;
  while (turn < turns) {
    args.fill(0);
    args.set([turn, 0, context.lo, context.hi], 2);
    env.invoke(callback.hi, callback.lo, args);
    turn += 1;
    if (args[0] !== 0 || args[1] !== 0) break;
  }
  giveNumber(env, turn);
}
