// What `encap` makes, read by tshark: every length and checksum right, every header of the tunnel found, and what lies inside whole.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { littleEndian } from "../support/addresses.ts";
import { objectFile, objectOf, temporaryFolder } from "../support/compile.ts";
import { loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { eth, ip, ipv6, packet, payload, tcp, udp } from "../support/packets.ts";
import { describeWith, kernelProblem, toolProblem } from "../support/requirements.ts";

const V4 = "{ saddr: 10.0.0.1, daddr: 10.0.0.2 }";
const V6 = "{ saddr: 2001:db8::1, daddr: 2001:db8::2 }";
const UDP = "udp { sport: 50000 }";

/** What stands behind `encap`, and the protocols that tshark finds before what lies inside, without tags. */
const TUNNELS: readonly (readonly [stack: string, protocols: string])[] = [
  [`ip ${V4}`, "eth:ethertype:ip"],
  [`ip6 ${V6}`, "eth:ethertype:ipv6"],
  [`ip ${V4} / gre {}`, "eth:ethertype:ip:gre"],
  [`ip6 ${V6} / gre {}`, "eth:ethertype:ipv6:gre"],
  [`ip ${V4} / gre { key: 66051, seq: 7 }`, "eth:ethertype:ip:gre"],
  ["mpls { label: 100 } / mpls { label: 16, ttl: 9 }", "eth:ethertype:mpls"],
  [`ip ${V4} / ${UDP} / mpls { label: 100 }`, "eth:ethertype:ip:udp:mpls"],
  [`ip6 ${V6} / gre { key: 1 } / mpls { label: 100 }`, "eth:ethertype:ipv6:gre:mpls"],
  [`ip ${V4} / ${UDP} / vxlan { vni: 66051 }`, "eth:ethertype:ip:udp:vxlan:eth:ethertype"],
  [`ip6 ${V6} / ${UDP} / vxlan { vni: 66051 }`, "eth:ethertype:ipv6:udp:vxlan:eth:ethertype"],
  [`ip ${V4} / ${UDP} / geneve { vni: 66051 }`, "eth:ethertype:ip:udp:geneve"],
  [
    `eth { saddr: 02:00:00:00:00:01, daddr: 02:00:00:00:00:02 } / ip ${V4} / gre {}`,
    "eth:ethertype:ip:gre:eth:ethertype",
  ],
];

const INSIDE = [
  ["ip:tcp", packet(eth(), ip({ ttl: 7 }), tcp({ dport: 81, sport: 5 }), payload(33))],
  ["ip:udp:data", packet(eth(), ip({ options: new Uint8Array(8).fill(1) }), udp({ dport: 9999 }), payload(40))],
  ["ipv6:tcp", packet(eth(), ipv6({ hopLimit: 3 }), tcp({ dport: 81, sport: 5 }), payload(20))],
] as const;

/** A capture file of Ethernet frames. **Source:** the pcap file format (draft-ietf-opsawg-pcap). */
function capture(frames: readonly Uint8Array[]): Buffer {
  const word = (value: number): Uint8Array => littleEndian(value, 4);
  const head = [word(0xa1b2c3d4), littleEndian(2, 2), littleEndian(4, 2), word(0), word(0), word(65535), word(1)];
  return Buffer.concat([...head, ...frames.flatMap((f) => [word(0), word(0), word(f.length), word(f.length), f])]);
}

describeWith("tunnels read by tshark", [kernelProblem(), toolProblem("tshark")], () => {
  const folder = temporaryFolder();
  afterAll(closeAll);

  test.each(TUNNELS)("encap %s", (stack, outer) => {
    const source = `if ip or ip6 then { encap ${stack} tx }\n`;
    const object = loadObject(objectFile(objectOf(source), "tunnel.o", folder));
    const made = INSIDE.map(([, frame]) => object.program("xdp_rules").run(frame));
    object.close();
    expect(made.map((m) => m.verdict)).toEqual(INSIDE.map(() => "tx"));
    const path = join(folder, "made.pcap");
    writeFileSync(path, capture(made.map((m) => m.data)));
    // Tunnels may leave the UDP checksum out over IPv6 too. Source: RFC 6935.
    const zero = ["-o", "udp.ignore_ipv6_zero_checksum:TRUE"];
    const checks = [...zero, ...["ip", "udp", "tcp"].flatMap((name) => ["-o", `${name}.check_checksum:TRUE`])];
    const fields = [
      "frame.protocols",
      "ip.checksum.status",
      "udp.checksum.status",
      "tcp.checksum.status",
      "vxlan.vni",
      "gre.key",
    ];
    const args = ["-n", "-r", path, ...checks, "-T", "fields", ...fields.flatMap((f) => ["-e", f])];
    const lines = execFileSync("tshark", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
      .trimEnd()
      .split("\n");
    for (const [i, [inner]] of INSIDE.entries()) {
      const [protocols, ...sums] = (lines[i] ?? "").split("\t");
      expect(protocols?.startsWith(`${outer}:${inner}`), `${protocols} for ${outer}:${inner}`).toBe(true);
      // 0 is bad; 1 good; 3 none where it may be left out.
      expect(sums.slice(0, 3).join(",")).not.toMatch(/(^|,)(0|2)(,|$)/);
      if (outer.includes("vxlan")) expect(sums[3]).toBe("66051");
      if (stack.includes("key: 66051")) expect(Number(sums[4])).toBe(66051);
    }
    const faults = execFileSync(
      "tshark",
      ["-n", "-r", path, ...checks, "-Y", "_ws.malformed or _ws.expert.severity >= error"],
      {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      },
    );
    expect(faults).toBe("");
  });
});
