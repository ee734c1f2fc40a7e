// What an editor tells of a name: a line of code as it was declared and a sentence in Markdown, for headers, their fields, maps, sets,
// functions and the rest. From declarations and what the checker made of them. Knows no positions and no protocol.

import { textOf } from "../base/source.ts";
import { mapKindInfo } from "../bpf/maps.ts";
import type { Context, NamedDecl } from "../ir/context.ts";
import type { ConstantSet, Field, Header, MapSymbol } from "../ir/hir.ts";
import { instanceName } from "../ir/hir.ts";
import { layoutOf } from "../ir/layout.ts";
import { type Type, typeName } from "../ir/types.ts";
import type * as ast from "../parser/ast.ts";

/** A description: code in the language, and Markdown below it. */
export interface Description {
  readonly code: string;
  readonly text: string;
}

/** Description as Markdown: the code in a fence, then the text. */
export function markdownOf({ code, text }: Description): string {
  return text === "" ? `\`\`\`xdp\n${code}\n\`\`\`` : `\`\`\`xdp\n${code}\n\`\`\`\n\n${text}`;
}

/** Longer declarations are cut in a description. */
const LONGEST_CODE = 400;

/** The declaration's text on few lines, without a body that says how rather than what. */
function codeOf(decl: NamedDecl): string {
  const whole = textOf(decl.span);
  let text = whole;
  if (decl.kind === "fnDecl" && decl.body.kind === "block") {
    text = whole.slice(0, decl.body.block.span.start - decl.span.start).trimEnd();
  }
  if (decl.kind === "programDecl") text = whole.replace(/\s*\{[\s\S]*$/, "");
  if (decl.kind === "counterDecl") text = `counter ${whole.replace(/^counter\s+/, "")}`;
  return text.length <= LONGEST_CODE ? text : `${text.slice(0, LONGEST_CODE - 1)}…`;
}

/** What a declared name is. */
export function describeDeclaration(ctx: Context, decl: NamedDecl): Description {
  const header = decl.kind === "headerDecl" ? ctx.headers.get(decl) : undefined;
  if (decl.kind === "headerDecl")
    return header === undefined ? { code: codeOf(decl), text: "" } : describeHeader(decl, header);
  const comment = commentAbove(decl);
  const facts = factsOf(ctx, decl);
  return { code: codeOf(decl), text: [comment, facts].filter((part) => part !== "").join("\n\n") };
}

/** The comment lines right above a declaration, as text. */
export function commentAbove(decl: NamedDecl): string {
  const { file, start } = decl.span;
  const lines = file.text.slice(0, start).split("\n");
  const own = lines.pop() ?? "";
  if (own.trim() !== "") return "";
  const comment: string[] = [];
  for (let line = lines.pop(); line?.trimStart().startsWith("#"); line = lines.pop()) {
    comment.unshift(line.trimStart().replace(/^#+ ?/, "").trimEnd());
  }
  return comment.join("\n");
}

function factsOf(ctx: Context, decl: NamedDecl): string {
  switch (decl.kind) {
    case "setDecl":
    case "mapDecl":
    case "counterDecl":
    case "targetDecl":
    case "limiterDecl": {
      const map = ctx.maps.get(decl);
      return map === undefined ? "" : describeMap(map);
    }
    case "constSetDecl": {
      const [found] = [...(ctx.constantSets.get(decl) ?? [])];
      const set = found?.[1] ?? null;
      return found === undefined || set === null
        ? ""
        : `${sizeOfSet(set)} of type \`${found[0]}\`, in the object itself.`;
    }
    case "constDecl":
      return sizesOfConstant(ctx, decl)
        .map((size) => `${size}, in the object itself.`)
        .join(" ");
    case "configDecl":
      return "A read-only value that a loader may change before loading.";
    case "varDecl":
      return "A global variable, shared by all CPUs.";
    case "structDecl": {
      const type = ctx.structs.get(decl);
      return type === undefined || type.kind !== "struct" ? "" : describeLayout(type);
    }
    case "fnDecl":
      return "Inlined at each call.";
    default:
      return "";
  }
}

/** How many elements a constant that is a set has where rules use it, in words; none where no rule does, several where they differ. */
export function sizesOfConstant(ctx: Context, decl: ast.ConstDecl): readonly string[] {
  if (decl.value.kind !== "setLiteral" || ctx.names.get(decl.name.text) !== decl) return [];
  const sizes = new Set<string>();
  for (const [use, set] of ctx.facts?.sets ?? []) {
    if (use.kind === "name" && use.name.text === decl.name.text) sizes.add(sizeOfSet(set));
  }
  return [...sizes];
}

/** How many elements a constant set has, in words: `3 ranges`. */
export function sizeOfSet(set: ConstantSet): string {
  if (set.kind === "tuples") return count(set.tuples.length, "tuple");
  const singles = set.ranges.filter((range) => range.from === range.to).length;
  const ranges = set.ranges.length - singles;
  const parts = [singles > 0 ? count(singles, "value") : "", ranges > 0 ? count(ranges, "range") : ""];
  return parts.filter((part) => part !== "").join(" and ") || "No elements";
}

function count(amount: number, what: string): string {
  return `${amount.toLocaleString("en-US")} ${what}${amount === 1 ? "" : "s"}`;
}

/** A map as the kernel sees it. */
export function describeMap(map: MapSymbol): string {
  const { mapKind, key, value, maxEntries } = map;
  const info = mapKindInfo(mapKind);
  const parts = [`Kernel map of type \`${mapKind}\``];
  if (key !== null) parts.push(`key \`${typeName(key)}\` (${layoutOf(key).bytes} bytes)`);
  if (value !== null && map.role !== "counter")
    parts.push(`value \`${typeName(value)}\` (${layoutOf(value).bytes} bytes)`);
  if (maxEntries > 0)
    parts.push(
      info.entryUnit === "byte"
        ? count(maxEntries, "byte")
        : `up to ${count(maxEntries, "entry").replace("entrys", "entries")}`,
    );
  if (map.pinned) parts.push("pinned by name");
  const text = `${parts.join(", ")}.`;
  if (info.perCpu) return `${text} Each CPU has its own value.`;
  return info.lru ? `${text} When it is full the entries used least recently are forgotten.` : text;
}

function describeLayout(type: Type & { kind: "struct" }): string {
  const { offsets, bytes } = layoutOf(type);
  const rows = type.fields.map((f, i) => `- \`${f.name}\`: \`${typeName(f.type)}\` at byte ${offsets[i]}`);
  return [`${bytes} bytes:`, ...rows].join("\n");
}

/** A field of a structure: its type and where it is in memory. */
export function describeStructField(type: Type, name: string): Description {
  if (type.kind !== "struct") return { code: name, text: "" };
  const at = type.fields.findIndex((field) => field.name === name);
  const field = type.fields[at];
  if (field === undefined) return { code: name, text: "" };
  const first = layoutOf(type).offsets[at] ?? 0;
  const last = first + layoutOf(field.type).bytes - 1;
  const place = first === last ? `Byte ${first}` : `Bytes ${first} to ${last}`;
  return { code: `${name} : ${typeName(field.type)}`, text: `${place} of \`${type.name}\`.` };
}

/** A protocol header: what it is called, where it hangs and how long it is. */
export function describeHeader(decl: ast.HeaderDecl, header: Header): Description {
  const alias = header.alias === null ? "" : ` as ${header.alias}`;
  const title = header.title === "" ? "" : ` "${header.title}"`;
  const rfc = rfcOf(decl);
  const parts = [rfc === null ? "" : `[RFC ${rfc}](https://www.rfc-editor.org/rfc/rfc${rfc}).`];
  const at = [
    ...new Set(
      header.edges.map((edge) => `\`${edge.parent.alias ?? edge.parent.name}\` ${edge.values.map(hex).join(", ")}`),
    ),
  ];
  if (at.length > 0) parts.push(`Follows ${at.join("; ")}.`);
  parts.push(
    header.size === null
      ? `${count(header.fixedBytes, "byte")} long.`
      : `At least ${Math.max(header.size.min, header.fixedBytes)} bytes long.`,
  );
  if (header.instances.length > 1)
    parts.push(
      `Up to ${header.instances.length} in a row: \`${instanceName(header.instances[1] ?? header.self)}\` is the second.`,
    );
  const fields = [...header.fields.keys()].map((name) => `\`${name}\``).join(" ");
  return {
    code: `header ${header.name}${alias}${title}`,
    text: `${parts.filter((p) => p !== "").join(" ")}\n\nFields: ${fields}`,
  };
}

function hex(value: bigint): string {
  return value > 255n ? `0x${value.toString(16)}` : `${value}`;
}

/** The number of the RFC that a header's declaration names, or null. */
export function rfcOf(decl: ast.HeaderDecl): bigint | null {
  return decl.rfc?.kind === "number" ? decl.rfc.value : null;
}

/** A field: its type, its place in the header, who defined it. `name` is how the header is written (`vlan[1]`, `inner.ip`). */
export function describeField(decl: ast.HeaderDecl | null, field: Field, name: string): Description {
  const { header, bitOffset, bitWidth, covers } = field;
  const parts = [
    `${placeOf(field)} of the ${header.title === "" ? `\`${header.name}\`` : header.title} header${conditionOf(header)}.`,
  ];
  if (bitWidth > 8 && header.fields.size > 0) parts.push("Network byte order in the packet; a plain number in rules.");
  if (covers?.kind === "checksum")
    parts.push(
      `A checksum over ${covers.parts.join(", ")}: it is kept right on every assignment${covers.optional ? "; zero means that there is none" : ""}.`,
    );
  if (covers?.kind === "length") parts.push(`The length of ${covers.parts.join(" and ")}, kept right by the compiler.`);
  if (header.next?.fields.includes(field)) parts.push("Tells what follows.");
  const rfc = decl === null ? null : rfcOf(decl);
  if (rfc !== null) parts.push(`[RFC ${rfc}](https://www.rfc-editor.org/rfc/rfc${rfc}).`);
  const width =
    bitWidth % 8 === 0 && bitOffset % 8 === 0 ? typeName(field.type) : `${bitWidth} bit${bitWidth === 1 ? "" : "s"}`;
  return { code: `${name}.${field.name} : ${width}`, text: parts.join(" ") };
}

/** Where what only some headers have is, beside its first place: what else may stand before it. */
function conditionOf({ part, fixedBytes }: Header): string {
  if (part === null) return "";
  const { parts } = part.of;
  const before = parts.slice(
    0,
    parts.findIndex((one) => one.part?.flag === part.flag && one.fixedBytes === fixedBytes),
  );
  const further = before.map(
    (one) => `, ${count(one.fixedBytes, "byte")} further on where \`${one.part?.flag.name}\` is`,
  );
  return `, there only where \`${part.flag.name}\` is set${further.join("")}`;
}

function placeOf({ header, bitOffset: own, bitWidth }: Field): string {
  const bitOffset = own + 8 * (header.part?.of.fixedBytes ?? 0);
  const first = Math.floor(bitOffset / 8);
  const last = Math.floor((bitOffset + bitWidth - 1) / 8);
  const whole = bitOffset % 8 === 0 && bitWidth % 8 === 0;
  if (whole) return first === last ? `Byte ${first}` : `Bytes ${first} to ${last}`;
  const bits = bitWidth === 1 ? `Bit ${bitOffset % 8}` : `Bits ${bitOffset % 8} to ${(bitOffset % 8) + bitWidth - 1}`;
  return `${bits} (from the highest) of byte ${first}`;
}
