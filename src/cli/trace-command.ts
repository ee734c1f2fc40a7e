// `xdpc trace`: reads the kernel's trace pipe until interrupted and prints the lines that attached rules wrote, each with its place in the rules.

import { closeSync, constants, openSync, readSync } from "node:fs";
import path from "node:path";
import { utf8 } from "../base/bytes.ts";
import { attachedTo, findDevice, ownHome } from "../device/devices.ts";
import { DeviceFailure } from "../device/failure.ts";
import { allHomes } from "../device/pins.ts";
import { needCapabilities } from "../device/privilege.ts";
import { type LogStatement, logStatements, parseTraceLine, type TraceLine, tracePipe } from "../device/trace-pipe.ts";
import type { Manner } from "./command.ts";
import { EXIT } from "./failure.ts";
import { interruption } from "./interruption.ts";
import type { TraceRequest } from "./map-options.ts";
import type { Reporter } from "./report.ts";
import type { System } from "./system.ts";

/** How long to wait where the pipe has nothing. */
const PAUSE_MS = 40;

/** Prints lines until there are enough, or SIGINT or SIGTERM comes. Throws DeviceFailure. */
export async function runTrace(
  request: TraceRequest & { readonly manner: Manner },
  system: System,
  reporter: Reporter,
): Promise<number> {
  needCapabilities("read the trace pipe and programs", ["CAP_SYS_ADMIN"]);
  const statements = programsOf(request).flatMap((id) => logStatements(id));
  if (statements.length === 0 && !request.all)
    throw new DeviceFailure(
      "no-log",
      `no \`log\` is in the rules${request.device === null ? " of any attached program" : ` on ${request.device}`}`,
      ["--all prints the lines of other programs"],
    );
  const pipe = openPipe();
  const stop = interruption();
  let left = request.count ?? Number.POSITIVE_INFINITY;
  try {
    reporter.info(
      "waiting",
      { formats: statements.map((s) => s.format) },
      "xdpc: waiting for log lines; Ctrl-C ends it",
    );
    system.write(2, utf8(reporter.take()));
    for await (const line of linesOf(pipe, stop)) {
      const parsed = parseTraceLine(line);
      if (parsed === null) continue;
      const statement = statements.find((s) => s.matches.test(parsed.text)) ?? null;
      if (statement === null && !request.all) continue;
      const text = `${request.manner.json ? jsonLine(parsed, statement) : textLine(parsed, statement)}\n`;
      // Nobody reads any more.
      if (!system.write(1, utf8(text))) break;
      left -= 1;
      if (left === 0) break;
    }
  } finally {
    closeSync(pipe);
    stop.end();
  }
  return EXIT.fine;
}

/** The ids of the programs whose lines are wanted. */
function programsOf({ device, pin }: TraceRequest): readonly number[] {
  if (device !== null) {
    ownHome(device, pin);
    return attachedTo(findDevice(device), pin).map(({ id }) => id);
  }
  return allHomes().flatMap(({ home }) => home.programId ?? []);
}

function openPipe(): number {
  const place = tracePipe();
  try {
    // A read that waits couldn't be interrupted.
    return openSync(place, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new DeviceFailure(
      "no-privilege",
      `${place} can't be opened: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
      ["run it as root (sudo)"],
    );
  }
}

async function* linesOf(pipe: number, stop: { readonly asked: boolean }): AsyncGenerator<string> {
  const buffer = Buffer.alloc(1 << 16);
  let rest = "";
  while (!stop.asked) {
    let length = 0;
    try {
      length = readSync(pipe, buffer);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
    if (length === 0) {
      await new Promise((go) => setTimeout(go, PAUSE_MS));
      continue;
    }
    const lines = (rest + buffer.toString("utf8", 0, length)).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
    await new Promise((go) => setImmediate(go));
  }
}

function placeOf(statement: LogStatement | null): string {
  return statement?.at == null ? "-" : `${path.basename(statement.at.file)}:${statement.at.line}`;
}

function textLine(line: TraceLine, statement: LogStatement | null): string {
  return `${line.seconds}  cpu ${line.cpu}  ${placeOf(statement)}  ${line.text}`;
}

function jsonLine({ seconds, cpu, text, task, pid }: TraceLine, statement: LogStatement | null): string {
  const at = statement?.at ?? null;
  const rule = at === null ? {} : { file: at.file, line: at.line, rule: at.text };
  return JSON.stringify({ type: "log", seconds: Number(seconds), cpu, text, task, pid, ...rule });
}
