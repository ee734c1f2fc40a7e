// Faults of helper and kfunc calls as data: which helper, which argument, what it got and what it wants. Made by helpers.ts and
// its neighbours, worded in call-messages.ts.

import type { RegValue } from "./state.ts";

/** A refused call of a helper or kernel function, or something acquired that isn't given back. */
export type CallFault =
  | { readonly kind: "unknownHelper"; readonly id: number }
  | { readonly kind: "helperNotForXdp"; readonly id: number }
  | { readonly kind: "needsGpl"; readonly id: number }
  | {
      readonly kind: "argument";
      readonly helper: string;
      readonly register: number;
      readonly value: RegValue;
      readonly wants: string;
    }
  | { readonly kind: "mapNotForHelper"; readonly helper: string; readonly map: string; readonly mapType: number }
  | { readonly kind: "unreleased"; readonly acquiredAt: number; readonly what: string }
  | { readonly kind: "lockHeld"; readonly acquiredAt: number; readonly what: string }
  | { readonly kind: "callFault"; readonly helper: string; readonly what: string };
