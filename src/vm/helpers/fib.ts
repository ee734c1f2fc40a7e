// The helpers that ask the network: fib_lookup in a table of routes, check_mtu. The order of the questions is the kernel's, so the
// answer is too when several things are wrong. Not modelled: policy routing, several next hops, types of service.
// Source: Linux net/core/filter.c, bpf_ipv4_fib_lookup, bpf_ipv6_fib_lookup, bpf_xdp_check_mtu; include/uapi/linux/bpf.h, struct
// bpf_fib_lookup, BPF_FIB_LKUP_RET_*, BPF_MTU_CHK_RET_*.

import { errno } from "../errno.ts";
import { MachineFault } from "../fault.ts";
import type { HelperFunction } from "../helper-call.ts";
import { argIsNull, argReadable, argS32, argU32, argWritable, giveNumber } from "../helper-call.ts";
import type { Device, Network, Route } from "../network.ts";
import { tables } from "../network.ts";
import { contextOf } from "./packet.ts";

/** What fib_lookup answers besides errors. */
export const fibResults = {
  success: 0,
  blackhole: 1,
  unreachable: 2,
  prohibit: 3,
  notForwarded: 4,
  forwardingDisabled: 5,
  unsupportedEncapsulation: 6,
  noNeighbour: 7,
  fragmentationNeeded: 8,
  noSourceAddress: 9,
} as const;

const flag = { direct: 1, output: 2, skipNeighbour: 4, table: 8, source: 16, mark: 32 } as const;
const knownFlags = 63;
const family = { ipv4: 2, ipv6: 10 } as const;
/** struct bpf_fib_lookup: its size and members, in bytes. */
const structBytes = 64;
const at = { family: 0, length: 6, ifindex: 8, metric: 12, source: 16, destination: 32, vlan: 48, smac: 52, dmac: 58 };
const ethernetBytes = 14;
const mostIpv4Mtu = 0xffff;

/** bpf_fib_lookup in `network`. */
export function fibLookup(network: Network): HelperFunction {
  return (env) => {
    contextOf(env);
    const bytes = argS32(env, 3);
    const flags = argU32(env, 4);
    if (bytes < structBytes || (flags & ~knownFlags) !== 0) return giveNumber(env, -errno.EINVAL);
    const params = argWritable(env, 2, bytes);
    const which = params[at.family];
    if (which !== family.ipv4 && which !== family.ipv6) return giveNumber(env, -errno.EAFNOSUPPORT);
    giveNumber(env, new Lookup(network, params, flags).run());
  };
}

/** One question and its parameters, which become the answer. */
class Lookup {
  readonly #network: Network;
  readonly #params: Uint8Array;
  readonly #view: DataView;
  readonly #flags: number;
  readonly #is6: boolean;

  constructor(network: Network, params: Uint8Array, flags: number) {
    this.#network = network;
    this.#params = params;
    this.#view = new DataView(params.buffer, params.byteOffset, params.length);
    this.#flags = flags;
    this.#is6 = params[at.family] === family.ipv6;
  }

  run(): number {
    const destination = this.#address(at.destination).slice();
    if (this.#is6 && (staysOnLink(destination) || staysOnLink(this.#address(at.source))))
      return fibResults.notForwarded;
    const ifindex = this.#view.getUint32(at.ifindex, true);
    const ingress = this.#network.device(ifindex);
    if (ingress === null) return -errno.ENODEV;
    if (!ingress.forwarding) return fibResults.forwardingDisabled;
    // For IPv6 the interface asked for is only a preference.
    const route = this.#find(destination, this.#has(flag.output) && !this.#is6 ? ifindex : null);
    if (route === null) return fibResults.notForwarded;
    switch (route.type) {
      case "unicast":
        return this.#forward(route, destination);
      case "blackhole":
      case "unreachable":
      case "prohibit":
        return fibResults[route.type];
      default:
        return fibResults.notForwarded;
    }
  }

  #has(bit: number): boolean {
    return (this.#flags & bit) !== 0;
  }

  #address(offset: number): Uint8Array {
    return this.#params.subarray(offset, offset + (this.#is6 ? 16 : 4));
  }

  #find(destination: Uint8Array, outIfindex: number | null): Route | null {
    if (this.#has(flag.direct)) {
      let table: number = tables.main;
      if (this.#has(flag.table)) {
        table = this.#view.getUint32(at.vlan, true);
        this.#view.setUint32(at.vlan, 0, true);
      }
      return this.#network.route(destination, table, outIfindex);
    }
    for (const table of [tables.local, tables.main]) {
      const route = this.#network.route(destination, table, outIfindex);
      // "throw" ends the search in its table only.
      if (route !== null && route.type !== "throw") return route;
    }
    return null;
  }

  #forward(route: Route, destination: Uint8Array): number {
    const device = this.#network.device(route.ifindex);
    if (device === null) return fibResults.notForwarded;
    const mtu = mtuOf(route, device, this.#is6);
    if (this.#view.getUint16(at.length, true) > mtu) {
      this.#view.setUint16(at.length, mtu, true);
      return fibResults.fragmentationNeeded;
    }
    if (route.encapsulated) return fibResults.unsupportedEncapsulation;
    const hop = this.#nextHop(route, destination);
    this.#view.setUint32(at.metric, route.metric, true);
    this.#view.setUint32(at.ifindex, device.ifindex, true);
    if (this.#has(flag.source)) {
      const source = sourceOf(route, device, destination.length);
      if (source === null && this.#is6) return fibResults.noSourceAddress;
      this.#params.set(source ?? new Uint8Array(4), at.source);
    }
    if (!this.#has(flag.skipNeighbour)) {
      const mac = this.#network.neighbour(device.ifindex, hop);
      if (mac === null) return fibResults.noNeighbour;
      this.#params.set(mac, at.dmac);
      this.#params.set(device.mac, at.smac);
    }
    this.#view.setUint32(at.vlan, 0, true);
    if (mtu !== 0) this.#view.setUint16(at.length, mtu, true);
    return fibResults.success;
  }

  /** The neighbour a packet goes to; left in the parameters where it isn't the destination. */
  #nextHop(route: Route, destination: Uint8Array): Uint8Array {
    if (route.via === null) return destination;
    if (!this.#is6 && route.via.length === 16) this.#params[at.family] = family.ipv6;
    this.#params.set(route.via, at.destination);
    return route.via;
  }
}

function mtuOf(route: Route, device: Device, is6: boolean): number {
  if (route.mtu !== 0) return route.mtu;
  return is6 ? device.mtu : Math.min(device.mtu, mostIpv4Mtu);
}

function sourceOf(route: Route, device: Device, addressBytes: number): Uint8Array | null {
  if (route.src !== null) return route.src;
  return device.addresses.find(({ length }) => length === addressBytes) ?? null;
}

/** Multicast, link-local and loopback addresses of IPv6. */
function staysOnLink(address: Uint8Array): boolean {
  if (address[0] === 0xff || (address[0] === 0xfe && (address[1]! & 0xc0) === 0x80)) return true;
  return address.every((byte, i) => byte === (i === 15 ? 1 : 0));
}

/** bpf_check_mtu; interface 0 is the one the packet came in by, Ethernet of 1500 bytes unless the network says otherwise. */
export function checkMtu(network: Network): HelperFunction {
  return (env) => {
    const context = contextOf(env);
    const length = argWritable(env, 3, 4);
    const view = new DataView(length.buffer, length.byteOffset, 4);
    if (!argIsNull(env, 5)) return giveNumber(env, -errno.EINVAL);
    const ifindex = argU32(env, 2);
    const known = network.device(ifindex === 0 ? context.ingressIfindex : ifindex);
    if (known === null && ifindex !== 0) return giveNumber(env, -errno.ENODEV);
    const mtu = known?.mtu ?? 1500;
    const given = view.getUint32(0, true);
    const packet = given === 0 ? context.dataEnd - context.data : (given + ethernetBytes) | 0;
    view.setUint32(0, mtu, true);
    giveNumber(env, ((packet + argS32(env, 4)) | 0) > mtu + ethernetBytes ? 1 : 0);
  };
}

/** sk_lookup_tcp and its like: there are no sockets here, so none is found, whatever is asked. */
export const noSocket: HelperFunction = (env) => {
  argReadable(env, 2, argU32(env, 3));
  if (env.context === null) throw new MachineFault("helper", "there is no packet in this run");
  giveNumber(env, 0);
};
