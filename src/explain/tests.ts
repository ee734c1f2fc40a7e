// Explanations of X08xx: tests.

import { type Explanation, errorEntry, warningEntry } from "./explanation.ts";

/** X08xx. */
export const testExplanations: readonly Explanation[] = [
  errorEntry(
    "X0801",
    "which-program",
    "it isn't clear which program is tested",
    "A file with several programs has to say for each test which of them gets the packets: `for NAME` behind the title.",
    'program a { drop }\nprogram b { pass }\ntest "all are dropped" { packet eth  expect drop }\n',
    'program a { drop }\nprogram b { pass }\ntest "all are dropped" for a { packet eth  expect drop }\n',
  ),
  errorEntry(
    "X0802",
    "never-follows",
    "a header stands where nothing announces it",
    "In a packet each header is announced by the one before it: `eth.type` says that IPv4 follows, `ip.protocol` that TCP does. The declarations of the headers say where each may stand. A test fills these fields in by itself, so the layers must be in an order that exists.",
    'if tcp.dport == 23 then drop\nif opaque then drop\ntest "telnet" { packet eth / tcp(dport: 23)  expect drop }\n',
    'if tcp.dport == 23 then drop\nif opaque then drop\ntest "telnet" { packet eth / ip / tcp(dport: 23)  expect drop }\n',
  ),
  errorEntry(
    "X0803",
    "bad-packet",
    "the layers of a packet make no packet",
    "A packet is written as its layers with `/` between them, from the outside in: headers with values for their fields, then what they carry as a text, as `hex(\"00 11\")` or as `zeros(100)`. It begins with a header that nothing announces (`eth`), or is bytes as a whole. `cut(40)` at the end keeps its first 40 bytes. Fields that aren't given are zero, or what the header's declaration says; what announces the next header, lengths and checksums are right by themselves.",
    'if icmp then drop\ntest "a ping" { packet ip / icmp(type: 8)  expect drop }\n',
    'if icmp then drop\ntest "a ping" { packet eth / ip / icmp(type: 8)  expect drop }\n',
  ),
  errorEntry(
    "X0804",
    "bad-fill",
    "a test can't set this up",
    "Before a packet is sent, a test can fill sets (`ports = { 80 }`) and maps (`flows[key] = value`), say which redirect targets there are (`xsk = { 0 }`), set a `config` or `var`, and what surrounds the packet (`meta.rx_queue_index = 3`, `meta.now = 5s`). Everything is constant. Counters start at zero.",
    'counter hits\ncount hits\ntest "counts" { hits = 5  packet eth  expect hits == 6 }\n',
    'counter hits\ncount hits\ntest "counts" { packet eth times 6  expect hits == 6 }\n',
  ),
  errorEntry(
    "X0805",
    "bad-expectation",
    "this can't be expected",
    "Behind `expect` stands what becomes of the packet sent last (a verdict, or a redirect with its map and key), and behind that, if you like, the headers with which it leaves; or a comparison of counters, map entries and globals, or `key in set`. An expectation has no fallback: expect what happens.",
    'xskmap xsk[4]\nredirect xsk or drop\ntest "to the socket" { packet eth  expect redirect xsk or drop }\n',
    'xskmap xsk[4]\nredirect xsk or drop\ntest "to the socket" { packet eth  expect redirect xsk }\n',
  ),
  warningEntry(
    "X0806",
    "expects-nothing",
    "a test expects nothing",
    "A test without `expect` can't fail, so it says nothing about the rules.",
    'drop\ntest "all are dropped" { packet eth }\n',
    'drop\ntest "all are dropped" { packet eth  expect drop }\n',
  ),
];
