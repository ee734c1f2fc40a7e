// Explanations of X09xx: language that is defined but not built yet. Each is refused rather than ignored.

import { type Explanation, errorEntry } from "./explanation.ts";

const LATER = "It is part of the language and not built yet; it is refused so that no rule is silently ignored.";

/** X09xx. */
export const unsupportedExplanations: readonly Explanation[] = [
  errorEntry(
    "X0916",
    "no-wide-arithmetic",
    "arithmetic on IPv6 addresses is not supported yet",
    `IPv6 addresses can be compared, looked up and copied. ${LATER}`,
    "if ip6 then { let next = ip6.saddr + 1 if next == 2001:db8::2 then drop }\n",
    "if ip6.saddr == 2001:db8::1 then drop\n",
  ),
];
