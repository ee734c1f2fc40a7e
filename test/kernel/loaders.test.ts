// Every example through every loader that users have: bpftool, ip in generic and native mode, xdp-loader, and a libbpf skeleton
// compiled with gcc. Objects come from the command line as users run it; devices and bpffs are the test's own.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compileFile, projectFolder } from "../support/cli.ts";
import { loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createPeerNetns, createVeth, type Netns, netnsProblem } from "../support/netns.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";

const examples = readdirSync(join(projectFolder, "examples")).filter((name) => name.endsWith(".xdp"));

/** C that opens a skeleton, says that its programs are XDP where the section doesn't, loads it and prints what it has. */
const skeletonMain = (name: string): string => `
#include <stdio.h>
#include "${name}.skel.h"
int main(void)
{
	struct ${name} *skeleton = ${name}__open();
	struct bpf_program *program;
	if (!skeleton)
		return 1;
	bpf_object__for_each_program(program, skeleton->obj)
		if (bpf_program__type(program) == BPF_PROG_TYPE_UNSPEC)
			bpf_program__set_type(program, BPF_PROG_TYPE_XDP);
	if (${name}__load(skeleton))
		return 2;
	bpf_object__for_each_program(program, skeleton->obj)
		printf("%s %d\\n", bpf_program__name(program), bpf_program__fd(program) > 0);
	${name}__destroy(skeleton);
	return 0;
}
`;

test("there are examples", () => {
  expect(examples).toEqual(expect.arrayContaining(["hello.xdp", "ports.xdp"]));
});

const problems = [netnsProblem(), toolProblem("bpftool", "xdp-loader", "gcc")];
describeWith("loaders", problems, () => {
  let netns: Netns;
  beforeAll(async () => {
    netns = await createNetns();
    createVeth({ netns, device: "veth0" }, { netns: await createPeerNetns(netns), device: "veth0" });
  });
  afterAll(closeAll);

  describe.each(examples)("%s", (example) => {
    let path = "";
    let stem = "";
    let program = "";
    let section = "";
    beforeAll(() => {
      stem = basename(example, ".xdp");
      path = compileFile(join(projectFolder, "examples", example), `${stem}.o`);
      const object = loadObject(path);
      [[program = "", section = ""] = []] = [...object.sections];
      object.close();
    });

    test("libbpf loads it without a warning", () => {
      const object = loadObject(path);
      expect(object.log.split("\n").filter((line) => /warn|invalid|skip|unrecognized/i.test(line))).toEqual([]);
      object.close();
    });

    test("bpftool loads and pins it, and shows the rules beside the instructions", () => {
      const type = /^xdp(\.frags)?(\/|$)/.test(section) ? [] : ["type", "xdp"];
      netns.run("bpftool", "prog", "loadall", path, `/sys/fs/bpf/${stem}`, ...type);
      try {
        const dump = netns.run("bpftool", "prog", "dump", "xlated", "pinned", `/sys/fs/bpf/${stem}/${program}`);
        const texts = [...dump.matchAll(/^; (.*)$/gm)].map((match) => match[1]!.trim());
        const library = join(projectFolder, "stdlib");
        const files = [
          join(projectFolder, "examples", example),
          ...readdirSync(library).map((name) => join(library, name)),
        ];
        const lines = files.flatMap((file) => readFileSync(file, "utf8").split("\n")).map((line) => line.trim());
        expect(texts.length).toBeGreaterThan(0);
        for (const text of texts)
          expect(
            lines.some((line) => line !== "" && text.includes(line)),
            text,
          ).toBe(true);
      } finally {
        netns.run("rm", "-rf", `/sys/fs/bpf/${stem}`);
      }
    });

    test.each([
      ["generic", "xdpgeneric"],
      ["native", "xdpdrv"],
    ])("ip attaches it in %s mode", (_, word) => {
      netns.run("ip", "link", "set", "dev", "veth0", word, "obj", path, "sec", section);
      const shown = netns.run("ip", "-d", "link", "show", "dev", "veth0");
      netns.run("ip", "link", "set", "dev", "veth0", word, "off");
      expect(shown).toMatch(word === "xdpdrv" ? /prog\/xdp id \d+/ : /xdpgeneric/);
      expect(shown).toMatch(/prog\/xdp id \d+/);
    });

    test.each(["skb", "native"])("xdp-loader attaches it in %s mode", (mode) => {
      netns.run("xdp-loader", "load", "-m", mode, "-s", section, "veth0", path);
      const status = netns.run("xdp-loader", "status", "veth0");
      netns.run("xdp-loader", "unload", "-a", "veth0");
      expect(status).toContain(program.slice(0, 15));
    });

    test("a skeleton compiles with gcc and loads it", () => {
      const header = netns.run("bpftool", "gen", "skeleton", path, "name", stem);
      const folder = dirname(path);
      writeFileSync(join(folder, `${stem}.skel.h`), header);
      writeFileSync(join(folder, "main.c"), skeletonMain(stem));
      netns.run("gcc", "-Wall", "-Werror", "-o", join(folder, "main"), join(folder, "main.c"), "-lbpf");
      expect(netns.run(join(folder, "main"))).toContain(`${program} 1`);
    });
  });
});
