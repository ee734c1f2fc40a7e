// The source tree's own rules: which room may import which, nothing of Node outside the command line, files that open with a
// comment and fit the head. Reads imports as text; what a file means is the type checker's business.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const src = join(dirname(fileURLToPath(import.meta.url)), "../src");

/**
 * Rooms from the bottom up, with what each may import beside itself: rooms, single files, packages (`npm:`) and Node (`node:`).
 * A room may only name what stands above it in this table, so there can be no circles.
 */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  bpf: ["base"],
  parser: ["base", "npm:chevrotain"],
  ir: ["base", "bpf", "parser/ast.ts"],
  codegen: ["base", "bpf", "ir"],
  elfwriter: ["base", "bpf"],
  // What a program means, twice: neither sees the other, nor the code generator, so that no mistake is shared.
  checker: ["base", "bpf"],
  vm: ["base", "bpf"],
  // The header for C: from the typed program, beside the way to the object.
  "emit-header.ts": ["base", "bpf", "ir"],
  // The list of passes, and the imports between files that come before them.
  "compile.ts": ["base", "bpf", "parser", "ir", "codegen", "elfwriter", "checker", "emit-header.ts"],
  // Rules run on packets in the machine: tests, captures.
  testing: ["base", "bpf", "ir", "elfwriter", "vm", "compile.ts"],
  // What the package carries: read from the folders beside src/ when run from source; the build puts the texts themselves in its place.
  "cli/package-files.ts": ["node:"],
  // The library as source files, hosts over texts, the package's entry.
  "index.ts": ["base", "bpf", "elfwriter", "vm", "compile.ts", "cli/package-files.ts"],
  explain: [],
  // The editor's server: everything but its process end is free of Node.
  lsp: [
    "base",
    "bpf",
    "parser",
    "ir",
    "elfwriter",
    "vm",
    "compile.ts",
    "testing",
    "index.ts",
    "explain",
    "npm:chevrotain",
    "npm:vscode-languageserver",
    "npm:vscode-languageserver-protocol",
  ],
  "lsp/stdio.ts": ["lsp", "cli/package-files.ts", "npm:vscode-languageserver/node", "node:"],
  // Programs and maps in the kernel, devices, pins. Only the commands that work on a device lead here.
  device: ["base", "bpf", "elfwriter", "checker", "ir/sample.ts", "index.ts", "npm:koffi", "node:"],
  cli: [
    "base",
    "bpf",
    "parser/fmt.ts",
    "elfwriter",
    "checker",
    "vm",
    "compile.ts",
    "testing",
    "cli/package-files.ts",
    "index.ts",
    "explain",
    "device",
    "npm:commander",
    "node:",
  ],
};

/** Files at the top that belong to a room called by its chief file. */
const BESIDE: Readonly<Record<string, string>> = {
  "analyse.ts": "compile.ts",
  "line-costs.ts": "compile.ts",
  "c-names.ts": "emit-header.ts",
  "imports.ts": "compile.ts",
  "set-file.ts": "compile.ts",
  "verify.ts": "compile.ts",
  "library.ts": "index.ts",
  "load-object.ts": "index.ts",
  "memory-host.ts": "index.ts",
  "object-map.ts": "index.ts",
  "value-codec.ts": "index.ts",
};

/** "Up to about 400 lines". */
const MOST_LINES = 420;
/** Longer files that are tables: one entry after another, to be looked up rather than read. */
const TABLES: Readonly<Record<string, string>> = {
  "ir/ir.ts": "the IR's instructions, and one walk for each question about them",
  "lsp/words.ts": "the words of the language, for people",
  "parser/ast.ts": "the syntax tree's nodes",
  "parser/grammar.ts": "the grammar's rules",
  "parser/syntax-messages.ts": "the parser's messages",
};
/** Files that are too long. Take a name out when its file has been split; put none in. */
const TOO_LONG: ReadonlySet<string> = new Set(["codegen/select.ts", "ir/passes/thread.ts", "parser/format.ts"]);

const files = readdirSync(src, { recursive: true, encoding: "utf8" })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path.endsWith(".ts"))
  .sort();
const textOf = new Map(files.map((path) => [path, readFileSync(join(src, path), "utf8")]));

function roomOf(path: string): string {
  if (path in LAYERS) return path;
  return BESIDE[path] ?? path.split("/")[0] ?? path;
}

/** What a file imports: paths from src for its own, `npm:` and `node:` for others. */
function importsOf(path: string, text: string): string[] {
  const found = text.matchAll(/^(?:import|export)\s(?:[^"';]*?\sfrom\s)?"([^"]+)"|\bimport\("([^"]+)"\)/gm);
  return [...found].map((match) => {
    const target = match[1] ?? match[2] ?? "";
    if (target.startsWith(".")) return posix.join(posix.dirname(path), target);
    return target.startsWith("node:") ? target : `npm:${target}`;
  });
}

function mayImport(room: string, target: string): boolean {
  const allowed = LAYERS[room] ?? [];
  if (target.startsWith("node:")) return allowed.includes("node:");
  return roomOf(target) === room || allowed.includes(target) || allowed.includes(roomOf(target));
}

test("the imports are found", () => {
  const all = files.flatMap((path) => importsOf(path, textOf.get(path) ?? ""));
  expect(all).toContain("base/source.ts");
  expect(all).toContain("npm:chevrotain");
  expect(all).toContain("node:fs");
  expect(importsOf("ir/x.ts", 'import {\n  a,\n  b,\n} from "../base/assert.ts";\nexport * from "./y.ts";\n')).toEqual([
    "base/assert.ts",
    "ir/y.ts",
  ]);
});

test("every file is in a room of the table", () => {
  expect(files.filter((path) => !(roomOf(path) in LAYERS))).toEqual([]);
});

test("rooms name only what stands above them", () => {
  const rooms = Object.keys(LAYERS);
  const wrong = rooms.flatMap((room, i) =>
    (LAYERS[room] ?? [])
      .filter((target) => !/^(npm|node):/.test(target) && !rooms.slice(0, i).includes(roomOf(target)))
      .map((target) => `${room} → ${target}`),
  );
  expect(wrong).toEqual([]);
});

test("files import only what their room may", () => {
  const wrong = files.flatMap((path) =>
    importsOf(path, textOf.get(path) ?? "")
      .filter((target) => !mayImport(roomOf(path), target))
      .map((target) => `${path} → ${target}`),
  );
  expect(wrong).toEqual([]);
});

test("every import is a file that exists", () => {
  const wrong = files.flatMap((path) =>
    importsOf(path, textOf.get(path) ?? "")
      .filter((target) => !/^(npm|node):/.test(target) && !textOf.has(target))
      .map((target) => `${path} → ${target}`),
  );
  expect(wrong).toEqual([]);
});

test("every file opens with a comment", () => {
  expect(files.filter((path) => !/^\/\/ \S/.test(textOf.get(path) ?? ""))).toEqual([]);
});

test("no default exports", () => {
  const exported = /^export (?:default\b|\{[^}]*\bas default\b)/m;
  expect(files.filter((path) => exported.test(textOf.get(path) ?? ""))).toEqual([]);
});

test("files are short, but for tables", () => {
  const long = files.filter((path) => (textOf.get(path) ?? "").split("\n").length - 1 > MOST_LINES);
  expect(long.filter((path) => !(path in TABLES))).toEqual([...TOO_LONG].sort());
  expect(Object.keys(TABLES).filter((path) => !long.includes(path))).toEqual([]);
});
