// Damaged object files: one to five faults in a valid one, most of them where they hurt: in headers, counts, offsets, symbols,
// relocations, types. Finds sections by itself, so that it shares no mistake with the reader. The same `Random` gives the same file.

import type { Random } from "../support/random.ts";

const NASTY: readonly number[] = [
  0, 1, 2, 3, 4, 7, 8, 16, 24, 0x40, 0x7f, 0x80, 0xff, 0x100, 0xfff8, 0xffff, 0x10000, 0x100000, 0x7fffffff, 0x80000000,
  0xfffffff8, 0xffffffff,
];

interface Place {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

/** Where the sections of a valid file lie, and its section headers as one more. */
export function sectionsOf(bytes: Uint8Array): readonly Place[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = Number(view.getBigUint64(40, true));
  const count = view.getUint16(60, true);
  const header = (index: number) => start + index * 64;
  const names = Number(view.getBigUint64(header(view.getUint16(62, true)) + 24, true));
  const places: Place[] = [
    { name: "(header)", offset: 0, size: 64 },
    { name: "(sections)", offset: start, size: count * 64 },
  ];
  for (let i = 1; i < count; i++) {
    const at = header(i);
    const name = names + view.getUint32(at, true);
    const size = view.getUint32(at + 4, true) === 8 ? 0 : Number(view.getBigUint64(at + 32, true));
    const text = String.fromCharCode(...bytes.subarray(name, bytes.indexOf(0, name)));
    if (size > 0) places.push({ name: text, offset: Number(view.getBigUint64(at + 24, true)), size });
  }
  return places;
}

/** How often each part is hit, by the start of its name; the first that fits counts. */
const WEIGHTS: readonly (readonly [start: string, weight: number])[] = [
  ["(header)", 1],
  ["(sections)", 3],
  [".BTF.ext", 6],
  [".BTF", 8],
  [".symtab", 5],
  [".strtab", 1],
  [".rel.BTF", 1],
  [".rel", 6],
  [".debug", 0],
  [".llvm", 0],
  ["", 4],
];

/** A damaged copy of `original`, whose sections are `places`. */
export function damagedObject(random: Random, original: Uint8Array, places: readonly Place[]): Uint8Array {
  let bytes = original.slice();
  const weighted = places.map((place) => ({
    place,
    weight: WEIGHTS.find(([start]) => place.name.startsWith(start))?.[1] ?? 1,
  }));
  const total = weighted.reduce((sum, { weight }) => sum + weight, 0);
  const pick = (): Place => {
    let at = random.below(total);
    for (const { place, weight } of weighted) {
      at -= weight;
      if (at < 0) return place;
    }
    throw new Error("no section to damage");
  };
  for (let faults = 1 + random.below(5); faults > 0; faults--) {
    const place = pick();
    if (random.chance(2)) bytes = bytes.slice(0, random.below(bytes.length));
    else if (random.chance(6)) copy(random, bytes, pick(), place);
    else overwrite(random, bytes, place);
  }
  return bytes;
}

/** A number of one, two, four or eight bytes over what stands there: a nasty one, a neighbour of the old one, or any. */
function overwrite(random: Random, bytes: Uint8Array, { offset, size }: Place): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = random.pick([1, 2, 4, 4, 4, 8]);
  const at = offset + width * random.below(Math.max(1, Math.floor(size / width)));
  if (at + width > bytes.length) return;
  const old = width === 1 ? view.getUint8(at) : width === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
  const near = old + random.below(17) - 8;
  const value = random.chance(40) ? random.pick(NASTY) : random.chance(60) ? near : random.next();
  if (width === 1) view.setUint8(at, value);
  else if (width === 2) view.setUint16(at, value, true);
  else if (width === 4) view.setUint32(at, value, true);
  else view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)) << BigInt(random.pick([0, 0, 3, 20, 32])), true);
}

/** Up to 64 bytes of one section over another's: records that are valid somewhere else. */
function copy(random: Random, bytes: Uint8Array, from: Place, to: Place): void {
  const source = from.offset + 4 * random.below(Math.max(1, from.size >> 2));
  const target = to.offset + 4 * random.below(Math.max(1, to.size >> 2));
  const length = Math.min(4 * (1 + random.below(16)), bytes.length - source, bytes.length - target);
  if (length > 0) bytes.copyWithin(target, source, source + length);
}
