// Looking for declarations by parts of their names: what is found, and in which order.

import { expect, it } from "vitest";
import { SourceFile } from "../../src/base/source.ts";
import { workspaceSymbols } from "../../src/lsp/workspace-symbols.ts";
import { ruleFiles } from "./broken.ts";
import { treeOf } from "./marked.ts";

const files = [
  treeOf(
    new SourceFile("a.xdp", "set blocked : ipv4[4]\nfn is_blocked() = ip.saddr in blocked\ncounter hits, BLACK\nif if"),
  ),
  treeOf(
    new SourceFile(
      "b.xdp",
      "header vlan on udp 1\nheader tele as t on udp 9 { a : u8 }\nprogram main { pass }\nconst set bl : u8 = { 1 }",
    ),
  ),
];

function found(query: string): string[] {
  return workspaceSymbols(files, query).map(({ name, span }) => `${span.file.path} ${name}`);
}

it.each<readonly [query: string, names: readonly string[]]>([
  ["bl", ["b.xdp bl", "a.xdp BLACK", "a.xdp blocked", "a.xdp is_blocked"]],
  ["BLOCK", ["a.xdp blocked", "a.xdp is_blocked"]],
  ["ibd", ["a.xdp is_blocked"]],
  ["t", ["b.xdp t", "b.xdp tele", "a.xdp hits"]],
  ["vlan", []],
  [" main ", ["b.xdp main"]],
  ["zz", []],
])("%s", (query, names) => {
  expect(found(query)).toEqual(names);
});

it("nothing asked is everything", () => {
  expect(found("").length).toBe(8);
});

it("the library's headers", () => {
  const library = ruleFiles("stdlib/").map(([path, text]) => treeOf(new SourceFile(path, text)));
  const names = workspaceSymbols(library, "ip").map((symbol) => symbol.name);
  expect(names.slice(0, 4)).toEqual(["ip", "ip6", "ipv4", "ipv6"]);
});
