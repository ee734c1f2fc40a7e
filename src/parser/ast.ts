// The syntax tree: readonly unions tagged by `kind`, each node with the span it covers. It holds what was written and
// nothing else: facts that later phases find live in side tables keyed by node. Where the text couldn't be parsed an
// `error` node stands, so that later phases and the editor can go on. The whole language is parsed, also the parts that
// later phases don't support yet.

import type { SourceFile, Span } from "../base/source.ts";

/** A word used as a name, with its place. */
export interface Name {
  readonly text: string;
  readonly span: Span;
}

/** A whole file. Declarations and statements stand in the order they were written. */
export interface File {
  readonly kind: "file";
  readonly source: SourceFile;
  readonly items: readonly (Decl | Stmt)[];
  /** The library's files that statements of this one stand for (`forward`: "forward"); they are read as if they were imported. */
  readonly implies: readonly string[];
  /** Every word in it: which of the library's headers it could mean. */
  readonly words: ReadonlySet<string>;
  readonly span: Span;
}

// ---------------------------------------------------------------------------------------------------------------- types

/** A written type. */
export type TypeExpr =
  /** A builtin scalar (`u8` … `ipv6`, `bool`) or a struct's name. */
  | { readonly kind: "namedType"; readonly name: Name; readonly span: Span }
  /** `prefix<ipv4>` */
  | { readonly kind: "prefixType"; readonly of: TypeExpr; readonly span: Span }
  /** `(ipv4, u16)`: a tuple, at least two. */
  | { readonly kind: "tupleType"; readonly elements: readonly TypeExpr[]; readonly span: Span }
  /** `u8[6]`: an array of a constant count. */
  | { readonly kind: "arrayType"; readonly element: TypeExpr; readonly count: Expr; readonly span: Span }
  | ErrorNode;

/** What stands where the text couldn't be parsed; a diagnostic has been given. */
export interface ErrorNode {
  readonly kind: "error";
  readonly span: Span;
}

// --------------------------------------------------------------------------------------------------------- declarations

/** A declaration. */
export type Decl =
  | SetDecl
  | MapDecl
  | CounterDecl
  | LimiterDecl
  | TargetDecl
  | ConstDecl
  | ConstSetDecl
  | ConfigDecl
  | VarDecl
  | StructDecl
  | HeaderDecl
  | FnDecl
  | ImportDecl
  | LicenseDecl
  | DefaultDecl
  | ProgramDecl
  | TestDecl;

/** A word behind a set's or map's size: `lru`, `pinned`, or a map flag's name in lower case (`no_prealloc`). */
export type MapAttribute = Name;

/** `set blocked : ipv4[100000] lru` */
export interface SetDecl {
  readonly kind: "setDecl";
  readonly name: Name;
  readonly element: TypeExpr;
  readonly size: Expr;
  readonly attributes: readonly MapAttribute[];
  readonly span: Span;
}

/** `map flows : lru_hash<Flow, Stats>[65536] pinned`; `mapKind` is the word written, checked later. */
export interface MapDecl {
  readonly kind: "mapDecl";
  readonly name: Name;
  readonly mapKind: Name;
  readonly types: readonly TypeExpr[];
  readonly size: Expr;
  readonly attributes: readonly MapAttribute[];
  readonly span: Span;
}

/** `counter hits, by_port[u16]`: one node per name; `key` null for a single counter. */
export interface CounterDecl {
  readonly kind: "counterDecl";
  readonly name: Name;
  readonly key: TypeExpr | null;
  readonly span: Span;
}

/** `limiter syns[65536] : 1000/s burst 200 per ipv4` */
export interface LimiterDecl {
  readonly kind: "limiterDecl";
  readonly name: Name;
  readonly size: Expr;
  readonly rate: Expr;
  /** The unit behind the slash: s, ms, min, … */
  readonly per: Name;
  readonly burst: Expr | null;
  readonly key: TypeExpr | null;
  readonly span: Span;
}

/** `devmap ports[64]`, `xskmap xsk[64]`, `perf samples`, …: maps declared by their kind's word. `size` null where none was written. */
export interface TargetDecl {
  readonly kind: "targetDecl";
  readonly mapKind: "devmap" | "devmap_hash" | "cpumap" | "xskmap" | "ringbuf" | "perf" | "prog_array";
  readonly name: Name;
  readonly size: Expr | null;
  readonly attributes: readonly MapAttribute[];
  /** `= { first, 3: third }` behind a map of programs; null where nothing was written. */
  readonly programs: readonly ProgramEntry[] | null;
  readonly span: Span;
}

/** A program that a map of programs holds from the start; `index` null: the one behind the entry before. */
export interface ProgramEntry {
  readonly index: Expr | null;
  readonly program: Name;
  readonly span: Span;
}

/** `const LIMIT = 1000` (`: type` optional) */
export interface ConstDecl {
  readonly kind: "constDecl";
  readonly name: Name;
  readonly type: TypeExpr | null;
  readonly value: Expr;
  readonly span: Span;
}

/** `const set feed : prefix<ipv4> from "feed.txt"` or `= { … }` */
export interface ConstSetDecl {
  readonly kind: "constSetDecl";
  readonly name: Name;
  readonly element: TypeExpr | null;
  readonly source:
    | { readonly kind: "literal"; readonly value: Expr }
    | { readonly kind: "file"; readonly path: StringLiteral };
  readonly span: Span;
}

/** `config threshold : u32 = 100` */
export interface ConfigDecl {
  readonly kind: "configDecl";
  readonly name: Name;
  readonly type: TypeExpr;
  readonly value: Expr;
  readonly span: Span;
}

/** `var seen : u64` (`= value` optional) */
export interface VarDecl {
  readonly kind: "varDecl";
  readonly name: Name;
  readonly type: TypeExpr;
  readonly value: Expr | null;
  readonly span: Span;
}

/** `struct Flow { saddr : ipv4, … }` */
export interface StructDecl {
  readonly kind: "structDecl";
  readonly name: Name;
  readonly fields: readonly { readonly name: Name; readonly type: TypeExpr; readonly span: Span }[];
  readonly span: Span;
}

/** `header ipv4 as ip "…" rfc 791 on eth 0x0800, … { … }`; without a body it adds places to a header that exists. */
export interface HeaderDecl {
  readonly kind: "headerDecl";
  readonly name: Name;
  readonly alias: Name | null;
  readonly title: StringLiteral | null;
  readonly rfc: Expr | null;
  /** True for `extends PARENT …`: a chained header, transparent to what follows (IPv6 extension headers). False for `on`. */
  readonly extension: boolean;
  readonly edges: readonly HeaderEdge[];
  /** `depth 2` behind the edges: how often it may follow itself. */
  readonly depth: Expr | null;
  /** null without a body. */
  readonly body: HeaderBody | null;
  readonly span: Span;
}

/** One place where a header hangs: `eth 0x0800`, `inner ipv4 4`; several values may stand (`eth 0x8100 0x88a8`). */
export interface HeaderEdge {
  readonly inner: boolean;
  readonly parent: Name;
  readonly values: readonly Expr[];
  /** `when version == 4`: a condition on the header's own fields; null without. */
  readonly when: Expr | null;
  readonly span: Span;
}

/** What stands between a header's braces. */
export interface HeaderBody {
  readonly fields: readonly HeaderField[];
  /** `size ihl * 4 min 20` */
  readonly size: { readonly bytes: Expr; readonly min: Expr | null; readonly span: Span } | null;
  /** `next protocol depth 6 when frag_off == 0`; several fields are tried in order. */
  readonly next: {
    readonly fields: readonly Name[];
    readonly depth: Expr | null;
    readonly when: Expr | null;
    readonly span: Span;
  } | null;
}

/** A header's field: `ihl : 4`, `tot_len : u16 length(header, payload)`, `flags : u8 { cwr, … }` (first name: highest bit). */
export interface HeaderField {
  readonly name: Name;
  /** A width in bits (`: 4`) or a type. */
  readonly width: { readonly kind: "bits"; readonly value: Expr } | { readonly kind: "type"; readonly type: TypeExpr };
  readonly bits: readonly Name[];
  /** `length(…)` or `checksum(…)` with the parts they cover. */
  readonly covers: {
    readonly kind: "length" | "checksum";
    readonly parts: readonly Name[];
    readonly span: Span;
  } | null;
  /** `optional` behind a checksum: zero means none. */
  readonly optional: boolean;
  /** `if k`: the field is there where that bit is set; null: always. */
  readonly flag: Name | null;
  /** `= 64`: what the field holds in a header that is made, where nobody says otherwise; null: zero. */
  readonly initial: Expr | null;
  readonly span: Span;
}

/** `fn is_web(port : u16) = …` or `fn guard() { … }` */
export interface FnDecl {
  readonly kind: "fnDecl";
  readonly name: Name;
  readonly params: readonly { readonly name: Name; readonly type: TypeExpr; readonly span: Span }[];
  readonly body:
    | { readonly kind: "expr"; readonly value: Expr }
    | { readonly kind: "block"; readonly block: BlockBody };
  readonly span: Span;
}

/** `import "common.xdp"` or `import std.bridge` (words joined by dots). */
export interface ImportDecl {
  readonly kind: "importDecl";
  readonly target:
    | { readonly kind: "path"; readonly path: StringLiteral }
    | { readonly kind: "library"; readonly words: readonly Name[]; readonly span: Span };
  readonly span: Span;
}

/** `license "GPL"` */
export interface LicenseDecl {
  readonly kind: "licenseDecl";
  readonly value: StringLiteral;
  readonly span: Span;
}

/** `default drop` */
export interface DefaultDecl {
  readonly kind: "defaultDecl";
  readonly verdict: Verdict;
  readonly span: Span;
}

/** `program big section "xdp" frags priority 10 chain pass, tx { … }`; attributes in any order. */
export interface ProgramDecl {
  readonly kind: "programDecl";
  readonly name: Name;
  readonly attributes: readonly ProgramAttribute[];
  /** Statements, and `default` declarations that hold for this program only. */
  readonly body: readonly (Stmt | DefaultDecl)[];
  readonly span: Span;
}

/** An attribute of a program. */
export type ProgramAttribute =
  | { readonly kind: "section"; readonly value: StringLiteral; readonly span: Span }
  | { readonly kind: "frags" | "devmap" | "cpumap"; readonly span: Span }
  | { readonly kind: "priority"; readonly value: Expr; readonly span: Span }
  | { readonly kind: "chain"; readonly verdicts: readonly Verdict[]; readonly span: Span };

/** `test "…" for responder with meta.x = 3 { … }` */
export interface TestDecl {
  readonly kind: "testDecl";
  readonly title: StringLiteral;
  readonly program: Name | null;
  readonly settings: readonly { readonly target: Expr; readonly value: Expr; readonly span: Span }[];
  readonly steps: readonly TestStep[];
  readonly span: Span;
}

/** A line of a test: fill state, build a packet and send it (`times 3`), say what's expected of its fate or of the state. */
export type TestStep =
  | { readonly kind: "fill"; readonly target: Expr; readonly value: Expr; readonly span: Span }
  | { readonly kind: "packet"; readonly layers: readonly Expr[]; readonly times: Expr | null; readonly span: Span }
  | { readonly kind: "expect"; readonly action: Stmt; readonly layers: readonly Expr[]; readonly span: Span }
  | { readonly kind: "expectState"; readonly condition: Expr; readonly span: Span }
  | ErrorNode;

// ----------------------------------------------------------------------------------------------------------- statements

/** The verdicts that are words of their own. */
export interface Verdict {
  readonly verdict: "pass" | "drop" | "tx" | "aborted";
  readonly span: Span;
}

/** The body of an `if`, `else`, `for`, switch arm or function: one statement, or several in braces. */
export interface BlockBody {
  readonly kind: "block";
  readonly statements: readonly Stmt[];
  readonly braces: boolean;
  readonly span: Span;
}

/** Assignment operators. */
export type AssignOp = "=" | "+=" | "-=" | "*=" | "/=" | "%=" | "&=" | "|=" | "^=" | "<<=" | ">>=";

/** A statement. */
export type Stmt =
  | IfStmt
  | SwitchStmt
  | ForStmt
  | { readonly kind: "let"; readonly name: Name; readonly value: Expr; readonly span: Span }
  /** `orElse`: the verdict behind `or` (a failed map update). */
  | {
      readonly kind: "assign";
      readonly target: Expr;
      readonly op: AssignOp;
      readonly value: Expr;
      readonly orElse: Verdict | null;
      readonly span: Span;
    }
  | { readonly kind: "verdict"; readonly verdict: Verdict; readonly span: Span }
  | RedirectStmt
  | { readonly kind: "log"; readonly format: StringLiteral; readonly args: readonly Expr[]; readonly span: Span }
  | { readonly kind: "count"; readonly counter: Expr; readonly span: Span }
  | {
      readonly kind: "insert";
      readonly map: Name;
      readonly key: Expr;
      readonly orElse: Verdict | null;
      readonly span: Span;
    }
  | { readonly kind: "delete"; readonly map: Name; readonly key: Expr; readonly span: Span }
  | { readonly kind: "swap"; readonly a: Expr; readonly b: Expr; readonly span: Span }
  /** A function called for its effects: `guard()`. */
  | { readonly kind: "callStmt"; readonly call: Expr; readonly span: Span }
  | { readonly kind: "flood"; readonly map: Name; readonly orElse: Verdict | null; readonly span: Span }
  | { readonly kind: "forward"; readonly orElse: Verdict | null; readonly span: Span }
  | {
      readonly kind: "tail";
      readonly map: Name;
      readonly index: Expr;
      readonly orElse: Verdict | null;
      readonly span: Span;
    }
  | {
      readonly kind: "emit";
      readonly map: Name;
      readonly value: Expr;
      readonly orElse: Verdict | null;
      readonly span: Span;
    }
  | {
      readonly kind: "sample";
      readonly map: Name;
      readonly max: Expr | null;
      readonly orElse: Verdict | null;
      readonly span: Span;
    }
  | { readonly kind: "push"; readonly header: Name; readonly value: Expr; readonly span: Span }
  | { readonly kind: "pop"; readonly header: Name; readonly span: Span }
  | { readonly kind: "encap"; readonly headers: readonly NewHeader[]; readonly span: Span }
  | { readonly kind: "decap"; readonly span: Span }
  | { readonly kind: "trim"; readonly bytes: Expr; readonly span: Span }
  | ErrorNode;

/** `if COND then … else …` */
export interface IfStmt {
  readonly kind: "if";
  readonly condition: Expr | IfLet;
  readonly then: BlockBody;
  readonly else: BlockBody | null;
  readonly span: Span;
}

/** `let s = flows[flow]` as a condition: true where the entry exists, and `name` is that entry in `then`. */
export interface IfLet {
  readonly kind: "ifLet";
  readonly name: Name;
  readonly value: Expr;
  readonly span: Span;
}

/** `switch ip.protocol { tcp, udp => pass; 1..5 => drop; else => tx }`; `else` is null where none was written. */
export interface SwitchStmt {
  readonly kind: "switch";
  readonly subject: Expr;
  readonly arms: readonly { readonly patterns: readonly Expr[]; readonly body: BlockBody; readonly span: Span }[];
  readonly else: BlockBody | null;
  readonly span: Span;
}

/** `for i in 0..8 { … }`: both ends are included, as in every range. */
export interface ForStmt {
  readonly kind: "for";
  readonly name: Name;
  readonly from: Expr;
  readonly to: Expr;
  readonly body: BlockBody;
  readonly span: Span;
}

/** `redirect xsk`, `redirect ports[key] or drop`, `redirect dev "eth1"` */
export interface RedirectStmt {
  readonly kind: "redirect";
  readonly target:
    | { readonly kind: "map"; readonly map: Name; readonly key: Expr | null }
    | { readonly kind: "device"; readonly name: Expr };
  readonly orElse: Verdict | null;
  readonly span: Span;
}

/** `ip { saddr: 10.0.0.1 }` behind `encap`. */
export interface NewHeader {
  readonly name: Name;
  readonly fields: readonly FieldInit[];
  readonly span: Span;
}

/** `saddr: ip.saddr` in a struct literal, encap or test packet. */
export interface FieldInit {
  readonly name: Name;
  readonly value: Expr;
  readonly span: Span;
}

// ---------------------------------------------------------------------------------------------------------- expressions

/** Two-operand operators; `!`, `&&`, `||` are parsed as not, and, or. */
export type BinaryOp =
  | "*"
  | "/"
  | "%"
  | "+"
  | "-"
  | "<<"
  | ">>"
  | "&"
  | "^"
  | "|"
  | "=="
  | "!="
  | "<"
  | "<="
  | ">"
  | ">="
  | "in"
  | "exceeds"
  | "and"
  | "or";

/** A string with its escapes resolved. */
export interface StringLiteral {
  readonly kind: "string";
  readonly value: string;
  readonly span: Span;
}

/** An expression. */
export type Expr =
  /** Any base, suffixes K (2^10), M (2^20), G (2^30) already applied. */
  | { readonly kind: "number"; readonly value: bigint; readonly span: Span }
  | { readonly kind: "bool"; readonly value: boolean; readonly span: Span }
  /** 32, 48 or 128 bits as a number, most significant byte first as written. */
  | { readonly kind: "address"; readonly type: "ipv4" | "mac" | "ipv6"; readonly value: bigint; readonly span: Span }
  /** `10.0.0.0/8`; host bits may be set (a later phase warns). */
  | {
      readonly kind: "prefix";
      readonly type: "ipv4" | "ipv6";
      readonly value: bigint;
      readonly length: number;
      readonly span: Span;
    }
  | StringLiteral
  /** `100ms`, in nanoseconds. */
  | { readonly kind: "duration"; readonly nanoseconds: bigint; readonly span: Span }
  | { readonly kind: "range"; readonly from: Expr; readonly to: Expr; readonly span: Span }
  | { readonly kind: "setLiteral"; readonly elements: readonly Expr[]; readonly span: Span }
  /** At least two elements: `(a, b)`; one in parentheses is that expression (its span without them). */
  | { readonly kind: "tuple"; readonly elements: readonly Expr[]; readonly span: Span }
  | { readonly kind: "structLiteral"; readonly name: Name; readonly fields: readonly FieldInit[]; readonly span: Span }
  | { readonly kind: "name"; readonly name: Name; readonly span: Span }
  | { readonly kind: "member"; readonly object: Expr; readonly member: Name; readonly span: Span }
  | { readonly kind: "index"; readonly object: Expr; readonly index: Expr; readonly span: Span }
  /** `f(a, b)`, `hash(…)`, `random()`; in tests also `ip(saddr: …)` (then `fields`). */
  | {
      readonly kind: "call";
      readonly callee: Name;
      readonly args: readonly Expr[];
      readonly fields: readonly FieldInit[];
      readonly span: Span;
    }
  | { readonly kind: "not"; readonly operand: Expr; readonly span: Span }
  | { readonly kind: "binary"; readonly op: BinaryOp; readonly left: Expr; readonly right: Expr; readonly span: Span }
  /** `x as u8` */
  | { readonly kind: "cast"; readonly value: Expr; readonly type: TypeExpr; readonly span: Span }
  | ErrorNode;
