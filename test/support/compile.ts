// Compiles a text in tests: the library's headers, imports from a table of texts, and an object file in a folder of the test's
// own that is removed at its end. The one place of the test support that knows the compiler.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SourceFile } from "../../src/base/source.ts";
import { type CompileHost, type CompileOptions, type CompileResult, compile } from "../../src/compile.ts";
import { libraryFiles, libraryHeaders } from "../../src/library.ts";
import { onCloseAll } from "./native.ts";

/** A host whose files are the given texts by path. */
export function hostOf(files: Readonly<Record<string, string>> = {}): CompileHost {
  const sources = new Map(Object.entries(files).map(([path, text]) => [path, new SourceFile(path, text)]));
  return {
    library: (name) => libraryFiles.get(name) ?? null,
    libraryHeaders,
    read: (path) => {
      const source = sources.get(path);
      return source === undefined ? { error: "no such file" } : { source };
    },
  };
}

/** Compiles `text` as the file `rules.xdp` (or `path`), -O2 for cpu v3 unless told. */
export function compileText(
  text: string,
  options: Partial<CompileOptions> & { path?: string; files?: Readonly<Record<string, string>> } = {},
): CompileResult {
  const { path = "rules.xdp", files, ...rest } = options;
  return compile(new SourceFile(path, text), {
    host: hostOf(files),
    cpu: "v3",
    kernel: null,
    optimise: 2,
    checkEachPass: true,
    defines: new Map(),
    ...rest,
  });
}

/** Errors and warnings as lines, for a failure's message. */
export function describeDiagnostics(result: CompileResult): string {
  return result.diagnostics
    .map(({ severity, code, message, primary }) => {
      if (primary === null) return `${severity}[${code}]: ${message}`;
      const { line, column } = primary.span.file.positionAt(primary.span.start);
      return `${primary.span.file.path}:${line}:${column}: ${severity}[${code}]: ${message}`;
    })
    .join("\n");
}

/** The object of a text that must compile; throws with its diagnostics otherwise. */
export function objectOf(text: string, options: Parameters<typeof compileText>[1] = {}): Uint8Array {
  const result = compileText(text, options);
  if (result.output === null) throw new Error(`doesn't compile:\n${describeDiagnostics(result)}\n${text}`);
  return result.output.object;
}

/** A folder for files of a test, removed by `closeAll`, at the latest at the end of the whole run. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(process.env.XDPC_TEST_TMP ?? tmpdir(), "xdpc-test-"));
  onCloseAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes an object into a folder of its own and gives the path. */
export function objectFile(bytes: Uint8Array, name = "rules.o", folder = temporaryFolder()): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}
