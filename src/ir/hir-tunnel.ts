// What the statements `encap`, `decap`, `push` and `pop` are, typed: part of hir.ts's statements.

import type { Field, HExpr, Header, Instance } from "./hir.ts";

/** What `encap` puts where. */
export interface Encap {
  /** The new headers, outermost first; `follower` is what the header's own selector says then. */
  readonly headers: readonly {
    readonly header: Header;
    /** The header's fixed part and behind it those of its parts that are made; each like a header. */
    readonly pieces: readonly Header[];
    readonly values: ReadonlyMap<Field, HExpr>;
    readonly follower: bigint | null;
  }[];
  /** What may lie inside: one of them does; at which value of the last new header's selector. */
  readonly inside: readonly { readonly instance: Instance; readonly announces: bigint }[];
  /**
   * Where the new headers go: between the link headers and the `packet`; in front of the whole `frame`; or there with a `copy` of what
   * begins it in front of them.
   */
  readonly place: "packet" | "frame" | "copy";
  /** The headers in front of a packet, in a row, each of one size; of them as many are there as stand in front of it. */
  readonly links: readonly Instance[];
  /** What the last of `links` says follows it: the first new header. */
  readonly announces: bigint;
  /** Whether what lies inside may stand behind other headers than `links`: those packets can't be had. */
  readonly elsewhere: boolean;
}

/** What `decap` leaves first in the packet. */
export interface Decap {
  /** What begins a frame inside. */
  readonly frames: readonly Instance[];
  /** What begins a packet inside, and at which value of the link headers' selectors it follows them. */
  readonly packets: readonly { readonly instance: Instance; readonly announces: bigint }[];
  readonly links: readonly Instance[];
}

/** What `push` puts in. */
export interface Push {
  readonly instance: Instance;
  /** The headers in front of it, in a row, each of one size; of them as many are there as stand in front of it. */
  readonly links: readonly Instance[];
  /** What the selector of the last of them says from then on. */
  readonly announces: bigint;
  readonly field: Field;
  readonly value: HExpr;
  /**
   * What the new header's selector says, by what that of the link header said before: at one of `values`, that one of its own kind follows,
   * else something other. null: the same as that one.
   */
  readonly repeats: { readonly values: readonly bigint[]; readonly self: bigint; readonly other: bigint } | null;
}

/** What `pop` takes out. */
export interface Pop {
  readonly instance: Instance;
  readonly links: readonly Instance[];
  /**
   * What the link header's selector says from then on: as before where the header's own says `self`, else what announces the one of
   * `followers` that is there. null: what the header's own said.
   */
  readonly carried: {
    readonly self: bigint;
    readonly followers: readonly { readonly instance: Instance; readonly announces: bigint }[];
  } | null;
}
