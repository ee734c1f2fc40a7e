// What runs while a start-up snapshot is made: compilations that touch most of the compiler, so that the snapshot holds its
// functions as bytecode, the library parsed and the tables built. Leaves no other state behind: a run from the snapshot gives the
// same bytes as a plain one (a test compares them).

import { utf8 } from "../base/bytes.ts";
import { run } from "./run.ts";
import type { System } from "./system.ts";

/** Runs the command line in memory on sample rules, with and without faults; returns the exit codes beside those expected. */
export function warmUp(): readonly { readonly expected: number; readonly code: number }[] {
  const added = addArrayCopies();
  const codes = SAMPLES.map(([expected, words, rules]) => ({ expected, code: run(words, memorySystem(rules)) }));
  for (const name of added) Reflect.deleteProperty(Array.prototype, name);
  return codes;
}

// While a snapshot is made, V8 11 lacks the copying methods of arrays (ES2023) that it has at any other time.
function addArrayCopies(): readonly string[] {
  const copies = {
    toReversed(this: unknown[]) {
      return [...this].reverse();
    },
    toSorted(this: unknown[], compare?: (a: unknown, b: unknown) => number) {
      return [...this].sort(compare);
    },
    toSpliced(this: unknown[], start: number, count: number, ...items: unknown[]) {
      const copy = [...this];
      copy.splice(start, count, ...items);
      return copy;
    },
    with(this: unknown[], index: number, value: unknown) {
      const copy = [...this];
      copy[index < 0 ? copy.length + index : index] = value;
      return copy;
    },
  };
  const missing = Object.entries(copies).filter(([name]) => !(name in Array.prototype));
  for (const [name, value] of missing) {
    Object.defineProperty(Array.prototype, name, { value, configurable: true, writable: true });
  }
  return missing.map(([name]) => name);
}

function memorySystem(stdin: string): System {
  return { env: {}, readStdin: () => utf8(stdin), write: () => true, isTerminal: () => false };
}

const FILTER = `
set ports : u16[1024]
set blocked : ipv4[1000] lru
map seen : hash<(ipv4, u16), u64>[64]
counter hits, by_port[u16]
xskmap xsk[64]
const LIMIT = 3 * 400
config threshold : u32 = 100
var total : u64
fn is_syn() = tcp.syn and not tcp.ack
if ip.saddr in blocked then drop
if ip and tcp then {
  let key = (ip.saddr, tcp.dport)
  if let n = seen[key] then n += 1 else seen[key] = 1
  count by_port[tcp.dport]
}
if is_syn() and meta.len > LIMIT then { count hits drop }
if udp.dport in { 53, 67..68, 5353 } or vlan.id == 7 then total += 1
if ip then switch ip.protocol { icmp => pass; else => { if ip.ttl < 2 then drop } }
if ip6.saddr in { 2001:db8::/32 } then drop
if eth then swap eth.saddr, eth.daddr
if tcp.dport in ports then redirect xsk
`;

const FAULTS = `
counter by_port[u16]
count by_port[tcp.dport]
if tcp.dprt == 80 then
`;

const SAMPLES: readonly (readonly [exitCode: number, words: readonly string[], rules: string])[] = [
  [0, ["-", "-o", "-"], FILTER],
  [0, ["-", "-o", "-"], "set ports : u16[1024]\nxskmap xsk[64]\n\nif tcp.dport in ports then redirect xsk\n"],
  [0, ["-", "-o", "-", "-v"], 'program hello section "xdp_hello" { log "len = %u", meta.len pass }\n'],
  [1, ["-", "-o", "-", "--color", "always"], FAULTS],
  [1, ["-", "-o", "-", "--json"], FAULTS],
];
