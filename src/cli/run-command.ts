// `xdpc run FILE --pcap IN`: a program over a capture. Reads both, runs each packet in the machine, writes those that leave and tells what
// became of them. The running is src/testing's, the wording run-output.ts's.

import { closeSync, openSync, readSync, statSync } from "node:fs";
import { ByteWriter, utf8 } from "../base/bytes.ts";
import { linkObject } from "../elfwriter/link.ts";
import { readObject } from "../elfwriter/read.ts";
import { compile, memoryHost, SourceFile } from "../index.ts";
import { loadObject, ObjectError } from "../load-object.ts";
import {
  type CapturedFrame,
  CaptureFault,
  CaptureReader,
  captureHeader,
  ETHERNET,
  writeFrame,
} from "../testing/capture.ts";
import { readPacket } from "../testing/read-packet.ts";
import { leaves, Tally, type Watched, WatchedObject, WatchedRules } from "../testing/run-capture.ts";
import type { Compiled } from "../testing/session.ts";
import { fateText } from "../testing/show-packet.ts";
import { MachineFault } from "../vm/fault.ts";
import type { RunResult } from "../vm/machine.ts";
import type { Manner } from "./command.ts";
import { compileToRun } from "./compile-for-run.ts";
import { CliFailure, describeSystemError, EXIT } from "./failure.ts";
import { fillObject } from "./object-fill.ts";
import { isObjectFile } from "./object-input.ts";
import { Progress } from "./progress.ts";
import { readBinary } from "./read-binary.ts";
import type { Reporter } from "./report.ts";
import type { RunRequest } from "./run-options.ts";
import { type Explained, runJson, runText } from "./run-output.ts";
import { openStream, type StreamOutput } from "./stream-output.ts";
import type { System } from "./system.ts";
import { wantsColor } from "./terminal.ts";
import { paintOf } from "./test-output.ts";

type Headers = Compiled["model"]["headers"];

/** Bytes of a capture read at a time, and of one written. */
const PIECE_BYTES = 1 << 20;

/** Runs the program and returns the exit code. Throws CliFailure for faults of usage and of files. */
export function runCapture(
  request: RunRequest & { readonly manner: Manner },
  system: System,
  reporter: Reporter,
): number {
  if (request.file === "-" && request.pcap === "-")
    throw new CliFailure("rules and capture can't both be standard input");
  if (request.pcapOut === "-" && request.explain !== null)
    throw new CliFailure("--explain writes to standard output, where the capture of --pcap-out - goes");
  const opened = openProgram(request, system, reporter);
  if (opened === null) return EXIT.diagnostics;
  const { watched, headers } = opened;
  const start = performance.now();
  const tally = new Tally();
  const notes: string[] = [];
  let explained: Explained | null = null;
  let strange = 0;
  let fault: { readonly error: MachineFault; readonly number: number } | null = null;
  const out = request.pcapOut === null ? null : new CaptureOutput(openStream(request.pcapOut, system));
  const progress = new Progress(system, !request.manner.json);

  const take = (frame: CapturedFrame): boolean => {
    if (frame.linkType !== ETHERNET) {
      strange += 1;
      return true;
    }
    const meta = { timestampNs: frame.timestampNs, ingressIfindex: frame.interfaceId + 1 };
    const asked = frame.number === request.explain;
    const before = asked ? frame.bytes.slice() : frame.bytes;
    let result: RunResult;
    try {
      result = watched.send(frame.bytes, meta, asked);
    } catch (error) {
      if (!(error instanceof MachineFault)) throw error;
      fault = { error, number: frame.number };
      return false;
    }
    tally.add(frame, result);
    if (out !== null && leaves(result)) out.add(result.packet, frame.timestampNs);
    if (asked) explained = explanationOf(frame, before, result, watched, headers);
    return request.limit === null || frame.number < request.limit;
  };

  try {
    const end = readCapture(request.pcap, system, take, (part) =>
      progress.at(part, () => `${tally.packets.toLocaleString("en-US")} packets`),
    );
    if (end !== null) notes.push(`${request.pcap}: ${end}`);
    progress.end();
    if (fault === null) out?.finish();
  } finally {
    progress.end();
    out?.abandon();
  }
  if (fault !== null) {
    const { error, number } = fault as { error: MachineFault; number: number };
    reporter.info("fault", { packet: number, message: error.message }, `xdpc: packet ${number}: ${error.message}`);
    return EXIT.diagnostics;
  }
  if (strange > 0 && tally.packets === 0) throw new CliFailure(`${request.pcap} has no Ethernet frames`);
  if (strange > 0) notes.push(`${strange} packets that aren't Ethernet frames were left out`);
  if (tally.cut > 0) notes.push(`${tally.cut} packets were captured in part; they were run as if that were all`);
  if (request.explain !== null && explained === null)
    throw new CliFailure(`there is no packet ${request.explain}: ${tally.packets + strange} were read`);
  const report = {
    file: opened.path,
    program: watched.program,
    tally,
    rules: watched.rules(),
    explained,
    milliseconds: performance.now() - start,
    notes,
  };
  const text = request.manner.json
    ? runJson(report)
    : runText(report, paintOf(wantsColor(request.manner.color, system, textFd(request))));
  system.write(textFd(request), utf8(text));
  return EXIT.fine;
}

/** Where the report goes: standard output, unless the capture does. */
function textFd(request: RunRequest): 1 | 2 {
  return request.pcapOut === "-" ? 2 : 1;
}

function explanationOf(
  frame: CapturedFrame,
  before: Uint8Array,
  result: RunResult,
  watched: Watched,
  headers: Headers,
): Explained {
  const sent = {
    number: frame.number,
    before: readPacket(headers, before),
    after: readPacket(headers, result.packet),
    fate: fateText(result),
    path: null,
    wanted: [],
  };
  return { sent, way: watched.way(), timestampNs: frame.timestampNs };
}

// ----------------------------------------------------------------------------------------------------------- the program

interface OpenedProgram {
  readonly path: string;
  readonly watched: Watched;
  readonly headers: Headers;
}

/** The program to run, from rules or from an object; null when the rules have errors, which are reported. */
function openProgram(request: RunRequest, system: System, reporter: Reporter): OpenedProgram | null {
  if (isObjectFile(request.file)) return openObject(request, system);
  const runnable = compileToRun(request.file, request, request.maps, system, reporter);
  if (runnable === null) return null;
  const compiled = runnable.probed() ?? runnable.compiled;
  const names = compiled.images.map((i) => i.name);
  const watched = new WatchedRules(compiled, chosen(request, names, runnable.path));
  return { path: runnable.path, watched, headers: compiled.model.headers };
}

function openObject(request: RunRequest, system: System): OpenedProgram {
  for (const [given, option] of [
    [request.importDirs.length > 0, "-I"],
    [request.defines.size > 0, "-D"],
    [request.warnings.length > 0, "-W"],
  ] as const) {
    if (given) throw new CliFailure(`${option} means nothing for an object`);
  }
  const bytes = readBinary(request.file, system);
  let object: ReturnType<typeof loadObject>;
  try {
    object = loadObject(bytes);
  } catch (error) {
    if (error instanceof ObjectError) throw new CliFailure(`can't load ${request.file}: ${error.message}`);
    throw error;
  }
  for (const text of request.maps) fillObject(object, text);
  const read = readObject(bytes).object;
  const images = read === undefined ? [] : linkObject(read).images;
  const lines = new Map(images.map((image) => [image.name, image.lines]));
  const names = object.programs.map((p) => p.name);
  const watched = new WatchedObject(object.machine, chosen(request, names, request.file), lines);
  return { path: request.file, watched, headers: libraryHeaders() };
}

function chosen(request: RunRequest, names: readonly string[], file: string): string {
  const [first, second] = names;
  if (request.program === null) {
    if (first !== undefined && second === undefined) return first;
    throw new CliFailure(`${file} has ${names.length} programs (${names.join(", ")}); choose one with --program`);
  }
  if (names.includes(request.program)) return request.program;
  throw new CliFailure(`${file} has no program ${request.program}, but ${names.join(", ")}`);
}

/** The library's headers: to show packets of objects by. */
function libraryHeaders(): Headers {
  const options = {
    host: memoryHost(),
    cpu: "v3",
    kernel: null,
    optimise: 2,
    defines: new Map<string, string>(),
  } as const;
  return compile(new SourceFile("headers.xdp", "pass\n"), options).output?.model.headers ?? [];
}

// ----------------------------------------------------------------------------------------------------------- the captures

/** Reads a capture in pieces; gives what is to be said of its end, or null. `each` says whether to go on. */
function readCapture(
  place: string,
  system: System,
  each: (frame: CapturedFrame) => boolean,
  progress: (part: number | null) => void,
): string | null {
  const reader = new CaptureReader();
  const shown = place === "-" ? "standard input" : place;
  try {
    if (place === "-") {
      const bytes = system.readStdin(MOST_STDIN_BYTES);
      if (bytes.length > MOST_STDIN_BYTES) throw new CliFailure("standard input is over 1 GiB; name a file");
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
        if (!reader.push(bytes.subarray(at, at + PIECE_BYTES), each)) return null;
        progress(at / bytes.length);
      }
      return reader.end();
    }
    const stats = statSync(place);
    if (stats.isDirectory()) throw new CliFailure(`can't read ${place}: is a directory`);
    const fd = openSync(place, "r");
    try {
      let done = 0;
      for (;;) {
        const piece = new Uint8Array(PIECE_BYTES);
        const count = readSync(fd, piece, 0, piece.length, null);
        if (count === 0) return reader.end();
        if (!reader.push(piece.subarray(0, count), each)) return null;
        done += count;
        progress(stats.isFile() && stats.size > 0 ? done / stats.size : null);
      }
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof CaptureFault) throw new CliFailure(`${shown} ${error.message}`);
    if (error instanceof CliFailure || !(error instanceof Error) || !("code" in error)) throw error;
    throw new CliFailure(`can't read ${shown}: ${describeSystemError(error)}`);
  }
}

const MOST_STDIN_BYTES = 1 << 30;

/** The packets that leave, as a capture. */
class CaptureOutput {
  readonly #stream: StreamOutput;
  #writer = new ByteWriter("little", PIECE_BYTES);

  constructor(stream: StreamOutput) {
    this.#stream = stream;
    this.#writer.bytes(captureHeader());
  }

  add(bytes: Uint8Array, timestampNs: bigint): void {
    writeFrame(this.#writer, bytes, timestampNs);
    if (this.#writer.length >= PIECE_BYTES) this.#flush();
  }

  finish(): void {
    this.#flush();
    this.#stream.finish();
  }

  abandon(): void {
    this.#stream.abandon();
  }

  #flush(): void {
    this.#stream.write(this.#writer.finish());
    this.#writer = new ByteWriter("little", PIECE_BYTES);
  }
}
