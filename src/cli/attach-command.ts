// `xdpc attach FILE IFACE`: rules are compiled, objects read, and src/device does the rest; here is what is said of it.

import { existsSync } from "node:fs";
import { utf8 } from "../base/bytes.ts";
import { type AttachResult, attach } from "../device/attach.ts";
import { describeAttached } from "../device/devices.ts";
import { DeviceFailure } from "../device/failure.ts";
import { allDevices } from "../device/netlink.ts";
import { prepareObject, setVariables } from "../device/prepare.ts";
import type { RuleEntry } from "../device/rule-table.ts";
import { type Probe, ruleProbes } from "../testing/rule-path.ts";
import type { Compiled } from "../testing/session.ts";
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
  if (request.file !== "-" && !existsSync(request.file) && allDevices().some(({ name }) => name === request.file))
    throw new DeviceFailure("usage", `there is no file ${request.file}; ${request.file} is a network device`, [
      "the file comes first: xdpc attach FILE IFACE",
    ]);
  const loadable = objectOf(request, system, reporter);
  if (loadable === null) return EXIT.diagnostics;
  const prepared = prepareObject(request.file, loadable.bytes, request.program);
  const result = attach(prepared, {
    device: request.device,
    mode: request.mode,
    folder: request.pin,
    replace: request.replace,
    force: request.force,
    share: request.share,
    rules: loadable.rules(prepared.chosen.name),
    variables: setVariables(prepared, request.sets.map(setOf)),
  });
  const text = request.manner.json
    ? `${JSON.stringify(attachJson(result))}\n`
    : attachText(result, paintOf(wantsColor(request.manner.color, system, 1)));
  system.write(1, utf8(text));
  return EXIT.fine;
}

/** What is loaded: the object's bytes, and what it counts its rules with. */
interface Loadable {
  readonly bytes: Uint8Array;
  readonly rules: (program: string) => readonly RuleEntry[] | null;
}

/** The file's object, or what its rules make; null when they have faults, which are reported. */
function objectOf(request: Asked, system: System, reporter: Reporter): Loadable | null {
  const uncounted = (): null => null;
  if (isObjectFile(request.file)) {
    for (const [given, option] of [
      [request.importDirs.length > 0, "-I"],
      [request.defines.size > 0, "-D"],
      [request.warnings.length > 0, "-W"],
      [request.countRules, "--count-rules"],
    ] as const) {
      if (given) throw new CliFailure(`${option} means nothing for an object`);
    }
    return { bytes: readBinary(request.file, system), rules: uncounted };
  }
  const runnable = compileToRun(request.file, request, [], system, reporter);
  if (runnable === null) return null;
  if (!request.countRules) return { bytes: runnable.object, rules: uncounted };
  const probed = runnable.probed();
  if (probed === null) throw new CliFailure("with --count-rules the program becomes too big; attach it without");
  return { bytes: probed.object, rules: (program) => rulesOf(probed, program) };
}

/** Where each rule's counts are. A line's first statement speaks for it. */
function rulesOf({ model }: Compiled, program: string): readonly RuleEntry[] {
  const probes = model.probes.get(program);
  const rows = new Map<string, RuleEntry>();
  const offsets = (all: readonly Probe[]): readonly number[] =>
    all.map((at) => model.offsetOf("entered" in at ? at.entered : at.reached));
  for (const { span, depth, reached, held } of probes === undefined ? [] : ruleProbes(probes)) {
    const { line } = span.file.positionAt(span.start);
    const key = `${span.file.path}:${line}`;
    const text = span.file.lineText(line).trim();
    if (!rows.has(key))
      rows.set(key, {
        file: span.file.path,
        line,
        text,
        depth,
        reached: offsets(reached),
        held: held === null ? null : offsets(held),
      });
  }
  return [...rows.values()];
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
