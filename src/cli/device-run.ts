// One run of a command on a device: words in, exit code out, as run.ts does it for all others. What the kernel or the machine refuses comes as
// a DeviceFailure and is told with what to do about it; exit code 2, like other faults of usage and system.

import { utf8 } from "../base/bytes.ts";
import { DeviceFailure } from "../device/failure.ts";
import { openNative } from "../device/native.ts";
import { runAttach } from "./attach-command.ts";
import { runCaptureLive } from "./capture-command.ts";
import { type Manner, parseCommandLine, type Request } from "./command.ts";
import { runDetach } from "./detach-command.ts";
import type { DeviceRequest } from "./device-options.ts";
import { runDoctor } from "./doctor-command.ts";
import type { DoctorRequest } from "./doctor-options.ts";
import { EXIT } from "./failure.ts";
import { runMap } from "./map-command.ts";
import type { CaptureRequest, MapRequest, TraceRequest } from "./map-options.ts";
import type { Reporter } from "./report.ts";
import { jsonReporter, textReporter } from "./report.ts";
import { reporterFor, reportFailure, run, say } from "./run.ts";
import { runStatus } from "./status-command.ts";
import type { System } from "./system.ts";
import { runTrace } from "./trace-command.ts";

type Performed = (DeviceRequest | DoctorRequest | MapRequest | TraceRequest | CaptureRequest) & {
  readonly manner: Manner;
};

/** Runs a command and returns its exit code; never rejects. */
export async function runDevice(words: readonly string[], system: System): Promise<number> {
  let reporter = words.includes("--json") ? jsonReporter() : textReporter(() => false);
  let code: number;
  try {
    const parsed = parseCommandLine(words);
    if ("text" in parsed) {
      system.write(1, utf8(parsed.text));
      return EXIT.fine;
    }
    const { request } = parsed;
    if (!isOnDevice(request)) return run(words, system);
    reporter = reporterFor(request.manner, system);
    await openNative();
    code = await perform(request, system, reporter);
  } catch (error) {
    code = error instanceof DeviceFailure ? reportDevice(error, reporter) : reportFailure(error, system, reporter);
  }
  return say(reporter, system, code);
}

const KINDS: ReadonlySet<string> = new Set<Performed["kind"]>([
  "attach",
  "detach",
  "status",
  "doctor",
  "map",
  "trace",
  "capture",
]);

function isOnDevice(request: Request): request is Performed {
  return KINDS.has(request.kind);
}

async function perform(request: Performed, system: System, reporter: Reporter): Promise<number> {
  switch (request.kind) {
    case "attach":
      return runAttach(request, system, reporter);
    case "detach":
      return runDetach(request, system);
    case "status":
      return runStatus(request, system);
    case "doctor":
      return runDoctor(request, system, reporter);
    case "map":
      return runMap(request, system, reporter);
    case "trace":
      return runTrace(request, system, reporter);
    case "capture":
      return runCaptureLive(request, system, reporter);
  }
}

function reportDevice(failure: DeviceFailure, reporter: Reporter): number {
  const { reason, message, help, detail } = failure;
  const lines = [`xdpc: ${message}`, ...help.map((one) => `  = ${one}`)];
  if (detail !== null) lines.push(...detail.split("\n").map((line) => `    ${line}`));
  reporter.info("failure", { reason, message, help, detail }, lines.join("\n"));
  return EXIT.usage;
}
