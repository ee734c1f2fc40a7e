// Gives a prepared program its addresses in one machine: what each wide load yields there. Part of the machine's core, between
// program.ts and the executors; makes no maps.

import type { ResolvedInsn } from "../bpf/insn.ts";
import type { Core, WideAddress } from "./core.ts";
import type { VmMap } from "./map.ts";
import { originLo } from "./memory.ts";
import type { Program } from "./program.ts";
import { functionNamedBy, wideSources } from "./program.ts";

/** The values of the wide loads that aren't constants, by slot: an address, or why there is none. `maps` are those of the image, in its order. */
export function wideAddresses(
  core: Core,
  program: Program,
  maps: readonly VmMap[],
): ReadonlyMap<number, WideAddress | string> {
  const addresses = new Map<number, WideAddress | string>();
  for (const [slot, insn] of program.insns.entries())
    if (insn?.kind === "loadWide" && insn.value.kind !== "constant")
      addresses.set(slot, addressOf(core, program, maps, insn, slot));
  return addresses;
}

function addressOf(
  core: Core,
  program: Program,
  maps: readonly VmMap[],
  insn: Extract<ResolvedInsn, { kind: "loadWide" }>,
  slot: number,
): WideAddress | string {
  if (insn.value.kind !== "raw") return "a wide load whose symbol nobody resolved";
  const { src, imm, immHigh } = insn.value;
  if (src === wideSources.function) {
    const entry = functionNamedBy(insn, slot);
    const isEntry = entry !== null && program.entries.includes(entry);
    return isEntry ? { hi: core.codeHi, lo: originLo + entry } : "the address of a function that isn't in the program";
  }
  if (src !== wideSources.map && src !== wideSources.mapValue) return `a wide load of kind ${src}`;
  const map = maps[imm];
  if (map === undefined) return `a wide load of map ${imm} of ${maps.length}`;
  if (src === wideSources.map) return { hi: permanentHi(core, map.handle), lo: originLo };
  const value = map.directValue();
  if (value === null) return `map ${map.name} has no value that can be addressed directly`;
  return { hi: permanentHi(core, value), lo: (originLo + immHigh) | 0 };
}

/** The high half of a region that keeps its address over runs. */
function permanentHi(core: Core, region: VmMap["handle"]): number {
  const { memory } = core;
  return memory.regions[region.index] === region ? memory.addressOf(region) : memory.addPermanent(region);
}
