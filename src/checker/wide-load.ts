// The 16-byte load: constants, maps and their values, addresses of functions. What all of them have in common was judged before
// the walk (encoding.ts).
// Source: Linux kernel/bpf/verifier.c (check_ld_imm; 6.18).

import { calleeOf, hasFunctionInfo, wideSource } from "./program.ts";
import { checkWritable, setRegister } from "./registers.ts";
import { constant, immediate } from "./scalar.ts";
import { pointer, scalarValue } from "./state.ts";
import { refuse } from "./verdict.ts";
import type { Walk } from "./walk.ts";

/** Walks the wide load at `walk.slot`. */
export function walkWideLoad(walk: Walk): void {
  const { program, slot } = walk;
  const dst = program.dst[slot] as number;
  const off = program.off[slot] as number;
  const imm = program.imm[slot] as number;
  const high = program.imm[slot + 1] as number;
  if (off !== 0) refuse({ kind: "encoding", field: "off", value: off });
  checkWritable(dst);
  const zero = immediate(0);
  switch (program.src[slot]) {
    case wideSource.constant:
      setRegister(walk, dst, scalarValue(constant((BigInt(high) << 32n) | BigInt(imm >>> 0))));
      break;
    case wideSource.function: {
      if (!hasFunctionInfo(program.image)) refuse({ kind: "callbackFunction", why: "noBtf" });
      const subprogram = calleeOf(program, slot);
      if (program.functions[subprogram]?.info?.global !== false || subprogram === 0)
        refuse({ kind: "callbackFunction", why: "global" });
      setRegister(walk, dst, pointer("function", zero, { subprogram }));
      break;
    }
    case wideSource.map:
      setRegister(walk, dst, pointer("mapHandle", zero, { map: program.image.maps[imm] ?? null }));
      break;
    default:
      setRegister(walk, dst, pointer("mapValue", zero, { map: program.image.maps[imm] ?? null, off: high }));
  }
}
