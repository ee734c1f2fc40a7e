// Why a program of an object can't be made loadable, with the words to say it: the answer to files that were read whole and
// still mean nothing a loader could load. The table for link*.ts, and for whoever shows its results.
// Knows neither ELF nor instructions.

/** What can be wrong, in words; `%` stands for a name. */
export const linkFaults = {
  "maps-legacy": "its maps stand in section `maps`, a form that libbpf 1.0 and later refuse: declare them in `.maps`",
  "maps-without-btf": "its maps stand in `.maps`, but there is no BTF to describe them: compile with -g",
  "map-type": "map `%` doesn't say its type",
  "map-size": "the size of the keys or values of map `%` is unknown or more than 4 GiB",
  "map-program": "a map of programs is to hold `%`, which is no program of the object",
  "map-fields": "the types of map `%` are too big to look for locks and timers in its values",
  "map-unknown": "a relocation refers to a place in `.maps` where no map begins (symbol `%`)",
  "data-size": "its data sections are larger than the 64 MiB that are dealt with (`%`)",
  "relocation-twice": "two relocations patch one instruction",
  "relocation-instruction": "a relocation (symbol `%`) patches what is neither a call nor a 16-byte load",
  "relocation-cut": "a relocation (symbol `%`) patches a 16-byte load that its function ends in the middle of",
  "relocation-call": "a relocation (symbol `%`) patches a call that isn't one of a program's own functions",
  "relocation-section": "a relocation refers to `%`, which is neither a map, nor data, nor a function in `.text`",
  "relocation-offset": "a relocation refers to a place that isn't in `%`",
  "call-section": "it calls a function that isn't in `.text`, the only section that libbpf takes such functions from",
  "call-target": "it calls a place in `.text` where no function is",
  "function-address": "it takes a function's address without a relocation that says which",
  extern: "`%` is declared extern, and BTF doesn't say what it is",
  "function-type": "the type that .BTF.ext gives function `%` isn't a function's",
  "function-info": "there is no func_info for function `%`, while there is some for the program that calls it",
  "line-info": "there is no line_info for function `%`, while there is some for the program that calls it",
  "image-size": "the object's programs are too many: more than 50,000, or 2,000,000 instructions together",
} as const;

/** The kind of a fault; `linkFaults` words it. */
export type LinkFaultKind = keyof typeof linkFaults;

/** A fault: of one program, or of all of them where `program` is null. */
export interface LinkFault {
  readonly what: LinkFaultKind;
  /** The name of the program that can't be loaded; null for all of them. */
  readonly program: string | null;
  /** The section of the program; null for all of them. */
  readonly section: string | null;
  /** What the fault is about: a map, a symbol, a function; "" where the kind says everything. */
  readonly subject: string;
  /** The function where the fault is (the program's own or one that it calls) and the slot in it; null where it is in none. */
  readonly place: { readonly function: string; readonly slot: number } | null;
}

/** The fault in words, without the program's name: a clause that follows "can't be loaded: ". */
export function linkFaultText(fault: LinkFault): string {
  const text = linkFaults[fault.what].replace("%", () => shortName(fault.subject));
  if (fault.place === null) return text;
  return `${text} (instruction ${fault.place.slot} of ${shortName(fault.place.function)})`;
}

const maxNameShown = 80;

/** A name from a stranger's file, fit to be shown: cut to 80 characters, control characters replaced. */
export function shortName(name: string): string {
  const cut = name.length > maxNameShown ? `${name.slice(0, maxNameShown)}…` : name;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return cut.replace(/[\0-\x1f\x7f-\x9f]/g, "?");
}

/** A fault on its way to linkObject, which catches it: it never leaves the linker. */
export class LinkRefusal {
  readonly what: LinkFaultKind;
  readonly subject: string;
  readonly slot: number | null;

  constructor(what: LinkFaultKind, subject = "", slot: number | null = null) {
    this.what = what;
    this.subject = subject;
    this.slot = slot;
  }
}
