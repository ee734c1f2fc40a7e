// What the kernel reads from a function's BTF prototype when it verifies the function on its own: each parameter as a scalar,
// the context, memory of a known size, or something else. Answers are kept by type, for functions share them between programs.
// Knows no ELF and no instructions.
// Source: Linux kernel/bpf/btf.c (btf_prepare_func_args, btf_is_prog_ctx_type).

import type { ImageParameter } from "../bpf/image.ts";
import { type DecodedBtf, type DecodedType, decodedSize, skipModifiers } from "./btf-decode.ts";
import { btfLinkage } from "./btf-format.ts";
import { shortName } from "./link-fault.ts";

/** A function's prototype as the kernel reads it. */
export interface Prototype {
  /** The first six; the kernel takes five. */
  readonly parameters: readonly ImageParameter[];
  readonly returnsScalar: boolean;
  /** The FUNC says it is global: the kernel verifies it on its own. */
  readonly global: boolean;
}

const tagPrefix = "arg:";
const maxSizeBytes = 0xffff_ffff;
/** One more than a function can have: enough to see that it has too many. */
const mostParameters = 6;
const contextNames: ReadonlySet<string> = new Set(["xdp_md", "xdp_buff"]);
const dynptrNames: ReadonlySet<string> = new Set(["bpf_dynptr", "bpf_dynptr_kern"]);

/** The prototypes of an object's functions. */
export class Prototypes {
  readonly #btf: DecodedBtf;
  readonly #known = new Map<number, Prototype | null>();
  readonly #byPrototype = new Map<number, Prototype>();
  /** Tags of parameters by FUNC, then by parameter. */
  readonly #tags = new Map<number, Map<number, string[]>>();

  constructor(btf: DecodedBtf) {
    this.#btf = btf;
    for (const type of btf.types) {
      if (type.kind !== "declTag" || type.component < 0 || !type.name.startsWith(tagPrefix)) continue;
      const tags = this.#tags.get(type.to) ?? new Map<number, string[]>();
      this.#tags.set(type.to, tags);
      tags.set(type.component, [...(tags.get(type.component) ?? []).slice(0, 8), type.name.slice(tagPrefix.length)]);
    }
  }

  /** The prototype of FUNC `number`; null when that isn't a FUNC. */
  of(number: number): Prototype | null {
    const known = this.#known.get(number);
    if (known !== undefined) return known;
    const made = this.#read(number);
    this.#known.set(number, made);
    return made;
  }

  #read(number: number): Prototype | null {
    const func = this.#btf.types[number];
    const type = func?.kind === "function" ? this.#btf.types[func.prototype] : undefined;
    if (func?.kind !== "function" || type?.kind !== "prototype") return null;
    const global = func.linkage === btfLinkage.global;
    const tags = this.#tags.get(number);
    const shared = tags === undefined ? this.#byPrototype.get(func.prototype) : undefined;
    if (shared !== undefined) return { ...shared, global };
    const made = {
      parameters: type.parameters
        .slice(0, mostParameters)
        .map((p, index) => this.#parameter(p.type, tags?.get(index) ?? [])),
      returnsScalar: isScalar(skipModifiers(this.#btf, type.result)),
      global,
    };
    if (tags === undefined) this.#byPrototype.set(func.prototype, made);
    return made;
  }

  #parameter(number: number, tags: readonly string[]): ImageParameter {
    const type = skipModifiers(this.#btf, number);
    const tagged = tags.map((tag) => `arg:${shortName(tag)}`).join(", ");
    if (type?.kind !== "pointer") {
      if (tags.length > 0) return other(`no pointer, but tagged ${tagged}`);
      return isScalar(type) ? { kind: "scalar" } : other(describe(type));
    }
    const target = skipModifiers(this.#btf, type.to);
    const isStruct = target?.kind === "struct" || target?.kind === "union";
    const isContext = isStruct && contextNames.has(target.name);
    const only = (tag: string): boolean => tags.every((t) => t === tag);
    if (isContext || tags.includes("ctx")) {
      const fits = isContext || target?.kind === "void";
      return only("ctx") && fits ? { kind: "ctx" } : other(`${describe(type, target)} tagged ${tagged}`);
    }
    if (isStruct && dynptrNames.has(target.name)) return other("a dynptr");
    if (!only("nonnull")) return other(`${describe(type, target)} tagged ${tagged}`);
    const bytes = decodedSize(this.#btf, type.to);
    if (bytes === null || bytes > maxSizeBytes) return other(`${describe(type, target)} of unknown size`);
    return { kind: "memory", bytes, nonNull: tags.length > 0 };
  }
}

function isScalar(type: DecodedType | null): boolean {
  return type?.kind === "int" || type?.kind === "enum" || type?.kind === "enum64";
}

function other(what: string): ImageParameter {
  return { kind: "other", what };
}

function describe(type: DecodedType | null, target: DecodedType | null = null): string {
  if (type === null) return "a type of endless modifiers";
  if (type.kind === "pointer") return `a pointer to ${target === null ? "something" : describe(target)}`;
  return type.name === "" ? type.kind : `${type.kind} ${shortName(type.name)}`;
}
