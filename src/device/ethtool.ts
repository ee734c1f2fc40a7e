// What a device's driver says of itself: its name, its queues, which offloads are on and which can be switched. Asked by ioctl, so that
// it needs neither ethtool nor a kernel that speaks its netlink family. Changes nothing.
// Source: Linux include/uapi/linux/ethtool.h (drvinfo, channels, gfeatures, gstrings, sset_info), sockios.h (SIOCETHTOOL).

import { closeFd, cString, libcFunction, withMemory } from "./native.ts";

const SIOCETHTOOL = 0x8946;
const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const COMMAND = { driver: 0x03, strings: 0x1b, setInfo: 0x37, features: 0x3a, channels: 0x3c } as const;
/** ETH_SS_FEATURES and ETH_GSTRING_LEN. */
const FEATURE_STRINGS = 4;
const STRING_BYTES = 32;

/** How many queues a driver uses and could use; those of a combined channel receive and send. */
export interface Channels {
  readonly rx: number;
  readonly tx: number;
  readonly combined: number;
  readonly mostRx: number;
  readonly mostTx: number;
  readonly mostCombined: number;
}

/** One offload: whether it is on, and whether this device lets it be switched. */
export interface Offload {
  readonly on: boolean;
  readonly fixed: boolean;
}

/** The driver's name ("veth", "ixgbe"); null where it doesn't say. */
export function driverName(device: string): string | null {
  const answer = ask(device, COMMAND.driver, 196);
  if (answer === null) return null;
  const bytes = new Uint8Array(answer.buffer, answer.byteOffset + 4, 32);
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0))) || null;
}

/** The queues; null where the driver has no say in them. */
export function channelsOf(device: string): Channels | null {
  const answer = ask(device, COMMAND.channels, 36);
  if (answer === null) return null;
  const at = (index: number): number => answer.getUint32(4 * index, true);
  return { mostRx: at(1), mostTx: at(2), mostCombined: at(4), rx: at(5), tx: at(6), combined: at(8) };
}

/** The offloads by the kernel's names ("rx-gro", "rx-lro", "rx-vlan-hw-parse"); null where it doesn't tell. */
export function offloadsOf(device: string): ReadonlyMap<string, Offload> | null {
  const count = ask(device, COMMAND.setInfo, 24, (view) => view.setBigUint64(8, 1n << BigInt(FEATURE_STRINGS), true));
  if (count === null) return null;
  const number = count.getUint32(16, true);
  const names = ask(device, COMMAND.strings, 12 + number * STRING_BYTES, (view) => {
    view.setUint32(4, FEATURE_STRINGS, true);
    view.setUint32(8, number, true);
  });
  const blocks = Math.ceil(number / 32);
  const features = ask(device, COMMAND.features, 8 + blocks * 16, (view) => view.setUint32(4, blocks, true));
  if (names === null || features === null) return null;
  const offloads = new Map<string, Offload>();
  for (let i = 0; i < number; i++) {
    const bytes = new Uint8Array(names.buffer, names.byteOffset + 12 + i * STRING_BYTES, STRING_BYTES);
    const name = new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
    const block = 8 + (i >> 5) * 16;
    const has = (word: number): boolean => ((features.getUint32(block + 4 * word, true) >>> (i & 31)) & 1) === 1;
    if (name !== "") offloads.set(name, { on: has(2), fixed: !has(0) || has(3) });
  }
  return offloads;
}

/** One ioctl with a structure of `sizeBytes` that begins with the command; null where it is refused. The answer is a copy. */
function ask(
  device: string,
  command: number,
  sizeBytes: number,
  fill: (view: DataView) => void = () => {},
): DataView | null {
  const socket = libcFunction("int socket(int domain, int type, int protocol)");
  const ioctl = libcFunction("int ioctl(int fd, unsigned long request, uint64 argument)");
  const fd = Number(socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0));
  if (fd < 0) return null;
  try {
    return withMemory([40, sizeBytes], (request, data) => {
      request.bytes.set(cString(device).subarray(0, 16));
      request.view.setBigUint64(16, data.address, true);
      data.view.setUint32(0, command, true);
      fill(data.view);
      if (Number(ioctl(fd, SIOCETHTOOL, request.address)) < 0) return null;
      return new DataView(data.bytes.slice(0, sizeBytes).buffer);
    });
  } finally {
    closeFd(fd);
  }
}
