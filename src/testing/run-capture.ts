// A program over many packets: what became of them, which rules were reached and held, and the way of one of them. Two kinds of program: rules,
// whose statements are counted by probes, and any object, whose source lines are counted by the instructions that ran. Knows no files.

import type { ImageLine } from "../bpf/image.ts";
import type { MetaName } from "../ir/hir.ts";
import type { PathStretch } from "../vm/fault.ts";
import { MachineFault } from "../vm/fault.ts";
import type { RunResult } from "../vm/machine.ts";
import { RedirectMap } from "../vm/maps/redirect-maps.ts";
import type { StandardMachine } from "../vm/standard.ts";
import { readPacket } from "./read-packet.ts";
import { countsOf, type PathStep, pathOf, ruleCounts } from "./rule-path.ts";
import { type Compiled, openTargets, Session } from "./session.ts";
import { isFlood } from "./show-packet.ts";

/** What comes with a packet of a capture. */
export interface FrameMeta {
  readonly timestampNs: bigint;
  readonly ingressIfindex: number;
}

/** The way of a packet: statements of rules, or source lines in the order they ran. */
export type Way =
  | { readonly kind: "rules"; readonly steps: readonly PathStep[] }
  | { readonly kind: "lines"; readonly lines: readonly Pick<ImageLine, "file" | "line" | "text">[] };

/** How often a source line's rule was reached, and, for one with a condition, how often that held (else null). */
export interface RuleRow {
  readonly file: string;
  readonly line: number;
  readonly text: string;
  readonly depth: number;
  readonly reached: number;
  readonly held: number | null;
}

/** A program that packets can be sent to, and that can be looked into. */
export interface Watched {
  readonly program: string;
  /** Runs it; throws MachineFault. With `explained` the packet's way is told by `way` afterwards. */
  send(packet: Uint8Array, meta: FrameMeta, explained: boolean): RunResult;
  /** The way of the packet that was sent last with `explained`. */
  way(): Way | null;
  rules(): readonly RuleRow[];
}

/** A program of a rule file with probes (without them there are no rules to tell of), in a session that has been set up. */
export class WatchedRules implements Watched {
  readonly program: string;
  readonly #compiled: Compiled;
  readonly #session: Session;
  #way: Way | null = null;

  constructor(compiled: Compiled, program: string) {
    this.program = program;
    this.#compiled = compiled;
    const { offsetOf, devices, setUp } = compiled.model;
    this.#session = new Session(compiled.images, { offsetOf, devices, cpus: 1, openTargets: true, many: true });
    for (const fill of setUp) this.#session.apply(fill);
  }

  send(packet: Uint8Array, meta: FrameMeta, explained: boolean): RunResult {
    const session = this.#session;
    session.surround("now", meta.timestampNs);
    session.surround("ingress_ifindex", BigInt(meta.ingressIfindex));
    if (!explained) return session.send(this.program, packet);
    this.#way = null;
    const rules = this.#compiled.model.probes.get(this.program);
    if (rules === undefined) return session.send(this.program, packet);
    const count = countsOf(session);
    const before = new Map<object, number>();
    const added: typeof count = (at) => count(at) - (before.get(at) ?? 0);
    const open = [rules];
    for (let block = open.pop(); block !== undefined; block = open.pop()) {
      before.set(block, count(block));
      for (const statement of block.statements) {
        before.set(statement, count(statement));
        open.push(...statement.branches.map((b) => b.block));
      }
    }
    const read = readPacket(this.#compiled.model.headers, packet);
    const around: Readonly<Partial<Record<MetaName, bigint>>> = {
      len: BigInt(packet.length),
      ingress_ifindex: BigInt(meta.ingressIfindex),
      rx_queue_index: 0n,
      cpu: 0n,
      now: meta.timestampNs,
    };
    const result = session.send(this.program, packet);
    this.#way = { kind: "rules", steps: pathOf(rules, added, read, around) };
    return result;
  }

  way(): Way | null {
    return this.#way;
  }

  rules(): readonly RuleRow[] {
    const rules = this.#compiled.model.probes.get(this.program);
    if (rules === undefined) return [];
    const rows = new Map<string, RuleRow>();
    for (const { span, depth, reached, held } of ruleCounts(rules, countsOf(this.#session))) {
      const { line } = span.file.positionAt(span.start);
      const key = `${span.file.path}:${line}`;
      // A line's first statement speaks for it.
      if (rows.has(key)) continue;
      rows.set(key, { file: span.file.path, line, text: span.file.lineText(line).trim(), depth, reached, held });
    }
    return [...rows.values()];
  }
}

/** A program of any object, in a machine whose maps have been set up; maps of targets without entries lead somewhere all the same. */
export class WatchedObject implements Watched {
  readonly program: string;
  readonly #machine: StandardMachine;
  readonly #lines: ReadonlyMap<string, readonly ImageLine[]>;
  /** How many packets ran each slot, by program. */
  readonly #counts = new Map<string, Float64Array>();
  #way: Way | null = null;

  constructor(machine: StandardMachine, program: string, lines: ReadonlyMap<string, readonly ImageLine[]>) {
    this.program = program;
    this.#machine = machine;
    this.#lines = lines;
    for (const map of machine.maps.values()) {
      if (map instanceof RedirectMap && map.size === 0) openTargets(map);
    }
  }

  send(packet: Uint8Array, meta: FrameMeta, explained: boolean): RunResult {
    const machine = this.#machine;
    machine.clock.monotonicNs = meta.timestampNs;
    machine.clock.bootNs = meta.timestampNs;
    try {
      const result = machine.run(packet, { program: this.program, ingressIfindex: meta.ingressIfindex, path: true });
      this.#note(result.path ?? [], explained);
      return result;
    } catch (error) {
      if (error instanceof MachineFault) this.#note(error.path ?? [], explained);
      throw error;
    }
  }

  #note(path: readonly PathStretch[], explained: boolean): void {
    for (const { program, slots } of path) {
      let counts = this.#counts.get(program);
      if (counts === undefined) {
        counts = new Float64Array((this.#lines.get(program)?.at(-1)?.slot ?? 0) + 1);
        this.#counts.set(program, counts);
      }
      for (const slot of slots) if (slot < counts.length) counts[slot] = (counts[slot] ?? 0) + 1;
    }
    if (!explained) return;
    const lines: ImageLine[] = [];
    for (const { program, slots } of path) {
      const table = this.#lines.get(program) ?? [];
      for (const slot of slots) {
        const line = table.findLast((l) => l.slot <= slot);
        const last = lines.at(-1);
        if (line !== undefined && (last?.line !== line.line || last.file !== line.file)) lines.push(line);
      }
    }
    this.#way = { kind: "lines", lines };
  }

  way(): Way | null {
    return this.#way;
  }

  rules(): readonly RuleRow[] {
    const rows = new Map<string, RuleRow>();
    for (const [program, lines] of this.#lines) {
      const counts = this.#counts.get(program);
      for (const { slot, file, line, text } of lines) {
        const key = `${file}:${line}`;
        // An instruction that begins a line's code ran as often as the line was come to.
        const reached = Math.max(counts?.[slot] ?? 0, rows.get(key)?.reached ?? 0);
        if (line > 0) rows.set(key, { file, line, text: text.trim(), depth: 0, reached, held: null });
      }
    }
    return [...rows.values()].sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1));
  }
}

/** What became of the packets so far. */
export class Tally {
  packets = 0;
  bytes = 0;
  /** Packets of which the capture has less than there was. */
  cut = 0;
  readonly #verdicts = new Map<string, number>();
  /** By map: how many packets went to which key. */
  readonly #redirects = new Map<string, Map<number, number>>();

  add(frame: { readonly bytes: Uint8Array; readonly originalBytes: number }, result: RunResult): void {
    this.packets += 1;
    this.bytes += frame.originalBytes;
    if (frame.bytes.length < frame.originalBytes) this.cut += 1;
    const { redirect } = result;
    if (result.verdict !== "XDP_REDIRECT" || redirect === null) {
      this.#verdicts.set(result.verdict, (this.#verdicts.get(result.verdict) ?? 0) + 1);
      return;
    }
    const flood = isFlood(result);
    const name =
      redirect.kind === "device" ? "device" : flood ? `flood ${redirect.map.name}` : `redirect ${redirect.map.name}`;
    const key = redirect.kind === "device" ? redirect.ifindex : flood ? 0 : redirect.key;
    let keys = this.#redirects.get(name);
    if (keys === undefined) {
      keys = new Map();
      this.#redirects.set(name, keys);
    }
    keys.set(key, (keys.get(key) ?? 0) + 1);
  }

  /** Verdicts and redirects with their counts, the most frequent first. Redirects are told by key where these are few. */
  rows(): readonly { readonly what: string; readonly packets: number }[] {
    const rows: { what: string; packets: number }[] = [];
    for (const [verdict, packets] of this.#verdicts)
      rows.push({ what: verdict.slice("XDP_".length).toLowerCase(), packets });
    for (const [name, keys] of this.#redirects) {
      const all = [...keys.values()].reduce((sum, n) => sum + n, 0);
      if (name.startsWith("flood ")) rows.push({ what: name, packets: all });
      else if (keys.size > MOST_KEYS) rows.push({ what: `${name} (${keys.size} keys)`, packets: all });
      else
        for (const [key, packets] of keys)
          rows.push({ what: name === "device" ? `redirect to device ${key}` : `${name}[${key}]`, packets });
    }
    return rows.sort((a, b) => b.packets - a.packets || (a.what < b.what ? -1 : 1));
  }
}

/** Keys of a map of targets that are told one by one. */
const MOST_KEYS = 16;

/** Whether a packet with this result leaves: it goes up the stack or out of a device. */
export function leaves(result: RunResult): boolean {
  return result.verdict !== "XDP_DROP" && result.verdict !== "XDP_ABORTED";
}
