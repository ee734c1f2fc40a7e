// How the text of a source line goes into an object: without what would end it early, and no longer than the kernel can print.
// Used where line info is written and where it is passed on without being written. Knows no format.

import { utf8 } from "../base/bytes.ts";

/**
 * The most bytes of a source line that line info keeps. The kernel's verifier formats its messages in a buffer of 1024 bytes
 * (BPF_VERIFIER_TMP_LOG_SIZE) and some releases warn in the system log when one doesn't fit.
 */
const maxLineTextBytes = 900;

/** The start of `text`, long enough to make its line text from: thousands of instructions can come from one endless line. */
export function lineStart(text: string): string {
  return text.length > maxLineTextBytes ? text.slice(0, maxLineTextBytes + 1) : text;
}

/** `text` as it stands in line info: of at most 900 bytes of UTF-8 and an ellipsis, zeros shown as `␀`. */
export function lineText(text: string): string {
  const whole = lineStart(text).replaceAll("\0", "\u2400");
  const bytes = utf8(whole);
  if (bytes.length <= maxLineTextBytes) return whole;
  return `${new TextDecoder().decode(bytes.subarray(0, maxLineTextBytes), { stream: true })}…`;
}
