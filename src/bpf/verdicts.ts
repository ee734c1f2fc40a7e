// What an XDP program answers. The names are the kernel's; the language's own words for them are the parser's business.
// Source: Linux include/uapi/linux/bpf.h, enum xdp_action.

/** The numbers of the verdicts, as a program returns them in r0; any other number counts as XDP_ABORTED. */
export const verdicts = {
  XDP_ABORTED: 0,
  XDP_DROP: 1,
  XDP_PASS: 2,
  XDP_TX: 3,
  XDP_REDIRECT: 4,
} as const;

/** The name of a verdict. */
export type VerdictName = keyof typeof verdicts;

/** The verdict with this number, or null for a number that the kernel treats as an error (and as XDP_ABORTED). */
export function verdictByNumber(number: number): VerdictName | null {
  for (const [name, value] of Object.entries(verdicts)) if (value === number) return name as VerdictName;
  return null;
}
