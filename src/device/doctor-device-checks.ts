// The doctor's checks of a device by itself: is it up, what its driver can do, queues, MTU, offloads that keep something from a program.
// Functions from facts to findings; nothing is asked of the system here.
// Source: Linux drivers/net/veth.c (veth_xdp_set, veth_set_xdp_features), net/core/dev.c (dev_xdp_install, generic_xdp_install),
// Documentation/networking/netdev-features.rst, ethtool(8).

import { compareKernels } from "../bpf/kernel.ts";
import type { DeviceFacts, DoctorFacts, Finding, PeerFacts } from "./doctor-facts.ts";
import { NATIVE_SINCE } from "./native-drivers.ts";
import { XDP_FEATURE } from "./xdp-features.ts";

/** What stands in a page beside a frame in native XDP: head room, struct skb_shared_info in whole cache lines, the Ethernet header. */
const HEAD_ROOM_BYTES = 256;
const SHARED_INFO_BYTES = 320;
const ETHERNET_BYTES = 14;
/** MAX_SKB_FRAGS: the further pages of a packet of several buffers. */
const MOST_FRAGS = 17;

/** A command in the namespace of a veth's other end. */
export function there(peer: PeerFacts, command: string): string {
  return peer.command === "" ? command : `${peer.command} ${command}`;
}

/** A path as a shell reads it. */
export function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

/** "6.18.5-generic" as a version of two numbers. */
export function kernelOf(release: string): string {
  return /^\d+\.\d+/.exec(release)?.[0] ?? "0.0";
}

/** The file in a command to attach it. */
export function fileOf({ file }: DoctorFacts): string {
  return file === null ? "FILE" : quoted(file.path);
}

/** Whether the driver runs programs itself; null where nobody knows. */
export function hasNative(facts: DoctorFacts): boolean | null {
  const { features, driver } = facts.device;
  if (features !== null) return (features & XDP_FEATURE.basic) !== 0;
  const since = driver === null ? undefined : NATIVE_SINCE.get(driver);
  return since === undefined ? null : compareKernels(kernelOf(facts.release), since) >= 0;
}

/** The device is down. */
export function checkUp({ device }: DoctorFacts): readonly Finding[] {
  if (device.up) return [];
  return [
    {
      check: "up",
      severity: "warning",
      message: `${device.name} is down`,
      why: "no packet arrives, and some drivers take no program until the device is up",
      mend: [`ip link set dev ${device.name} up`],
    },
  ];
}

/** A veth whose other end sends by more queues than this one receives by: the driver refuses programs. */
export function checkVethQueues({ device }: DoctorFacts): readonly Finding[] {
  const { peer, channels, name, rxQueues } = device;
  if (device.kind !== "veth" || peer === null || peer === "unseen" || peer.txQueues <= rxQueues) return [];
  const grow = channels !== null && channels.mostRx >= peer.txQueues;
  return [
    {
      check: "queues",
      severity: "problem",
      message: `${peer.name}, the other end, sends by ${peer.txQueues} queues and ${name} receives by ${rxQueues}`,
      why: "a veth takes a native program only with as many queues at the receiving end; generic mode is left",
      mend: [grow ? `ethtool -L ${name} rx ${peer.txQueues}` : there(peer, `ethtool -L ${peer.name} tx ${rxQueues}`)],
    },
  ];
}

/** What the driver can't do. */
export function checkDriver(facts: DoctorFacts): readonly Finding[] {
  const { device } = facts;
  const native = hasNative(facts);
  const driver =
    device.driver === null ? `${device.name} has no driver that` : `the driver of ${device.name}, ${device.driver},`;
  if (native === false && checkVethQueues(facts).length === 0) {
    return [
      {
        check: "driver",
        severity: "note",
        message: `${driver} ${device.driver === null ? "knows" : "doesn't know"} native XDP`,
        why: "programs run in generic mode, behind the driver: they do the same, but each packet has cost its memory and time by then",
        mend: [`xdpc attach ${fileOf(facts)} ${device.name} --mode generic`],
      },
    ];
  }
  if (native === null && device.features === null) {
    const before = `Linux ${kernelOf(facts.release)} doesn't tell what drivers can do (6.3 does)`;
    return [
      {
        check: "driver",
        severity: "note",
        message: `whether ${driver} knows native XDP isn't known here: ${before}`,
        why: "attaching tries it and falls back to generic mode by itself",
        mend: [],
      },
    ];
  }
  return [];
}

/** A program in generic mode where the driver could run it. */
export function checkGeneric(facts: DoctorFacts): readonly Finding[] {
  const { device, file } = facts;
  const generic = device.attached.find((one) => one.mode === "generic");
  if (generic === undefined || hasNative(facts) !== true) return [];
  const own = generic.file !== null;
  const again = file === null && generic.file !== null ? quoted(generic.file) : fileOf(facts);
  return [
    {
      check: "generic",
      severity: "warning",
      message: `program ${generic.name} (id ${generic.id}) runs in generic mode, though the driver knows native XDP`,
      why: "each packet costs an allocation and the way through the driver before the program sees it",
      mend: [
        own ? `xdpc detach ${device.name}` : `xdpc detach ${device.name} --force`,
        `xdpc attach ${again} ${device.name} --mode native`,
      ],
    },
  ];
}

/** The largest MTU with which a frame is in one page. */
export function onePageMtu(pageBytes: number): number {
  return pageBytes - HEAD_ROOM_BYTES - SHARED_INFO_BYTES - ETHERNET_BYTES;
}

/** Frames that don't fit into one buffer, for a program that knows only such. */
export function checkMtu(facts: DoctorFacts): readonly Finding[] {
  const { device, file, pageBytes } = facts;
  if (hasNative(facts) === false) return [];
  // What counts on a veth is what its other end sends.
  const { peer } = device;
  if (device.kind === "veth" && (peer === null || peer === "unseen")) return [];
  const sender: DeviceFacts | PeerFacts = device.kind === "veth" && peer !== null && peer !== "unseen" ? peer : device;
  const frags = file?.frags ?? false;
  const limit = onePageMtu(pageBytes) + (frags ? MOST_FRAGS * pageBytes : 0);
  const knowsFrags = device.features === null || (device.features & XDP_FEATURE.frags) !== 0;
  if (frags && knowsFrags && sender.mtu <= limit) return [];
  if (sender.mtu <= onePageMtu(pageBytes)) return [];
  const smaller = `ip link set dev ${sender.name} mtu ${onePageMtu(pageBytes)}`;
  const mend = sender === peer ? there(peer, smaller) : smaller;
  const program = file === null ? "programs without `frags`" : `program ${file.program}`;
  const most =
    device.kind === "veth"
      ? `${onePageMtu(pageBytes)} is the most`
      : `about ${onePageMtu(pageBytes)} is the most, less with some drivers`;
  return [
    {
      check: "mtu",
      severity: file === null ? "warning" : "problem",
      message: `MTU ${sender.mtu} of ${sender.name} is more than fits into one buffer: ${most}`,
      why: frags
        ? `the driver of ${device.name} doesn't know packets of several buffers, so \`frags\` doesn't help: it refuses the program`
        : `the driver refuses ${program} in native mode${knowsFrags ? "; one declared `program NAME frags { … }` takes packets of several buffers" : ""}`,
      mend: [mend],
    },
  ];
}

/** Offloads that join packets before a program sees them. */
export function checkMerging({ device }: DoctorFacts): readonly Finding[] {
  const offloads = device.offloads ?? {};
  const merging = [
    ["rx-lro", "LRO", "lro"],
    ["rx-gro-hw", "GRO in hardware", "rx-gro-hw"],
  ] as const;
  return merging.flatMap(([name, title, word]): Finding[] => {
    const offload = offloads[name];
    if (offload?.on !== true) return [];
    return [
      {
        check: "lro",
        severity: offload.fixed ? "note" : "warning",
        message: `${title} is on${offload.fixed ? " and can't be switched off" : ""}: ${device.name} joins packets of a connection`,
        why: "a program would see packets that nobody sent, larger than the MTU; many drivers refuse native programs while it is on",
        mend: offload.fixed ? [] : [`ethtool -K ${device.name} ${word} off`],
      },
    ];
  });
}

/** VLAN tags that are taken off before a program sees them. */
export function checkVlan({ device, file }: DoctorFacts): readonly Finding[] {
  if (file?.readsVlan !== true) return [];
  const { peer } = device;
  if (device.kind === "veth") {
    if (peer === null || peer === "unseen") return [];
    const offload = peer.offloads?.["tx-vlan-hw-insert"];
    if (offload?.on !== true) return [];
    return [
      {
        check: "vlan",
        severity: "problem",
        message: `${peer.name}, the other end, keeps VLAN tags beside the packet (txvlan is on)`,
        why: `${file.path} looks for tags in the packet: what VLAN devices on ${peer.name} send looks untagged to it`,
        mend: [there(peer, `ethtool -K ${peer.name} txvlan off`)],
      },
    ];
  }
  const offload = device.offloads?.["rx-vlan-hw-parse"];
  if (offload?.on !== true) return [];
  return [
    {
      check: "vlan",
      severity: "problem",
      message: `${device.name} takes VLAN tags off (rxvlan is on${offload.fixed ? " and can't be switched off" : ""})`,
      why: `${file.path} looks for tags in the packet: tagged packets look untagged to it`,
      mend: offload.fixed ? [] : [`ethtool -K ${device.name} rxvlan off`],
    },
  ];
}
