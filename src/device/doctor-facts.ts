// What the doctor looks at: facts of a device, of what surrounds it and of the program it is to run. Plain data, so that every check can be
// tried on recorded facts; doctor-gather.ts asks the system for them, the command line adds those of the file.

import type { Channels, Offload } from "./ethtool.ts";
import type { XdpMode } from "./netlink.ts";

/** A device as far as the checks ask. */
export interface DeviceFacts {
  readonly name: string;
  /** "veth", "bridge"; null for hardware. */
  readonly kind: string | null;
  readonly driver: string | null;
  readonly up: boolean;
  readonly mtu: number;
  /** Queues in use. */
  readonly rxQueues: number;
  readonly txQueues: number;
  /** null: the driver has no say in them. */
  readonly channels: Channels | null;
  /** XDP_FEATURE bits; null where the kernel doesn't tell. */
  readonly features: number | null;
  /** By the kernel's names; null where the driver doesn't tell. */
  readonly offloads: Readonly<Record<string, Offload>> | null;
  /** What is attached, in the order packets meet it. */
  readonly attached: readonly AttachedFacts[];
  /** A veth's other end; null for others, "unseen" where it is in a namespace that can't be looked into. */
  readonly peer: PeerFacts | "unseen" | null;
}

/** A program on a device. */
export interface AttachedFacts {
  readonly mode: XdpMode;
  readonly id: number;
  readonly name: string;
  /** The file it was made from, where xdpc attached it; null for others'. */
  readonly file: string | null;
  /** Whose it is isn't known: the kernel tells programs to root only. */
  readonly unseen?: true;
}

/** The other end of a veth. */
export interface PeerFacts extends Omit<DeviceFacts, "peer"> {
  /** What to write before a command that is to run in its namespace; "" in this one. */
  readonly command: string;
}

/** A device that packets are redirected to. */
export interface TargetFacts {
  readonly device: DeviceFacts;
  /** Who says so: "the rules", "map ports". */
  readonly from: string;
}

/** A map of AF_XDP sockets. */
export interface SocketMapFacts {
  readonly name: string;
  readonly entries: number;
}

/** What became of frames that a machine needs to be reached. */
export interface ManagementFacts {
  /** "arp", "nd" or "port". */
  readonly what: "arp" | "nd" | "port";
  /** "an ARP request for this machine". */
  readonly frame: string;
  readonly family: "IPv4" | "IPv6";
  /** Whether it goes up the stack. */
  readonly passed: boolean;
  /** "drop", "redirect xsk[0]". */
  readonly fate: string;
  /** Where that is decided; null: by no rule, so by the default. */
  readonly rule: { readonly file: string; readonly line: number; readonly text: string } | null;
  /** The rule that would let it through. */
  readonly mend: string;
}

/** The program that is to run on the device. */
export interface FileFacts {
  readonly path: string;
  readonly program: string;
  /** Whether it takes packets of several buffers. */
  readonly frags: boolean;
  /** The oldest kernel that will do, and what needs it; null where that isn't known (other compilers' objects). */
  readonly minimumKernel: string | null;
  readonly reasons: readonly string[];
  /** Whether it looks at VLAN tags. */
  readonly readsVlan: boolean;
  readonly socketMaps: readonly SocketMapFacts[];
  /** Names of devices in the rules that aren't here. */
  readonly missingDevices: readonly string[];
  readonly management: readonly ManagementFacts[];
  /** Where a rule can be put before all others; null for objects. `column` counts characters before it. */
  readonly insertAt: { readonly file: string; readonly line: number; readonly column: number } | null;
}

/** All that the checks ask. */
export interface DoctorFacts {
  /** "6.18.5-generic". */
  readonly release: string;
  readonly pageBytes: number;
  readonly device: DeviceFacts;
  /** The families in which the device has addresses that others reach it by. */
  readonly addresses: readonly ("IPv4" | "IPv6")[];
  readonly targets: readonly TargetFacts[];
  /** Maps of sockets of the attached program, with the queues that have a socket (null: not known). */
  readonly sockets: { readonly maps: readonly SocketMapFacts[]; readonly queues: readonly number[] | null };
  /** net.core.bpf_jit_enable; null where it can't be read. */
  readonly jit: number | null;
  /** Whether a file system of BPF objects is at its usual place. */
  readonly bpffs: boolean;
  readonly file: FileFacts | null;
  /** What couldn't be looked at, a sentence each. */
  readonly unseen: readonly string[];
}

/** How bad a finding is: it won't work or loses packets; it works, but not as it could or as one expects; good to know. */
export type Severity = "problem" | "warning" | "note";

/** One thing that a check found. */
export interface Finding {
  /** Which check it was: "mtu", "vlan". */
  readonly check: string;
  readonly severity: Severity;
  /** What is the matter, one sentence. */
  readonly message: string;
  /** What that means. */
  readonly why: string;
  /** Commands that mend it, in their order; empty where there is none. */
  readonly mend: readonly string[];
}
