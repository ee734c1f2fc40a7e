// Routing netlink: the devices of this network namespace with what is attached to them, and the one request that attaches, replaces and
// detaches an XDP program. Spoken here rather than through libbpf's bpf_xdp_attach, because only the answer's own words (the extended
// acknowledgement: "Peer MTU is too large to set XDP") tell an operator why a driver refuses, and libbpf keeps them to itself.
// Source: RFC 3549; Linux include/uapi/linux/netlink.h, rtnetlink.h, if_link.h; Documentation/userspace-api/netlink/intro.rst.

import { ERRNO } from "./errno.ts";
import { allocate, closeFd, lastErrno, libcFunction, textOf } from "./native.ts";

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_ROUTE = 0;
const SOL_NETLINK = 270;
const NETLINK_EXT_ACK = 11;

const MESSAGE = { error: 2, done: 3, newLink: 16, getLink: 18, setLink: 19 } as const;
const FLAG = { request: 1, ack: 4, dump: 0x300, capped: 0x100, ackTlvs: 0x200 } as const;
const NESTED = 0x8000;
const TYPE_MASK = 0x3fff;

/** Attributes of a link. **Source:** if_link.h (enum IFLA_…, IFLA_INFO_…, IFLA_XDP_…). */
const LINK = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  info: 18,
  txQueues: 31,
  rxQueues: 32,
  netnsId: 37,
  xdp: 43,
} as const;
const INFO_KIND = 1;
const XDP = {
  fd: 1,
  attached: 2,
  flags: 3,
  programId: 4,
  driverId: 5,
  genericId: 6,
  offloadId: 7,
  expectedFd: 8,
} as const;

/** XDP_FLAGS_*: how a program is attached. */
const ATTACH = { ifNone: 1, generic: 2, native: 4, offload: 8, replace: 16 } as const;

/** Where in the packet's way a program runs: in the driver, behind it, or in the device. */
export type XdpMode = "native" | "generic" | "offload";

/** The modes in the order in which they see a packet. */
export const XDP_MODES: readonly XdpMode[] = ["offload", "native", "generic"];

/** A network device of this namespace. */
export interface Device {
  readonly index: number;
  readonly name: string;
  readonly mtu: number;
  /** The MAC address, or what the device has in its place; null without one. */
  readonly address: Uint8Array | null;
  /** "veth", "bridge" and so on; null for hardware and what has no kind. */
  readonly kind: string | null;
  readonly up: boolean;
  readonly rxQueues: number;
  readonly txQueues: number;
  /** The device it is bound to: a veth's peer, a VLAN's parent; null without. */
  readonly linkIndex: number | null;
  /** The number by which this namespace knows the other's; null where `linkIndex` is of this one. */
  readonly linkNetnsId: number | null;
  /** What is attached, in the order packets meet it; usually none or one. */
  readonly xdp: readonly { readonly mode: XdpMode; readonly programId: number }[];
}

/** What the kernel said to a request: 0 or a negative error number, and its own words where it has some. */
export interface Answer {
  readonly result: number;
  readonly words: string | null;
}

/** All network devices of this namespace, by index. Throws where netlink can't be had at all. */
export function allDevices(): readonly Device[] {
  const devices: Device[] = [];
  exchange(request(MESSAGE.getLink, FLAG.request | FLAG.dump, 0, []), (message) => {
    if (message.type === MESSAGE.newLink) devices.push(deviceOf(message.body));
  });
  return devices.sort((a, b) => a.index - b.index);
}

/**
 * Attaches the program `fd` to a device in a mode; -1 detaches. `expected` is what must be there for the request to be carried out, at one
 * go: a descriptor of the program that is replaced or detached, "none" for an empty place, "any" for whatever is there.
 */
export function setXdp(index: number, mode: XdpMode, fd: number, expected: number | "none" | "any"): Answer {
  let flags: number = ATTACH[mode];
  if (expected === "none") flags |= ATTACH.ifNone;
  else if (expected !== "any") flags |= ATTACH.replace;
  const parts = [attribute(XDP.fd, int32(fd)), attribute(XDP.flags, int32(flags))];
  if (typeof expected === "number") parts.push(attribute(XDP.expectedFd, int32(expected)));
  const body = attribute(LINK.xdp | NESTED, Buffer.concat(parts));
  let answer: Answer = { result: -ERRNO.EINVAL, words: null };
  exchange(request(MESSAGE.setLink, FLAG.request | FLAG.ack, index, [body]), (message) => {
    if (message.type === MESSAGE.error) answer = answerOf(message);
  });
  return answer;
}

// ------------------------------------------------------------------------------------------------------------ messages

/** A message of an answer; `body` is a copy without the header. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly body: DataView;
}

/** A message about the link `index`, with its attributes. */
function request(type: number, flags: number, index: number, attributes: readonly Uint8Array[]): Uint8Array {
  const head = Buffer.alloc(16);
  head.writeInt32LE(index, 4);
  return netlinkMessage(type, flags, Buffer.concat([head, ...attributes]));
}

/** A message: its header and `body`. `flags` are NLM_F_*. */
export function netlinkMessage(type: number, flags: number, body: Uint8Array): Uint8Array {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(16 + body.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(flags, 6);
  header.writeUInt32LE(1, 8);
  return Buffer.concat([header, body]);
}

/** An attribute, padded to whole 4 bytes. */
export function attribute(type: number, value: Uint8Array): Uint8Array {
  const out = Buffer.alloc((4 + value.length + 3) & ~3);
  out.writeUInt16LE(4 + value.length, 0);
  out.writeUInt16LE(type, 2);
  out.set(value, 4);
  return out;
}

/** An attribute's value of 4 bytes. */
export function int32(value: number): Uint8Array {
  const out = Buffer.alloc(4);
  out.writeInt32LE(value | 0, 0);
  return out;
}

/** The attributes in `view` from `start` on, by number. */
export function attributesOf(view: DataView, start: number): ReadonlyMap<number, DataView> {
  const found = new Map<number, DataView>();
  for (let at = start; at + 4 <= view.byteLength; ) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > view.byteLength) break;
    found.set(
      view.getUint16(at + 2, true) & TYPE_MASK,
      new DataView(view.buffer, view.byteOffset + at + 4, length - 4),
    );
    at += (length + 3) & ~3;
  }
  return found;
}

function deviceOf(body: DataView): Device {
  const found = attributesOf(body, 16);
  const number = (type: number): number | null => found.get(type)?.getUint32(0, true) ?? null;
  const info = found.get(LINK.info);
  const kind = info === undefined ? undefined : attributesOf(info, 0).get(INFO_KIND);
  return {
    index: body.getInt32(4, true),
    name: textIn(found.get(LINK.name)) ?? "",
    mtu: number(LINK.mtu) ?? 0,
    address: bytesIn(found.get(LINK.address)),
    kind: textIn(kind),
    up: (body.getUint32(8, true) & 1) !== 0,
    rxQueues: number(LINK.rxQueues) ?? 1,
    txQueues: number(LINK.txQueues) ?? 1,
    linkIndex: number(LINK.link),
    linkNetnsId: number(LINK.netnsId),
    xdp: attachedOf(found.get(LINK.xdp)),
  };
}

function attachedOf(xdp: DataView | undefined): Device["xdp"] {
  if (xdp === undefined) return [];
  const found = attributesOf(xdp, 0);
  const ids = { offload: XDP.offloadId, native: XDP.driverId, generic: XDP.genericId };
  return XDP_MODES.flatMap((mode) => {
    const programId = found.get(ids[mode])?.getUint32(0, true) ?? 0;
    return programId === 0 ? [] : [{ mode, programId }];
  });
}

function bytesIn(view: DataView | undefined): Uint8Array | null {
  return view === undefined ? null : new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** The text of an attribute, without its closing zero; null where there is none. */
export function textIn(view: DataView | undefined): string | null {
  const bytes = bytesIn(view);
  return bytes === null ? null : textOf(bytes);
}

/** An acknowledgement: the error number, the request's header, and behind it what the kernel adds. */
function answerOf({ flags, body }: Message): Answer {
  const result = body.getInt32(0, true);
  if ((flags & FLAG.ackTlvs) === 0) return { result, words: null };
  const requestBytes = (flags & FLAG.capped) === 0 ? body.getUint32(4, true) : 16;
  return { result, words: textIn(attributesOf(body, 4 + ((requestBytes + 3) & ~3)).get(1)) };
}

// ------------------------------------------------------------------------------------------------------------ the socket

const RECEIVE_BYTES = 1 << 18;

/**
 * Sends a request and gives every message of the answer to `each`, up to its end. `family` is the netlink protocol. Throws where there is
 * no such protocol.
 */
export function exchange(message: Uint8Array, each: (message: Message) => void, family: number = NETLINK_ROUTE): void {
  const socket = libcFunction("int socket(int domain, int type, int protocol)");
  const setOption = libcFunction("int setsockopt(int fd, int level, int name, const void *value, uint32 size)");
  const send = libcFunction("long send(int fd, const void *bytes, size_t size, int flags)");
  const receive = libcFunction("long recv(int fd, uint64 bytes, size_t size, int flags)");
  const fd = checked(socket(AF_NETLINK, SOCK_RAW_CLOEXEC, family));
  const memory = allocate(RECEIVE_BYTES);
  try {
    // Kernels before 4.12 have no words; then there are none.
    setOption(fd, SOL_NETLINK, NETLINK_EXT_ACK, int32(1), 4);
    checked(send(fd, message, message.length, 0));
    for (;;) {
      const length = checked(receive(fd, memory.address, RECEIVE_BYTES, 0));
      if (eachMessage(new DataView(memory.view.buffer, 0, length), each)) return;
    }
  } finally {
    memory.free();
    closeFd(fd);
  }
}

/** Gives the messages of one datagram to `each`; true when the answer has ended. */
function eachMessage(view: DataView, each: (message: Message) => void): boolean {
  for (let at = 0; at + 16 <= view.byteLength; ) {
    const length = view.getUint32(at, true);
    if (length < 16 || at + length > view.byteLength) return true;
    const type = view.getUint16(at + 4, true);
    // The memory is freed and used again: what is kept is a copy.
    const body = new DataView(view.buffer.slice(view.byteOffset + at + 16, view.byteOffset + at + length));
    each({ type, flags: view.getUint16(at + 6, true), body });
    if (type === MESSAGE.done || type === MESSAGE.error) return true;
    at += (length + 3) & ~3;
  }
  return false;
}

function checked(result: unknown): number {
  const number = Number(result);
  if (number < 0) throw new Error(`netlink: error ${lastErrno()}`);
  return number;
}
