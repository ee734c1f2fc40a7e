// The network that fib_lookup and check_mtu ask: interfaces, routes and neighbours, given by the user in the words of `ip route` and
// read once into numbers. No packet moves here. Knows nothing of programs or memory.
// Source: Linux include/uapi/linux/rtnetlink.h (tables, types of routes); RFC 4291 section 2.2 for IPv6 addresses as text.

/** An interface. */
export interface NetworkDevice {
  readonly ifindex: number;
  /** In bytes, without the Ethernet header. Default 1500. */
  readonly mtu?: number;
  /** "02:00:00:00:00:01". Default zeros. */
  readonly mac?: string;
  /** Whether packets that arrive here are forwarded. Default true. */
  readonly forwarding?: boolean;
  /** Its addresses ("10.0.0.1/24"): each is also a route to itself and to its network. */
  readonly addresses?: readonly string[];
}

/** A route. */
export interface NetworkRoute {
  /** "10.0.0.0/8", "2001:db8::/32"; "0.0.0.0/0" and "::/0" for the rest. */
  readonly to: string;
  /** Where it leads. Default unicast; all others forward nothing. */
  readonly type?: "unicast" | "local" | "broadcast" | "multicast" | "blackhole" | "unreachable" | "prohibit" | "throw";
  /** The interface it leaves by; for unicast routes. */
  readonly ifindex?: number;
  /** The next hop; without it, destinations are neighbours. An IPv4 route may have one of IPv6. */
  readonly via?: string;
  /** The lowest wins among routes to one prefix. Default 0 for IPv4, 1024 for IPv6, as with `ip route`. */
  readonly metric?: number;
  /** The most bytes of a packet on this route (`mtu lock`: others do not count here). Default the interface's. */
  readonly mtu?: number;
  /** The source address for BPF_FIB_LOOKUP_SRC. Default an address of the interface. */
  readonly src?: string;
  /** The routing table: 254 is main, 255 local. Default 255 for local and broadcast routes, else 254. */
  readonly table?: number;
  /** The route needs an encapsulation by the stack. Default false. */
  readonly encapsulated?: boolean;
}

/** A neighbour whose link-layer address is known. */
export interface NetworkNeighbour {
  readonly address: string;
  readonly ifindex: number;
  readonly mac: string;
}

/** What the user says of the network. */
export interface NetworkDescription {
  readonly devices?: readonly NetworkDevice[];
  readonly routes?: readonly NetworkRoute[];
  readonly neighbours?: readonly NetworkNeighbour[];
}

/** A description that can't be read: which text, and why. */
export class NetworkError extends Error {
  override readonly name = "NetworkError";
}

/** A device as helpers see it. */
export interface Device {
  readonly ifindex: number;
  readonly mtu: number;
  readonly mac: Uint8Array;
  readonly forwarding: boolean;
  /** Of both families: 4 or 16 bytes. */
  readonly addresses: readonly Uint8Array[];
}

/** A route as helpers see it; addresses have 4 or 16 bytes. */
export interface Route {
  readonly prefix: Uint8Array;
  readonly bits: number;
  readonly type: NonNullable<NetworkRoute["type"]>;
  readonly ifindex: number;
  readonly via: Uint8Array | null;
  readonly metric: number;
  /** 0 when the device's counts. */
  readonly mtu: number;
  readonly src: Uint8Array | null;
  readonly table: number;
  readonly encapsulated: boolean;
}

/** Routing tables by number. **Source:** Linux include/uapi/linux/rtnetlink.h, enum rt_class_t. */
export const tables = { main: 254, local: 255 } as const;

/** Types that answer whatever interface is asked for: they have none. */
const refusing: ReadonlySet<Route["type"]> = new Set<Route["type"]>(["blackhole", "unreachable", "prohibit", "throw"]);
/** **Source:** Linux include/uapi/linux/ipv6_route.h, IP6_RT_PRIO_ADDRCONF and IP6_RT_PRIO_USER. */
const ipv6Metrics = { connected: 256, given: 1024 } as const;
const defaultMtu = 1500;
const macBytes = 6;

/** The network, read. */
export class Network {
  readonly #devices = new Map<number, Device>();
  /** The best first: longest prefix, local before main, lowest metric. */
  readonly #routes: Route[] = [];
  readonly #neighbours = new Map<string, Uint8Array>();

  /** Throws NetworkError for addresses it can't read. */
  constructor(description: NetworkDescription = {}) {
    for (const device of description.devices ?? []) this.#addDevice(device);
    for (const route of description.routes ?? []) this.#routes.push(readRoute(route));
    for (const { address, ifindex, mac } of description.neighbours ?? [])
      this.#neighbours.set(`${ifindex} ${parseAddress(address).join()}`, parseMac(mac));
    this.#routes.sort((a, b) => b.bits - a.bits || b.table - a.table || a.metric - b.metric);
  }

  #addDevice(device: NetworkDevice): void {
    const { ifindex } = device;
    const addresses = (device.addresses ?? []).map((text) => ({ text, ...parsePrefix(text) }));
    for (const { prefix, bits } of addresses) {
      const all = prefix.length * 8;
      this.#routes.push({ ...connected(prefix, ifindex), bits: all, type: "local", metric: 0, table: tables.local });
      if (bits < all) this.#routes.push({ ...connected(prefix, ifindex), bits });
    }
    this.#devices.set(ifindex, {
      ifindex,
      mtu: device.mtu ?? defaultMtu,
      mac: device.mac === undefined ? new Uint8Array(macBytes) : parseMac(device.mac),
      forwarding: device.forwarding ?? true,
      addresses: addresses.map(({ prefix }) => prefix),
    });
  }

  device(ifindex: number): Device | null {
    return this.#devices.get(ifindex) ?? null;
  }

  /**
   * The route to an address in a table: the longest prefix, then the lowest metric; null when there is none. IPv4 keeps the main and
   * the local table in one, as the kernel does while there are no policy rules.
   */
  route(address: Uint8Array, table: number, outIfindex: number | null): Route | null {
    const isBoth = address.length === 4 && (table === tables.main || table === tables.local);
    for (const route of this.#routes) {
      const isIn = route.table === table || (isBoth && (route.table === tables.main || route.table === tables.local));
      if (!isIn || !covers(route.prefix, route.bits, address)) continue;
      if (outIfindex === null || route.ifindex === outIfindex || refusing.has(route.type)) return route;
    }
    return null;
  }

  /** A neighbour's link-layer address, or null. */
  neighbour(ifindex: number, address: Uint8Array): Uint8Array | null {
    return this.#neighbours.get(`${ifindex} ${address.join()}`) ?? null;
  }
}

function connected(prefix: Uint8Array, ifindex: number): Route {
  const metric = prefix.length === 4 ? 0 : ipv6Metrics.connected;
  const nothing = { via: null, metric, mtu: 0, src: null, encapsulated: false };
  return { prefix, bits: 0, type: "unicast", ifindex, table: tables.main, ...nothing, src: prefix };
}

function readRoute(route: NetworkRoute): Route {
  const { prefix, bits } = parsePrefix(route.to);
  const type = route.type ?? "unicast";
  if (type === "unicast" && route.ifindex === undefined)
    throw new NetworkError(`the route to ${route.to} names no interface`);
  return {
    prefix,
    bits,
    type,
    ifindex: route.ifindex ?? 0,
    via: route.via === undefined ? null : parseAddress(route.via),
    metric: route.metric ?? (prefix.length === 4 ? 0 : ipv6Metrics.given),
    mtu: route.mtu ?? 0,
    src: route.src === undefined ? null : parseAddress(route.src),
    table: route.table ?? (type === "local" || type === "broadcast" ? tables.local : tables.main),
    encapsulated: route.encapsulated ?? false,
  };
}

function covers(prefix: Uint8Array, bits: number, address: Uint8Array): boolean {
  if (prefix.length !== address.length) return false;
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (prefix[i] !== address[i]) return false;
  const mask = 0xff << (8 - (bits & 7));
  return (bits & 7) === 0 || ((prefix[whole]! ^ address[whole]!) & mask & 0xff) === 0;
}

/** "02:00:00:00:00:01" as 6 bytes. Throws NetworkError. */
export function parseMac(text: string): Uint8Array {
  if (!/^([0-9a-f]{1,2}:){5}[0-9a-f]{1,2}$/i.test(text)) throw new NetworkError(`${text} is no link-layer address`);
  return Uint8Array.from(text.split(":"), (byte) => Number.parseInt(byte, 16));
}

/** An address with a prefix length in bits, or a whole address. Throws NetworkError. */
export function parsePrefix(text: string): { prefix: Uint8Array; bits: number } {
  const [address = "", length, ...more] = text.split("/");
  const prefix = parseAddress(address);
  const bits = length === undefined ? prefix.length * 8 : Number(length);
  const wellFormed = more.length === 0 && (length === undefined || /^\d+$/.test(length));
  if (!wellFormed || bits > prefix.length * 8) throw new NetworkError(`${text} is no prefix`);
  return { prefix, bits };
}

/** An IPv4 address as 4 bytes or an IPv6 address as 16, in network order. Throws NetworkError. */
export function parseAddress(text: string): Uint8Array {
  const four = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (four?.every((byte) => byte < 256)) return Uint8Array.from(four);
  const six = four === undefined ? parseIpv6(text) : null;
  if (six === null) throw new NetworkError(`${text} is no address`);
  return six;
}

function parseIpv6(text: string): Uint8Array | null {
  // The last two groups may be an IPv4 address.
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (tail !== null) {
    const [a = 0, b = 0, c = 0, d = 0] = parseAddress(tail[2]!);
    return parseIpv6(`${tail[1]}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`);
  }
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [head = [], rest = []] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const missing = 8 - head.length - rest.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const groups = [...head, ...new Array<string>(missing).fill("0"), ...rest];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null;
  return Uint8Array.from(
    groups.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]),
  );
}
