// Reading and writing registers of the current frame with the checks every instruction makes first (check_reg_arg).

import type { Env } from "./env.ts";
import type { RegValue } from "./state.ts";
import { currentFrame } from "./state.ts";
import { refuse } from "./verdict.ts";

/** The value of a register that the instruction reads; refuses one that was never written. */
export function readRegister(env: Env, register: number): RegValue {
  const value = currentFrame(env.state).regs[register];
  if (value === undefined) return refuse({ kind: "badRegister", register });
  if (value.kind === "unset") return refuse({ kind: "unsetRegister", register });
  return value;
}

/** Refuses a register the instruction may not write: r10 and numbers beyond. */
export function checkWritable(register: number): void {
  if (register === 10) refuse({ kind: "framePointerWrite" });
  if (register > 10) refuse({ kind: "badRegister", register });
}

/** Sets a register of the current frame. */
export function setRegister(env: Env, register: number, value: RegValue): void {
  currentFrame(env.state).regs[register] = value;
}
