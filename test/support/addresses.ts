// Addresses as tests write them and as numbers: MAC and IPv4 addresses fit a JavaScript number, IPv6 addresses are bigints.
// Used by the packet builder and by expectations; shares nothing with the compiler's own literals.

/** "aa:bb:cc:dd:ee:ff" as a 48-bit number. */
export function mac(text: string): number {
  return text.split(":").reduce((value, part) => value * 256 + Number.parseInt(part, 16), 0);
}

/** "10.0.0.1" as a 32-bit number, the first octet highest. */
export function ip4(text: string): number {
  return text.split(".").reduce((value, part) => value * 256 + Number(part), 0);
}

/** "2001:db8::1" as a 128-bit number, the first group highest (no embedded IPv4 form). */
export function ip6(text: string): bigint {
  const [head = "", tail] = text.split("::");
  const groups = (part: string): bigint[] => (part === "" ? [] : part.split(":").map((group) => BigInt(`0x${group}`)));
  const high = groups(head);
  const low = tail === undefined ? [] : groups(tail);
  const middle = Array.from({ length: 8 - high.length - low.length }, () => 0n);
  return [...high, ...middle, ...low].reduce((value, group) => (value << 16n) | group, 0n);
}

/** True when the first `bits` bits of a 32-bit address equal those of `prefix`. */
export function inPrefix4(address: number, prefix: string): boolean {
  const [network = "", bits = "32"] = prefix.split("/");
  const unit = 2 ** (32 - Number(bits));
  return Math.floor(address / unit) === Math.floor(ip4(network) / unit);
}

/** True when the first `bits` bits of a 128-bit address equal those of `prefix`. */
export function inPrefix6(address: bigint, prefix: string): boolean {
  const [network = "", bits = "128"] = prefix.split("/");
  const shift = BigInt(128 - Number(bits));
  return address >> shift === ip6(network) >> shift;
}

/** `value` in `size` bytes, most significant first. */
export function bigEndian(value: number | bigint, size: number): Uint8Array {
  const out = new Uint8Array(size);
  let rest = BigInt(value);
  for (let index = size - 1; index >= 0; index--) {
    out[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return out;
}

/** `value` in `size` bytes, least significant first: how the host keeps integers in map keys and values. */
export function littleEndian(value: number | bigint, size: number): Uint8Array {
  return bigEndian(value, size).reverse();
}

/** Bytes as lower-case hexadecimal digits. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** Hexadecimal digits (blanks allowed) as bytes. */
export function unhex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replace(/\s+/g, ""), "hex"));
}

/** Several pieces as one. */
export function concat(...pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}
