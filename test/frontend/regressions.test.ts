// The smallest sources of faults that were found: each once crashed the compiler, made an object that the kernel refused, or was
// passed over in silence. Kept as they were found, one line of why beside each.

import { afterAll, expect, test } from "vitest";
import { compileText, describeDiagnostics, objectFile, objectOf, temporaryFolder } from "../support/compile.ts";
import { loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";

const LOADS: readonly (readonly [why: string, source: string])[] = [
  [
    "a header read by one side of `or` isn't read on the other",
    "if (meta.len > 100 and vlan.id == 5) or meta.len == 60 then { if vlan.id == 7 then drop }",
  ],
  [
    "where the first of two headers is absent, the second hasn't been read",
    "if vlan.id == ip.ttl then drop else { if ip.ttl == 3 then drop }",
  ],
  [
    "a header stays where it was on all branches, though one of them changed what follows it",
    'if vlan then { if meta.len > 50 then { vlan.type = 5 } log "%u", vlan.id }',
  ],
  [
    "the same in a loop",
    'if vlan[1] then { for i in 0..40 { vlan[1].type = 5 vlan[1].id = 7 } log "%u %u", vlan[1].pcp, vlan.id }',
  ],
  [
    "the same for IPv6, with what follows read anew",
    'if ip6 then { if meta.len > 60 then { ip6.nexthdr = 6 } ip6.hop_limit = 5 if tcp then { log "%u", tcp.dport } }',
  ],
  [
    "a pointer that nothing set on one way in is neither copied nor spilled",
    "header opt extends ipv6 135 { nexthdr : u8, hdrlen : u8, r : u8[6] size hdrlen * 8 + 8 next nexthdr }\nif tcp.dport == 80 then drop\nif opt.hdrlen == 3 then tx",
  ],
  ["a condition inside a value looks after its own headers", "if (tcp.dport == 80) as u8 == 0 then drop"],
  [
    "many rules on layer 4 aren't followed once for each way through IPv6's extension headers",
    Array.from(
      { length: 1200 },
      (_, i) => `if ${["tcp.dport", "udp.dport", "ip.id", "tcp.sport"][i % 4]} == ${i * 7} then drop`,
    ).join("\n"),
  ],
  ["the same for the turns of a loop", "for a in 0..899 { if tcp.dport == a then drop }"],
  ["loops in loops aren't unrolled one by one", "var x : u32\nfor a in 0..15 { for b in 0..15 { x = x + a * b } }"],
];

describeWith("what once failed loads", [kernelProblem()], () => {
  afterAll(closeAll);
  const folder = temporaryFolder();
  test.each(LOADS.flatMap(([why, source]) => ([0, 2] as const).map((level) => [why, level, source] as const)))(
    "%s (-O%d)",
    (_, optimise, source) => {
      loadObject(objectFile(objectOf(source, { optimise, checkEachPass: true }), "r.o", folder)).close();
    },
  );
});

test.each([
  [
    "headers in a circle",
    "header a on b 3 { k : u8 next k }\nheader b on a 3 { k : u8 next k }\nif a then drop",
    "X0208",
  ],
  [
    "a condition on another header inside a header",
    "header q on eth 0x9000 { n : u8 next n when tcp.dport == 3 }\nheader w on q 3 { x : u8 }\nif w then drop",
    "X0208",
  ],
  ["a field that no single load covers", "header q on eth 0x9000 { a : 24 }\nif q.a == 3 then { q.a = 77 }", "X0208"],
  [
    "more than 24 headers one behind the other",
    `${Array.from({ length: 40 }, (_, i) => `header h${i} on ${i === 0 ? "eth 0x9000" : `h${i - 1} 1`} { k : u8 next k }`).join("\n")}\nif h39 then drop`,
    "X0208",
  ],
  [
    "a selector that stands for nothing follows",
    "header a on eth 0x9000 { k : u32 next k }\nheader b on a 0xffffffff { x : u32 }\nif b then drop",
    "X0208",
  ],
  [
    "an address in a log of many values",
    'if ip6 then log "%pI6c %u %u %u", ip6.saddr, meta.len, meta.cpu, meta.len',
    "X0505",
  ],
  [
    "the name of a map that holds copies of headers",
    "set xdpc_beyond : u16[4]\nprogram x frags { if tcp.dport in xdpc_beyond then drop }",
    "X0201",
  ],
  ["the name of a map that holds samples", "set xdpc_sample : u16[4]\nringbuf r[4K]\nsample r\npass", "X0201"],
  ["more entries than the kernel makes", "set hosts : ipv4[4000000000]\nif ip.saddr in hosts then drop", "X0310"],
  ["a fault in a function that nobody calls", "fn f() { count nosuch }\npass", "X0202"],
  ["a function that nobody calls and that calls itself", "fn f() = f()\npass", "X0205"],
])("%s is told", (_, source, code) => {
  const result = compileText(source);
  expect(result.output, describeDiagnostics(result)).toBeNull();
  expect(result.diagnostics.map((d) => d.code)).toContain(code);
});

test("a fault in an inlined function is told once", () => {
  const { diagnostics } = compileText("fn f() { count nosuch }\nf()\nf()\nf()");
  expect(diagnostics.map((d) => d.code)).toEqual(["X0202"]);
});
