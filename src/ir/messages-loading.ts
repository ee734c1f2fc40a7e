// What is said of an object's life outside the compiler: which programs one map takes, which devices receive what is sent to them.

import { type Diagnostic, noteAt } from "../base/diagnostic.ts";
import type { Span } from "../base/source.ts";
import { badMap } from "./messages.ts";

/** `span`: the first of the rules that send packets out of devices. */
export function vethPeer(span: Span): Diagnostic {
  return noteAt(span, "X0707", "a veth loses what is redirected to it unless its other end has an XDP program or GRO", {
    label: "may lead to a veth",
    notes: ["without a word, and only in the driver's path: with `xdpgeneric` packets arrive either way"],
    help: "at the other end: `ethtool -K DEVICE gro on`, or attach the program that `--companion FILE` writes",
  });
}

/** `span`: a program, or what goes on by a map of programs, that the kernel doesn't take beside the others. */
export function unlikePrograms(span: Span, map: string): Diagnostic {
  return badMap(
    span,
    `\`${map}\` holds programs of another kind: one that goes on by it differs in \`frags\`, \`devmap\` or \`cpumap\``,
    { help: "give programs of each kind a map of their own" },
  );
}
