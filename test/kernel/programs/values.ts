// Values and operators: literals of every form, sets, ranges, prefixes, arithmetic with wrap, precedence, casts, constants, config
// values, globals, `let`, functions, loops and `switch`.

import { inPrefix4, inPrefix6, ip4, mac } from "../../support/addresses.ts";
import type { Reading } from "../../support/oracle.ts";
import { dropIf, type SmallProgram, u32 } from "./case.ts";

/** A program of one rule, `if CONDITION then drop`, and when it should. */
function rule(name: string, condition: string, holds: (p: Reading) => boolean | undefined): SmallProgram {
  return { name, source: `if ${condition} then drop\n`, expect: (p) => dropIf(holds(p)) };
}

const dport = (p: Reading): number => p.tcp?.dport ?? -1;
const between = (value: number | undefined, from: number, to: number): boolean =>
  value !== undefined && value >= from && value <= to;

export const valuePrograms: readonly SmallProgram[] = [
  // Literals.
  rule("hexadecimal literal", "tcp.dport == 0x50", (p) => dport(p) === 80),
  rule("binary literal", "tcp.dport == 0b1010000", (p) => dport(p) === 80),
  rule("suffix K", "meta.len > 1K or meta.len < 64", (p) => p.len > 1024 || p.len < 64),
  rule("IPv4 literal", "ip.daddr == 10.0.0.2", (p) => p.ip?.daddr === ip4("10.0.0.2")),
  rule(
    "IPv6 literal with every group",
    "ip6.saddr == 2001:db8:1:2:3:4:5:6",
    (p) => p.ip6?.saddr === 0x20010db8000100020003000400050006n,
  ),
  rule("IPv6 literal of zeros", "ip6.saddr == ::", (p) => p.ip6?.saddr === 0n),
  rule("MAC literal", "eth.daddr == 01:80:c2:00:00:0e", (p) => p.eth?.daddr === mac("01:80:c2:00:00:0e")),
  rule("true and false", "true and not false", () => true),

  // Sets, ranges, prefixes.
  rule("a set of ports", "tcp.dport in { 22, 80, 443 }", (p) => [22, 80, 443].includes(dport(p))),
  rule("a set with one element", "tcp.dport in { 80 }", (p) => dport(p) === 80),
  rule("a range includes both ends", "tcp.dport in 8000..8999", (p) => between(p.tcp?.dport, 8000, 8999)),
  rule(
    "a set of ranges and values",
    "tcp.dport in { 80, 443, 8000..8999 }",
    (p) => [80, 443].includes(dport(p)) || between(p.tcp?.dport, 8000, 8999),
  ),
  rule("overlapping and adjacent ranges", "tcp.dport in { 0..79, 80, 81..100, 90..22000 }", (p) =>
    between(p.tcp?.dport, 0, 22000),
  ),
  rule("the widest range", "udp.dport in 0..65535", (p) => p.udp !== undefined),
  rule("a set at the type's ends", "tcp.dport in { 0, 65535 }", (p) => [0, 65535].includes(dport(p))),
  rule(
    "a set of thirty ports",
    `tcp.dport in { ${Array.from({ length: 30 }, (_, index) => 20 + index * 300).join(", ")} }`,
    (p) => p.tcp !== undefined && p.tcp.dport >= 20 && p.tcp.dport <= 20 + 29 * 300 && (p.tcp.dport - 20) % 300 === 0,
  ),
  rule("a prefix", "ip.saddr in 10.0.0.0/8", (p) => p.ip !== undefined && inPrefix4(p.ip.saddr, "10.0.0.0/8")),
  rule(
    "a set of prefixes and addresses",
    "ip.saddr in { 10.1.0.0/16, 192.168.0.0/16, 8.8.8.8 }",
    (p) =>
      p.ip !== undefined &&
      ["10.1.0.0/16", "192.168.0.0/16", "8.8.8.8/32"].some((prefix) => inPrefix4(p.ip!.saddr, prefix)),
  ),
  rule(
    "an odd prefix",
    "ip.saddr in 172.16.0.0/12",
    (p) => p.ip !== undefined && inPrefix4(p.ip.saddr, "172.16.0.0/12"),
  ),
  rule("the prefix of everything", "ip.saddr in 0.0.0.0/0", (p) => p.ip !== undefined),
  rule("a prefix of one address", "ip.saddr in 8.8.8.8/32", (p) => p.ip?.saddr === ip4("8.8.8.8")),
  rule("a range of addresses", "ip.saddr in 10.0.0.1..10.1.2.3", (p) =>
    between(p.ip?.saddr, ip4("10.0.0.1"), ip4("10.1.2.3")),
  ),
  rule(
    "not in a prefix",
    "ip and not (ip.saddr in 10.0.0.0/8)",
    (p) => p.ip !== undefined && !inPrefix4(p.ip.saddr, "10.0.0.0/8"),
  ),
  ...["2001:db8::/32", "fe80::/10", "ff00::/8", "2001:db8:1:2::/64", "2001:db8:1:2:3::/79", "::1/128", "::/0"].map(
    (prefix) =>
      rule(
        `IPv6 prefix ${prefix}`,
        `ip6.saddr in ${prefix}`,
        (p) => p.ip6 !== undefined && inPrefix6(p.ip6.saddr, prefix),
      ),
  ),
  rule(
    "a set of IPv6 prefixes and addresses",
    "ip6.daddr in { 2001:db8::/32, ff02::1, fe80::/10 }",
    (p) =>
      p.ip6 !== undefined &&
      ["2001:db8::/32", "ff02::1/128", "fe80::/10"].some((prefix) => inPrefix6(p.ip6!.daddr, prefix)),
  ),
  rule("MACs in a set in the rule", "eth.saddr in { aa:bb:cc:dd:ee:ff, ff:ff:ff:ff:ff:ff }", (p) =>
    [mac("aa:bb:cc:dd:ee:ff"), mac("ff:ff:ff:ff:ff:ff")].includes(p.eth!.saddr),
  ),
  rule(
    "a set of tuples",
    "(ip.saddr, tcp.dport) in { (10.0.0.1, 80), (192.168.1.77, 443) }",
    (p) =>
      p.ip !== undefined &&
      p.tcp !== undefined &&
      ((p.ip.saddr === ip4("10.0.0.1") && p.tcp.dport === 80) ||
        (p.ip.saddr === ip4("192.168.1.77") && p.tcp.dport === 443)),
  ),
  rule("MACs compared by order", "eth.daddr > eth.saddr", (p) => p.eth!.daddr > p.eth!.saddr),
  rule(
    "IPv6 addresses compared by order",
    "ip6.saddr < ip6.daddr",
    (p) => p.ip6 !== undefined && p.ip6.saddr < p.ip6.daddr,
  ),
  rule(
    "IPv6 addresses against a bound",
    "ip6.saddr >= 2001:db9::",
    (p) => p.ip6 !== undefined && p.ip6.saddr >= 0x20010db9000000000000000000000000n,
  ),
  rule("an IPv4 address is a number", "ip.saddr >= 172.16.0.0 and ip.saddr <= 192.168.1.77", (p) =>
    between(p.ip?.saddr, ip4("172.16.0.0"), ip4("192.168.1.77")),
  ),

  // Arithmetic.
  rule("addition wraps at 16 bits", "tcp and tcp.dport + 1 == 0", (p) => p.tcp?.dport === 65535),
  rule(
    "subtraction wraps at 8 bits",
    "ip and ip.ttl - 2 > 250",
    (p) => p.ip !== undefined && ((p.ip.ttl - 2) & 255) > 250,
  ),
  rule(
    "multiplication wraps at 16 bits",
    "tcp and tcp.dport * 256 == 0x5000",
    (p) => p.tcp !== undefined && ((p.tcp.dport * 256) & 0xffff) === 0x5000,
  ),
  rule("addition wraps at 32 bits", "tcp and tcp.seq + 0xffffffff == 0x01020303", (p) => p.tcp?.seq === 0x01020304),
  rule("a field narrower than a byte computes as u8", "ip and ip.ihl * 4 == 24", (p) => p.ip?.ihl === 6),
  rule(
    "a narrow field times wraps at 8 bits",
    "ip and ip.ihl * 32 == 192",
    (p) => p.ip !== undefined && ((p.ip.ihl * 32) & 255) === 192,
  ),
  rule("a field of 13 bits computes as u16", "ip and ip.frag_off * 8 == 0xfff8", (p) => p.ip?.fragOff === 0x1fff),
  rule("a field of 20 bits computes as u32", "ip6 and ip6.flowlabel * 16 == 0xabcde0", (p) => p.ip6?.flow === 0xabcde),
  rule("division", "tcp and tcp.dport / 1000 == 8", (p) => p.tcp !== undefined && Math.floor(p.tcp.dport / 1000) === 8),
  rule("division by zero gives 0", "tcp and tcp.dport / (tcp.sport - 80) == 0", (p) => {
    if (p.tcp === undefined) return false;
    const divisor = (p.tcp.sport - 80) & 0xffff;
    return divisor === 0 || Math.floor(p.tcp.dport / divisor) === 0;
  }),
  rule("remainder", "tcp and tcp.dport % 1000 == 443", (p) => p.tcp !== undefined && p.tcp.dport % 1000 === 443),
  rule(
    "remainder of a power of two",
    "udp and udp.dport % 16 == 5",
    (p) => p.udp !== undefined && p.udp.dport % 16 === 5,
  ),
  rule("shift right", "tcp and tcp.dport >> 8 == 0x1f", (p) => p.tcp !== undefined && p.tcp.dport >> 8 === 0x1f),
  rule(
    "shift left drops what leaves the width",
    "tcp and tcp.dport << 8 == 0x5000",
    (p) => p.tcp !== undefined && ((p.tcp.dport << 8) & 0xffff) === 0x5000,
  ),
  rule(
    "a mask binds tighter than a comparison",
    "tcp.flags & 0x12 == 0x02",
    (p) => p.tcp !== undefined && (p.tcp.flags & 0x12) === 2,
  ),
  rule(
    "masks, exclusive or, or",
    "tcp and tcp.flags & 0xf0 ^ 0x10 | 1 == 1",
    (p) => p.tcp !== undefined && (((p.tcp.flags & 0xf0) ^ 0x10) | 1) === 1,
  ),
  rule(
    "products before sums before shifts",
    "udp and 1 + udp.length * 2 >> 1 == 14",
    (p) => p.udp !== undefined && ((1 + p.udp.length * 2) & 0xffff) >> 1 === 14,
  ),
  rule(
    "parentheses",
    "udp and (udp.length + 2) * 2 == 32",
    (p) => p.udp !== undefined && ((p.udp.length + 2) * 2) % 65536 === 32,
  ),
  rule("subtraction goes from the left", "udp and udp.dport - 3 - 50 == 0", (p) => p.udp?.dport === 53),
  rule(
    "arithmetic on addresses",
    "ip and ip.saddr & 255.0.0.0 == 10.0.0.0",
    (p) => p.ip !== undefined && p.ip.saddr >>> 24 === 10,
  ),
  rule("a cast cuts", "tcp and (tcp.dport as u8) == 0x50", (p) => p.tcp !== undefined && (p.tcp.dport & 255) === 0x50),
  rule("a cast widens", "tcp and (tcp.dport as u32) + 65536 == 65616", (p) => dport(p) === 80),
  rule(
    "a cast to 64 bits",
    "tcp and (tcp.seq as u64) * 0x100000000 == 0x0102030400000000",
    (p) => p.tcp?.seq === 0x01020304,
  ),
  rule(
    "operands of two widths",
    "ip and udp and udp.length == ip.ihl + 9",
    (p) => p.ip !== undefined && p.udp?.length === p.ip.ihl + 9,
  ),
  rule("random stays in bounds", "random() % 4 < 4", () => true),
  rule(
    "a hash is a function of its arguments",
    "ip and hash(ip.saddr, ip.daddr) == hash(ip.saddr, ip.daddr)",
    (p) => p.ip !== undefined,
  ),
  rule("a hash stays in bounds", "tcp and hash(tcp.sport, tcp.dport) % 8 < 8", (p) => p.tcp !== undefined),

  // TCP flags.
  rule("a flag and not another", "tcp.syn and not tcp.ack", (p) => p.tcp?.syn === true && !p.tcp.ack),
  rule("the last flags", "tcp.fin or tcp.rst", (p) => p.tcp?.fin || p.tcp?.rst),
  rule("the first flags", "tcp.cwr and tcp.ece", (p) => p.tcp?.cwr && p.tcp.ece),
  rule("flags in the middle", "tcp.urg and tcp.psh", (p) => p.tcp?.urg && p.tcp.psh),
  rule("a flag against a number", "tcp.ack == 1 and tcp.psh == 0", (p) => p.tcp?.ack === true && !p.tcp.psh),
  rule(
    "all flags of a scan",
    "tcp.fin and tcp.psh and tcp.urg and not tcp.syn",
    (p) => p.tcp?.fin === true && p.tcp.psh && p.tcp.urg && !p.tcp.syn,
  ),

  // Names for values.
  {
    name: "constants",
    source:
      "const WEB = 80\nconst NEXT : u16 = WEB + 363\nconst HOME = 10.0.0.0/8\nif tcp.dport == WEB or tcp.dport == NEXT then drop\nif ip.saddr in HOME then tx\n",
    expect: (p) => {
      if ([80, 443].includes(dport(p))) return "drop";
      return p.ip !== undefined && inPrefix4(p.ip.saddr, "10.0.0.0/8") ? "tx" : "pass";
    },
  },
  {
    name: "a constant set",
    source: "const set web : u16 = { 80, 443, 8000..8999 }\nif tcp.dport in web then drop\n",
    expect: (p) => dropIf([80, 443].includes(dport(p)) || between(p.tcp?.dport, 8000, 8999)),
  },
  {
    name: "declared after its use",
    source: "if tcp.dport == WEB then drop\nconst WEB = 80\n",
    expect: (p) => dropIf(dport(p) === 80),
  },
  {
    name: "config keeps its value",
    source: "config threshold : u32 = 100\nif meta.len > threshold then drop\n",
    expect: (p) => dropIf(p.len > 100),
  },
  {
    name: "config set before loading",
    source:
      "config threshold : u32 = 100\nconfig port : u16 = 80\nif meta.len > threshold and tcp.dport == port then drop\n",
    config: { threshold: u32(60) },
    expect: (p) => dropIf(p.len > 60 && dport(p) === 80),
  },
  {
    name: "a variable counts",
    source: "var seen : u64\nseen += 1\nif seen % 3 == 0 then drop\n",
    globals: { seen: { initial: 0n, size: 8 } },
    expect: (_, state) => {
      state.setGlobal("seen", state.global("seen") + 1n);
      return dropIf(state.global("seen") % 3n === 0n);
    },
  },
  {
    name: "a variable with an initial value",
    source: "var left : u32 = 1000\nvar last : u16\nif tcp and left > 0 then { left -= 1\n last = tcp.dport\n drop }\n",
    globals: { left: { initial: 1000n, size: 4 }, last: { initial: 0n, size: 2 } },
    expect: (p, state) => {
      if (p.tcp === undefined || state.global("left") === 0n) return "pass";
      state.setGlobal("left", state.global("left") - 1n);
      state.setGlobal("last", p.tcp.dport);
      return "drop";
    },
  },
  {
    name: "let of a number",
    source: "if tcp then {\n  let sum = tcp.sport + tcp.dport\n  if sum == 40080 then drop\n}\n",
    expect: (p) => dropIf(p.tcp !== undefined && ((p.tcp.sport + p.tcp.dport) & 0xffff) === 40080),
  },
  {
    name: "let of a condition",
    source: "let web = tcp.dport == 80\nlet tagged = vlan.id != 0\nif web and not tagged then drop\n",
    expect: (p) => dropIf(dport(p) === 80 && !(p.vlan[0] !== undefined && p.vlan[0].id !== 0)),
  },
  {
    name: "let keeps the value from before a change",
    source: "if not eth then pass\nlet before = eth.saddr\neth.saddr = eth.daddr\neth.daddr = before\ntx\n",
    expect: (p) => ({
      verdict: "tx",
      frame: new Uint8Array([...p.frame.subarray(6, 12), ...p.frame.subarray(0, 6), ...p.frame.subarray(12)]),
    }),
  },

  // Functions.
  {
    name: "a function of a condition",
    source: "fn is_syn() = tcp.syn and not tcp.ack\nif is_syn() then drop\n",
    expect: (p) => dropIf(p.tcp?.syn === true && !p.tcp.ack),
  },
  {
    name: "a function with a parameter",
    source:
      "fn is_web(port : u16) = port == 80 or port == 443\nif tcp and is_web(tcp.dport) then drop\nif udp and is_web(udp.dport) then tx\n",
    expect: (p) => {
      if ([80, 443].includes(dport(p))) return "drop";
      return [80, 443].includes(p.udp?.dport ?? -1) ? "tx" : "pass";
    },
  },
  {
    name: "a function of a value",
    source: "fn twice(x : u16) = x * 2\nif tcp and twice(tcp.dport) + 1 == 161 then drop\n",
    expect: (p) => dropIf(p.tcp !== undefined && ((p.tcp.dport * 2 + 1) & 0xffff) === 161),
  },
  {
    name: "a verdict in a function ends the program",
    source: "fn guard() { if opaque then drop }\nguard()\nif tcp.dport == 23 then tx\n",
    expect: (p) => (p.opaque ? "drop" : p.tcp?.dport === 23 ? "tx" : "pass"),
  },
  {
    name: "functions call functions",
    source:
      "fn low(port : u16) = port < 1024\nfn privileged() = tcp and low(tcp.dport) or udp and low(udp.dport)\nfn act() { if privileged() then drop }\nact()\n",
    expect: (p) => dropIf((p.tcp !== undefined && p.tcp.dport < 1024) || (p.udp !== undefined && p.udp.dport < 1024)),
  },

  // Control.
  {
    name: "else if",
    source: "if tcp.dport == 80 then drop else if tcp.dport == 443 then tx else if udp then aborted else pass\n",
    expect: (p) => (dport(p) === 80 ? "drop" : dport(p) === 443 ? "tx" : p.udp !== undefined ? "aborted" : "pass"),
  },
  {
    name: "else belongs to the nearest if",
    source: "if ip then if tcp then drop else tx\n",
    expect: (p) => (p.ip === undefined ? "pass" : p.tcp !== undefined ? "drop" : "tx"),
  },
  {
    name: "switch with values and ranges",
    source: "if tcp then switch tcp.dport { 80, 443 => drop; 8000..8999 => tx; 0 => aborted; else => pass }\n",
    expect: (p) => {
      if ([80, 443].includes(dport(p))) return "drop";
      if (between(p.tcp?.dport, 8000, 8999)) return "tx";
      return dport(p) === 0 ? "aborted" : "pass";
    },
  },
  {
    name: "switch without else goes on",
    source: "if udp then switch udp.dport { 53 => drop; 443 => { if ip then tx } }\nif udp then aborted\n",
    expect: (p) => {
      if (p.udp === undefined) return "pass";
      if (p.udp.dport === 53) return "drop";
      return p.udp.dport === 443 && p.ip !== undefined ? "tx" : "aborted";
    },
  },
  {
    name: "switch on addresses",
    source: "if ip then switch ip.saddr { 10.0.0.0/8 => drop; 192.168.1.77 => tx; else => pass }\n",
    expect: (p) => {
      if (p.ip === undefined) return "pass";
      if (inPrefix4(p.ip.saddr, "10.0.0.0/8")) return "drop";
      return p.ip.saddr === ip4("192.168.1.77") ? "tx" : "pass";
    },
  },
  {
    name: "a switch of many arms",
    source: `if tcp then switch tcp.dport {\n${Array.from({ length: 40 }, (_, index) => `  ${index * 2} => ${["drop", "tx", "aborted"][index % 3]}`).join("\n")}\n  else => pass\n}\n`,
    expect: (p) => {
      const port = p.tcp?.dport;
      if (port === undefined || port % 2 !== 0 || port >= 80) return "pass";
      return (["drop", "tx", "aborted"] as const)[(port / 2) % 3]!;
    },
  },
  {
    name: "a loop includes both ends",
    source: "var turns : u64\nfor i in 0..3 { turns += 1 }\n",
    globals: { turns: { initial: 0n, size: 8 } },
    expect: (_, state) => {
      state.setGlobal("turns", state.global("turns") + 4n);
      return "pass";
    },
  },
  {
    name: "a loop's variable is a value",
    source: "if tcp then { for i in 1..5 { if tcp.dport == i * 16 then drop } }\n",
    expect: (p) => dropIf([16, 32, 48, 64, 80].includes(dport(p))),
  },
  {
    name: "loops in loops",
    source: "var sum : u64\nfor i in 1..3 { for j in 1..2 { sum += i * j } }\n",
    globals: { sum: { initial: 0n, size: 8 } },
    expect: (_, state) => {
      state.setGlobal("sum", state.global("sum") + 18n);
      return "pass";
    },
  },
  {
    name: "forty rules, the first match wins",
    source: `${Array.from({ length: 40 }, (_, index) => `if tcp.dport == ${440 + (index % 20)} then ${index < 20 ? "drop" : "tx"}`).join("\n")}\n`,
    expect: (p) => dropIf(between(p.tcp?.dport, 440, 459)),
  },
];
