// A test, typed: what a `test` block of the language means once names are resolved. Values are bytes as maps hold them, packets are
// layers of headers whose fields have values. Made by check-test*.ts; what runs tests reads it. Knows nothing of how they are run.

import type { Span } from "../base/source.ts";
import type { CompareOp, Field, GlobalSymbol, Header, MapSymbol, MetaName, NumberRange, VerdictName } from "./hir.ts";
import type { Type } from "./types.ts";

/** One test of one program. */
export interface HTest {
  readonly title: string;
  /** The program's name. */
  readonly program: string;
  readonly steps: readonly HTestStep[];
  readonly span: Span;
}

/** What a test does and expects, in order. */
export type HTestStep = HFill | HNetworkStep | HPacket | HExpectation;

/** Sets up what surrounds the next packets. */
export type HFill =
  | { readonly kind: "meta"; readonly name: MetaName; readonly value: bigint; readonly span: Span }
  | { readonly kind: "global"; readonly symbol: GlobalSymbol; readonly value: Uint8Array; readonly span: Span }
  /** Makes a set, map or map of targets hold these entries and no others. Keys and values as they lie in the map. */
  | {
      readonly kind: "fillMap";
      readonly map: MapSymbol;
      readonly entries: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[];
      readonly span: Span;
    }
  /** Puts a program into an entry of a map of programs. */
  | {
      readonly kind: "fillProgram";
      readonly map: MapSymbol;
      readonly key: Uint8Array;
      readonly program: string;
      readonly span: Span;
    }
  | {
      readonly kind: "fillEntry";
      readonly map: MapSymbol;
      readonly key: Uint8Array;
      readonly value: Uint8Array;
      readonly span: Span;
    };

/** A part of the network that route lookups ask; it holds for the whole test. Addresses as texts. */
export interface HNetworkStep {
  readonly kind: "network";
  readonly part:
    | {
        readonly kind: "device";
        readonly ifindex: number;
        readonly mac: string;
        /** With their networks: "10.0.3.1/24". */
        readonly addresses: readonly string[];
      }
    | { readonly kind: "route"; readonly to: string; readonly ifindex: number; readonly via?: string }
    | { readonly kind: "neighbour"; readonly address: string; readonly ifindex: number; readonly mac: string };
  readonly span: Span;
}

/** Sends a packet `times` times. */
export interface HPacket {
  readonly kind: "packet";
  readonly layers: readonly HLayer[];
  readonly times: number;
  readonly span: Span;
}

/** A part of a packet to be made or met. */
export type HLayer =
  | {
      readonly kind: "header";
      readonly header: Header;
      readonly fields: readonly HFieldValue[];
      /** What stands between the fixed fields and the next layer (options); null: nothing was said. */
      readonly extra: Uint8Array | null;
      readonly span: Span;
    }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly span: Span }
  /** The packet ends after so many bytes, wherever that is. */
  | { readonly kind: "cut"; readonly bytes: number; readonly span: Span };

/** A field and the number it has, or in a pattern the numbers it may have. */
export interface HFieldValue {
  readonly field: Field;
  /** Ascending and disjoint; in a packet to be made one range of one number. */
  readonly ranges: readonly NumberRange[];
  readonly span: Span;
}

/** What is expected of the last packet's fate, or of the state after it. */
export type HExpectation =
  | {
      readonly kind: "expect";
      readonly fate: HFate;
      /** What the packet that leaves begins with; null: nothing was said. */
      readonly packet: readonly HLayer[] | null;
      readonly span: Span;
    }
  | { readonly kind: "expectState"; readonly condition: HStateCond; readonly span: Span };

/** Where a packet goes. */
export type HFate =
  | { readonly kind: "verdict"; readonly verdict: VerdictName }
  /** `key` null: the packet's receive queue. */
  | { readonly kind: "redirect"; readonly map: MapSymbol; readonly key: bigint | null }
  /** Out of a device: the one whose index a global holds, or that of a number; null: any, as `forward` finds it. */
  | { readonly kind: "device"; readonly device: GlobalSymbol | bigint | null }
  | { readonly kind: "flood"; readonly map: MapSymbol };

/** A condition on maps and globals. Entries that aren't there make a comparison false. */
export type HStateCond =
  | {
      readonly kind: "compare";
      readonly op: CompareOp;
      readonly a: HStateValue;
      readonly b: HStateValue;
      readonly span: Span;
    }
  | { readonly kind: "has"; readonly map: MapSymbol; readonly key: Uint8Array; readonly span: Span }
  /** An event that was sent since the test began, or a value that a queue or a stack holds now. */
  | { readonly kind: "holds"; readonly map: MapSymbol; readonly value: Uint8Array; readonly span: Span }
  | { readonly kind: "not"; readonly operand: HStateCond; readonly span: Span }
  | { readonly kind: "and" | "or"; readonly a: HStateCond; readonly b: HStateCond; readonly span: Span };

/** A value in the state, of `type`, laid out as in memory. */
export type HStateValue = { readonly type: Type; readonly span: Span } & (
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "global"; readonly symbol: GlobalSymbol }
  /** How many events were sent since the test began, or were lost (`lostAt`: see HStmt's emit), or values a queue holds. */
  | { readonly kind: "amount"; readonly map: MapSymbol; readonly lostAt: number | null }
  /** `sum`: each CPU has its own; what is meant is their sum. */
  | {
      readonly kind: "entry";
      readonly map: MapSymbol;
      readonly key: Uint8Array;
      readonly offsetBytes: number;
      readonly sum: boolean;
    }
);
