// Ends that blocks share: as much as may be, but a call is never parted from the map that it is given, for the kernel makes calls of one map
// quick and not those of several.

import { describe, expect, test } from "vitest";
import { compileText } from "../support/compile.ts";

/** The assembly, in pieces that end with a call: what comes after a label belongs to any way there. */
function callsOf(source: string): string[][] {
  const lines = (compileText(source).output?.asm() ?? "").split("\n").map((line) => line.trim());
  const calls: string[][] = [];
  let piece: string[] = [];
  for (const line of lines) {
    if (/^L\d+:$|^goto /.test(line)) piece = [];
    else if (!line.startsWith(";")) piece.push(line);
    if (line.startsWith("call ")) {
      calls.push(piece);
      piece = [];
    }
  }
  return calls;
}

describe("calls with a map", () => {
  test.each([
    [
      "counters",
      "counter a, b, c\nif tcp then { count a drop }\nif udp then { count b drop }\nif arp then { count c drop }\n",
      3,
    ],
    ["sets", "set a : u16[4]\nset b : u16[4]\nif tcp.dport in a then drop\nif udp.dport in b then drop\n", 2],
    ["redirects", "devmap a[4]\ndevmap b[4]\nif tcp then redirect a[1]\nif udp then redirect b[1]\n", 2],
    ["tails", "prog_array a[4]\nprog_array b[4]\nprogram x { if tcp then tail a[1]\nif udp then tail b[1] }\n", 2],
  ])("%s of several maps have a call each", (_, source, count) => {
    const calls = callsOf(source);
    expect(calls).toHaveLength(count);
    for (const piece of calls) expect(piece.filter((line) => / = map\[\w+\] ll$/.test(line))).toHaveLength(1);
  });

  test("calls of one map are shared", () => {
    const one = callsOf("counter a\nif tcp then { count a drop }\nif udp then { count a drop }\n");
    expect(one).toHaveLength(1);
  });
});
