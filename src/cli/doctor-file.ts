// What `xdpc doctor` must know of the program that is to run on a device: from rules or from an object, and by running it in the built-in
// machine on the frames by which a machine is reached. Each frame meets the program as it is when it is loaded.

import type { ProgramImage } from "../bpf/image.ts";
import { mapKindByNumber } from "../bpf/maps.ts";
import type { FileFacts, ManagementFacts } from "../device/doctor-facts.ts";
import { prepareObject } from "../device/prepare.ts";
import { loadObject } from "../load-object.ts";
import { WatchedObject, WatchedRules, type Way } from "../testing/run-capture.ts";
import type { Compiled } from "../testing/session.ts";
import { fateText } from "../testing/show-packet.ts";
import { compileToRun } from "./compile-for-run.ts";
import type { ManagementFrame } from "./doctor-frames.ts";
import type { DoctorRequest } from "./doctor-options.ts";
import { CliFailure } from "./failure.ts";
import { fillObject } from "./object-fill.ts";
import { isObjectFile } from "./object-input.ts";
import { readBinary } from "./read-binary.ts";
import type { Reporter } from "./report.ts";
import type { System } from "./system.ts";

/** A program to be looked at. */
export interface OpenedFile {
  /** Names of devices in the rules. */
  readonly devices: readonly string[];
  /** The facts, once it is known which of the devices aren't here and which frames to try. */
  facts(missingDevices: readonly string[], frames: readonly ManagementFrame[], ingressIfindex: number): FileFacts;
}

/** Opens FILE; null when its rules have errors, which are reported. Throws CliFailure, DeviceFailure. */
export function openFile(
  request: DoctorRequest & { readonly file: string },
  system: System,
  reporter: Reporter,
): OpenedFile | null {
  return isObjectFile(request.file) ? openObject(request, system) : openRules(request, system, reporter);
}

type Asked = DoctorRequest & { readonly file: string };

function openRules(request: Asked, system: System, reporter: Reporter): OpenedFile | null {
  const runnable = compileToRun(request.file, request, request.maps, system, reporter);
  if (runnable === null) return null;
  const { chosen } = prepareObject(runnable.path, runnable.object, request.program);
  const compiled = runnable.probed() ?? runnable.compiled;
  const { devices } = compiled.model;
  const report = runnable.programs.find((one) => one.name === chosen.name);
  return {
    devices: devices.flatMap((global) => global.device ?? []),
    facts: (missingDevices, frames, ingressIfindex) => ({
      ...imageFacts(request.file, chosen),
      minimumKernel: report?.minimumKernel ?? null,
      reasons: report?.reasons ?? [],
      missingDevices,
      management: frames.map((frame) => {
        const watched = new WatchedRules(compiled, chosen.name);
        const result = watched.send(frame.bytes, { timestampNs: 1_000_000_000n, ingressIfindex }, true);
        return managementOf(frame, fateText(result), watched.way());
      }),
      insertAt: placeOf(compiled, chosen.name),
    }),
  };
}

function openObject(request: Asked, system: System): OpenedFile {
  for (const [given, option] of [
    [request.importDirs.length > 0, "-I"],
    [request.defines.size > 0, "-D"],
    [request.warnings.length > 0, "-W"],
  ] as const) {
    if (given) throw new CliFailure(`${option} means nothing for an object`);
  }
  const bytes = readBinary(request.file, system);
  const { chosen, images } = prepareObject(request.file, bytes, request.program);
  const lines = new Map(images.map((image) => [image.name, image.lines]));
  return {
    devices: [],
    facts: (missingDevices, frames, ingressIfindex) => ({
      ...imageFacts(request.file, chosen),
      minimumKernel: null,
      reasons: [],
      missingDevices,
      management: frames.map((frame) => {
        const object = loadObject(bytes);
        for (const text of request.maps) fillObject(object, text);
        const watched = new WatchedObject(object.machine, chosen.name, lines);
        const result = watched.send(frame.bytes, { timestampNs: 1_000_000_000n, ingressIfindex }, true);
        return managementOf(frame, fateText(result), watched.way());
      }),
      insertAt: null,
    }),
  };
}

type ImageFacts = Pick<FileFacts, "path" | "program" | "frags" | "readsVlan" | "socketMaps">;

function imageFacts(path: string, image: ProgramImage): ImageFacts {
  return {
    path,
    program: image.name,
    frags: image.frags,
    // Each line that has instructions stands in the object; behind # are words.
    readsVlan: image.lines.some(({ text }) => /(?<![\w.])vlan\b/.test(text.replace(/#.*/, ""))),
    socketMaps: image.maps.flatMap(({ name, type, maxEntries }) =>
      mapKindByNumber(type) === "xskmap" ? [{ name, entries: maxEntries }] : [],
    ),
  };
}

function managementOf({ what, frame, family, mend }: ManagementFrame, fate: string, way: Way | null): ManagementFacts {
  return { what, frame, family, mend, fate, passed: fate === "pass", rule: ruleOf(way) };
}

/** What ended a packet's way: the last statement, unless that decided nothing. */
function ruleOf(way: Way | null): ManagementFacts["rule"] {
  if (way?.kind === "lines") {
    const last = way.lines.at(-1);
    return last === undefined ? null : { file: last.file, line: last.line, text: last.text.trim() };
  }
  const last = way?.steps.at(-1);
  if (last === undefined || !ENDS.has(last.kind)) return null;
  const { line } = last.span.file.positionAt(last.span.start);
  return { file: last.span.file.path, line, text: last.span.file.lineText(line).trim() };
}

/** The statements that can end a program. */
const ENDS: ReadonlySet<string> = new Set([
  "verdict",
  "redirect",
  "redirectDevice",
  "flood",
  "tail",
  "mapUpdate",
  "put",
  "emit",
  "sample",
  "push",
  "pop",
  "encap",
  "decap",
]);

/** The place before the program's first statement; null where that isn't in a file of the user's. */
function placeOf({ model }: Compiled, program: string): FileFacts["insertAt"] {
  const first = model.probes.get(program)?.statements[0];
  if (first === undefined || first.span.file.path.startsWith("<")) return null;
  const { line, column } = first.span.file.positionAt(first.span.start);
  return { file: first.span.file.path, line, column: column - 1 };
}
