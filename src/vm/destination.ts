// Where a redirected packet goes, in words for people: the machine notes which map and entry, this reads the entry. Knows the layouts of
// the values of devmaps and cpumaps, and nothing of programs.
// Source: Linux include/uapi/linux/bpf.h, struct bpf_devmap_val, struct bpf_cpumap_val; kernel/bpf/devmap.c, dev_map_enqueue_multi.

import { redirectFlags } from "./helpers/redirect.ts";
import { indexOfKey } from "./maps/map.ts";
import { DeviceMap, RedirectMap } from "./maps/redirect-maps.ts";
import type { StandardMachine } from "./standard.ts";
import type { Redirect } from "./surroundings.ts";

/** Where a packet goes. `map` and `key` say by which entry; `program` is the one that runs there, if the entry names any. */
export type Destination =
  | { readonly kind: "device"; readonly ifindex: number }
  | {
      readonly kind: "device";
      readonly ifindex: number;
      readonly map: string;
      readonly key: number;
      readonly program: string | null;
    }
  /** A broadcast: all devices of the map, in rising order of keys, without the one the packet came from if so asked. */
  | { readonly kind: "devices"; readonly map: string; readonly ifindexes: readonly number[] }
  | {
      readonly kind: "cpu";
      readonly cpu: number;
      readonly map: string;
      readonly key: number;
      readonly program: string | null;
    }
  /** A socket: entry `key` of an xskmap, whose value is `socket`. */
  | { readonly kind: "socket"; readonly map: string; readonly key: number; readonly socket: number };

/** Reads a run's redirect; null when there was none, or its entry is gone. */
export function destinationOf(
  redirect: Redirect | null,
  machine: StandardMachine,
  ingressIfindex = 0,
): Destination | null {
  if (redirect === null) return null;
  if (redirect.kind === "device") return { kind: "device", ifindex: redirect.ifindex };
  const { map, key, entry, flags } = redirect;
  if (!(map instanceof RedirectMap)) return null;
  if ((flags & BigInt(redirectFlags.broadcast)) !== 0n) {
    const exclude = (flags & BigInt(redirectFlags.excludeIngress)) !== 0n;
    const all = map.targets().map((target) => indexOfKey(map.target(target) ?? new Uint8Array(4)));
    const ifindexes = all.filter((ifindex) => !exclude || ifindex !== ingressIfindex);
    return { kind: "devices", map: map.name, ifindexes };
  }
  if (entry === null) return null;
  const first = indexOfKey(entry);
  const program = entry.length < 8 ? null : machine.programOf(indexOfKey(entry.subarray(4)));
  if (map instanceof DeviceMap) return { kind: "device", ifindex: first, map: map.name, key, program };
  if (map.kind === "cpumap") return { kind: "cpu", cpu: key, map: map.name, key, program };
  return { kind: "socket", map: map.name, key, socket: first };
}
