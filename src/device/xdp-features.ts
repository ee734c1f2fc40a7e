// What a device's driver can do for XDP, as the kernel tells it since Linux 6.3, and which AF_XDP sockets are bound to its queues. Two
// questions by netlink that no tool of the system answers on all distributions. Changes nothing.
// Source: Linux Documentation/netlink/specs/netdev.yaml, include/uapi/linux/netdev.h, genetlink.h, sock_diag.h, xdp_diag.h.

import { compareKernels } from "../bpf/kernel.ts";
import { cString } from "./native.ts";
import { attribute, attributesOf, exchange, int32, netlinkMessage } from "./netlink.ts";

const NETLINK_SOCK_DIAG = 4;
const NETLINK_GENERIC = 16;
const REQUEST = 1;
const ACK = 4;
const DUMP = 0x300;
const NETLINK_ERROR = 2;
const CONTROL = { family: 16, getFamily: 3, id: 1, name: 2 } as const;
const NETDEV = { get: 1, index: 1, features: 3, queueGet: 10 } as const;
const QUEUE = { id: 1, device: 2, type: 3, socket: 7 } as const;
/** Linux commit df524c8f5771, "netdev-genl: Add an XSK attribute to queues". */
const QUEUES_TELL_SINCE = "6.15";
const DIAG = { byFamily: 20, afXdp: 44, showInfo: 1, info: 1 } as const;

/** NETDEV_XDP_ACT_*: what a driver can do. */
export const XDP_FEATURE = {
  basic: 1,
  redirect: 2,
  target: 4,
  zeroCopy: 8,
  offload: 16,
  frags: 32,
  targetFrags: 64,
} as const;

/** The XDP_FEATURE bits of a device; null where the kernel is too old to tell (before 6.3). */
export function xdpFeatures(index: number): number | null {
  const family = netdevFamily();
  if (family === null) return null;
  let features: number | null = null;
  generic(family, NETDEV.get, attribute(NETDEV.index, int32(index)), ACK, (found) => {
    const bits = found.get(NETDEV.features);
    if (bits !== undefined) features = Number(bits.getBigUint64(0, true));
  });
  return features;
}

/** The number of the netlink family "netdev"; null where there is none. */
function netdevFamily(): number | null {
  let family: number | null = null;
  generic(CONTROL.family, CONTROL.getFamily, attribute(CONTROL.name, cString("netdev")), ACK, (found) => {
    family = found.get(CONTROL.id)?.getUint16(0, true) ?? null;
  });
  return family;
}

function generic(
  family: number,
  command: number,
  body: Uint8Array,
  flags: number,
  each: (found: ReadonlyMap<number, DataView>) => void,
): void {
  const head = Uint8Array.of(command, 1, 0, 0);
  exchange(
    netlinkMessage(family, REQUEST | flags, Buffer.concat([head, body])),
    (message) => {
      if (message.type === family) each(attributesOf(message.body, 4));
    },
    NETLINK_GENERIC,
  );
}

/**
 * The receive queues of a device that have an AF_XDP socket bound; null where the kernel doesn't tell: it does from 6.15 on, and before
 * where it was built with xsk_diag. `release` is the kernel's.
 */
export function socketQueues(index: number, release: string): readonly number[] | null {
  return queuesByDiag(index) ?? (compareKernels(release, QUEUES_TELL_SINCE) >= 0 ? queuesByNetdev(index) : null);
}

function queuesByNetdev(index: number): readonly number[] | null {
  const family = netdevFamily();
  if (family === null) return null;
  const queues: number[] = [];
  generic(family, NETDEV.queueGet, attribute(QUEUE.device, int32(index)), DUMP, (found) => {
    const isReceiving = found.get(QUEUE.type)?.getUint32(0, true) === 0;
    const id = found.get(QUEUE.id)?.getUint32(0, true);
    if (isReceiving && id !== undefined && found.has(QUEUE.socket)) queues.push(id);
  });
  return queues.sort((a, b) => a - b);
}

function queuesByDiag(index: number): readonly number[] | null {
  const request = Buffer.alloc(20);
  request.writeUInt8(DIAG.afXdp, 0);
  request.writeUInt32LE(DIAG.showInfo, 8);
  const queues = new Set<number>();
  let refused = false;
  try {
    exchange(
      netlinkMessage(DIAG.byFamily, REQUEST | DUMP, request),
      (message) => {
        if (message.type === NETLINK_ERROR) refused = true;
        if (message.type !== DIAG.byFamily) return;
        const info = attributesOf(message.body, 16).get(DIAG.info);
        if (info?.getUint32(0, true) === index) queues.add(info.getUint32(4, true));
      },
      NETLINK_SOCK_DIAG,
    );
  } catch {
    return null;
  }
  return refused ? null : [...queues].sort((a, b) => a - b);
}
