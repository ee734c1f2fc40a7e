// The machine against the kernel: random programs that the verifier accepts run in both, compiled by the kernel's JIT there and
// by both executors here, with several packets and map contents each; r0, the packet, the map and with it all registers must be
// equal. FC_RUNS sets the number of comparisons, FC_SEED the first program; a difference leaves a file and how to repeat it.

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { disassemble } from "../../src/bpf/disasm.ts";
import type { ProgramImage } from "../../src/bpf/image.ts";
import type { MachineOptions } from "../../src/vm/machine.ts";
import { Machine } from "../../src/vm/machine.ts";
import { bareImage } from "../../src/vm/program.ts";
import type { KernelMap, KernelProgram } from "../support/bpf.ts";
import { createMap, LoadError, loadProgram } from "../support/bpf.ts";
import { closeAll } from "../support/native.ts";
import { Random } from "../support/random.ts";
import { describeWith, kernelProblem } from "../support/requirements.ts";
import type { RandomProgram } from "./random-program.ts";
import { interestingBytes, randomProgram, valueBytes } from "./random-program.ts";
import { OneValue, oneValueMap } from "./support.ts";

const inputsEach = 10;
const { FC_RUNS, FC_SEED } = process.env;
const comparisons = FC_RUNS === undefined ? 2000 : Number(FC_RUNS);
const firstSeed = FC_SEED === undefined ? 1 : Number(FC_SEED);

/** What a run leaves behind, as text: equal texts are equal runs. */
function left(r0: number, packet: Uint8Array, value: Uint8Array): string {
  return `r0 ${r0.toString(16)}\npacket ${hex(packet)}\nvalue ${hex(value)}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex").replace(/.{16}/g, "$& ");
}

/** The program's bytes with a handle of the map in its wide loads. */
function withMap({ code, mapSlots }: RandomProgram, handle: number): Uint8Array {
  const bytes = code.slice();
  const view = new DataView(bytes.buffer);
  for (const slot of mapSlots) view.setInt32(8 * slot + 4, handle, true);
  return bytes;
}

/** The program in a machine; gives what each input leaves behind. */
function machineRunner(image: ProgramImage, options: MachineOptions) {
  const map = new OneValue(oneValueMap(valueBytes));
  const machine = new Machine(image, { ...options, createMap: () => map });
  return (packet: Uint8Array, value: Uint8Array): string => {
    map.value.bytes.set(value);
    const { r0, packet: after } = machine.run(packet, { ingressIfindex: 1 });
    return left(Number(r0 & 0xffff_ffffn), after, map.value.bytes);
  };
}

function kernelRunner(program: KernelProgram, map: KernelMap) {
  const key = new Uint8Array(4);
  return (packet: Uint8Array, value: Uint8Array): string => {
    map.update(key, value);
    const { returnValue, data } = program.run(packet);
    return left(returnValue, data, map.lookup(key) ?? new Uint8Array(0));
  };
}

describeWith("the machine and the kernel's JIT", [kernelProblem()], () => {
  afterAll(closeAll);

  test(`agree on ${comparisons} random programs × inputs`, { timeout: 24 * 3600_000 }, () => {
    const map = createMap({ type: "array", name: "values", keySize: 4, valueSize: valueBytes, maxEntries: 1 });
    const differences: string[] = [];
    let loaded = 0;
    let refused = 0;
    for (let seed = firstSeed; loaded * inputsEach < comparisons; seed++) {
      const random = new Random(seed);
      const program = randomProgram(random, 5 + random.below(40));
      let kernel: KernelProgram;
      try {
        kernel = loadProgram({ insns: withMap(program, map.fd) });
      } catch (error) {
        if (!(error instanceof LoadError)) throw error;
        refused++;
        if (process.env.VM_SHOW_REFUSED !== undefined) process.stderr.write(`${seed}: ${error.log.slice(-600)}\n`);
        if (refused > 20 + loaded)
          throw new Error(`the kernel refuses most programs, such as seed ${seed}:\n${error.log}`);
        continue;
      }
      loaded++;
      const image = { ...bareImage(withMap(program, 0), `seed ${seed}`), maps: [oneValueMap(valueBytes)] };
      const inKernel = kernelRunner(kernel, map);
      const inMachine = [
        ["interpreter", machineRunner(image, { executor: "interpreter" })],
        ["compiled", machineRunner(image, {})],
        ["compiled in pieces", machineRunner(image, { piece: 1 + (seed % 50) })],
      ] as const;
      for (let i = 0; i < inputsEach; i++) {
        const packet = interestingBytes(random, 64 + random.below(40));
        const value = interestingBytes(random, valueBytes);
        const expected = inKernel(packet, value);
        for (const [executor, run] of inMachine) {
          const got = run(packet, value);
          if (got !== expected)
            differences.push(
              `seed ${seed}, input ${i}, ${executor}\npacket ${hex(packet)}\nvalue ${hex(value)}\n\nkernel:\n${expected}\n\nmachine:\n${got}\n\n${disassemble({ bytes: image.code }).text}`,
            );
        }
      }
      kernel.close();
      if (differences.length > 0) break;
    }
    map.close();
    process.stderr.write(
      `kernel and machine: ${loaded * inputsEach} comparisons, ${loaded} programs, ${refused} refused\n`,
    );
    if (differences.length > 0) {
      const file = join(mkdtempSync(join(tmpdir(), "xdpc-vm-")), "difference.txt");
      writeFileSync(file, differences.join("\n\n"));
      const seed = /^seed (\d+)/.exec(differences[0] ?? "")?.[1];
      expect.fail(`${file} (FC_SEED=${seed} FC_RUNS=10 repeats it):\n${differences[0]}`);
    }
  });
});
