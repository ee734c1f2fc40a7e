// Programs with probes do what they do without, and what they count is what happened: generated programs over the corpus in the
// machine. And packets are read as an independent reading has them. FC_SEED and FC_RUNS choose the first seed and how many.

import { describe, expect, test } from "vitest";
import { readPacket } from "../../src/testing/read-packet.ts";
import { countsOf, pathOf, ruleCounts } from "../../src/testing/rule-path.ts";
import { type Compiled, imagesOf, Session } from "../../src/testing/session.ts";
import { DECLARATIONS, ProgramMaker } from "../property/random-program.ts";
import { compileText } from "../support/compile.ts";
import { cutSamples, fullCorpus, wholeFrames } from "../support/corpus.ts";
import { Random } from "../support/random.ts";
import { modelOf } from "./support.ts";

const FIRST_SEED = Number(process.env.FC_SEED ?? 1);
const RUNS = Number(process.env.FC_RUNS ?? 5);

function sessionOf(text: string, probes: boolean): { compiled: Compiled; session: Session } {
  const { output } = compileText(text, { probes, checkEachPass: probes, verify: false });
  if (output === null) throw new Error("doesn't compile");
  const compiled = { images: imagesOf(output.object), model: output.model };
  const { offsetOf, devices } = compiled.model;
  return {
    compiled,
    session: new Session(compiled.images, { offsetOf, devices, cpus: 1, openTargets: false, many: false }),
  };
}

const VERDICTS: Readonly<Record<string, string>> = {
  pass: "XDP_PASS",
  drop: "XDP_DROP",
  tx: "XDP_TX",
  aborted: "XDP_ABORTED",
};

describe("generated programs", () => {
  const whole = wholeFrames(40);
  const frames = [
    ...whole,
    ...cutSamples(whole.filter((_, i) => i % 20 === 0))
      .map((s) => s.frame)
      .filter((_, i) => i % 4 === 0),
  ];

  test.each(Array.from({ length: RUNS }, (_, i) => FIRST_SEED + i))(
    "seed %i",
    (seed) => {
      const text = `${DECLARATIONS}\n${new ProgramMaker(new Random(seed)).statements(8).join("\n")}\n`;
      const plain = sessionOf(text, false);
      const probed = sessionOf(text, true);
      const program = plain.compiled.images[0]?.name ?? "";
      const rules = probed.compiled.model.probes.get(program);
      if (rules === undefined) throw new Error("no probes");
      const count = countsOf(probed.session);
      for (const [i, frame] of frames.entries()) {
        const before = new Map<object, number>();
        const open = [rules];
        for (let block = open.pop(); block !== undefined; block = open.pop()) {
          before.set(block, count(block));
          for (const s of block.statements) {
            before.set(s, count(s));
            open.push(...s.branches.map((b) => b.block));
          }
        }
        const a = plain.session.send(program, frame);
        const b = probed.session.send(program, frame);
        const shown = `seed ${seed}, frame ${Buffer.from(frame).toString("hex")}\n${text}`;
        expect(b.verdict, shown).toBe(a.verdict);
        expect(Buffer.from(b.packet).equals(Buffer.from(a.packet)), shown).toBe(true);
        expect(count(rules), shown).toBe(i + 1);
        // The way's last statement, if it is a verdict, is the verdict.
        const packet = readPacket(probed.compiled.model.headers, frame);
        const way = pathOf(rules, (at) => count(at) - (before.get(at) ?? 0), packet, {});
        const last = way.at(-1);
        if (last?.kind === "verdict") {
          const word = last.span.file.text.slice(last.span.start, last.span.end);
          expect(VERDICTS[word], shown).toBe(a.verdict);
        }
        for (const step of way)
          expect(
            step.took === "yes" || step.took === "no" || (step.kind !== "if" && step.kind !== "ifLet"),
            shown,
          ).toBe(true);
      }
      for (const row of ruleCounts(rules, count))
        if (row.held !== null) expect(row.held).toBeLessThanOrEqual(row.reached);
      for (const [name, map] of plain.session.machine.maps) {
        const other = probed.session.machine.maps.get(name);
        if (name.startsWith(".")) continue;
        const entries = (m: typeof map): string[] =>
          m.kind.includes("percpu_array")
            ? []
            : [...m.keys()].map((k) => `${Buffer.from(k).toString("hex")} ${String(m.userLookup(k))}`);
        expect(other === undefined ? [] : entries(other), name).toEqual(entries(map));
      }
    },
    60_000,
  );
});

test("packets are read as an independent reading has them", () => {
  const { headers } = modelOf("pass");
  const limits = { vlan: 2, extension: 6 };
  for (const { frame, reading } of fullCorpus()) {
    const packet = readPacket(headers, frame);
    const tags = packet.headers.filter((p) => p.header.name === "vlan").length;
    const extensions = packet.headers.filter((p) => p.header.extension).length;
    // Rules read so far; a shown packet is read to its end.
    if (tags > limits.vlan || extensions > limits.extension) continue;
    const at = (name: string): number | undefined => packet.headers.find((p) => p.header.name === name)?.at;
    const found = ["eth", "vlan", "arp", "ipv4", "ipv6", "tcp", "udp", "icmp", "icmp6", "sctp"].map(at);
    const { eth, vlan, arp, ip, ip6, tcp, udp, icmp, icmp6, sctp } = reading;
    const expected = [eth, vlan[0], arp, ip, ip6, tcp, udp, icmp, icmp6, sctp].map((p) => p?.offset);
    expect(found, Buffer.from(frame).toString("hex")).toEqual(expected);
    expect(extensions).toBe(reading.extensions.length);
  }
});
