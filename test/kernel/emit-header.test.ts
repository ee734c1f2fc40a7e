// The header of `--emit header` in use: a C program that knows an object by its header alone opens it through libbpf, sets a config
// value, loads it, fills maps, runs packets and reads counters, globals and events. What it sees is what the rules say, and what the
// machine of this project gives for the same steps.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { loadObject } from "../../src/load-object.ts";
import { compileText, describeDiagnostics, temporaryFolder } from "../support/compile.ts";
import { closeAll } from "../support/native.ts";
import { eth, ip, ipv6, packet, payload, tcp, udp, vlan } from "../support/packets.ts";
import { describeWith, kernelProblem, toolProblem } from "../support/requirements.ts";

afterAll(closeAll);

const RULES = `
struct Flow  { saddr : ipv4, dport : u16, int : u8 }
struct Limit { class : u8, bytes : u64 }
struct Event { seen : u64, saddr : ipv4, dport : u16 }

map limits  : hash<Flow, Limit>[16]
set banned  : ipv6[16]
set nets    : prefix<ipv4>[16]
map tagged  : hash<(mac, u16), u32>[16]
counter over, by_port[u16], seen_from[ipv4]
ringbuf events[4K]
config threshold : u32 = 1000
config trusted   : ipv6 = 2001:db8::1
config on        : bool = false
var    packets   : u64
var    last      : u16 = 7

program filter {
    packets += 1
    if meta.len > threshold then { count over  drop }
    if ip.saddr in nets then drop
    if ip6 and on then { if ip6.saddr in banned and ip6.saddr != trusted then drop }
    if vlan and ip then if let n = tagged[(eth.saddr, vlan.id)] then { if n == 3 then tx }
    if ip and udp then {
        last = udp.dport
        count by_port[udp.dport]
        count seen_from[ip.saddr]
        emit events Event { seen: packets, saddr: ip.saddr, dport: udp.dport }
        if let l = limits[Flow { saddr: ip.saddr, dport: udp.dport, int: 1 }] then { if meta.len > l.bytes then drop }
    }
}
`;

const USER = String.raw`
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "6to4.h"

static int got(void *context, void *bytes, size_t size)
{
    const xdp_6to4_event_events *event = (const xdp_6to4_event_events *)bytes;
    char address[16];
    (void)context;
    inet_ntop(AF_INET, &event->saddr, address, sizeof address);
    printf("event %zu %llu %s %u\n", size, (unsigned long long)event->seen, address, event->dport);
    return 0;
}

static int fd_of(struct bpf_object *object, const char *name, size_t key, size_t value, unsigned entries)
{
    const struct bpf_map *map = bpf_object__find_map_by_name(object, name);
    if (map == NULL || bpf_map__key_size(map) != key || bpf_map__value_size(map) != value || bpf_map__max_entries(map) != entries) {
        fprintf(stderr, "map %s isn't as the header says\n", name);
        exit(1);
    }
    return bpf_map__fd(map);
}

static unsigned long long sum(int fd, const void *key, size_t step, int bytes)
{
    int cpus = libbpf_num_possible_cpus();
    char *values = (char *)calloc((size_t)cpus, step);
    unsigned long long total = 0;
    if (bpf_map_lookup_elem(fd, key, values) == 0) {
        for (int i = 0; i < cpus; i++) {
            const struct xdpc_counter *value = (const struct xdpc_counter *)(values + (size_t)i * step);
            total += bytes ? value->bytes : value->packets;
        }
    }
    free(values);
    return total;
}

int main(int argc, char **argv)
{
    size_t size = 0;
    struct bpf_object *object = bpf_object__open_file(argv[1], NULL);
    if (object == NULL) return 1;
    struct bpf_map *rodata = bpf_object__find_map_by_name(object, XDP_6TO4_DATA_rodata);
    char *initial = (char *)bpf_map__initial_value(rodata, &size);
    if (initial == NULL || size < XDP_6TO4_OFFSET_trusted + 16) return 1;
    __u32 threshold = 200;
    memcpy(initial + XDP_6TO4_OFFSET_threshold, &threshold, sizeof threshold);
    struct xdp_6to4_section_rodata *config = (struct xdp_6to4_section_rodata *)initial;
    config->on = 1;
    inet_pton(AF_INET6, "2001:db8::5", config->trusted);
    if (bpf_object__load(object) != 0) return 1;

    int limits = fd_of(object, XDP_6TO4_MAP_limits, sizeof(xdp_6to4_key_limits), sizeof(xdp_6to4_value_limits), XDP_6TO4_ENTRIES_limits);
    xdp_6to4_key_limits flow;
    xdp_6to4_value_limits limit;
    memset(&flow, 0, sizeof flow);
    memset(&limit, 0, sizeof limit);
    flow.saddr = inet_addr("10.0.0.1");
    flow.dport = 53;
    flow.int_ = 1;
    limit.class_ = 9;
    limit.bytes = 100;
    if (bpf_map_update_elem(limits, &flow, &limit, BPF_ANY) != 0) return 1;

    int banned = fd_of(object, XDP_6TO4_MAP_banned, sizeof(xdp_6to4_key_banned), sizeof(xdp_6to4_value_banned), XDP_6TO4_ENTRIES_banned);
    xdp_6to4_key_banned address;
    xdp_6to4_value_banned member = 1;
    for (const char *text = "45"; *text != 0; text++) {
        char written[] = "2001:db8::0";
        written[10] = *text;
        inet_pton(AF_INET6, written, address.bytes);
        if (bpf_map_update_elem(banned, &address, &member, BPF_ANY) != 0) return 1;
    }

    int nets = fd_of(object, XDP_6TO4_MAP_nets, sizeof(xdp_6to4_key_nets), sizeof(xdp_6to4_value_nets), XDP_6TO4_ENTRIES_nets);
    xdp_6to4_key_nets net;
    xdp_6to4_value_nets in = 1;
    net.prefixlen = 24;
    net.data = inet_addr("192.0.2.0");
    if (bpf_map_update_elem(nets, &net, &in, BPF_ANY) != 0) return 1;

    int tagged = fd_of(object, XDP_6TO4_MAP_tagged, sizeof(xdp_6to4_key_tagged), sizeof(xdp_6to4_value_tagged), XDP_6TO4_ENTRIES_tagged);
    xdp_6to4_key_tagged tag = {{2, 0, 0, 0, 0, 1}, 7};
    xdp_6to4_value_tagged number = 3;
    if (bpf_map_update_elem(tagged, &tag, &number, BPF_ANY) != 0) return 1;

    struct ring_buffer *ring = ring_buffer__new(
        bpf_map__fd(bpf_object__find_map_by_name(object, XDP_6TO4_MAP_events)), got, NULL, NULL);
    int program = bpf_program__fd(bpf_object__find_program_by_name(object, XDP_6TO4_PROGRAM_filter));
    for (int i = 2; i < argc; i++) {
        unsigned char packet[2048], out[2048];
        unsigned length = (unsigned)strlen(argv[i]) / 2;
        for (unsigned at = 0; at < length; at++) sscanf(argv[i] + 2 * at, "%2hhx", &packet[at]);
        LIBBPF_OPTS(bpf_test_run_opts, options);
        options.data_in = packet;
        options.data_size_in = length;
        options.data_out = out;
        options.data_size_out = sizeof out;
        if (bpf_prog_test_run_opts(program, &options) != 0) return 1;
        printf("verdict %u\n", options.retval);
        ring_buffer__consume(ring);
    }

    xdp_6to4_key_over none = 0;
    xdp_6to4_key_by_port port = 53;
    xdp_6to4_key_seen_from from = inet_addr("10.0.0.1");
    int over = fd_of(object, XDP_6TO4_MAP_over, sizeof none, sizeof(xdp_6to4_value_over), XDP_6TO4_ENTRIES_over);
    int by_port = fd_of(object, XDP_6TO4_MAP_by_port, sizeof port, sizeof(xdp_6to4_value_by_port), XDP_6TO4_ENTRIES_by_port);
    int seen_from = fd_of(object, XDP_6TO4_MAP_seen_from, sizeof from, sizeof(xdp_6to4_value_seen_from), XDP_6TO4_ENTRIES_seen_from);
    printf("over %llu %llu\n", sum(over, &none, XDP_6TO4_STEP_over, 0), sum(over, &none, XDP_6TO4_STEP_over, 1));
    printf("by_port[53] %llu\n", sum(by_port, &port, XDP_6TO4_STEP_by_port, 0));
    printf("seen_from[10.0.0.1] %llu\n", sum(seen_from, &from, XDP_6TO4_STEP_seen_from, 0));

    __u64 bss[8], data[8];
    __u32 first = 0;
    struct bpf_map *bss_map = bpf_object__find_map_by_name(object, XDP_6TO4_DATA_bss);
    struct bpf_map *data_map = bpf_object__find_map_by_name(object, XDP_6TO4_DATA_data);
    if (bpf_map__value_size(bss_map) > sizeof bss || bpf_map__value_size(data_map) > sizeof data) return 1;
    if (bpf_map_lookup_elem(bpf_map__fd(bss_map), &first, bss) != 0) return 1;
    if (bpf_map_lookup_elem(bpf_map__fd(data_map), &first, data) != 0) return 1;
    unsigned long long packets = ((const struct xdp_6to4_section_bss *)bss)->packets;
    __u16 last;
    memcpy(&last, (const char *)data + XDP_6TO4_OFFSET_last, sizeof last);
    printf("packets %llu last %u\n", packets, last);
    ring_buffer__free(ring);
    bpf_object__close(object);
    return 0;
}
`;

const PACKETS = [
  packet(eth(), ip({ saddr: "10.0.0.1" }), udp({ dport: 53 }), payload(20)), // 62 bytes: below limit and threshold
  packet(eth(), ip({ saddr: "10.0.0.1" }), udp({ dport: 53 }), payload(60)), // over its flow's 100
  packet(eth(), ip({ saddr: "10.0.0.2" }), udp({ dport: 53 }), payload(60)),
  packet(eth(), ip({ saddr: "10.0.0.2" }), tcp(), payload(200)), // over the threshold
  packet(eth(), ip({ saddr: "192.0.2.77" }), tcp()), // of a net
  packet(eth(), ipv6({ saddr: "2001:db8::4" }), tcp()), // banned
  packet(eth(), ipv6({ saddr: "2001:db8::5" }), tcp()), // banned but trusted
  packet(eth({ saddr: "02:00:00:00:00:01" }), vlan({ id: 7 }), ip(), tcp()),
];
const VERDICTS = [2, 1, 2, 1, 1, 1, 2, 3];
const EVENTS = ["1 10.0.0.1 53", "2 10.0.0.1 53", "3 10.0.0.2 53"];

describeWith("a program that knows the header alone", [kernelProblem(), toolProblem("gcc", "g++")], () => {
  const folder = temporaryFolder();
  const result = compileText(RULES, { path: "rules/6to4.xdp" });
  if (result.output === null) throw new Error(describeDiagnostics(result));
  const { object } = result.output;
  writeFileSync(join(folder, "6to4.o"), object);
  writeFileSync(join(folder, "6to4.h"), result.output.header());
  writeFileSync(join(folder, "user.c"), USER);

  function run(command: string, ...words: string[]): string {
    const { status, stdout, stderr } = spawnSync(command, words, { cwd: folder, encoding: "utf8", timeout: 60_000 });
    expect({ command, status, stderr }).toEqual({ command, status: 0, stderr: "" });
    return stdout;
  }

  test.each([
    ["C", "gcc", "gnu99", "c"],
    ["C++", "g++", "gnu++17", "c++"],
  ])("in %s", (_language, compiler, standard, kind) => {
    const strict = ["-Wall", "-Wextra", "-Werror", `-std=${standard}`];
    run(compiler, ...strict, "-x", kind, "user.c", "-o", "user", "-lbpf");
    const said = run("./user", "6to4.o", ...PACKETS.map((bytes) => Buffer.from(bytes).toString("hex")))
      .trim()
      .split("\n");
    expect(said.filter((line) => line.startsWith("verdict"))).toEqual(VERDICTS.map((verdict) => `verdict ${verdict}`));
    expect(said.filter((line) => line.startsWith("event"))).toEqual(EVENTS.map((event) => `event 16 ${event}`));
    expect(said.slice(-4)).toEqual([
      `over 1 ${PACKETS[3]?.length}`,
      "by_port[53] 3",
      "seen_from[10.0.0.1] 2",
      "packets 8 last 53",
    ]);
  });

  test("as the machine does", () => {
    const machine = loadObject(object);
    machine.setGlobal("threshold", 200);
    machine.setGlobal("on", true);
    machine.setGlobal("trusted", "2001:db8::5");
    machine.map("limits").set({ saddr: "10.0.0.1", dport: 53, int: 1 }, { class: 9, bytes: 100 });
    for (const last of [4, 5]) machine.map("banned").set(`2001:db8::${last}`, 1);
    machine.map("nets").set("192.0.2.0/24", 1);
    machine.map("tagged").set({ f0: "02:00:00:00:00:01", f1: 7 }, 3);
    expect(PACKETS.map((bytes) => Number(machine.run(bytes).r0))).toEqual(VERDICTS);
    expect(machine.map("events").events()).toHaveLength(EVENTS.length);
  });
});
