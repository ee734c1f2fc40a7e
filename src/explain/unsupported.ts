// Explanations of X09xx: language that is defined but not built yet. Each is refused rather than ignored.

import { type Explanation, errorEntry } from "./explanation.ts";

const LATER = "It is part of the language and not built yet; it is refused so that no rule is silently ignored.";

/** X09xx. */
export const unsupportedExplanations: readonly Explanation[] = [
  errorEntry(
    "X0901",
    "no-limiters",
    "limiters are not supported yet",
    `A limiter lets so many packets per second and key through. ${LATER}`,
    "limiter syns[65536] : 1000/s burst 200 per ipv4\nif tcp.syn and ip.saddr exceeds syns then drop\n",
    "set flooders : ipv4[65536]\nif tcp.syn and ip.saddr in flooders then drop\n",
  ),
  errorEntry(
    "X0904",
    "no-such-map-kind",
    "maps of this kind are not supported yet",
    `Built are hash, array, percpu_hash, percpu_array, lru_hash, lru_percpu_hash, xskmap, devmap, devmap_hash and cpumap. ${LATER}`,
    "ringbuf events[256K]\npass\n",
    "counter events\ncount events\npass\n",
  ),
  errorEntry(
    "X0910",
    "no-tail",
    "`tail` is not supported yet",
    LATER,
    "prog_array stages[8]\ntail stages[2]\n",
    "pass\n",
  ),
  errorEntry(
    "X0911",
    "no-events",
    "`emit` and `sample` are not supported yet",
    LATER,
    "perf samples\nsample samples max 96\npass\n",
    'log "packet of %u bytes", meta.len\npass\n',
  ),
  errorEntry(
    "X0912",
    "no-head-change",
    "`encap` and `decap` are not supported yet",
    LATER,
    "if ip then { decap pass }\n",
    "if ip then pass\n",
  ),
  errorEntry(
    "X0913",
    "no-tunnels",
    "headers inside tunnels are not supported yet",
    `\`inner\` names the packet inside a tunnel. ${LATER}`,
    "if inner.ip.saddr == 10.0.0.1 then drop\n",
    "if ip.saddr == 10.0.0.1 then drop\n",
  ),
  errorEntry(
    "X0914",
    "no-prefix-types",
    "prefixes as keys and values are not supported yet",
    `A set of prefixes needs a trie (lpm_trie). Prefixes in constant sets work. ${LATER}`,
    "set nets : prefix<ipv4>[4096]\nif ip.saddr in nets then drop\n",
    "if ip.saddr in { 10.0.0.0/8, 192.168.0.0/16 } then drop\n",
  ),
  errorEntry(
    "X0916",
    "no-wide-arithmetic",
    "arithmetic on IPv6 addresses is not supported yet",
    `IPv6 addresses can be compared, looked up and copied. ${LATER}`,
    "if ip6 then { let next = ip6.saddr + 1 if next == 2001:db8::2 then drop }\n",
    "if ip6.saddr == 2001:db8::1 then drop\n",
  ),
  errorEntry(
    "X0918",
    "no-such-map-flag",
    "this map flag is not supported yet",
    `Words behind a map's size set its flags: \`lru\`, \`pinned\`, and the kernel's flags in lower case. ${LATER}`,
    "map seen : hash<ipv4, u64>[64] zero_seed\npass\n",
    "map seen : hash<ipv4, u64>[64]\npass\n",
  ),
];
