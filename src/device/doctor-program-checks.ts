// The doctor's checks of a program on a device: whether this kernel takes it, what runs there already, where its packets go, whether the
// machine can still be reached. Functions from facts to findings; nothing is asked of the system here.
// Source: Linux kernel/bpf/devmap.c (targets need NETDEV_XDP_ACT_NDO_XMIT), drivers/net/veth.c (veth_xdp_xmit),
// Documentation/networking/af_xdp.rst, Documentation/admin-guide/sysctl/net.rst (bpf_jit_enable).

import { compareKernels } from "../bpf/kernel.ts";
import { fileOf, hasNative, kernelOf, quoted, there } from "./doctor-device-checks.ts";
import type { DoctorFacts, Finding, ManagementFacts, TargetFacts } from "./doctor-facts.ts";
import { XDP_FEATURE } from "./xdp-features.ts";

/** A kernel without what the program needs. */
export function checkKernel({ file, release }: DoctorFacts): readonly Finding[] {
  if (file?.minimumKernel == null || compareKernels(kernelOf(release), file.minimumKernel) >= 0) return [];
  return [
    {
      check: "kernel",
      severity: "problem",
      message: `${file.path} needs Linux ${file.minimumKernel}; this is ${kernelOf(release)}`,
      why: file.reasons.join("; "),
      mend: [`xdpc ${quoted(file.path)} --kernel ${kernelOf(release)} -o /dev/null`],
    },
  ];
}

/** Without the JIT. */
export function checkJit({ jit }: DoctorFacts): readonly Finding[] {
  if (jit !== 0) return [];
  return [
    {
      check: "jit",
      severity: "warning",
      message: "the kernel interprets BPF programs: its JIT compiler is off",
      why: "each instruction takes several times as long",
      mend: ["sysctl -w net.core.bpf_jit_enable=1"],
    },
  ];
}

/** Without a place for pins. */
export function checkBpffs({ bpffs }: DoctorFacts): readonly Finding[] {
  if (bpffs) return [];
  return [
    {
      check: "bpffs",
      severity: "problem",
      message: "no BPF file system is mounted at /sys/fs/bpf",
      why: "programs and maps are pinned there: nothing can be attached without it (`ip netns exec` hides it: use nsenter --net=/run/netns/NAME)",
      mend: ["mount -t bpf bpf /sys/fs/bpf"],
    },
  ];
}

/** What runs on the device already. */
export function checkAttached({ device, file }: DoctorFacts): readonly Finding[] {
  return device.attached.map(({ mode, id, name, file: from, unseen }): Finding => {
    const named = unseen ? "a program" : `program ${name === "" ? "without a name" : name}`;
    const what = `${named} (id ${id}, ${mode})`;
    const base = { check: "attached", message: `${device.name} already runs ${what}` } as const;
    if (from !== null)
      return {
        ...base,
        severity: "note",
        why: `xdpc attached it from ${from}; --replace puts another in its place and keeps the contents of equal maps`,
        mend: file === null ? [] : [`xdpc attach ${quoted(file.path)} ${device.name} --replace`],
      };
    if (unseen)
      return {
        ...base,
        severity: file === null ? "note" : "problem",
        why: "whose it is the kernel tells to root only",
        mend: [`sudo xdpc status ${device.name}`],
      };
    const dispatcher = name === "xdp_dispatcher";
    return {
      ...base,
      severity: file === null ? "note" : "problem",
      why: dispatcher
        ? "it is libxdp's, which runs several programs in a row; xdpc leaves it alone unless told otherwise"
        : "xdpc didn't attach it, and leaves it alone unless told otherwise",
      mend: [dispatcher ? `xdp-loader unload ${device.name} --all` : `xdpc detach ${device.name} --force`],
    };
  });
}

/** Devices that lose what is redirected to them. */
export function checkTargets({ device, targets, file }: DoctorFacts): readonly Finding[] {
  const missing = (file?.missingDevices ?? []).map((name): Finding => {
    const path = file?.path ?? "";
    const set = `ifindex_${name.replace(/[^A-Za-z0-9_]/g, "_")}=0`;
    return {
      check: "target",
      severity: "problem",
      message: `${path} sends packets to ${name}, which isn't here`,
      why: "make it first, or attach without it: what is meant for it then gets the verdict behind `or`",
      mend: [`xdpc attach ${quoted(path)} ${device.name} --set ${set}`],
    };
  });
  return [...missing, ...targets.flatMap(checkTarget)];
}

function checkTarget({ device, from }: TargetFacts): readonly Finding[] {
  const { name, peer, features } = device;
  const findings: Finding[] = [];
  if (!device.up)
    findings.push({
      check: "target",
      severity: "problem",
      message: `${name}, to which ${from} redirect, is down`,
      why: "packets redirected to it are lost without a word",
      mend: [`ip link set dev ${name} up`],
    });
  if (device.kind === "veth") {
    const receives =
      peer === "unseen" || peer === null
        ? features === null || (features & XDP_FEATURE.target) !== 0
        : peer.attached.some((one) => one.mode === "native") || peer.offloads?.["rx-gro"]?.on === true;
    if (!receives) {
      const end = peer === "unseen" || peer === null ? null : peer;
      findings.push({
        check: "veth",
        severity: "problem",
        message: `${end?.name ?? `the other end of ${name}`} has neither an XDP program nor GRO, and ${from} redirect to ${name}`,
        why: "a veth receives redirected packets only where its other end polls (NAPI): they are lost without a word",
        mend: end === null ? [] : [there(end, `ethtool -K ${end.name} gro on`)],
      });
    } else if (peer !== null && peer !== "unseen" && !peer.up)
      findings.push({
        check: "veth",
        severity: "problem",
        message: `${peer.name}, the other end of ${name}, is down`,
        why: "packets redirected to it are lost without a word",
        mend: [there(peer, `ip link set dev ${peer.name} up`)],
      });
    return findings;
  }
  if (features !== null && (features & XDP_FEATURE.target) === 0) {
    const can = (features & XDP_FEATURE.basic) !== 0;
    findings.push({
      check: "target",
      severity: "problem",
      message: `${name} doesn't take packets that native programs redirect to it, and ${from} do`,
      why: can
        ? "its driver sets up queues for them when a program runs on it, one that passes everything will do: until then they are lost"
        : "its driver can't send them: they are lost; in generic mode they are sent",
      mend: can ? [`echo pass | xdpc attach - ${name}`] : [],
    });
  }
  return findings;
}

/** Queues that no AF_XDP socket serves. */
export function checkSockets(facts: DoctorFacts): readonly Finding[] {
  const { device, file, sockets } = facts;
  const { rxQueues, channels, name } = device;
  const findings: Finding[] = [];
  const resize = (queues: number): readonly string[] => {
    if (channels === null || queues < 1) return [];
    if (channels.mostCombined >= queues && channels.combined > 0) return [`ethtool -L ${name} combined ${queues}`];
    if (channels.mostRx < queues || channels.rx === 0) return [];
    // A veth needs as many queues as its other end sends by.
    const { peer } = device;
    const narrow = peer !== null && peer !== "unseen" && peer.txQueues > queues;
    const first = narrow ? [there(peer, `ethtool -L ${peer.name} tx ${queues}`)] : [];
    return [...first, `ethtool -L ${name} rx ${queues}`];
  };
  const short = (file?.socketMaps ?? sockets.maps).filter((map) => map.entries < rxQueues);
  for (const map of short) {
    findings.push({
      check: "queues",
      severity: "problem",
      message: `${name} receives by ${rxQueues} queues, and ${map.name} has ${map.entries} entries`,
      why: `packets of queues ${listed(range(map.entries, rxQueues))} never reach a socket: they get the verdict behind \`or\`; or give ${map.name} ${rxQueues} entries`,
      mend: resize(map.entries),
    });
  }
  // Before it runs there is nobody who could have opened any.
  if (sockets.maps.length === 0 || sockets.queues === null) return findings;
  const bound = sockets.queues;
  const without = range(0, rxQueues).filter((queue) => !bound.includes(queue));
  if (without.length === 0) return findings;
  const names = sockets.maps.map((map) => map.name).join(", ");
  const first = bound.every((queue, i) => queue === i);
  const all = without.length === rxQueues;
  findings.push({
    check: "sockets",
    severity: "problem",
    message: `${all ? `no queue of ${name} has an` : `${without.length === 1 ? "queue" : "queues"} ${listed(without)} of ${name} ${without.length === 1 ? "has" : "have"} no`} AF_XDP socket, and the program redirects to ${names}`,
    why: "what arrives there gets the verdict behind `or`; start the program that opens the sockets, one for each queue",
    mend: first ? resize(bound.length) : [],
  });
  return findings;
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

function listed(numbers: readonly number[]): string {
  return numbers.length > 8 ? `${numbers.slice(0, 8).join(", ")} …` : numbers.join(", ");
}

const MANAGEMENT = {
  arp: "address resolution (ARP)",
  nd: "neighbour discovery (IPv6)",
  port: "the management port",
} as const;

/** Rules that keep off what the machine is reached by. */
export function checkLockout({ device, file, addresses }: DoctorFacts): readonly Finding[] {
  if (file === null) return [];
  const families = addresses.length > 0 ? addresses : (["IPv4", "IPv6"] as const);
  const stopped = file.management.filter((one) => families.includes(one.family) && !one.passed);
  if (stopped.length === 0) return [];
  const open = families.some((family) => !stopped.some((one) => one.family === family));
  const severity = open || addresses.length === 0 ? "warning" : "problem";
  const asked = [...new Set(stopped.map((one) => one.mend))];
  return asked.map((mend): Finding => {
    const those = stopped.filter((one) => one.mend === mend);
    const first = those[0] as ManagementFacts;
    const places = [...new Set(those.map(placeOf))];
    const cut = open ? `can't reach it over ${first.family}` : "can't reach it at all";
    const reach = addresses.length === 0 ? `${cut}, when ${device.name} gets an address` : cut;
    const command = insertion(file.insertAt, mend);
    const wanted = command === null ? `; \`${mend}\` in front of all rules would let it through` : "";
    return {
      check: "lockout",
      severity,
      message: `${file.path} keeps off ${MANAGEMENT[first.what]}: ${those.map((one) => `${one.frame} ends with ${one.fate}`).join(", ")}`,
      why: `${places.join("; ")}. Who works on this machine by ${device.name} ${reach} once the program is attached${wanted}`,
      mend: [command ?? `(sleep 60; xdpc detach ${device.name}) & xdpc attach ${quoted(file.path)} ${device.name}`],
    };
  });
}

function placeOf({ rule }: ManagementFacts): string {
  return rule === null
    ? "no rule takes it, so the default decides"
    : `${rule.file}:${rule.line} decides${rule.text === "" ? "" : `: ${rule.text}`}`;
}

/** A command that puts a rule before all others; null where there is no place for it. */
function insertion(
  at: { readonly file: string; readonly line: number; readonly column: number } | null,
  rule: string,
): string | null {
  if (at === null) return null;
  const indent = " ".repeat(at.column);
  return `sed -i '${at.line}s/^.\\{${at.column}\\}/&${rule}\\n${indent}/' ${quoted(at.file)}`;
}

/** What is redirected natively, and can't be. */
export function checkRedirect(facts: DoctorFacts): readonly Finding[] {
  const { device, targets } = facts;
  if (targets.length === 0 || hasNative(facts) !== true || device.features === null) return [];
  if ((device.features & XDP_FEATURE.redirect) !== 0) return [];
  return [
    {
      check: "driver",
      severity: "problem",
      message: `the driver of ${device.name} can't redirect`,
      why: "in native mode packets that the program redirects are lost",
      mend: [`xdpc attach ${fileOf(facts)} ${device.name} --mode generic`],
    },
  ];
}
