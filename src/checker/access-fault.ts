// Faults of memory accesses as data: which register, where it points, how much was asked for and what is known to be there.
// Made by the memory rooms (memory.ts and its neighbours), worded in access-messages.ts.

import type { SpecialField } from "../bpf/image.ts";
import type { PointerValue, RegValue } from "./state.ts";

/** A refused load, store or atomic operation, or a helper's access to memory it was given. */
export type AccessFault =
  /** Not a pointer at all (a number). */
  | { readonly kind: "notAPointer"; readonly register: number; readonly value: RegValue }
  /** A pointer that may be null. */
  | { readonly kind: "mayBeNull"; readonly register: number; readonly pointer: PointerValue }
  /**
   * Bytes from..from+bytes up to to..to+bytes of the object aren't all inside `limit` (stack: below 0 and not below -limit;
   * packet: the range that was compared with the end); null for no bound.
   */
  | {
      readonly kind: "outOfBounds";
      readonly register: number;
      readonly pointer: PointerValue;
      readonly from: number | null;
      readonly to: number | null;
      readonly bytes: number;
      readonly limit: number;
    }
  /** A field of the context that doesn't exist, or isn't read this way. */
  | {
      readonly kind: "contextAccess";
      readonly register: number;
      readonly offset: number;
      readonly bytes: number;
      readonly write: boolean;
      readonly signed: boolean;
    }
  /** A write to what may only be read. */
  | { readonly kind: "readOnly"; readonly register: number; readonly pointer: PointerValue }
  /** A read from a map that programs may only write. */
  | { readonly kind: "writeOnly"; readonly register: number; readonly pointer: PointerValue }
  /** Stack bytes that hold an object of the kernel's or half of a saved pointer. */
  | { readonly kind: "stackContents"; readonly register: number; readonly offset: number; readonly bytes: number }
  /** Only part of a pointer would be saved to, or taken from, the stack; or a stack pointer saved where it outlives its frame. */
  | {
      readonly kind: "stackSpill";
      readonly register: number;
      readonly offset: number;
      readonly bytes: number;
      readonly why: "partOfPointer" | "partialFill" | "callersStack" | "dynptr";
    }
  | {
      readonly kind: "misaligned";
      readonly register: number;
      readonly pointer: PointerValue;
      readonly offset: number;
      readonly bytes: number;
    }
  /** A pointer that must be used as it was given was moved. */
  | { readonly kind: "movedPointer"; readonly register: number; readonly pointer: PointerValue }
  /** The stack at an offset that isn't constant, where it must be. */
  | {
      readonly kind: "variableStack";
      readonly register: number;
      readonly pointer: PointerValue;
      readonly bytes: number;
    }
  /** No bytes where there must be some. */
  | { readonly kind: "emptyBuffer"; readonly register: number; readonly pointer: PointerValue }
  /** A member of a map's value that only the kernel touches. */
  | {
      readonly kind: "specialField";
      readonly register: number;
      readonly pointer: PointerValue;
      readonly field: SpecialField;
      readonly from: number;
      readonly bytes: number;
    }
  /** A read-only map whose values can't be read at load time: an array of more than one entry. */
  | { readonly kind: "frozenArray"; readonly register: number; readonly pointer: PointerValue }
  /** An atomic operation on memory that has none. */
  | { readonly kind: "atomicTarget"; readonly register: number; readonly pointer: PointerValue }
  /** No load or store at all through this kind of pointer. */
  | {
      readonly kind: "forbiddenAccess";
      readonly register: number;
      readonly pointer: PointerValue;
      readonly write: boolean;
      readonly offset: number;
      readonly bytes: number;
    }
  /** One instruction meets kinds of pointer that must be loaded in different ways. */
  | { readonly kind: "mixedPointers"; readonly register: number; readonly pointer: PointerValue };
