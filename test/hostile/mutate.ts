// Malformed rule files: valid snippets of the whole language, damaged by deleting, doubling, swapping and inserting tokens or
// bytes. Repeatable: the same `Random` gives the same file.

import type { Random } from "../support/random.ts";

/** Valid files, one for each part of the language; the damage starts from these. */
export const SNIPPETS: readonly string[] = [
  "set ports : u16[1024]\nxskmap xsk[64]\n\nif tcp.dport in ports then redirect xsk\n",
  'xskmap xsk[64]\nprogram xdp_hello section "xdp_hello" {\n  log "rx ifindex = %u, queue = %u, len = %u", meta.ingress_ifindex, meta.rx_queue_index, meta.len\n  log "hello"\n  pass\n}\n',
  'header magic "our own" rfc 1 on eth 0x88b5, udp 9999 { tag : u32, port : u16, a : 4, b : 4 { x, y, z, w }, len : u8\n  size len * 4 + 7 min 8\n  next port, tag when a != 3 }\nheader tail on magic 7, vlan 0x9001 depth 1 { q : u8 }\nif tail.q == 3 and magic.x then drop\n',
  "header opt extends ipv6 135 { nexthdr : u8, hdrlen : u8, r : u8[6] size hdrlen * 8 + 8 next nexthdr }\nif opt.hdrlen > 2 then drop\nif tcp.syn and not tcp.ack then tx\n",
  "counter by_port[u16], hits, from[ipv4]\nif tcp then { count by_port[tcp.dport] }\nif not ip then pass\ncount from[ip.saddr]\ncount hits\n",
  "if ip then switch ip.protocol { tcp, udp => pass; icmp => drop; 50..60 => { tx }; else => aborted }\n",
  "const LIMIT = 1000\nconst WEB = { 80, 443, 8000..8999 }\nconfig threshold : u32 = 100\nvar seen : u64\nvar flag : bool = true\nfn is_syn() = tcp.syn and not tcp.ack\nfn web(p : u16) = p in WEB\nfn guard(k : u8) { if opaque then drop\n seen += 1 }\nguard(3)\nif is_syn() and web(tcp.dport) then drop\nif meta.len > threshold * 2 + LIMIT or flag then tx\n",
  "struct Flow { saddr : ipv4, daddr : ipv4, sport : u16, dport : u16 }\nstruct Stats { packets : u64, bytes : u64, who : mac }\nset blocked : ipv4[1000] lru\nmap flows : lru_hash<Flow, Stats>[65536]\nmap conf : array<u32>[4] pinned\nmap own : percpu_array<u64>[16]\nif ip and tcp then {\n  let flow = (ip.saddr, ip.daddr, tcp.sport, tcp.dport)\n  if let s = flows[flow] then { s.packets += 1 }\n  else flows[flow] = Stats { packets: 1, bytes: meta.len }\n}\nif tcp.dport == 23 and ip then { insert blocked ip.saddr drop }\nif icmp and ip then { delete blocked ip.saddr }\nown[3] += 1\nconf[1] = own[2] as u32 & 0xff\n",
  "devmap ways[64]\ndevmap_hash uplinks[64]\ncpumap cpus[16]\nif ip then redirect cpus[hash(ip.saddr, ip.daddr) % 4] or pass\nif arp then redirect ways[meta.rx_queue_index] or drop\nredirect uplinks[3]\n",
  'default drop\nlicense "GPL"\nif ip.saddr in { 10.0.0.0/8, 192.168.0.0/16, 1.2.3.4 } then pass\nif ip6.saddr in 2001:db8::/32 and ip6.hop_limit >= 64 then pass\nif eth.saddr == aa:bb:cc:dd:ee:ff then { swap eth.saddr, eth.daddr; eth.type = 0x800; tx }\n',
  "var sum : u32\nfor i in 0..8 { let x = i * 2 ^ 3 | 1\n if x << 2 >= 5 and x % 3 != 0 then { sum = sum + x } else { sum -= 1 } }\nif vlan[1].id == 6 then { vlan.pcp = 5 vlan.id = 77 } else if vlan then drop else { pass }\n",
  "program a frags priority 5 chain pass, drop { default drop\n if tcp then pass }\nprogram b devmap { if meta.egress_ifindex == 3 then drop }\nprogram c cpumap { pass }\n",
  'set a : (ipv4, u16)[64]\nset b : u8[6][64]\nif (ip.saddr, tcp.dport) in a then { log "%pI4 %u %llu", ip.saddr, tcp.dport, meta.now }\nif random() % 100 < 5 then drop\nimport std.eth\n',
  'limiter syns[65536] : 1000/s burst 200 per ipv4\nringbuf events[256K]\nif tcp.syn and ip.saddr exceeds syns then drop\nforward\nflood ways\ntail stages[2]\nredirect dev "eth1"\npush vlan 100\npop vlan\ntrim 64\nencap ip { saddr: 1.2.3.4 }\ndecap\n',
  'set ports : u16[4]\nif tcp.dport in ports then drop\ntest "web" for p with meta.rx_queue_index = 3 {\n ports = { 80 }\n packet eth / ip(saddr: 10.0.0.1) / tcp(dport: 80)\n expect redirect xsk or drop\n}\n',
];

const TOKENS: readonly string[] = [
  ..."set map counter limiter devmap xskmap const config var struct fn header program test import license default if then else".split(
    " ",
  ),
  ..."switch for in let insert delete count log redirect swap pass drop tx aborted and or not as on size next when depth min".split(
    " ",
  ),
  ..."extends section frags devmap cpumap priority chain lru pinned dev opaque meta random hash inner exceeds from with expect".split(
    " ",
  ),
  ..."{ } ( ) [ ] : , ; . .. = == != < <= > >= + - * / % & ^ | << >> => += -= && || ! @ ? $ ~ ` \\ ' \" # \n".split(
    " ",
  ),
  ..."tcp ip ip6 ipv4 udp vlan eth arp icmp tcp.dport ip.saddr vlan[1] u8 u16 u32 u64 bool mac ipv6 prefix<ipv4> hash<u8,u8>".split(
    " ",
  ),
  ..."0 1 80 255 65536 4294967295 18446744073709551615 99999999999999999999 0x 0xffff 0b2 64K 100ms 1.2.3.4 10.0.0.0/8 10.0.0.0/33".split(
    " ",
  ),
  ...'2001:db8::/32 :: ::1 aa:bb:cc:dd:ee:ff "text" "%u %s %pI4" "unterminated true false x y ports flows std.eth é 💥 \0 \t \r \ufeff'.split(
    " ",
  ),
];

const NUMBERS: readonly string[] = "0 1 2 3 7 8 16 31 32 33 63 64 128 255 256 1000 4095 4096 65535 65536".split(" ");

const WORD = /[A-Za-z_][\w]*|0x[\da-f]+|\d[\w.:/]*|"[^"\n]*"|\s+|./gsu;

/** A damaged file: one snippet (or two, one behind the other) with one to six faults. */
export function malformed(random: Random): string {
  let text = random.pick(SNIPPETS);
  if (random.chance(15)) text += random.pick(SNIPPETS);
  if (random.chance(4)) return bytes(random, 1 + random.below(200));
  if (random.chance(6)) return Array.from({ length: 1 + random.below(60) }, () => random.pick(TOKENS)).join(" ");
  const tokens = text.match(WORD) ?? [];
  // Half of them keep their form, so that what stands behind the parser is tried too.
  if (random.chance(50)) {
    for (let faults = 1 + random.below(3); faults > 0; faults--) exchange(random, tokens);
    return tokens.join("");
  }
  for (let faults = 1 + random.below(6); faults > 0; faults--) damage(random, tokens);
  text = tokens.join("");
  if (random.chance(5)) text = text.slice(0, random.below(text.length));
  if (random.chance(3)) text = text.replaceAll("\n", "\r\n");
  if (random.chance(3)) text = text.replaceAll("\n", " ");
  return text;
}

/** A number for a number, a name for a name, an operator for an operator: damage that often parses. */
function exchange(random: Random, tokens: string[]): void {
  const kindOf = (token: string): number =>
    [/^\d/, /^[A-Za-z_]/, /^[<>=!+*/%&^|-]+$/].findIndex((kind) => kind.test(token));
  const at = random.below(tokens.length);
  const kind = kindOf(tokens[at] ?? "");
  const same = tokens.filter((t) => kind >= 0 && kindOf(t) === kind);
  if (same.length === 0) return;
  tokens[at] = kind === 0 && random.chance(40) ? random.pick(NUMBERS) : random.pick(same);
}

function damage(random: Random, tokens: string[]): void {
  const at = random.below(tokens.length + 1);
  const other = random.below(tokens.length + 1);
  switch (random.below(8)) {
    case 0:
      tokens.splice(at, 1 + random.below(3));
      break;
    case 1:
      tokens.splice(at, 0, ...tokens.slice(at, at + 1 + random.below(5)));
      break;
    case 2: {
      const [a, b] = [tokens[at], tokens[other]];
      if (a !== undefined && b !== undefined) [tokens[at], tokens[other]] = [b, a];
      break;
    }
    case 3:
      tokens.splice(at, 1, random.pick(TOKENS));
      break;
    case 4:
      tokens.splice(at, 0, " ", random.pick(TOKENS), " ");
      break;
    case 5:
      tokens.splice(at, 1, tokens[other] ?? "");
      break;
    case 6:
      exchange(random, tokens);
      break;
    default:
      tokens.splice(
        at,
        0,
        random.chance(80) ? String(random.pick([0, 7, 255, 256, 65535, 65536, 4294967295])) : bytes(random, 3),
      );
  }
}

function bytes(random: Random, count: number): string {
  return String.fromCharCode(...Array.from({ length: count }, () => random.below(random.chance(80) ? 128 : 65536)));
}
