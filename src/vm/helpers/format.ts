// The kernel's formatted text for programs (trace_printk, snprintf): the same formats allowed, the same ones refused, the same text.
// But for pointers: %p and %pK print the address (the kernel a hash of it), and no address has a symbol. Knows no helpers.
// Source: Linux kernel/bpf/helpers.c, bpf_bprintf_prepare; lib/vsprintf.c, bstr_printf.

import { errno } from "../errno.ts";
import type { Memory } from "../memory.ts";
import { originLo } from "../memory.ts";

/** Text as made, cut to what the caller has room for, and the length of the whole. */
export interface Formatted {
  readonly bytes: Uint8Array;
  /** In bytes, without a terminating zero; may be more than `bytes` has. */
  readonly length: number;
}

/** What the kernel holds arguments in, in bytes: strings longer than what is left are cut. */
const argumentBytes = 512;

interface Spec {
  readonly left: boolean;
  readonly plus: boolean;
  readonly space: boolean;
  readonly zero: boolean;
  readonly width: number;
}

/**
 * Formats with 64-bit arguments; `format` ends at its first zero byte. Strings and addresses are read through `memory`. `roomBytes`
 * limits the text and its terminating zero, which isn't part of the result. A negative error number when the kernel refuses: no end, a character or conversion it doesn't know, too few arguments.
 */
export function formatText(
  format: Uint8Array,
  args: readonly bigint[],
  memory: Memory,
  roomBytes: number,
): Formatted | number {
  const end = format.indexOf(0);
  if (end === -1) return -errno.EINVAL;
  const out = new Text(roomBytes);
  const formatter = new Formatter(format.subarray(0, end), args, memory, out);
  const result = formatter.run();
  return result === 0 ? out : result;
}

/** Bytes up to a limit; what goes beyond is counted. */
class Text implements Formatted {
  readonly #bytes: Uint8Array;
  readonly #roomBytes: number;
  length = 0;

  constructor(roomBytes: number) {
    this.#roomBytes = roomBytes;
    this.#bytes = new Uint8Array(Math.max(0, roomBytes - 1));
  }

  /** Text that the kernel has ready beforehand: it doesn't even count it once there is no room left. */
  ready(bytes: Iterable<number>): void {
    if (this.length < this.#roomBytes) for (const byte of bytes) this.put(byte);
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, Math.min(this.length, this.#bytes.length));
  }

  put(byte: number): void {
    if (this.length < this.#bytes.length) this.#bytes[this.length] = byte;
    this.length += 1;
  }

  repeat(byte: number, count: number): void {
    if (count <= 0) return;
    this.#bytes.fill(
      byte,
      Math.min(this.length, this.#bytes.length),
      Math.min(this.length + count, this.#bytes.length),
    );
    this.length += count;
  }

  text(ascii: string): void {
    for (let i = 0; i < ascii.length; i++) this.put(ascii.charCodeAt(i));
  }
}

const UTF8 = new TextEncoder();
const char = (text: string): number => text.charCodeAt(0);
// Characters as lib/ctype.c has them: Latin-1.
const isSpace = (c: number): boolean => (c >= 9 && c <= 13) || c === 32 || c === 0xa0;
const isPrint = (c: number): boolean => (c >= 32 && c < 127) || c >= 0xa0;
const isDigit = (c: number): boolean => c >= 48 && c <= 57;
const isLatinLetter = (c: number): boolean => c >= 0xc0 && c !== 0xd7 && c !== 0xf7;
const isAlnum = (c: number): boolean => isDigit(c) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || isLatinLetter(c);
const isPunct = (c: number): boolean => isPrint(c) && !isAlnum(c) && !isSpace(c);
/** FIELD_WIDTH_MAX of lib/vsprintf.c. */
const mostWidth = (1 << 23) - 1;

class Formatter {
  readonly #format: Uint8Array;
  readonly #args: readonly bigint[];
  readonly #memory: Memory;
  readonly #out: Text;
  #at = 0;
  #used = 0;
  #argumentBytes = 0;

  constructor(format: Uint8Array, args: readonly bigint[], memory: Memory, out: Text) {
    this.#format = format;
    this.#args = args;
    this.#memory = memory;
    this.#out = out;
  }

  #peek(ahead = 0): number {
    return this.#format[this.#at + ahead] ?? 0;
  }

  /** 0 or a negative error number. */
  run(): number {
    for (; this.#at < this.#format.length; this.#at++) {
      const c = this.#peek();
      if (c < 128 && !isPrint(c) && !isSpace(c)) return -errno.EINVAL;
      if (c !== char("%")) {
        this.#out.put(c);
        continue;
      }
      if (this.#peek(1) === char("%")) {
        this.#at += 1;
        this.#out.put(c);
        continue;
      }
      if (this.#used >= this.#args.length) return -errno.EINVAL;
      this.#at += 1;
      const result = this.#conversion(this.#spec());
      if (result !== 0) return result;
    }
    return 0;
  }

  #spec(): Spec {
    const flags = new Set<number>();
    while ("0+- ".includes(String.fromCharCode(this.#peek())) && this.#peek() !== 0) {
      flags.add(this.#peek());
      this.#at += 1;
    }
    let width = 0;
    while (isDigit(this.#peek())) {
      width = Math.min(width * 10 + this.#peek() - 48, mostWidth);
      this.#at += 1;
    }
    const left = flags.has(char("-"));
    return {
      left,
      plus: flags.has(char("+")),
      space: flags.has(char(" ")),
      zero: flags.has(char("0")) && !left,
      width,
    };
  }

  #conversion(spec: Spec): number {
    const argument = this.#args[this.#used] ?? 0n;
    this.#used += 1;
    switch (this.#peek()) {
      case char("p"):
        return this.#pointer(spec, argument);
      case char("s"):
        return this.#string(spec, argument);
      case char("c"):
        if (!this.#keep(1)) return -errno.ENOSPC;
        this.#padded(spec, [Number(argument & 0xffn)]);
        return 0;
      default:
        return this.#number(spec, argument);
    }
  }

  /** Counts an argument's bytes; false when there is no room for it. */
  #keep(bytes: number): boolean {
    if (bytes > 1) this.#argumentBytes = Math.ceil(this.#argumentBytes / 4) * 4;
    if (this.#argumentBytes + bytes > argumentBytes) return false;
    this.#argumentBytes += bytes;
    return true;
  }

  #number(spec: Spec, argument: bigint): number {
    let longs = 0;
    while (longs < 2 && this.#peek() === char("l")) {
      longs += 1;
      this.#at += 1;
    }
    const bits = longs === 0 ? 32 : 64;
    const letter = String.fromCharCode(this.#peek());
    if (!"idxuX".includes(letter) || this.#peek() === 0) return -errno.EINVAL;
    if (!this.#keep(bits / 8)) return -errno.ENOSPC;
    const isSigned = letter === "d" || letter === "i";
    const value = isSigned ? BigInt.asIntN(bits, argument) : BigInt.asUintN(bits, argument);
    const magnitude = value < 0n ? -value : value;
    const lower = magnitude.toString(letter === "x" || letter === "X" ? 16 : 10);
    const sign = !isSigned ? "" : value < 0n ? "-" : spec.plus ? "+" : spec.space ? " " : "";
    this.#digits(spec, sign, letter === "X" ? lower.toUpperCase() : lower);
    return 0;
  }

  #digits(spec: Spec, sign: string, digits: string): void {
    const padding = spec.width - sign.length - digits.length;
    if (!spec.left && !spec.zero) this.#out.repeat(32, padding);
    this.#out.text(sign);
    if (spec.zero) this.#out.repeat(48, padding);
    this.#out.text(digits);
    if (spec.left) this.#out.repeat(32, padding);
  }

  #padded(spec: Spec, bytes: Iterable<number> & { readonly length: number }): void {
    if (!spec.left) this.#out.repeat(32, spec.width - bytes.length);
    for (const byte of bytes) this.#out.put(byte);
    if (spec.left) this.#out.repeat(32, spec.width - bytes.length);
  }

  /** A string; `spec` is null where the kernel has the text ready beforehand and pads nothing. */
  #string(spec: Spec | null, address: bigint): number {
    const next = this.#peek(1);
    if (next !== 0 && !isSpace(next) && !isPunct(next)) return -errno.EINVAL;
    const room = argumentBytes - this.#argumentBytes;
    if (room === 0) return -errno.ENOSPC;
    const text = readString(this.#memory, address, room - 1);
    this.#argumentBytes += (text?.length ?? 0) + 1;
    if (spec !== null) this.#padded(spec, text ?? []);
    else this.#out.ready(text ?? []);
    return 0;
  }

  /** `%p` and its family; letters behind are swallowed as the kernel does. */
  #pointer(spec: Spec, argument: bigint): number {
    const next = this.#peek(1);
    if (next === 0 || isSpace(next) || isPunct(next)) return this.#address(spec, argument);
    const kind = String.fromCharCode(next);
    if ((kind === "k" || kind === "u") && this.#peek(2) === char("s")) {
      this.#at += 2;
      // Nothing is user memory here: such strings are empty.
      return this.#string(null, kind === "k" ? argument : 0n);
    }
    if ("KxsS".includes(kind)) {
      this.#at += 1;
      const result = kind === "K" || kind === "x" ? this.#address(spec, argument) : this.#symbol(spec, argument);
      this.#swallow();
      return result;
    }
    if (kind === "B") {
      this.#at += 1;
      this.#out.ready(UTF8.encode(`0x${argument.toString(16)}`));
      this.#swallow();
      return 0;
    }
    const family = this.#peek(2);
    if ((kind !== "i" && kind !== "I") || (family !== char("4") && family !== char("6"))) return -errno.EINVAL;
    this.#at += 2;
    const length = family === char("4") ? 4 : 16;
    if (argumentBytes - this.#argumentBytes < length) return -errno.ENOSPC;
    const text = ipText(readBytes(this.#memory, argument, length), kind === "I");
    this.#argumentBytes += text.length + 1;
    this.#out.ready(UTF8.encode(text));
    this.#swallow();
    return 0;
  }

  #address(spec: Spec, argument: bigint): number {
    if (!this.#keep(8)) return -errno.ENOSPC;
    const plain = spec.width === 0 ? { ...spec, width: 16, zero: !spec.left } : spec;
    this.#digits(plain, "", argument.toString(16));
    return 0;
  }

  #symbol(spec: Spec, argument: bigint): number {
    if (!this.#keep(8)) return -errno.ENOSPC;
    this.#padded(spec, UTF8.encode(`0x${argument.toString(16)}`));
    return 0;
  }

  #swallow(): void {
    while (isAlnum(this.#peek(1))) this.#at += 1;
  }
}

function ipText(bytes: Uint8Array, punctuated: boolean): string {
  const pairs = (count: number): string[] =>
    Array.from({ length: bytes.length / count }, (_, i) =>
      [...bytes.subarray(i * count, (i + 1) * count)].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
    );
  if (bytes.length === 16) return pairs(2).join(punctuated ? ":" : "");
  return [...bytes].map((byte) => (punctuated ? `${byte}` : `${byte}`.padStart(3, "0"))).join(".");
}

/** The bytes at an address; zeros when they can't all be read. */
function readBytes(memory: Memory, address: bigint, length: number): Uint8Array {
  const found = bytesFrom(memory, address, length);
  return found !== null && found.length === length ? found : new Uint8Array(length);
}

/** The string at an address, up to its zero, its region's end or `mostBytes`; null when nothing can be read there. */
export function readString(memory: Memory, address: bigint, mostBytes: number): Uint8Array | null {
  const found = bytesFrom(memory, address, mostBytes);
  if (found === null) return null;
  const end = found.indexOf(0);
  return end === -1 ? found : found.subarray(0, end);
}

/** Up to `mostBytes` readable bytes at an address; null when it isn't one. */
export function bytesFrom(memory: Memory, address: bigint, mostBytes: number): Uint8Array | null {
  const region = memory.regionAt(Number(BigInt.asIntN(32, address >> 32n)));
  const index = Number(BigInt.asUintN(32, address)) - originLo;
  const end = region.start + region.readBytes;
  if (index < region.start || index >= end) return null;
  return region.bytes.subarray(index, Math.min(end, index + mostBytes));
}
