// Rules for editors to colour, and where their colours differ from what the compiler takes each token for. Editors' own syntax
// files are coarser than the TextMate grammar: whether a word that isn't reserved is a keyword is left to them.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { contextualWordTypes, reservedWordTypes } from "../../src/parser/tokens.ts";
import { projectRoot } from "../cli/build.ts";
import { type ClassedToken, classedTokens } from "./lexer-classes.ts";
import type { PieceClass } from "./textmate.ts";

/** What is easily taken for something else. */
const TRICKY = `header odd on udp 9999 { in : u8, size : u8, drop : u16, u8 : u8, map : u16 { set, count } }
struct S { if : u16, then : ipv4 }
map seen : hash<S, u64>[64K]
set hosts : (ipv6, mac)[0x10]

if odd.in == 1 and odd . drop == 2 and odd.u8 != 3 then drop
if ip and tcp then seen[S { if: tcp.dport, then: ip.saddr }] = 100ms
log "# no comment, no 1.2.3.4, \\" and" # but "this" is 10.0.0.1
if ip6.saddr == fe80::1 or ip6.saddr in { ::, ::1..::5, 2001:db8::/32, ::ffff:192.0.2.1 } then pass
if eth.saddr == aa:bb:cc:dd:ee:ff then { tx } else if ip.saddr in 10.0.0.0/8 then aborted
if (ip6.saddr, eth.saddr) in hosts then redirect dev "eth1" or drop
for i in 0..7 { if meta.len == i then pass }
`;

/** A rule file with its tokens. */
export interface ColouredFile {
  /** Absolute. */
  readonly path: string;
  readonly text: string;
  readonly tokens: readonly ClassedToken[];
}

/** The examples, the library, the parser's samples and a text that is hard to colour, which is written into `folder`. */
export function filesToColour(folder: string): ColouredFile[] {
  const tricky = path.join(folder, "tricky.xdp");
  writeFileSync(tricky, TRICKY);
  const all = ["examples", "stdlib", "test/parser/samples"].flatMap((room) =>
    readdirSync(path.join(projectRoot, room), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".xdp"))
      .sort()
      .map((name) => path.join(projectRoot, room, name)),
  );
  return [tricky, ...all].map((file) => {
    const text = readFileSync(file, "utf8");
    const tokens = classedTokens(text);
    if (tokens === null) throw new Error(`${file} has faults`);
    return { path: file, text, tokens };
  });
}

/** Every word of the language, one a line, each where it can be a keyword; written into `folder`. Not rules that mean anything. */
export function wordsToColour(folder: string): ColouredFile {
  const words = [...reservedWordTypes.keys(), ...contextualWordTypes.keys()];
  const file = path.join(folder, "words.xdp");
  const text = words.map((word) => `${word} x\n`).join("");
  writeFileSync(file, text);
  let start = 0;
  const tokens = words.map((word): ClassedToken => {
    const token = { start, end: start + word.length, text: word, class: "keyword" as PieceClass };
    start = token.end + 3;
    return token;
  });
  return { path: file, text, tokens };
}

/** The words of `wordsToColour` that an editor doesn't know. */
export function unknownWords(file: ColouredFile, classes: readonly PieceClass[]): string[] {
  return file.tokens.flatMap(({ text }, i) => {
    const wanted = text === "true" || text === "false" ? "number" : "keyword";
    return classes[i] === wanted ? [] : [text];
  });
}

/** Where each token begins: line and byte in the line, both from 0. */
export function placesOf(file: ColouredFile): (readonly [line: number, byte: number])[] {
  return file.tokens.map(({ start }) => {
    const before = file.text.slice(0, start).split("\n");
    return [before.length - 1, Buffer.byteLength(before.at(-1) ?? "")] as const;
  });
}

/** What an editor takes for something else than the compiler does, as `path:line: text: editor's class, not compiler's`. */
export function miscoloured(file: ColouredFile, classes: readonly PieceClass[]): string[] {
  return file.tokens.flatMap((token, i) => {
    const found = classes[i] ?? "none";
    // Editors leave names and signs uncoloured, or colour some.
    const isPlain = (one: PieceClass): boolean => one === "name" || one === "sign" || one === "none";
    if (found === token.class || (isPlain(found) && isPlain(token.class))) return [];
    if (contextualWordTypes.has(token.text) && (found === "keyword" || isPlain(found))) return [];
    const line = file.text.slice(0, token.start).split("\n").length;
    return [`${file.path}:${line}: ${token.text}: ${found}, not ${token.class}`];
  });
}
