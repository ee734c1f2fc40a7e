// `--emit header`: the header compiles as C and C++ for whatever names a rule file has, its layouts are those that the object's BTF
// tells, and a C program that knows only the header works with the object in the kernel.

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileText, describeDiagnostics } from "../support/compile.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import { projectRoot } from "./build.ts";
import { runHere, scratchFolder } from "./support.ts";

const folder = scratchFolder();
const seed = process.env.FC_SEED === undefined ? undefined : Number(process.env.FC_SEED);
const numRuns = Number(process.env.FC_RUNS ?? 12);

function headerOf(text: string, name = "rules.xdp", verify = false): string {
  const result = compileText(text, { path: name, verify, checkEachPass: false });
  if (result.output === null) throw new Error(`doesn't compile:\n${describeDiagnostics(result)}\n${text}`);
  return result.output.header();
}

function run(command: string, words: readonly string[], input = ""): { code: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(command, words, {
    cwd: folder,
    input,
    encoding: "utf8",
    timeout: 60_000,
  });
  return { code: status, said: stdout + stderr };
}

/** Compiles a C text that includes headers of `folder`, as C and as C++, with everything a compiler may complain of. */
function compileC(text: string, standards = ["c99", "gnu17", "c++98", "gnu++17"]): void {
  for (const standard of standards) {
    const plus = standard.includes("++");
    const words = ["-x", plus ? "c++" : "c", `-std=${standard}`, "-Wall", "-Wextra", "-Wpedantic", "-Werror"];
    const made = run(plus ? "g++" : "gcc", [...words, "-fsyntax-only", "-I", ".", "-"], text);
    expect({ standard, ...made }).toEqual({ standard, code: 0, said: "" });
  }
}

/** Headers that bring many macros: before ours, where they do most harm. */
const COMMON = ["errno.h", "stdio.h", "stdbool.h", "stddef.h", "netinet/in.h", "linux/if_link.h", "signal.h"];

const RICH = `
struct Inner { a : u8, at : ipv6 }
struct Flow { saddr : ipv4, daddr : ipv4, sport : u16, syn : bool, hw : mac, in : Inner, n : u8, big : u64, last : u8[3] }
struct Stats { packets : u64, seen : u8 }
struct Event { saddr : ipv4, dport : u16 }
map flows : lru_hash<Flow, Stats>[64]
map pairs : hash<(mac, u16, u64), Inner>[16]
map q : queue<mac>[8]
set nets : prefix<ipv6>[64]
set small : u16[8]
map tenants : hash_of_maps<u16, small>[4]
counter hits, by[u16], from[ipv4]
limiter lim[64] : 10/s per ipv4
xskmap xsk[64]
devmap ports[4]
cpumap cpus[4]
prog_array stages[4]
ringbuf events[4K]
perf samples
config threshold : u32 = 100
config on : bool = true
config server : ipv6 = 2001:db8::1
config far : u64 = 5
var seen : u64
var start : u16 = 7
program main frags {
  if ip then { emit events Event { saddr: ip.saddr, dport: 1 }  emit events (ip.saddr, 4) }
  if tcp then sample events max 96
  if udp.dport == 5 then redirect dev "eth1"
  count hits
}
program second devmap section "xdp_own/devmap" { if tcp then sample samples max 8 }
`;

describe("what the header says", () => {
  const header = headerOf(RICH, "a/b/6to4-Edge.rules.xdp");

  test.each([
    ["#ifndef XDP_6TO4_EDGE_RULES_XDP_H"],
    ['#define XDP_6TO4_EDGE_RULES_MAP_flows "flows"'],
    ["#define XDP_6TO4_EDGE_RULES_ENTRIES_flows 64u"],
    ["#define XDP_6TO4_EDGE_RULES_BYTES_events 4096u"],
    ['#define XDP_6TO4_EDGE_RULES_PROGRAM_main "main"'],
    ['#define XDP_6TO4_EDGE_RULES_SECTION_main "xdp.frags"'],
    ['#define XDP_6TO4_EDGE_RULES_SECTION_second "xdp_own/devmap"'],
    ["#define XDP_6TO4_EDGE_RULES_OFFSET_threshold 0u"],
    ["#define XDP_6TO4_EDGE_RULES_OFFSET_server 8u"],
    ["#define XDP_6TO4_EDGE_RULES_OFFSET_far 24u"],
    ['#define XDP_6TO4_EDGE_RULES_DEVICE_ifindex_eth1 "eth1"'],
    ['#define XDP_6TO4_EDGE_RULES_DATA_rodata ".rodata"'],
    ["#define XDP_6TO4_EDGE_RULES_STEP_hits 16u"],
    ["typedef struct xdp_6to4_Edge_rules_Flow xdp_6to4_Edge_rules_key_flows;"],
    ["typedef struct xdpc_prefix_ipv6 xdp_6to4_Edge_rules_key_nets;"],
    ["typedef __u32 xdp_6to4_Edge_rules_key_by; /* 0 to 65535 */"],
    ["typedef __u32 xdp_6to4_Edge_rules_key_hits; /* always 0 */"],
    ["typedef struct xdp_6to4_Edge_rules_xdpc_lost xdp_6to4_Edge_rules_value_events_lost;"],
    ["typedef __be32 xdp_6to4_Edge_rules_key_from; /* IPv4 address, network order */"],
    ["typedef struct xdp_6to4_Edge_rules_Event xdp_6to4_Edge_rules_event_events;"],
    ["typedef struct xdp_6to4_Edge_rules_event2_events xdp_6to4_Edge_rules_event2_events;"],
    ["typedef struct xdpc_sample xdp_6to4_Edge_rules_sample_events; /* the packet's bytes follow */"],
    ["typedef __u32 xdp_6to4_Edge_rules_value_xsk; /* the file descriptor of an AF_XDP socket */"],
  ])("%s", (line) => {
    expect(header.split("\n")).toContain(line);
  });

  test("the compiler's own maps and tables aren't in it", () => {
    const list = Array.from({ length: 200 }, (_, i) => i * 7).join(", ");
    const text = headerOf(`ringbuf b[4K]\nif udp then sample b max 96\nif tcp.dport in { ${list} } then drop\n`);
    expect(text).not.toMatch(/MAP_xdpc_sample|xdpc_table|rodata/);
    expect(text).toContain("struct xdpc_sample {");
  });

  test("the same rules give the same header wherever they lie", () => {
    expect(headerOf(RICH, "/x/y/edge.xdp")).toBe(headerOf(RICH, "edge.xdp"));
  });

  test("what is emitted is numbered in the order of the rules", () => {
    const text = `ringbuf e[4K]
      if ip and tcp then { if tcp.syn then emit e tcp.sport else { emit e ip.saddr  emit e tcp.dport } }
      if ip then switch ip.protocol { tcp => { emit e ip.ttl } udp => { emit e (ip.ttl, 1) } else => { emit e true } }`;
    const events = [...headerOf(text).matchAll(/^typedef (.*) (rules_event\w+);/gm)].map((m) => [m[2], m[1]]);
    expect(events).toEqual([
      ["rules_event_e", "__u16"],
      ["rules_event2_e", "__be32"],
      ["rules_event3_e", "__u8"],
      ["rules_event4_e", "struct rules_event4_e"],
      ["rules_event5_e", "__u8"],
    ]);
  });

  test("from the command line", () => {
    const file = path.join(folder, "edge.xdp");
    writeFileSync(file, RICH);
    const shown = runHere(["--emit", "header", file]);
    expect([shown.code, shown.stdout]).toEqual([0, headerOf(RICH, "edge.xdp")]);
    const written = runHere(["--emit", "header", "-MD", "-o", path.join(folder, "edge.h"), file]);
    expect([written.code, readFileSync(path.join(folder, "edge.h"), "utf8")]).toEqual([0, shown.stdout]);
    expect(readFileSync(path.join(folder, "edge.d"), "utf8")).toBe(`${folder}/edge.h: ${file}\n`);
    writeFileSync(path.join(folder, "fault.xdp"), "count nothing\n");
    expect(runHere(["--emit", "header", path.join(folder, "fault.xdp")])).toMatchObject({ code: 1, stdout: "" });
  });
});

describeWith("as C and C++", [toolProblem("gcc", "g++", "bpftool")], () => {
  test("it compiles alone, twice, behind headers full of macros, and beside another file's", () => {
    writeFileSync(path.join(folder, "edge.h"), headerOf(RICH, "edge.xdp"));
    writeFileSync(path.join(folder, "inner.h"), headerOf(RICH, "inner.xdp"));
    const includes = [...COMMON.map((name) => `<${name}>`), '"edge.h"', '"edge.h"', '"inner.h"'];
    compileC('#include "edge.h"\n', ["c99", "c++98"]);
    compileC(
      `${includes.map((name) => `#include ${name}\n`).join("")}
      __u64 sum(const struct xdpc_counter *c);
      __u64 sum(const struct xdpc_counter *c) { return c->packets; }
    `,
    );
  });

  test("sizes and places are those that the object's BTF tells", () => {
    const result = compileText(RICH, { path: "edge.xdp", verify: false });
    writeFileSync(path.join(folder, "edge.h"), result.output?.header() ?? "");
    writeFileSync(path.join(folder, "edge.o"), result.output?.object ?? "");
    const dump = run("bpftool", ["btf", "dump", "file", "edge.o", "format", "c"]);
    expect(dump.code).toBe(0);
    // bpftool's types have the names of linux/types.h.
    writeFileSync(path.join(folder, "btf.h"), dump.said.replace(/^(typedef .*;|#.*)$/gm, ""));
    const pairs: readonly [string, string, string][] = [
      ["Flow", "edge_key_flows", "saddr daddr sport syn hw in n big last"],
      ["Stats", "edge_value_flows", "packets seen"],
      ["Inner", "edge_value_pairs", "a at"],
      ["pairs_key", "edge_key_pairs", "f0 f1 f2"],
      ["xdpc_prefix_ipv6", "edge_key_nets", "prefixlen data"],
      ["xdpc_counter", "edge_value_hits", "packets bytes"],
      ["xdpc_limiter", "edge_value_lim", "used_until_ns16"],
    ];
    const checks = pairs.flatMap(([theirs, ours, members]) => [
      `sizeof(struct ${theirs}) == sizeof(${ours})`,
      ...members.split(" ").map((m) => `offsetof(struct ${theirs}, ${m}) == offsetof(${ours}, ${m})`),
    ]);
    compileC(
      `#include <stddef.h>
      #include "edge.h"
      #define xdpc_counter their_counter
      #define xdpc_limiter their_limiter
      #define xdpc_sample their_sample
      #define xdpc_prefix_ipv6 their_prefix_ipv6
      #define bool _Bool
      #include "btf.h"
      ${checks.map((check) => `_Static_assert(${check}, "");`).join("\n")}
    `,
      ["gnu17"],
    );
  });

  test("the documentation's program compiles with its rules' header", () => {
    const text = readFileSync(path.join(projectRoot, "docs/c.md"), "utf8");
    const block = (kind: string): string =>
      new RegExp(`^\`\`\`${kind}\\n([\\s\\S]*?)^\`\`\``, "m").exec(text)?.[1] ?? "";
    writeFileSync(path.join(folder, "edge.h"), headerOf(block("xdp"), "edge.xdp"));
    const lines = block("c").split("\n");
    const body = lines.filter((line) => !line.startsWith("#include"));
    const includes = lines.filter((line) => line.startsWith("#include"));
    expect([includes.length, body.length > 10]).toEqual([4, true]);
    compileC(`${includes.join("\n")}\nint main(void) {\n${body.join("\n")}\nreturn 0;\n}\n`, ["c99", "gnu17"]);
  });

  // What a rule file may be called, and what may be called what in it.
  const awkward = [
    "int",
    "class",
    "new",
    "linux",
    "unix",
    "errno",
    "s6_addr",
    "bool",
    "NULL",
    "pad4",
    "_pad4",
    "__u32",
    "_Bool",
    "private",
    "typename",
    "a",
    "A",
    "int_",
    "int__",
    "bytes",
    "f0",
    "key_m",
    "value_m",
    "event_m",
    "size_key_m",
    "section_bss",
    "xdpc_counter",
    "xdpc_sample",
    "rules_m",
    "rules_key_m",
    "x1",
    "true_",
    "register",
    "asm",
    "template",
    "data",
  ] as const;
  const word = fc.constantFrom(...awkward);
  const scalar = fc.constantFrom("u8", "u16", "u32", "u64", "bool", "ipv4", "ipv6", "mac", "u8[3]", "(ipv4, u16)");
  const field = fc.tuple(word, scalar);
  const struct = fc.tuple(word, fc.uniqueArray(field, { minLength: 1, maxLength: 8, selector: ([name]) => name }));
  const stem = fc.constantFrom(
    "rules",
    "6to4",
    "int",
    "a-b c",
    "_x",
    "ünder",
    "...",
    "linux",
    "x*/y",
    "con.fig",
    "xdpc",
  );

  test("whatever the names are", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(struct, { minLength: 1, maxLength: 3, selector: ([name]) => name }),
        fc.uniqueArray(word, { minLength: 4, maxLength: 8 }),
        stem,
        (structs, names, file) => {
          const used = new Set(structs.map(([name]) => name));
          const free = names.filter((name) => !used.has(name));
          const maps = free.slice(0, 4).map((name, i) => {
            const type = structs[i % structs.length]?.[0] ?? "u8";
            return [
              `map ${name} : hash<u32, ${type}>[4]`,
              `counter ${name}[bool]`,
              `config ${name} : ipv4 = 10.0.0.1`,
              `ringbuf ${name}[4K]`,
            ][i];
          });
          const text = [
            ...structs.map(([name, fields]) => `struct ${name} { ${fields.map((f) => f.join(" : ")).join(", ")} }`),
            ...maps,
            "pass",
          ].join("\n");
          const result = compileText(text, { path: `${file}.xdp`, verify: false, checkEachPass: false });
          // Some names are words of the language, or the library's.
          if (result.output === null) return;
          writeFileSync(path.join(folder, "awkward.h"), result.output.header());
          compileC(`${COMMON.map((name) => `#include <${name}>\n`).join("")}#include "awkward.h"\n`, [
            "gnu99",
            "gnu++17",
          ]);
          tried += 1;
        },
      ),
      { numRuns, ...(seed === undefined ? {} : { seed }) },
    );
    expect(tried).toBeGreaterThan(numRuns / 3);
  }, 120_000);
  let tried = 0;
});
