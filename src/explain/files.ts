// Explanations of X00xx: files and imports.

import { type Explanation, errorEntry } from "./explanation.ts";

/** X00xx. */
export const fileExplanations: readonly Explanation[] = [
  errorEntry(
    "X0002",
    "bad-import",
    "an imported file can't be read",
    "An import is looked for beside the file that names it, then in the folders given with -I in their order. It must be a regular file of UTF-8 text of up to 16 MiB: a folder, a device or a pipe can't be imported. The message says what the system answered.",
    { text: 'import "comon.xdp"\nif tcp.dport == PORT then drop\n', files: { "common.xdp": "const PORT = 23\n" } },
    { text: 'import "common.xdp"\nif tcp.dport == PORT then drop\n', files: { "common.xdp": "const PORT = 23\n" } },
  ),
  errorEntry(
    "X0003",
    "import-cycle",
    "files import each other in a circle",
    "A file that is imported, directly or through others, can't import the one that began: neither could be read before the other. Move what both need into a third file that both import.",
    {
      text: 'import "a.xdp"\nif tcp.dport == B then drop\n',
      files: { "a.xdp": 'import "b.xdp"\nconst A = 22\n', "b.xdp": 'import "a.xdp"\nconst B = A + 1\n' },
    },
    {
      text: 'import "b.xdp"\nif tcp.dport == B then drop\n',
      files: { "a.xdp": "const A = 22\n", "b.xdp": 'import "a.xdp"\nconst B = A + 1\n' },
    },
  ),
  errorEntry(
    "X0004",
    "unknown-library",
    "the library has no such file",
    "`import std.name` takes a file from the library that comes with the compiler. The library's headers (eth, vlan, arp, ip, ip6, tcp, udp, icmp, icmp6, sctp) are known without an import.",
    "import std.tcpp\nif tcp.dport == 23 then drop\n",
    "if tcp.dport == 23 then drop\n",
  ),
  errorEntry(
    "X0005",
    "bad-set-file",
    "the file of a constant set can't be read",
    "The file behind `from` is looked for as an import is: beside the file that names it, then in the folders given with -I. It must be a regular file of UTF-8 text of up to 16 MiB. The message says what the system answered.",
    {
      text: 'const set feed : prefix<ipv4> from "fed.txt"\nif ip.saddr in feed then drop\n',
      files: { "feed.txt": "192.0.2.0/24\n" },
    },
    {
      text: 'const set feed : prefix<ipv4> from "feed.txt"\nif ip.saddr in feed then drop\n',
      files: { "feed.txt": "192.0.2.0/24\n" },
    },
  ),
  errorEntry(
    "X0006",
    "bad-set-line",
    "a line is no element of the set",
    "A set's file has one element a line, spelled as in the rules: a number, an address, a prefix, a range `80..90`, or for a set of tuples `(10.0.0.1, 80)`. `#` begins a comment, empty lines are skipped. Each element must be of the set's type. The first ten lines that aren't are told one by one; up to 1,000,000 elements are read.",
    {
      text: 'const set feed : prefix<ipv4> from "feed.txt"\nif ip.saddr in feed then drop\n',
      files: { "feed.txt": "192.0.2.0/24\n2001:db8::/32\nexample.net\n" },
    },
    {
      text: 'const set feed : prefix<ipv4> from "feed.txt"\nif ip.saddr in feed then drop\n',
      files: { "feed.txt": "192.0.2.0/24\n# example.net\n198.51.100.7\n" },
    },
  ),
  errorEntry(
    "X0091",
    "not-utf8",
    "the file is not UTF-8",
    "A rule file is text in UTF-8; a byte order mark at its start is allowed. The message names the first byte that belongs to no character and its place. Files saved as Latin-1 or UTF-16 have such bytes, mostly in comments and strings: save them as UTF-8, or convert them with iconv.",
    { text: "# blocks the caf\u00e9's printer (saved as Latin-1)\nif tcp.dport == 9100 then drop\n", latin1: true },
    "# blocks the caf\u00e9's printer (saved as UTF-8)\nif tcp.dport == 9100 then drop\n",
  ),
];
