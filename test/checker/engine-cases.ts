// Programs about everything that isn't a memory access or a helper's argument: encodings, shape, arithmetic, branches, loops,
// calls, limits. Each says what the checker must answer; engine-kernel.test.ts asks the kernel whether that is so.

import type { ImageFunction, ImageParameter, ProgramImage } from "../../src/bpf/image.ts";
import type { Fault } from "../../src/checker/verdict.ts";
import { imageOf, type TestProgram } from "./memory-programs.ts";

/** A program with the answer to it. */
export interface EngineCase extends TestProgram {
  readonly name: string;
  /** The refusal's kind and place; null for a program that is accepted. */
  readonly refused: readonly [kind: Fault["kind"], slot: number | null] | null;
  /** Instructions walked, where that is to the point. */
  readonly processed?: number;
  /** Functions verified on their own, by the label they start at: their parameters. */
  readonly globals?: Readonly<Record<string, readonly ImageParameter[]>>;
  /** Bytes to change: slot, byte, value. */
  readonly patches?: readonly (readonly [slot: number, byte: number, value: number])[];
}

/** The program of a case as the checker gets it. */
export function engineImage(program: EngineCase): ProgramImage {
  const image = imageOf(program);
  const code = image.code.slice();
  for (const [slot, byte, value] of program.patches ?? []) code[slot * 8 + byte] = value;
  const { globals } = program;
  if (globals === undefined) return { ...image, code };
  const asGlobal = (f: ImageFunction, parameters: readonly ImageParameter[]): ImageFunction => ({
    ...f,
    global: true,
    parameters,
  });
  const names = Object.keys(globals);
  let next = 0;
  const functions = image.functions.map((f, index) => {
    const name = index === 0 ? undefined : names[next++];
    return name === undefined ? f : asGlobal(f, globals[name] ?? []);
  });
  return { ...image, code, functions };
}

const packetStart = "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)";

const shape: EngineCase[] = [
  { name: "the smallest program", text: "r0 = 2\nexit", refused: null, processed: 2 },
  { name: "no result", text: "exit", refused: ["unsetRegister", 0] },
  { name: "a pointer as result", text: "r0 = r1\nexit", refused: null },
  { name: "no end", text: "r0 = 0", refused: ["fallsThrough", 0] },
  { name: "a jump before the start", text: "r0 = 0\ngoto -3\nexit", refused: ["jumpOutside", 1] },
  { name: "a jump behind the end", text: "r0 = 0\nif r0 == 0 goto +5\nexit", refused: ["jumpOutside", 1] },
  { name: "unreachable instructions", text: "r0 = 0\nexit\nr0 = 1\nexit", refused: ["unreachable", 2] },
  {
    name: "a jump into a wide load",
    text: "r0 = 0\nif r0 == 0 goto +1\nr1 = 0x100000000 ll\nexit",
    refused: ["jumpIntoWideLoad", 2],
  },
  {
    name: "a wide load cut off",
    text: "r0 = 0\nexit\nr1 = 1 ll",
    patches: [[2, 0, 0x18]],
    refused: ["fallsThrough", 3],
  },
  { name: "a wide jump", text: "r0 = 0\ngotol +0\nexit", refused: null, processed: 3 },
  {
    name: "a jump between functions",
    text: "r0 = 0\ncall f\nif r0 == 0 goto g\nexit\nf:\nr0 = 0\ng:\nexit",
    refused: ["jumpOutside", 2],
  },
  { name: "legacy packet loads", text: "r6 = r1\nr0 = *(u8 *)skb[0]\nexit", refused: ["legacyAccess", 1] },
  { name: "an opcode that means nothing", text: "r0 = 0\nexit", patches: [[0, 0, 0xff]], refused: ["encoding", 0] },
  {
    name: "a reserved field where no way leads",
    text: "r0 = 0\nif r0 == 0 goto +1\nr0 += 1\nexit",
    patches: [[2, 1, 0x10]],
    refused: null,
  },
  { name: "a reserved field", text: "r0 = 0\nr0 += 1\nexit", patches: [[1, 1, 0x10]], refused: ["encoding", 1] },
  {
    name: "a reserved field of a load",
    text: "r0 = *(u32 *)(r1 + 12)\nexit",
    patches: [[0, 4, 1]],
    refused: ["encoding", 0],
  },
];

const arithmetic: EngineCase[] = [
  { name: "a write to r10", text: "r10 = 0\nr0 = 0\nexit", refused: ["framePointerWrite", 0] },
  { name: "an unset operand", text: "r0 = 0\nr0 += r3\nexit", refused: ["unsetRegister", 1] },
  { name: "division by a constant 0", text: "r0 = 7\nr0 /= 0\nexit", refused: ["divisionByZero", 1] },
  { name: "division by a register that is 0", text: "r0 = 7\nr3 = 0\nr0 /= r3\nexit", refused: null },
  { name: "a shift by 64", text: "r0 = 7\nr0 <<= 64\nexit", refused: ["shiftTooFar", 1] },
  { name: "a 32-bit shift by 32", text: "r0 = 7\nw0 <<= 32\nexit", refused: ["shiftTooFar", 1] },
  { name: "a sum of pointers", text: "r1 += r10\nr0 = 0\nexit", refused: ["pointerArithmetic", 0] },
  { name: "a difference of pointers", text: "r1 -= r10\nr0 = r1\nexit", refused: null },
  { name: "a mask on a pointer", text: "r1 &= 7\nr0 = 0\nexit", refused: ["pointerArithmetic", 0] },
  { name: "half a pointer moved", text: "w1 += 4\nr0 = 0\nexit", refused: ["pointerArithmetic", 0] },
  { name: "half a pointer copied", text: "w0 = w1\nexit", refused: null },
  {
    name: "a packet pointer moved by any number",
    text: `${packetStart}\nr4 = *(u64 *)(r10 - 8)\nr2 += r4\nr0 = 0\nexit`,
    refused: ["pointerArithmetic", 3],
  },
  { name: "a pointer moved 2^29 bytes", text: "r1 += 0x20000000\nr0 = 0\nexit", refused: ["pointerArithmetic", 0] },
  { name: "the packet's end moved", text: `${packetStart}\nr3 += 1\nr0 = 0\nexit`, refused: ["pointerArithmetic", 2] },
  { name: "a sign that chooses", text: "call bpf_get_prandom_u32\nr0 s>>= 63\nr0 &= 5\nexit", refused: null },
];

const guarded = (condition: string, offset: number): string =>
  `${packetStart}\nr4 = r2\nr4 += 14\n${condition}\ngoto out\nuse:\nr5 = *(u8 *)(r2 + ${offset})\nout:\nr0 = 2\nexit`;
const guardedFalling = (condition: string, offset: number): string =>
  `${packetStart}\nr4 = r2\nr4 += 14\n${condition}\nr5 = *(u8 *)(r2 + ${offset})\nout:\nr0 = 2\nexit`;

const branches: EngineCase[] = [
  ...(
    [
      ["if r4 <= r3 goto use", 13],
      ["if r4 < r3 goto use", 14],
      ["if r3 >= r4 goto use", 13],
      ["if r3 > r4 goto use", 14],
    ] as const
  ).flatMap(([condition, last]): EngineCase[] => [
    { name: `${condition}, last byte`, text: guarded(condition, last), refused: null },
    { name: `${condition}, a byte too far`, text: guarded(condition, last + 1), refused: ["outOfBounds", 6] },
  ]),
  ...(
    [
      ["if r4 > r3 goto out", 13],
      ["if r4 >= r3 goto out", 14],
      ["if r3 < r4 goto out", 13],
      ["if r3 <= r4 goto out", 14],
    ] as const
  ).flatMap(([condition, last]): EngineCase[] => [
    { name: `${condition}, last byte`, text: guardedFalling(condition, last), refused: null },
    { name: `${condition}, a byte too far`, text: guardedFalling(condition, last + 1), refused: ["outOfBounds", 5] },
  ]),
  {
    name: "a 32-bit comparison proves nothing",
    text: guardedFalling("if w4 > w3 goto out", 0),
    refused: ["outOfBounds", 5],
  },
  {
    name: "a constant decides: the other way isn't walked",
    text: "r0 = 1\nif r0 == 1 goto +1\nr0 = *(u64 *)(r9 + 0)\nexit",
    refused: null,
    processed: 3,
  },
  {
    name: "a number one apart learns with its original",
    text: "call bpf_get_prandom_u32\nr6 = r0\nr6 += 1\nif r0 > 6 goto out\nr7 = r10\nr7 += -8\n*(u64 *)(r10 - 8) = 0\nr7 += r6\nr5 = *(u8 *)(r7 + 0)\nout:\nr0 = 0\nexit",
    refused: null,
  },
  {
    name: "one too far after a number one apart",
    text: "call bpf_get_prandom_u32\nr6 = r0\nr6 += 2\nif r0 > 6 goto out\nr7 = r10\nr7 += -8\n*(u64 *)(r10 - 8) = 0\nr7 += r6\nr5 = *(u8 *)(r7 + 0)\nout:\nr0 = 0\nexit",
    refused: ["outOfBounds", 8],
  },
  {
    name: "a null check of a copy",
    text: "r2 = r10\nr2 += -4\n*(u32 *)(r10 - 4) = 0\nr1 = map[hash] ll\ncall bpf_map_lookup_elem\nr6 = r0\nif r0 == 0 goto out\nr0 = *(u64 *)(r6 + 0)\nout:\nr0 = 0\nexit",
    refused: null,
  },
  {
    name: "arithmetic before the null check",
    text: "r2 = r10\nr2 += -4\n*(u32 *)(r10 - 4) = 0\nr1 = map[hash] ll\ncall bpf_map_lookup_elem\nr0 += 4\nr0 = 0\nexit",
    refused: ["pointerArithmetic", 6],
  },
];

const loops: EngineCase[] = [
  {
    name: "a loop of ten rounds",
    text: "r0 = 0\nagain:\nr0 += 1\nif r0 < 10 goto again\nexit",
    refused: null,
    processed: 22,
  },
  { name: "a loop that never ends", text: "r0 = 0\nagain:\nif r0 < 10 goto again\nexit", refused: ["endlessLoop", 1] },
  { name: "a jump to itself", text: "r0 = 0\nagain:\ngoto again\nexit", refused: ["unreachable", 2] },
  { name: "a jump back without a condition", text: "r0 = 0\nagain:\nr1 = 0\ngoto again", refused: ["endlessLoop", 1] },
  {
    name: "more branches than may wait",
    text: "call bpf_get_prandom_u32\nr6 = 0\nagain:\nr6 += 1\ncall bpf_get_prandom_u32\nif r0 == 7 goto out\nif r6 < 100000 goto again\nout:\nr0 = 0\nexit",
    refused: ["tooManyBranches", 4],
  },
  {
    name: "may_goto around what never ends",
    text: "r0 = 0\nagain:\nmay_goto out\ngoto again\nout:\nexit",
    refused: null,
  },
];

const calls: EngineCase[] = [
  { name: "a call", text: "r1 = 7\ncall f\nexit\nf:\nr0 = r1\nr0 += 1\nexit", refused: null, processed: 6 },
  {
    name: "r1 to r5 are lost in a call",
    text: "r1 = 7\ncall f\nr0 = r1\nexit\nf:\nr0 = 1\nexit",
    refused: ["unsetRegister", 2],
  },
  { name: "r6 isn't the callee's", text: "r6 = 7\ncall f\nexit\nf:\nr0 = r6\nexit", refused: ["unsetRegister", 3] },
  { name: "a function without result", text: "call f\nr0 = 0\nexit\nf:\nexit", refused: null },
  { name: "a result that was never set", text: "call f\nexit\nf:\nexit", refused: ["unsetRegister", 1] },
  { name: "the callee's stack returned", text: "call f\nr0 = 0\nexit\nf:\nr0 = r10\nexit", refused: ["result", 4] },
  { name: "recursion", text: "call f\nexit\nf:\ncall f\nexit", refused: ["callTooDeep", 2] },
  {
    name: "more stack than 512 bytes together",
    text: "*(u64 *)(r10 - 264) = 0\ncall f\nr0 = 0\nexit\nf:\n*(u64 *)(r10 - 264) = 0\nr0 = 0\nexit",
    refused: ["stackTooDeep", 1],
  },
  {
    name: "512 bytes of stack together",
    text: "*(u64 *)(r10 - 256) = 0\ncall f\nr0 = 0\nexit\nf:\n*(u64 *)(r10 - 256) = 0\nr0 = 0\nexit",
    refused: null,
  },
  {
    name: "a global function for any number",
    text: "r1 = 1\ncall f\nr0 = 0\nexit\nf:\nr0 = r1\nexit",
    globals: { f: [{ kind: "scalar" }] },
    refused: null,
    processed: 6,
  },
  {
    name: "a global function that relies on its caller",
    text: "r2 = r10\nr2 += -8\n*(u64 *)(r10 - 8) = 0\nr1 = 1\ncall f\nr0 = 0\nexit\nf:\nif r1 == 1 goto out\nr0 = r9\nout:\nr0 = 0\nexit",
    globals: { f: [{ kind: "scalar" }] },
    refused: ["unsetRegister", 8],
  },
  {
    name: "a pointer where a global function wants a number",
    text: "r1 = r10\ncall f\nr0 = 0\nexit\nf:\nr0 = 0\nexit",
    globals: { f: [{ kind: "scalar" }] },
    refused: ["functionArgument", 1],
  },
  {
    name: "memory for a global function",
    text: "*(u64 *)(r10 - 8) = 0\nr1 = r10\nr1 += -8\ncall f\nr0 = 0\nexit\nf:\nr0 = 0\nif r1 == 0 goto out\nr0 = *(u64 *)(r1 + 0)\nout:\nr0 = 0\nexit",
    globals: { f: [{ kind: "memory", bytes: 8, nonNull: false }] },
    refused: null,
  },
  {
    name: "too little memory for a global function",
    text: "*(u64 *)(r10 - 8) = 0\nr1 = r10\nr1 += -8\ncall f\nr0 = 0\nexit\nf:\nr0 = 0\nexit",
    globals: { f: [{ kind: "memory", bytes: 16, nonNull: false }] },
    refused: ["outOfBounds", 3],
  },
  {
    name: "a global function's memory without the null check",
    text: "*(u64 *)(r10 - 8) = 0\nr1 = r10\nr1 += -8\ncall f\nr0 = 0\nexit\nf:\nr0 = *(u64 *)(r1 + 0)\nr0 = 0\nexit",
    globals: { f: [{ kind: "memory", bytes: 8, nonNull: false }] },
    refused: ["mayBeNull", 6],
  },
  {
    name: "packet pointers after a global function that moves the packet",
    text: `r6 = r1\n${packetStart}\nr7 = r2\nr7 += 1\nif r7 > r3 goto out\nr7 = r2\ncall f\nr0 = *(u8 *)(r7 + 0)\nout:\nr0 = 0\nexit\nf:\nr2 = 4\ncall bpf_xdp_adjust_head\nexit`,
    globals: { f: [{ kind: "ctx" }] },
    refused: ["notAPointer", 8],
  },
  {
    name: "bpf_loop",
    text: "*(u64 *)(r10 - 8) = 0\nr1 = 100\nr2 = func[body] ll\nr3 = r10\nr3 += -8\nr4 = 0\ncall bpf_loop\nr0 = 0\nexit\nbody:\nr3 = *(u64 *)(r2 + 0)\nr3 += 1\n*(u64 *)(r2 + 0) = r3\nr0 = 0\nexit",
    refused: null,
  },
  {
    name: "a callback that returns more than 1",
    text: "r1 = 100\nr2 = func[body] ll\nr3 = 0\nr4 = 0\ncall bpf_loop\nr0 = 0\nexit\nbody:\nr0 = 2\nexit",
    refused: ["result", 9],
  },
  {
    name: "a callback without BTF",
    text: "r1 = 100\nr2 = func[body] ll\nr3 = 0\nr4 = 0\ncall bpf_loop\nr0 = 0\nexit\nbody:\nr0 = 0\nexit",
    withoutBtf: true,
    refused: ["callbackFunction", 1],
  },
  {
    name: "a tail call in a function that may return",
    text: "r6 = r1\ncall f\nr0 = 0\nexit\nf:\nr2 = map[progs] ll\nr3 = 0\ncall bpf_tail_call\nr0 = 0\nexit",
    refused: null,
  },
  {
    name: "a tail call in a function without BTF",
    text: "r6 = r1\ncall f\nr0 = 0\nexit\nf:\nr2 = map[progs] ll\nr3 = 0\ncall bpf_tail_call\nr0 = 0\nexit",
    withoutBtf: true,
    refused: ["tailCallInFunction", 7],
  },
];

/** All cases. */
export const engineCases: readonly EngineCase[] = [...shape, ...arithmetic, ...branches, ...loops, ...calls];
