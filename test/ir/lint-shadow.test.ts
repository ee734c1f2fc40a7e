// Rules that never match: a table of what must be said and what mustn't, and random lists of rules held against trying every packet.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { analyse } from "../../src/analyse.ts";
import { SourceFile, textOf } from "../../src/base/source.ts";
import { memoryHost } from "../../src/memory-host.ts";

/** The conditions that are said never to match. */
function shadowed(text: string): string[] {
  const { diagnostics, fault } = analyse(new SourceFile("x.xdp", text), memoryHost());
  expect(fault).toBeNull();
  expect(diagnostics.filter((d) => d.severity === "error")).toEqual([]);
  return diagnostics.flatMap((d) => (d.code === "X0708" && d.primary !== null ? textOf(d.primary.span) : []));
}

const SAID: readonly (readonly [rules: string, conditions: readonly string[]])[] = [
  ["if tcp.dport == 80 then drop\nif tcp.dport == 80 then pass", ["tcp.dport == 80"]],
  ["if tcp.dport in 1..99 then drop\nif tcp.dport in { 5, 7..9 } then pass", ["tcp.dport in { 5, 7..9 }"]],
  ["if ip.saddr in 10.0.0.0/8 then drop\nif ip.saddr == 10.1.2.3 then pass", ["ip.saddr == 10.1.2.3"]],
  ["if ip then pass\nif tcp.dport == 1 and ip then drop", ["tcp.dport == 1 and ip"]],
  ["if eth then pass\nif udp then drop", ["udp"]],
  [
    "if tcp.dport == 1 then drop\nif tcp.sport == 2 and tcp.dport == 1 then pass",
    ["tcp.sport == 2 and tcp.dport == 1"],
  ],
  ["if tcp.syn then drop\nif tcp.syn and tcp.ack then pass", ["tcp.syn and tcp.ack"]],
  ["if tcp.dport < 100 then drop\nif tcp.dport <= 99 and tcp.dport > 3 then tx", ["tcp.dport <= 99 and tcp.dport > 3"]],
  ["if tcp.dport == 1 or tcp.dport == 2 then drop\nif tcp.dport == 2 then tx", ["tcp.dport == 2"]],
  [
    "if tcp.dport == 1 then drop\nif tcp.dport == 2 then drop\nif tcp.dport in { 1 } or tcp.dport == 2 then tx",
    ["tcp.dport in { 1 } or tcp.dport == 2"],
  ],
  ["if tcp.dport == 1 and tcp.dport == 2 then drop", ["tcp.dport == 1 and tcp.dport == 2"]],
  ["if tcp.dport != 1 then drop\nif tcp.dport == 2 then tx", ["tcp.dport == 2"]],
  ["if ip.protocol == tcp then drop\nif ip.protocol == 6 then tx", ["ip.protocol == 6"]],
  [
    "set s : u16[4]\nif tcp.dport == 1 then { count c tx }\ncounter c\nif tcp.dport == 1 and tcp.sport in s then drop",
    ["tcp.dport == 1 and tcp.sport in s"],
  ],
];

const NOT_SAID: readonly string[] = [
  // It goes on.
  "counter c\nif tcp.dport == 80 then count c\nif tcp.dport == 80 then drop",
  "counter c\nif tcp.dport == 80 then { if ip.ttl == 1 then drop }\nif tcp.dport == 80 and ip.ttl == 1 then drop",
  // Another header, or another place of it.
  "if tcp.dport == 80 then drop\nif udp.dport == 80 then drop",
  "if vlan.id == 1 then drop\nif vlan[1].id == 1 then drop",
  // Narrower first.
  "if ip.saddr == 10.1.2.3 then pass\nif ip.saddr in 10.0.0.0/8 then drop",
  "if ip.saddr == 10.1.2.3 and tcp.dport == 1 then pass\nif tcp.dport == 1 then drop",
  // A condition that isn't all understood.
  "set s : u16[4]\nif tcp.dport in s and tcp.sport == 1 then drop\nif tcp.sport == 1 then pass",
  "if not (tcp.dport == 1) then drop\nif tcp.dport == 1 then pass",
  // The field has changed since.
  "if ip and ip.ttl == 1 then drop\nif ip then ip.ttl -= 1\nif ip.ttl == 1 then pass",
  // Two calls of one function.
  "fn guard() { if opaque then drop\nif tcp.dport == 1 then drop }\nguard()\nguard()",
  "if tcp.dport == 1 and tcp.sport == 2 then drop\nif tcp.dport == 1 or tcp.sport == 2 then drop",
];

describe("what is said", () => {
  test.each(SAID)("%s", (rules, conditions) => expect(shadowed(`default drop\n${rules}\n`)).toEqual(conditions));
  test.each(NOT_SAID)("not of %s", (rules) => expect(shadowed(`default drop\n${rules}\n`)).toEqual([]));
});

test("tells which rules come first", () => {
  const text =
    "default drop\nif tcp.dport == 1 then drop\nif tcp.dport == 2 then tx\nif tcp.dport in 1..2 and (tcp.dport == 1 or tcp.dport == 2) then pass\nif tcp.dport == 2 then pass\n";
  const { diagnostics } = analyse(new SourceFile("x.xdp", text), memoryHost());
  const told = diagnostics.filter((d) => d.code === "X0708").map((d) => d.secondary.map((l) => textOf(l.span)));
  expect(told).toEqual([["tcp.dport == 2"]]);
});

// Packets are a pair of ports, 0 to 9; a comparison says of each value whether it holds.
interface Comparison {
  readonly text: string;
  readonly holds: (sport: number, dport: number) => boolean;
}

const value = fc.integer({ min: 0, max: 9 });
const comparison: fc.Arbitrary<Comparison> = fc
  .record({
    field: fc.constantFrom("sport", "dport"),
    op: fc.constantFrom("==", "!=", "<", ">=", "in", "set"),
    a: value,
    b: value,
  })
  .map(({ field, op, a, b }) => {
    const [low, high] = [Math.min(a, b), Math.max(a, b)];
    const written =
      op === "in" ? `in ${low}..${high}` : op === "set" ? `in { ${a}, ${b === a ? a + 1 : b} }` : `${op} ${a}`;
    const test = (v: number): boolean =>
      op === "=="
        ? v === a
        : op === "!="
          ? v !== a
          : op === "<"
            ? v < a
            : op === ">="
              ? v >= a
              : op === "in"
                ? low <= v && v <= high
                : v === a || v === (b === a ? a + 1 : b);
    return { text: `udp.${field} ${written}`, holds: (sport, dport) => test(field === "sport" ? sport : dport) };
  });
const condition: fc.Arbitrary<Comparison> = fc
  .array(fc.array(comparison, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 2 })
  .map((ways) => ({
    text: ways.map((way) => way.map((c) => c.text).join(" and ")).join(" or "),
    holds: (s, d) => ways.some((way) => way.every((c) => c.holds(s, d))),
  }));

test("what is said never to match matches no packet that gets there", () => {
  const rules = fc.array(fc.record({ condition, ends: fc.boolean() }), { minLength: 1, maxLength: 8 });
  let said = 0;
  fc.assert(
    fc.property(rules, (list) => {
      const lines = list.map((rule) => `if ${rule.condition.text} then ${rule.ends ? "drop" : "count c"}`);
      const text = ["default drop", "counter c", ...lines, ""].join("\n");
      const { diagnostics } = analyse(new SourceFile("x.xdp", text), memoryHost());
      const never = new Set(
        diagnostics.flatMap((d) =>
          d.code === "X0708" && d.primary ? d.primary.span.file.positionAt(d.primary.span.start).line - 3 : [],
        ),
      );
      said += never.size;
      for (let s = 0; s <= 11; s++) {
        for (let d = 0; d <= 11; d++) {
          for (const [i, rule] of list.entries()) {
            if (!rule.condition.holds(s, d)) continue;
            expect(never.has(i), `${text}\nrule ${i} at sport ${s}, dport ${d}`).toBe(false);
            if (rule.ends) break;
          }
        }
      }
    }),
    {
      numRuns: Number(process.env.FC_RUNS ?? 150),
      ...(process.env.FC_SEED ? { seed: Number(process.env.FC_SEED) } : {}),
    },
  );
  expect(said).toBeGreaterThan(20);
});
