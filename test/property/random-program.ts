// Random programs of the language that are valid: headers, narrowing, sets, maps, arithmetic, switches, loops, functions, counters,
// assignments. Texts come from what the manual promises (which header is proven where), never from the compiler's own analysis:
// one that is refused is a fault of either.

import type { Random } from "../support/random.ts";

/** Declarations that every generated program starts with. */
export const DECLARATIONS = `
struct Flow { saddr : ipv4, daddr : ipv4, sport : u16, dport : u16 }
struct Stats { packets : u64, last : u32, kind : u8, who : mac }
header magic on eth 0x88b5, udp 9999 { tag : u32, port : u16, kind : 4, flag : 1, rest : 11 }
const WEB = 443
const LOW = 8
config limit : u32 = 100
var seen : u32
var big : u64 = 7
set ports : u16[4096]
set hosts : ipv4[4096]
set hosts6 : ipv6[4096]
set macs : mac[4096]
set pairs : (ipv4, u16)[4096]
map by_port : hash<u16, u64>[4096]
map flows : hash<Flow, Stats>[4096]
map cells : array<u32>[8]
map own : percpu_array<u64>[4]
counter hits
counter kinds[u8]
counter from[ipv4]
xskmap xsk[4]
devmap ways[4]
fn is_web(p : u16) = p in { 80, WEB }
fn twice(x : u32) = x * 2 + 1
fn syn_only() = tcp.syn and not tcp.ack
fn note(k : u8) { count kinds[k] if k > 200 then { seen = seen + 1 } }
fn screen() { if opaque then drop }
`;

interface FieldInfo {
  readonly bits: number;
  /** Written without restriction: no checksum or length covers it. "steers": ends what was proven behind it. */
  readonly assign?: "free" | "steers";
}

const FIELDS: Readonly<Record<string, Readonly<Record<string, FieldInfo>>>> = {
  eth: { type: { bits: 16, assign: "steers" } },
  vlan: {
    pcp: { bits: 3, assign: "free" },
    dei: { bits: 1, assign: "free" },
    id: { bits: 12, assign: "free" },
    type: { bits: 16, assign: "steers" },
  },
  "vlan[1]": {
    pcp: { bits: 3, assign: "free" },
    id: { bits: 12, assign: "free" },
    type: { bits: 16, assign: "steers" },
  },
  arp: { htype: { bits: 16, assign: "free" }, hlen: { bits: 8, assign: "free" }, op: { bits: 16, assign: "free" } },
  ip: {
    version: { bits: 4 },
    ihl: { bits: 4 },
    dscp: { bits: 6 },
    ecn: { bits: 2 },
    tot_len: { bits: 16 },
    id: { bits: 16 },
    df: { bits: 1 },
    mf: { bits: 1 },
    frag_off: { bits: 13 },
    ttl: { bits: 8 },
    protocol: { bits: 8 },
  },
  ip6: {
    version: { bits: 4, assign: "free" },
    dscp: { bits: 6, assign: "free" },
    flowlabel: { bits: 20, assign: "free" },
    payload_len: { bits: 16 },
    nexthdr: { bits: 8, assign: "steers" },
    hop_limit: { bits: 8, assign: "free" },
  },
  frag: { id: { bits: 32 }, mf: { bits: 1 }, nexthdr: { bits: 8 } },
  tcp: {
    sport: { bits: 16 },
    dport: { bits: 16 },
    seq: { bits: 32 },
    doff: { bits: 4 },
    flags: { bits: 8 },
    syn: { bits: 1 },
    ack: { bits: 1 },
    window: { bits: 16 },
  },
  udp: { sport: { bits: 16 }, dport: { bits: 16 }, length: { bits: 16 } },
  icmp: { type: { bits: 8 }, code: { bits: 8 } },
  icmp6: { type: { bits: 8 } },
  sctp: { sport: { bits: 16 }, dport: { bits: 16 }, vtag: { bits: 32 } },
  magic: {
    tag: { bits: 32, assign: "free" },
    port: { bits: 16, assign: "free" },
    kind: { bits: 4, assign: "free" },
    flag: { bits: 1, assign: "free" },
  },
};

/** Headers that are there whenever the key is. */
const IMPLIES: Readonly<Record<string, readonly string[]>> = {
  vlan: ["eth"],
  "vlan[1]": ["eth", "vlan"],
  icmp: ["ip"],
  icmp6: ["ip6"],
  frag: ["ip6"],
};
/** What stays proven when a field that steers the reading changes. */
const KEPT: Readonly<Record<string, readonly string[]>> = {
  eth: ["eth"],
  vlan: ["eth", "vlan"],
  "vlan[1]": ["eth", "vlan", "vlan[1]"],
  ip6: ["eth", "vlan", "vlan[1]", "ip6"],
};
const HEADERS = Object.keys(FIELDS);
const INTERESTING: Readonly<Record<string, readonly string[]>> = {
  dport: ["80", "443", "22", "53", "9999", "WEB"],
  sport: ["80", "443", "22", "53", "9999"],
  type: ["0x0800", "0x86dd", "8", "128"],
  protocol: ["tcp", "udp", "6", "17", "icmp"],
  nexthdr: ["6", "17", "44", "tcp", "udp"],
  op: ["1", "2"],
};

/** How often a program may change what steers the reading: each time everything behind is read anew, which the verifier has to follow. */
const MOST_STEERED = 1;

type Facts = ReadonlySet<string>;

interface Condition {
  readonly text: string;
  readonly yes: Facts;
  readonly no: Facts;
}

function withHeader(facts: Facts, header: string): Facts {
  return new Set([...facts, header, ...(IMPLIES[header] ?? []), "eth"]);
}

function both(a: Facts, b: Facts): Facts {
  return new Set([...a].filter((h) => b.has(h)));
}

/** Makes programs; one `Random` gives one program. */
export class ProgramMaker {
  readonly #random: Random;
  #names = 0;
  /** Numbers bound by `let`, `for`: name and bits. */
  #locals: readonly { readonly name: string; readonly bits: number }[] = [];
  #loops = 0;
  #steered = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A program's statements, one text each; laid end to end behind `DECLARATIONS` they are a program. */
  statements(count: number): string[] {
    const made: string[] = [];
    let facts: Facts | null = new Set(["eth"]);
    for (let i = 0; i < count && facts !== null; i++) {
      const one: { readonly text: string; readonly after: Facts | null } = this.#statement(
        facts,
        this.#random.chance(25) ? 3 : 2,
      );
      made.push(one.text);
      facts = one.after;
    }
    return made;
  }

  // ------------------------------------------------------------------------------------------------------------ numbers

  #constant(bits: number): string {
    const random = this.#random;
    const most = 2 ** Math.min(bits, 32) - 1;
    if (random.chance(20)) return String(random.pick([0, 1, most, Math.min(most, 128)]));
    const value = random.below(Math.min(most, 70000) + 1);
    return random.chance(15) ? `0x${value.toString(16)}` : String(value);
  }

  /** A field of a proven header, or null. */
  #provenField(facts: Facts): { readonly text: string; readonly bits: number } | null {
    const known = [...facts].filter((h) => h in FIELDS);
    if (known.length === 0) return null;
    const header = this.#random.pick(known);
    const name = this.#random.pick(Object.keys(FIELDS[header]!));
    return { text: `${header}.${name}`, bits: FIELDS[header]![name]!.bits };
  }

  /** A number of exactly the type `u<bits>`. */
  #number(facts: Facts, bits: 8 | 16 | 32 | 64, depth: number): string {
    const random = this.#random;
    const inner = random.pick([8, 16, 32, 64] as const);
    switch (depth <= 0 ? random.below(5) : random.below(12)) {
      case 0:
        return `(${this.#constant(bits)} as u${bits})`;
      case 1:
      case 2: {
        const field = this.#provenField(facts);
        return field === null ? `(meta.len as u${bits})` : `(${field.text} as u${bits})`;
      }
      case 3: {
        const local = this.#locals.length === 0 ? null : random.pick(this.#locals);
        return local === null ? `(limit as u${bits})` : `(${local.name} as u${bits})`;
      }
      case 4:
        return random.pick([
          `(seen as u${bits})`,
          `(big as u${bits})`,
          `(meta.len as u${bits})`,
          `(cells[3] as u${bits})`,
        ]);
      case 5:
        return `(${this.#number(facts, inner, depth - 1)} as u${bits})`;
      case 6:
        return `(twice(${this.#number(facts, 32, depth - 1)}) as u${bits})`;
      case 7:
        return `(hash(${this.#number(facts, inner, depth - 1)}, ${this.#number(facts, bits, depth - 1)}) as u${bits})`;
      default: {
        const op = random.pick(["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"]);
        const right = op === "<<" || op === ">>" ? String(random.below(bits)) : this.#number(facts, bits, depth - 1);
        return `(${this.#number(facts, bits, depth - 1)} ${op} ${random.chance(30) ? this.#constant(Math.min(bits, 31)) : right})`;
      }
    }
  }

  #ipv4(facts: Facts): string {
    const random = this.#random;
    const some = [`10.0.0.${random.below(4)}`, "192.168.1.1", "255.255.255.255"];
    if (facts.has("ip")) some.push("ip.saddr", "ip.daddr", "ip.saddr", "ip.daddr");
    if (facts.has("arp")) some.push("arp.spa", "arp.tpa");
    return random.pick(some);
  }

  #mac(facts: Facts): string {
    return this.#random.pick(
      facts.has("eth") ? ["eth.saddr", "eth.daddr", "aa:bb:cc:dd:ee:ff"] : ["aa:bb:cc:dd:ee:ff"],
    );
  }

  // --------------------------------------------------------------------------------------------------------- conditions

  #condition(facts: Facts, depth: number): Condition {
    const random = this.#random;
    const same = (text: string): Condition => ({ text, yes: facts, no: facts });
    const about = (header: string, text: string): Condition => ({ text, yes: withHeader(facts, header), no: facts });
    switch (depth <= 0 ? random.below(9) : random.below(13)) {
      case 0:
      case 1:
      case 2: {
        const header = random.pick(HEADERS);
        const name = random.pick(Object.keys(FIELDS[header]!));
        return about(header, this.#fieldTest(facts, header, name, FIELDS[header]![name]!.bits));
      }
      case 3: {
        const header = random.pick(HEADERS.filter((h) => h !== "eth"));
        return about(header, header);
      }
      case 4:
        return random.pick([
          () =>
            about(
              "ip",
              `ip.saddr in ${random.pick(["10.0.0.0/8", "{ 10.0.0.1, 192.168.0.0/16, 10.9.0.0/24 }", "hosts"])}`,
            ),
          () =>
            about(
              "ip",
              `ip.${random.pick(["saddr", "daddr"])} ${random.pick(["==", "!=", "<", ">="])} 10.0.0.${random.below(4)}`,
            ),
          () => about("ip6", `ip6.saddr in ${random.pick(["2001:db8::/32", "{ fe80::/10, ::1 }", "hosts6"])}`),
          () => about("ip6", `ip6.daddr ${random.pick(["==", "!=", "<", ">="])} 2001:db8::2`),
          () => about("eth", `eth.saddr ${random.pick(["==", "!="])} 02:00:00:00:00:01`),
          () => about("eth", "eth.daddr in macs"),
          () => about("tcp", "tcp.dport in ports"),
          () => withAll(facts, ["ip", "tcp"], "(ip.saddr, tcp.dport) in pairs"),
          () => about("tcp", "tcp.sport == tcp.dport"),
          () => about("udp", "udp.sport < udp.dport"),
          () => withAll(facts, ["ip", "vlan"], "vlan.id > ip.ttl"),
        ])();
      case 5:
        return random.pick([
          () => about("tcp", "syn_only()"),
          () => about("tcp", "is_web(tcp.dport)"),
          () => about("udp", "is_web(udp.sport)"),
          () => same(`is_web(${this.#number(facts, 16, 1)})`),
        ])();
      case 6:
        return same("opaque");
      case 7:
      case 8: {
        const bits = random.pick([8, 16, 32, 64] as const);
        const op = random.pick(["==", "!=", "<", "<=", ">", ">="]);
        return same(`${this.#number(facts, bits, 2)} ${op} ${this.#number(facts, bits, 1)}`);
      }
      case 9: {
        const { text, yes, no } = this.#condition(facts, depth - 1);
        return { text: `not (${text})`, yes: no, no: yes };
      }
      case 10:
      case 11: {
        const a = this.#condition(facts, depth - 1);
        const b = this.#condition(a.yes, depth - 1);
        return { text: `(${a.text}) and (${b.text})`, yes: b.yes, no: both(a.no, b.no) };
      }
      default: {
        const a = this.#condition(facts, depth - 1);
        const b = this.#condition(a.no, depth - 1);
        return { text: `(${a.text}) or (${b.text})`, yes: both(a.yes, b.yes), no: b.no };
      }
    }
  }

  #fieldTest(facts: Facts, header: string, name: string, bits: number): string {
    const random = this.#random;
    const field = `${header}.${name}`;
    if (bits === 1 && random.chance(60)) return field;
    const known = INTERESTING[name];
    const constant = known !== undefined && random.chance(70) ? random.pick(known) : this.#constant(bits);
    const symbolic = /^[a-z]/.test(constant);
    const fits = header !== "ip6" || constant !== "icmp";
    const value = symbolic && !(fits && /protocol|nexthdr/.test(name) && header !== "frag") ? "6" : constant;
    if (/^\D/.test(value) && value !== "WEB") return `${field} ${random.pick(["==", "!="])} ${value}`;
    const number = bits === 8 && value.startsWith("0x") && value.length > 4 ? "8" : value;
    const type = bits <= 8 ? 8 : bits <= 16 ? 16 : 32;
    if (random.chance(20)) {
      const many = Array.from({ length: 1 + random.below(9) }, () => this.#constant(bits));
      const low = random.below(2 ** Math.min(bits, 16));
      const high = low + random.below(2 ** Math.min(bits, 16) - low);
      return `${field} in { ${[...many, `${low}..${high}`].join(", ")} }`;
    }
    if (random.chance(10)) return `${field} ${random.pick(["==", "<"])} ${this.#number(facts, type, 1)}`;
    return `${field} ${random.pick(["==", "!=", "<", "<=", ">", ">=", "=="])} ${number}`;
  }

  // --------------------------------------------------------------------------------------------------------- statements

  #block(facts: Facts, depth: number): { readonly text: string; readonly after: Facts | null } {
    const locals = this.#locals;
    const texts: string[] = [];
    let at: Facts | null = facts;
    for (let i = 1 + this.#random.below(3); i > 0 && at !== null; i--) {
      const one: { readonly text: string; readonly after: Facts | null } = this.#statement(at, depth);
      texts.push(one.text);
      at = one.after;
    }
    this.#locals = locals;
    return { text: `{ ${texts.join("; ")} }`, after: at };
  }

  #statement(facts: Facts, depth: number): { readonly text: string; readonly after: Facts | null } {
    const random = this.#random;
    const plain = (text: string): { text: string; after: Facts } => ({ text, after: facts });
    switch (depth <= 0 ? random.below(9) : random.below(16)) {
      case 0:
        return plain(
          random.pick([
            "count hits",
            `count kinds[${this.#number(facts, 8, 1)}]`,
            facts.has("ip") ? "count from[ip.saddr]" : "count hits",
            `note(${this.#number(facts, 8, 1)})`,
            "screen()",
          ]),
        );
      case 1:
        return plain(
          random.pick([
            `seen = ${this.#number(facts, 32, 2)}`,
            `seen += ${this.#number(facts, 32, 1)}`,
            `big = ${this.#number(facts, 64, 2)}`,
            `big -= ${this.#number(facts, 64, 1)}`,
            `seen ^= ${this.#number(facts, 32, 1)}`,
          ]),
        );
      case 2:
        return plain(
          random.pick([
            `insert ports ${this.#number(facts, 16, 1)}`,
            `insert hosts ${this.#ipv4(facts)}`,
            `delete hosts ${this.#ipv4(facts)}`,
            `insert macs ${this.#mac(facts)}`,
            `insert pairs (${this.#ipv4(facts)}, ${this.#number(facts, 16, 1)})`,
            facts.has("ip6") ? "insert hosts6 ip6.saddr" : "delete ports 80",
          ]),
        );
      case 3:
        return plain(
          random.pick([
            `by_port[${this.#number(facts, 16, 1)}] = ${this.#number(facts, 64, 1)}`,
            `by_port[${this.#number(facts, 16, 0)}] += ${this.#number(facts, 64, 1)}`,
            `cells[${random.below(8)}] = ${this.#number(facts, 32, 1)}`,
            `cells[${random.below(8)}] += ${this.#number(facts, 32, 1)}`,
            `cells[${this.#number(facts, 32, 0)} % 8] += 1`,
            `own[${random.below(4)}] += ${this.#number(facts, 64, 1)}`,
            `flows[(${this.#ipv4(facts)}, ${this.#ipv4(facts)}, ${this.#number(facts, 16, 0)}, 7)] = Stats { packets: ${this.#number(facts, 64, 1)}, who: ${this.#mac(facts)}, kind: ${this.#number(facts, 8, 0)} }`,
          ]),
        );
      case 4:
      case 5:
        return this.#assignment(facts);
      case 6:
        return plain(facts.has("eth") ? "swap eth.saddr, eth.daddr" : "count hits");
      case 7: {
        const name = `x${this.#names++}`;
        const bits = random.pick([8, 16, 32, 64] as const);
        const text = `let ${name} = ${this.#number(facts, bits, 2)}`;
        this.#locals = [...this.#locals, { name, bits }];
        return plain(text);
      }
      case 8:
        return random.chance(40) ? { text: this.#verdict(facts), after: null } : plain("count hits");
      case 9: {
        const name = `i${this.#names++}`;
        if (this.#loops > 1) return plain("count hits");
        this.#loops++;
        const locals = this.#locals;
        this.#locals = [...locals, { name, bits: 32 }];
        const from = random.below(3);
        const body = this.#block(new Set(["eth"]), depth - 2);
        this.#locals = locals;
        this.#loops--;
        // What the body may change isn't followed here: behind it only Ethernet counts as proven.
        const text = `for ${name} in ${from}..${from + random.pick([0, 1, 5, 40])} ${body.text}`;
        return { text, after: body.after === null ? null : new Set(["eth"]) };
      }
      case 10: {
        const subject = this.#number(facts, 8, 1);
        const arms = Array.from({ length: 1 + random.below(3) }, () => {
          const body = this.#block(facts, depth - 1);
          return { pattern: random.pick([this.#constant(8), "6, 17", "3..9"]), ...body };
        });
        const last = this.#block(facts, depth - 1);
        const ends = [...arms.map((a) => a.after), last.after].filter((f) => f !== null);
        return {
          text: `switch ${subject} { ${arms.map((a) => `${a.pattern} => ${a.text}`).join("; ")}; else => ${last.text} }`,
          after: ends.length === 0 ? null : ends.reduce(both),
        };
      }
      case 11: {
        const name = `e${this.#names++}`;
        const then = this.#block(facts, depth - 1);
        const [target, use] = random.pick([
          [`by_port[${this.#number(facts, 16, 1)}]`, `${name} += 1; seen = ${name} as u32`],
          [
            `flows[(${this.#ipv4(facts)}, ${this.#ipv4(facts)}, ${this.#number(facts, 16, 0)}, 7)]`,
            `${name}.packets += 1; ${name}.kind = 3; big = ${name}.packets`,
          ],
          [`cells[${this.#number(facts, 32, 1)} % 8]`, `${name} = ${name} + 1`],
        ]);
        return {
          text: `if let ${name} = ${target} then { ${use}; ${then.text.slice(2)}`,
          after: this.#join(then.after, facts),
        };
      }
      default: {
        const condition = this.#condition(facts, 2);
        const then = this.#block(condition.yes, depth - 1);
        if (random.chance(55)) {
          return { text: `if ${condition.text} then ${then.text}`, after: this.#join(then.after, condition.no) };
        }
        const otherwise = this.#block(condition.no, depth - 1);
        return {
          text: `if ${condition.text} then ${then.text} else ${otherwise.text}`,
          after: this.#join(then.after, otherwise.after),
        };
      }
    }
  }

  #join(a: Facts | null, b: Facts | null): Facts | null {
    if (a === null) return b;
    return b === null ? a : both(a, b);
  }

  #assignment(facts: Facts): { readonly text: string; readonly after: Facts } {
    const random = this.#random;
    const free = [...facts]
      .flatMap((header) =>
        Object.entries(FIELDS[header] ?? {})
          .filter(([, info]) => info.assign !== undefined)
          .map(([name, info]) => ({ header, name, info })),
      )
      .filter(({ info }) => info.assign === "free" || (this.#loops === 0 && this.#steered < MOST_STEERED));
    if (free.length === 0 || random.chance(20)) return { text: `eth.saddr = ${this.#mac(facts)}`, after: facts };
    const { header, name, info } = random.pick(free);
    if (info.assign === "steers") this.#steered++;
    const type = info.bits <= 8 ? 8 : info.bits <= 16 ? 16 : 32;
    const whole = info.bits === type;
    const number = this.#number(facts, type, 1);
    const value = random.chance(50) ? this.#constant(info.bits) : whole ? number : `${number} & ${2 ** info.bits - 1}`;
    const op = whole && random.chance(15) ? "+=" : "=";
    return {
      text: `${header}.${name} ${op} ${value}`,
      after: info.assign === "steers" ? both(facts, new Set(KEPT[header])) : facts,
    };
  }

  #verdict(facts: Facts): string {
    return this.#random.pick([
      "drop",
      "pass",
      "tx",
      "aborted",
      "redirect xsk or drop",
      "redirect xsk",
      `redirect ways[${this.#number(facts, 32, 1)}] or tx`,
    ]);
  }
}

function withAll(facts: Facts, headers: readonly string[], text: string): Condition {
  return { text, yes: headers.reduce(withHeader, facts), no: facts };
}
