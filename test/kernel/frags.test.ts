// Programs that take packets of several buffers: the small programs of the language once more, as `frags` programs, on packets whose
// first buffer ends at every byte. Wherever that is, the kernel, the machine and the plain function over an independent reading of the
// whole packet must agree. And frames of more than a page on a veth pair, in native mode, with headers in the second buffer.

import { afterAll, beforeAll, expect, test } from "vitest";
import type { CompileOptions } from "../../src/compile.ts";
import { loadObject as loadInMachine } from "../../src/load-object.ts";
import { hex } from "../support/addresses.ts";
import { loadProgram, programInfo } from "../support/bpf.ts";
import { compileText, objectFile, objectOf, temporaryFolder } from "../support/compile.ts";
import { cutSamples, type Sample, shortCorpus } from "../support/corpus.ts";
import { attachXdp, loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createPeerNetns, createVeth, netnsProblem, type VethEnd } from "../support/netns.ts";
import { destination, eth, ip, ipv6, packet, payload, tcp, udp, vlan } from "../support/packets.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";
import { openPacketSocket, type PacketSocket } from "../support/sockets.ts";
import { asFrags } from "./programs/as-frags.ts";
import { type SmallProgram, State } from "./programs/case.ts";
import { fieldPrograms } from "./programs/fields.ts";
import { headPrograms } from "./programs/heads.ts";
import { presencePrograms } from "./programs/presence.ts";
import { reviewedPrograms } from "./programs/reviewed.ts";
import { rewritePrograms } from "./programs/rewrites.ts";
import { tunnelPrograms } from "./programs/tunnels.ts";
import { valuePrograms } from "./programs/values.ts";

/** Of each list every so many programs are tried: those that read in ways of their own, all. */
const LISTS: readonly (readonly [programs: readonly SmallProgram[], every: number])[] = [
  [fieldPrograms, 8],
  [valuePrograms, 20],
  [presencePrograms, 3],
  [reviewedPrograms, 1],
  [rewritePrograms, 1],
  [headPrograms, 1],
  [tunnelPrograms, 3],
];

/** FRAGS_ALL=1: all programs, on more packets. */
const all = process.env.FRAGS_ALL === "1";

/** Programs whose state lies in the frame alone, so that kernel and machine can be asked about any packet in any order. */
const programs = LISTS.flatMap(([list, every]) => list.filter((_, i) => all || i % every === 0)).filter(
  (p) => p.filled === undefined && p.queue === undefined,
);

/** The head moves inside the first buffer only: what goes or moves, and an Ethernet header behind it, must lie there. */
const MOVING = new Map([...headPrograms.map((p) => [p, 40] as const), ...tunnelPrograms.map((p) => [p, 150] as const)]);

/** Some packets whole, some cut. */
function samplesFor(program: SmallProgram, corpus: readonly Sample[], offset: number): Sample[] {
  const every = all ? 20 : 150;
  const own = cutSamples(program.extra ?? []).filter((_, i) => i % 12 === offset % 12);
  return [...corpus.filter((_, i) => i % every === offset % every), ...own];
}

/** The kernel gives up at a million; two sides to each stage cost the deepest tunnels a good part of that. */
const MOST_VERIFIED = 500_000;

/** A program that only passes. */
const PASS_PROGRAM = new Uint8Array([0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);

afterAll(closeAll);

describeWith("packets of several buffers", [kernelProblem()], () => {
  let corpus: Sample[] = [];
  let folder = "";
  beforeAll(() => {
    corpus = shortCorpus();
    folder = temporaryFolder();
  });

  /** What doesn't go as it should, at most three of them. */
  function faultsOf(program: SmallProgram, samples: readonly Sample[], options: Partial<CompileOptions>): string[] {
    const object = objectOf(asFrags(program.source), { files: program.files ?? {}, ...options });
    const loaded = loadObject(objectFile(object, "program.o", folder), { globals: program.config ?? {} });
    const kernel = loaded.program(program.program);
    const faults: string[] = [];
    try {
      expect(programInfo(kernel.fd).verifiedInsns, "instructions that the verifier went through").toBeLessThan(
        MOST_VERIFIED,
      );
      const stateless = program.before === undefined && program.globals === undefined && program.config === undefined;
      const ours = stateless ? loadInMachine(object) : null;
      const state = new State();
      for (const [name, entries] of Object.entries(program.before ?? {})) {
        for (const [key, value] of entries) {
          loaded.map(name).update(key, value);
          state.put(name, key, value);
        }
      }
      for (const [name, { initial }] of Object.entries(program.globals ?? {})) state.setGlobal(name, initial);
      for (const { frame, reading } of samples) {
        for (let firstBuffer = 0; firstBuffer <= Math.min(frame.length, 160); firstBuffer++) {
          const outcome = program.expect(reading, state);
          const [verdict, wanted] = typeof outcome === "string" ? [outcome, frame] : [outcome.verdict, outcome.frame];
          const told = (name: string, data: Uint8Array): string => `${name} ${hex(data)}`;
          const theirs = kernel.run(frame, { firstBuffer });
          const result = told(theirs.verdict, theirs.data);
          const where = `first buffer ${firstBuffer} of ${hex(frame)}`;
          const refused = theirs.verdict === "aborted" && firstBuffer < (MOVING.get(program) ?? 0);
          if (!refused && result !== told(verdict, wanted))
            faults.push(`${where}\n  want ${told(verdict, wanted)}\n  got  ${result}`);
          const own = ours?.run(frame, { firstBuffer, ingressIfindex: 1, program: kernel.name });
          if (own !== undefined) {
            const machine = told(own.verdict.slice(4).toLowerCase(), own.packet);
            if (machine !== result) faults.push(`${where}\n  kernel  ${result}\n  machine ${machine}`);
          }
          if (faults.length >= 3) return faults;
        }
      }
      return faults;
    } finally {
      loaded.close();
    }
  }

  test.each(programs.map((p, i) => [p.name, p, i] as const))("%s", (_, program, index) => {
    const source = asFrags(program.source);
    expect(faultsOf(program, samplesFor(program, corpus, index), {}).join("\n"), source).toBe("");
  });

  test.each(programs.filter((_, i) => i % 10 === 0).map((p, i) => [p.name, p, i] as const))(
    "unoptimised: %s",
    (_, program, index) => {
      const source = asFrags(program.source);
      expect(faultsOf(program, samplesFor(program, corpus, 7 * index + 3), { optimise: 0 }).join("\n"), source).toBe(
        "",
      );
    },
  );

  test("whole frames that fit the first buffer go the same way, and take few instructions more", () => {
    const text = "if tcp.dport == 80 and ip then { ip.ttl -= 1 tx }";
    const plain = loadInMachine(objectOf(text));
    const frags = loadInMachine(objectOf(asFrags(text)));
    const web = [tcp({ dport: 80 }), payload(60)];
    const frames = [[ip()], [ipv6()], [vlan(), ip()], [vlan(), vlan(), ipv6()], [ipv6(), destination()]];
    for (const frame of [packet(eth(), ip(), udp(), payload(60)), ...frames.map((f) => packet(eth(), ...f, ...web))]) {
      const [one, other] = [plain.run(frame), frags.run(frame)];
      expect([other.verdict, hex(other.packet)]).toEqual([one.verdict, hex(one.packet)]);
      // What is kept for the case that a guard fails.
      expect(other.steps, hex(frame)).toBeLessThan(one.steps * 1.2 + 12);
    }
  });

  test("a program that takes one buffer only has none of this", () => {
    const ir = compileText("if tcp.dport == 80 and ip then { ip.ttl -= 1 tx }").output?.ir() ?? "";
    expect(ir).not.toMatch(/xdp_load_bytes|xdp_store_bytes|view/);
    expect(compileText(asFrags("if tcp.dport == 80 then drop")).output?.ir()).toMatch(/xdp_load_bytes/);
  });
});

describeWith("frames of more than a page on a veth pair", [netnsProblem()], () => {
  let sender: VethEnd;
  let target: VethEnd;
  let from: PacketSocket;
  let to: PacketSocket;

  beforeAll(async () => {
    const near = await createNetns();
    const far = await createPeerNetns(near);
    [sender, target] = createVeth({ netns: near, device: "veth0" }, { netns: far, device: "veth0" });
    for (const { netns, device } of [sender, target]) netns.run("ip", "link", "set", device, "mtu", "9000");
    from = openPacketSocket(sender);
    to = openPacketSocket(target);
  });

  /** UDP behind two headers of destination options, which end in the second page. */
  function far(dport: number, saddr = "2001:db8::1"): Uint8Array {
    const options = destination({ units: 255 });
    return packet(eth(), ipv6({ saddr }), options, options, udp({ dport, sport: 7 }), payload(3000));
  }

  async function through(text: string, frames: readonly Uint8Array[], count: number): Promise<string[]> {
    const loaded = loadObject(objectFile(objectOf(text)));
    attachXdp(target, loaded.program().fd, "native");
    try {
      for (const frame of frames) from.send(frame);
      const seen = await to.receive(count, (frame) => frame.length > 4000);
      return seen.map(hex);
    } finally {
      attachXdp(target, -1, "native");
      loaded.close();
    }
  }

  test("are of several buffers, with the transport's header beyond the first", async () => {
    const rules = "program p frags { default drop if meta.len > 7000 and not udp.dport == 8 then pass }";
    expect(await through(rules, [far(8), far(9)], 1)).toEqual([hex(far(9))]);
    // A program that takes one buffer only isn't taken at this MTU.
    expect(() => attachXdp(target, loadProgram({ insns: PASS_PROGRAM }).fd)).toThrow();
  });

  test("are told apart by what lies there", async () => {
    const frames = [far(9), far(80), far(9, "2001:db8::2"), far(443)];
    const rules =
      "program p frags { default drop\nif udp.dport in { 80, 443 } then pass\nif ip6.saddr == 2001:db8::2 then pass }";
    expect(await through(rules, frames, 3)).toEqual([far(80), far(9, "2001:db8::2"), far(443)].map(hex));
  });

  test("are written there, with the checksum right", async () => {
    const rules = "program p frags { if udp.dport == 9 then { udp.dport = 1234 udp.sport = 4321 pass } drop }";
    const changed = await through(rules, [far(9), far(10)], 1);
    const wanted = packet(
      eth(),
      ipv6({ saddr: "2001:db8::1" }),
      destination({ units: 255 }),
      destination({ units: 255 }),
      udp({ dport: 1234, sport: 4321 }),
      payload(3000),
    );
    expect(changed).toEqual([hex(wanted)]);
  });
});
