// The numbers of the BTF format, read by the encoder and by the decoder. A table: no code.
// Source: Linux include/uapi/linux/btf.h; Documentation/bpf/btf.rst.

/** Values of the headers of .BTF and .BTF.ext. */
export const btfHeader = { magic: 0xeb9f, version: 1, bytes: 24, extBytes: 24, extWithCoreBytes: 32 } as const;

/** BTF_KIND_*: what a type record describes. */
export const btfKind = {
  void: 0,
  int: 1,
  pointer: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  forward: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  function: 12,
  prototype: 13,
  variable: 14,
  section: 15,
  float: 16,
  declTag: 17,
  typeTag: 18,
  enum64: 19,
} as const;

/** Bits of an int's encoding. */
export const btfIntEncoding = { signed: 1, char: 2, bool: 4 } as const;

/** Linkage of a VAR or FUNC record. */
export const btfLinkage = { static: 0, global: 1, extern: 2 } as const;

/** The sizes of the records of .BTF.ext in bytes. */
export const btfExtRecord = { func: 8, line: 16, core: 16, section: 8 } as const;

/** The most a line_info record can say: line_col is line << 10 | column. */
export const btfLineLimit = { line: 0x3fffff, column: 1023 } as const;

/** The most members, variables or parameters one record can have. */
export const btfMaxVlen = 0xffff;
