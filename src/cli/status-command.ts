// `xdpc status [IFACE]`: what src/device reads, once or again and again. On a terminal the picture is drawn anew in its place, elsewhere one
// reading follows the other.

import { setTimeout as sleep } from "node:timers/promises";
import { utf8 } from "../base/bytes.ts";
import { type DeviceStatus, StatusReader } from "../device/status.ts";
import type { Manner } from "./command.ts";
import type { StatusRequest } from "./device-options.ts";
import { EXIT } from "./failure.ts";
import { type Rates, ratesSince, statusJson, statusText } from "./status-output.ts";
import type { System } from "./system.ts";
import { wantsColor } from "./terminal.ts";
import { paintOf } from "./test-output.ts";

type Asked = StatusRequest & { readonly manner: Manner };

/** Shows the status until it was shown as often as was asked for; returns the exit code. Throws DeviceFailure. */
export async function runStatus(request: Asked, system: System): Promise<number> {
  const reader = new StatusReader(request.rows ?? Number.POSITIVE_INFINITY);
  const read = (): readonly DeviceStatus[] =>
    request.device === null ? reader.all() : [reader.one(request.device, request.pin)];
  const paint = paintOf(wantsColor(request.manner.color, system, 1));
  const isDrawn = request.intervalSeconds !== null && !request.manner.json && system.isTerminal(1);
  // Interrupting is how watching ends: not a failure, and not in the middle of a line.
  const end = new AbortController();
  if (request.intervalSeconds !== null)
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => end.abort());
  let before: { readonly devices: readonly DeviceStatus[]; readonly atMs: number } | null = null;
  for (let number = 1; ; number++) {
    const now = { devices: read(), atMs: performance.now() };
    const rates: Rates | null = before === null ? null : ratesSince(before, now);
    const text = request.manner.json
      ? statusJson(now.devices, rates)
      : statusText(now.devices, rates, paint, request.device);
    const time = `${new Date().toISOString().slice(0, 19).replace("T", " ")}\n`;
    const framed =
      request.intervalSeconds === null || request.manner.json
        ? text
        : isDrawn
          ? `\x1b[H${(time + text).replaceAll("\n", "\x1b[K\n")}\x1b[J`
          : `${number === 1 ? "" : "\n"}${time}${text}`;
    if (isDrawn && number === 1) system.write(1, utf8("\x1b[2J"));
    // Nobody reads any more.
    if (!system.write(1, utf8(framed))) return EXIT.fine;
    if (request.intervalSeconds === null || number === request.count) return EXIT.fine;
    before = now;
    try {
      await sleep(request.intervalSeconds * 1000, undefined, { signal: end.signal });
    } catch {
      return EXIT.fine;
    }
  }
}
