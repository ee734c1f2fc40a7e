// Bloom filters: values are pushed; a peek asks whether a value may have been. As in the kernel values are hashed with Jenkins'
// lookup3 into as many bits as the kernel would take; its seed is random unless BPF_F_ZERO_SEED, ours is always 0, so false
// positives are the same for maps with that flag and as frequent for others.
// Source: Linux kernel/bpf/bloom_filter.c; include/linux/jhash.h; Bob Jenkins, lookup3.c (public domain).

import type { ImageMap } from "../../bpf/image.ts";
import { errno } from "../errno.ts";
import type { MapHost } from "./map.ts";
import { MachineMap } from "./map.ts";

/** What the kernel takes when a map doesn't say how many hash functions it wants. */
const defaultHashes = 5;
const mostBits = 2 ** 31;

/** A map of kind `bloom_filter`. */
export class BloomFilterMap extends MachineMap {
  readonly #hashes: number;
  /** The number of bits less 1: the number is a power of two. */
  readonly #mask: number;
  /** Pages of the bit string, made when first set. */
  readonly #pages = new Map<number, Uint8Array>();

  constructor(image: ImageMap, host: MapHost, hashes = defaultHashes) {
    super(image, "bloom_filter", host);
    this.#hashes = hashes === 0 ? defaultHashes : hashes;
    this.#mask = bitsOf(image.maxEntries, this.#hashes) - 1;
  }

  override push(value: Uint8Array, flags: number): number {
    if (flags !== 0) return -errno.EINVAL;
    for (let i = 0; i < this.#hashes; i++) {
      const bit = this.#bitOf(value, i);
      const page = bit >>> 15;
      let bytes = this.#pages.get(page);
      if (bytes === undefined) {
        bytes = new Uint8Array(1 << 12);
        this.#pages.set(page, bytes);
      }
      bytes[(bit >>> 3) & 0xfff]! |= 1 << (bit & 7);
    }
    return 0;
  }

  override peek(value: Uint8Array): number {
    for (let i = 0; i < this.#hashes; i++) {
      const bit = this.#bitOf(value, i);
      const byte = this.#pages.get(bit >>> 15)?.[(bit >>> 3) & 0xfff] ?? 0;
      if ((byte & (1 << (bit & 7))) === 0) return -errno.ENOENT;
    }
    return 0;
  }

  #bitOf(value: Uint8Array, index: number): number {
    return (jhash(value.subarray(0, this.image.valueBytes), index) & this.#mask) >>> 0;
  }

  override delete(): number {
    return -errno.EOPNOTSUPP;
  }

  /** User space asks whether a value may be in the filter by the value itself; there is nothing to give back but the answer. */
  override userLookup(key: Uint8Array): Uint8Array | number {
    const result = this.peek(key);
    return result === 0 ? new Uint8Array(key) : result;
  }

  override userUpdate(_key: Uint8Array, value: Uint8Array, flags: number): number {
    return this.push(value, flags);
  }

  override userNextKey(): Uint8Array | number {
    return -errno.EOPNOTSUPP;
  }

  keys(): Iterable<Uint8Array> {
    return [];
  }

  /** Unknown to the filter itself: always 0. */
  get size(): number {
    return 0;
  }

  reset(): void {
    this.#pages.clear();
  }
}

function bitsOf(maxEntries: number, hashes: number): number {
  const product = maxEntries * hashes;
  const bits = Math.floor(product / 5) * 7;
  if (product > 0xffffffff || bits > mostBits) return 2 ** 32;
  let rounded = 64;
  while (rounded < bits) rounded *= 2;
  return rounded;
}

/**
 * Jenkins' lookup3 over bytes as little-endian words, with the kernel's start value: 32 bits, signed. For lengths of whole words
 * it is also the kernel's jhash2.
 */
export function jhash(bytes: Uint8Array, seed: number): number {
  let length = bytes.length;
  let a = (0xdeadbeef + length + seed) | 0;
  let b = a;
  let c = a;
  let at = 0;
  const word = (offset: number): number =>
    (bytes[offset] ?? 0) |
    ((bytes[offset + 1] ?? 0) << 8) |
    ((bytes[offset + 2] ?? 0) << 16) |
    ((bytes[offset + 3] ?? 0) << 24);
  while (length > 12) {
    a = (a + word(at)) | 0;
    b = (b + word(at + 4)) | 0;
    c = (c + word(at + 8)) | 0;
    a = ((a - c) ^ rotate(c, 4)) | 0;
    c = (c + b) | 0;
    b = ((b - a) ^ rotate(a, 6)) | 0;
    a = (a + c) | 0;
    c = ((c - b) ^ rotate(b, 8)) | 0;
    b = (b + a) | 0;
    a = ((a - c) ^ rotate(c, 16)) | 0;
    c = (c + b) | 0;
    b = ((b - a) ^ rotate(a, 19)) | 0;
    a = (a + c) | 0;
    c = ((c - b) ^ rotate(b, 4)) | 0;
    b = (b + a) | 0;
    length -= 12;
    at += 12;
  }
  if (length === 0) return c;
  // Bytes beyond the end count as zero: the last words need no case for each length.
  a = (a + word(at)) | 0;
  b = (b + word(at + 4)) | 0;
  c = (c + word(at + 8)) | 0;
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  return ((c ^ b) - rotate(b, 24)) | 0;
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
