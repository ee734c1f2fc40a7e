// examples/bridge.xdp beside a real Linux bridge, three hosts at each: every frame goes into both, and both have to do with it
// what the table says. VLANs have a written expectation alone, because the kernel's bridge here doesn't tell them apart.

import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { concat, hex, littleEndian, unhex } from "../support/addresses.ts";
import { attachPass, detach, loadExample, MODES } from "../support/examples.ts";
import { attachXdp, type LoadedObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createPeerNetns, createVeth, type Netns, netnsProblem, type VethEnd } from "../support/netns.ts";
import { eth, packet, payload, vlan } from "../support/packets.ts";
import { describeWith, toolProblem } from "../support/requirements.ts";
import { openPacketSocket, type PacketSocket } from "../support/sockets.ts";

const HOSTS = ["a", "b", "c"] as const;
type Host = (typeof HOSTS)[number];

const BROADCAST = "ff:ff:ff:ff:ff:ff";
const OWN = "02:00:00:00:00:99";
const A = "02:00:00:00:00:0a";
const B = "02:00:00:00:00:0b";
const C = "02:00:00:00:00:0c";
const mac = (last: string): string => `02:00:00:00:00:${last}`;
const FORWARDING = 3;
const LEARNING = 2;
const LISTENING = 1;

/** A frame or a change of a port's state, and where the frame has to arrive: "a b c" hosts, "up" the stack. */
type Step =
  | readonly [from: Host, source: string, destination: string, where: string]
  | readonly [port: Host, state: number];

const CASES: readonly (readonly [name: string, steps: readonly Step[]])[] = [
  [
    "learning and flooding",
    [
      ["a", A, B, "b c"],
      ["b", B, A, "a"],
      ["a", A, B, "b"],
      ["c", C, B, "b"],
      ["b", B, C, "c"],
      ["b", B, mac("77"), "a c"],
      ["c", C, BROADCAST, "a b"],
      ["c", C, "01:00:5e:01:02:03", "a b"],
      ["c", C, "33:33:00:00:00:05", "a b"],
    ],
  ],
  [
    "a host that moves",
    [
      ["c", A, BROADCAST, "a b"],
      ["b", B, A, "c"],
      ["c", C, A, ""],
      ["a", A, mac("78"), "b c"],
      ["b", B, A, "a"],
    ],
  ],
  [
    "frames for the same port",
    [
      ["a", mac("a2"), A, ""],
      ["a", A, mac("a2"), ""],
      ["b", B, mac("a2"), "a"],
    ],
  ],
  [
    "invalid sources",
    [
      ["a", "00:00:00:00:00:00", B, ""],
      ["a", "01:00:5e:00:00:01", B, ""],
      ["a", BROADCAST, BROADCAST, ""],
      ["b", B, "00:00:00:00:00:00", "a c"],
    ],
  ],
  [
    "the bridge's own address",
    [
      ["a", A, OWN, "up"],
      ["c", OWN, B, "b"],
      ["b", B, OWN, "up"],
    ],
  ],
  [
    "addresses of the link",
    [
      ...["00", "02", "03", "07", "0d", "0e", "0f"].map((last): Step => ["a", A, `01:80:c2:00:00:${last}`, "up"]),
      ["a", A, "01:80:c2:00:00:01", ""],
      ["a", A, "01:80:c2:00:00:10", "b c"],
      ["a", A, "01:80:c2:00:01:00", "b c"],
      ["c", mac("c2"), "01:80:c2:00:00:0e", "up"],
      ["a", A, mac("c2"), "c"],
    ],
  ],
  [
    "a blocked port",
    [
      ["b", LISTENING],
      ["a", A, BROADCAST, "c"],
      ["a", A, B, ""],
      ["b", B, BROADCAST, ""],
      ["b", B, A, ""],
      ["b", B, OWN, ""],
      ["b", mac("b2"), C, ""],
      ["b", B, "01:80:c2:00:00:0e", "up"],
      ["b", B, "01:80:c2:00:00:01", ""],
      ["a", A, mac("b2"), "c"],
      ["b", LEARNING],
      ["b", mac("b3"), C, ""],
      ["a", A, mac("b3"), ""],
      ["b", FORWARDING],
      ["a", A, mac("b3"), "b"],
      ["a", A, mac("b2"), "b c"],
      ["b", B, A, "a"],
    ],
  ],
];

/** Three hosts at a bridge, whatever kind it is. */
class Bench {
  readonly hosts: Record<Host, VethEnd>;
  readonly ports: Record<Host, VethEnd>;
  readonly #sockets: Record<Host, PacketSocket>;
  readonly up: PacketSocket[] = [];

  constructor(hosts: Netns, netns: Netns) {
    const pairs = HOSTS.map((name) =>
      createVeth({ netns: hosts, device: `host-${name}` }, { netns, device: `port-${name}` }),
    );
    const each = <T>(f: (index: number) => T) => ({ a: f(0), b: f(1), c: f(2) });
    this.hosts = each((index) => pairs[index]![0]);
    this.ports = each((index) => pairs[index]![1]);
    this.#sockets = each((index) => openPacketSocket(pairs[index]![0]));
    for (const [, port] of pairs) this.up.push(openPacketSocket(port, 0x88b5));
  }

  /** Sends a frame and says where it came out, unchanged: as the table has it. */
  async send(from: Host, frame: Uint8Array, expected: string): Promise<string> {
    this.#sockets[from].send(frame);
    const seen: string[] = [];
    const wanted = expected === "" ? 0 : expected.split(" ").length;
    const look = (): void => {
      const isIt = (found: Uint8Array): boolean => hex(found) === hex(frame);
      // The stack has taken a tag off that no device is there for.
      const isRest = (found: Uint8Array): boolean => hex(found.subarray(14)) === hex(frame.subarray(-64));
      for (const host of HOSTS)
        seen.push(
          ...this.#sockets[host]
            .drain()
            .filter(isIt)
            .map(() => host),
        );
      for (const socket of this.up)
        seen.push(
          ...socket
            .drain()
            .filter(isRest)
            .map(() => "up"),
        );
    };
    for (let waited = 0; seen.length < wanted && waited < 2000; waited += 5) {
      look();
      await sleep(5);
    }
    await sleep(20);
    look();
    return seen.sort().join(" ");
  }
}

let count = 0;
/** Every frame is another, so that none that comes late is taken for it. */
const frameOf = (source: string, destination: string, id = 0): Uint8Array => {
  const layers = [eth({ daddr: destination, saddr: source }), ...(id === 0 ? [] : [vlan({ id })])];
  return packet(...layers, payload(concat(littleEndian(++count, 4), new Uint8Array(60)), { etherType: 0x88b5 }));
};

describeWith("examples/bridge.xdp", [netnsProblem(), toolProblem("bridge")], () => {
  let kernel: Bench;
  let own: Bench;
  let kernelNetns: Netns;
  let bridgeUp: PacketSocket;

  beforeAll(async () => {
    const first = await createNetns();
    kernelNetns = await createPeerNetns(first);
    kernel = new Bench(await createPeerNetns(first), kernelNetns);
    own = new Bench(await createPeerNetns(first), first);
    const settings = ["forward_delay", "0", "stp_state", "0", "mcast_snooping", "0"];
    kernelNetns.run("ip", "link", "add", "br0", "address", OWN, "type", "bridge", ...settings);
    kernelNetns.sysctl("net/ipv6/conf/br0/disable_ipv6", 1);
    kernelNetns.run("ip", "link", "set", "br0", "up");
    for (const host of HOSTS) kernelNetns.run("ip", "link", "set", kernel.ports[host].device, "master", "br0");
    bridgeUp = openPacketSocket(
      { netns: kernelNetns, device: "br0", ifindex: kernelNetns.ifindex("br0"), mac: OWN },
      0x88b5,
    );
    for (const host of HOSTS) attachPass(own.hosts[host]);
  });
  afterAll(closeAll);

  describe.each(MODES)("%s", (mode) => {
    let object: LoadedObject;
    const key = (host: Host): Uint8Array => littleEndian(own.ports[host].ifindex, 4);

    function setState(host: Host, state: number): void {
      kernelNetns.run("bridge", "link", "set", "dev", kernel.ports[host].device, "state", String(state));
      object.map("states").update(key(host), Uint8Array.of(state));
      const place = own.ports[host];
      const value = concat(littleEndian(place.ifindex, 4), littleEndian(object.program("bridge_out").fd, 4));
      if (state === FORWARDING) place.netns.enter(() => object.map("ports").update(key(host), value));
      else object.map("ports").delete(key(host));
    }

    beforeAll(() => {
      object = loadExample("bridge");
      object.map("own").update(unhex(OWN.replaceAll(":", "")), Uint8Array.of(1));
      for (const host of HOSTS) {
        setState(host, FORWARDING);
        attachXdp(own.ports[host], object.program("bridge_in").fd, mode);
      }
      kernelNetns.run("ip", "link", "set", "br0", "type", "bridge", "fdb_flush");
    });
    afterAll(() => {
      for (const host of HOSTS) detach(own.ports[host]);
      object.close();
    });

    test.each(CASES)("%s", async (name, steps) => {
      // With the spanning tree off the kernel forwards 00 too: it lets other bridges find loops.
      const tree = name === "addresses of the link" ? "1" : "0";
      kernelNetns.run("ip", "link", "set", "br0", "type", "bridge", "stp_state", tree);
      for (const step of steps) {
        if (step.length === 2) {
          setState(...step);
          continue;
        }
        const [from, source, destination, where] = step;
        const frame = frameOf(source, destination);
        const said = `${source} at ${from} to ${destination}`;
        expect(await own.send(from, frame, where), `bridge.xdp: ${said}`).toBe(where);
        kernel.up.push(bridgeUp);
        const found = await kernel.send(from, frame, where);
        kernel.up.pop();
        // What is for all goes up the kernel's stack as well; bridge.xdp can't do both and says so.
        const isGroup = (Number.parseInt(destination.slice(0, 2), 16) & 1) !== 0;
        expect(isGroup && where !== "up" ? found.replace(/ ?up$/, "") : found, `kernel: ${said}`).toBe(where);
      }
      kernelNetns.run("ip", "link", "set", "br0", "type", "bridge", "stp_state", "0");
    });

    test("VLANs kept apart", async () => {
      for (const [host, id] of [
        ["a", 10],
        ["b", 10],
        ["a", 20],
        ["c", 20],
      ] as const) {
        const member = concat(key(host), littleEndian(id, 2), new Uint8Array(2));
        object.map("members").update(member, Uint8Array.of(1));
      }
      const X = mac("e1");
      const steps: readonly (readonly [Host, number, string, string, string])[] = [
        ["a", 10, X, BROADCAST, "b"],
        ["a", 20, A, BROADCAST, "c"],
        ["b", 20, B, BROADCAST, ""],
        ["c", 10, C, BROADCAST, ""],
        ["c", 30, C, BROADCAST, ""],
        ["b", 10, B, X, "a"],
        ["c", 20, X, mac("e9"), "a"],
        ["b", 10, B, X, "a"],
        ["a", 20, A, X, "c"],
        ["a", 10, A, B, "b"],
        ["a", 20, A, B, "c"],
        ["c", 0, C, X, "a b"],
        ["c", 20, C, OWN, "up"],
        ["c", 10, C, OWN, ""],
      ];
      for (const [from, id, source, destination, where] of steps) {
        const found = await own.send(from, frameOf(source, destination, id), where);
        expect(found, `VLAN ${id}: ${source} at ${from} to ${destination}`).toBe(where);
      }
    });
  });
});
