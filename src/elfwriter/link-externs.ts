// What a program uses and the kernel has: functions of it, addresses of its variables, values of its configuration. A program
// image can name kernel functions; the rest only a running kernel knows, so it becomes a gap.
// Source: libbpf src/libbpf.c (bpf_object__collect_externs, bpf_object__relocate_data).

import { type DecodedBtf, type DecodedType, decodedSize } from "./btf-decode.ts";
import { symbolBinding, symbolType } from "./elf-format.ts";
import { LinkRefusal, shortName } from "./link-fault.ts";
import type { MapTable } from "./link-maps.ts";
import type { Patch } from "./link-unit.ts";
import type { ObjectSymbol } from "./object-file.ts";

/** What becomes of an instruction, and what stays open. */
export interface ExternUse {
  readonly patch: Patch | null;
  readonly gap: string | null;
}

/** Whether a symbol is defined elsewhere: in the kernel, as far as BPF goes. */
export function isExtern({ section, type, binding, name }: ObjectSymbol): boolean {
  return section === null && type === symbolType.none && binding !== symbolBinding.local && name !== "";
}

/** The externs that an object's BTF describes. */
export class Externs {
  readonly #btf: DecodedBtf | null;
  readonly #maps: MapTable;
  readonly #kernel = new Map<string, DecodedType>();
  /** Variables of the kernel's configuration by name, with their places in the map that holds them. */
  readonly #configuration = new Map<string, number>();
  #configurationBytes = 0;
  #configurationMap: ReturnType<MapTable["configuration"]> | null = null;

  constructor(btf: DecodedBtf | null, maps: MapTable) {
    this.#btf = btf;
    this.#maps = maps;
    for (const section of btf?.types ?? []) {
      if (section.kind !== "section" || (section.name !== ".ksyms" && section.name !== ".kconfig")) continue;
      for (const { variable } of section.variables) {
        const type = btf?.types[variable];
        if (type === undefined) continue;
        if (section.name === ".ksyms") this.#kernel.set(type.name, type);
        else if (type.kind === "variable") this.#configure(type);
      }
    }
  }

  /** A call of something extern. Throws LinkRefusal when BTF has no such function. */
  call({ name }: ObjectSymbol, slot: number): ExternUse {
    if (this.#kernel.get(name)?.kind !== "function") throw new LinkRefusal("extern", name, slot);
    return { patch: { slot, kind: "kfunc", name }, gap: null };
  }

  /** A 16-byte load of something extern. Throws LinkRefusal when BTF doesn't say what it is. */
  load({ name }: ObjectSymbol, slot: number): ExternUse {
    const offset = this.#configuration.get(name);
    if (offset !== undefined) {
      this.#configurationMap ??= this.#maps.configuration(this.#configurationBytes);
      const patch = { slot, kind: "map", map: this.#configurationMap, offset } as const;
      return { patch, gap: `the value of \`${shortName(name)}\` is the running kernel's to say (kconfig)` };
    }
    if (!this.#kernel.has(name)) throw new LinkRefusal("extern", name, slot);
    return { patch: null, gap: `the address of \`${shortName(name)}\` is the running kernel's to say (ksym)` };
  }

  /** Places follow the order of declaration, each aligned to its size; the real order is libbpf's, and only a kernel has values. */
  #configure(type: DecodedType & { kind: "variable" }): void {
    const bytes = Math.min((this.#btf && decodedSize(this.#btf, type.type)) ?? 8, 4096);
    const align = bytes > 0 && bytes <= 8 ? bytes : 8;
    const offset = Math.ceil(this.#configurationBytes / align) * align;
    if (this.#configuration.has(type.name)) return;
    this.#configuration.set(type.name, offset);
    this.#configurationBytes = offset + bytes;
  }
}
