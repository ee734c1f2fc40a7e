// A plain interpreter of the IR for tests: what a function means, told as directly as possible. It runs the text's rules, not
// BPF's registers, and stops with a Trap at whatever a right program never does (a byte outside the packet, a null base, an
// undefined value that decides something). It shares no code with the passes.

import type { BlockId, Edge, IrFunction, IrInsn, Terminator, ValueId } from "../../src/ir/ir.ts";

/** Thrown for what must never happen in a right program. */
export class Trap extends Error {
  override readonly name = "Trap";
}

/** A piece of memory; `written` is false for bytes nobody wrote yet (stack slots start like that). */
export interface Region {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly written: Uint8Array;
}

/** A pointer into a region. */
export interface Pointer {
  readonly region: Region;
  readonly offset: number;
}

/** A value that may not decide anything. */
export const UNDEFINED = Symbol("undefined value");

/** What a value can be: an integer (unsigned, in its type's width), a pointer, null, a map's name, the context, undefined. */
export type Value = bigint | Pointer | null | string | typeof UNDEFINED;

/** A map for the standard helpers. */
export interface TestMap {
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** Entries by key bytes in hex. */
  readonly entries: Map<string, Region>;
}

/** What a program runs in. `trace` grows with every call and every write to shared memory. */
export interface World {
  readonly packet: Region;
  readonly context: Readonly<Record<"ingress_ifindex" | "rx_queue_index" | "egress_ifindex", bigint>>;
  readonly maps: Readonly<Record<string, TestMap>>;
  readonly globals: Readonly<Record<string, Region>>;
  readonly trace: string[];
  /** Extra helpers by name; they come before the standard ones. */
  readonly helpers: Readonly<Record<string, (args: readonly Value[], world: World) => Value>>;
}

/** A region with these contents. */
export function region(name: string, bytes: Uint8Array | readonly number[]): Region {
  return { name, bytes: Uint8Array.from(bytes), written: new Uint8Array(bytes.length).fill(1) };
}

/** A world with this packet and otherwise empty, unless `parts` says more. */
export function worldOf(packet: Uint8Array | readonly number[], parts: Partial<World> = {}): World {
  return {
    packet: region("packet", packet),
    context: { ingress_ifindex: 2n, rx_queue_index: 3n, egress_ifindex: 0n },
    maps: {},
    globals: {},
    trace: [],
    helpers: {},
    ...parts,
  };
}

/** Runs the function and gives its result's low 32 bits; throws Trap. Effects are in `world`: packet, maps, globals, trace. */
export function interpret(fn: IrFunction, world: World, stepLimit = 100_000): number {
  const blocks = new Map(fn.blocks.map((b) => [b.id, b]));
  const env = new Map<ValueId, Value>();
  const slots = new Map(
    fn.slots.map((s) => [
      s.id,
      { name: `slot${s.id}`, bytes: new Uint8Array(s.bytes), written: new Uint8Array(s.bytes) } satisfies Region,
    ]),
  );
  const get = (v: ValueId): Value => {
    const value = env.get(v);
    if (value === undefined) throw new Trap(`v${v} is read before it is set`);
    return value;
  };
  let at: { block: BlockId; args: readonly Value[] } = { block: fn.blocks[0]?.id ?? 0, args: ["ctx"] };
  for (let steps = 0; steps < stepLimit; steps++) {
    const block = blocks.get(at.block);
    if (block === undefined) throw new Trap(`no block b${at.block}`);
    block.params.forEach((param, i) => {
      const arg = at.args[i];
      if (arg === undefined) throw new Trap(`no argument for v${param.id}`);
      env.set(param.id, arg);
    });
    for (const insn of block.insns) {
      const result = run(insn, get, world, slots);
      if ("id" in insn) env.set(insn.id, result);
    }
    if (block.term.op === "return") return Number(BigInt.asUintN(32, int(get(block.term.value))));
    const edge = choose(block.term, get, world);
    at = { block: edge.target, args: edge.args.map(get) };
  }
  throw new Trap("too many steps");
}

function int(value: Value): bigint {
  if (typeof value !== "bigint") throw new Trap(`an integer was needed, not ${String(value)}`);
  return value;
}

function pointer(value: Value): Pointer {
  if (typeof value !== "object" || value === null) throw new Trap(`a pointer was needed, not ${String(value)}`);
  return value;
}

function run(insn: IrInsn, get: (v: ValueId) => Value, world: World, slots: ReadonlyMap<number, Region>): Value {
  switch (insn.op) {
    case "const":
      return insn.value;
    case "undef":
      return UNDEFINED;
    case "binary": {
      const a = get(insn.a);
      const b = get(insn.b);
      if (a === UNDEFINED || b === UNDEFINED) return UNDEFINED;
      return arithmetic(insn.kind, insn.type === "i32" ? 32 : 64, int(a), int(b));
    }
    case "bswap": {
      const a = get(insn.a);
      return a === UNDEFINED ? a : swap(int(a), insn.bytes);
    }
    case "zext":
      return get(insn.a);
    case "trunc": {
      const a = get(insn.a);
      return a === UNDEFINED ? a : BigInt.asUintN(32, int(a));
    }
    case "ctxLoad":
      if (insn.field === "data") return { region: world.packet, offset: 0 };
      if (insn.field === "data_end") return { region: world.packet, offset: world.packet.bytes.length };
      if (insn.field === "data_meta") throw new Trap("data_meta");
      return world.context[insn.field];
    case "offset": {
      const base = get(insn.base);
      if (base === UNDEFINED) return base;
      return { region: pointer(base).region, offset: pointer(base).offset + insn.bytes };
    }
    case "view":
      return get(insn.base);
    case "index": {
      const base = get(insn.base);
      const index = get(insn.index);
      if (base === UNDEFINED || index === UNDEFINED) return UNDEFINED;
      return { region: pointer(base).region, offset: pointer(base).offset + Number(int(index)) };
    }
    case "distance": {
      const from = get(insn.from);
      const to = get(insn.to);
      if (from === UNDEFINED || to === UNDEFINED) return UNDEFINED;
      if (pointer(from).region !== pointer(to).region) throw new Trap("distance between two regions");
      return BigInt.asUintN(64, BigInt(pointer(to).offset - pointer(from).offset));
    }
    case "load": {
      const from = pointer(get(insn.base));
      return read(from.region, from.offset + insn.offset, insn.width);
    }
    case "store": {
      const to = pointer(get(insn.base));
      const value = get(insn.value);
      if (value === UNDEFINED && insn.space !== "stack") throw new Trap("an undefined value is stored");
      write(to.region, to.offset + insn.offset, insn.width, value);
      if (insn.space === "shared") {
        const low = BigInt.asUintN(8 * insn.width, int(value));
        world.trace.push(`store ${to.region.name}+${to.offset + insn.offset} ${insn.width} ${low}`);
      }
      return UNDEFINED;
    }
    case "atomicAdd": {
      const to = pointer(get(insn.base));
      const at = to.offset + insn.offset;
      const old = int(read(to.region, at, insn.width));
      write(to.region, at, insn.width, BigInt.asUintN(8 * insn.width, old + int(get(insn.value))));
      world.trace.push(`add ${to.region.name}+${at} ${insn.width} ${int(get(insn.value))}`);
      return UNDEFINED;
    }
    case "slot": {
      const slot = slots.get(insn.slot);
      if (slot === undefined) throw new Trap(`no slot${insn.slot}`);
      return { region: slot, offset: 0 };
    }
    case "map":
      return insn.map;
    case "global": {
      const section = world.globals[insn.section];
      if (section === undefined) throw new Trap(`no section ${insn.section}`);
      return { region: section, offset: insn.offsetBytes };
    }
    case "call": {
      const helper = world.helpers[insn.helper] ?? standardHelpers[insn.helper];
      if (helper === undefined) throw new Trap(`no helper ${insn.helper}`);
      return helper(insn.args.map(get), world);
    }
  }
}

function choose(term: Exclude<Terminator, { op: "return" }>, get: (v: ValueId) => Value, world: World): Edge {
  switch (term.op) {
    case "jump":
      return term.edge;
    case "branch": {
      const holds = compare(term.compare, term.type === "i32" ? 32 : 64, int(get(term.a)), int(get(term.b)));
      return holds ? term.then : term.else;
    }
    case "switch": {
      const value = int(get(term.value));
      return term.cases.find((c) => c.value === value)?.edge ?? term.default;
    }
    case "packetGuard": {
      const base = pointer(get(term.base));
      const end = pointer(get(term.end));
      if (base.region !== world.packet || end.offset !== world.packet.bytes.length)
        throw new Trap("guard of no packet");
      return base.offset + term.bytes <= end.offset ? term.ok : term.fail;
    }
    case "nullGuard": {
      const value = get(term.value);
      if (value === UNDEFINED) throw new Trap("an undefined value decides");
      return value !== null ? term.ok : term.fail;
    }
  }
}

function arithmetic(kind: string, bits: number, a: bigint, b: bigint): bigint {
  const wrap = (value: bigint): bigint => BigInt.asUintN(bits, value);
  const count = b & BigInt(bits - 1);
  switch (kind) {
    case "add":
      return wrap(a + b);
    case "sub":
      return wrap(a - b);
    case "mul":
      return wrap(a * b);
    case "div":
      return b === 0n ? 0n : a / b;
    case "mod":
      return b === 0n ? a : a % b;
    case "and":
      return a & b;
    case "or":
      return a | b;
    case "xor":
      return a ^ b;
    case "shl":
      return wrap(a << count);
    case "shr":
      return a >> count;
    default:
      throw new Trap(`operation ${kind}`);
  }
}

function compare(how: string, bits: number, a: bigint, b: bigint): boolean {
  const sa = BigInt.asIntN(bits, a);
  const sb = BigInt.asIntN(bits, b);
  const table: Record<string, boolean> = {
    eq: a === b,
    ne: a !== b,
    ult: a < b,
    ule: a <= b,
    ugt: a > b,
    uge: a >= b,
    slt: sa < sb,
    sle: sa <= sb,
    sgt: sa > sb,
    sge: sa >= sb,
    set: (a & b) !== 0n,
  };
  const result = table[how];
  if (result === undefined) throw new Trap(`comparison ${how}`);
  return result;
}

function swap(value: bigint, bytes: number): bigint {
  let result = 0n;
  for (let i = 0; i < bytes; i++) result |= ((value >> BigInt(8 * i)) & 0xffn) << BigInt(8 * (bytes - 1 - i));
  return result;
}

/** `width` bytes as a little-endian integer; undefined when one of them was never written; throws Trap outside the region. */
export function read(from: Region, offset: number, width: number): Value {
  if (offset < 0 || offset + width > from.bytes.length)
    throw new Trap(`read of ${from.name}+${offset}, ${width} bytes`);
  let value = 0n;
  for (let i = width - 1; i >= 0; i--) {
    if (from.written[offset + i] !== 1) return UNDEFINED;
    value = (value << 8n) | BigInt(from.bytes[offset + i] ?? 0);
  }
  return value;
}

/** Writes the low `width` bytes of `value`, little-endian; throws Trap outside the region. */
export function write(to: Region, offset: number, width: number, value: Value): void {
  if (offset < 0 || offset + width > to.bytes.length) throw new Trap(`write of ${to.name}+${offset}, ${width} bytes`);
  for (let i = 0; i < width; i++) {
    to.written[offset + i] = value === UNDEFINED ? 0 : 1;
    to.bytes[offset + i] = value === UNDEFINED ? 0 : Number((int(value) >> BigInt(8 * i)) & 0xffn);
  }
}

/** The bytes behind a pointer in hex; throws Trap when one was never written. */
export function hexAt(value: Value | undefined, bytes: number): string {
  if (value === undefined) throw new Trap("an argument is missing");
  const { region: from, offset } = pointer(value);
  let text = "";
  for (let i = 0; i < bytes; i++) {
    const byte = read(from, offset + i, 1);
    if (byte === UNDEFINED) throw new Trap(`${from.name}+${offset + i} was never written`);
    text += int(byte).toString(16).padStart(2, "0");
  }
  return text;
}

function mapOf(value: Value | undefined, world: World): { name: string; map: TestMap } {
  const map = typeof value === "string" ? world.maps[value] : undefined;
  if (typeof value !== "string" || map === undefined) throw new Trap(`no map ${String(value)}`);
  return { name: value, map };
}

const standardHelpers: Readonly<Record<string, (args: readonly Value[], world: World) => Value>> = {
  map_lookup_elem: ([handle, key], world) => {
    const { name, map } = mapOf(handle, world);
    const hex = hexAt(key, map.keyBytes);
    world.trace.push(`lookup ${name} ${hex}`);
    const found = map.entries.get(hex);
    return found === undefined ? null : { region: found, offset: 0 };
  },
  map_update_elem: ([handle, key, value], world) => {
    const { name, map } = mapOf(handle, world);
    const hex = hexAt(key, map.keyBytes);
    const contents = hexAt(value, map.valueBytes);
    world.trace.push(`update ${name} ${hex} ${contents}`);
    map.entries.set(hex, region(`${name}[${hex}]`, Uint8Array.from(Buffer.from(contents, "hex"))));
    return 0n;
  },
  map_delete_elem: ([handle, key], world) => {
    const { name, map } = mapOf(handle, world);
    const hex = hexAt(key, map.keyBytes);
    world.trace.push(`delete ${name} ${hex}`);
    return map.entries.delete(hex) ? 0n : BigInt.asUintN(64, -2n);
  },
  redirect_map: ([handle, key, flags], world) => {
    world.trace.push(`redirect_map ${String(handle)} ${String(key)} ${String(flags)}`);
    return 4n;
  },
  redirect: ([ifindex, flags], world) => {
    world.trace.push(`redirect ${String(ifindex)} ${String(flags)}`);
    return 4n;
  },
  get_smp_processor_id: () => 1n,
  ktime_get_ns: () => 1_000_000n,
  get_prandom_u32: () => 0x1234_5678n,
};
