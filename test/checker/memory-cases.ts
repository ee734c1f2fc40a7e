// Programs that access memory, made systematically: each kind of pointer with each kind of access at each class of offset. The
// pointer is in r7, the context in r6; what must be given back at the end is in r9.

/** How a program gets a kind of pointer into r7. */
export interface PointerCase {
  readonly name: string;
  /** Ends with the pointer in r7; may go to `out`, which gives 0 back. */
  readonly setup: string;
  /** Offsets at and around the limits of what may be accessed there. */
  readonly offsets: readonly number[];
  /** What gives back what the set-up took. */
  readonly release?: string;
}

/** A lookup of key 0 in a map: the pointer, or null, is in r0. */
export function lookup(map: string, keyBytes = 4): string {
  const zeros = [];
  for (let at = 0; at < keyBytes; at += 4) zeros.push(`*(u32 *)(r10 - ${256 + keyBytes - at}) = 0`);
  return `${zeros.join("\n")}
    r1 = map[${map}] ll
    r2 = r10
    r2 += -${256 + keyBytes}
    call bpf_map_lookup_elem`;
}

/** As `lookup`, with a key that isn't known and the value, not null, in r7. */
function found(map: string): string {
  return `call bpf_get_prandom_u32
    *(u64 *)(r10 - 280) = r0
    *(u64 *)(r10 - 272) = 0
    r1 = map[${map}] ll
    r2 = r10
    r2 += -280
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r7 = r0`;
}

/** Packet pointers: data in r7, 16 bytes checked, the end in r8. */
const packet = `r7 = *(u32 *)(r6 + 0)
    r8 = *(u32 *)(r6 + 4)
    r1 = r7
    r1 += 16
    if r1 > r8 goto out`;

/** A number from 0 to `most` in r1. */
const random = (most: number): string => `call bpf_get_prandom_u32
    r1 = r0
    r1 &= ${most}`;

const around = (limit: number): readonly number[] => [-1, 0, 1, 4, limit - 8, limit - 4, limit - 1, limit];
const discard = `r1 = r9
    r2 = 0
    call bpf_ringbuf_discard`;
const record = `r1 = map[ring] ll
    r2 = 16
    r3 = 0
    call bpf_ringbuf_reserve
    if r0 == 0 goto out
    r9 = r0`;
const socketLookup = (helper: string): string => `*(u64 *)(r10 - 264) = 0
    *(u32 *)(r10 - 256) = 0
    r1 = r6
    r2 = r10
    r2 += -264
    r3 = 12
    r4 = 0
    r5 = 0
    call ${helper}
    if r0 == 0 goto out
    r9 = r0
    r7 = r0`;
const releaseSocket = `r1 = r9
    call bpf_sk_release`;

/** The kinds of pointer. */
export const pointerCases: readonly PointerCase[] = [
  { name: "number", setup: "r7 = 64", offsets: [0] },
  { name: "null", setup: "r7 = 0", offsets: [0, 8] },
  { name: "unset", setup: "r1 = 0", offsets: [0] },
  { name: "stack", setup: "r7 = r10", offsets: [-520, -516, -512, -509, -16, -12, -9, -8, -6, -4, -2, -1, 0, 4] },
  { name: "stack+const", setup: "r7 = r10\nr7 += -16", offsets: [-500, -496, 0, 4, 8, 12, 15, 16] },
  {
    name: "stack+variable",
    setup: `${random(8)}\nr7 = r10\nr7 += -32\nr7 += r1`,
    offsets: [-488, -480, 0, 8, 16, 20, 23, 24, 32],
  },
  { name: "stack+4s", setup: `${random(4)}\nr7 = r10\nr7 += -32\nr7 += r1`, offsets: [0, 4, 24, 28] },
  { name: "stack-variable", setup: `${random(16)}\nr7 = r10\nr7 += -32\nr7 -= r1`, offsets: [-464, -472, 0, 8, 24] },
  {
    name: "stack+unbounded",
    setup: "call bpf_get_prandom_u32\nr7 = r10\nr7 += -32\nr7 += r0",
    offsets: [0],
  },
  { name: "packet", setup: packet, offsets: around(16) },
  { name: "packet+const", setup: `${packet}\nr7 += 4`, offsets: [-8, -5, -4, -1, 0, 8, 9, 11, 12] },
  { name: "packet unchecked", setup: "r7 = *(u32 *)(r6 + 0)", offsets: [0] },
  {
    name: "packet+variable",
    setup: `${packet}\nr1 = *(u8 *)(r7 + 0)\nr7 += r1\nr1 = r7\nr1 += 8\nif r1 > r8 goto out`,
    offsets: [-1, 0, 4, 7, 8],
  },
  {
    name: "packet+variable unchecked",
    setup: `${packet}\nr1 = *(u8 *)(r7 + 0)\nr7 += r1`,
    offsets: [0],
  },
  {
    name: "packet+wide",
    setup: `${packet}\nr1 = *(u16 *)(r7 + 0)\nr7 += r1\nr1 = r7\nr1 += 8\nif r1 > r8 goto out`,
    offsets: [0],
  },
  {
    name: "packet-variable",
    setup: `${packet}\nr1 = *(u8 *)(r7 + 0)\nr7 -= r1\nr1 = r7\nr1 += 8\nif r1 > r8 goto out`,
    offsets: [0],
  },
  { name: "packet at end", setup: `${packet}\nif r7 >= r8 goto +1\ngoto out`, offsets: [0] },
  { name: "packet end", setup: "r7 = *(u32 *)(r6 + 4)", offsets: [-8, 0] },
  {
    name: "meta",
    setup: "r7 = *(u32 *)(r6 + 8)\nr8 = *(u32 *)(r6 + 0)\nr1 = r7\nr1 += 8\nif r1 > r8 goto out",
    offsets: [-1, 0, 4, 7, 8],
  },
  { name: "meta unchecked", setup: "r7 = *(u32 *)(r6 + 8)", offsets: [0] },
  { name: "context", setup: "r7 = r6", offsets: [-4, 0, 1, 2, 4, 8, 12, 16, 20, 24, 32] },
  { name: "context+4", setup: "r7 = r6\nr7 += 4", offsets: [-4, 0, 8] },
  { name: "context+variable", setup: `${random(4)}\nr7 = r6\nr7 += r1`, offsets: [12] },
  { name: "value", setup: found("hash"), offsets: around(8) },
  { name: "value or null", setup: `${found("hash").replace("if r0 == 0 goto out", "")}`, offsets: [0] },
  { name: "array value", setup: found("array"), offsets: around(64) },
  { name: "array value by constant key", setup: `${lookup("array")}\nr7 = r0`, offsets: [0, 56, 57] },
  { name: "per-CPU value", setup: found("percpu"), offsets: [0, 8, 9] },
  { name: "value+const", setup: `${found("array")}\nr7 += 8`, offsets: [-9, -8, 0, 48, 49] },
  {
    name: "value+variable",
    setup: `${found("array")}\nr9 = r7\n${random(31)}\nr7 = r9\nr7 += r1`,
    offsets: [-1, 0, 25, 29, 32, 33],
  },
  {
    name: "value-variable",
    setup: `${found("array")}\nr9 = r7\n${random(31)}\nr7 = r9\nr7 += 31\nr7 -= r1`,
    offsets: [-1, 0, 25, 29, 32, 33],
  },
  {
    name: "value+unbounded",
    setup: `${found("array")}\nr9 = r7\ncall bpf_get_prandom_u32\nr7 = r9\nr7 += r0`,
    offsets: [0],
  },
  {
    name: "value+signed",
    setup: `${found("array")}\nr9 = r7\ncall bpf_get_prandom_u32\nif r0 s> 16 goto out\nr7 = r9\nr7 += r0`,
    offsets: [0],
  },
  { name: "locked value", setup: found("locked"), offsets: [0, 3, 4, 5, 7, 8, 12] },
  {
    name: "locked value+variable",
    setup: `${found("locked")}\nr9 = r7\n${random(3)}\nr7 = r9\nr7 += r1`,
    offsets: [0, 5, 8, 9],
  },
  { name: "timer's value", setup: found("timers"), offsets: [0, 1, 8, 16, 20, 24] },
  { name: "read-only value", setup: found("readonly"), offsets: [0] },
  { name: "write-only value", setup: found("writeonly"), offsets: [0] },
  { name: "frozen value of many", setup: found("frozen4"), offsets: [0] },
  { name: "devmap value", setup: found("dev"), offsets: [0, 4, 8] },
  { name: "xsk socket", setup: found("xsk"), offsets: [-4, 0, 4] },
  { name: "inner map", setup: found("outer"), offsets: [-8] },
  { name: "data", setup: "r7 = .data[0] ll", offsets: around(64) },
  { name: "data+8", setup: "r7 = .data[8] ll", offsets: [-9, -8, 48, 49] },
  { name: "constants", setup: "r7 = .ro[0] ll", offsets: [0, 1, 4, 24, 25] },
  { name: "constants+4", setup: "r7 = .ro[4] ll", offsets: [-4, 0, 28] },
  { name: "constants+variable", setup: `${random(7)}\nr7 = .ro[0] ll\nr7 += r1`, offsets: [0, 17, 18] },
  { name: "map", setup: "r7 = map[hash] ll", offsets: [-8] },
  { name: "record", setup: `${record}\nr7 = r9`, offsets: around(16), release: discard },
  { name: "record+const", setup: `${record}\nr7 = r9\nr7 += 8`, offsets: [-9, -8, 0, 8], release: discard },
  {
    name: "record or null",
    setup: record.replace("if r0 == 0 goto out\n", "").replace("r9 = r0", "r9 = r0\nr7 = r0"),
    offsets: [0],
  },
  {
    name: "socket",
    setup: socketLookup("bpf_sk_lookup_tcp"),
    offsets: [-4, 0, 4, 5, 8, 16, 24, 26, 28, 44, 48, 49, 50, 52, 56, 72, 76, 80],
    release: releaseSocket,
  },
  {
    name: "common socket",
    setup: socketLookup("bpf_skc_lookup_tcp"),
    offsets: [0, 4, 8, 16, 20, 24, 44, 48, 50, 72, 76],
    release: releaseSocket,
  },
];

/** An access through r7 at OFF. */
export interface AccessCase {
  readonly name: string;
  readonly text: string;
}

const sizes = [8, 16, 32, 64];

/** The kinds of access; OFF stands for ` + 4` and the like. */
export const accessCases: readonly AccessCase[] = [
  ...sizes.map((bits) => ({ name: `load ${bits}`, text: `r0 = *(u${bits} *)(r7OFF)` })),
  ...sizes.slice(0, 3).map((bits) => ({ name: `signed load ${bits}`, text: `r0 = *(s${bits} *)(r7OFF)` })),
  ...sizes.map((bits) => ({ name: `store ${bits}`, text: `r0 = 7\n*(u${bits} *)(r7OFF) = r0` })),
  ...sizes.map((bits) => ({ name: `store constant ${bits}`, text: `*(u${bits} *)(r7OFF) = 5` })),
  { name: "store pointer", text: "*(u64 *)(r7OFF) = r6" },
  { name: "store narrow pointer", text: "*(u32 *)(r7OFF) = r6" },
  { name: "store stack pointer", text: "*(u64 *)(r7OFF) = r10" },
  ...[32, 64].flatMap((bits) => [
    { name: `add ${bits}`, text: `r1 = 1\nlock *(u${bits} *)(r7OFF) += r1` },
    { name: `fetch or ${bits}`, text: `r1 = 1\nr1 = atomic_fetch_or((u${bits} *)(r7OFF), r1)` },
    { name: `load-acquire ${bits}`, text: `r1 = load_acquire((u${bits} *)(r7OFF))` },
    { name: `store-release ${bits}`, text: `r1 = 1\nstore_release((u${bits} *)(r7OFF), r1)` },
  ]),
  { name: "exchange", text: "r1 = 1\nr1 = xchg_64(r7OFF, r1)" },
  { name: "exchange pointer", text: "r1 = r6\nr1 = xchg_64(r7OFF, r1)" },
  { name: "compare-exchange", text: "r0 = 1\nr1 = 2\nr0 = cmpxchg_64(r7OFF, r0, r1)" },
  { name: "exchange into base", text: "r7 = xchg_64(r7OFF, r7)" },
  { name: "add base to itself", text: "lock *(u64 *)(r7OFF) += r7" },
  { name: "load-acquire into base", text: "r7 = load_acquire((u32 *)(r7OFF))" },
  { name: "load into r10", text: "r10 = *(u64 *)(r7OFF)" },
];

/** The whole program. */
export function accessProgram(pointer: PointerCase, access: AccessCase, offset: number): string {
  const place = offset < 0 ? ` - ${-offset}` : offset > 0 ? ` + ${offset}` : "";
  return `r6 = r1
    ${pointer.setup}
    ${access.text.replaceAll("OFF", place)}
    ${pointer.release ?? ""}
    out: r0 = 0
    exit`.replace(/^\s+/gm, "");
}
