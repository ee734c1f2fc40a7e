// Packet captures, what they are made of: packets with their times, faults of files, and the numbers of both formats (pcap and
// pcapng). The reader and the writer share this. Bytes only, no files, so that it runs in a browser.
// Source: draft-ietf-opsawg-pcap (pcap), draft-ietf-opsawg-pcapng (pcapng).

/** A packet of a capture. */
export interface CapturedPacket {
  /** The bytes that were captured: a copy of its own. */
  readonly bytes: Uint8Array;
  /** How long it was on the wire, in bytes; more than was captured where the capture cut it. */
  readonly originalBytes: number;
  /** Nanoseconds since 1970-01-01 UTC; 0 where the capture doesn't say. */
  readonly timeNs: bigint;
  /** LINKTYPE_*: 1 is Ethernet. */
  readonly linkType: number;
  /** The capture's interface, from 0; always 0 in pcap. */
  readonly interfaceIndex: number;
}

/** The link type of Ethernet. **Source:** the list of link-layer header types (LINKTYPE_ETHERNET). */
export const linkTypeEthernet = 1;

/** What can be wrong with a capture, each with the words to say it in. */
export const captureFaults = {
  "not-capture": "this is neither a pcap nor a pcapng file",
  version: "the version of this capture's format is unknown",
  cut: "the capture is cut off in the middle",
  "record-length": "a packet's length can't be right",
  "block-length": "a block's length can't be right",
  "byte-order": "a section doesn't tell its byte order",
  interface: "a packet belongs to an interface that isn't described before it",
  resolution: "an interface's time resolution can't be right",
} as const;

/** The kind of a fault; `captureFaults` words it. */
export type CaptureFaultKind = keyof typeof captureFaults;

/** A capture that can't be read on. The packets before it were good. */
export class CaptureFault extends Error {
  override readonly name = "CaptureFault";
  readonly kind: CaptureFaultKind;
  /** The place in the file, in bytes. */
  readonly offset: number;

  constructor(kind: CaptureFaultKind, offset: number) {
    super(`${captureFaults[kind]} (at byte ${offset})`);
    this.kind = kind;
    this.offset = offset;
  }
}

/** Numbers of pcap. Magic numbers are those of a file in the reader's byte order. */
export const pcapFormat = {
  magicMicroseconds: 0xa1b2c3d4,
  magicNanoseconds: 0xa1b23c4d,
  major: 2,
  minor: 4,
  headerBytes: 24,
  recordHeaderBytes: 16,
  /** The link type's part of its field; what lies above tells of check sequences. */
  linkTypeMask: 0xffff,
} as const;

/** Numbers of pcapng. */
export const pcapngFormat = {
  /** The same in both byte orders. */
  sectionHeader: 0x0a0d0d0a,
  interfaceDescription: 1,
  /** Obsolete, still met. */
  packet: 2,
  simplePacket: 3,
  enhancedPacket: 6,
  byteOrderMagic: 0x1a2b3c4d,
  major: 1,
  optionEnd: 0,
  optionTimeResolution: 9,
  optionTimeOffset: 14,
  /** Block type, length, and length again at the end. */
  frameBytes: 12,
} as const;

/** Longer packets and blocks are taken for damage: 16 MiB and 64 MiB, above what tools write. */
export const captureLimits = { packetBytes: 1 << 24, blockBytes: 1 << 26 } as const;
