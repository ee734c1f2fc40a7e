// The checker as the proof sees it: an image in, an opinion out. The one file of the proof that knows src/checker.

import type { ProgramImage } from "../../src/bpf/image.ts";
import { checkProgram } from "../../src/checker/check.ts";
import { possibleCpus } from "../support/bpf.ts";
import type { Opinion } from "./agreement.ts";

const cpus = possibleCpus();

/** What the checker says of an image; what it throws is an opinion too. */
export function judgeByChecker(image: ProgramImage): Opinion {
  const start = performance.now();
  try {
    const report = checkProgram(image, { possibleCpus: cpus });
    const milliseconds = performance.now() - start;
    const why =
      report.verdict === "accept"
        ? ""
        : report.verdict === "unknown"
          ? report.unknown.join("; ")
          : faultText(report.fault?.fault);
    return {
      verdict: report.verdict,
      why,
      slot: report.fault?.slot ?? null,
      processed: report.processed,
      milliseconds,
    };
  } catch (failure) {
    const text = failure instanceof Error ? (failure.stack ?? failure.message) : String(failure);
    const why = text.split("\n").slice(0, 4).join(" ");
    return { verdict: "crash", why, slot: null, processed: 0, milliseconds: performance.now() - start };
  }
}

/** A fault in few words: its kind and its plain members. */
function faultText(fault: object | undefined): string {
  if (fault === undefined) return "no fault given";
  return Object.entries(fault)
    .flatMap(([name, value]) => {
      if (typeof value === "object" && value !== null) return "kind" in value ? [`${name}=${String(value.kind)}`] : [];
      return name === "kind" ? [String(value)] : [`${name}=${String(value)}`];
    })
    .join(" ");
}
