// Longest-prefix matching: keys are a prefix length in bits (u32, host order) and that many leading bits; a lookup finds the
// longest entry that the key begins with, among those not longer than the key's own length. A hash table for each length
// in use, asked from the longest: no trie, the same answers. Bits beyond an entry's length are kept as given but don't tell entries apart.
// Source: Linux kernel/bpf/lpm_trie.c.

import type { ImageMap } from "../../bpf/image.ts";
import { errno } from "../errno.ts";
import type { Region } from "../memory.ts";
import { KeyTable } from "./key-table.ts";
import type { MapHost } from "./map.ts";
import { indexOfKey, MachineMap, updateFlags } from "./map.ts";

interface Entry {
  /** As it was last given, bits beyond its length included. */
  readonly key: Uint8Array;
  readonly value: Region;
}

const lengthBytes = 4;

/** A map of kind `lpm_trie`. */
export class LpmTrieMap extends MachineMap {
  readonly #mostBits: number;
  /** By prefix length in bits; tables are never empty. */
  readonly #tables = new Map<number, KeyTable<Entry>>();
  /** The lengths in use, longest first. */
  #lengths: number[] = [];
  #size = 0;
  /** The entries in the order of `userNextKey`; null when it must be made anew. */
  #ordered: readonly Entry[] | null = null;

  constructor(image: ImageMap, host: MapHost) {
    super(image, "lpm_trie", host);
    this.#mostBits = (image.keyBytes - lengthBytes) * 8;
  }

  override lookup(key: Uint8Array): Region | null {
    const bits = indexOfKey(key);
    if (bits > this.#mostBits) return null;
    for (const length of this.#lengths) {
      if (length > bits) continue;
      const found = this.#tables.get(length)?.get(prefixOf(key, length));
      if (found !== undefined) return found.value;
    }
    return null;
  }

  override update(key: Uint8Array, value: Uint8Array, flags: number): number {
    if (flags > updateFlags.exist) return -errno.EINVAL;
    const bits = indexOfKey(key);
    if (bits > this.#mostBits) return -errno.EINVAL;
    const prefix = prefixOf(key, bits);
    const old = this.#tables.get(bits)?.get(prefix);
    if (old !== undefined && flags === updateFlags.noExist) return -errno.EEXIST;
    if (old === undefined && flags === updateFlags.exist) return -errno.ENOENT;
    if (old === undefined && this.#size >= this.image.maxEntries) return -errno.ENOSPC;
    const memory = this.newValue();
    memory.bytes.set(value.subarray(0, memory.bytes.length));
    this.#table(bits).set(prefix, { key: new Uint8Array(key), value: memory });
    if (old === undefined) this.#size += 1;
    this.#ordered = null;
    return 0;
  }

  #table(bits: number): KeyTable<Entry> {
    let table = this.#tables.get(bits);
    if (table === undefined) {
      table = new KeyTable();
      this.#tables.set(bits, table);
      this.#lengths = [...this.#tables.keys()].sort((a, b) => b - a);
    }
    return table;
  }

  override delete(key: Uint8Array): number {
    const bits = indexOfKey(key);
    if (bits > this.#mostBits) return -errno.EINVAL;
    const table = this.#tables.get(bits);
    if (table === undefined || !table.delete(prefixOf(key, bits))) return -errno.ENOENT;
    if (table.size === 0) {
      this.#tables.delete(bits);
      this.#lengths = this.#lengths.filter((length) => length !== bits);
    }
    this.#size -= 1;
    this.#ordered = null;
    return 0;
  }

  /** More specific entries come before those that hold them, otherwise in rising order of their bits. */
  #inOrder(): readonly Entry[] {
    this.#ordered ??= [...this.#tables.values()]
      .flatMap((table) => [...table.entries()].map(([, entry]) => entry))
      .sort((a, b) => comparePostorder(a.key, b.key));
    return this.#ordered;
  }

  override userNextKey(key: Uint8Array | null): Uint8Array | number {
    const ordered = this.#inOrder();
    const index = key === null || indexOfKey(key) > this.#mostBits ? -1 : find(ordered, key);
    return ordered[index + 1]?.key.slice() ?? -errno.ENOENT;
  }

  *keys(): Iterable<Uint8Array> {
    for (const { key } of this.#inOrder()) yield key.slice();
  }

  get size(): number {
    return this.#size;
  }

  reset(): void {
    this.#tables.clear();
    this.#lengths = [];
    this.#size = 0;
    this.#ordered = null;
  }
}

/** The leading `bits` of a key's data in whole bytes, the rest of the last byte zero. */
function prefixOf(key: Uint8Array, bits: number): Uint8Array {
  const prefix = new Uint8Array(key.subarray(lengthBytes, lengthBytes + Math.ceil(bits / 8)));
  const rest = bits % 8;
  if (rest !== 0) prefix[prefix.length - 1]! &= 0xff << (8 - rest);
  return prefix;
}

/** Below 0 when the entry of key `a` comes before that of `b` in a walk that visits children first. */
function comparePostorder(a: Uint8Array, b: Uint8Array): number {
  const aBits = indexOfKey(a);
  const bBits = indexOfKey(b);
  const common = Math.min(aBits, bBits);
  for (let bit = 0; bit < common; bit += 8) {
    const mask = common - bit >= 8 ? 0xff : 0xff << (8 - (common - bit));
    const at = lengthBytes + bit / 8;
    const difference = (a[at]! & mask) - (b[at]! & mask);
    if (difference !== 0) return difference;
  }
  return bBits - aBits;
}

/** The index of the entry with a key's prefix in an ordered list; -1 when there is none. */
function find(ordered: readonly Entry[], key: Uint8Array): number {
  let low = 0;
  let high = ordered.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (comparePostorder(ordered[middle]!.key, key) < 0) low = middle + 1;
    else high = middle;
  }
  const found = ordered[low];
  return found !== undefined && comparePostorder(found.key, key) === 0 ? low : -1;
}
