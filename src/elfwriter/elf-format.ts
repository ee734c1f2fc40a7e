// The numbers of the ELF format that BPF objects use, read by the builder and by the reader. A table: no code.
// Source: ELF gABI; Linux include/uapi/linux/elf.h, elf-em.h; LLVM docs BPF relocations (Documentation/bpf/llvm_reloc.rst).

/** Sizes of the fixed records of 64-bit ELF in bytes. */
export const elfSize = { header: 64, sectionHeader: 64, symbol: 24, rel: 16 } as const;

/** Values of the ELF header. */
export const elfHeader = {
  /** The bytes 7f 45 4c 46 read as a little-endian number. */
  magic: 0x464c457f,
  class64: 2,
  dataLittle: 1,
  version: 1,
  typeRelocatable: 1,
  /** EM_BPF. */
  machineBpf: 247,
} as const;

/** Section types (sh_type). */
export const sectionType = { null: 0, progbits: 1, symtab: 2, strtab: 3, rela: 4, nobits: 8, rel: 9 } as const;

/** Section flags (sh_flags). */
export const sectionFlag = { write: 1, alloc: 2, exec: 4, infoLink: 0x40 } as const;

/** Section numbers that aren't sections: from `reserved` on they mean something else; `extended` escapes to another table. */
export const sectionNumber = {
  undefined: 0,
  reserved: 0xff00,
  absolute: 0xfff1,
  common: 0xfff2,
  extended: 0xffff,
} as const;

/** Symbol bindings (the high four bits of st_info). */
export const symbolBinding = { local: 0, global: 1, weak: 2 } as const;

/** Symbol visibilities (the low two bits of st_other). */
export const symbolVisibility = { default: 0, internal: 1, hidden: 2, protected: 3 } as const;

/** Symbol types (the low four bits of st_info). */
export const symbolType = { none: 0, object: 1, func: 2, section: 3, file: 4 } as const;

/** Relocation types of EM_BPF: `wide` patches a 16-byte load, `absolute64` a data word, `call` a call's imm. */
export const relocationType = { none: 0, wide: 1, absolute64: 2, absolute32: 3, noDyld32: 4, call: 10 } as const;
