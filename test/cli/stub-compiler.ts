// A compiler for tests of the command line alone: says and makes what the rules' own words ask for, so that these tests don't
// depend on the language. `warn CODE`, `fail CODE`, `import "path"` (read through the host), `crash`; the object is the text.

import { InternalError } from "../../src/base/assert.ts";
import { type Diagnostic, errorAt, warningAt } from "../../src/base/diagnostic.ts";
import type { SourceFile } from "../../src/base/source.ts";
import type { CompileOptions, CompileResult } from "../../src/compile.ts";

/** Takes the place of src/compile.ts's `compile`. */
export function compile(source: SourceFile, options: CompileOptions): CompileResult {
  const diagnostics: Diagnostic[] = [];
  const files: SourceFile[] = [];
  const visit = (file: SourceFile): void => {
    if (files.includes(file)) return;
    files.push(file);
    for (const match of file.text.matchAll(/^(warn|fail|import|crash|library)\b *"?([^"\n]*)"?$/gm)) {
      const span = { file, start: match.index, end: match.index + match[0].length };
      const argument = match[2] ?? "";
      if (match[1] === "warn") diagnostics.push(warningAt(span, argument, "a warning", { help: "help" }));
      if (match[1] === "fail") diagnostics.push(errorAt(span, argument, "an error", { label: "here" }));
      if (match[1] === "crash") throw new InternalError("the stub crashed");
      if (match[1] === "library") visit(options.host.library(argument)!);
      if (match[1] === "import") {
        const found = options.host.read(argument, file);
        if ("source" in found) visit(found.source);
        else diagnostics.push(errorAt(span, "X0001", `can't import ${argument}: ${found.error}`));
      }
    }
  };
  visit(source);
  options.observe?.({ pass: "parse", program: null, milliseconds: 1.5, dump: () => `ast of ${source.path}\n` });
  options.observe?.({ pass: "lower", program: "main", milliseconds: 0.25, dump: () => "ir of main\n" });
  if (diagnostics.some((d) => d.severity === "error")) return { diagnostics, output: null, files };
  const settings = {
    cpu: options.cpu,
    kernel: options.kernel,
    optimise: options.optimise,
    defines: Object.fromEntries(options.defines),
    texts: files.map((file) => file.text),
  };
  return {
    diagnostics,
    files,
    output: {
      object: Buffer.from(JSON.stringify(settings)),
      asm: () => "asm\n",
      ir: () => "ir\n",
      header: () => "/* header */\n",
      programs: [
        {
          name: "main",
          section: "xdp",
          instructions: 2,
          stackBytes: 8,
          minimumKernel: "5.4",
          reasons: ["5.2: global data"],
          processed: null,
          lines: () => [],
        },
      ],
      model: { headers: [], devices: [], tests: [], setUp: [], offsetOf: () => 0, probes: new Map() },
    },
  };
}
