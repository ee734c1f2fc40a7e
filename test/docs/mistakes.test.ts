// docs/mistakes.md is true: clang compiles each of its programs, the kernel refuses it, and what `xdpc check` says of it is what
// the page shows. UPDATE_GOLDEN=1 writes our words, and the kernel's where it has none yet, into the page.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { run } from "../../src/cli/run.ts";
import { linkObject } from "../../src/elfwriter/link.ts";
import { readObject } from "../../src/elfwriter/read.ts";
import { compileC, Scratch } from "../elfwriter/tools.ts";
import { ImageLoader, LOG_LEVEL } from "../support/image-load.ts";
import { closeAll } from "../support/native.ts";
import { describeWith, kernelProblem, toolProblem } from "../support/requirements.ts";

const page = join(dirname(fileURLToPath(import.meta.url)), "../../docs/mistakes.md");
const HEAD = `#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
char _license[] SEC("license") = "GPL";
`;
const LOG_LINES = 4;

interface Mistake {
  readonly title: string;
  readonly source: string;
  readonly kernel: string | null;
  readonly ours: string | null;
}

function mistakes(): Mistake[] {
  const sections = readFileSync(page, "utf8").split(/^## /m).slice(1);
  return sections.map((section) => {
    const blocks = [...section.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map((m) => ({ fence: m[1], text: m[2] ?? "" }));
    const texts = blocks.filter((b) => b.fence === "text").map((b) => b.text);
    return {
      title: section.split("\n")[0] ?? "",
      source: blocks.find((b) => b.fence === "c")?.text ?? "",
      kernel: texts[0] ?? null,
      ours: texts[1] ?? null,
    };
  });
}

/** What `xdpc check` prints, with the object's and the source's names alone. */
function checkWords(object: string): { code: number; text: string } {
  let text = "";
  const system = {
    env: {},
    readStdin: () => new Uint8Array(),
    write: (_fd: number, bytes: Uint8Array) => {
      text += Buffer.from(bytes).toString("utf8");
      return true;
    },
    isTerminal: () => false,
  };
  const code = run(["check", object], system);
  return { code, text: text.replaceAll(/[^\s:]*\/(mistake[^/\s:]*)/g, "$1") };
}

test("there are ten", () => {
  expect(mistakes().length).toBe(10);
});

describeWith("the mistakes", [toolProblem("clang-19"), kernelProblem()], () => {
  const scratch = new Scratch();
  const head = scratch.file("head.h", HEAD);
  const loader = new ImageLoader();
  afterAll(() => {
    scratch.remove();
    closeAll();
  });

  test.each(mistakes().map((m) => [m.title, m] as const))("%s", (title, mistake) => {
    const object = compileC(scratch, "clang-19", "mistake", mistake.source, "-Wno-uninitialized", "-include", head);
    const image = linkObject(readObject(readFileSync(object)).object!).images[0]!;
    const kernel = loader.judge(image, LOG_LEVEL.path);
    expect(kernel.verdict).toBe("reject");
    const { code, text } = checkWords(object);
    expect(code).toBe(1);
    if (process.env.UPDATE_GOLDEN === "1") {
      const log = kernel.log
        .split("\n")
        .filter((l) => l !== "" && !/^(processed|verification time|stack depth|mark_precise)/.test(l));
      rewrite(title, mistake, mistake.kernel ?? `${log.slice(-LOG_LINES).join("\n")}\n`, text);
    } else expect(text).toBe(mistake.ours);
  });
});

function rewrite(title: string, { source }: Mistake, kernel: string, ours: string): void {
  const sections = readFileSync(page, "utf8").split(/^(?=## )/m);
  const fresh = `## ${title}\n\n\`\`\`c\n${source}\`\`\`\n\nThe kernel:\n\n\`\`\`text\n${kernel}\`\`\`\n\nxdpc:\n\n\`\`\`text\n${ours}\`\`\`\n`;
  const at = sections.findIndex((s) => s.startsWith(`## ${title}\n`));
  writeFileSync(
    page,
    sections.map((s, i) => (i === at ? `${fresh}${i === sections.length - 1 ? "" : "\n"}` : s)).join(""),
  );
}
