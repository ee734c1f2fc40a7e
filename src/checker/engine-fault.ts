// Faults of everything that is neither a memory access nor a call of a helper, as data: encodings, structure, arithmetic,
// branches, calls between functions, limits. Made by the engine's files, worded in messages.ts.

import type { RegValue } from "./state.ts";

/** What a global function's parameter asks for. */
export type FunctionWish = "number" | "context" | "notNull";

/** What a function may return: any number, a number in a range (a callback), anything but a pointer to its stack. */
export type ResultWish = "number" | { readonly min: number; readonly max: number } | "noStackPointer";

/** A refusal by the engine. */
export type EngineFault =
  /** The register was never written on this path. */
  | { readonly kind: "unsetRegister"; readonly register: number }
  /** r10 may not be written. */
  | { readonly kind: "framePointerWrite" }
  | { readonly kind: "badRegister"; readonly register: number }
  /** An opcode or a field's value that means nothing. `field` names the field. */
  | { readonly kind: "encoding"; readonly field: string; readonly value: number }
  | { readonly kind: "divisionByZero" }
  | { readonly kind: "shiftTooFar"; readonly amount: number; readonly bits: number }
  /** Structure: see structure.ts. */
  | { readonly kind: "jumpOutside"; readonly target: number }
  | { readonly kind: "jumpIntoWideLoad"; readonly target: number }
  | { readonly kind: "unreachable" }
  | { readonly kind: "fallsThrough"; readonly functionStart: number }
  | { readonly kind: "tooManyFunctions"; readonly count: number }
  | { readonly kind: "tooLong"; readonly slots: number }
  | { readonly kind: "empty" }
  | { readonly kind: "tooManyMaps"; readonly count: number }
  | { readonly kind: "noSuchMap"; readonly index: number }
  | { readonly kind: "noSuchKernelFunction"; readonly index: number }
  | { readonly kind: "kernelCallNeedsGpl" }
  /** The address of a value of a map that has none (not an array of one entry), or beyond the value. */
  | { readonly kind: "mapValueAddress"; readonly map: string; readonly offset: number }
  /** The functions by the image aren't those the code has. */
  | { readonly kind: "functionInfo" }
  | { readonly kind: "tailCallInFunction" }
  | { readonly kind: "legacyAccess" }
  /** A call to the start of no function, or of a function without the BTF it needs. */
  | { readonly kind: "callbackFunction"; readonly why: "noBtf" | "global" }
  /** The address of a function that nothing calls: its code is removed as dead, and the address can't be resolved any more. */
  | { readonly kind: "functionNeverCalled"; readonly start: number }
  /** Calls. */
  | { readonly kind: "callTooDeep"; readonly depth: number }
  | { readonly kind: "stackTooDeep"; readonly bytes: number; readonly limit: number; readonly tailCall: boolean }
  | {
      readonly kind: "functionArgument";
      readonly register: number;
      readonly value: RegValue;
      readonly wants: FunctionWish;
    }
  | { readonly kind: "result"; readonly value: RegValue; readonly wants: ResultWish }
  /** A global function that can't be called so, or at all; `function` is its number. */
  | { readonly kind: "globalFunction"; readonly function: number; readonly why: "tooManyArguments" | "result" }
  | { readonly kind: "globalCallWithLock" }
  /** Arithmetic on pointers. */
  | {
      readonly kind: "pointerArithmetic";
      readonly register: number;
      readonly value: RegValue;
      readonly why:
        | "thirtyTwoBits"
        | "mayBeNull"
        | "kind"
        | "operation"
        | "subtractFromNumber"
        | "subtractFromStack"
        | "unbounded"
        | "tooFar"
        | "twoPointers";
    }
  /** Limits. */
  | { readonly kind: "tooComplex"; readonly processed: number }
  | { readonly kind: "tooManyBranches"; readonly pending: number }
  | { readonly kind: "endlessLoop"; readonly at: number };
