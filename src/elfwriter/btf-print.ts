// Decoded BTF as text, one record a line with its parts below it, in the raw form that bpftool prints: people know it, and
// two readers of the same file can be compared line by line. Knows no ELF.

import type { DecodedBtf, DecodedType } from "./btf-decode.ts";

const words: Record<Exclude<DecodedType["kind"], "void">, string> = {
  int: "INT",
  float: "FLOAT",
  pointer: "PTR",
  typedef: "TYPEDEF",
  volatile: "VOLATILE",
  const: "CONST",
  restrict: "RESTRICT",
  typeTag: "TYPE_TAG",
  array: "ARRAY",
  struct: "STRUCT",
  union: "UNION",
  enum: "ENUM",
  enum64: "ENUM64",
  forward: "FWD",
  function: "FUNC",
  prototype: "FUNC_PROTO",
  variable: "VAR",
  section: "DATASEC",
  declTag: "DECL_TAG",
};

/** The types of `btf` as lines of text, each ended by a line break, in the form of `bpftool btf dump file OBJ format raw`. */
export function printBtf(btf: DecodedBtf): string {
  let text = "";
  for (const [number, type] of btf.types.entries()) {
    if (type.kind === "void") continue;
    text += `[${number}] ${words[type.kind]} ${quoted(type.name)}${facts(type)}\n`;
    for (const part of parts(btf, type)) text += `\t${part}\n`;
  }
  return text;
}

function quoted(name: string): string {
  return `'${name === "" ? "(anon)" : name}'`;
}

function linkage(number: number): string {
  return ["static", "global", "extern"][number] ?? "(unknown)";
}

function facts(type: DecodedType): string {
  switch (type.kind) {
    case "void":
      return "";
    case "int": {
      const encoding = type.bool ? "BOOL" : type.char ? "CHAR" : type.signed ? "SIGNED" : "(none)";
      return ` size=${type.bytes} bits_offset=${type.bitOffset} nr_bits=${type.bits} encoding=${encoding}`;
    }
    case "float":
      return ` size=${type.bytes}`;
    case "pointer":
    case "typedef":
    case "volatile":
    case "const":
    case "restrict":
    case "typeTag":
      return ` type_id=${type.to}`;
    case "array":
      return ` type_id=${type.element} index_type_id=${type.index} nr_elems=${type.count}`;
    case "struct":
    case "union":
      return ` size=${type.bytes} vlen=${type.members.length}`;
    case "enum":
    case "enum64":
      return ` encoding=${type.signed ? "SIGNED" : "UNSIGNED"} size=${type.bytes} vlen=${type.values.length}`;
    case "forward":
      return ` fwd_kind=${type.union ? "union" : "struct"}`;
    case "function":
      return ` type_id=${type.prototype} linkage=${linkage(type.linkage)}`;
    case "prototype":
      return ` ret_type_id=${type.result} vlen=${type.parameters.length}`;
    case "variable":
      return ` type_id=${type.type}, linkage=${linkage(type.linkage)}`;
    case "section":
      return ` size=${type.bytes} vlen=${type.variables.length}`;
    case "declTag":
      return ` type_id=${type.to} component_idx=${type.component}`;
  }
}

function parts(btf: DecodedBtf, type: DecodedType): string[] {
  switch (type.kind) {
    case "struct":
    case "union":
      return type.members.map((m) => {
        const bits = m.bits === 0 ? "" : ` bitfield_size=${m.bits}`;
        return `${quoted(m.name)} type_id=${m.type} bits_offset=${m.bitOffset}${bits}`;
      });
    case "enum":
    case "enum64":
      return type.values.map((v) => `${quoted(v.name)} val=${v.value}${suffix(type)}`);
    case "prototype":
      return type.parameters.map((p) => `${quoted(p.name)} type_id=${p.type}`);
    case "section":
      return type.variables.map((v) => {
        const variable = btf.types[v.variable];
        const name = variable?.kind === "variable" ? ` (VAR ${quoted(variable.name)})` : "";
        return `type_id=${v.variable} offset=${v.offsetBytes} size=${v.bytes}${name}`;
      });
    default:
      return [];
  }
}

function suffix(type: DecodedType & { kind: "enum" | "enum64" }): string {
  return type.kind === "enum" ? "" : type.signed ? "LL" : "ULL";
}
