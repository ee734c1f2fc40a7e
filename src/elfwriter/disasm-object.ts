// A whole object file as text: its maps and variables, then each code section with the source lines it comes from and the
// names that its relocations give. For any BPF object, also with subprograms in `.text`. The text of an instruction is
// src/bpf's matter.

import { disassemble } from "../bpf/disasm.ts";
import type { Relocation } from "../bpf/encode.ts";
import { slotBytes } from "../bpf/isa.ts";
import { bpfRelocations } from "./code-relocations.ts";
import { symbolType } from "./elf-format.ts";
import type { CodeSection, ObjectFault, ObjectFile, ObjectLine, ObjectMap, ObjectSection } from "./object-file.ts";
import { readObject } from "./read.ts";

const maxShown = 500;

/** The text of a BPF object file, or why it can't be read; slots that are no instructions are shown as bytes. */
export function disassembleObject(
  bytes: Uint8Array,
):
  | { readonly text: string; readonly faults?: undefined }
  | { readonly text?: undefined; readonly faults: readonly ObjectFault[] } {
  const { object, faults } = readObject(bytes);
  if (object === undefined) return { faults };
  const relocations = bpfRelocations(object);
  const filled = object.code.filter(({ section }) => section.bytes.length > 0);
  const code = filled.map((section) => codeText(section, relocations.get(section) ?? []));
  return { text: [head(object), ...code].filter((part) => part !== "").join("\n") };
}

/** What isn't code, one comment line each. */
function head(object: ObjectFile): string {
  const license = object.license === null ? [] : [`license ${printable(object.license)}`];
  const lines = [...license, ...object.maps.map(mapText), ...variableTexts(object)];
  return lines.map((line) => `; ${line}\n`).join("");
}

/** The variables of the data sections in the order of their places, each as the place that instructions name it by. */
function variableTexts(object: ObjectFile): string[] {
  const bySection = new Map<ObjectSection, string[]>(object.sections.filter(isData).map((section) => [section, []]));
  const rising = [...object.symbols].sort((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : 0));
  for (const { name, section, type, value, size } of rising) {
    if (section === null || type !== symbolType.object) continue;
    bySection.get(section)?.push(`${section.name}[${value}] ${printable(name)}, ${count(size, "byte")}`);
  }
  return [...bySection.values()].flat();
}

function isData(section: ObjectSection): boolean {
  return /^\.(rodata|data|bss)(\.|$)/.test(section.name);
}

function mapText(map: ObjectMap): string {
  const kind = map.kind ?? (map.type === null ? "not described" : `type ${map.type}`);
  const parts = [kind];
  if (map.keyBytes !== null) parts.push(`key ${count(map.keyBytes, "byte")}`);
  if (map.valueBytes !== null) parts.push(`value ${count(map.valueBytes, "byte")}`);
  if (map.maxEntries !== null) parts.push(`max_entries ${map.maxEntries}`);
  if (map.flags !== 0) parts.push(`flags 0x${map.flags.toString(16)}`);
  if (map.pinned) parts.push("pinned by name");
  return `map ${printable(map.name)}: ${parts.join(", ")}`;
}

function count(number: number | bigint, noun: string): string {
  return `${number} ${noun}${BigInt(number) === 1n ? "" : "s"}`;
}

function codeText(code: CodeSection, codeRelocations: readonly Relocation[]): string {
  const functions = code.functions.map(({ startSlot, name }) => ({ slot: startSlot, name: printable(name) }));
  const relocations = codeRelocations.map((r) =>
    r.kind === "data" ? { ...r, section: printable(r.section) } : { ...r, symbol: printable(r.symbol) },
  );
  const lines = sourceLines(code.lines);
  const { text } = disassemble({ bytes: code.section.bytes, relocations, lines, functions });
  return `; section ${printable(code.section.name)}\n\n${text}`;
}

/** One line for each place (clang writes several for one instruction, the last is the nearest) where it changes. */
function sourceLines(lines: readonly ObjectLine[]): { slot: number; text: string }[] {
  const bySlot = new Map<number, string>();
  for (const { offsetBytes, file, line, text } of lines) {
    if (offsetBytes % slotBytes !== 0) continue;
    bySlot.set(offsetBytes / slotBytes, `${printable(file)}:${line} ${printable(text).trim()}`.trimEnd());
  }
  const all = [...bySlot].map(([slot, text]) => ({ slot, text }));
  return all.filter(({ text }, index) => text !== all[index - 1]?.text);
}

/**
 * Names and texts of a stranger's file reach a terminal: control characters are shown, not sent, and a text is cut to
 * `maxShown` characters, for the same one can be shown once for each instruction.
 */
function printable(text: string): string {
  const shown = text.length > maxShown ? `${text.slice(0, maxShown)}…` : text;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return shown.replace(/[\0-\x1f\x7f-\x9f]/g, (c) =>
    c === "\t" ? " " : `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
