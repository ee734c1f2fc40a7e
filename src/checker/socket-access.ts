// Reads of sockets that helpers found (struct bpf_sock): fields of 4 bytes, some also in part. Nothing in them may be written.
// Source: Linux include/uapi/linux/bpf.h (struct bpf_sock, bpf_xdp_sock); net/core/filter.c (bpf_sock_is_valid_access,
// bpf_sock_common_is_valid_access, bpf_xdp_sock_is_valid_access, 6.18).

/** Fields of struct bpf_sock that may be read in part, by the offset of each byte at which a part may begin. */
const wholeFieldStarts: ReadonlySet<number> = new Set([4, 8, 12, 44, 72, 76]);
const sockBytes = 80;
const portOffset = 48;

function narrowAllowed(offset: number): boolean {
  return wholeFieldStarts.has(offset) || (offset >= 24 && offset < 44) || (offset >= 52 && offset < 72);
}

/** True when a socket of kind `kind` may be read at `offset`, in bytes. */
export function socketReadable(kind: "socket" | "sockCommon" | "xdpSock", offset: number, bytes: number): boolean {
  const size = kind === "xdpSock" ? 4 : sockBytes;
  if (offset < 0 || offset >= size || offset % bytes !== 0) return false;
  if (kind === "xdpSock") return bytes === 4;
  // type, protocol, mark and priority are those of full sockets only.
  if (kind === "sockCommon" && offset >= 8 && offset < 24) return false;
  if (narrowAllowed(offset)) return bytes <= 4;
  if (offset === portOffset || offset === portOffset + 1) return bytes <= (bytes === 4 ? 4 : 2);
  if (offset === portOffset + 2 || offset === portOffset + 3) return false;
  return bytes === 4;
}
