// CO-RE relocations: facts about kernel types (the offset of a field, the value of an enumerator) that an object holds as its own
// headers had them and a loader replaces by the running kernel's. Without a kernel they are gaps, except where the fact is the
// same in every kernel: types of this file itself, and layouts that packets or the kernel's stable interface fix.
// Source: Linux include/uapi/linux/bpf.h (enum bpf_core_relo_kind); libbpf src/relo_core.c; the structs' own headers, below.

import { type ContextFieldName, contextFields } from "../bpf/context.ts";
import { type DecodedBtf, type DecodedType, decodedSize, skipModifiers } from "./btf-decode.ts";
import { shortName } from "./link-fault.ts";
import type { ObjectCoreRelocation } from "./object-file.ts";

/** BPF_CORE_*. */
const coreKind = {
  fieldByteOffset: 0,
  fieldByteSize: 1,
  fieldExists: 2,
  fieldSigned: 3,
  fieldLeftShift: 4,
  fieldRightShift: 5,
  typeIdLocal: 6,
  typeIdTarget: 7,
  typeExists: 8,
  typeSize: 9,
  enumExists: 10,
  enumValue: 11,
  typeMatches: 12,
} as const;

const kindWords: Readonly<Record<number, string>> = {
  [coreKind.fieldByteOffset]: "the offset",
  [coreKind.fieldByteSize]: "the size",
  [coreKind.fieldExists]: "the existence",
  [coreKind.fieldSigned]: "the sign",
  [coreKind.fieldLeftShift]: "the place",
  [coreKind.fieldRightShift]: "the place",
  [coreKind.typeIdTarget]: "the number",
  [coreKind.typeExists]: "the existence",
  [coreKind.typeSize]: "the size",
  [coreKind.enumExists]: "the existence",
  [coreKind.enumValue]: "the value",
  [coreKind.typeMatches]: "the shape",
};

/**
 * Structs whose layout no kernel can change: headers of packets, and the context of XDP programs. A line is the struct's name
 * and size in bytes, then each member with its place and size in bits.
 *
 * **Source:** Linux include/uapi/linux/if_ether.h, ip.h, ipv6.h, tcp.h, udp.h, icmp.h, icmpv6.h, in.h, in6.h; include/linux/if_vlan.h;
 * little-endian.
 */
const wireLayouts = `
ethhdr 14: h_dest 0 48, h_source 48 48, h_proto 96 16
vlan_hdr 4: h_vlan_TCI 0 16, h_vlan_encapsulated_proto 16 16
iphdr 20: ihl 0 4, version 4 4, tos 8 8, tot_len 16 16, id 32 16, frag_off 48 16, ttl 64 8, protocol 72 8, check 80 16, saddr 96 32, daddr 128 32
ipv6hdr 40: priority 0 4, version 4 4, flow_lbl 8 24, payload_len 32 16, nexthdr 48 8, hop_limit 56 8, saddr 64 128, daddr 192 128
ipv6_opt_hdr 2: nexthdr 0 8, hdrlen 8 8
tcphdr 20: source 0 16, dest 16 16, seq 32 32, ack_seq 64 32, doff 100 4, fin 104 1, syn 105 1, rst 106 1, psh 107 1, ack 108 1, urg 109 1, ece 110 1, cwr 111 1, window 112 16, check 128 16, urg_ptr 144 16
udphdr 8: source 0 16, dest 16 16, len 32 16, check 48 16
icmphdr 8: type 0 8, code 8 8, checksum 16 16
icmp6hdr 8: icmp6_type 0 8, icmp6_code 8 8, icmp6_cksum 16 16
in_addr 4: s_addr 0 32
`;

/** 64 indices: deeper than any kernel type. */
const maxAccessLength = 256;
/** Longer than the names of the types below with any variant's. */
const maxNameLength = 256;

interface Layout {
  readonly bytes: number;
  readonly members: ReadonlyMap<string, readonly [bitOffset: number, bits: number]>;
}

let parsed: ReadonlyMap<string, Layout> | undefined;

function layouts(): ReadonlyMap<string, Layout> {
  if (parsed !== undefined) return parsed;
  const made = new Map<string, Layout>();
  for (const line of wireLayouts.trim().split("\n")) {
    const [head = "", body = ""] = line.split(": ");
    const [name = "", bytes = ""] = head.split(" ");
    const members = body.split(", ").map((member) => {
      const [field = "", offset = "", bits = ""] = member.split(" ");
      return [field, [Number(offset), Number(bits)]] as const;
    });
    made.set(name, { bytes: Number(bytes), members: new Map(members) });
  }
  const context = Object.keys(contextFields) as ContextFieldName[];
  const places = context.map(
    (name) => [name, [contextFields[name].offset * 8, contextFields[name].width * 8]] as const,
  );
  // The context's size may grow, so its size isn't a fact of every kernel.
  made.set("xdp_md", { bytes: 0, members: new Map(places) });
  parsed = made;
  return made;
}

/** XDP's verdicts: enumerators with the same value in every kernel since 4.14, where the last of them came. */
const stableEnumerators: Readonly<Record<string, bigint>> = {
  XDP_ABORTED: 0n,
  XDP_DROP: 1n,
  XDP_PASS: 2n,
  XDP_TX: 3n,
  XDP_REDIRECT: 4n,
};

/** Looks at the relocations of one object; equal ones, of which a file may have any number, once. */
export class CoreGaps {
  readonly #btf: DecodedBtf;
  readonly #known = new Map<string, string | null>();

  constructor(btf: DecodedBtf) {
    this.#btf = btf;
  }

  /** What a relocation leaves open without a kernel, as a sentence; null when the instruction is right as it is. */
  of(relocation: ObjectCoreRelocation): string | null {
    const { type, access, kind } = relocation;
    if (access.length > maxAccessLength) return `CO-RE relocation of kind ${kind} has too long a path`;
    const key = `${kind} ${type} ${access}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const gap = coreGap(this.#btf, relocation);
    this.#known.set(key, gap);
    return gap;
  }
}

function coreGap(btf: DecodedBtf, relocation: ObjectCoreRelocation): string | null {
  if (relocation.kind === coreKind.typeIdLocal || isStable(btf, relocation)) return null;
  const root = skipModifiers(btf, relocation.type) ?? btf.types[relocation.type];
  const path = root === undefined ? null : memberPath(btf, root, relocation.access);
  const [kind, name] = [root?.kind ?? "type", shortName(root?.name ?? "")];
  const what = path === null || path.names === "" ? `${kind} ${name}` : `${shortName(path.names)} of ${kind} ${name}`;
  return `${kindWords[relocation.kind] ?? `fact ${relocation.kind}`} of ${what} is the running kernel's to say (CO-RE)`;
}

function isStable(btf: DecodedBtf, { type, access, kind }: ObjectCoreRelocation): boolean {
  const root = skipModifiers(btf, type);
  if (root === null) return false;
  if (root.name.length > maxNameLength) return false;
  // What stands behind three underscores tells variants of one kernel type apart.
  const name = root.name.replace(/___.*$/s, "");
  if (root.kind === "enum" || root.kind === "enum64") {
    if (kind !== coreKind.enumExists && kind !== coreKind.enumValue) return false;
    const value = root.values[Number(access)];
    const fixed = name === "xdp_action" && value !== undefined ? stableEnumerators[value.name] : undefined;
    return fixed !== undefined && fixed === value?.value;
  }
  const layout = root.kind === "struct" ? layouts().get(name) : undefined;
  if (layout === undefined || root.kind !== "struct") return false;
  if (kind === coreKind.typeExists) return true;
  if (kind === coreKind.typeSize) return layout.bytes === root.bytes;
  if (kind > coreKind.fieldRightShift) return false;
  const path = memberPath(btf, root, access);
  const place = path?.top === undefined ? undefined : layout.members.get(path.top);
  // Below a member of a stable size, offsets are the object's own: arrays and addresses within a header.
  return place !== undefined && path !== null && place[0] === path.topBitOffset && place[1] === path.topBits;
}

interface MemberPath {
  /** The members' names joined by points; anonymous ones are left out. */
  readonly names: string;
  /** The first named member on the way, with its place in the root and its size. */
  readonly top: string | undefined;
  readonly topBitOffset: number;
  readonly topBits: number;
}

/** Follows an access string from `root`; null when it doesn't fit the type, or starts elsewhere than at its first element. */
function memberPath(btf: DecodedBtf, root: DecodedType, access: string): MemberPath | null {
  if (!/^\d{1,9}(:\d{1,9}){0,63}$/.test(access)) return null;
  const [first, ...indices] = access.split(":").map(Number);
  if (first !== 0) return null;
  const names: string[] = [];
  let at: DecodedType | null = root;
  let bitOffset = 0;
  let top: { name: string; bitOffset: number; bits: number } | undefined;
  for (const index of indices) {
    if (at?.kind === "array") {
      at = skipModifiers(btf, at.element);
      names.push(`${names.pop() ?? ""}[${index}]`);
      continue;
    }
    const member = at?.kind === "struct" || at?.kind === "union" ? at.members[index] : undefined;
    if (member === undefined) return null;
    if (top === undefined) bitOffset += member.bitOffset;
    const bits = member.bits === 0 ? (decodedSize(btf, member.type) ?? 0) * 8 : member.bits;
    if (member.name !== "") {
      names.push(shortName(member.name));
      top ??= { name: member.name, bitOffset, bits };
    }
    at = skipModifiers(btf, member.type);
  }
  return { names: names.join("."), top: top?.name, topBitOffset: top?.bitOffset ?? 0, topBits: top?.bits ?? 0 };
}
