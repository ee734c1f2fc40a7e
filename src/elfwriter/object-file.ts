// What a reader finds in a BPF object file, ours or anyone's, and what can be wrong with one: plain values with windows onto
// the file's bytes, no copies. The contract between read.ts and those who ask (disassembler, checker, tests).
// Knows nothing of instructions.

import type { MapKind } from "../bpf/maps.ts";
import type { DecodedBtf } from "./btf-decode.ts";

/** What can be wrong with a file, each with the words to say it in. */
export const objectFaults = {
  "not-elf": "this is not an ELF file",
  "elf-class": "this is not a 64-bit ELF file",
  "elf-byte-order": "this is not a little-endian ELF file",
  "elf-type": "this ELF file is not relocatable (an object)",
  "elf-machine": "this ELF file is not for BPF",
  "header-cut": "the ELF header is cut off",
  "section-headers": "the section headers lie outside the file or have an unknown size",
  "section-outside": "a section lies outside the file",
  "sections-overlap": "two sections overlap",
  "section-names": "the section names are missing or a name has no end",
  "symbol-table": "the symbol table is malformed",
  "symbol-name": "a symbol's name has no end",
  "symbol-section": "a symbol belongs to a section that doesn't exist",
  "relocation-table": "a relocation section is malformed",
  "relocation-target": "a relocation section patches a section that doesn't exist",
  "relocation-offset": "a relocation patches a place outside its section",
  "relocation-symbol": "a relocation refers to a symbol that doesn't exist",
  "code-size": "the size of a code section is not a multiple of 8",
  "code-relocation": "a relocation in code is not at an instruction",
  "function-range": "a function lies outside its section or not at an instruction",
  "functions-overlap": "two functions overlap",
  license: "the license has no end",
  "btf-header": "the header of .BTF is malformed",
  "btf-record": "a type record of .BTF is malformed or cut off",
  "btf-name": "a name in .BTF lies outside its strings or has no end",
  "btf-reference": "a type record of .BTF refers to a type that doesn't exist",
  "btf-cycle": "a type of .BTF contains itself",
  "btf-ext-header": "the header of .BTF.ext is malformed",
  "btf-ext-record": "a record of .BTF.ext is malformed or cut off",
  "btf-ext-section": "a record of .BTF.ext is for a section that doesn't exist",
  "map-definition": "a definition in .maps is not one of a map",
} as const;

/** The kind of a fault; `objectFaults` words it. */
export type ObjectFaultKind = keyof typeof objectFaults;

/** A fault of a file; `offset` is its place in the file in bytes. */
export interface ObjectFault {
  readonly what: ObjectFaultKind;
  readonly offset: number;
}

/** The fault in words. */
export function faultText(fault: ObjectFault): string {
  return `${objectFaults[fault.what]} (at byte ${fault.offset})`;
}

/** A section of the file. */
export interface ObjectSection {
  /** Its number: the first, 0, is the empty one that every file has. */
  readonly number: number;
  readonly name: string;
  /** One of `sectionType`, or a number we don't know. */
  readonly type: number;
  /** A sum of `sectionFlag` and others. */
  readonly flags: bigint;
  /** Its place in the file. */
  readonly offset: number;
  /** Its size as loaded; NOBITS sections have no `bytes` all the same. */
  readonly size: bigint;
  readonly bytes: Uint8Array;
  readonly link: number;
  readonly info: number;
}

/** A symbol; `value` is an offset into its section in bytes. */
export interface ObjectSymbol {
  readonly name: string;
  /** One of `symbolType`. */
  readonly type: number;
  /** One of `symbolBinding`. */
  readonly binding: number;
  /** Not for other files (STV_HIDDEN or STV_INTERNAL). */
  readonly hidden: boolean;
  /** The section it belongs to; null when undefined, absolute or common. */
  readonly section: ObjectSection | null;
  readonly value: bigint;
  readonly size: bigint;
}

/** A place to be patched: `offset` bytes into the section it belongs to. */
export interface ObjectRelocation {
  readonly offset: number;
  readonly symbol: ObjectSymbol;
  /** One of `relocationType`, or a number we don't know. */
  readonly type: number;
}

/** A section of code: the programs of one attach type, or `.text` with the subprograms they share. */
export interface CodeSection {
  readonly section: ObjectSection;
  /** Rising by start; they don't overlap. */
  readonly functions: readonly ObjectFunction[];
  /** Rising by offset. */
  readonly relocations: readonly ObjectRelocation[];
  readonly lines: readonly ObjectLine[];
  readonly funcInfo: readonly ObjectFuncInfo[];
  /** Rising by offset. */
  readonly coreRelocations: readonly ObjectCoreRelocation[];
}

/** A function; slots of 8 bytes are counted from the section's start. */
export interface ObjectFunction {
  readonly name: string;
  readonly startSlot: number;
  readonly slots: number;
  /** False for what only this file can call. */
  readonly global: boolean;
}

/** The source line of the instruction at `offsetBytes` into the section and of those after it. */
export interface ObjectLine {
  readonly offsetBytes: number;
  readonly file: string;
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

/** The type number of the function that starts at `offsetBytes` into the section. */
export interface ObjectFuncInfo {
  readonly offsetBytes: number;
  readonly type: number;
}

/**
 * A place in code that depends on the layout of a kernel type: the instruction at `offsetBytes` holds a fact about `type` as
 * this object declares it, and a loader puts the running kernel's in its place.
 *
 * **Source:** Linux include/uapi/linux/bpf.h, struct bpf_core_relo.
 */
export interface ObjectCoreRelocation {
  readonly offsetBytes: number;
  /** The number of the type in the file's BTF from which `access` starts. */
  readonly type: number;
  /** Indices of members, joined by colons; the first is that of an array's element, usually 0. */
  readonly access: string;
  /** Which fact (enum bpf_core_relo_kind), or a number we don't know. */
  readonly kind: number;
}

/** A map as far as the file describes it: null is what isn't said. */
export interface ObjectMap {
  readonly name: string;
  /** The BPF_MAP_TYPE_* number. */
  readonly type: number | null;
  /** The type's row in the table of kinds; null when it isn't said or XDP has no use for it. */
  readonly kind: MapKind | null;
  readonly maxEntries: number | null;
  readonly flags: number;
  readonly pinned: boolean;
  readonly keyBytes: number | null;
  readonly valueBytes: number | null;
  /** The key's number in the file's BTF. */
  readonly keyType: number | null;
  /** The value's number in the file's BTF. */
  readonly valueType: number | null;
  /** The template of the inner maps of a map of maps. */
  readonly inner: ObjectMap | null;
  /** The functions, by name, that loaders put into a map of programs, by rising index; absent where there are none. */
  readonly programs?: readonly { readonly index: number; readonly program: string }[];
}

/** A BPF object file, read. */
export interface ObjectFile {
  readonly sections: readonly ObjectSection[];
  readonly symbols: readonly ObjectSymbol[];
  /** By the number of the section that is patched; rising by offset. */
  readonly relocations: ReadonlyMap<number, readonly ObjectRelocation[]>;
  readonly code: readonly CodeSection[];
  readonly maps: readonly ObjectMap[];
  /** The text of section `license`; null when there is none. */
  readonly license: string | null;
  readonly btf: DecodedBtf | null;
}

/** Throws away nothing: either the file was read whole, or why not. */
export type ReadResult =
  | { readonly object: ObjectFile; readonly faults?: undefined }
  | { readonly object?: undefined; readonly faults: readonly ObjectFault[] };
