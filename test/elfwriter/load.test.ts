// Real loaders and the real kernel take what we write: bpftool, iproute2, xdp-loader, a compiled skeleton; each map kind,
// globals, several programs, every attach point, and what users then see (line text, field names, run configuration).

import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { BpfObject } from "../../src/bpf/object.ts";
import { writeObject } from "../../src/elfwriter/write.ts";
import { loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createVeth, type Netns, netnsProblem } from "../support/netns.ts";
import { describeWith, kernelProblem, toolProblem } from "../support/requirements.ts";
import * as sample from "./samples.ts";
import { output, Scratch } from "./tools.ts";

const scratch = new Scratch();
afterAll(() => scratch.remove());
const frame = new Uint8Array(64);

function write(name: string, object: BpfObject): string {
  return scratch.file(`${name}.o`, writeObject(object));
}

describeWith("libbpf", [kernelProblem()], () => {
  afterEach(() => closeAll());

  test.each(sample.oneMapOfEachKind())("map kind $kind loads with the sizes that were asked for", (m) => {
    const object = sample.object({
      maps: [m],
      programs: [sample.program("p", [...sample.touch([m]), sample.move(0, 2), sample.exit])],
    });
    const loaded = loadObject(write(m.kind, object));
    expect(loaded.log).not.toMatch(/warn|fail|error|skipp/i);
    expect(loaded.program().run(frame).verdict).toBe("pass");
    const kernelMap = loaded.map(m.name);
    expect(kernelMap.maxEntries).toBe(m.maxEntries);
    if (m.value !== null) expect(kernelMap.valueSize).toBe(16);
  });

  test("a map's entry is found by the program", () => {
    const m = sample.map("table", "hash", { key: sample.uint(8), value: sample.stats });
    const loaded = loadObject(
      write("lookup", sample.object({ maps: [m], programs: [sample.program("p", sample.lookup("table", 1, 3))] })),
    );
    expect(loaded.program().run(frame).verdict).toBe("tx");
    loaded.map("table").update(new Uint8Array(8), new Uint8Array(16));
    expect(loaded.program().run(frame).verdict).toBe("drop");
  });

  test("globals have their initial values, are changed by the program, and a config can be set before loading", () => {
    const path = write("globals", sample.objectWithGlobals());
    const number = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    const loaded = loadObject(path);
    expect(loaded.log).not.toMatch(/warn|fail|error|skipp/i);
    expect(loaded.program().run(frame).verdict).toBe("drop");
    expect(loaded.program().run(frame).verdict).toBe("drop");
    expect([
      number(loaded.readGlobal("total")),
      number(loaded.readGlobal("last")),
      number(loaded.readGlobal("seen")),
    ]).toEqual([44, 5, 0]);
    expect(number(loaded.readGlobal("threshold"))).toBe(7);
    const configured = loadObject(path, { globals: { threshold: Uint8Array.of(9, 0, 0, 0) } });
    expect(number(configured.readGlobal("threshold"))).toBe(9);
  });

  test("all attach points, two programs in one section, two sections of one object", () => {
    const sections = [
      "xdp",
      "xdp.frags",
      "xdp/devmap",
      "xdp/cpumap",
      "xdp.frags/devmap",
      "xdp.frags/cpumap",
      "xdp",
      "xdp_hello",
    ];
    const programs = sections.map((section, i) =>
      sample.constantProgram(`p${i}`, i === 0 ? 1 : i === 6 ? 3 : 2, { section }),
    );
    const loaded = loadObject(write("sections", sample.object({ programs })));
    expect([...loaded.sections.values()].sort()).toEqual(sections.toSorted());
    expect(loaded.program("p0").run(frame).verdict).toBe("drop");
    expect(loaded.program("p6").run(frame).verdict).toBe("tx");
    expect(loaded.program("p7").run(frame).verdict).toBe("pass");
  });

  test("a source line of a megabyte, with what strings can't hold, still loads", () => {
    const text = `${"é".repeat(500_000)}\0tail`;
    const lines = [{ insnIndex: 0, file: "a\0b.xdp", text, line: 9_999_999, column: 9_999_999 }];
    const bytes = writeObject(sample.object({ programs: [sample.constantProgram("p", 2, { lines })] }));
    expect(bytes.length).toBeLessThan(4096);
    expect(loadObject(scratch.file("long.o", bytes)).program().run(frame).verdict).toBe("pass");
  });

  test("100,000 instructions from one line of a megabyte are written in a moment", () => {
    const text = "pass ".repeat(200_000);
    const count = 100_000;
    const insns = [...Array.from({ length: count - 1 }, () => sample.move(0, 2)), sample.exit];
    const lines = insns.map((_, insnIndex) => ({
      insnIndex,
      file: "f",
      text: text.slice(insnIndex % 7),
      line: 1,
      column: insnIndex + 1,
    }));
    const start = process.cpuUsage();
    const bytes = writeObject(sample.object({ programs: [sample.program("p", insns, { lines })] }));
    expect(process.cpuUsage(start).user / 1e6).toBeLessThan(5);
    expect(loadObject(scratch.file("many.o", bytes)).program().run(frame).verdict).toBe("pass");
  });

  test("a map and a program may share a name, and a data section may have no variables", () => {
    const m = sample.map("ports", "hash", { key: sample.uint(2), value: sample.uint(1) });
    const insns = [
      ...sample.touch([m]),
      sample.wide(1, { kind: "data", section: ".rodata", offsetBytes: 3 }),
      { kind: "load", width: 1, signed: false, dst: 0, base: 1, offset: 0 } as const,
      sample.exit,
    ];
    const data = [{ name: ".rodata", bytes: Uint8Array.of(0, 0, 0, 3), variables: [] } as const];
    const loaded = loadObject(
      write("same", sample.object({ maps: [m], data, programs: [sample.program("ports", insns)] })),
    );
    expect(loaded.program("ports").run(frame).verdict).toBe("tx");
  });

  test("the longest name that we let through loads", () => {
    const m = sample.map("m".repeat(127), "array", { key: sample.uint(4), value: sample.uint(8) });
    const programs = [sample.program("p".repeat(127), [...sample.touch([m]), sample.move(0, 2), sample.exit])];
    expect(
      loadObject(write("names", sample.object({ maps: [m], programs })))
        .program()
        .run(frame).verdict,
    ).toBe("pass");
  });
});

describeWith("tools", [netnsProblem(), toolProblem("bpftool", "xdp-loader", "gcc")], () => {
  let netns: Netns;
  beforeAll(async () => {
    netns = await createNetns();
    createVeth({ netns, device: "v0" }, { netns, device: "v1" });
  });
  afterAll(() => closeAll());

  test("the kernel prints the rule's text beside the instructions", () => {
    netns.run("bpftool", "prog", "load", write("plain", sample.object()), "/sys/fs/bpf/plain");
    const listing = netns.run("bpftool", "prog", "dump", "xlated", "pinned", "/sys/fs/bpf/plain");
    expect(listing).toMatch(
      /int xdp_rules\(struct xdp_md \* ?ctx\):\n; if alu then xdp_rules # 0\n\s+0: \(b7\) r0 = 2\n; if exit then xdp_rules # 1\n\s+1: \(95\) exit/,
    );
    const lines = netns.run("bpftool", "prog", "dump", "xlated", "pinned", "/sys/fs/bpf/plain", "linum");
    expect(lines).toContain("[file:rules.xdp line_num:2 line_col:4]");
  });

  test("the verifier's log shows the rule's text", () => {
    const broken = sample.object({ programs: [sample.program("xdp_bad", [sample.copy(0, 7), sample.exit])] });
    const { status, stderr } = netns.try("bpftool", "prog", "load", write("bad", broken), "/sys/fs/bpf/bad");
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/; if alu then xdp_bad # 0[^\n]*\n0: \(bf\) r0 = r7\nR7 !read_ok/);
  });

  test("bpftool map dump shows fields by name", () => {
    const m = sample.map("flows", "hash", { key: sample.flow, value: sample.stats });
    const programs = [sample.program("p", [...sample.touch([m]), sample.move(0, 2), sample.exit])];
    netns.run(
      "bpftool",
      "prog",
      "load",
      write("fields", sample.object({ maps: [m], programs })),
      "/sys/fs/bpf/fields",
      "pinmaps",
      "/sys/fs/bpf/maps",
    );
    const path = "/sys/fs/bpf/maps/flows";
    netns.run(
      "bpftool",
      "map",
      "update",
      "pinned",
      path,
      "key",
      ..."1 2 3 4 5 0 0 0".split(" "),
      "value",
      ..."1 1 0 0 0 0 0 0 2 0 0 0 0 0 0 0".split(" "),
    );
    const dump: unknown = JSON.parse(netns.run("bpftool", "-j", "map", "dump", "pinned", path));
    expect(dump).toMatchObject([
      {
        formatted: {
          key: { saddr: 0x04030201, dport: 5 },
          value: { packets: 257, bytes: 2 },
        },
      },
    ]);
  });

  test("a map pinned by name appears in bpffs and is reused by the next object", () => {
    const m = sample.map("kept", "array", { key: sample.uint(4), value: sample.uint(8), pinned: true });
    const path = write(
      "pinned",
      sample.object({
        maps: [m],
        programs: [sample.program("p", [...sample.touch([m]), sample.move(0, 2), sample.exit])],
      }),
    );
    netns.run("bpftool", "prog", "load", path, "/sys/fs/bpf/first");
    const idOf = () => /^(\d+):/.exec(netns.run("bpftool", "map", "show", "pinned", "/sys/fs/bpf/kept"))?.[1];
    const id = idOf();
    expect(id).toBeDefined();
    netns.run("bpftool", "prog", "load", path, "/sys/fs/bpf/next");
    expect(netns.run("bpftool", "prog", "show", "pinned", "/sys/fs/bpf/next")).toContain(`map_ids ${id}`);
  });

  test.each(["xdp", "xdp.frags", "xdp/devmap", "xdp/cpumap", "xdp.frags/devmap", "xdp.frags/cpumap"])(
    "bpftool takes section %s",
    (section) => {
      const path = write("section", sample.object({ programs: [sample.constantProgram("p", 2, { section })] }));
      const pin = `/sys/fs/bpf/in_${section.replace(/\W/g, "_")}`;
      netns.run("bpftool", "prog", "load", path, pin);
      expect(netns.run("bpftool", "prog", "show", "pinned", pin)).toMatch(/: xdp {2}name p /);
    },
  );

  const everything = (): BpfObject => {
    const maps = sample.oneMapOfEachKind().filter((m) => m.kind !== "prog_array");
    const globals = sample.objectWithGlobals();
    const first = sample.program("xdp_main", [...sample.touch(maps), sample.move(0, 2), sample.exit], {
      runConfig: { priority: 7, chainOn: ["XDP_DROP", "XDP_TX"] },
    });
    return { ...globals, maps, programs: [first, ...globals.programs] };
  };

  describe.each(["xdpgeneric", "xdpdrv"])("ip link, %s", (mode) => {
    test.each(["xdp", "xdp.frags", "xdp_hello"])("section %s", (section) => {
      const path = write("ip", { ...everything(), programs: everything().programs.map((p) => ({ ...p, section })) });
      netns.run("ip", "link", "set", "dev", "v0", mode, "obj", path, "sec", section);
      expect(netns.run("ip", "link", "show", "v0")).toMatch(
        new RegExp(`${mode === "xdpdrv" ? "xdp" : mode} .*\\n.*\\n.*prog/xdp id \\d+ name xdp_main`),
      );
      netns.run("ip", "link", "set", "dev", "v0", mode, "off");
    });
  });

  test("xdp-loader attaches in both modes, and reads the run configuration", () => {
    const path = write("loader", everything());
    for (const mode of ["native", "skb"]) {
      const said = netns.try("xdp-loader", "load", "-v", "-m", mode, "-n", "xdp_main", "v0", path);
      expect(said.stdout + said.stderr).toContain("Run prio: 7. Chain call actions: XDP_DROP,XDP_TX");
      expect(said.status).toBe(0);
      expect(netns.run("xdp-loader", "status", "v0")).toMatch(new RegExp(`v0 .*xdp_main +${mode}`));
      netns.run("xdp-loader", "unload", "v0", "--all");
    }
  });

  test("xdp-loader takes a section of any name with -s", () => {
    const path = write(
      "hello",
      sample.object({ programs: [sample.constantProgram("xdp_hello", 2, { section: "xdp_hello" })] }),
    );
    netns.run("xdp-loader", "load", "-s", "xdp_hello", "v0", path);
    netns.run("xdp-loader", "unload", "v0", "--all");
  });

  test("a skeleton compiles, loads, and reaches maps, programs and globals by name", () => {
    const path = write("skel", everything());
    const header = output("bpftool", "gen", "skeleton", path, "name", "rules");
    scratch.file("rules.skel.h", header);
    const source = scratch.file(
      "main.c",
      `#include <stdio.h>
      #include <bpf/bpf.h>
      #include "rules.skel.h"
      int main(void) {
        struct rules *s = rules__open();
        if (!s) return 1;
        s->data->total = 100;
        *(unsigned *)&s->rodata->threshold = 11;
        if (rules__load(s)) return 2;
        char in[64] = {0}, out[256];
        LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = in, .data_size_in = 64, .data_out = out, .data_size_out = 256, .repeat = 1);
        if (bpf_prog_test_run_opts(bpf_program__fd(s->progs.xdp_globals), &o)) return 3;
        printf("%u %llu %llu %u %d\\n", o.retval, s->data->total, s->bss->last, s->rodata->threshold, bpf_map__fd(s->maps.m_hash) > 0);
        rules__destroy(s);
        return 0;
      }`,
    );
    const binary = join(scratch.path, "main");
    output("gcc", "-Wall", "-Werror", "-Wno-unused-function", "-o", binary, source, "-lbpf");
    expect(output(binary)).toBe("1 102 5 11 1\n");
  });

  test("bpftool's linker takes it and what it links loads", () => {
    const linked = join(scratch.path, "linked.o");
    output(
      "bpftool",
      "gen",
      "object",
      linked,
      write("link1", everything()),
      write("link2", sample.object({ programs: [sample.constantProgram("xdp_other", 1)] })),
    );
    expect(existsSync(linked)).toBe(true);
    const loaded = loadObject(linked);
    expect(loaded.program("xdp_other").run(frame).verdict).toBe("drop");
    expect(loaded.program("xdp_globals").run(frame).verdict).toBe("drop");
  });
});
