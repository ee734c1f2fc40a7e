// The types of events in an object's BTF, as those who read the events get at them: bpftool writes them as C, gcc finds them laid out as the
// programs send them; and loaders take objects with types that no map has.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { compileText, objectFile, objectOf, temporaryFolder } from "../support/compile.ts";
import { loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createPeerNetns, createVeth, netnsProblem } from "../support/netns.ts";
import { describeWith, findTool, toolProblem } from "../support/requirements.ts";

const RULES = `
struct Inner { a : u8, b : u32 }
struct Event { port : u8, saddr : ipv4, when : u16, mac : mac, six : ipv6, inner : Inner }
ringbuf events[4K]
perf samples
ringbuf both[4K]

if ip6 and udp then emit events Event { port: 1, saddr: 10.0.0.1, when: 2, mac: eth.saddr, six: ip6.saddr }
if ip and tcp then {
    emit events Event { saddr: ip.saddr }
    emit events (ip.saddr, tcp.dport)
    emit both ip.saddr
}
sample samples max 20
sample both max 60
`;

const CHECKS = `
#define AT(type, member, bytes) _Static_assert(__builtin_offsetof(type, member) == bytes, #member)
AT(events_event, port, 0);
AT(events_event, saddr, 4);
AT(events_event, when, 8);
AT(events_event, mac, 10);
AT(events_event, six, 16);
AT(events_event, inner, 32);
AT(events_event, inner.b, 36);
_Static_assert(sizeof(events_event) == 40, "the event");
_Static_assert(sizeof(struct Event) == 40, "by its own name");
AT(events_event2, f0, 0);
AT(events_event2, f1, 4);
_Static_assert(sizeof(events_event2) == 8, "the tuple");
_Static_assert(sizeof(both_event) == 4, "an address");
AT(samples_sample, queue, 20);
_Static_assert(sizeof(samples_sample) == 24 && sizeof(both_sample) == 24, "a sample's header");
_Static_assert(sizeof(struct xdpc_lost) == 24, "a number for each buffer");
struct xdpc_lost lost = { .events = 1, .samples = 2, .both = 3 };
int main(void) { return sizeof(struct xdpc_sample) == 24 ? 0 : 1; }
`;

describeWith("types of events", [netnsProblem(), toolProblem("bpftool", "gcc", "xdp-loader")], () => {
  afterAll(closeAll);

  test("are C to their readers, as the programs send them", () => {
    const folder = temporaryFolder();
    const path = objectFile(objectOf(RULES), "types.o", folder);
    const dump = spawnSync(findTool("bpftool") ?? "", ["btf", "dump", "file", path, "format", "c"], {
      encoding: "utf8",
    });
    expect(dump.stderr).toBe("");
    expect(dump.stdout, "no type twice").not.toContain("___2");
    writeFileSync(join(folder, "types.c"), dump.stdout + CHECKS);
    const gcc = spawnSync("gcc", ["-o", join(folder, "types"), join(folder, "types.c")], { encoding: "utf8" });
    expect(gcc.stderr).toBe("");
    expect(spawnSync(join(folder, "types")).status).toBe(0);
  });

  test("are none where nothing is sent", () => {
    const text = "struct Event { port : u8 }\nringbuf events[4K]\nfn no() { emit events Event { port: 1 } }\npass\n";
    const { output } = compileText(text);
    expect(Buffer.from(output!.object).includes("events_event")).toBe(false);
    expect(Buffer.from(output!.object).includes("events_lost")).toBe(false);
  });

  test("are no matter to loaders", async () => {
    const path = objectFile(objectOf(RULES), "types.o");
    const object = loadObject(path);
    expect(object.log.split("\n").filter((line) => /warn|invalid|skip|unrecognized/i.test(line))).toEqual([]);
    object.close();
    const netns = await createNetns();
    createVeth({ netns, device: "veth0" }, { netns: await createPeerNetns(netns), device: "veth0" });
    netns.run("ip", "link", "set", "dev", "veth0", "xdpgeneric", "obj", path, "sec", "xdp");
    netns.run("ip", "link", "set", "dev", "veth0", "xdpgeneric", "off");
    netns.run("xdp-loader", "load", "-m", "skb", "veth0", path);
    netns.run("xdp-loader", "unload", "-a", "veth0");
    netns.run("bpftool", "prog", "load", path, "/sys/fs/bpf/types", "pinmaps", "/sys/fs/bpf/maps");
    netns.run("bpftool", "gen", "skeleton", path, "name", "types");
  });
});
