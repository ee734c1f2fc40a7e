// Every kind of map that rules can have, run in the kernel and in the machine alike: filled from user space, changed by packets, and
// compared with a plain model of it. Events are read as a consumer reads them; limiters run against the real clock.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { loadObject as loadInMachine } from "../../src/load-object.ts";
import { bigEndian, concat, hex, ip4, littleEndian } from "../support/addresses.ts";
import { createMap, type KernelMap } from "../support/bpf.ts";
import { objectFile, objectOf, temporaryFolder } from "../support/compile.ts";
import { PerfReader, RingReader } from "../support/events.ts";
import { loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { eth, icmp, ip, ipv6, type Layer, packet, payload, tcp, udp, vlan } from "../support/packets.ts";
import { Random } from "../support/random.ts";
import { describeWith, kernelProblem, toolProblem } from "../support/requirements.ts";

/** An object loaded somewhere, as user space works with it. */
interface Subject {
  run(frame: Uint8Array, program?: string): string;
  put(map: string, key: Uint8Array, value: Uint8Array): void;
  get(map: string, key: Uint8Array): Uint8Array | null;
  /** The numbers of 64 bits in the first entry of a per-CPU array, summed over the CPUs. */
  sums(map: string): bigint[];
  push(map: string, value: Uint8Array): void;
  pop(map: string): Uint8Array | null;
  /** Puts a program into a map of programs. */
  enter(map: string, index: number, program: string): void;
  /** Puts an inner map with these entries in; gives how to read one of its entries. */
  nest(
    map: string,
    key: Uint8Array,
    shape: { keySize: number; valueSize: number },
    entries: readonly (readonly [Uint8Array, Uint8Array])[],
  ): (key: Uint8Array) => Uint8Array | null;
  /** Starts to read a buffer of events; call the result for those that came since. */
  events(map: string): () => Uint8Array[];
}

const INNER_ENTRIES = 64;

function inKernel(source: string, optimise: 0 | 2, folder: string): Subject {
  const object = loadObject(objectFile(objectOf(source, { optimise }), "maps.o", folder));
  return {
    run: (frame, program) => object.program(program).run(frame).verdict,
    put: (map, key, value) => object.map(map).update(key, value),
    get: (map, key) => object.map(map).lookup(key),
    sums: (map) => added(object.map(map).lookupPerCpu(littleEndian(0, 4)) ?? []),
    push: (map, value) => object.map(map).update(new Uint8Array(0), value),
    pop: (map) => object.map(map).pop(),
    enter: (map, index, program) =>
      object.map(map).update(littleEndian(index, 4), littleEndian(object.program(program).fd, 4)),
    nest: (map, key, shape, entries) => {
      const inner: KernelMap = createMap({ type: "hash", maxEntries: INNER_ENTRIES, ...shape });
      for (const [k, v] of entries) inner.update(k, v);
      object.map(map).update(key, littleEndian(inner.fd, 4));
      return (k) => inner.lookup(k);
    },
    events: (map) => {
      const { type } = object.map(map);
      const reader = type === 27 ? new RingReader(object.map(map)) : new PerfReader(object.map(map));
      return () => reader.take();
    },
  };
}

/** The values' numbers of 64 bits, each summed over the values. */
function added(values: readonly Uint8Array[]): bigint[] {
  const numbers = values.map((value) => {
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    return Array.from({ length: value.byteLength / 8 }, (_, i) => view.getBigUint64(8 * i, true));
  });
  return (numbers[0] ?? []).map((_, i) => numbers.reduce((sum, of) => sum + (of[i] ?? 0n), 0n));
}

/** A verdict as the language names it. */
const named = (verdict: string): string => verdict.replace("XDP_", "").toLowerCase();

function inMachine(source: string, optimise: 0 | 2): Subject {
  const object = loadInMachine(objectOf(source, { optimise }));
  return {
    run: (frame, program) => named(object.run(frame, program === undefined ? {} : { program }).verdict),
    put: (map, key, value) => object.map(map).set(key, value),
    get: (map, key) => object.map(map).get(key),
    sums: (map) => added([object.map(map).get(littleEndian(0, 4)) ?? new Uint8Array(0)]),
    push: (map, value) => object.map(map).push(value),
    pop: (map) => object.map(map).pop(),
    enter: (map, index, program) => object.map(map).set(littleEndian(index, 4), program),
    nest: (map, key, _, entries) => {
      const inner = object.map(map).createInner();
      for (const [k, v] of entries) inner.set(k, v);
      object.map(map).set(key, inner);
      return (k) => inner.get(k);
    },
    events: (map) => () =>
      object
        .map(map)
        .events()
        .map(({ bytes }) => bytes),
  };
}

const folder = temporaryFolder();
afterAll(closeAll);

const WHERE: readonly (readonly [string, (source: string, optimise: 0 | 2) => Subject])[] = [
  ["in the kernel", (source, optimise) => inKernel(source, optimise, folder)],
  ["in the machine", inMachine],
];
const CASES = WHERE.flatMap(([where, make]) =>
  ([2, 0] as const).map((level) => [`${where}, -O${level}`, (source: string) => make(source, level)] as const),
);

/** The header of a packet from an address given as a number. */
const by = (saddr: number, rest: Parameters<typeof ip>[0] = {}): Layer =>
  ip({ ...rest, saddr: [24, 16, 8, 0].map((shift) => (saddr >>> shift) & 255).join(".") });
const from = (saddr: number): Uint8Array => packet(eth(), by(saddr), udp());
const be4 = (address: number): Uint8Array => bigEndian(address, 4);
const u32 = (value: number): Uint8Array => littleEndian(value, 4);
const v4Key = (length: number, address: number): Uint8Array => concat(u32(length), be4(address));

describeWith("maps", [kernelProblem()], () => {
  describe.each(CASES)("%s", (where, load) => {
    test("the longest of many prefixes", () => {
      const subject = load(
        "map routes : lpm_trie<prefix<ipv4>, u32>[1024]\nvar got : u32\n" +
          "if not ip then drop\nif let mark = routes[ip.saddr] then { if mark == 1 then tx  if mark == 2 then drop  aborted }\npass\n",
      );
      const random = new Random();
      const prefixes = new Map<string, { length: number; address: number; mark: number }>();
      for (let i = 0; i < 200; i++) {
        const length = random.below(33);
        const mask = length === 0 ? 0 : (0xffff_ffff << (32 - length)) >>> 0;
        // Few first bytes, so that prefixes lie in each other.
        const address = ((((random.below(4) << 24) | random.below(1 << 24)) & mask) >>> 0) as number;
        prefixes.set(`${address}/${length}`, { length, address, mark: 1 + random.below(3) });
      }
      for (const { length, address, mark } of prefixes.values())
        subject.put("routes", v4Key(length, address), u32(mark));
      for (let i = 0; i < 400; i++) {
        const saddr = ((random.below(5) << 24) | random.below(1 << 24)) >>> 0;
        let best = { length: -1, mark: 0 };
        for (const { length, address, mark } of prefixes.values()) {
          const inside = length === 0 || saddr >>> (32 - length) === address >>> (32 - length);
          if (inside && length > best.length) best = { length, mark };
        }
        expect(subject.run(from(saddr)), `${saddr}`).toBe(["pass", "tx", "drop", "aborted"][best.mark]);
      }
    });

    test("prefixes that rules put in and take out", () => {
      const subject = load(
        `const HOME = 192.168.0.0/16
        set nets : prefix<ipv4>[64]
        set wide : prefix<ipv6>[64]
        if icmp and ip then { insert nets 10.0.0.0/8 insert nets HOME or drop insert nets ip.saddr pass }
        if ip6 and udp then { insert wide 2001:db8::/32  insert wide ip6.saddr  pass }
        if tcp and ip then { delete nets 10.0.0.0/8  delete nets ip.saddr pass }
        if ip6.saddr in wide then tx
        if ip.saddr in nets then drop\n`,
      );
      const one = ip4("172.16.0.1");
      expect(subject.run(from(ip4("10.1.2.3")))).toBe("pass");
      subject.run(packet(eth(), by(one), icmp()));
      expect(
        ["10.1.2.3", "192.168.255.255", "172.16.0.1", "172.16.0.2", "192.167.0.0"].map((a) =>
          subject.run(from(ip4(a))),
        ),
      ).toEqual(["drop", "drop", "drop", "pass", "pass"]);
      expect(subject.get("nets", v4Key(8, ip4("10.0.0.0")))).toEqual(Uint8Array.of(1));
      subject.run(packet(eth(), by(one), tcp()));
      expect(["10.1.2.3", "192.168.0.0", "172.16.0.1"].map((a) => subject.run(from(ip4(a))))).toEqual([
        "pass",
        "drop",
        "pass",
      ]);
      const six = packet(eth(), ipv6(), tcp());
      expect(subject.run(six)).toBe("pass");
      subject.run(packet(eth(), ipv6(), udp()));
      expect(subject.run(six)).toBe("tx");
    });

    test.each(["queue", "stack"])("a %s of structs", (kind) => {
      const subject = load(
        `struct Seen { id : u16, from : mac, by : ipv4, wide : ipv6, more : u8 }
        map waiting : ${kind}<Seen>[8]
        map out : array<Seen>[1]
        if ip and udp then { insert waiting Seen { id: ip.id, from: eth.saddr, by: ip.saddr, wide: 2001:db8::7 } or drop  pass }
        if ip and icmp then { if let next = peek(waiting) then { if next.from == aa:bb:cc:00:00:01 and next.wide == 2001:db8::7 then tx  aborted } pass }
        if tcp then { if let next = pop(waiting) then { out[0] = next  if next.id == 3 then tx  aborted } pass }\n`,
      );
      const model: Uint8Array[] = [];
      const random = new Random();
      for (let i = 0; i < 300; i++) {
        const what = random.below(5);
        const id = random.below(5);
        const saddr = random.next();
        const own = eth({ saddr: `aa:bb:cc:00:00:0${random.below(2)}` });
        const next = kind === "queue" ? model[0] : model.at(-1);
        if (what < 2) {
          const got = subject.run(packet(own, by(saddr, { id }), udp()));
          expect(got).toBe(model.length === 8 ? "drop" : "pass");
          const mac = packet(own).subarray(6, 12);
          const wide = bigEndian(0x20010db8000000000000000000000007n, 16);
          if (got === "pass") model.push(concat(littleEndian(id, 2), mac, be4(saddr), wide, new Uint8Array(4)));
        } else if (what === 2) {
          const wanted = next === undefined ? "pass" : next[7] === 1 ? "tx" : "aborted";
          expect(subject.run(packet(eth(), ip(), icmp()))).toBe(wanted);
        } else if (what === 3) {
          expect(subject.run(packet(eth(), ip(), tcp()))).toBe(
            next === undefined ? "pass" : next[0] === 3 ? "tx" : "aborted",
          );
          if (next !== undefined) expect(hex(subject.get("out", u32(0)) ?? new Uint8Array(0))).toBe(hex(next));
          if (kind === "queue") model.shift();
          else model.pop();
        } else {
          expect(hex(subject.pop("waiting") ?? new Uint8Array(0))).toBe(hex(next ?? new Uint8Array(0)));
          if (kind === "queue") model.shift();
          else model.pop();
        }
      }
    });

    test("a bloom filter forgets nothing", () => {
      const subject = load(
        "map seen : bloom_filter<(ipv4, u16)>[500]\nif ip and udp then { insert seen (ip.saddr, udp.dport) or drop pass }\n" +
          "if ip and tcp then { if (ip.saddr, tcp.dport) in seen then tx }\n",
      );
      const random = new Random();
      let wrong = 0;
      for (let i = 0; i < 300; i++) {
        const [saddr, dport] = [random.next(), random.below(65536)];
        wrong += subject.run(packet(eth(), by(saddr), tcp({ dport }))) === "tx" ? 1 : 0;
        expect(subject.run(packet(eth(), by(saddr), udp({ dport })))).toBe("pass");
        expect(subject.run(packet(eth(), by(saddr), tcp({ dport })))).toBe("tx");
      }
      expect(wrong).toBeLessThan(60);
      subject.push("seen", concat(be4(1), littleEndian(7, 2), new Uint8Array(2)));
      expect(subject.run(packet(eth(), by(1), tcp({ dport: 7 })))).toBe("tx");
    });

    test.each(["hash_of_maps<u16, bytes>[8]", "array_of_maps<bytes>[8]"])("inner maps of %s", (declared) => {
      const keySize = declared.startsWith("hash") ? 2 : 4;
      const subject = load(
        `map bytes : hash<ipv4, u64>[${INNER_ENTRIES}]
        map tenants : ${declared}
        if not vlan then pass
        if not ip then pass
        if let own = tenants[vlan.id] then {
          if tcp then { own[ip.saddr] = 5 or tx  drop }
          if udp then { own[ip.saddr] += 2 }
          if icmp then delete own ip.saddr
          if let count = own[ip.saddr] then { if count > 8 then aborted }
          if ip.saddr in own then drop
          pass
        }
        tx\n`,
      );
      const read = subject.nest("tenants", littleEndian(3, keySize), { keySize: 4, valueSize: 8 }, [
        [be4(1), littleEndian(9, 8)],
      ]);
      const other = subject.nest("tenants", littleEndian(4, keySize), { keySize: 4, valueSize: 8 }, []);
      const run = (id: number, saddr: number, last: Layer): string =>
        subject.run(packet(eth(), vlan({ id }), by(saddr), last));
      expect(run(5, 1, udp())).toBe("tx");
      expect(run(3, 1, udp())).toBe("aborted");
      expect(read(be4(1))).toEqual(littleEndian(11, 8));
      expect(run(4, 1, udp())).toBe("pass");
      expect(run(4, 1, tcp())).toBe("drop");
      expect(other(be4(1))).toEqual(littleEndian(5, 8));
      expect(run(4, 1, udp())).toBe("drop");
      expect(other(be4(1))).toEqual(littleEndian(7, 8));
      expect(run(3, 1, icmp())).toBe("pass");
      expect(read(be4(1))).toBeNull();
    });

    test.each(["ringbuf events[8K]", "perf events"])("events through %s", (declared) => {
      const subject = load(
        `struct Event { port : u8, saddr : ipv4, when : u16, mac : mac }
        ${declared}
        if ip and udp then { emit events Event { port: ip.ttl, saddr: ip.saddr, when: udp.dport, mac: eth.saddr } tx }
        if ip then emit events ip.saddr or drop\n`,
      );
      const take = subject.events("events");
      expect(
        subject.run(packet(eth({ saddr: "02:03:04:05:06:07" }), by(0x0a000001, { ttl: 7 }), udp({ dport: 0x1234 }))),
      ).toBe("tx");
      expect(subject.run(packet(eth(), by(0x0a000002), icmp()))).toBe("pass");
      const [first, second, ...rest] = take();
      expect(rest).toEqual([]);
      expect(hex((first ?? new Uint8Array(0)).subarray(0, 16))).toBe(
        "070000000a00000134120203040506070000".slice(0, 32),
      );
      expect(hex((second ?? new Uint8Array(0)).subarray(0, 4))).toBe("0a000002");
      expect(take()).toEqual([]);
    });

    test("a full ring buffer drops the event, or ends the program", () => {
      const subject = load(
        "ringbuf events[4K]\nif udp then { emit events 1 as u64 or drop  tx }\nif tcp then { emit events 1 as u64  tx }\n" +
          "if icmp then { sample events max 20 or drop }\n",
      );
      const take = subject.events("events");
      const frame = packet(eth(), ip(), udp());
      const got: string[] = [];
      for (let i = 0; i < 300; i++) got.push(subject.run(frame));
      const fitted = got.indexOf("drop");
      expect(fitted).toBeGreaterThan(200);
      expect(got.slice(fitted)).toEqual(new Array(300 - fitted).fill("drop"));
      expect(subject.run(packet(eth(), ip(), tcp()))).toBe("tx");
      expect(subject.run(packet(eth(), ip(), icmp()))).toBe("drop");
      expect(take().length).toBe(fitted);
      expect(subject.run(frame)).toBe("tx");
      expect(subject.sums("events_lost")).toEqual([BigInt(300 - fitted + 2)]);
    });

    test("lost events are counted, for each buffer its own", () => {
      const subject = load(
        `ringbuf never[4K]  ringbuf small[4K]  perf watched  ringbuf wide[8K]
        if udp then { emit small udp.dport  if udp.dport > 100 then { emit wide (ip_of(), udp.sport)  sample wide max 60 } }
        if tcp then { sample watched max 14  emit small 1 as u64 or drop  tx }
        fn ip_of() = meta.ingress_ifindex
        fn nobody_calls() { emit never 1 as u32 }\n`,
      );
      const small = subject.events("small");
      const wide = subject.events("wide");
      const watched = subject.events("watched");
      const random = new Random();
      const sent = { small: 0, wide: 0, watched: 0 };
      const got = { small: 0, wide: 0, watched: 0 };
      for (let i = 0; i < 2000; i++) {
        const [isUdp, port] = [random.chance(70), random.below(200)];
        const verdict = subject.run(packet(eth(), ip(), isUdp ? udp({ dport: port }) : tcp()));
        sent.small += 1;
        if (isUdp && port > 100) sent.wide += 2;
        if (!isUdp) sent.watched += 1;
        if (isUdp) expect(verdict).toBe("pass");
        if (random.below(300) === 0) got.small += small().length;
        if (random.below(300) === 0) got.wide += wide().length;
        if (random.below(100) === 0) got.watched += watched().length;
      }
      got.small += small().length;
      got.wide += wide().length;
      got.watched += watched().length;
      expect(got.small).toBeLessThan(sent.small);
      expect(got.wide).toBeLessThan(sent.wide);
      // In the order of the rules: small, wide, watched.
      expect(subject.sums("events_lost")).toEqual(
        [sent.small - got.small, sent.wide - got.wide, sent.watched - got.watched].map(BigInt),
      );
    });

    test.each(
      ["ringbuf events[256K]", "perf events"].flatMap((declared) =>
        [60, 1, 14, null].flatMap((max) => ["", " frags"].map((frags) => [declared, max, frags] as const)),
      ),
    )("samples through %s, max %s%s", (declared, max, frags) => {
      const subject = load(
        `${declared}\nprogram watch${frags} { sample events${max === null ? "" : ` max ${max}`} or drop }\n`,
      );
      const take = subject.events("events");
      // Only the kernel makes packets of several buffers.
      const long = frags !== "" && where.startsWith("in the kernel") ? [4000, 9000, 20_000] : [];
      for (const extra of [0, 5, 18, 19, 400, 1400, ...long]) {
        const frame = packet(eth(), ip(), udp(), payload(extra));
        expect(subject.run(frame)).toBe("pass");
        const [record, ...rest] = take();
        expect(rest).toEqual([]);
        const bytes = record ?? new Uint8Array(24);
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        const captured = Math.min(frame.length, max ?? 16_384);
        expect([view.getUint32(8, true), view.getUint32(12, true)]).toEqual([frame.length, captured]);
        expect(hex(bytes.subarray(24, 24 + captured))).toBe(hex(frame.subarray(0, captured)));
        if (declared.startsWith("ringbuf")) expect(bytes.length).toBe(24 + captured);
      }
    });

    test("tails to other programs", () => {
      const subject = load(
        `prog_array stages[4]
        var seen : u32
        program first { if ip then tail stages[ip.ttl as u32] or drop
          aborted }
        program second { seen += 1
          if udp then tx
          pass }
        program third { tail stages[1] }\n`,
      );
      const run = (ttl: number, program = "first"): string => subject.run(packet(eth(), ip({ ttl }), udp()), program);
      expect(run(1)).toBe("drop");
      expect(run(1, "third")).toBe("pass");
      subject.enter("stages", 1, "second");
      subject.enter("stages", 2, "third");
      expect([0, 1, 2, 3, 4, 255].map((ttl) => run(ttl))).toEqual(["drop", "tx", "tx", "drop", "drop", "drop"]);
      expect(subject.run(packet(eth(), ipv6(), udp()), "first")).toBe("aborted");
    });

    test("tails to programs that the map holds from the start", () => {
      const subject = load(
        `const LAST = 6
        prog_array stages[8] = { second, 3: third, fourth, LAST: second }
        map seen : array<u32>[1]
        program first { tail stages[meta.rx_queue_index] or drop }
        program second { seen[0] += 1
          if ip then tail stages[ip.ttl as u32]
          aborted }
        program third { tx }
        program fourth { tail stages[3] }\n`,
      );
      const run = (ttl: number, program: string): string => subject.run(packet(eth(), ip({ ttl }), udp()), program);
      // The map's entry 0 is the program that asks: the kernel goes round 33 times.
      expect(run(0, "first")).toBe("pass");
      expect(subject.get("seen", u32(0))).toEqual(u32(33));
      expect([1, 2, 3, 4, 5, 7, 8].map((ttl) => run(ttl, "first"))).toEqual([
        ...["pass", "pass", "tx", "tx", "pass", "pass", "pass"],
      ]);
      expect(subject.get("seen", u32(0))).toEqual(u32(33 + 7));
      expect(subject.run(packet(eth(), ipv6(), udp()), "first")).toBe("aborted");
      subject.enter("stages", 0, "third");
      expect(run(9, "first"), "user space may change it").toBe("tx");
    });

    test("flags of maps", () => {
      const subject = load(
        `map a : array<u32>[4] mmapable  map b : hash<u32, u32>[4] no_prealloc zero_seed  map c : lru_hash<u32, u32>[4] no_common_lru
        map d : hash<u32, u32>[4] rdonly_prog  map e : array<u32>[2] inner_map numa_node
        if let v = d[1] then { a[1] = v  b[2] = v  c[3] = v }\n`,
      );
      subject.put("d", u32(1), u32(77));
      expect(subject.run(from(1))).toBe("pass");
      expect([subject.get("a", u32(1)), subject.get("b", u32(2)), subject.get("c", u32(3))]).toEqual([
        u32(77),
        u32(77),
        u32(77),
      ]);
    });
  });
});

const LIMITED = "limiter few[64] : 1000/s burst 20 per ipv4\nif ip.saddr exceeds few then drop\n";

/** The number the kernel gave a map. */
function idOf(fd: number): string {
  return /^map_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "";
}

describeWith("perf without a reader", [kernelProblem(), toolProblem("bpftool")], () => {
  test("counts what nobody reads, and bpftool shows it by the buffer's name", () => {
    const path = objectFile(
      objectOf("perf watched\nringbuf other[4K]\nif udp then emit watched 7 as u32\nif tcp then emit other 1 as u8\n"),
    );
    const object = loadObject(path);
    for (let i = 0; i < 5; i++) object.program().run(packet(eth(), ip(), udp()));
    expect(added(object.map("events_lost").lookupPerCpu(littleEndian(0, 4)) ?? [])).toEqual([5n, 0n]);
    const reader = new PerfReader(object.map("watched"));
    for (let i = 0; i < 3; i++) object.program().run(packet(eth(), ip(), udp()));
    expect(reader.take()).toHaveLength(3);
    expect(added(object.map("events_lost").lookupPerCpu(littleEndian(0, 4)) ?? [])).toEqual([5n, 0n]);
    const said = execFileSync("bpftool", ["-j", "map", "dump", "id", idOf(object.map("events_lost").fd)], {
      encoding: "utf8",
    });
    const [entry] = JSON.parse(said) as { formatted: { values: { value: Record<string, number> }[] } }[];
    const watched = entry!.formatted.values.reduce((sum, { value }) => sum + value.watched!, 0);
    expect([watched, Object.keys(entry!.formatted.values[0]!.value)]).toEqual([5, ["watched", "other"]]);
    object.close();
  });
});

describeWith("limiters", [kernelProblem()], () => {
  // Bursts of 200 ms: while the test itself isn't running for so long, nothing is lost.
  test.each([
    ["1000/s burst 200", 1000, 200],
    ["50/s burst 10", 50, 10],
    ["20/ms burst 4000", 20_000, 4000],
    ["3000/min burst 10", 50, 10],
  ] as const)("%s lets its rate through within a second, by the kernel's clock", (written, perSecond, burst) => {
    const source = `limiter few[64] : ${written} per ipv4\nif ip.saddr exceeds few then drop\n`;
    const program = loadObject(objectFile(objectOf(source), "limiter.o", folder)).program();
    const frame = from(1);
    while (program.run(frame).verdict === "pass");
    let passed = 0;
    let longestNs = 0n;
    const start = process.hrtime.bigint();
    let now = start;
    while (now - start < 1_000_000_000n) {
      if (program.run(frame).verdict === "pass") passed++;
      const before = now;
      now = process.hrtime.bigint();
      if (now - before > longestNs) longestNs = now - before;
    }
    const wanted = (perSecond * Number(now - start)) / 1e9;
    expect(passed).toBeLessThanOrEqual(Math.ceil(wanted * 1.05) + 1);
    if (longestNs < 190_000_000n) expect(passed).toBeGreaterThanOrEqual(Math.floor(wanted * 0.95) - 1);
    // Another key has a bucket of its own, which is full.
    let others = 0;
    for (let i = 0; i < burst; i++) others += program.run(from(2)).verdict === "pass" ? 1 : 0;
    expect(others).toBe(burst);
  });

  test("a bucket as a plain model says, at chosen times", () => {
    const object = loadInMachine(objectOf(LIMITED));
    const random = new Random();
    const [interval, depth] = [1_000_000n, 20n];
    let tokensNs = depth * interval;
    let last = 0n;
    let now = 1_000_000_000n;
    for (let i = 0; i < 5000; i++) {
      const idle =
        random.below(1000) === 0 ? 10n ** 16n : BigInt(random.below(random.chance(50) ? 100_000 : 3_000_000));
      now += idle;
      object.clock.monotonicNs = now;
      tokensNs = last === 0n ? depth * interval : tokensNs + (now - last);
      if (tokensNs > depth * interval) tokensNs = depth * interval;
      last = now;
      const fits = tokensNs >= interval;
      if (fits) tokensNs -= interval;
      expect(named(object.run(from(1)).verdict), `packet ${i}`).toBe(fits ? "pass" : "drop");
    }
  });

  test("a packet without the header never exceeds and uses nothing", () => {
    const object = loadInMachine(objectOf(LIMITED));
    for (let i = 0; i < 50; i++) expect(named(object.run(packet(eth(), ipv6(), udp())).verdict)).toBe("pass");
    expect(object.map("few").size).toBe(0);
  });
});

describeWith("maps by bpftool", [kernelProblem(), toolProblem("bpftool")], () => {
  const at = "/sys/fs/bpf/xdpc_maps_test";
  const pins = ["xdpct_nets", "xdpct_conf"].map((name) => `/sys/fs/bpf/${name}`);
  const bpftool = (...args: string[]): string => execFileSync("bpftool", args, { encoding: "utf8" });
  const clean = (): void => {
    for (const path of [at, ...pins]) rmSync(path, { recursive: true, force: true });
  };
  afterAll(clean);

  test("pinned maps are pinned, and dumps print names", () => {
    clean();
    const source = `struct Settings { limit : u32, gateway : ipv4, more : u8 }
      set xdpct_nets : prefix<ipv4>[64] pinned
      map xdpct_conf : array<Settings>[1] pinned
      if ip.saddr in xdpct_nets then xdpct_conf[0].limit += 1\n`;
    const path = objectFile(objectOf(source), "pinned.o", folder);
    bpftool("prog", "load", path, at);
    for (const pin of pins) expect(existsSync(pin), pin).toBe(true);
    const key = [8, 0, 0, 0, 10, 0, 0, 0].map(String);
    bpftool("map", "update", "pinned", pins[0] ?? "", "key", ...key, "value", "1");
    const nets: unknown = JSON.parse(bpftool("-j", "map", "dump", "pinned", pins[0] ?? ""));
    expect(JSON.stringify(nets)).toContain('"formatted":{"key":{"prefixlen":8,"data":10},"value":1}');
    expect(bpftool("-j", "map", "dump", "pinned", pins[1] ?? "")).toContain('{"limit":0,"gateway":0,"more":0}');
  });
});
