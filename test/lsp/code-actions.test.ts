// The edits offered for what is wrong: each case has the text before and after the first edit that is offered where `title` is part of its
// title. Applied, the fault is gone, and no other has come.

import { describe, expect, test } from "vitest";
import { CodeActionKind, type TextEdit } from "vscode-languageserver-protocol";
import { SourceFile } from "../../src/base/source.ts";
import { codeActions } from "../../src/lsp/code-actions.ts";
import { toProtocol } from "../../src/lsp/diagnostics.ts";
import { offsetAt, positionAt } from "../../src/lsp/ranges.ts";
import { sessionOf } from "./session.ts";

const URI = "file:///rules/x.xdp";

function offered(text: string, code: string, only?: readonly string[]) {
  const { workspace, client } = sessionOf();
  workspace.open(URI, 1, text);
  const document = workspace.analysed(URI);
  if (document === null) throw new Error("not open");
  const found = document.analysis.diagnostics.find((d) => d.code === code);
  if (!found?.primary) throw new Error(`no ${code}: ${document.analysis.diagnostics.map((d) => d.code).join()}`);
  const at = positionAt(document.source, found.primary.span.start);
  const show = (d: typeof found) => toProtocol(d, document.source, workspace, client);
  const actions = codeActions(document, { start: at, end: at }, only, show);
  return actions.filter((action) => action.diagnostics?.some((d) => d.code === code));
}

function applied(text: string, edits: readonly TextEdit[]): string {
  const source = new SourceFile("x.xdp", text);
  const places = edits.map(({ range, newText }) => ({
    start: offsetAt(source, range.start),
    end: offsetAt(source, range.end),
    newText,
  }));
  places.sort((a, b) => b.start - a.start);
  return places.reduce((now, { start, end, newText }) => now.slice(0, start) + newText + now.slice(end), text);
}

function codesOf(text: string): string[] {
  const { workspace } = sessionOf();
  workspace.open(URI, 1, text);
  return workspace.analysed(URI)?.analysis.diagnostics.map((d) => d.code) ?? [];
}

const CASES: readonly (readonly [name: string, code: string, title: string, before: string, after: string])[] = [
  [
    "guard",
    "X0401",
    "if tcp then",
    "counter c[u16]\ncount c[tcp.dport]\n",
    "counter c[u16]\nif tcp then { count c[tcp.dport] }\n",
  ],
  [
    "guard of two headers",
    "X0401",
    "if ip and tcp then",
    "map m : hash<(ipv4, u16), u64>[8]\ndelete m (ip.saddr, tcp.dport)\n",
    "map m : hash<(ipv4, u16), u64>[8]\nif ip and tcp then { delete m (ip.saddr, tcp.dport) }\n",
  ],
  [
    "guard in a body without braces, before an else",
    "X0401",
    "if tcp then",
    "counter c[u16]\nif ip then count c[tcp.dport] else drop\n",
    "counter c[u16]\nif ip then { if tcp then { count c[tcp.dport] } } else drop\n",
  ],
  [
    "a verdict before a let, the program's own default",
    "X0401",
    "before it",
    "counter c[u16]\nprogram p {\n    default drop\n    let port = tcp.dport\n    count c[port]\n}\n",
    "counter c[u16]\nprogram p {\n    default drop\n    if not tcp then drop\n    let port = tcp.dport\n    count c[port]\n}\n",
  ],
  [
    "an early verdict",
    "X0401",
    "End with `pass`",
    "counter c[u16]\n  count c[vlan[1].id]\n",
    "counter c[u16]\n  if not vlan[1] then pass\n  count c[vlan[1].id]\n",
  ],
  [
    "an entry bound",
    "X0502",
    "if let entry",
    'map m : hash<u16, u32>[8]\nif tcp then log "%u", m[tcp.dport]\n',
    'map m : hash<u16, u32>[8]\nif tcp then { if let entry = m[tcp.dport] then { log "%u", entry } }\n',
  ],
  [
    "a set",
    "X0202",
    "set",
    "if tcp.dport in open then drop\n",
    "set open : u16[1024]\nif tcp.dport in open then drop\n",
  ],
  [
    "a set of addresses, below what is declared and above functions",
    "X0202",
    "set bad",
    "# Rules.\n\ncounter hits # all\n\nfn f() = ip.saddr in bad\nif f() then count hits\n",
    "# Rules.\n\ncounter hits # all\nset bad : ipv4[1024]\n\nfn f() = ip.saddr in bad\nif f() then count hits\n",
  ],
  ["a counter", "X0202", "counter", "# Rules.\n\ncount hits\n", "# Rules.\n\ncounter hits\ncount hits\n"],
  [
    "a counter with keys",
    "X0202",
    "counter",
    "if tcp then count by_port[tcp.dport]\n",
    "counter by_port[u16]\nif tcp then count by_port[tcp.dport]\n",
  ],
  [
    "a map, its key a name that let binds",
    "X0202",
    "map flows",
    "if ip and tcp then {\n  let flow = (ip.saddr, tcp.dport)\n  flows[flow] = meta.now\n}\n",
    "map flows : hash<(ipv4, u16), u64>[1024]\nif ip and tcp then {\n  let flow = (ip.saddr, tcp.dport)\n  flows[flow] = meta.now\n}\n",
  ],
  [
    "a map that is read",
    "X0202",
    "map seen",
    "if ip then { if let s = seen[ip.saddr] then drop }\n",
    "map seen : hash<ipv4, u64>[1024]\nif ip then { if let s = seen[ip.saddr] then drop }\n",
  ],
  ["sockets", "X0202", "xskmap", "redirect xsk\n", "xskmap xsk[64]\nredirect xsk\n"],
  [
    "a limiter",
    "X0202",
    "limiter",
    "if ip.saddr exceeds syns then drop\n",
    "limiter syns[65536] : 1000/s burst 200 per ipv4\nif ip.saddr exceeds syns then drop\n",
  ],
  [
    "a name that is nearly right",
    "X0202",
    "Change to `ports`",
    "set ports : u16[8]\nif tcp.dport in prots then drop\n",
    "set ports : u16[8]\nif tcp.dport in ports then drop\n",
  ],
  ["a cast", "X0303", "Cut to u8", "if ip then ip.ttl = ip.id\n", "if ip then ip.ttl = ip.id as u8\n"],
  [
    "an element twice",
    "X0702",
    "Remove it",
    "default drop\nif tcp.dport in { 80, 443, 80 } then pass\n",
    "default drop\nif tcp.dport in { 80, 443 } then pass\n",
  ],
  [
    "host bits",
    "X0701",
    "10.0.0.0/8",
    "if ip.saddr in { 10.1.2.3/8 } then drop\n",
    "if ip.saddr in { 10.0.0.0/8 } then drop\n",
  ],
  [
    "what can't be read",
    "X0705",
    "if opaque then drop",
    "if tcp.dport == 23 then drop\n",
    "if opaque then drop\nif tcp.dport == 23 then drop\n",
  ],
  [
    "a rule that never matches, with its line",
    "X0708",
    "Remove the rule",
    "if ip.saddr in 10.0.0.0/8 then drop\nif ip.saddr == 10.1.2.3 then pass # ours\npass\n",
    "if ip.saddr in 10.0.0.0/8 then drop\npass\n",
  ],
];

describe("offered", () => {
  test.each(CASES)("%s (%s)", (_name, code, title, before, after) => {
    const actions = offered(before, code);
    const action = actions.find((a) => a.title.includes(title));
    expect(action, actions.map((a) => a.title).join("; ")).toBeDefined();
    const edits = action?.edit?.changes?.[URI] ?? [];
    expect(applied(before, edits)).toBe(after);
    // That fragments get by is another matter.
    expect(codesOf(after).filter((c) => c !== "X0705" || c === code)).toEqual([]);
    expect(action?.kind).toBe(CodeActionKind.QuickFix);
  });
});

test("nothing is offered that an editor doesn't ask for", () => {
  const text = "if tcp.dport in open then drop\n";
  expect(offered(text, "X0202", [CodeActionKind.Refactor])).toEqual([]);
  expect(offered(text, "X0202", [CodeActionKind.QuickFix])).toHaveLength(1);
  expect(offered(text, "X0202", [""])).toHaveLength(1);
});

test("a rule with an `else` isn't removed", () => {
  const text = "if tcp.dport == 1 then drop\nif tcp.dport == 1 then pass else drop\n";
  expect(offered(text, "X0708")).toEqual([]);
});
