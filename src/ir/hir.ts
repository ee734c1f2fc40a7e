// The typed program: what the type checker makes of the syntax tree and what presence analysis and lowering read. Names
// are resolved to symbols, functions are inlined, every expression has its type, conditions are apart from values. Knows
// nothing of blocks, registers or bytes on the wire beyond a field's place in its header.

import type { Span } from "../base/source.ts";
import type { MapKind } from "../bpf/maps.ts";
import type { RunConfig } from "../bpf/object.ts";
import type { HTest } from "./hir-test.ts";
import type { Decap, Encap, Pop, Push } from "./hir-tunnel.ts";
import type { Limit } from "./limiter.ts";
import type { Type } from "./types.ts";

// -------------------------------------------------------------------------------------------------------------- headers

/** A field of a header: a run of bits counted from the header's first, the most significant bit of a byte first. */
export interface Field {
  readonly name: string;
  readonly header: Header;
  readonly bitOffset: number;
  readonly bitWidth: number;
  readonly type: Type;
  /**
   * What depends on it, or it on others: it is a checksum (`sum`) or a `length`; its header's own checksum covers it (`summed`); or
   * it is an `address`, which a checksum of a header it carries may cover.
   */
  readonly covered: "sum" | "length" | "summed" | "address" | null;
  /** What a checksum or length field is computed from; null for other fields. */
  readonly covers: FieldCover | null;
  /** What it holds in a header that is made, where nobody says otherwise. */
  readonly initial: bigint;
  readonly span: Span;
}

/** What a checksum or a length is computed from. `optional`: zero means that there is none. */
export interface FieldCover {
  readonly kind: "length" | "checksum";
  readonly parts: readonly CoveredPart[];
  readonly optional: boolean;
}

/** A part of a packet seen from a header: the addresses of what carries it (and its own length and number), itself, what follows it. */
export type CoveredPart = "pseudo" | "header" | "payload";

/** A protocol header, from its declaration. Built in steps, so edges and the typed parts are filled in later. */
export interface Header {
  readonly name: string;
  readonly alias: string | null;
  readonly title: string;
  readonly span: Span;
  readonly library: boolean;
  /** Every field and named bit, by name, in order of declaration; those of `parts` too. */
  readonly fields: ReadonlyMap<string, Field>;
  /** The fixed part in bytes: the header is absent where fewer are left in the packet. */
  readonly fixedBytes: number;
  /** The whole header's size in bytes, over its own fields (instance `self`), and the least sane size; null: fixed. */
  size: { readonly bytes: HExpr; readonly min: number } | null;
  /** What tells the next header; `when` is over its own fields. */
  next: { readonly fields: readonly Field[]; readonly depth: number; readonly when: HCond | null } | null;
  /** Where it hangs: on which parents, at which values of their selector. None: it begins the packet. */
  readonly edges: HeaderEdge[];
  /** Where it begins what a tunnel carries: on which headers of the outer packet. */
  readonly innerEdges: HeaderEdge[];
  /** For the header inside a tunnel: the one it is like. */
  readonly outer: Header | null;
  /** Transparent to what follows: hangs on its parent's selector and hands it on (IPv6 extension headers). */
  readonly extension: boolean;
  /** How often it may occur in a row; `name[i]` names the one at i. */
  readonly instances: readonly Instance[];
  /** Stands for "this header" in `size` and `when`. */
  readonly self: Instance;
  /** What stands behind the fixed part where a bit of it says so, in the order of the wire: each like a header of its own. */
  readonly parts: readonly Header[];
  /** For such a part: whose it is, and the bit of the fixed part. */
  readonly part: { readonly of: Header; readonly flag: Field } | null;
}

/** A selector's value where nothing follows: no header may hang at it. */
export const NO_SELECTOR = 0xffff_ffff;

/** A checksum that must change with what is written, where its header is there. */
export interface SumUpdate {
  readonly instance: Instance;
  /** The checksum's field. */
  readonly field: Field;
  /** What of it covers the write: a sum over the payload covers inner sums that change too. */
  readonly over: CoveredPart;
}

/** One place a header hangs. */
export interface HeaderEdge {
  readonly parent: Header;
  readonly values: readonly bigint[];
  /** What must hold of the header itself, over its own fields (instance `self`); null: nothing. */
  readonly when: HCond | null;
  readonly span: Span;
}

/** A header at a place in a packet: the i-th in a row. Compared by identity. */
export interface Instance {
  readonly header: Header;
  readonly index: number;
}

/** How an instance is written: `tcp`, `vlan[1]`. The alias where there is one, as people know it. */
export function instanceName(instance: Instance): string {
  const name = instance.header.alias ?? instance.header.name;
  return instance.index > 0 ? `${name}[${instance.index}]` : name;
}

// -------------------------------------------------------------------------------------------------------------- symbols

/** A map of the object. */
export interface MapSymbol {
  readonly kind: "map";
  readonly name: string;
  readonly mapKind: MapKind;
  /** What it is to the rules: decides which statements may use it. */
  readonly role: "set" | "map" | "counter" | "target" | "limiter" | "events" | "programs" | "queue" | "maps";
  /** null where the kind has no key of the user's (a single counter). */
  readonly key: Type | null;
  /** null for sets (one byte that says nothing) and targets. */
  readonly value: Type | null;
  readonly maxEntries: number;
  readonly flags: number;
  readonly pinned: boolean;
  /** A limiter's numbers; absent for others. */
  readonly limit?: Limit;
  /** What the inner maps of a map of maps are like; absent for others. */
  readonly inner?: MapSymbol;
  /** For an inner map that `if let` bound: the entry it was found by. It is no map of the object's own. */
  readonly via?: Entry;
  /** The programs that a map of programs holds from the start, by rising index; absent for others. */
  readonly programs?: readonly { readonly index: number; readonly program: string; readonly span: Span }[];
  readonly span: Span;
}

/** A global: `config` lives in .rodata, `var` in .data or .bss. */
export interface GlobalSymbol {
  readonly kind: "global";
  readonly name: string;
  readonly type: Type;
  readonly section: ".rodata" | ".data" | ".bss";
  readonly value: bigint;
  /** The name of the device whose index a loader should put here; absent for others. */
  readonly device?: string;
  readonly span: Span;
}

/** A name bound to a value inside a program: `let`, a loop's variable, a block function's parameter. Compared by identity. */
export interface Local {
  readonly name: string;
  readonly type: Type;
}

/** A map entry bound by `if let`. Compared by identity. */
export interface Entry {
  readonly name: string;
  readonly map: MapSymbol;
}

// ---------------------------------------------------------------------------------------------------------- expressions

/** A typed value. */
export type HExpr = { readonly type: Type; readonly span: Span } & (
  | { readonly kind: "const"; readonly value: bigint }
  | { readonly kind: "field"; readonly instance: Instance; readonly field: Field }
  | { readonly kind: "meta"; readonly name: MetaName }
  | { readonly kind: "local"; readonly local: Local }
  | { readonly kind: "place"; readonly place: Place }
  | { readonly kind: "binary"; readonly op: ArithmeticOp; readonly a: HExpr; readonly b: HExpr }
  | { readonly kind: "cast"; readonly value: HExpr }
  /** A struct or tuple from its elements, in the type's order. */
  | { readonly kind: "aggregate"; readonly elements: readonly HExpr[] }
  /** An element of a struct or tuple value. */
  | { readonly kind: "element"; readonly value: HExpr; readonly index: number }
  | { readonly kind: "condition"; readonly condition: HCond }
  | { readonly kind: "random" }
  | { readonly kind: "hash"; readonly args: readonly HExpr[] }
  /** The kernel's route for a packet, as a struct of type FIB_RESULT: addresses of one family, the traffic class, the length. */
  | { readonly kind: "fibLookup"; readonly args: readonly [saddr: HExpr, daddr: HExpr, tos: HExpr, length: HExpr] }
  | { readonly kind: "error" }
);

/** Arithmetic, modulo the type's width. */
export type ArithmeticOp = "*" | "/" | "%" | "+" | "-" | "<<" | ">>" | "&" | "^" | "|";

/** What `meta.` offers. */
export type MetaName = "len" | "ingress_ifindex" | "rx_queue_index" | "egress_ifindex" | "cpu" | "now";

/** A place in memory that outlives the packet: part of a map entry, of an array's constant element or of a global. */
export type Place =
  | { readonly kind: "entry"; readonly entry: Entry; readonly offsetBytes: number; readonly type: Type }
  | {
      readonly kind: "element";
      readonly map: MapSymbol;
      readonly index: bigint;
      readonly offsetBytes: number;
      readonly type: Type;
    }
  | { readonly kind: "global"; readonly symbol: GlobalSymbol; readonly type: Type };

/** A condition. Comparisons on fields of absent headers are false. */
export type HCond =
  | { readonly kind: "constant"; readonly value: boolean; readonly span: Span }
  | { readonly kind: "present"; readonly instance: Instance; readonly span: Span }
  | { readonly kind: "opaque"; readonly span: Span }
  /** Two values of one type. Ordering only on ordered types. */
  | { readonly kind: "compare"; readonly op: CompareOp; readonly a: HExpr; readonly b: HExpr; readonly span: Span }
  /** A value in a constant set, or with `negated` present and not in it. */
  | {
      readonly kind: "inSet";
      readonly value: HExpr;
      readonly set: ConstantSet;
      readonly negated: boolean;
      readonly span: Span;
    }
  /** A key in a set that is a map. */
  | { readonly kind: "inMap"; readonly key: HExpr; readonly map: MapSymbol; readonly span: Span }
  /** Whether a packet of that key is one too many; counts it where it isn't. */
  | { readonly kind: "exceeds"; readonly key: HExpr; readonly map: MapSymbol; readonly span: Span }
  /** A bool or one-bit value that isn't zero. */
  | { readonly kind: "truth"; readonly value: HExpr; readonly span: Span }
  | { readonly kind: "not"; readonly operand: HCond; readonly span: Span }
  | { readonly kind: "and" | "or"; readonly a: HCond; readonly b: HCond; readonly span: Span };

/** Comparison operators. */
export type CompareOp = "==" | "!=" | "<" | "<=" | ">" | ">=";

/**
 * A constant set: for scalars inclusive ranges of numbers, ascending, disjoint and not adjacent, and where they are few, the elements as
 * they were written; for aggregates the tuples, each once.
 */
export type ConstantSet =
  | { readonly kind: "ranges"; readonly ranges: readonly NumberRange[]; readonly written: readonly SetElement[] | null }
  | { readonly kind: "tuples"; readonly tuples: readonly (readonly bigint[])[] };

/** An inclusive range. */
export interface NumberRange {
  readonly from: bigint;
  readonly to: bigint;
}

/** An element of a set as it was written, merged or not: what a short set is tested by. */
export type SetElement =
  | { readonly kind: "value"; readonly value: bigint }
  | { readonly kind: "range"; readonly from: bigint; readonly to: bigint }
  | { readonly kind: "prefix"; readonly value: bigint; readonly length: number };

// ----------------------------------------------------------------------------------------------------------- statements

/** XDP verdicts a rule can name. */
export type VerdictName = "pass" | "drop" | "tx" | "aborted";

/** A typed statement. */
export type HStmt =
  | {
      readonly kind: "if";
      readonly condition: HCond;
      readonly then: readonly HStmt[];
      readonly else: readonly HStmt[];
      readonly span: Span;
    }
  | {
      readonly kind: "ifLet";
      readonly entry: Entry;
      readonly key: HExpr;
      readonly then: readonly HStmt[];
      readonly else: readonly HStmt[];
      readonly span: Span;
    }
  | {
      readonly kind: "switch";
      readonly subject: HExpr;
      readonly arms: readonly { readonly set: ConstantSet; readonly body: readonly HStmt[]; readonly span: Span }[];
      readonly else: readonly HStmt[];
      readonly span: Span;
    }
  | {
      readonly kind: "for";
      readonly local: Local;
      readonly from: bigint;
      readonly to: bigint;
      readonly body: readonly HStmt[];
      readonly span: Span;
    }
  | { readonly kind: "let"; readonly local: Local; readonly value: HExpr; readonly span: Span }
  | {
      readonly kind: "setField";
      readonly instance: Instance;
      readonly field: Field;
      readonly value: HExpr;
      /** The checksums that change with it, inner ones before those that cover them. */
      readonly sums: readonly SumUpdate[];
      readonly span: Span;
    }
  | {
      readonly kind: "swap";
      readonly instanceA: Instance;
      readonly a: Field;
      readonly instanceB: Instance;
      readonly b: Field;
      readonly span: Span;
    }
  /** A new header behind the link headers; `value` is field `field`'s, all others are as declared. */
  | ({ readonly kind: "push"; readonly span: Span } & Push)
  /** Takes the header out that follows the link headers. */
  | ({ readonly kind: "pop"; readonly span: Span } & Pop)
  /** New headers in front of the packet or the frame, which a tunnel carries from then on. */
  | ({ readonly kind: "encap"; readonly span: Span } & Encap)
  /** Takes everything in front of what a tunnel carries away but the link headers, or those too where it carries frames. */
  | ({ readonly kind: "decap"; readonly span: Span } & Decap)
  /** Keeps the packet's first bytes. */
  | { readonly kind: "trim"; readonly bytes: HExpr; readonly span: Span }
  | { readonly kind: "store"; readonly place: Place; readonly value: HExpr; readonly span: Span }
  /** `place += value`, atomic unless the place is this CPU's own; a subtraction adds the negative. */
  | { readonly kind: "add"; readonly place: Place; readonly value: HExpr; readonly span: Span }
  /** `m[k] = v` and `insert s k` (value null). */
  | {
      readonly kind: "mapUpdate";
      readonly map: MapSymbol;
      readonly key: HExpr;
      readonly value: HExpr | null;
      readonly orElse: VerdictName | null;
      readonly span: Span;
    }
  /** `if let v = pop(q)` (with `remove`) and `peek(q)`: a copy of the next value. */
  | {
      readonly kind: "ifTake";
      readonly map: MapSymbol;
      readonly local: Local;
      readonly remove: boolean;
      readonly then: readonly HStmt[];
      readonly else: readonly HStmt[];
      readonly span: Span;
    }
  /** A value put into a queue, a stack or a bloom filter. */
  | {
      readonly kind: "put";
      readonly map: MapSymbol;
      readonly value: HExpr;
      readonly orElse: VerdictName | null;
      readonly span: Span;
    }
  /** A value sent to user space; `lostAt`: where its buffer's lost events are counted, in bytes into the value of LOST_MAP. */
  | {
      readonly kind: "emit";
      readonly map: MapSymbol;
      readonly lostAt: number;
      readonly value: HExpr;
      readonly orElse: VerdictName | null;
      readonly span: Span;
    }
  /** The packet's first bytes, at most `most`, sent to user space; `lostAt` as for `emit`. */
  | {
      readonly kind: "sample";
      readonly map: MapSymbol;
      readonly lostAt: number;
      readonly most: number;
      readonly orElse: VerdictName | null;
      readonly span: Span;
    }
  /** Goes on in another program and never comes back; where there is none, ends with `orElse` (null: the program's default). */
  | {
      readonly kind: "tail";
      readonly map: MapSymbol;
      readonly index: HExpr;
      readonly orElse: VerdictName | null;
      readonly span: Span;
    }
  | { readonly kind: "mapDelete"; readonly map: MapSymbol; readonly key: HExpr; readonly span: Span }
  | { readonly kind: "count"; readonly map: MapSymbol; readonly key: HExpr | null; readonly span: Span }
  | { readonly kind: "log"; readonly format: string; readonly args: readonly HExpr[]; readonly span: Span }
  | { readonly kind: "verdict"; readonly verdict: VerdictName; readonly span: Span }
  /** Out of the device with that index; 0 and `orElse` null: the program's default. */
  | {
      readonly kind: "redirectDevice";
      readonly ifindex: HExpr;
      readonly orElse: VerdictName | null;
      readonly span: Span;
    }
  /** A copy to every device of the map but the one it came from. */
  | { readonly kind: "flood"; readonly map: MapSymbol; readonly span: Span }
  /** key null: the packet's receive queue. `orElse` null: the program's default. */
  | {
      readonly kind: "redirect";
      readonly map: MapSymbol;
      readonly key: HExpr | null;
      readonly orElse: VerdictName | null;
      readonly span: Span;
    };

/** Whether a statement moves the packet's head or end, so that whatever was known of it is to be found again. */
export function movesPacket(statement: HStmt): boolean {
  return ["push", "pop", "trim", "encap", "decap"].includes(statement.kind);
}

/** One program, typed. */
export interface HProgram {
  readonly name: string;
  readonly section: string;
  readonly attach: "xdp" | "devmap" | "cpumap";
  readonly frags: boolean;
  readonly default: VerdictName;
  readonly runConfig: RunConfig | null;
  readonly body: readonly HStmt[];
  readonly span: Span;
}

/** Everything a file compiles to, typed. */
export interface HModule {
  readonly license: string;
  readonly programs: readonly HProgram[];
  readonly maps: readonly MapSymbol[];
  readonly globals: readonly GlobalSymbol[];
  readonly headers: readonly Header[];
  readonly tests: readonly HTest[];
}
