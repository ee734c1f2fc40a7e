// Calls, tail calls, loops, budgets, illegal code, paths and observers, in both executors. Expectations are written out.

import { describe, expect, test, vi } from "vitest";
import type { HelperFunction, HelperTable, TailTarget } from "../../src/vm/helper-call.ts";
import { argMap, argReadable, argU32, argU64, giveAddress, giveNumber, giveU64 } from "../../src/vm/helper-call.ts";
import type { MachineOptions } from "../../src/vm/machine.ts";
import { Machine, runBytecode } from "../../src/vm/machine.ts";
import { bareImage } from "../../src/vm/program.ts";
import {
  assemble,
  assembled,
  executors,
  faultOf,
  joined,
  OneValue,
  oneValueMap,
  outcomeOf,
  r0Of,
  slot,
} from "./support.ts";

const nothing = new Uint8Array(0);

/** A wide load of the address of the function `slots` slots behind it. */
const functionAddress = (reg: number, slots: number): Uint8Array =>
  joined(slot(0x18, reg, 4, 0, slots + 1), slot(0, 0, 0, 0, 0));

describe.each(executors)("%s", (executor) => {
  test("local calls keep r6 to r9 and the frame, pass r1 to r5, and leave r1 to r5 zero", () => {
    const program = `
      r6 = 6
      r7 = 7
      r8 = 8
      r9 = 9
      *(u64 *)(r10 - 8) = 100
      r1 = 1
      r2 = 2
      r3 = 3
      r4 = 4
      r5 = 5
      call sum
      r0 += r1
      r0 += r5
      r0 += r6
      r0 += r9
      r2 = *(u64 *)(r10 - 8)
      r0 += r2
      exit
    sum:
      *(u64 *)(r10 - 8) = 5000
      r6 = 1000
      r9 = 1000
      r0 = r1
      r0 += r2
      r0 += r3
      r0 += r4
      r0 += r5
      exit`;
    expect(r0Of(program, executor)).toBe(15n + 6n + 9n + 100n);
  });

  test("a callee writes the caller's frame through a pointer, and its own frame begins empty each time", () => {
    const program = `
      r1 = r10
      r1 += -8
      call f
      r1 = r10
      r1 += -8
      call f
      r2 = *(u64 *)(r10 - 8)
      r0 += r2
      exit
    f:
      r0 = *(u64 *)(r10 - 8)
      *(u64 *)(r10 - 8) = 77
      r2 = *(u64 *)(r1 + 0)
      r2 += 3
      *(u64 *)(r1 + 0) = r2
      exit`;
    expect(r0Of(program, executor)).toBe(6n);
  });

  test("eight frames and no more", () => {
    const deep = (levels: number): string => `
      r1 = ${levels}
      call f
      exit
    f:
      r0 = 1
      if r1 == 0 goto out
      r1 += -1
      call f
      r0 += 1
    out:
      exit`;
    expect(r0Of(deep(6), executor)).toBe(7n);
    const fault = faultOf(() => r0Of(deep(7), executor));
    // Six whole turns of five instructions, and four of the seventh.
    expect(fault).toMatchObject({ kind: "callDepth", slot: 6, steps: 2 + 6 * 4 + 4, reason: "more than 8 frames" });
  });

  test("loops backwards, jumps over 32 bits and may_goto's count", () => {
    const loop = "r0 = 0\nr1 = 1000\nl: r0 += r1\nr1 -= 1\nif r1 != 0 goto l\nexit";
    expect(r0Of(loop, executor)).toBe(500500n);
    expect(r0Of("gotol over\nback: r0 += 1\nexit\nover: r0 = 4\ngotol back", executor)).toBe(5n);
    const endless = "r0 = 0\nl: may_goto out\nr0 += 1\ngoto l\nout: exit";
    expect(r0Of(endless, executor, nothing, { mayGotoLimit: 12 })).toBe(12n);
    expect(r0Of(endless, executor, nothing, { mayGotoLimit: 0 })).toBe(0n);
    // Each frame counts for itself.
    const two = "call f\nr6 = r0\ncall f\nr0 += r6\nexit\nf: r0 = 0\nl: may_goto out\nr0 += 1\ngoto l\nout: exit";
    expect(r0Of(two, executor, nothing, { mayGotoLimit: 5 })).toBe(10n);
  });

  test("a run of more instructions than the budget is a fault, and one of as many isn't", () => {
    const program = "r0 = 0\nl: r0 += 1\nif r0 != 10 goto l\nexit";
    expect(r0Of(program, executor, nothing, { budget: 22 })).toBe(10n);
    const fault = faultOf(() => r0Of(program, executor, nothing, { budget: 21 }));
    expect(fault).toMatchObject({ kind: "budget", slot: 3, steps: 21 });
    expect(faultOf(() => r0Of("l: goto l", executor, nothing, { budget: 1000 }))).toMatchObject({ steps: 1000 });
  });

  test.each([
    ["falling off the end", assemble("r0 = 1"), "jump", 0, "execution goes to slot 1, where no instruction starts"],
    ["a jump outside", assemble("goto +5\nexit"), "jump", 0, "execution goes to slot 6, where no instruction starts"],
    [
      "a jump before the start",
      assemble("goto -2\nexit"),
      "jump",
      0,
      "execution goes to slot -1, where no instruction starts",
    ],
    [
      "a jump into a wide load",
      assemble("goto +1\nr0 = 1 ll\nexit"),
      "jump",
      0,
      "execution goes to slot 2, where no instruction starts",
    ],
    [
      "a call into a wide load",
      assemble("call +1\nr0 = 1 ll\nexit"),
      "jump",
      0,
      "execution goes to slot 2, where no instruction starts",
    ],
    ["a call outside", assemble("call +7\nexit"), "jump", 0, "execution goes to slot 8, where no instruction starts"],
    ["no code", nothing, "jump", -1, "execution goes to slot 0, where no instruction starts"],
    ["an unknown opcode", slot(0xff, 0, 0, 0, 0), "instruction", 0, "unknown opcode 0xff"],
    ["half a slot", slot(0xb7, 0, 0, 0, 1).subarray(0, 5), "instruction", 0, "only 5 of 8 bytes"],
    ["a register that isn't there", slot(0xb7, 11, 0, 0, 1), "instruction", 0, "no register r11"],
    ["legacy packet access", slot(0x30, 0, 0, 0, 0), "instruction", 0, "legacy packet access, which XDP doesn't have"],
    ["an unknown helper", assemble("call 999"), "helper", 0, "the machine has no helper 999"],
    ["an unknown kernel function", slot(0x85, 0, 2, 0, 3), "helper", 0, "the machine has no kernel function number 3"],
    [
      "a map that isn't there",
      joined(slot(0x18, 1, 1, 0, 2), slot(0, 0, 0, 0, 0)),
      "instruction",
      0,
      "a wide load of map 2 of 0",
    ],
    [
      "a wide load of a kind of its own",
      joined(slot(0x18, 1, 3, 0, 2), slot(0, 0, 0, 0, 0)),
      "instruction",
      0,
      "a wide load of kind 3",
    ],
  ])("%s is a fault", (_what, code, kind, at, reason) => {
    const fault = faultOf(() => runBytecode(bareImage(code), nothing, { executor }));
    expect(fault).toMatchObject({ kind, slot: at, reason });
  });

  test("illegal code that execution doesn't come to is none", () => {
    const code = joined(assemble("goto +2"), slot(0xff, 0, 0, 0, 0), slot(0xb7, 12, 0, 0, 0), assemble("r0 = 3\nexit"));
    expect(runBytecode(bareImage(code), nothing, { executor })).toBe(3n);
  });

  test("a program may write r10, and memory goes by it", () => {
    expect(r0Of("*(u64 *)(r10 - 8) = 9\nr10 += -100\nr0 = *(u64 *)(r10 + 92)\nexit", executor)).toBe(9n);
    expect(faultOf(() => r0Of("r10 = 0\nr0 = *(u64 *)(r10 - 8)\nexit", executor)).kind).toBe("badAddress");
  });

  test("a helper gets r1 to r5 and gives r0; r1 to r5 are zero afterwards", () => {
    const seen: bigint[] = [];
    const helper: HelperFunction = (env) => {
      for (let n = 1; n <= 5; n++) seen.push(argU64(env, n));
      giveNumber(env, -22);
    };
    const program = `
      r1 = -1
      r2 = 0x123456789abcdef0 ll
      r3 = 3
      r4 = 0x100000000 ll
      r5 = 5
      r6 = 60
      call 70
      r0 += r1
      r0 += r6
      exit`;
    const options: MachineOptions = { helpers: new Map([[70, helper]]) };
    expect(r0Of(program, executor, nothing, options)).toBe(38n);
    expect(seen).toEqual([2n ** 64n - 1n, 0x1234_5678_9abc_def0n, 3n, 2n ** 32n, 5n]);
    expect(r0Of("r0 = 8\ncall 70\nexit", executor, nothing, { helpers: new Map([[70, () => {}]]) })).toBe(0n);
    const kfunc = { ...bareImage(joined(slot(0x85, 0, 2, 0, 1), assemble("exit"))), kfuncs: ["a", "b"] };
    const kfuncs = new Map<string, HelperFunction>([["b", (env) => giveU64(env, 0xffff_ffff_0000_0001n)]]);
    expect(runBytecode(kfunc, nothing, { executor, kfuncs })).toBe(0xffff_ffff_0000_0001n);
  });

  test("a helper's fault gets the place of the call", () => {
    const helpers: HelperTable = new Map([[5, (env) => void argReadable(env, 1, 4)]]);
    const fault = faultOf(() => r0Of("r6 = 0\nr1 = 0\ncall 5\nr6 = 1\nexit", executor, nothing, { helpers }));
    expect(fault).toMatchObject({ kind: "badAddress", slot: 2, steps: 3, program: "bytecode" });
    const noMap: HelperTable = new Map([[5, (env) => void argMap(env, 1)]]);
    expect(faultOf(() => r0Of("r1 = r10\ncall 5\nexit", executor, nothing, { helpers: noMap })).reason).toBe(
      "argument 1 isn't a map but stack of frame 0",
    );
  });

  test("a fault's line is the source's", () => {
    const line = (at: number, number: number) => ({ slot: at, file: "a.xdp", text: "drop", line: number, column: 1 });
    const image = {
      ...assembled("r0 = 0\nr1 = 0\nr0 = *(u8 *)(r1 + 0)\nexit", "rules"),
      lines: [line(1, 4), line(3, 9)],
    };
    const fault = faultOf(() => runBytecode(image, nothing, { executor }));
    expect(fault.line?.line).toBe(4);
    expect(fault.message).toBe("rules: instruction 2 (a.xdp:4): read of 1 byte at null, which is no valid address");
  });

  /** Helper 181 as a loop: calls the function in r2 as often as r1 says, with the turn and r3, until it gives other than 0. */
  const loop: HelperFunction = (env) => {
    const turns = argU32(env, 1);
    const [lo, hi] = [env.words[4] ?? 0, env.words[5] ?? 0];
    const pointer = [env.words[6] ?? 0, env.words[7] ?? 0];
    let turn = 0;
    for (; turn < turns; turn++) {
      const args = new Int32Array(12);
      args[2] = turn;
      args.set(pointer, 4);
      env.invoke(hi, lo, args);
      if (args[0] !== 0 || args[1] !== 0) break;
    }
    giveNumber(env, turn);
  };

  test("a helper calls functions of the program back", () => {
    const code = joined(
      assemble("*(u64 *)(r10 - 8) = 0\nr1 = 10"),
      functionAddress(2, 7),
      assemble("r3 = r10\nr3 += -8\ncall 181\nr6 = *(u64 *)(r10 - 8)\nr0 <<= 32\nr0 |= r6\nexit"),
      // *r2 += turn; give 1 at turn 6
      assemble("r3 = *(u64 *)(r2 + 0)\nr3 += r1\n*(u64 *)(r2 + 0) = r3\nr0 = 0\nif r1 != 6 goto +1\nr0 = 1\nexit"),
    );
    const helpers: HelperTable = new Map([[181, loop]]);
    expect(runBytecode(bareImage(code), nothing, { executor, helpers })).toBe((6n << 32n) | 21n);
    const notAFunction = "r1 = 1\nr2 = r10\ncall 181\nexit";
    expect(faultOf(() => r0Of(notAFunction, executor, nothing, { helpers })).reason).toBe(
      "the function to call back isn't one of the program's",
    );
    expect(faultOf(() => runBytecode(bareImage(code), nothing, { executor, helpers, budget: 40 }))).toMatchObject({
      kind: "budget",
    });
  });

  describe("tail calls", () => {
    /** Two programs; helper 12 jumps to the second. */
    function machines(first: string, second: string, budget?: number): Machine {
      let target: TailTarget | null = null;
      const tail: HelperFunction = (env) => {
        if (target !== null && env.tailCall(target)) return;
        giveNumber(env, -2);
      };
      const machine = new Machine([assembled(first, "first"), assembled(second, "second")], {
        executor,
        helpers: new Map([[12, tail]]),
        ...(budget !== undefined && { budget }),
      });
      target = machine.program("second");
      return machine;
    }

    test("go to the other program with its own frame, and don't come back", () => {
      const machine = machines(
        "r6 = 5\n*(u64 *)(r10 - 8) = 9\ncall 12\nr0 = 99\nexit",
        "r0 = *(u64 *)(r10 - 8)\nr0 += r6\nr1 = *(u32 *)(r1 + 12)\nr0 += r1\nexit",
      );
      const result = machine.run(nothing, { ingressIfindex: 3, path: true });
      expect(result).toMatchObject({ r0: 3n, verdict: "XDP_TX", steps: 8 });
      expect(result.path).toEqual([
        { program: "first", slots: Uint32Array.of(0, 1, 2) },
        { program: "second", slots: Uint32Array.of(0, 1, 2, 3, 4) },
      ]);
    });

    test("give their result to the caller of the function that made them", () => {
      const machine = machines("call f\nr0 += 1\nexit\nf: call 12\nr0 = 70\nexit", "r0 = 10\nexit");
      const result = machine.run(nothing, { path: true });
      expect(result.r0).toBe(11n);
      expect(result.path?.map(({ program, slots }) => [program, ...slots])).toEqual([
        ["first", 0, 3],
        ["second", 0, 1],
        ["first", 1, 2],
      ]);
    });

    test("work 33 times in a run, the 34th goes on behind the call", () => {
      const again = "r0 = 0\ncall 12\nr0 += 7\nexit";
      const machine = machines(again, again);
      const { r0, steps } = machine.run(nothing);
      expect(r0).toBe(5n);
      expect(steps).toBe(33 * 2 + 4);
      expect(machine.run(nothing).r0).toBe(5n);
    });

    test("a fault is the second program's", () => {
      const machine = machines("r1 = 1\ncall 12\nexit", "r0 = 1\nr0 = *(u8 *)(r2 + 0)\nexit");
      expect(faultOf(() => machine.run(nothing))).toMatchObject({ program: "second", slot: 1, steps: 4 });
    });

    test("a program by its name", () => {
      const machine = machines("r0 = 1\nexit", "r0 = 2\nexit");
      expect(machine.run(nothing, { program: "second" }).r0).toBe(2n);
      expect(machine.program("third")).toBeNull();
      expect(() => machine.run(nothing, { program: "third" })).toThrow("no program third");
    });
  });

  test("a result's parts", () => {
    const redirect: HelperFunction = (env) => {
      env.redirect = { kind: "device", ifindex: argU32(env, 1), flags: 0n };
      env.trace(`to ${argU32(env, 1)}`);
      giveNumber(env, 4);
    };
    const machine = new Machine(assembled("r1 = 9\ncall 23\nexit"), { executor, helpers: new Map([[23, redirect]]) });
    expect(machine.run(Uint8Array.of(5))).toEqual({
      verdict: "XDP_REDIRECT",
      r0: 4n,
      packet: Uint8Array.of(5),
      meta: nothing,
      redirect: { kind: "device", ifindex: 9, flags: 0n },
      trace: ["to 9"],
      steps: 3,
      path: null,
    });
    const passes = new Machine(assembled("r1 = 9\ncall 23\nr0 = 0x100000002 ll\nexit"), {
      executor,
      helpers: new Map([[23, redirect]]),
    });
    expect(passes.run(nothing)).toMatchObject({ verdict: "XDP_PASS", redirect: null, r0: 0x1_0000_0002n });
    expect(new Machine(assembled("r0 = 5\nexit"), { executor }).run(nothing).verdict).toBe("XDP_ABORTED");
  });

  test("a packet that moved leaves its old pointers invalid", () => {
    const push: HelperFunction = (env) => {
      if (env.context === null) return;
      env.context.data -= 2;
      env.context.dataMeta = env.context.data;
      env.packetMoved();
    };
    const helpers: HelperTable = new Map([[44, push]]);
    const start = "r6 = r1\nr7 = *(u32 *)(r1 + 0)\ncall 44\n";
    const again = `${start}r7 = *(u32 *)(r6 + 0)\n*(u16 *)(r7 + 0) = 0x0201\nr0 = *(u8 *)(r7 + 2)\nexit`;
    const machine = new Machine(assembled(again), { executor, helpers });
    expect(machine.run(Uint8Array.of(9, 8))).toMatchObject({ r0: 9n, packet: Uint8Array.of(1, 2, 9, 8) });
    const stale = new Machine(assembled(`${start}r0 = *(u8 *)(r7 + 0)\nexit`), { executor, helpers });
    expect(faultOf(() => stale.run(Uint8Array.of(9, 8)))).toMatchObject({ kind: "badAddress", slot: 3 });
  });

  test("around a packet there are zeros, whatever came before it", () => {
    const widen: HelperFunction = (env) => {
      const { context } = env;
      if (context === null) return;
      context.data -= 100;
      context.dataMeta = context.data;
      context.dataEnd += 100;
      env.packetMoved();
    };
    const machine = new Machine(
      [assembled("call 1\nexit", "widen"), assembled("r2 = *(u32 *)(r1 + 4)\n*(u32 *)(r2 - 4) = -1\nexit", "write")],
      { executor, helpers: new Map([[1, widen]]) },
    );
    const widened = (): Uint8Array => machine.run(Uint8Array.of(5), { program: "widen" }).packet;
    const expected = new Uint8Array(201);
    expected[100] = 5;
    expect(widened()).toEqual(expected);
    machine.run(new Uint8Array(60).fill(7), { program: "write" });
    expect(widened()).toEqual(expected);
    machine.run(new Uint8Array(60).fill(7), { program: "write", meta: new Uint8Array(40).fill(8) });
    expect(widened()).toEqual(expected);
    machine.run(new Uint8Array(60).fill(7), { program: "widen" });
    expect(widened()).toEqual(expected);
    machine.run(new Uint8Array(9000).fill(7), { program: "write" });
    expect(widened()).toEqual(expected);
  });

  test("an observer sees every instruction with the registers before it", () => {
    const seen: string[] = [];
    const machine = new Machine(assembled("r0 = 2\ncall f\nr0 += 1\nexit\nf: r0 = 7\nexit"), { executor });
    const observe = (at: number, depth: number, registers: BigUint64Array): void => {
      seen.push(`${at} ${depth} ${registers[0]}`);
    };
    expect(machine.run(nothing, { observe, path: true }).r0).toBe(8n);
    expect(seen).toEqual(["0 0 0", "1 0 2", "4 1 0", "5 1 7", "2 0 7", "3 0 8"]);
  });

  test("pointers to one value are equal in a run, and a value can be given by a helper", () => {
    const map = new OneValue(oneValueMap(8));
    const lookup: HelperFunction = (env) => {
      giveAddress(env, argMap(env, 1) === map ? map.value : null);
    };
    const wide = joined(slot(0x18, 1, 1, 0, 0), slot(0, 0, 0, 0, 0));
    const code = joined(
      wide,
      assemble("call 1\nr6 = r0"),
      wide,
      assemble("call 1\nif r0 == r6 goto +2\nr0 = 0\nexit\n*(u64 *)(r0 + 0) = 5\nr0 = *(u64 *)(r6 + 0)\nexit"),
    );
    const image = { ...bareImage(code), maps: [oneValueMap(8)] };
    const machine = new Machine(image, { executor, helpers: new Map([[1, lookup]]), createMap: () => map });
    expect(machine.run(nothing).r0).toBe(5n);
    expect(machine.run(nothing).r0).toBe(5n);
    expect(machine.maps.get("values")).toBe(map);
  });

  test("the same seed gives the same numbers", () => {
    const random: HelperTable = new Map([[7, (env) => giveU64(env, BigInt(env.random()))]]);
    const draw = (seed: number): bigint => r0Of("call 7\nexit", executor, nothing, { helpers: random, seed });
    expect(draw(1)).toBe(draw(1));
    expect(draw(1)).not.toBe(draw(2));
  });
});

test("thousands of targets and jumps in all directions", () => {
  const many = Array.from({ length: 3000 }, (_, i) => `if r2 == ${i} goto l${i}`).join("\n");
  const ends = Array.from({ length: 3000 }, (_, i) => `l${i}: r0 = ${i * 3}\nexit`).join("\n");
  const image = assembled(`r2 = *(u16 *)(r1 + 0)\n${many}\nr0 = 1\nexit\n${ends}`);
  for (const executor of executors) {
    const machine = new Machine(image, { executor });
    expect(machine.runOn(Uint8Array.of(0xb7, 0x0b))).toBe(2999n * 3n);
    expect(machine.runOn(Uint8Array.of(0xb8, 0x0b))).toBe(1n);
  }
});

test("both executors give one outcome for runs that end in the middle of a block", () => {
  const image = assembled("r0 = 1\nr2 = *(u32 *)(r1 + 0)\nr3 = *(u8 *)(r2 + 3)\nr4 = 5\nr5 = 6\nexit");
  const [first, second] = executors.map((executor) => outcomeOf(new Machine(image, { executor }), nothing));
  expect(first).toEqual(second);
  expect(first).toMatchObject({ kind: "fault", slot: 2, steps: 3, path: [0, 1, 2] });
});

test("the source of a compiled program holds nothing of the image's texts", () => {
  const hostile = '"+process.exit()+"`';
  const image = { ...assembled("r0 = 1\nexit", hostile), section: hostile, license: hostile };
  expect(runBytecode(image, nothing)).toBe(1n);
});

test("what a caller gets wrong is said", () => {
  const image = assembled("r0 = 1\nexit");
  expect(() => new Machine(image, { budget: 0 })).toThrow(RangeError);
  expect(() => new Machine(image, { budget: 2 ** 31 })).toThrow(RangeError);
  expect(() => new Machine({ ...image, maps: [oneValueMap(4)] })).toThrow(
    "map values: the machine has no way to make maps",
  );
  expect(() => new Machine([]).run(nothing)).toThrow("no program at all");
  expect(() => new Machine(image).run(nothing, { meta: new Uint8Array(256) })).toThrow("256 bytes of metadata");
});

test("which maps images share", () => {
  const made: OneValue[] = [];
  const createMap = (map: Parameters<NonNullable<MachineOptions["createMap"]>>[0]): OneValue => {
    const one = new OneValue(map);
    made.push(one);
    return one;
  };
  const using = (...maps: ReturnType<typeof oneValueMap>[]) => ({ ...assembled("r0 = 1\nexit"), maps });
  const data = { ...oneValueMap(4, ".rodata"), data: nothing };
  const machine = new Machine(
    [
      using(oneValueMap(4, "a"), data),
      using(oneValueMap(4, "a"), data),
      using(oneValueMap(8, "a"), { ...oneValueMap(4, ".rodata"), data: nothing }),
    ],
    { createMap },
  );
  expect(made.map(({ name, value }) => `${name} ${value.bytes.length}`)).toEqual([
    "a 4",
    ".rodata 4",
    "a 8",
    ".rodata 4",
  ]);
  expect(machine.maps.get("a")).toBe(made[0]);
});

test("where code can't be made from text, programs are interpreted", async () => {
  vi.resetModules();
  vi.stubGlobal("Function", () => {
    throw new EvalError("refused by the page's policy");
  });
  try {
    const fresh = await import("../../src/vm/machine.ts");
    const { canCompile } = await import("../../src/vm/compile.ts");
    expect(canCompile()).toBe(false);
    expect(fresh.runBytecode(assembled("r0 = 7\nexit"), nothing, { executor: "compiled" })).toBe(7n);
  } finally {
    vi.unstubAllGlobals();
    vi.resetModules();
  }
});
