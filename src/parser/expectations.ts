// What the grammar expects in the user's words: how each construct is written, what each rule is called, what a token
// shows. Tables for syntax-messages.ts; they must name every rule that can be stopped at.

import { EOF, type IToken } from "chevrotain";
import { shown } from "./messages.ts";
import type { Fault } from "./recovery.ts";
import * as t from "./tokens.ts";

/** How each construct is written, as help where one of its parts is missing. */
export const usages: Readonly<Record<string, string>> = {
  setDecl: "a set is declared as `set ports : u16[1024]`",
  mapDecl: "a map is declared as `map flows : hash<Flow, Stats>[65536]`",
  counterDecl: "counters are declared as `counter hits, by_port[u16]`",
  limiterDecl: "a limiter is declared as `limiter syns[65536] : 1000/s burst 200 per ipv4`",
  targetDecl: "such a map is declared as `xskmap xsk[64]`",
  programEntry: "programs are put in as `prog_array stages[8] = { first, 3: third }`",
  constDecl: "constants are declared as `const LIMIT = 1000` or `const set ports = { 80, 443 }`",
  configDecl: "a setting is declared as `config threshold : u32 = 100`",
  varDecl: "a variable is declared as `var seen : u64`",
  structDecl: "a struct is declared as `struct Flow { saddr : ipv4, daddr : ipv4 }`",
  edge: "a header hangs at places such as `on eth 0x0800, vlan 0x0800`",
  headerField: "a field is written `name : 4` (bits) or `name : u16`",
  headerSize: "a size is written `size ihl * 4 min 20`, in bytes",
  headerNext: "what follows is chosen by `next protocol when frag_off == 0`",
  headerDecl: 'a header is declared as `header udp "…" on ipv4 17 { sport : u16, dport : u16 }`',
  fnDecl: "a function is declared as `fn name(port : u16) = …` or `fn name() { … }`",
  importDecl: 'an import is written `import "common.xdp"` or `import std.bridge`',
  licenseDecl: 'a licence is written `license "GPL"`',
  defaultDecl: "the default is written `default drop`",
  programAttribute: 'attributes are `section "…"`, `frags`, `devmap`, `cpumap`, `priority 10`, `chain pass, tx`',
  programDecl: "a program is written `program name { … }`",
  testDecl: 'a test is written `test "title" { packet eth / ip / tcp(dport: 80)  expect pass }`',
  ifLet: "an entry is read as `if let s = flows[key] then …`",
  ifStmt: "a rule is written `if tcp.dport == 80 then pass`",
  arm: "an arm is written `tcp, udp => pass`; the last one may be `else => drop`",
  forStmt: "a loop is written `for i in 0..8 { … }`",
  letStmt: "a value is named as `let x = ip.ttl`",
  fallback: "a fallback is written `or drop`",
  redirectStmt: 'write `redirect xsk`, `redirect ports[key]` or `redirect dev "eth1"`',
  logStmt: 'write `log "format %u", value`',
  countStmt: "write `count hits` or `count by_port[tcp.dport]`",
  insertStmt: "write `insert blocked ip.saddr`",
  deleteStmt: "write `delete blocked ip.saddr`",
  swapStmt: "write `swap eth.saddr, eth.daddr`",
  floodStmt: "write `flood ports`",
  tailStmt: "write `tail stages[2]`",
  emitStmt: "write `emit events Event { saddr: ip.saddr }`",
  sampleStmt: "write `sample events max 96`",
  pushStmt: "write `push vlan 100`",
  popStmt: "write `pop vlan`",
  newHeader: "write `encap ip { saddr: 10.0.0.1, daddr: 10.0.0.2 } / udp { sport: 5000 }`",
  encapStmt: "write `encap ip { saddr: 10.0.0.1, daddr: 10.0.0.2 }`",
  trimStmt: "write `trim 96`",
  type: "types are `u8` to `u64`, `bool`, `mac`, `ipv4`, `ipv6`, `prefix<ipv4>`, structs, tuples and arrays",
};

const elements: Readonly<Record<string, string>> = {
  file: "a statement or a declaration",
  block: "a statement or `}`",
  programBody: "a statement or `}`",
  structBody: "a field such as `saddr : ipv4`",
  headerBody: "a field, `size` or `next`",
  switchBody: "a pattern or `}`",
  testBody: "`packet`, `expect` or state to fill",
};

const alternatives: Readonly<Record<string, string>> = {
  primary: "a value",
  condition: "a condition",
  atom: "a number or a name",
  edgeValue: "a number or a name",
  type: "a type",
  body: "a statement or `{`",
  statement: "a statement",
  suffix: "a field's name",
  redirectStmt: "a map's name",
  importDecl: "a path or a library's name",
  constDecl: "`=`",
  fnDecl: "`=` or `{`",
  headerField: "a number of bits or a type",
  headerDecl: "a header's name",
  layers: "a header's name",
  counterDecl: "a name",
  fieldBits: "a name",
  covers: "`header`, `payload` or `pseudo`",
  libraryPath: "a library's name",
  mapDecl: "a type",
  programAttribute: "`pass`, `drop`, `tx` or `aborted`",
  testDecl: "a setting such as `meta.now = 5s`",
  expectation: "a verdict or an action",
  expected: "a verdict, an action or a condition",
  layer: "a header's name",
  arm: "a pattern",
};

/** What was expected where `fault` is, in the user's words; `rule` is the innermost rule. */
export function expectationOf(fault: Fault, rule: string): string {
  if (fault.kind === "expectedElement") return elements[fault.expected] ?? "something else";
  if (fault.kind === "expectedOneOf") return alternatives[rule] ?? elements[rule] ?? "something else";
  switch (fault.expected) {
    case t.NameToken.name:
    case t.IdentifierToken.name:
      return rule === "suffix" ? "a field's name" : "a name";
    case t.LabelToken.name:
      return "a name with a colon";
    case t.LiteralToken.name:
      return "a number";
    case t.StringToken.name:
      return "a string in double quotes";
    case t.VerdictToken.name:
      return "`pass`, `drop`, `tx` or `aborted`";
    case t.LeftBrace.name:
      return rule === "programBody" ? "`{` or an attribute" : "`{`";
    default:
      return `\`${labelOf(fault.expected) ?? fault.expected}\``;
  }
}

const labels: ReadonlyMap<string, string> = new Map(t.parserTokens.map((type) => [type.name, type.LABEL ?? type.name]));

/** The word or sign that the token type `name` stands for, if it is one. */
export function labelOf(name: string): string | null {
  return labels.get(name) ?? null;
}

/** What was found, in the user's words. */
export function describe(found: IToken): string {
  if (found.tokenType === EOF) return "the end of the file";
  if (found.tokenType === t.StringToken) return "a string";
  return `\`${shown(found.image)}\``;
}
