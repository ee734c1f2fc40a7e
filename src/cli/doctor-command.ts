// `xdpc doctor IFACE [FILE]`: looks at a device and at the program that is to run on it, and says what is wrong with the commands that mend it.
// What is wrong is src/device/doctor.ts's; here is who is asked and how it is said.

import { utf8 } from "../base/bytes.ts";
import { findDevice } from "../device/devices.ts";
import { examine } from "../device/doctor.ts";
import type { DoctorFacts, Finding, Severity } from "../device/doctor-facts.ts";
import { gatherFacts } from "../device/doctor-gather.ts";
import { allDevices } from "../device/netlink.ts";
import { XDP_FEATURE } from "../device/xdp-features.ts";
import type { Manner } from "./command.ts";
import { openFile } from "./doctor-file.ts";
import { managementFrames } from "./doctor-frames.ts";
import type { DoctorRequest } from "./doctor-options.ts";
import { EXIT } from "./failure.ts";
import type { Reporter } from "./report.ts";
import type { System } from "./system.ts";
import { wantsColor } from "./terminal.ts";
import { type Paint, paintOf } from "./test-output.ts";

const SSH_PORT = 22;

/** Examines and returns the exit code: 1 for problems and warnings. Throws CliFailure, DeviceFailure. */
export function runDoctor(
  request: DoctorRequest & { readonly manner: Manner },
  system: System,
  reporter: Reporter,
): number {
  const facts = factsOf(request, system, reporter);
  if (facts === null) return EXIT.diagnostics;
  const findings = examine(facts);
  const text = request.manner.json
    ? doctorJson(facts, findings)
    : doctorText(facts, findings, paintOf(wantsColor(request.manner.color, system, 1)));
  system.write(1, utf8(text));
  return findings.some((one) => one.severity !== "note") ? EXIT.diagnostics : EXIT.fine;
}

/** Everything that is known; null when the rules have errors, which are reported. */
function factsOf(request: DoctorRequest, system: System, reporter: Reporter): DoctorFacts | null {
  const { device, file } = request;
  // A wrong name is told before a long compilation.
  const { index } = findDevice(device);
  const opened = file === null ? null : openFile({ ...request, file }, system, reporter);
  if (file !== null && opened === null) return null;
  const named = opened?.devices ?? [];
  const { facts, mac, addresses } = gatherFacts(device, named, request.pin);
  if (opened === null) return facts;
  const here = new Set(allDevices().map((one) => one.name));
  const ports = request.ports.length > 0 ? request.ports : [sshPort(system.env.SSH_CONNECTION ?? "")];
  const frames = managementFrames(mac, addresses, ports);
  const missing = named.filter((name) => !here.has(name));
  return { ...facts, file: opened.facts(missing, frames, index) };
}

/** The port by which somebody is here: the fourth word of SSH_CONNECTION. **Source:** ssh(1). */
function sshPort(connection: string): number {
  const port = Number(/^\S+ \d+ \S+ (\d+)$/.exec(connection)?.[1] ?? SSH_PORT);
  return port >= 1 && port <= 65535 ? port : SSH_PORT;
}

// ------------------------------------------------------------------------------------------------------------- what is said

const FEATURE_WORDS: readonly (readonly [bit: number, word: string])[] = [
  [XDP_FEATURE.redirect, "redirect"],
  [XDP_FEATURE.target, "target of redirects"],
  [XDP_FEATURE.frags, "frags"],
  [XDP_FEATURE.zeroCopy, "AF_XDP without copying"],
  [XDP_FEATURE.offload, "in hardware"],
];

function doctorText(facts: DoctorFacts, findings: readonly Finding[], paint: Paint): string {
  const { device, file, release } = facts;
  const what = device.kind ?? device.driver ?? "no driver";
  const queues = `${device.rxQueues} ${device.rxQueues === 1 ? "queue" : "queues"}`;
  const lines = [`${paint.strong(device.name)}: ${what}, MTU ${device.mtu}, ${queues}, Linux ${release}`];
  const features = device.features;
  if (features !== null && (features & XDP_FEATURE.basic) !== 0) {
    const words = FEATURE_WORDS.filter(([bit]) => (features & bit) !== 0).map(([, word]) => word);
    lines.push(`  native XDP: ${["pass, drop, tx", ...words].join(", ")}`);
  }
  if (file !== null) lines.push(`  program ${file.program} of ${file.path}${file.frags ? ", frags" : ""}`);
  for (const { severity, message, why, mend } of findings) {
    const mark =
      severity === "problem" ? paint.bad(severity) : severity === "warning" ? paint.strong(severity) : severity;
    lines.push("", `${mark}: ${message}`, `  ${why}`, ...mend.map((command) => `  ${paint.good("$")} ${command}`));
  }
  lines.push("", summary(findings, paint));
  return `${lines.join("\n")}\n`;
}

function summary(findings: readonly Finding[], paint: Paint): string {
  const count = (severity: Severity): number => findings.filter((one) => one.severity === severity).length;
  const words = (["problem", "warning", "note"] as const).flatMap((severity) => {
    const number = count(severity);
    return number === 0 ? [] : [`${number} ${severity}${number === 1 ? "" : "s"}`];
  });
  const told = words.length === 0 ? "" : ` (${words.join(", ")})`;
  return count("problem") + count("warning") === 0 ? paint.good(`nothing to mend${told}`) : words.join(", ");
}

function doctorJson(facts: DoctorFacts, findings: readonly Finding[]): string {
  const rows = [
    { type: "facts", ...facts },
    ...findings.map((finding) => ({ type: "finding", ...finding })),
    { type: "doctor", device: facts.device.name, content: findings.every((one) => one.severity === "note") },
  ];
  return `${rows.map((row) => JSON.stringify(row)).join("\n")}\n`;
}
