// Faults of memory accesses as data: which register, where it points, how much was asked for and what is known to be there.
// Made by the memory rooms (memory.ts and its neighbours), worded in access-messages.ts.

import type { PointerValue, RegValue } from "./state.ts";

/** A refused load, store or atomic operation, or a helper's access to memory it was given. */
export type AccessFault =
  /** Not a pointer at all (a number, or unset). */
  | { readonly kind: "notAPointer"; readonly register: number; readonly value: RegValue }
  /** A pointer that may be null. */
  | { readonly kind: "mayBeNull"; readonly register: number; readonly pointer: PointerValue }
  /** Bytes from..from+bytes of the object aren't all inside `limit`; bounds as far as known, null for unbounded. */
  | {
      readonly kind: "outOfBounds";
      readonly register: number;
      readonly pointer: PointerValue;
      readonly from: number | null;
      readonly to: number | null;
      readonly bytes: number;
      readonly limit: number;
    }
  | {
      readonly kind: "contextAccess";
      readonly register: number;
      readonly offset: number;
      readonly bytes: number;
      readonly write: boolean;
    }
  | { readonly kind: "readOnly"; readonly register: number; readonly pointer: PointerValue }
  | { readonly kind: "stackUninitialised"; readonly register: number; readonly offset: number; readonly bytes: number }
  | { readonly kind: "misaligned"; readonly register: number; readonly pointer: PointerValue; readonly bytes: number }
  | {
      readonly kind: "forbiddenAccess";
      readonly register: number;
      readonly pointer: PointerValue;
      readonly what: string;
    };
