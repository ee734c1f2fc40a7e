// The types of an object as the kernel gets them from libbpf: data sections with sizes and places from ELF, which compilers leave
// to the loader. Or nothing: a kernel that refuses the types gets the programs without, and then knows no function as global and no
// lock in a map. Knows what compilers are known to get wrong, not every rule of the kernel.
// Source: libbpf src/libbpf.c (btf_fixup_datasec, bpf_object__sanitize_and_load_btf); Linux kernel/bpf/btf.c (the check_meta
// functions, btf_datasec_resolve, btf_func_check).

import { type DecodedBtf, type DecodedType, decodedSize } from "./btf-decode.ts";
import { btfLinkage } from "./btf-format.ts";
import { symbolBinding, symbolType } from "./elf-format.ts";
import type { ObjectFile } from "./object-file.ts";

type Section = DecodedType & { readonly kind: "section" };

/** Letters (the kernel's are those of Latin-1), digits, underscores and points, not a digit first, below KSYM_NAME_LEN. */
const identifier = /^[A-Za-z_.\u0080-\uffff][A-Za-z0-9_.\u0080-\uffff]{0,510}$/;
/** Sections that libbpf makes its own for variables and functions of the kernel. */
const externSections: ReadonlySet<string> = new Set([".ksyms", ".kconfig"]);

/** The types that the kernel has with the programs of `object`; null when there are none or it refuses them. */
export function kernelBtf(object: ObjectFile): DecodedBtf | null {
  if (object.btf === null) return null;
  const places = new Places(object);
  const externs = new Set<number>();
  const types: DecodedType[] = [];
  for (const type of object.btf.types) {
    if (type.kind === "section" && externSections.has(type.name))
      for (const { variable } of type.variables) externs.add(variable);
    const placed = type.kind === "section" && type.bytes === 0 ? places.fill(type, object.btf) : type;
    if (placed === null) return null;
    types.push(placed);
  }
  const btf = { types, strings: object.btf.strings };
  const named = new Map<number, boolean>();
  const valid = types.every((type, number) => externs.has(number) || isValid(type, btf, named));
  return valid ? btf : null;
}

/** Where ELF says that sections and their variables are. */
class Places {
  readonly #bytes = new Map<string, number>();
  readonly #offsets = new Map<string, number>();

  constructor(object: ObjectFile) {
    for (const { name, size } of object.sections) if (!this.#bytes.has(name)) this.#bytes.set(name, Number(size));
    for (const { name, type, binding, value } of object.symbols) {
      const named = type === symbolType.object && (binding === symbolBinding.global || binding === symbolBinding.weak);
      if (named && !this.#offsets.has(name)) this.#offsets.set(name, Number(BigInt.asUintN(32, value)));
    }
  }

  /** A data section with its size, and its variables in the order of their places; null when ELF doesn't know them. */
  fill(section: Section, btf: DecodedBtf): Section | null {
    if (externSections.has(section.name)) return section;
    const bytes = this.#bytes.get(section.name) ?? 0;
    if (bytes === 0) return null;
    const variables: Section["variables"][number][] = [];
    for (const place of section.variables) {
      const variable = btf.types[place.variable];
      if (variable?.kind !== "variable") return null;
      const isStatic = variable.linkage === btfLinkage.static;
      const offsetBytes = isStatic ? place.offsetBytes : this.#offsets.get(variable.name);
      if (offsetBytes === undefined) return null;
      variables.push({ ...place, offsetBytes });
    }
    return { ...section, bytes, variables: variables.sort((a, b) => a.offsetBytes - b.offsetBytes) };
  }
}

/** `named` keeps which prototypes name all their parameters: functions share them. */
function isValid(type: DecodedType, btf: DecodedBtf, named: Map<number, boolean>): boolean {
  switch (type.kind) {
    case "struct":
    case "union":
      return (type.name === "" || identifier.test(type.name)) && membersFit(type);
    case "enum":
    case "enum64":
      return (type.name === "" || identifier.test(type.name)) && type.values.every(({ name }) => identifier.test(name));
    case "typedef":
    case "forward":
      return identifier.test(type.name);
    case "variable":
      return identifier.test(type.name) && type.type !== 0 && type.linkage <= btfLinkage.global;
    case "function": {
      const known = named.get(type.prototype) ?? parametersNamed(btf.types[type.prototype]);
      named.set(type.prototype, known);
      return known && identifier.test(type.name);
    }
    case "prototype":
      return type.parameters.every(({ name }) => name === "" || identifier.test(name));
    case "section":
      return externSections.has(type.name) || variablesFit(type, btf);
    default:
      return true;
  }
}

/** Whether a function may have this prototype: every parameter has a name but for the dots at the end. */
function parametersNamed(prototype: DecodedType | undefined): boolean {
  if (prototype?.kind !== "prototype") return false;
  const last = prototype.parameters.length - 1;
  return prototype.parameters.every(({ name, type }, i) => name !== "" || (i === last && type === 0));
}

function membersFit({ kind, bytes, members }: DecodedType & { readonly kind: "struct" | "union" }): boolean {
  let last = 0;
  for (const { name, type, bitOffset } of members) {
    if ((name !== "" && !identifier.test(name)) || type === 0) return false;
    if (kind === "union" ? bitOffset !== 0 : bitOffset < last) return false;
    if (Math.ceil(bitOffset / 8) > bytes) return false;
    last = bitOffset;
  }
  return true;
}

/** Variables that rise, don't overlap and are at least as big as their types: clang splits static structs and tells of the whole. */
function variablesFit({ bytes, variables }: Section, btf: DecodedBtf): boolean {
  if (bytes === 0) return false;
  let end = 0;
  for (const place of variables) {
    const variable = btf.types[place.variable];
    if (variable?.kind !== "variable" || place.bytes === 0) return false;
    if (place.offsetBytes < end || place.offsetBytes + place.bytes > bytes) return false;
    if (place.bytes < (decodedSize(btf, variable.type) ?? Number.POSITIVE_INFINITY)) return false;
    end = place.offsetBytes + place.bytes;
  }
  return true;
}
