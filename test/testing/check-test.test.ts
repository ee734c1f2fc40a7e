// What the compiler says of tests that mean nothing: each fault at its place, with the edit that repairs it.

import { describe, expect, test } from "vitest";
import { compileText } from "../support/compile.ts";

const HEAD = `struct S { a : u8, b : u32 }
set ports : u16[4]
map flows : hash<u16, S>[4]
map slots : array<u32>[4]
counter hits, by_port[u16]
xskmap xsk[4]
devmap ways[4]
config limit : u32 = 1
const N = 3
if meta.len > limit then drop
`;

/** The first thing said of a test's body: code, message, the text it points at, and its help. */
function first(body: string, head = '"t"'): string {
  const result = compileText(`${HEAD}test ${head} { ${body} }`);
  const [said] = result.diagnostics;
  if (said === undefined) return "nothing";
  const { span } = said.primary ?? { span: null };
  const at = span === null ? "" : span.file.text.slice(span.start, span.end);
  return [`${said.code} ${said.message}`, at, said.help ?? ""].join(" | ");
}

describe("what is set up", () => {
  const CASES: readonly (readonly [string, string])[] = [
    ["ports = 80", "X0804 `ports` can't be filled with this | 80 | write `ports = { … }`"],
    ["ports[1] = 2", "X0804 `ports` has no entries with values | ports[1] | fill it: `ports = { … }`"],
    ["ports = { 1, 2, 3, 4, 5 }", "X0804 `ports` holds 4 entries, these are 5 | { 1, 2, 3, 4, 5 } | "],
    ["ports = { 70000 }", "X0302 70000 doesn't fit u16 | 70000 | "],
    ["ports = { 9..3 }", "X0309 the range 9..3 is empty | 9..3 | write `3..9`"],
    ["flows = { 1 }", "X0804 `flows` can't be filled with this | { 1 } | write `flows[key] = value`"],
    ["flows[1].a = 2", "X0804 a test sets whole entries | flows[1].a | write `flows[key] = Stats { packets: 1 }`"],
    ["flows[1] = 2", "X0301 this is an integer, but a `S` is needed | 2 | "],
    ["slots[4] = 2", "X0501 `slots` has 4 entries: 0 to 3 | 4 | "],
    ["slots[meta.len] = 2", "X0304 a key in a test must be a constant | meta.len | "],
    ["hits = 3", "X0804 a counter starts at zero | hits | expect its count: `expect hits == 1`"],
    ["N = 3", "X0204 `N` is a constant, but a set, a map, a `config` or a `var` is needed here | N | "],
    ["limit = 5000000000", "X0302 5000000000 doesn't fit u32 | 5000000000 | "],
    ["meta.len = 3", "X0804 a packet's length is that of its bytes | len | add bytes to the packet: `/ zeros(100)`"],
    ["meta.cpus = 3", "X0203 `meta` has no field `cpus` | cpus | did you mean `cpu`?"],
    [
      "rx_queue_index = 3",
      "X0202 nothing is called `rx_queue_index` | rx_queue_index | did you mean `meta.rx_queue_index`?",
    ],
    ["prots = { 1 }", "X0202 nothing is called `prots` | prots | did you mean `ports`?"],
    ["xsk[1] = true", "X0301 this is a bool, but a u32 is needed | true | "],
  ];
  test.each(CASES)("%s", (step, message) => {
    expect(first(`${step} packet eth expect pass`)).toBe(message);
  });

  test("maps aren't filled in the head", () => {
    expect(first("packet eth expect pass", '"t" with ports = { 1 }')).toBe(
      "X0804 maps are filled inside the test | ports = { 1 } | move it between the braces",
    );
    expect(first("packet eth expect pass", '"t" with limit = 7, meta.now = 1s')).toBe("nothing");
  });
});

describe("what is expected", () => {
  const CASES: readonly (readonly [string, string])[] = [
    ["drp", "X0202 nothing is called `drp` | drp | did you mean `drop`?"],
    ["hits", "X0805 this can't be expected | hits | expect a verdict, or compare: `expect hits == 1`"],
    ["hits == 10.0.0.1", "X0301 this is an IPv4 address, but a u64 is needed | 10.0.0.1 | "],
    ["hits.sum == 1", "X0203 `hits` has no field `sum` | sum | "],
    ["hits[1] == 1", "X0805 `hits` is a single counter | hits[1] | write `hits`"],
    ["by_port == 1", "X0805 which entry of `by_port`? | by_port | write `by_port[key]`"],
    ["flows[1].c == 1", "X0203 `S` has no field `c` | c | did you mean `a`?"],
    [
      "flows[1] < S { a: 1, b: 2 }",
      "X0308 `<` doesn't work on S | flows[1] < S { a: 1, b: 2 } | only integers and addresses are ordered",
    ],
    ["1 in hits", "X0805 this has no keys to be found | hits | name a set or a map"],
    ["1 in { 1, 2 }", "X0805 this has no keys to be found | { 1, 2 } | name a set or a map"],
    [
      "ip.ttl == 3",
      "X0805 only the state can be compared here | ip.ttl | header fields are expected behind the verdict: `expect pass eth / ip(ttl: 63)`",
    ],
    ["redirect ways", "X0805 to which entry of `ways`? | ways | write `expect redirect ways[key]`"],
    ["redirect ports[1]", "X0204 `ports` is a set, but a map of redirect targets is needed here | ports | "],
    [
      "redirect xsk or drop",
      "X0805 an expectation has no fallback | drop | expect what happens: the action, or the verdict",
    ],
    ['redirect dev "eth1"', 'X0805 no rule redirects to "eth1" | "eth1" | '],
    ["redirect ways[meta.len]", "X0304 the key of an expected redirect must be a constant | meta.len | "],
    ["drop eth / cut(3)", "X0803 what is expected can't be cut | cut(3) | compare `meta.len` in a rule"],
    ["drop eth / tcp", "X0802 `tcp` never follows `eth` | tcp | `tcp` follows `ip`, `ip6`"],
  ];
  test.each(CASES)("%s", (expectation, message) => {
    expect(first(`packet eth expect ${expectation}`)).toBe(message);
  });

  test("of events and queues", () => {
    const rules =
      "ringbuf r[4K]\nringbuf quiet[4K]\nmap q : queue<u16>[2]\nif arp then { emit r 1 as u32  insert q 1 }\n";
    const said = (step: string): string[] =>
      compileText(`${rules}test "t" { packet eth ${step} }`).diagnostics.map(
        ({ code, message }) => `${code} ${message}`,
      );
    expect(said("expect r == 0 and q == 0 and not 7 in q and r.lost == 0")).toEqual([]);
    expect(said("expect quiet.lost == 0")).toEqual(["X0805 no rule sends events to `quiet`"]);
    expect(said("expect r.los == 0")).toEqual(["X0203 `r` has no field `los`"]);
    expect(said("expect q.lost == 0")).toEqual(["X0203 `q` has no field `lost`"]);
    expect(said("expect 70000 in q")).toEqual(["X0302 70000 doesn't fit u16"]);
    expect(said("q = { 1, 2, 3 } expect pass")).toEqual(["X0804 `q` holds 2 entries, these are 3"]);
    expect(said("r = { 1 } expect pass").length).toBe(1);
  });

  test("not before a packet", () => {
    expect(first("expect pass packet eth")).toBe(
      "X0805 no packet has been sent yet | expect pass | write `packet eth / ip / …` before it",
    );
    expect(first("expect hits == 0 packet eth expect pass")).toBe("nothing");
  });
});

describe("tests as such", () => {
  test("which program, unknown ones, two of a name, ones that can't fail", () => {
    const of = (text: string): string[] => compileText(text).diagnostics.map((d) => `${d.code} ${d.message}`);
    const programs = "program a { pass }\nprogram b { drop }\n";
    expect(of(`${programs}test "t" { packet eth expect pass }`)).toEqual(["X0801 which of the 2 programs is tested?"]);
    expect(of(`${programs}test "t" for c { packet eth expect pass }`)).toEqual(["X0202 nothing is called `c`"]);
    expect(of('pass\ntest "t" { packet eth expect pass }\ntest "t" { packet eth expect pass }')).toEqual([
      "X0201 `t` is declared twice",
    ]);
    expect(of('pass\ntest "t" { packet eth }')).toEqual(["X0806 this test expects nothing"]);
    expect(of('pass\ntest "t" { packet eth times 0 expect pass }')).toEqual([
      "X0310 a packet is sent 1 to 1000000 times",
    ]);
  });

  test("tests of imported files aren't run, nor read", () => {
    const result = compileText('import "a.xdp"\npass\n', {
      files: { "a.xdp": 'const A = 1\ntest "no" { packet tcp expect nothing }' },
    });
    expect(result.output?.model.tests).toEqual([]);
    expect(result.diagnostics).toEqual([]);
  });

  test("a test makes no difference to the object", () => {
    const rules = "set ports : u16[4]\nif opaque then drop\nif tcp.dport in ports then drop\n";
    const plain = compileText(rules).output?.object;
    const tested = compileText(`${rules}test "t" { ports = { 1 } packet eth expect pass }\n`).output?.object;
    expect(Buffer.from(tested ?? []).equals(Buffer.from(plain ?? [1]))).toBe(true);
  });
});
