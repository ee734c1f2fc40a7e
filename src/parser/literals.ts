// What a literal's text means: numbers in three bases with suffixes, durations, addresses, prefixes, strings. The lexer
// hands over the whole run that looks like one literal, so that `10.0.0.300` gives one message and not three. Returns
// the value or a fault with the words for it; knows nothing of tokens or rules.

/** What a literal's text means, without its place. */
export type LiteralValue =
  | { readonly kind: "number"; readonly value: bigint }
  | { readonly kind: "duration"; readonly nanoseconds: bigint }
  | { readonly kind: "address"; readonly type: "ipv4" | "mac" | "ipv6"; readonly value: bigint }
  | { readonly kind: "prefix"; readonly type: "ipv4" | "ipv6"; readonly value: bigint; readonly length: number }
  | { readonly kind: "bool"; readonly value: boolean };

/** Why a text isn't a literal; `start` and `end` are offsets into it that narrow the place down. */
export interface LiteralFault {
  readonly kind: "fault";
  readonly what: "number" | "tooLarge" | "ipv4" | "ipv6" | "mac" | "prefix";
  readonly message: string;
  readonly label: string;
  readonly help: string | null;
  /** A text that is certainly meant, as a repair. */
  readonly repaired: string | null;
  readonly start: number;
  readonly end: number;
}

const KIBI = 1024n;
const suffixes: ReadonlyMap<string, bigint> = new Map([
  ["K", KIBI],
  ["M", KIBI ** 2n],
  ["G", KIBI ** 3n],
]);
const units: ReadonlyMap<string, bigint> = new Map([
  ["ns", 1n],
  ["us", 1_000n],
  ["ms", 1_000_000n],
  ["s", 1_000_000_000n],
  ["min", 60_000_000_000n],
]);
const U64_MAX = 2n ** 64n - 1n;

type Result = LiteralValue | LiteralFault;

/** Reads a run that starts with a digit: number, duration, IPv4 address or IPv4 prefix. */
export function readDigitLiteral(text: string): Result {
  return text.includes(".") ? readDotted(text) : readNumber(text);
}

/** Reads a run with two colons or more: MAC, IPv6 address or IPv6 prefix. */
export function readColonLiteral(text: string): Result {
  const slash = text.indexOf("/");
  const address = slash === -1 ? text : text.slice(0, slash);
  const groups = address.split(":");
  const looksLikeMac = groups.every((g) => g.length <= 2 && g.length > 0) && groups.length < 8;
  const value = looksLikeMac ? readMac(address, groups) : readIpv6(address);
  if (value.kind === "fault" || slash === -1) return value;
  if (value.kind === "address" && value.type === "mac") {
    return fault("mac", "a MAC address has no prefix length", slash, text.length, "this part is too much");
  }
  return readPrefix(text, slash, value, "ipv6", 128);
}

/** Words the fault of a MAC written with dashes. */
export function readDashedMac(text: string): LiteralFault {
  return fault("mac", "a MAC address is written with colons", 0, text.length, "", {
    help: `write \`${text.replaceAll("-", ":").toLowerCase()}\``,
    repaired: text.replaceAll("-", ":").toLowerCase(),
  });
}

function readNumber(text: string): Result {
  if (/^0[xX]/.test(text)) return readBased(text, 16n, /^[0-9a-fA-F]$/, "hexadecimal", 16);
  if (/^0[bB](?![0-9a-fA-F]*[xX])/.test(text)) return readBased(text, 2n, /^[01]$/, "binary", 64);
  const match = /^([0-9][0-9_]*)([A-Za-z][0-9A-Za-z_]*)?$/.exec(text);
  const digitsText = match?.[1] ?? text;
  const suffix = match?.[2] ?? "";
  const digits = digitsText.replaceAll("_", "");
  if (digitsText.endsWith("_") || digitsText.includes("__")) return strayUnderscore(text, digitsText);
  const factor = suffix === "" ? 1n : (suffixes.get(suffix) ?? units.get(suffix));
  if (factor === undefined) return badSuffix(text, digitsText.length, suffix);
  if (digits.length > 1 && digits.startsWith("0")) {
    const plain = digits.replace(/^0+(?=.)/, "");
    return fault("number", "a number doesn't start with 0", 0, digitsText.length, "some languages read this as octal", {
      help: `write \`${shown(plain)}${suffix}\`, or a hexadecimal number as \`0x…\``,
      repaired: plain + suffix,
    });
  }
  if (digits.length > 20) return tooLarge(text);
  const value = BigInt(digits) * factor;
  if (value > U64_MAX) return tooLarge(text);
  return units.has(suffix) ? { kind: "duration", nanoseconds: value } : { kind: "number", value };
}

function readBased(text: string, base: bigint, digit: RegExp, word: string, maxDigits: number): Result {
  const body = text.slice(2);
  if (body.endsWith("_") || body.startsWith("_") || body.includes("__")) return strayUnderscore(text, text);
  if (body === "")
    return fault("number", `this ${word} number has no digits`, 0, text.length, "digits are missing here");
  for (let i = 0; i < body.length; i++) {
    const c = body[i] ?? "";
    if (c !== "_" && !digit.test(c)) {
      return fault("number", `\`${c}\` isn't a ${word} digit`, i + 2, i + 3, `not a ${word} digit`);
    }
  }
  const digits = body.replaceAll("_", "").replace(/^0+(?=.)/, "");
  if (digits.length > maxDigits) return tooLarge(text);
  let value = 0n;
  for (const c of digits) value = value * base + BigInt(Number.parseInt(c, 16));
  return { kind: "number", value };
}

function strayUnderscore(text: string, digits: string): LiteralFault {
  const bad =
    digits.startsWith("0x_") || digits.startsWith("0b_")
      ? 2
      : digits.includes("__")
        ? digits.indexOf("__")
        : digits.length - 1;
  return fault("number", "an underscore stands only between two digits", bad, bad + 1, "not between two digits", {
    help: "write `1_000_000`",
    where: text,
  });
}

function badSuffix(text: string, at: number, suffix: string): LiteralFault {
  const known = [...suffixes.keys(), ...units.keys()];
  const meant =
    known.find((k) => k.toLowerCase() === suffix.toLowerCase()) ??
    known.find(
      (k) => suffix.toLowerCase() === `${k.toLowerCase()}b` || suffix.toLowerCase() === `${k.toLowerCase()}ib`,
    ) ??
    ({ sec: "s", secs: "s", m: "min", mins: "min", msec: "ms", usec: "us", nsec: "ns" } as Record<string, string>)[
      suffix.toLowerCase()
    ];
  const repaired = meant === undefined ? null : text.slice(0, at) + meant;
  return fault("number", `\`${shown(suffix)}\` isn't a suffix for a number`, at, text.length, "not a suffix", {
    help:
      repaired === null
        ? "sizes end in `K`, `M` or `G`, durations in `ns`, `us`, `ms`, `s` or `min`; a hexadecimal number starts with `0x`"
        : `write \`${shown(repaired)}\``,
    repaired,
  });
}

function tooLarge(text: string): LiteralFault {
  return fault("tooLarge", "this number doesn't fit in 64 bits", 0, text.length, "larger than 18446744073709551615");
}

function readDotted(text: string): Result {
  const slash = text.indexOf("/");
  const address = slash === -1 ? text : text.slice(0, slash);
  const value = readIpv4(address, 0);
  if (value.kind === "fault" || slash === -1) return value;
  return readPrefix(text, slash, value, "ipv4", 32);
}

function readIpv4(address: string, offset: number): Result {
  const parts = address.split(".");
  if (parts.length === 2 && parts.every((p) => /^[0-9]+$/.test(p))) {
    return fault("number", "a number has no fraction", offset, offset + address.length, "", {
      help: "write a whole number; a range is written with two dots, `0..8`",
    });
  }
  if (parts.length !== 4) {
    return fault(
      "ipv4",
      "an IPv4 address has four numbers",
      offset,
      offset + address.length,
      `${parts.length} are here`,
    );
  }
  let at = offset;
  let value = 0n;
  for (const part of parts) {
    const end = at + part.length;
    if (!/^[0-9]+$/.test(part)) {
      return fault("ipv4", `\`${shown(part)}\` isn't a number from 0 to 255`, at, end, "not a number", {
        help: "an IPv4 address is four numbers from 0 to 255 joined by dots",
      });
    }
    if (part.length > 3 || Number(part) > 255) {
      return fault("ipv4", `${shown(part)} is too large for a part of an IPv4 address`, at, end, "larger than 255");
    }
    if (part.length > 1 && part.startsWith("0")) {
      return fault(
        "ipv4",
        "a part of an IPv4 address doesn't start with 0",
        at,
        end,
        "some programs read this as octal",
        {
          help: `write \`${Number(part)}\``,
        },
      );
    }
    value = value * 256n + BigInt(part);
    at = end + 1;
  }
  return { kind: "address", type: "ipv4", value };
}

function readMac(address: string, groups: readonly string[]): Result {
  if (groups.length !== 6) {
    return fault("mac", "a MAC address has six pairs of digits", 0, address.length, `${groups.length} are here`, {
      help: "an IPv6 address with fewer than eight groups has `::` where zeros are left out",
    });
  }
  let at = 0;
  let value = 0n;
  for (const group of groups) {
    if (!/^[0-9a-fA-F]{2}$/.test(group)) {
      return fault(
        "mac",
        `\`${shown(group)}\` isn't a pair of hexadecimal digits`,
        at,
        at + group.length,
        "not a pair",
        {
          help: "write a MAC address as six pairs of digits, `aa:bb:cc:dd:ee:ff`",
        },
      );
    }
    value = value * 256n + BigInt(Number.parseInt(group, 16));
    at += group.length + 1;
  }
  return { kind: "address", type: "mac", value };
}

function readIpv6(address: string): Result {
  const all = { start: 0, end: address.length };
  if (address.startsWith(":::")) {
    return fault("ipv6", "this isn't an IPv6 address", 0, address.length, "three colons in a row", {
      help: "put a space between the name's colon and the address",
    });
  }
  const double = address.indexOf("::");
  if (double !== -1 && address.indexOf("::", double + 1) !== -1) {
    const second = address.indexOf("::", double + 1);
    return fault("ipv6", "an IPv6 address has `::` only once", second, second + 2, "the second `::`");
  }
  const head = double === -1 ? address : address.slice(0, double);
  const tail = double === -1 ? "" : address.slice(double + 2);
  const before = readGroups(head, 0, double === -1);
  if (before.kind === "fault") return before;
  const after = readGroups(tail, double + 2, true);
  if (after.kind === "fault") return after;
  const given = before.words.length + after.words.length;
  if (double === -1 ? given !== 8 : given > 7) {
    const few = double === -1 && given < 8;
    return fault("ipv6", "an IPv6 address has eight groups", all.start, all.end, `${given} are here`, {
      help: few ? "write `::` once where groups of zeros are left out" : null,
    });
  }
  const words = [...before.words, ...new Array<number>(8 - given).fill(0), ...after.words];
  return { kind: "address", type: "ipv6", value: words.reduce((value, word) => value * 65536n + BigInt(word), 0n) };
}

function readGroups(
  text: string,
  offset: number,
  mayEndInIpv4: boolean,
): LiteralFault | { readonly kind: "groups"; readonly words: number[] } {
  const words: number[] = [];
  if (text === "") return { kind: "groups", words };
  let at = offset;
  const groups = text.split(":", 9);
  for (const [i, group] of groups.entries()) {
    const end = at + group.length;
    if (group.includes(".") && i === groups.length - 1 && mayEndInIpv4) {
      const low = readIpv4(group, at);
      if (low.kind === "fault") return low;
      if (low.kind === "address") words.push(Number(low.value >> 16n), Number(low.value & 0xffffn));
    } else if (group === "") {
      return fault(
        "ipv6",
        "a group of this IPv6 address is empty",
        Math.max(0, at - 1),
        Math.max(at, 1),
        "a lone colon",
        {
          help: "write `::` once where groups of zeros are left out",
        },
      );
    } else if (!/^[0-9a-fA-F]{1,4}$/.test(group)) {
      return fault(
        "ipv6",
        `\`${shown(group)}\` isn't a group of an IPv6 address`,
        at,
        end,
        "one to four hexadecimal digits",
      );
    } else {
      words.push(Number.parseInt(group, 16));
    }
    at = end + 1;
  }
  return { kind: "groups", words };
}

function readPrefix(text: string, slash: number, address: Result, type: "ipv4" | "ipv6", maxBits: number): Result {
  const digits = text.slice(slash + 1);
  if (!/^(?:0|[1-9][0-9]{0,2})$/.test(digits) || Number(digits) > maxBits) {
    const name = type === "ipv4" ? "IPv4" : "IPv6";
    return fault(
      "prefix",
      `an ${name} prefix length is 0 to ${maxBits}`,
      slash + 1,
      text.length,
      "not a prefix length",
    );
  }
  return {
    kind: "prefix",
    type,
    value: address.kind === "address" ? address.value : 0n,
    length: Number(digits),
  };
}

function fault(
  what: LiteralFault["what"],
  message: string,
  start: number,
  end: number,
  label: string,
  extras: { help?: string | null; repaired?: string | null; where?: string } = {},
): LiteralFault {
  const { help = null, repaired = null } = extras;
  return { kind: "fault", what, message, label, help, repaired, start, end };
}

function shown(text: string): string {
  return text.length > 40 ? `${text.slice(0, 37)}…` : text;
}

/** A fault inside a string: an unknown escape, a control character. Offsets are into the string's text with its quotes. */
export interface StringFault {
  readonly what: "escape" | "control" | "unterminated";
  readonly start: number;
  readonly end: number;
}

/** Resolves a string's escapes: `\n \t \r \\ \" \xHH \u{H…}`; `text` is as written, with its quotes. */
export function readString(text: string): { readonly value: string; readonly faults: readonly StringFault[] } {
  const faults: StringFault[] = [];
  const parts: string[] = [];
  const plain: Record<string, string> = { n: "\n", t: "\t", r: "\r", "\\": "\\", '"': '"' };
  let at = 1;
  let closed = false;
  while (at < text.length) {
    const c = text[at] ?? "";
    if (c === '"') {
      closed = true;
      break;
    }
    if (c !== "\\") {
      if (c < " " && c !== "\t") faults.push({ what: "control", start: at, end: at + 1 });
      parts.push(c);
      at += 1;
      continue;
    }
    const next = text[at + 1] ?? "";
    const simple = plain[next];
    const code =
      simple === undefined ? /^\\(?:x([0-9a-fA-F]{2})|u\{([0-9a-fA-F]{1,6})\})/.exec(text.slice(at, at + 10)) : null;
    const point = code === null ? -1 : Number.parseInt(code[1] ?? code[2] ?? "", 16);
    if (simple !== undefined) parts.push(simple);
    else if (code !== null && point > 0 && point <= 0x10ffff) parts.push(String.fromCodePoint(point));
    else if (next !== "")
      faults.push({ what: "escape", start: at, end: Math.min(text.length, at + (code?.[0].length ?? 2)) });
    at += simple !== undefined ? 2 : (code?.[0].length ?? 2);
  }
  if (!closed) faults.push({ what: "unterminated", start: 0, end: text.length });
  return { value: parts.join(""), faults };
}
