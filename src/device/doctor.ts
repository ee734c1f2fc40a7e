// The doctor: all checks over the facts of one device. A list and nothing else: facts come from doctor-gather.ts and the command line,
// what is said of the findings is the command line's.

import {
  checkDriver,
  checkGeneric,
  checkMerging,
  checkMtu,
  checkUp,
  checkVethQueues,
  checkVlan,
} from "./doctor-device-checks.ts";
import type { DoctorFacts, Finding, Severity } from "./doctor-facts.ts";
import {
  checkAttached,
  checkBpffs,
  checkJit,
  checkKernel,
  checkLockout,
  checkRedirect,
  checkSockets,
  checkTargets,
} from "./doctor-program-checks.ts";

const CHECKS: readonly ((facts: DoctorFacts) => readonly Finding[])[] = [
  checkLockout,
  checkKernel,
  checkBpffs,
  checkUp,
  checkVethQueues,
  checkMtu,
  checkVlan,
  checkTargets,
  checkRedirect,
  checkSockets,
  checkMerging,
  checkGeneric,
  checkAttached,
  checkJit,
  checkDriver,
];

const ORDER: readonly Severity[] = ["problem", "warning", "note"];

/** Everything that is to be said of a device, the worst first. */
export function examine(facts: DoctorFacts): readonly Finding[] {
  const found = CHECKS.flatMap((check) => check(facts));
  const unseen = facts.unseen.map(
    (message): Finding => ({ check: "unseen", severity: "note", message, why: "so it wasn't looked at", mend: [] }),
  );
  return ORDER.flatMap((severity) => [...found, ...unseen].filter((finding) => finding.severity === severity));
}
