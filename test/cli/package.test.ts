// The package as npm would publish it: packed, installed into an empty folder without a network, run, imported and type-checked
// by a consumer; nothing of ours but what it says it holds.

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { beforeAll, describe, expect, test } from "vitest";
import { builtBin, projectRoot } from "./build.ts";
import { plainEnv, scratchFolder, writeFiles } from "./support.ts";

const folder = scratchFolder();
const consumer = path.join(folder, "consumer");
const installed = path.join(consumer, "node_modules", "xdpc");
const manifest = JSON.parse(readFileSync(path.join(projectRoot, "package.json"), "utf8")) as Record<string, unknown>;

function run(command: string, words: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, words, { cwd, env: plainEnv(), encoding: "utf8" });
  expect([command, status, status === 0 ? "" : stdout + stderr]).toEqual([command, 0, ""]);
  return stdout;
}

beforeAll(() => {
  builtBin();
  writeFiles(folder, { "consumer/package.json": '{ "name": "consumer", "private": true, "type": "module" }\n' });
  run("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], projectRoot);
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "";
  // Without koffi, which only the commands on devices need.
  const words = ["install", "--offline", "--omit=optional", "--no-audit", "--no-fund", path.join(folder, tarball)];
  run("npm", words, consumer);
});

describe("the packed package", () => {
  test("installs alone and needs no other package", () => {
    expect(manifest.dependencies).toBeUndefined();
    expect(Object.keys(manifest.optionalDependencies ?? {})).toEqual(["koffi"]);
    const modules = readdirSync(path.join(consumer, "node_modules")).filter((name) => !name.startsWith("."));
    expect(modules).toEqual(["xdpc"]);
  });

  test("holds what it should and nothing else", () => {
    const top = ["LICENSE", "bin", "dist", "package.json", "stdlib"];
    expect(readdirSync(installed).filter((name) => !["README.md", "CHANGELOG.md"].includes(name))).toEqual(top);
    expect(existsSync(path.join(installed, "dist", "snapshot"))).toBe(false);
    const files = readdirSync(installed, { recursive: true, encoding: "utf8" });
    expect(files.filter((name) => /\.(ts|map|test\.js|o|blob)$/.test(name) && !name.endsWith(".d.ts"))).toEqual([]);
    expect(readdirSync(path.join(installed, "stdlib"))).toEqual(
      readdirSync(path.join(projectRoot, "stdlib")).filter((name) => name.endsWith(".xdp")),
    );
    expect(readFileSync(path.join(installed, "dist", "THIRD-PARTY-NOTICES.txt"), "utf8")).toMatch(
      /^chevrotain 11[\s\S]*^commander 14/m,
    );
  });

  test("is what publint calls clean", async () => {
    const { messages } = await publint({ pkgDir: installed, level: "suggestion", strict: true });
    expect(messages.map((message) => formatMessage(message, manifest))).toEqual([]);
  });

  test("compiles from the command line, at once and from the snapshot made then", () => {
    cpSync(path.join(projectRoot, "examples", "ports.xdp"), path.join(consumer, "ports.xdp"));
    const bin = path.join(consumer, "node_modules", ".bin", "xdpc");
    const objects = ["first.o", "second.o"].map((name) => {
      expect(run(bin, ["ports.xdp", "-o", name], consumer)).toBe("");
      return readFileSync(path.join(consumer, name));
    });
    expect(objects[0]?.subarray(0, 4).toString("latin1")).toBe("\x7fELF");
    expect(objects[1]).toEqual(objects[0]);
    expect(readdirSync(path.join(installed, "dist", "snapshot")).length).toBe(1);
    expect(run("npx", ["--offline", "xdpc", "--version"], consumer)).toBe(`xdpc ${manifest.version}\n`);
  });

  test("compiles from JavaScript, without files and to the same bytes", () => {
    writeFileSync(
      path.join(consumer, "use.js"),
      `import { readFileSync, writeFileSync } from "node:fs";
import { compile, memoryHost, readObject, renderDiagnostic, SourceFile } from "xdpc";
const options = { host: memoryHost({ "a/b.xdp": "const PORT = 80" }), cpu: "v3", kernel: null, optimise: 2, defines: new Map() };
const { output, diagnostics } = compile(new SourceFile("ports.xdp", readFileSync("ports.xdp", "utf8")), options);
writeFileSync("third.o", output.object);
const imports = compile(new SourceFile("main.xdp", 'import "a/b.xdp" if tcp.dport == PORT then drop'), options);
const faults = compile(new SourceFile("bad.xdp", "if tcp.dprt == 1 then drop"), options).diagnostics;
console.log(JSON.stringify({
  diagnostics: diagnostics.length,
  maps: readObject(output.object).object.maps.map((m) => m.name),
  imported: imports.output !== null,
  shown: renderDiagnostic(faults[0], { color: false }).includes("bad.xdp:1"),
}));
`,
    );
    expect(JSON.parse(run(process.execPath, ["use.js"], consumer))).toEqual({
      diagnostics: 0,
      maps: ["ports", "xsk"],
      imported: true,
      shown: true,
    });
    expect(readFileSync(path.join(consumer, "third.o"))).toEqual(readFileSync(path.join(consumer, "first.o")));
  });

  test("has an interface without Node's own modules", () => {
    const code = readFileSync(path.join(installed, "dist", "index.js"), "utf8");
    const found = code.match(/^import\b.*|(?<![.\w])require\(".*|\bprocess\.(?:env|argv|cwd)\b.*/gm) ?? [];
    expect(found).toEqual([]);
  });

  test.each(["nodenext", "bundler"])("has types for a strict consumer (%s)", (resolution) => {
    writeFileSync(
      path.join(consumer, "use.ts"),
      `import { compile, memoryHost, SourceFile, readObject, disassembleObject } from "xdpc";
import type { CompileOptions, CompileResult, Diagnostic, Severity } from "xdpc";
const options: CompileOptions = { host: memoryHost({}), cpu: "v3", kernel: "5.15", optimise: 0, defines: new Map() };
const result: CompileResult = compile(new SourceFile("a.xdp", "pass"), options);
const first: Diagnostic | undefined = result.diagnostics[0];
export const severity: Severity | undefined = first?.severity;
export const bytes: Uint8Array | undefined = result.output?.object;
if (result.output !== null) readObject(result.output.object).object?.maps.map((map) => map.name.length);
// @ts-expect-error: there is no such level
export const wrong: CompileOptions = { ...options, cpu: "v9" };
export const text: string | undefined = disassembleObject(new Uint8Array()).text;
`,
    );
    const module = resolution === "bundler" ? "esnext" : "nodenext";
    const words = ["--strict", "--noEmit", "--target", "es2022", "--module", module, "--moduleResolution", resolution];
    const tsc = path.join(projectRoot, "node_modules", "typescript", "bin", "tsc");
    run(process.execPath, [tsc, ...words, "--skipLibCheck", "false", "use.ts"], consumer);
  });
});
