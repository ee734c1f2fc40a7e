// The helpers that work on maps: entries by key, queues, all entries. What a map's kind doesn't allow to programs (the verifier
// refuses it) is a fault here, so that no program gets an answer the kernel would never give.
// Source: Linux kernel/bpf/helpers.c; kernel/bpf/verifier.c, check_map_func_compatibility.

import type { MapAccess } from "../../bpf/maps.ts";
import { mapKindInfo } from "../../bpf/maps.ts";
import { errno } from "../errno.ts";
import { MachineFault } from "../fault.ts";
import type { HelperEnvironment } from "../helper-call.ts";
import { argIsNull, argMap, argReadable, argU32, argWritable, giveAddress, giveNumber } from "../helper-call.ts";
import { MachineMap } from "../maps/map.ts";
import { originLo, Region } from "../memory.ts";

/** Argument `n` as an unsigned number: exact below 2^53, above that only known to be large. */
export function argNumber(env: HelperEnvironment, n: number): number {
  return ((env.words[2 * n + 1] ?? 0) >>> 0) * 2 ** 32 + ((env.words[2 * n] ?? 0) >>> 0);
}

/** The map whose handle argument `n` is. Throws MachineFault when it is none, or when programs can't do `access` to its kind. */
export function mapFor(env: HelperEnvironment, n: number, access: MapAccess): MachineMap {
  const map = argMap(env, n);
  if (!(map instanceof MachineMap)) throw new MachineFault("helper", `map ${map.name} isn't one of this machine's`);
  const allowed: readonly MapAccess[] = mapKindInfo(map.kind).access;
  if (!allowed.includes(access))
    throw new MachineFault("helper", `programs can't ${words[access]} map ${map.name}, which is of kind ${map.kind}`);
  return map;
}

const words: Readonly<Record<MapAccess, string>> = {
  lookup: "look up in",
  update: "update",
  delete: "delete from",
  push: "push to",
  pop: "pop from",
  peek: "peek into",
  redirect: "redirect to",
  tailCall: "tail call through",
  perf: "output events to",
  ringbuf: "write records to",
  lookupPercpu: "look up another CPU's value in",
  forEach: "walk",
};

/** bpf_map_lookup_elem. */
export function mapLookup(env: HelperEnvironment): void {
  const map = mapFor(env, 1, "lookup");
  giveAddress(env, map.lookup(argReadable(env, 2, map.image.keyBytes), env.cpu));
}

/** bpf_map_update_elem. */
export function mapUpdate(env: HelperEnvironment): void {
  const map = mapFor(env, 1, "update");
  const key = argReadable(env, 2, map.image.keyBytes);
  const value = argReadable(env, 3, map.image.valueBytes);
  giveNumber(env, map.update(key, value, argNumber(env, 4), env.cpu));
}

/** bpf_map_delete_elem. */
export function mapDelete(env: HelperEnvironment): void {
  const map = mapFor(env, 1, "delete");
  giveNumber(env, map.delete(argReadable(env, 2, map.image.keyBytes)));
}

/** bpf_map_push_elem. */
export function mapPush(env: HelperEnvironment): void {
  const map = mapFor(env, 1, "push");
  giveNumber(env, map.push(argReadable(env, 2, map.image.valueBytes), argNumber(env, 3)));
}

/** bpf_map_pop_elem. */
export function mapPop(env: HelperEnvironment): void {
  const map = mapFor(env, 1, "pop");
  giveNumber(env, map.pop(argWritable(env, 2, map.image.valueBytes)));
}

/** bpf_map_peek_elem. */
export function mapPeek(env: HelperEnvironment): void {
  const map = mapFor(env, 1, "peek");
  const { valueBytes } = map.image;
  // A bloom filter reads the value that is asked for.
  const value = map.kind === "bloom_filter" ? argReadable(env, 2, valueBytes) : argWritable(env, 2, valueBytes);
  giveNumber(env, map.peek(value));
}

/** bpf_map_lookup_percpu_elem. */
export function mapLookupPercpu(env: HelperEnvironment): void {
  const map = mapFor(env, 1, "lookupPercpu");
  giveAddress(env, map.lookupPercpu(argReadable(env, 2, map.image.keyBytes), argU32(env, 3)));
}

/** bpf_for_each_map_elem: calls back with map, key, value and context until told to stop; gives the number of calls. */
export function forEachMapElem(env: HelperEnvironment): void {
  const map = mapFor(env, 1, "forEach");
  const { words } = env;
  const callback = { lo: words[4]!, hi: words[5]! };
  const context = { lo: words[6]!, hi: words[7]! };
  if (!argIsNull(env, 4)) return giveNumber(env, -errno.EINVAL);
  const handle = env.memory.addressOf(map.handle);
  let calls = 0;
  for (const [key, value] of map.each(env.cpu) ?? []) {
    calls += 1;
    const keyRegion = new Region("buffer", `key of map ${map.name}`, key, { readOnly: true });
    const keyHi = env.memory.addressOf(keyRegion);
    const args = Int32Array.of(
      ...[0, 0, originLo, handle, originLo, keyHi, originLo, env.memory.addressOf(value)],
      ...[context.lo, context.hi, 0, 0],
    );
    env.invoke(callback.hi, callback.lo, args);
    env.memory.revoke(keyRegion);
    if (args[0] !== 0 || args[1] !== 0) break;
  }
  giveNumber(env, calls);
}

/** bpf_spin_lock and bpf_spin_unlock: nobody else runs, so there is nothing to wait for; the lock must be writable memory. */
export function spinLock(env: HelperEnvironment): void {
  argWritable(env, 1, 4);
}
