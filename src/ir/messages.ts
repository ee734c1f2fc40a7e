// What the phases from names to typed programs have to say, worded in one place: X02xx names, X03xx types, X04xx presence,
// X05xx state and actions, X09xx language that isn't supported yet. Each builder gives a diagnostic; deciding when to give it is
// the phases' business.

import { type Diagnostic, type DiagnosticExtras, errorAt, type Label, warningAt } from "../base/diagnostic.ts";
import { type Span, textOf } from "../base/source.ts";
import { type Type, typeName } from "./types.ts";

/** Text from the source as a message quotes it: a name of a megabyte is cut. */
function short(text: string): string {
  const most = 60;
  return text.length <= most ? text : `${text.slice(0, most)}…`;
}

/** An operand as an edit puts it before `as` or `&`: in brackets unless it's a single name or entry. */
function operandText(span: Span): string {
  const text = textOf(span);
  return /^[\w.]+(\[\w+\])?$/.test(text) ? text : `(${text})`;
}

// ---------------------------------------------------------------------------------------------------------------- names

export function duplicateName(name: string, span: Span, first: Span): Diagnostic {
  return errorAt(span, "X0201", `\`${name}\` is declared twice`, {
    label: "declared again here",
    secondary: [{ span: first, text: "first declared here" }],
    help: "rename one of them; maps, programs, constants, functions and headers share one set of names",
  });
}

export function ownMapName(name: string, span: Span): Diagnostic {
  return errorAt(span, "X0201", `\`${name}\` is what the compiler calls a map of its own`, {
    label: "declared here",
    help: "choose another name",
  });
}

export function unknownName(name: string, span: Span, suggestion: string | null): Diagnostic {
  return errorAt(span, "X0202", `nothing is called \`${short(name)}\``, {
    label: "not declared here or in the library",
    ...(suggestion === null
      ? {}
      : {
          help: `did you mean \`${suggestion}\`?`,
          fix: { title: `change to \`${suggestion}\``, edits: [{ span, newText: suggestion }] },
        }),
  });
}

export function unknownField(
  owner: string,
  field: string,
  span: Span,
  known: readonly string[],
  near: string | null,
): Diagnostic {
  return errorAt(span, "X0203", `\`${owner}\` has no field \`${short(field)}\``, {
    label: "no such field",
    notes: [`its fields are ${known.join(", ")}`],
    ...(near === null
      ? {}
      : {
          help: `did you mean \`${near}\`?`,
          fix: { title: `change to \`${near}\``, edits: [{ span, newText: near }] },
        }),
  });
}

export function hasNoFields(span: Span, type: Type): Diagnostic {
  const tuple = type.kind === "tuple";
  return errorAt(span, "X0203", `${article(type)} has no named fields`, {
    help: tuple ? "declare a `struct` to name its parts" : "headers, `meta` and structs have fields",
  });
}

export function wrongKindOfName(
  name: string,
  span: Span,
  is: string,
  wanted: string,
  declared: Span | null,
  help?: string,
): Diagnostic {
  return errorAt(span, "X0204", `\`${name}\` is ${is}, but ${wanted} is needed here`, {
    label: `${is}`,
    secondary: declared === null ? [] : [{ span: declared, text: "declared here" }],
    ...(help === undefined ? {} : { help }),
  });
}

export function recursion(name: string, span: Span, what: "function" | "constant" | "struct"): Diagnostic {
  const why = what === "function" ? ": functions are inlined" : "";
  return errorAt(span, "X0205", `${what} \`${name}\` refers to itself${why}`, { label: "leads back to itself" });
}

export function rulesBesidePrograms(span: Span, program: Span): Diagnostic {
  return errorAt(span, "X0206", "a rule stands outside the file's `program` blocks", {
    label: "belongs to no program",
    secondary: [{ span: program, text: "this file has program blocks" }],
    help: "move the rule into a `program` block",
  });
}

export function noProgram(span: Span): Diagnostic {
  return errorAt(span, "X0207", "the file has no rules", {
    help: "write a rule such as `pass`, or a `program` block",
  });
}

export function longName(span: Span, limit: number): Diagnostic {
  return errorAt(span, "X0209", `a name has up to ${limit} characters, this one ${span.end - span.start}`, {
    label: "too long for BTF",
  });
}

export function cutName(span: Span, limit: number): Diagnostic {
  return warningAt(span, "X0703", `the kernel keeps ${limit} characters of a map's name`, {
    label: `${span.end - span.start} characters`,
    notes: ["`bpftool map … name` can't find the map by its whole name"],
    help: "shorten it",
  });
}

export function badHeader(span: Span, message: string, extras: DiagnosticExtras = {}): Diagnostic {
  return errorAt(span, "X0208", message, extras);
}

export function badImport(span: Span, path: string, why: string): Diagnostic {
  return errorAt(span, "X0002", `can't import "${short(path)}": ${why}`, { label: why });
}

export function importCycle(span: Span, path: string, chain: readonly Label[]): Diagnostic {
  return errorAt(span, "X0003", `"${path}" imports itself`, {
    label: "closes the circle",
    secondary: chain,
    help: "move what both need into a third file",
  });
}

export function unknownLibrary(span: Span, name: string): Diagnostic {
  return errorAt(span, "X0004", `the library has no \`std.${short(name)}\``, { label: "no such library file" });
}

// ---------------------------------------------------------------------------------------------------------------- types

export function typeMismatch(span: Span, found: Type, wanted: Type, extras: DiagnosticExtras = {}): Diagnostic {
  return errorAt(span, "X0301", `this is ${article(found)}, but ${article(wanted)} is needed`, {
    label: `${typeName(found)}`,
    ...extras,
  });
}

export function doesNotFit(span: Span, value: bigint, type: Type, max: bigint): Diagnostic {
  return errorAt(span, "X0302", `${value} doesn't fit ${typeName(type)}`, {
    label: `${typeName(type)} holds 0 to ${max}`,
  });
}

export function doesNotFitField(span: Span, value: bigint | null, field: string, bits: number): Diagnostic {
  const most = (1n << BigInt(bits)) - 1n;
  return errorAt(
    span,
    value === null ? "X0303" : "X0302",
    `${value ?? "this"} ${value === null ? "may not" : "doesn't"} fit the ${bits} bit${bits === 1 ? "" : "s"} of \`${field}\``,
    {
      label: `\`${field}\` holds 0 to ${most}`,
      ...(value === null
        ? { help: `write \`${short(operandText(span))} & 0x${most.toString(16)}\` to keep the low bits` }
        : {}),
    },
  );
}

export function onlyInDevmap(span: Span): Diagnostic {
  return errorAt(span, "X0508", "only a devmap program knows where the packet goes", {
    label: "the kernel gives it to no other program",
    help: "read it in a program declared with `devmap`",
  });
}

export function letsFragmentsBy(span: Span, header: string): Diagnostic {
  return warningAt(span, "X0705", `packets whose ${header} header can't be read get past this rule`, {
    label: "false for later fragments and cut packets",
    help: "close the filter with `if opaque then drop` before it",
  });
}

export function unusedDefine(span: Span, name: string, near: string | null): Diagnostic {
  return warningAt(span, "X0704", `no constant is called \`${name}\``, {
    label: "given with -D, but nothing reads it",
    ...(near === null ? {} : { help: `did you mean \`${near}\`?` }),
  });
}

export function mayNotFit(span: Span, found: Type, target: Type): Diagnostic {
  return errorAt(span, "X0303", `${article(found)} may not fit ${article(target)}`, {
    label: `its values don't all fit ${typeName(target)}`,
    help: `write \`${short(operandText(span))} as ${typeName(target)}\` to keep the low bits`,
    fix: {
      title: `cut to ${typeName(target)}`,
      edits: [{ span, newText: `${operandText(span)} as ${typeName(target)}` }],
    },
  });
}

export function notConstant(span: Span, what: string): Diagnostic {
  return errorAt(span, "X0304", `${what} must be a constant`, { label: "known only while the program runs" });
}

export function wrongCount(span: Span, what: string, wanted: string, found: number): Diagnostic {
  return errorAt(span, "X0305", `${what} takes ${wanted}, but ${found} ${found === 1 ? "is" : "are"} given`);
}

export function notACondition(span: Span, type: Type): Diagnostic {
  return errorAt(span, "X0306", `${article(type)} is not a condition`, {
    label: `${typeName(type)}`,
    help: `compare it, such as \`${short(textOf(span))} != 0\``,
  });
}

export function notAValue(span: Span, what: string, help?: string): Diagnostic {
  return errorAt(span, "X0307", `${what} is not a value`, help === undefined ? {} : { help });
}

export function badOperator(span: Span, op: string, type: Type, help?: string): Diagnostic {
  return errorAt(span, "X0308", `\`${op}\` doesn't work on ${typeName(type)}`, help === undefined ? {} : { help });
}

export function badRange(span: Span, from: bigint, to: bigint): Diagnostic {
  return errorAt(span, "X0309", `the range ${from}..${to} is empty`, {
    label: "ends before it starts",
    help: `write \`${to}..${from}\``,
    fix: { title: "turn the range round", edits: [{ span, newText: `${to}..${from}` }] },
  });
}

export function badSize(span: Span, message: string, help?: string): Diagnostic {
  return errorAt(span, "X0310", message, help === undefined ? {} : { help });
}

export function hostBits(span: Span, written: string, masked: string): Diagnostic {
  return warningAt(span, "X0701", `the prefix ${written} has bits set behind its length`, {
    label: `matches what ${masked} matches`,
    help: `write \`${masked}\``,
    fix: { title: `change to ${masked}`, edits: [{ span, newText: masked }] },
  });
}

// ------------------------------------------------------------------------------------------------------------- presence

export function mayBeAbsent(span: Span, name: string): Diagnostic {
  return errorAt(span, "X0401", `${name} may be absent here`, {
    label: `not every packet that comes here has ${name}`,
    help: `write \`if ${name} then …\` around it, or end with a verdict before it: \`if not ${name} then pass\``,
  });
}

export function isAbsent(span: Span, name: string): Diagnostic {
  return errorAt(span, "X0402", `${name} is always absent here`, {
    label: "what was tested before excludes it",
    help: `move it to where \`if ${name} then …\` holds`,
  });
}

// ---------------------------------------------------------------------------------------------------- state and actions

export function badMap(span: Span, message: string, extras: DiagnosticExtras = {}): Diagnostic {
  return errorAt(span, "X0501", message, extras);
}

export function prefixOutOfPlace(span: Span): Diagnostic {
  return badMap(span, "a prefix is the key of a set or of a map of kind lpm_trie, and nothing else", {
    help: "write an address, or the numbers of one",
  });
}

export function needsIfLet(span: Span, map: string, text: string): Diagnostic {
  return errorAt(span, "X0502", `\`${map}\` may have no such entry`, {
    label: "may be missing",
    help: `bind it where it's there: \`if let entry = ${text} then …\``,
  });
}

export function narrowIncrement(span: Span, type: Type): Diagnostic {
  return errorAt(span, "X0503", `a shared ${typeName(type)} can't be incremented atomically`, {
    label: "other CPUs count here too",
    help: "make it u32 or u64, or use a per-CPU map",
  });
}

export function cantAssign(span: Span, what: string, help?: string): Diagnostic {
  return errorAt(span, "X0504", `${what} can't be assigned to`, help === undefined ? {} : { help });
}

export function cantKeepSum(span: Span, field: string, sum: string): Diagnostic {
  return errorAt(span, "X0509", `\`${field}\` can't be changed: \`${sum}\` covers it`, {
    label: "a checksum that can't be kept right",
    help: "only sums of 16-bit words at even places can be brought up to date by what changed; a CRC covers the whole packet",
  });
}

export function badDevice(span: Span, message: string): Diagnostic {
  return errorAt(span, "X0510", message, {
    help: "write `redirect dev INDEX`, with a `config` value of your own for the index",
  });
}

export function cantPush(span: Span, header: string, done: "pushed" | "popped", why: string): Diagnostic {
  const help = "headers of one size right behind the one that begins the packet can, such as `vlan`";
  return errorAt(span, "X0511", `\`${header}\` can't be ${done}: ${why}`, { help });
}

/** `costly`: where most of it comes from, as far as that is known. */
export function tooMuchStack(
  span: Span,
  program: string,
  bytes: number,
  limit: number,
  costly: readonly Label[],
): Diagnostic {
  return errorAt(span, "X0603", `program \`${program}\` needs ${bytes} bytes of stack, the kernel gives ${limit}`, {
    secondary: costly,
    help: "use smaller keys and values, or fewer names bound at a time",
  });
}

export function badFormat(span: Span, message: string, help?: string): Diagnostic {
  return errorAt(span, "X0505", message, help === undefined ? {} : { help });
}

export function badProgram(span: Span, message: string, extras: DiagnosticExtras = {}): Diagnostic {
  return errorAt(span, "X0506", message, extras);
}

export function badVerdict(span: Span, message: string, help: string): Diagnostic {
  return errorAt(span, "X0507", message, { help });
}

// --------------------------------------------------------------------------------------------------------------- limits

export function tooMuchInlining(span: Span, limit: number): Diagnostic {
  return errorAt(
    span,
    "X0602",
    `the program has over ${limit.toLocaleString("en-US")} statements once functions are inlined`,
    {
      label: "this one is too many",
      help: "put values that differ into a set or map; a function that calls another twice doubles it",
    },
  );
}

export function tooMuchLooping(span: Span, turns: bigint): Diagnostic {
  return errorAt(span, "X0606", "this loop makes more work than the kernel's verifier follows", {
    label: `${turns} turns`,
    notes: ["the verifier walks through every turn before it lets a program in: some 1,000 turns with one test"],
    help: "make fewer turns, or let a set or map answer in one lookup",
  });
}

export function needsKernel(
  span: Span,
  program: string,
  floor: string,
  reason: { readonly kernel: string; readonly what: string; readonly source: string },
): Diagnostic {
  return errorAt(
    span,
    "X0605",
    `program \`${program}\` needs Linux ${reason.kernel} for ${reason.what}, but is to run on ${floor}`,
    {
      label: `not before Linux ${reason.kernel}`,
      notes: [`source of the fact: ${reason.source}`],
    },
  );
}

// ----------------------------------------------------------------------------------------------------- not supported yet

/** Language that is defined but not built yet: each feature has a code of its own in X09xx. */
export const UNSUPPORTED = {
  wideArithmetic: ["X0916", "arithmetic on IPv6 addresses is"],
} as const satisfies Record<string, readonly [code: string, feature: string]>;

/** A language feature that the compiler refuses because it isn't built yet. */
export type UnsupportedFeature = keyof typeof UNSUPPORTED;

export function notSupportedYet(span: Span, feature: UnsupportedFeature, help?: string): Diagnostic {
  const [code, what] = UNSUPPORTED[feature];
  return errorAt(span, code, `${what} not supported yet`, {
    label: "not supported yet",
    ...(help === undefined ? {} : { help }),
  });
}

/** A type with its article, for the middle of a sentence: "a u16", "an ipv4 address". */
export function article(type: Type): string {
  switch (type.kind) {
    case "ipv4":
      return "an IPv4 address";
    case "ipv6":
      return "an IPv6 address";
    case "mac":
      return "a MAC address";
    case "untyped":
      return "an integer";
    case "struct":
      return `a \`${type.name}\``;
    case "tuple":
      return `a tuple ${typeName(type)}`;
    case "int":
      return type.bits === 8 ? "a u8" : `a ${typeName(type)}`;
    default:
      return `a ${typeName(type)}`;
  }
}
