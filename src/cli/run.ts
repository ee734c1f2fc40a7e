// One run of the command line: words in, exit code out. The only place that catches: faults of usage become exit code 2, our own
// bugs 70 with a request to report them. Does not end the process, so that it can be run without one.

import { utf8 } from "../base/bytes.ts";
import { runCheck } from "./check-command.ts";
import type { Manner, Request } from "./command.ts";
import { parseCommandLine } from "./command.ts";
import { runCompile } from "./compile-command.ts";
import { runDisasm } from "./disasm-command.ts";
import { runExplain } from "./explain-command.ts";
import { CliFailure, describeSystemError, EXIT, systemErrorCode } from "./failure.ts";
import { runFmt } from "./fmt-command.ts";
import { packageVersion } from "./package-files.ts";
import type { Reporter } from "./report.ts";
import { jsonReporter, textReporter } from "./report.ts";
import { runCapture } from "./run-command.ts";
import type { System } from "./system.ts";
import { wantsColor } from "./terminal.ts";
import { runTests } from "./test-command.ts";

/** Runs `xdpc` with `words` and returns its exit code; never throws. */
export function run(words: readonly string[], system: System): number {
  // Until the words are understood: faults of usage are said as JSON when that word is there at all.
  let reporter = words.includes("--json") ? jsonReporter() : textReporter(() => false);
  let code: number;
  try {
    const parsed = parseCommandLine(words);
    if ("text" in parsed) {
      system.write(1, utf8(parsed.text));
      return EXIT.fine;
    }
    reporter = reporterFor(parsed.request.manner, system);
    code = perform(parsed.request, system, reporter);
  } catch (error) {
    code = reportFailure(error, system, reporter);
  }
  return say(reporter, system, code);
}

function perform(request: Request, system: System, reporter: Reporter): number {
  switch (request.kind) {
    case "compile":
      return runCompile(request, system, reporter);
    case "disasm":
      return runDisasm(request, system);
    case "explain":
      return runExplain(request, system);
    case "check":
      return runCheck(request, system, reporter);
    case "fmt":
      return runFmt(request, system, reporter);
    case "test":
      return runTests(request, system, reporter);
    case "run":
      return runCapture(request, system, reporter);
    case "lsp":
      // The server has a bundle of its own, which bin/xdpc starts.
      throw new CliFailure("the server isn't in this bundle: start it by bin/xdpc, or with node dist/lsp.cjs --stdio");
    default:
      // Commands on devices load a native module: they have a bundle of their own, which bin/xdpc starts (device-run.ts).
      throw new CliFailure(
        `xdpc ${request.kind} isn't in this bundle: start it by bin/xdpc, or with node dist/device.cjs`,
      );
  }
}

/** Tells what ended a run and gives the exit code it means: a fault of usage or of the system, or a bug of ours. */
export function reportFailure(error: unknown, system: System, reporter: Reporter): number {
  if (error instanceof CliFailure) {
    reporter.info("failure", { message: error.message }, `xdpc: ${error.message}`);
    return EXIT.usage;
  }
  if (systemErrorCode(error) !== null) {
    reporter.info("failure", { message: describeSystemError(error) }, `xdpc: ${describeSystemError(error)}`);
    return EXIT.usage;
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const lines = [
    `xdpc: internal error: ${message}`,
    "",
    `This is a bug in xdpc ${packageVersion} (Node ${process.version}, ${process.platform} ${process.arch}), not in your rules.`,
    "Please report it with the rules and the command line that show it; XDPC_DEBUG=1 adds the place in the compiler.",
  ];
  const debug = system.env.XDPC_DEBUG ?? "";
  if (debug !== "" && debug !== "0" && error instanceof Error) lines.push("", error.stack ?? "");
  reporter.info("bug", { message, version: packageVersion }, lines.join("\n"));
  return EXIT.bug;
}

/** Writes what was collected to standard error; gives back the exit code. */
export function say(reporter: Reporter, system: System, code: number): number {
  try {
    system.write(2, utf8(reporter.take()));
  } catch {
    // Standard error is closed or full: the exit code is all that is left to say.
  }
  return code;
}

/** The reporter that speaks as was asked for. */
export function reporterFor(manner: Manner, system: System): Reporter {
  return manner.json ? jsonReporter() : textReporter(() => wantsColor(manner.color, system, 2));
}
