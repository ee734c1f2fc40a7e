// What a program must give back before it ends: ring buffer records, sockets, locks. Acquired and released by helpers
// (helpers.ts), asked for where a program or part of it ends.
// Source: Linux kernel/bpf/verifier.c (acquire_reference, release_reference, check_resource_leak, process_spin_lock, 6.18).

import type { ImageMap } from "../bpf/image.ts";
import type { Env } from "./env.ts";
import { invalidatePointers } from "./stack-objects.ts";
import { currentFrame, type Reference } from "./state.ts";
import { refuse } from "./verdict.ts";

/** A new reference acquired by the current instruction; its id. */
export function acquireReference(env: Env): number {
  const id = env.newId();
  const reference: Reference = { kind: "object", id, slot: env.slot, map: null };
  env.state.references = [...env.state.references, reference];
  return id;
}

/** Gives back reference `id`, with all pointers that depend on it; false when there is none (any more). */
export function releaseIfHeld(env: Env, id: number): boolean {
  const { references } = env.state;
  const at = references.findIndex((reference) => reference.kind === "object" && reference.id === id);
  if (at === -1) return false;
  env.state.references = references.filter((_, index) => index !== at);
  invalidatePointers(env.state, { slot: env.slot, why: "released" }, (pointer) => pointer.refId === id);
  return true;
}

/** Gives back reference `id` where it is known that it turned out to be null. */
export function releaseReferenceId(env: Env, id: number): void {
  const { references } = env.state;
  env.state.references = references.filter((reference) => reference.kind !== "object" || reference.id !== id);
}

/** What ends; see `checkReleased`. */
export type Exiting = "exit" | "callback" | "tailCall" | "legacy";

/**
 * Refuses an end (of the program, of a callback, of this program by a tail call, of the program inside a legacy packet load)
 * while something isn't given back. A function that returns to its caller may keep what it holds.
 */
export function checkReleased(env: Env, exiting: Exiting): void {
  const { state } = env;
  const inner = currentFrame(state).number > 0;
  const returns = inner && (exiting === "exit" || exiting === "callback");
  if (!returns && state.activeLocks > 0) refuse({ kind: "lockHeld", acquiredAt: heldLock(env)?.slot ?? -1, exiting });
  if (!inner) {
    const held = state.references.find(({ kind }) => kind === "object");
    if (held !== undefined) refuse({ kind: "unreleased", acquiredAt: held.slot, exiting });
  }
  if (returns) return;
  if (state.activeIrqId !== 0 || state.activeRcuLock !== 0 || state.activePreemptLocks !== 0)
    refuse({ kind: "lockHeld", acquiredAt: -1, exiting });
}

/** The lock that was taken last, or null. */
export function heldLock(env: Env): Reference | null {
  const { references } = env.state;
  for (let at = references.length - 1; at >= 0; at--) {
    const reference = references[at];
    if (reference !== undefined && isLock(reference)) return reference;
  }
  return null;
}

function isLock({ kind }: Reference): boolean {
  return kind === "lock" || kind === "resLock" || kind === "resLockIrq";
}

/** Notes that the lock in the value that pointer `id` of `map` points to is held from now on. */
export function takeLock(env: Env, id: number, map: ImageMap): void {
  const { state } = env;
  state.references = [...state.references, { kind: "lock", id, slot: env.slot, map }];
  state.activeLocks++;
  state.activeLockId = id;
  state.activeLockMap = map;
}

/** Notes that this lock isn't held any more; refuses when it isn't, or isn't the one taken last. */
export function releaseLock(env: Env, id: number, map: ImageMap): void {
  const { state } = env;
  const held = heldLock(env);
  if (held === null) refuse({ kind: "lock", why: "notHeld", acquiredAt: null });
  const at = state.references.findIndex(
    (reference) => reference.kind === "lock" && reference.id === id && reference.map === map,
  );
  if (at === -1 || id !== state.activeLockId || map !== state.activeLockMap)
    refuse({ kind: "lock", why: "otherLock", acquiredAt: held.slot });
  state.references = state.references.filter((_, index) => index !== at);
  state.activeLocks--;
  const before = heldLock(env);
  state.activeLockId = before?.id ?? 0;
  state.activeLockMap = before?.map ?? null;
}
