// Whether a map in the kernel is what an object declares: the same kind, sizes and flags, and keys and values of the same types, so that its
// entries still mean what they meant. Says what differs, for people.

import { mapKindByNumber } from "../bpf/maps.ts";
import type { DecodedBtf, DecodedType } from "../elfwriter/btf-decode.ts";
import { ringBytes } from "../elfwriter/link-maps.ts";
import type { ObjectFile } from "../elfwriter/object-file.ts";
import type { KernelMap } from "./kernel-map.ts";
import type { ObjectMapHandle } from "./libbpf.ts";

/** BPF_F_RDONLY_PROG, which the kernel puts on device maps by itself. */
const READ_ONLY_PROGRAM = 1 << 7;
const PERF_EVENT_ARRAY = 4;
const RINGBUF = 27;
const DEVICE_MAPS = new Set([14, 25]);

/** What keeps `existing` from standing for the map that `wanted` declares; null: nothing. */
export function difference(existing: KernelMap, wanted: ObjectMapHandle, object: ObjectFile): string | null {
  const { info } = existing;
  if (info.type !== wanted.type) return `it is a ${kindText(info.type)}, and now a ${kindText(wanted.type)}`;
  if (info.keyBytes !== wanted.keyBytes) return `its keys have ${info.keyBytes} bytes, and now ${wanted.keyBytes}`;
  if (info.valueBytes !== wanted.valueBytes)
    return `its values have ${info.valueBytes} bytes, and now ${wanted.valueBytes}`;
  const entries = wantedEntries(wanted);
  if (entries !== null && info.maxEntries !== entries)
    return `it has room for ${info.maxEntries}, and now for ${entries}`;
  const ignored = DEVICE_MAPS.has(info.type) ? READ_ONLY_PROGRAM : 0;
  if ((info.flags | ignored) >>> 0 !== (wanted.flags | ignored) >>> 0)
    return `its flags are 0x${info.flags.toString(16)}, and now 0x${wanted.flags.toString(16)}`;
  return typeDifference(existing, wanted, object);
}

/** How many entries the map will have once it is made; null where that is for libbpf to say. */
function wantedEntries(wanted: ObjectMapHandle): number | null {
  if (wanted.type === RINGBUF) return ringBytes(wanted.maxEntries);
  return wanted.type === PERF_EVENT_ARRAY && wanted.maxEntries === 0 ? null : wanted.maxEntries;
}

function typeDifference(existing: KernelMap, wanted: ObjectMapHandle, object: ObjectFile): string | null {
  const declared = object.maps.find((map) => map.name === wanted.name);
  const { btf } = existing;
  // Kinds without types in the kernel (xskmap, devmap) have nothing more to compare.
  if (btf === null || object.btf === null || declared === undefined) return null;
  for (const [what, before, now] of [
    ["keys", existing.info.keyType, declared.keyType],
    ["values", existing.info.valueType, declared.valueType],
  ] as const) {
    if (before === 0 || now === null) continue;
    const [old, fresh] = [typeText(btf, before), typeText(object.btf, now)];
    if (old !== fresh) return `its ${what} were ${shortened(old)}, and now are ${shortened(fresh)}`;
  }
  return null;
}

function kindText(type: number): string {
  return mapKindByNumber(type) ?? `map of type ${type}`;
}

function shortened(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 59)}…`;
}

const MOST_DEPTH = 16;

/** A type spelled out, with names of members and of what tells byte order apart, so that equal texts mean equal memory. */
export function typeText(btf: DecodedBtf, number: number, depth = 0): string {
  const type: DecodedType | undefined = btf.types[number];
  if (type === undefined || depth > MOST_DEPTH) return "…";
  switch (type.kind) {
    case "void":
      return "void";
    case "int":
      return type.bool ? "bool" : `${type.signed ? "s" : "u"}${type.bytes * 8}`;
    case "typedef":
      // Of typedefs only those that say network order change what bytes mean.
      return /^__be\d+$/.test(type.name) ? type.name.slice(2) : typeText(btf, type.to, depth + 1);
    case "const":
    case "volatile":
    case "restrict":
    case "typeTag":
      return typeText(btf, type.to, depth + 1);
    case "pointer":
      return `*${typeText(btf, type.to, depth + 1)}`;
    case "array":
      return `${typeText(btf, type.element, depth + 1)}[${type.count}]`;
    case "struct":
    case "union": {
      const members = type.members.map(
        ({ name, type: of, bitOffset, bits }) =>
          `${name}${bitOffset % 8 === 0 && bits === 0 ? `@${bitOffset / 8}` : `@${bitOffset}:${bits}`} ${typeText(btf, of, depth + 1)}`,
      );
      return `${type.kind} { ${members.join(", ")} }`;
    }
    case "enum":
    case "enum64":
      return `enum ${type.name}`;
    default:
      return `${type.kind} ${type.name}`;
  }
}
