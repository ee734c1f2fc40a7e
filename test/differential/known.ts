// Disagreements that are known and stay for now, by cause: what the table of docs/agreement.md lists below it. A test fails for a false
// accept that isn't here.

import { type Comparison, causeOf, type Relation } from "./agreement.ts";

/** A cause that is known. */
export interface KnownCause {
  readonly relation: Relation;
  /** Matches the cause: the kernel's reason for a false accept, ours for a false reject, the feature for an unknown. */
  readonly cause: RegExp;
  /** Why it is so, in a sentence. */
  readonly why: string;
}

/** The list. */
export const knownCauses: readonly KnownCause[] = [
  {
    relation: "unknown",
    cause: /reading the kernel's struct/,
    why: "Members of kernel structures (a socket made a tcp_sock, the current task) are known to the kernel's BTF only.",
  },
  {
    relation: "unknown",
    cause: /reading the kernel's own description of a map/,
    why: "Loads through a map's address read struct bpf_map, whose members are known to the kernel's BTF only.",
  },
  {
    relation: "unknown",
    cause: /the kernel function/,
    why: "Kernel functions other than those around dynptrs, number iterators and sections aren't modelled.",
  },
];

/** True for a disagreement that the list explains. */
export function isKnown(comparison: Comparison): boolean {
  const cause = causeOf(comparison);
  return knownCauses.some((known) => known.relation === comparison.relation && known.cause.test(cause));
}
