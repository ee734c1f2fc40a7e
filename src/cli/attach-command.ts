// `xdpc attach FILE IFACE`: rules are compiled, objects read, and src/device does the rest; here is what is said of it.

import { utf8 } from "../base/bytes.ts";
import { type AttachResult, attach } from "../device/attach.ts";
import { describeAttached } from "../device/devices.ts";
import { prepareObject, setVariables } from "../device/prepare.ts";
import type { Manner } from "./command.ts";
import { compileToRun } from "./compile-for-run.ts";
import type { AttachRequest } from "./device-options.ts";
import { CliFailure, EXIT } from "./failure.ts";
import { input } from "./object-fill.ts";
import { isObjectFile } from "./object-input.ts";
import { readBinary } from "./read-binary.ts";
import type { Reporter } from "./report.ts";
import type { System } from "./system.ts";
import { wantsColor } from "./terminal.ts";
import { type Paint, paintOf } from "./test-output.ts";

type Asked = AttachRequest & { readonly manner: Manner };

/** Attaches and returns the exit code. Throws CliFailure, DeviceFailure. */
export function runAttach(request: Asked, system: System, reporter: Reporter): number {
  const bytes = objectOf(request, system, reporter);
  if (bytes === null) return EXIT.diagnostics;
  const prepared = prepareObject(request.file, bytes, request.program);
  const result = attach(prepared, {
    device: request.device,
    mode: request.mode,
    folder: request.pin,
    replace: request.replace,
    force: request.force,
    share: request.share,
    variables: setVariables(prepared, request.sets.map(setOf)),
  });
  const text = request.manner.json
    ? `${JSON.stringify(attachJson(result))}\n`
    : attachText(result, paintOf(wantsColor(request.manner.color, system, 1)));
  system.write(1, utf8(text));
  return EXIT.fine;
}

/** The object: the file's bytes, or what its rules make; null when they have faults, which are reported. */
function objectOf(request: Asked, system: System, reporter: Reporter): Uint8Array | null {
  if (isObjectFile(request.file)) {
    for (const [given, option] of [
      [request.importDirs.length > 0, "-I"],
      [request.defines.size > 0, "-D"],
      [request.warnings.length > 0, "-W"],
    ] as const) {
      if (given) throw new CliFailure(`${option} means nothing for an object`);
    }
    return readBinary(request.file, system);
  }
  return compileToRun(request.file, request, [], system, reporter)?.object ?? null;
}

function setOf(text: string): { readonly name: string; readonly value: ReturnType<typeof input> } {
  const match = /^\s*([A-Za-z_]\w*)\s*=(.+)$/s.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) throw new CliFailure(`--set takes NAME=VALUE, not "${text}"`);
  return { name: match[1], value: input(match[2]) };
}

function attachText(result: AttachResult, paint: Paint): string {
  const { device, mode, program, replaced, kept, renewed, dropped } = result;
  const lines = [
    `${paint.strong(`${device}: ${program.name}`)} attached (id ${program.id}, tag ${program.tag}, ${mode})`,
  ];
  if (result.fellBack !== null) lines.push(`  generic, since native isn't to be had: ${result.fellBack}`);
  if (replaced !== null) lines.push(`  it took the place of ${describeAttached(replaced)}`);
  if (kept.length > 0) lines.push(`  maps that kept their contents: ${kept.join(", ")}`);
  if (result.joined.length > 0) lines.push(`  maps that it shares: ${result.joined.join(", ")}`);
  for (const { name, why } of renewed) lines.push(`  map ${name} begins anew: ${why}`);
  if (dropped.length > 0) lines.push(`  maps that are gone with the previous program: ${dropped.join(", ")}`);
  for (const [name, { device: target, index }] of result.devices) lines.push(`  ${name} = ${index} (${target})`);
  lines.push(`  pinned below ${result.folder}`);
  for (const { name, attach: place, pin } of result.others) {
    const what = place === "device" ? "not attached" : `for entries of a ${place}, not attached`;
    lines.push(`  program ${name}, ${what}: ${pin}`);
  }
  for (const { name, path, isNew } of result.shared)
    lines.push(`  map ${name} is ${isNew ? "now pinned" : "the one that was pinned"} at ${path}`);
  lines.push(...result.notes.map((note) => `  ${note}`));
  return `${lines.join("\n")}\n`;
}

function attachJson(result: AttachResult): Readonly<Record<string, unknown>> {
  const { replaced, devices, ...rest } = result;
  return {
    type: "attach",
    ...rest,
    replaced:
      replaced === null
        ? null
        : { id: replaced.id, mode: replaced.mode, name: replaced.info?.name ?? null, tag: replaced.info?.tag ?? null },
    devices: Object.fromEntries([...devices].map(([name, { device, index }]) => [name, { device, index }])),
  };
}
