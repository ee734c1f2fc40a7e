// The contract between the back-end parts: a BPF object before it is ELF. The code generator makes it, the ELF writer
// writes it; nothing here knows section numbers, symbol tables or type numbers. Instructions name maps and data by symbol.

import type { BtfParameter, BtfType } from "./btf.ts";
import type { ResolvedInsn } from "./insn.ts";
import type { MapKind } from "./maps.ts";

/** Everything that goes into one object file. */
export interface BpfObject {
  /** Usually "GPL"; written with its terminating zero to section `license`. */
  readonly license: string;
  readonly programs: readonly BpfProgram[];
  readonly maps: readonly BpfMap[];
  readonly data: readonly DataSection[];
  /** Types that nothing in the object has but that its readers want to know: what programs send them. */
  readonly types?: readonly BtfType[];
}

/** One program: a global function in its own section (two programs may share a section name). */
export interface BpfProgram {
  /** A C identifier. */
  readonly name: string;
  /** Exactly what the loader sees: "xdp", "xdp.frags", "xdp/devmap", "xdp.frags/cpumap" or a name of the user's own. */
  readonly section: string;
  readonly insns: readonly ResolvedInsn[];
  /** Rising by insn index; the first entry is for insn 0. */
  readonly lines: readonly InsnLine[];
  readonly result: BtfType;
  readonly parameters: readonly BtfParameter[];
  /** libxdp's dispatcher settings, or null: then no `.xdp_run_config` entry is written for this program. */
  readonly runConfig: RunConfig | null;
}

/** The source line an instruction and those after it come from. */
export interface InsnLine {
  /** Index into `insns` (not a slot): the writer converts it. */
  readonly insnIndex: number;
  readonly file: string;
  /** The text of the source line as it stands, without line break. */
  readonly text: string;
  /** From 1. */
  readonly line: number;
  /** From 1; the writer clamps it to 1023. */
  readonly column: number;
}

/** An entry of `.xdp_run_config`: order in libxdp's dispatcher (lower runs first) and the verdicts after which the chain goes on. */
export interface RunConfig {
  readonly priority: number;
  readonly chainOn: readonly ("XDP_ABORTED" | "XDP_DROP" | "XDP_PASS" | "XDP_TX" | "XDP_REDIRECT")[];
}

/** One map of `.maps`. */
export interface BpfMap {
  /** A C identifier. */
  readonly name: string;
  readonly kind: MapKind;
  /** The key's type; null where the kind has no typed key (then the kind's row of the table gives key_size). */
  readonly key: BtfType | null;
  /** The value's type; null where the kind has no typed value (then the kind's row gives value_size). */
  readonly value: BtfType | null;
  readonly maxEntries: number;
  /** BPF_F_* flags; 0 when none. */
  readonly flags: number;
  /** True: `pinning` = LIBBPF_PIN_BY_NAME. */
  readonly pinned: boolean;
  /** What the maps that a map of maps holds are like; its name doesn't matter. Absent for other kinds. */
  readonly inner?: BpfMap;
  /** The programs of this object that a map of programs holds once it is loaded, by rising index. Absent for other kinds. */
  readonly programs?: readonly MapProgram[];
}

/** A program, by name, at an index of a map. */
export interface MapProgram {
  readonly index: number;
  readonly program: string;
}

/** A global data section with its variables; `.bss` has no bytes of its own but a size. */
export interface DataSection {
  readonly name: ".rodata" | ".data" | ".bss";
  /** The initial bytes; its length is the section's size (zeros for .bss). */
  readonly bytes: Uint8Array;
  readonly variables: readonly DataVariable[];
}

/** A variable of a data section: a global object symbol with BTF. */
export interface DataVariable {
  /** A C identifier. */
  readonly name: string;
  readonly type: BtfType;
  readonly offsetBytes: number;
  /** True for what only the compiler refers to (format strings): a local symbol and a static VAR. */
  readonly local: boolean;
}
