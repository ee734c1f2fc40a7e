// Faults of helper and kfunc calls as data: which helper, which argument, what it got and what it wants. Made by helpers.ts and
// its neighbours, worded in call-messages.ts.

import type { ArgKind } from "../bpf/helpers.ts";
import type { ImageMap } from "../bpf/image.ts";
import type { RegValue } from "./state.ts";

/** A refused call of a helper or kernel function, or something acquired that isn't given back. */
export type CallFault =
  /** No kernel has a helper of this number. */
  | { readonly kind: "unknownHelper"; readonly id: number }
  /** There is such a helper, but not for XDP. */
  | { readonly kind: "helperNotForXdp"; readonly id: number }
  | { readonly kind: "needsGpl"; readonly id: number; readonly licence: string }
  /** An argument of the wrong kind; `helper` without `bpf_`. */
  | {
      readonly kind: "argument";
      readonly helper: string;
      readonly register: number;
      readonly value: RegValue;
      readonly wants: ArgKind;
    }
  /** A number of bytes that isn't one, or that can't be known. */
  | {
      readonly kind: "size";
      readonly helper: string;
      readonly register: number;
      readonly value: RegValue;
      readonly why: "negative" | "zero" | "unbounded" | "notConstant";
    }
  /** Packet data where the helper takes none. */
  | { readonly kind: "packetArgument"; readonly helper: string; readonly register: number }
  /** What must be given as it was got was moved. */
  | { readonly kind: "movedArgument"; readonly helper: string; readonly register: number; readonly value: RegValue }
  | { readonly kind: "mapNotForHelper"; readonly helper: string; readonly map: ImageMap }
  | { readonly kind: "readOnlyMap"; readonly helper: string; readonly map: ImageMap }
  /** A lock, timer or kernel pointer that isn't where the pointer points. */
  | {
      readonly kind: "noField";
      readonly helper: string;
      readonly register: number;
      readonly value: RegValue;
      readonly map: ImageMap;
      readonly why: "variableOffset" | "noBtf" | "noSuchField" | "wrongOffset";
    }
  /** Locks: taken twice, given back without being held, another than the held one. */
  | { readonly kind: "lock"; readonly why: "notHeld" | "otherLock"; readonly acquiredAt: number | null }
  /** A call while a lock is held. */
  | { readonly kind: "callWithLock"; readonly helper: string | null; readonly acquiredAt: number }
  /** The program ends, or something ends, with a reference not given back. */
  | { readonly kind: "unreleased"; readonly acquiredAt: number; readonly exiting: string }
  /** As above, with a lock held. */
  | { readonly kind: "lockHeld"; readonly acquiredAt: number; readonly exiting: string }
  /** A reference that isn't one (any more). */
  | { readonly kind: "notAcquired"; readonly helper: string; readonly register: number; readonly value: RegValue }
  /** A string that can't be read when the program is loaded, or a format that means nothing. */
  | {
      readonly kind: "string";
      readonly helper: string;
      readonly register: number;
      readonly why: "notReadOnly" | "variableOffset" | "notArray" | "unterminated" | "format" | "dataSize";
    }
  /** A map without what a callback for each entry needs. */
  | { readonly kind: "callbackMap"; readonly helper: string; readonly map: ImageMap }
  /** A dynptr that isn't one, is one already or is of another kind. */
  | {
      readonly kind: "dynptr";
      readonly helper: string;
      readonly register: number;
      readonly value: RegValue;
      readonly why: "place" | "uninitialised" | "kind" | "constant" | "notAcquired" | "memory";
    }
  /** An iterator that isn't one, or is one already. */
  | {
      readonly kind: "iterator";
      readonly name: string;
      readonly register: number;
      readonly value: RegValue;
      readonly why: "place" | "notThere" | "alreadyThere";
    }
  /** A critical section that is entered twice, or left without having been entered. */
  | { readonly kind: "section"; readonly name: string }
  /** A kernel function that XDP programs don't have. */
  | { readonly kind: "kfuncNotForXdp"; readonly name: string }
  /** A map that the kernel doesn't make. */
  | {
      readonly kind: "mapCreation";
      readonly map: ImageMap;
      readonly why:
        | "flags"
        | "noPrealloc"
        | "keySize"
        | "valueSize"
        | "entries"
        | "ringSize"
        | "tooBig"
        | "noInner"
        | "inner"
        | "fields"
        | "fieldsReadOnly";
    };
