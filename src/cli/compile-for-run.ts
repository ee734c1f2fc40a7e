// Rules compiled in memory to be run: by tests and over captures. What is found is reported as `xdpc FILE` would; the second
// compilation, with probes, is made only when somebody asks which way a packet took.

import { compile, type ProgramReport } from "../compile.ts";
import { type Compiled, imagesOf } from "../testing/session.ts";
import { openFileHost } from "./host.ts";
import type { Reporter } from "./report.ts";
import type { System } from "./system.ts";
import type { WarningChoice } from "./warnings.ts";
import { applyWarningChoices, withoutDevices } from "./warnings.ts";

/** What to compile and how. */
export interface RunnableRequest {
  readonly importDirs: readonly string[];
  readonly defines: ReadonlyMap<string, string>;
  readonly warnings: readonly WarningChoice[];
}

/** A rule file that compiles. */
export interface Runnable {
  /** The path as people see it. */
  readonly path: string;
  readonly compiled: Compiled;
  /** The object's bytes, as they would be shipped. */
  readonly object: Uint8Array;
  /** Figures of its programs. */
  readonly programs: readonly ProgramReport[];
  /** The same with probes; null where the program becomes too big with them. */
  readonly probed: () => (Compiled & { readonly object: Uint8Array }) | null;
}

/** Compiles `file` with what `setUp` says beforehand (`ports = { 80 }`); null when there are errors, which are reported. */
export function compileToRun(
  file: string,
  request: RunnableRequest,
  setUp: readonly string[],
  system: System,
  reporter: Reporter,
): Runnable | null {
  const host = openFileHost(file, request.importDirs, system);
  const { source, diagnostics: faults } = host.main;
  const options = { host, cpu: "v3", kernel: null, optimise: 2, defines: request.defines, setUp } as const;
  const result = faults.length > 0 ? { diagnostics: faults, output: null } : compile(source, options);
  const said = applyWarningChoices(withoutDevices(result.diagnostics), request.warnings);
  for (const diagnostic of said) reporter.diagnostic(diagnostic);
  const { output } = result;
  if (output === null || said.some((d) => d.severity === "error")) return null;
  let probed: ReturnType<Runnable["probed"]> | undefined;
  return {
    path: source.path,
    compiled: { images: imagesOf(output.object), model: output.model },
    object: output.object,
    programs: output.programs,
    probed: () => {
      if (probed === undefined) {
        const again = compile(source, { ...options, probes: true, verify: false }).output;
        probed = again === null ? null : { images: imagesOf(again.object), model: again.model, object: again.object };
      }
      return probed;
    },
  };
}
