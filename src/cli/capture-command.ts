// `xdpc capture`: what `sample` statements send goes into a capture, packet by packet, until interrupted. A file is written beside and takes its
// name at the end, so that it is whole; standard output gets each packet at once.

import { closeSync, openSync, realpathSync, renameSync, statSync, unlinkSync, writeSync } from "node:fs";
import { utf8 } from "../base/bytes.ts";
import { ownHome } from "../device/devices.ts";
import { errnoText } from "../device/errno.ts";
import { DeviceFailure } from "../device/failure.ts";
import type { KernelMap } from "../device/kernel-map.ts";
import type { PinHome } from "../device/pins.ts";
import { needCapabilities } from "../device/privilege.ts";
import { readSamples, type Sample } from "../device/samples.ts";
import { CaptureWriter } from "../vm/pcap-write.ts";
import type { Manner } from "./command.ts";
import { describeSystemError, EXIT, systemErrorCode } from "./failure.ts";
import { interruption } from "./interruption.ts";
import type { CaptureRequest } from "./map-options.ts";
import type { Reporter } from "./report.ts";
import type { System } from "./system.ts";

/** How long one wait for packets lasts, during which signals aren't heard. */
const WAIT_MS = 50;
const BUFFERS: ReadonlySet<string> = new Set(["ringbuf", "perf_event_array"]);

/** Captures until there are enough packets, or SIGINT or SIGTERM comes. Throws DeviceFailure. */
export async function runCaptureLive(
  request: CaptureRequest & { readonly manner: Manner },
  system: System,
  reporter: Reporter,
): Promise<number> {
  const home = ownHome(request.device, request.pin);
  needCapabilities("read the buffer", ["CAP_BPF", "CAP_PERFMON"]);
  const { name, map } = bufferOf(home, request);
  const output = openOutput(request.file);
  const writer = new CaptureWriter();
  const startNs = monotonicStartNs();
  const most = request.count ?? Number.POSITIVE_INFINITY;
  let packets = 0;
  const stop = interruption();
  try {
    output.write(writer.begin());
    const reader = readSamples(map, (sample: Sample) => {
      if (packets >= most) return;
      packets += 1;
      output.write(
        writer.packet({ bytes: sample.bytes, timeNs: startNs + sample.timeNs, originalBytes: sample.length }),
      );
    });
    try {
      reporter.info("waiting", { map: name }, `xdpc: capturing from ${name} on ${request.device}; Ctrl-C ends it`);
      system.write(2, utf8(reporter.take()));
      while (!stop.asked && packets < most) {
        const result = reader.poll(WAIT_MS);
        if (result < 0 && result !== -4)
          throw new DeviceFailure("kernel", `the buffer ${name} can't be read: ${errnoText(result)}`);
        await new Promise((go) => setImmediate(go));
      }
      output.finish();
      tell(reporter, packets, reader.counts);
    } finally {
      reader.close();
    }
  } catch (error) {
    output.abandon();
    throw error;
  } finally {
    stop.end();
    map.close();
  }
  return EXIT.fine;
}

function tell(
  reporter: Reporter,
  packets: number,
  { strange, lost }: { readonly strange: number; readonly lost: number },
): void {
  const parts = [`${packets} packet${packets === 1 ? "" : "s"} captured`];
  if (lost > 0) parts.push(`${lost} lost: the buffer was full`);
  if (strange > 0) parts.push(`${strange} other record${strange === 1 ? "" : "s"} (of emit) left out`);
  reporter.info("captured", { packets, lost, strange }, `xdpc: ${parts.join(", ")}`);
}

/** The buffer that was asked for, or the only one. */
function bufferOf(
  home: PinHome,
  { buffer, device }: CaptureRequest,
): { readonly name: string; readonly map: KernelMap } {
  const found: { readonly name: string; readonly map: KernelMap }[] = [];
  for (const name of home.maps()) {
    const map = home.openMap(name);
    if (map === null) continue;
    if (BUFFERS.has(map.kind ?? "") && (buffer === null || buffer === name)) found.push({ name, map });
    else map.close();
  }
  const [only, second] = found;
  if (only !== undefined && second === undefined) return only;
  for (const { map } of found) map.close();
  if (only !== undefined)
    throw new DeviceFailure("ambiguous", `there are several buffers: ${found.map((f) => f.name).join(", ")}`, [
      `say which: xdpc capture ${device} ${only.name} -w FILE`,
    ]);
  throw new DeviceFailure(
    "no-map",
    buffer === null
      ? `the program on ${device} has no ringbuf or perf`
      : `the program on ${device} has no ringbuf or perf called ${buffer}`,
    ["declare one and fill it: `ringbuf packets[1M]` and `sample packets max 96`"],
  );
}

/** What to add to the kernel's monotonic time for nanoseconds since 1970. */
function monotonicStartNs(): bigint {
  // Node's clock is the monotonic one.
  return BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();
}

interface Output {
  readonly write: (bytes: Uint8Array) => void;
  readonly finish: () => void;
  readonly abandon: () => void;
}

function openOutput(file: string): Output {
  const nothing = (): void => undefined;
  if (file === "-") return { write: (bytes) => writeAll(1, bytes), finish: nothing, abandon: nothing };
  const unwritable = (error: unknown): DeviceFailure =>
    new DeviceFailure("no-file", `${file} can't be written: ${describeSystemError(error)}`);
  let place = file;
  let isSpecial = false;
  try {
    const stats = statSync(file, { throwIfNoEntry: false });
    isSpecial = stats !== undefined && !stats.isFile();
    // What a link leads to is meant, not the link.
    if (stats !== undefined && !isSpecial) place = realpathSync(file);
  } catch (error) {
    throw unwritable(error);
  }
  const beside = `${place}.${process.pid}.tmp`;
  let fd: number;
  try {
    fd = isSpecial ? openSync(file, "w") : openSync(beside, "wx", 0o600);
  } catch (error) {
    throw unwritable(error);
  }
  // A pipe or a device gets each packet at once, like standard output; it must stay what it is.
  if (isSpecial)
    return { write: (bytes) => writeAll(fd, bytes), finish: () => closeSync(fd), abandon: () => closeSync(fd) };
  return {
    write: (bytes) => writeAll(fd, bytes),
    finish: () => {
      closeSync(fd);
      renameSync(beside, place);
    },
    abandon: () => {
      try {
        closeSync(fd);
        unlinkSync(beside);
      } catch {
        // It is finished, or gone already.
      }
    },
  };
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      const code = systemErrorCode(error);
      if (code === "EAGAIN") continue;
      if (code === "EPIPE") throw new DeviceFailure("no-file", "nobody reads the capture any more");
      throw new DeviceFailure("no-file", `the capture can't be written: ${describeSystemError(error)}`);
    }
  }
}
