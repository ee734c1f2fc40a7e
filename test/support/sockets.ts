// Raw sockets for traffic tests: packet sockets that send a frame as it is and catch what arrives, and AF_XDP sockets that an
// xskmap can point to. Made inside a namespace but used from the test's own thread: a socket keeps its namespace.
// Source: Linux include/uapi/linux/if_packet.h, if_xdp.h; Documentation/networking/af_xdp.rst.

import { concat } from "./addresses.ts";
import {
  addressOf,
  allocate,
  checked,
  closeFd,
  ERRNO,
  lastErrno,
  libc,
  memoryAt,
  onCloseAll,
  SystemError,
} from "./native.ts";
import type { VethEnd } from "./netns.ts";

const socketFunction = libc.func("int socket(int domain, int type, int protocol)");
const bindFunction = libc.func("int bind(int fd, uint64 address, uint32 size)");
const setOption = libc.func("int setsockopt(int fd, int level, int name, uint64 value, uint32 size)");
const getOption = libc.func("int getsockopt(int fd, int level, int name, uint64 value, uint64 size)");
const sendFunction = libc.func("long send(int fd, uint64 bytes, size_t size, int flags)");
const receiveMessage = libc.func("long recvmsg(int fd, uint64 message, int flags)");
const mmapFunction = libc.func(
  "void *mmap(uint64 address, size_t size, int protection, int flags, int fd, int64 offset)",
);

const AF_PACKET = 17;
const AF_XDP = 44;
const SOCK_RAW = 3;
const SOL_PACKET = 263;
const SOL_XDP = 283;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const PACKET_AUXDATA = 8;
const PACKET_OUTGOING = 4;
const MSG_DONTWAIT = 0x40;

function setNumber(fd: number, level: number, name: number, value: number): void {
  const memory = allocate(8);
  memory.view.setInt32(0, value, true);
  checked(`setsockopt ${name}`, setOption(fd, level, name, memory.address, 4) as number);
}

const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Frames in and out of one device, byte for byte; VLAN tags that the kernel took out are put back. */
export interface PacketSocket {
  send(frame: Uint8Array): void;
  /** All frames that have arrived since the last call, without waiting. */
  drain(): Uint8Array[];
  /** Waits until `count` frames for which `wanted` holds have arrived or the time is over (default 2 s); gives those. */
  receive(count: number, wanted?: (frame: Uint8Array) => boolean, timeoutMs?: number): Promise<Uint8Array[]>;
  close(): void;
}

/**
 * Opens a packet socket on one end of a veth pair. It sees frames that the device receives (after XDP), not sent ones: all of them, also
 * those that a bridge then takes, or only those of one EtherType that reach the stack.
 */
export function openPacketSocket(end: VethEnd, etherType = 0x0003): PacketSocket {
  const protocol = ((etherType & 0xff) << 8) | (etherType >> 8); // ETH_P_ALL is 3
  const fd = end.netns.enter(() => checked("packet socket", socketFunction(AF_PACKET, SOCK_RAW, protocol) as number));
  const close = onCloseAll(() => closeFd(fd));
  const address = allocate(32);
  address.view.setUint16(0, AF_PACKET, true);
  address.view.setUint16(2, protocol, true);
  address.view.setInt32(4, end.ifindex, true);
  checked("bind packet socket", bindFunction(fd, address.address, 20) as number);
  setNumber(fd, SOL_PACKET, PACKET_AUXDATA, 1);
  setNumber(fd, SOL_SOCKET, SO_RCVBUF, 1 << 22);

  const frameMemory = allocate(1 << 16);
  const from = allocate(32);
  const control = allocate(128);
  const vector = allocate(16);
  vector.view.setBigUint64(0, frameMemory.address, true);
  vector.view.setBigUint64(8, BigInt(frameMemory.bytes.length), true);
  const message = allocate(56);

  const receiveOne = (): Uint8Array | null | "other" => {
    message.view.setBigUint64(0, from.address, true);
    message.view.setUint32(8, 32, true);
    message.view.setBigUint64(16, vector.address, true);
    message.view.setBigUint64(24, 1n, true);
    message.view.setBigUint64(32, control.address, true);
    message.view.setBigUint64(40, 128n, true);
    const length = Number(receiveMessage(fd, message.address, MSG_DONTWAIT));
    if (length < 0) {
      if (lastErrno() === ERRNO.again) return null;
      throw new SystemError("receive", lastErrno());
    }
    if (from.bytes[10] === PACKET_OUTGOING) return "other";
    const frame = frameMemory.bytes.slice(0, length);
    const hasControl = message.view.getBigUint64(40, true) >= 36n;
    return hasControl ? withTag(frame, control.view) : frame;
  };
  const drain = (): Uint8Array[] => {
    const frames: Uint8Array[] = [];
    for (let frame = receiveOne(); frame !== null; frame = receiveOne()) {
      if (frame !== "other") frames.push(frame);
    }
    return frames;
  };
  const outgoing = allocate(1 << 16);
  return {
    send(frame) {
      outgoing.bytes.set(frame);
      checked("send", Number(sendFunction(fd, outgoing.address, frame.length, 0)));
    },
    drain,
    async receive(count, wanted = () => true, timeoutMs = 2000) {
      const frames: Uint8Array[] = [];
      const end = Date.now() + timeoutMs;
      for (;;) {
        frames.push(...drain().filter(wanted));
        if (frames.length >= count || Date.now() >= end) return frames;
        await sleep(5);
      }
    },
    close,
  };
}

/** Puts back the VLAN tag that the kernel reports beside the frame (struct tpacket_auxdata behind a 16-byte cmsghdr). */
function withTag(frame: Uint8Array, control: DataView): Uint8Array {
  const isAuxData = control.getInt32(8, true) === SOL_PACKET && control.getInt32(12, true) === PACKET_AUXDATA;
  const status = control.getUint32(16, true);
  if (!isAuxData || (status & 0x10) === 0) return frame;
  const control16 = control.getUint16(32, true);
  const type = (status & 0x40) !== 0 ? control.getUint16(34, true) : 0x8100;
  const tag = Uint8Array.of(type >> 8, type & 0xff, control16 >> 8, control16 & 0xff);
  return concat(frame.subarray(0, 12), tag, frame.subarray(12));
}

/** An AF_XDP socket bound to one queue: what an xskmap's entry points to. */
export interface XdpSocket {
  /** The descriptor to put into the xskmap (4 bytes, host order). */
  readonly fd: number;
  /** Waits until `count` frames have arrived or the time is over (default 2 s). */
  receive(count: number, timeoutMs?: number): Promise<Uint8Array[]>;
  /** Closes the descriptor; the queue is free again only when the process ends, as its rings stay mapped. */
  close(): void;
}

const RING_SIZE = 64;
const CHUNK_SIZE = 2048;
const XDP_OPTION = { mmapOffsets: 1, rxRing: 2, umemReg: 4, fillRing: 5, completionRing: 6 } as const;
const XDP_COPY = 2;

/** Opens an AF_XDP socket (copy mode, receive only) on queue `queue` of one end of a veth pair. */
export function openXdpSocket(end: VethEnd, queue = 0): XdpSocket {
  const fd = end.netns.enter(() => checked("AF_XDP socket", socketFunction(AF_XDP, SOCK_RAW, 0) as number));
  const close = onCloseAll(() => closeFd(fd));
  const umemSize = RING_SIZE * CHUNK_SIZE;
  const umemPointer = mmapFunction(0, umemSize, 3, 0x22, -1, 0) as object;
  const umem = memoryAt(umemPointer, umemSize);
  const registration = allocate(32);
  registration.view.setBigUint64(0, addressOf(umemPointer), true);
  registration.view.setBigUint64(8, BigInt(umemSize), true);
  registration.view.setUint32(16, CHUNK_SIZE, true);
  checked("register umem", setOption(fd, SOL_XDP, XDP_OPTION.umemReg, registration.address, 24) as number);
  setNumber(fd, SOL_XDP, XDP_OPTION.fillRing, RING_SIZE);
  setNumber(fd, SOL_XDP, XDP_OPTION.completionRing, RING_SIZE);
  setNumber(fd, SOL_XDP, XDP_OPTION.rxRing, RING_SIZE);

  const offsets = allocate(128);
  const size = allocate(8);
  size.view.setUint32(0, 128, true);
  checked("ring offsets", getOption(fd, SOL_XDP, XDP_OPTION.mmapOffsets, offsets.address, size.address) as number);
  const ring = (at: number, descriptorSize: number, page: number) => {
    const place = (index: number): number => Number(offsets.view.getBigUint64(at + index * 8, true));
    const length = place(2) + RING_SIZE * descriptorSize;
    const bytes = memoryAt(mmapFunction(0, length, 3, 1, fd, page) as object, length);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { view, producer: place(0), consumer: place(1), descriptors: place(2) };
  };
  const rx = ring(0, 16, 0);
  const fill = ring(64, 8, 0x100000000);
  for (let index = 0; index < RING_SIZE; index++) {
    fill.view.setBigUint64(fill.descriptors + index * 8, BigInt(index * CHUNK_SIZE), true);
  }
  fill.view.setUint32(fill.producer, RING_SIZE, true);

  const address = allocate(16);
  address.view.setUint16(0, AF_XDP, true);
  address.view.setUint16(2, XDP_COPY, true);
  address.view.setUint32(4, end.ifindex, true);
  address.view.setUint32(8, queue, true);
  checked("bind AF_XDP socket", bindFunction(fd, address.address, 16) as number);

  const take = (): Uint8Array | null => {
    const consumer = rx.view.getUint32(rx.consumer, true);
    if (consumer === rx.view.getUint32(rx.producer, true)) return null;
    const at = rx.descriptors + (consumer % RING_SIZE) * 16;
    const offset = Number(rx.view.getBigUint64(at, true));
    const frame = umem.slice(offset, offset + rx.view.getUint32(at + 8, true));
    rx.view.setUint32(rx.consumer, consumer + 1, true);
    const filled = fill.view.getUint32(fill.producer, true);
    const chunk = BigInt(offset - (offset % CHUNK_SIZE));
    fill.view.setBigUint64(fill.descriptors + (filled % RING_SIZE) * 8, chunk, true);
    fill.view.setUint32(fill.producer, filled + 1, true);
    return frame;
  };
  return {
    fd,
    async receive(count, timeoutMs = 2000) {
      const frames: Uint8Array[] = [];
      const deadline = Date.now() + timeoutMs;
      for (;;) {
        for (let frame = take(); frame !== null; frame = take()) frames.push(frame);
        if (frames.length >= count || Date.now() >= deadline) return frames;
        await sleep(5);
      }
    },
    close,
  };
}
