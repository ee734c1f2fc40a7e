// Asks the system for what the doctor looks at: by netlink, ioctl, bpf(2) and files of /proc. Changes nothing, and what it may not or can't
// see it leaves out and says so.
// Source: Linux include/uapi/linux/rtnetlink.h, if_addr.h (RTM_GETADDR); net/core/sysctl_net_core.c; magic.h (BPF_FS_MAGIC).

import { readFileSync, statfsSync } from "node:fs";
import { release } from "node:os";
import { attachedTo, findDevice } from "./devices.ts";
import { kernelOf } from "./doctor-device-checks.ts";
import type {
  AttachedFacts,
  DeviceFacts,
  DoctorFacts,
  PeerFacts,
  SocketMapFacts,
  TargetFacts,
} from "./doctor-facts.ts";
import { channelsOf, driverName, offloadsOf } from "./ethtool.ts";
import { KernelMap } from "./kernel-map.ts";
import { inNamespace, type Namespace, namespaceOf } from "./namespaces.ts";
import { libcFunction } from "./native.ts";
import { allDevices, attributesOf, type Device, exchange, netlinkMessage } from "./netlink.ts";
import { BPFFS } from "./pins.ts";
import { socketQueues, xdpFeatures } from "./xdp-features.ts";

const ADDRESS = { get: 22, fresh: 20, address: 1, local: 2, family: { 2: "IPv4", 10: "IPv6" } } as const;
const DUMP_REQUEST = 0x301;
const SCOPE_GLOBAL = 0;
const BPFFS_MAGIC = 0xcafe4a11;

/** An address of a device that others reach it by. */
export interface OwnAddress {
  readonly family: "IPv4" | "IPv6";
  /** In network order. */
  readonly bytes: Uint8Array;
}

/** The facts but those of a file, and what frames to this machine need. */
export interface Gathered {
  readonly facts: DoctorFacts;
  readonly mac: Uint8Array | null;
  readonly addresses: readonly OwnAddress[];
}

/**
 * Looks at the device `name` and at those that packets may be redirected to: `targets` (names that rules say; what isn't here is left
 * out) and the entries of the attached program's maps. Throws DeviceFailure where there is no device.
 */
export function gatherFacts(name: string, targets: readonly string[], folder: string | null = null): Gathered {
  const found = findDevice(name);
  const devices = allDevices();
  const unseen: string[] = [];
  const device = deviceFacts(found, devices, folder, true);
  const maps = attachedMaps(found, folder, unseen);
  const addresses = addressesOf(found.index);
  const byName = devices.filter((one) => targets.includes(one.name));
  const byMap = maps.targets.flatMap(({ index, from }) =>
    devices.filter((d) => d.index === index).map((d) => ({ d, from })),
  );
  const queues = maps.sockets.length === 0 ? null : socketQueues(found.index, kernelOf(release()));
  if (maps.sockets.length > 0 && queues === null)
    unseen.push(
      "which queues have an AF_XDP socket isn't told by this kernel (Linux 6.15 does, older ones with xsk_diag)",
    );
  if (device.peer === "unseen")
    unseen.push(`the other end of ${name} is in a network namespace that can't be looked into from here`);
  const facts: DoctorFacts = {
    release: release(),
    pageBytes: Number(libcFunction("int getpagesize()")()),
    device,
    addresses: [...new Set(addresses.map((one) => one.family))],
    targets: unique([
      ...byName.map((d) => ({ device: deviceFacts(d, devices, folder, true), from: "the rules" })),
      ...byMap.map(({ d, from }) => ({ device: deviceFacts(d, devices, folder, true), from })),
    ]),
    sockets: { maps: maps.sockets, queues },
    jit: numberIn("/proc/sys/net/core/bpf_jit_enable"),
    bpffs: isBpffs(BPFFS),
    file: null,
    unseen,
  };
  return { facts, mac: found.address?.length === 6 ? found.address : null, addresses };
}

function unique(targets: readonly TargetFacts[]): readonly TargetFacts[] {
  return targets.filter((one, i) => targets.findIndex((other) => other.device.name === one.device.name) === i);
}

function deviceFacts(
  device: Device,
  devices: readonly Device[],
  folder: string | null,
  withPeer: boolean,
): DeviceFacts {
  const { name, kind, up, mtu } = device;
  const channels = channelsOf(name);
  const offloads = offloadsOf(name);
  return {
    name,
    kind,
    up,
    mtu,
    driver: driverName(name),
    rxQueues: queuesIn(channels?.rx, channels?.combined) ?? device.rxQueues,
    txQueues: queuesIn(channels?.tx, channels?.combined) ?? device.txQueues,
    channels,
    features: xdpFeatures(device.index),
    offloads: offloads === null ? null : Object.fromEntries(offloads),
    attached: attachedFacts(device, folder),
    peer: withPeer && kind === "veth" ? peerOf(device, devices) : null,
  };
}

function queuesIn(own = 0, combined = 0): number | null {
  return own + combined > 0 ? own + combined : null;
}

function attachedFacts(device: Device, folder: string | null): readonly AttachedFacts[] {
  return attachedTo(device, folder).map(({ mode, id, info, home }) => ({
    mode,
    id,
    name: info?.name ?? "",
    file: home?.record?.file ?? null,
    ...(info === null && home === null ? { unseen: true as const } : {}),
  }));
}

function peerOf(device: Device, devices: readonly Device[]): PeerFacts | "unseen" | null {
  const { linkIndex, linkNetnsId } = device;
  if (linkIndex === null) return null;
  const look = (all: readonly Device[], command: string): PeerFacts | "unseen" => {
    const peer = all.find((one) => one.index === linkIndex && one.kind === "veth");
    return peer === undefined ? "unseen" : { ...deviceFacts(peer, all, null, false), command };
  };
  if (linkNetnsId === null) return look(devices, "");
  const namespace: Namespace | null = namespaceOf(linkNetnsId);
  return namespace === null
    ? "unseen"
    : (inNamespace(namespace, () => look(allDevices(), namespace.command)) ?? "unseen");
}

/** What the attached programs' maps tell of where packets go. */
function attachedMaps(
  device: Device,
  folder: string | null,
  unseen: string[],
): { readonly sockets: readonly SocketMapFacts[]; readonly targets: readonly { index: number; from: string }[] } {
  const sockets: SocketMapFacts[] = [];
  const targets: { index: number; from: string }[] = [];
  for (const { info, id } of attachedTo(device, folder)) {
    if (info === null) unseen.push(`the maps of program ${id} can't be read without privilege (run it as root)`);
    for (const mapId of info?.mapIds ?? []) {
      const map = KernelMap.fromId(mapId);
      if (typeof map === "number") continue;
      try {
        const { name, maxEntries } = map.info;
        if (map.kind === "xskmap") sockets.push({ name, entries: maxEntries });
        if (map.kind !== "devmap" && map.kind !== "devmap_hash") continue;
        for (const key of map.keys() ?? []) {
          const values = map.lookup(key);
          const [value] = values === null || typeof values === "number" ? [] : values;
          const index = value === undefined ? 0 : new DataView(value.buffer, value.byteOffset).getUint32(0, true);
          if (index !== 0) targets.push({ index, from: `entries of map ${name}` });
        }
      } finally {
        map.close();
      }
    }
  }
  return { sockets, targets };
}

/** The addresses by which others reach a device: none that hold on its link only. */
function addressesOf(index: number): readonly OwnAddress[] {
  const found: OwnAddress[] = [];
  exchange(netlinkMessage(ADDRESS.get, DUMP_REQUEST, new Uint8Array(8)), ({ type, body }) => {
    if (type !== ADDRESS.fresh || body.getUint32(4, true) !== index || body.getUint8(3) !== SCOPE_GLOBAL) return;
    const family = ADDRESS.family[body.getUint8(0) as keyof typeof ADDRESS.family];
    const attributes = attributesOf(body, 8);
    // IFA_ADDRESS is the other end's on point-to-point links.
    const view = attributes.get(ADDRESS.local) ?? attributes.get(ADDRESS.address);
    if (family === undefined || view === undefined) return;
    found.push({
      family,
      bytes: new Uint8Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength)),
    });
  });
  return found;
}

function numberIn(file: string): number | null {
  try {
    return Number.parseInt(readFileSync(file, "utf8"), 10);
  } catch {
    return null;
  }
}

function isBpffs(folder: string): boolean {
  try {
    return statfsSync(folder).type >>> 0 === BPFFS_MAGIC;
  } catch {
    return false;
  }
}
