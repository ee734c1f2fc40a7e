// A program as the kernel would get it: raw instruction bytes with everything resolved, and the maps it uses. The contract
// between whoever makes programs loadable (elfwriter/link.ts does what libbpf does), the checker and the machine; nothing here
// knows ELF or BTF type numbers. The bytes are those of bpf(BPF_PROG_LOAD), but for handles:
//
// - loadWide with src 1 (BPF_PSEUDO_MAP_FD): imm is an index into `maps`; with src 2 (BPF_PSEUDO_MAP_VALUE) imm is the same and
//   the high half's imm the offset into the map's first value; src 4 (BPF_PSEUDO_FUNC): imm as the kernel has it, relative;
// - call with src 1 (BPF_PSEUDO_CALL): imm relative, as the kernel has it; with src 2 (kfunc): imm is an index into `kfuncs`.
//
// Whatever else the bytes hold is left as found, right or wrong: judging it is the checker's work.
// Source: Linux include/uapi/linux/bpf.h (BPF_PSEUDO_*, union bpf_attr); libbpf src/libbpf.c (bpf_object__relocate).

/** How a program is attached: to a device, as an entry of a devmap or as one of a cpumap. */
export type AttachPoint = "device" | "devmap" | "cpumap";

/** One loadable program with all functions it reaches. */
export interface ProgramImage {
  /** The entry function's name. */
  readonly name: string;
  /** The section it came from ("xdp", "xdp.frags/cpumap"). */
  readonly section: string;
  readonly attach: AttachPoint;
  /** BPF_F_XDP_HAS_FRAGS: packets may have several buffers. */
  readonly frags: boolean;
  /** Usually "GPL"; "" when the object has none. */
  readonly license: string;
  /** The instructions, 8 bytes a slot, little-endian; the entry function first, then those it reaches. */
  readonly code: Uint8Array;
  readonly maps: readonly ImageMap[];
  /** Names of the kernel functions it calls. */
  readonly kfuncs: readonly string[];
  /** Rising by start; the first starts at slot 0. They cover `code`. Empty where nothing is known (raw bytecode): then one from 0. */
  readonly functions: readonly ImageFunction[];
  /** Rising by slot; empty without line info. */
  readonly lines: readonly ImageLine[];
  /** What could not be resolved without the kernel (CO-RE relocations, kernel symbols), one sentence each: no verdict is certain then. */
  readonly gaps: readonly string[];
}

/** A function of an image. */
export interface ImageFunction {
  readonly name: string;
  readonly startSlot: number;
  readonly slots: number;
  /** Verified on its own, for any arguments its types allow; false: as part of each caller. */
  readonly global: boolean;
  /** Its parameters by the object's BTF; null without BTF. Only the verification of global functions asks. */
  readonly parameters: readonly ImageParameter[] | null;
  /** False for a function declared `void`. */
  readonly returnsScalar: boolean;
}

/**
 * A parameter as the kernel reads it from BTF: an integer or enum; the context; a pointer to `bytes` bytes (a struct's or
 * an integer's size), which may be null unless `nonNull` (decl tag "arg:nonnull"); anything else with the words to name it.
 */
export type ImageParameter =
  | { readonly kind: "scalar" }
  | { readonly kind: "ctx" }
  | { readonly kind: "memory"; readonly bytes: number; readonly nonNull: boolean }
  | { readonly kind: "other"; readonly what: string };

/** A source line: that of the instruction at `slot` and of those after it. */
export interface ImageLine {
  readonly slot: number;
  readonly file: string;
  readonly text: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
}

/** A map an image refers to. */
export interface ImageMap {
  readonly name: string;
  /** The BPF_MAP_TYPE_* number; `mapKindByNumber` knows those XDP can use. */
  readonly type: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly maxEntries: number;
  /** BPF_F_* flags of creation. */
  readonly flags: number;
  /** Frozen for user space with BPF_F_RDONLY_PROG, as libbpf does with .rodata: the verifier takes loads from it for constants. */
  readonly frozen: boolean;
  /** The bytes of entry 0 for a data section's map (.rodata, .data, .bss); null for others. */
  readonly data: Uint8Array | null;
  /** Members of the value that the kernel treats specially, rising by offset. */
  readonly fields: readonly SpecialField[];
  /** Whether the map has BTF for its key and value (spin locks and timers need it). */
  readonly hasBtf: boolean;
  /** The template of the inner maps of a map of maps. */
  readonly inner: ImageMap | null;
  /** The programs, by name, that a loader puts into a map of programs, by rising index; absent where there are none. */
  readonly programs?: readonly { readonly index: number; readonly program: string }[];
}

/** A member of a map's value that programs can't read or write directly. */
export interface SpecialField {
  readonly kind:
    | "spinLock"
    | "resSpinLock"
    | "timer"
    | "workqueue"
    | "taskWork"
    | "kptrUntrusted"
    | "kptr"
    | "kptrPercpu"
    | "uptr"
    | "listHead"
    | "listNode"
    | "rbRoot"
    | "rbNode"
    | "refcount";
  readonly offsetBytes: number;
  readonly bytes: number;
}
