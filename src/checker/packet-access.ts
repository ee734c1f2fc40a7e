// Accesses to packet data and metadata: inside the bytes that a comparison with the end has shown to be there. Any alignment
// will do. Knows nothing of how ranges come to be (that is the branches' work).
// Source: Linux kernel/bpf/verifier.c (check_packet_access, 6.18).

import { outOfBounds } from "./memory-regions.ts";
import type { PointerValue } from "./state.ts";

/**
 * Refuses an access of `bytes` bytes at `off` (with the pointer's fixed offset in it) that isn't surely inside the packet.
 * `zeroAllowed`: an access of 0 bytes is one.
 */
export function checkPacketAccess(
  register: number,
  pointer: PointerValue,
  off: number,
  bytes: number,
  zeroAllowed: boolean,
): void {
  // The range counts from behind the variable part, so only that this part isn't negative matters here.
  const { range, varOff } = pointer;
  if (varOff.smin < 0n) outOfBounds(register, pointer, null, off, bytes, range);
  if (range < 0 || off < 0 || !(bytes > 0 || zeroAllowed) || off + bytes > range)
    outOfBounds(register, pointer, off, off, bytes, range);
}
