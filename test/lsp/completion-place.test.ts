// What may be written at a cursor, told from half-typed text: one table, the cursor marked by `▮`.

import { describe, expect, it } from "vitest";
import { cursorAt } from "../../src/lsp/completion-place.ts";

const TABLE: readonly (readonly [text: string, place: string])[] = [
  ["▮", "statement declarations"],
  ["# comment ▮", "nothing"],
  ['log "text ▮', "nothing"],
  ["set ▮", "nothing"],
  ["set s : ▮", "type"],
  ["map m : ▮", "mapKind"],
  ["map m : hash<▮", "type"],
  ["map m : hash<u8, ▮", "type"],
  ["set s : ipv4[10] ▮", "attribute"],
  ["set s : ipv4[10]\n▮", "statement declarations"],
  ["counter hits, by_port[▮", "type"],
  ["limiter l[10] : 10/s per ▮", "type"],
  ["if ▮", "value comparable bare"],
  ["if tc▮", "value comparable bare"],
  ["if tcp.▮", "member tcp comparable"],
  ["if tcp.d▮", "member tcp comparable"],
  ["if inner.ip.▮", "member inner.ip comparable"],
  ["if vlan[1].▮", "member vlan[1] comparable"],
  ["if tcp.dport ▮", "words then,and,or,in,exceeds,as"],
  ["if tcp.dport in ▮", "name set,constantSet,map,queue"],
  ["if tcp.dport == ▮", "value comparable beside=tcp.dport"],
  ["if ip.saddr exceeds ▮", "name limiter"],
  ["if tcp then ▮", "statement"],
  ["if tcp then { ▮", "statement"],
  ["if tcp then drop else ▮", "statement"],
  ["if tcp then count ▮", "name counter"],
  ["if tcp then count by[tcp.▮", "member tcp"],
  ["redirect ▮", "name target +dev"],
  ["flood ▮", "name devmap"],
  ["redirect xsk or ▮", "verdict"],
  ["if tcp or ▮", "value comparable bare"],
  ["default ▮", "verdict"],
  ["let x = ▮", "value"],
  ["let ▮", "nothing"],
  ["let x = ip.ttl\n▮", "statement declarations"],
  ["program p ▮", "program"],
  ["program p { ▮", "statement"],
  ["switch eth.type { ▮", "statement arm=eth.type"],
  ["switch eth.type { ip => pass\n▮", "statement arm=eth.type"],
  ["switch eth.type { ip => ▮", "statement"],
  ["push ▮", "name header"],
  ["encap ip { ▮", "headerField ip"],
  ["encap ip { saddr: ip.daddr, ▮", "headerField ip (saddr)"],
  ["emit events Event { ▮", "structField Event"],
  ["m[k] = Stats { packets: 1, ▮", "structField Stats (packets)"],
  ["import std.▮", "library"],
  ["import ▮", "words std"],
  ["header x on ▮", "name header"],
  ["header x { a : ▮", "type"],
  ["header x { ▮", "header"],
  ["struct S { a : ▮", "type"],
  ["struct S { ▮", "nothing"],
  ['test "t" { ▮', "testStep"],
  ['test "t" { packet ▮', "layer"],
  ['test "t" { packet eth / ▮', "layer"],
  ['test "t" { packet eth / ip(▮', "headerField ip"],
  ['test "t" { packet eth / ip(saddr: 1.2.3.4, ▮', "headerField ip (saddr)"],
  ['test "t" { packet eth\nexpect ▮', "outcome"],
  ['test "t" for ▮', "name program"],
  ["fn f(▮", "nothing"],
  ["fn f(a : ▮", "type"],
  ["let x = ip.ttl as ▮", "type"],
  ["if tcp.dport == 12▮", "nothing"],
];

function told(marked: string): string {
  const offset = marked.indexOf("▮");
  const { place } = cursorAt(marked.replace("▮", ""), offset);
  switch (place.kind) {
    case "statement":
      return `statement${place.declarations ? " declarations" : ""}${place.armOf ? ` arm=${place.armOf.join("")}` : ""}`;
    case "member":
      return `member ${place.words.join("")}${place.comparable ? " comparable" : ""}`;
    case "value":
      return `value${place.comparable ? " comparable" : ""}${place.bare ? " bare" : ""}${place.beside ? ` beside=${place.beside.join("")}` : ""}`;
    case "name":
      return `name ${place.of.join(",")}${place.words.map((w) => ` +${w}`).join("")}`;
    case "words":
      return `words ${place.words.join(",")}`;
    case "headerField":
      return `headerField ${place.header}${place.given.length > 0 ? ` (${place.given.join(",")})` : ""}`;
    case "structField":
      return `structField ${place.struct}${place.given.length > 0 ? ` (${place.given.join(",")})` : ""}`;
    default:
      return place.kind;
  }
}

describe("what may be written", () => {
  it.each(TABLE)("%s", (marked, place) => {
    expect(told(marked)).toBe(place);
  });
});
