// Which functions of an object are XDP programs, and how they are attached: by their section's name as libbpf reads it, and where
// it knows no such name, by the type of their argument, for `ip link set … sec NAME` and `xdp-loader -s NAME` take any name.
// Knows no instructions.
// Source: libbpf src/libbpf.c (section_defs, sec_def_matches); iproute2 ip/iplink_xdp.c.

import type { AttachPoint } from "../bpf/image.ts";
import { type DecodedBtf, skipModifiers } from "./btf-decode.ts";
import { shortName } from "./link-fault.ts";

/** An XDP program's way in, or why it isn't one. */
export type ProgramRole =
  | { readonly xdp: true; readonly attach: AttachPoint; readonly frags: boolean }
  | { readonly xdp: false; readonly reason: string };

/** The names libbpf knows, and the prefixes of libbpf before 1.0. */
const xdpSections: readonly (readonly [pattern: RegExp, attach: AttachPoint, frags: boolean])[] = [
  [/^xdp$/, "device", false],
  [/^xdp\.frags$/, "device", true],
  [/^xdp\/devmap$/, "devmap", false],
  [/^xdp\.frags\/devmap$/, "devmap", true],
  [/^xdp\/cpumap$/, "cpumap", false],
  [/^xdp\.frags\/cpumap$/, "cpumap", true],
  [/^xdp_devmap(\/|$)/, "devmap", false],
  [/^xdp_cpumap(\/|$)/, "cpumap", false],
  [/^xdp\.frags/, "device", true],
  [/^xdp/, "device", false],
];

/** The first words of the section names of other program types that libbpf knows, and what they are. */
const otherSections: Readonly<Record<string, string>> = {
  socket: "a socket filter",
  sk_reuseport: "a socket selector",
  kprobe: "a kprobe program",
  kretprobe: "a kprobe program",
  uprobe: "a uprobe program",
  uretprobe: "a uprobe program",
  ksyscall: "a kprobe program",
  kretsyscall: "a kprobe program",
  usdt: "a uprobe program",
  tc: "a traffic control program",
  tcx: "a traffic control program",
  netkit: "a netkit program",
  classifier: "a traffic control program",
  action: "a traffic control program",
  tracepoint: "a tracepoint program",
  tp: "a tracepoint program",
  raw_tracepoint: "a tracepoint program",
  raw_tp: "a tracepoint program",
  tp_btf: "a tracing program",
  fentry: "a tracing program",
  fmod_ret: "a tracing program",
  fexit: "a tracing program",
  fsession: "a tracing program",
  freplace: "an extension of another program",
  lsm: "a security program",
  lsm_cgroup: "a security program",
  iter: "an iterator",
  syscall: "a system call program",
  perf_event: "a perf event program",
  lwt_in: "a lightweight tunnel program",
  lwt_out: "a lightweight tunnel program",
  lwt_xmit: "a lightweight tunnel program",
  lwt_seg6local: "a lightweight tunnel program",
  sockops: "a socket operations program",
  sk_skb: "a socket buffer program",
  sk_msg: "a socket message program",
  lirc_mode2: "an infrared decoder",
  flow_dissector: "a flow dissector",
  cgroup_skb: "a control group program",
  cgroup: "a control group program",
  struct_ops: "an operation of the kernel",
  sk_lookup: "a socket lookup program",
  netfilter: "a netfilter program",
};

/**
 * What a function in section `section` is. A question mark before the name (don't load unless asked) is left off. A section
 * that no loader knows holds an XDP program when its function's first parameter is a pointer to `struct xdp_md`, and also
 * when there is no BTF to tell: nothing but a command that says "this is XDP" loads such a section.
 */
export function programRole(section: string, btf: DecodedBtf | null, functionType: number | null): ProgramRole {
  const name = section.startsWith("?") ? section.slice(1) : section;
  for (const [pattern, attach, frags] of xdpSections) if (pattern.test(name)) return { xdp: true, attach, frags };
  const word = /^\w+/.exec(name)?.[0] ?? "";
  const other = Object.hasOwn(otherSections, word) ? otherSections[word] : undefined;
  if (other !== undefined) return { xdp: false, reason: `${other}, not an XDP program` };
  const argument = btf === null || functionType === null ? null : firstArgument(btf, functionType);
  if (argument === null || argument === "xdp_md") return { xdp: true, attach: "device", frags: false };
  return { xdp: false, reason: `not an XDP program: its argument is ${argument}, not struct xdp_md *` };
}

/** "xdp_md" for a pointer to it, null where nothing is known of it or it could be anything (void *), else words. */
function firstArgument(btf: DecodedBtf, functionType: number): string | null {
  const func = btf.types[functionType];
  const prototype = func?.kind === "function" ? btf.types[func.prototype] : undefined;
  if (prototype?.kind !== "prototype") return null;
  const first = prototype.parameters[0];
  if (first === undefined) return null;
  const type = skipModifiers(btf, first.type);
  if (type?.kind !== "pointer") return "no pointer";
  const target = skipModifiers(btf, type.to);
  if (target === null || target.kind === "void") return null;
  return target.name === "xdp_md" ? "xdp_md" : `${target.kind} ${shortName(target.name)} *`;
}
