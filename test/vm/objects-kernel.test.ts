// Objects of clang's in the machine and in the kernel: callbacks (bpf_loop, bpf_for_each_map_elem), spin locks, tail calls up to their
// limit, pointers to entries that are gone, ring buffers, formatted text. The packet chooses; what each program leaves in its globals
// must be equal.

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { loadObject } from "../../src/load-object.ts";
import { compileC, Scratch } from "../elfwriter/tools.ts";
import { loadObject as loadWithLibbpf } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { describeWith, kernelProblem, toolProblem } from "../support/requirements.ts";
import { helpersC } from "./programs.c.ts";

const seed = process.env.FC_SEED === undefined ? {} : { seed: Number(process.env.FC_SEED) };
const runs = (count: number) => ({ numRuns: Math.ceil((count * Number(process.env.FC_RUNS ?? 100)) / 100), ...seed });
const scratch = new Scratch();
afterAll(() => {
  closeAll();
  scratch.remove();
});

/** Values of `out` as text, with what can't be equal left out. */
function results(out: Uint8Array, text: boolean): string[] {
  if (text) return [JSON.stringify(Buffer.from(out).toString("latin1"))];
  const view = new DataView(out.buffer, out.byteOffset, out.length);
  return Array.from({ length: out.length / 8 }, (_, i) => `${i}: ${view.getBigInt64(i * 8, true)}`);
}

describeWith("clang's objects", [kernelProblem(), toolProblem("clang-19")], () => {
  const path = compileC(scratch, "clang-19", "helpers", helpersC);
  const bytes = readFileSync(path);
  const names = ["loops", "walks", "stale", "locks", "tails", "rings", "texts"];

  const cases = names.flatMap((name) =>
    (["compiled", "interpreter"] as const).map((executor) => [name, executor] as const),
  );
  test.each(cases)("%s, %s", (name, executor) => {
    const theirs = loadWithLibbpf(path);
    const ours = loadObject(bytes, { executor, cpus: 2 });
    const fd = new Uint8Array(new Uint32Array([theirs.program("again").fd]).buffer);
    theirs.map("stages").update(new Uint8Array([1, 0, 0, 0]), fd);
    ours.map("stages").set(1, "again");
    // What one run leaves in the maps, the next one finds, on both sides.
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 14, maxLength: 14 }), fc.boolean(), (packet, loopBack) => {
        const first = new Uint8Array(4);
        if (loopBack) theirs.map("stages").update(first, fd);
        else theirs.map("stages").delete(first);
        if (loopBack) ours.map("stages").set(first, "again");
        else ours.map("stages").delete(first);
        const kernel = theirs.program(name).run(packet);
        const our = ours.run(packet, { program: name, ingressIfindex: 1 });
        expect(our.r0 & 0xffffffffn).toBe(BigInt(kernel.returnValue));
        expect(our.packet).toEqual(kernel.data);
        const flat = new Uint8Array(new BigUint64Array(ours.getGlobal("out") as bigint[]).buffer);
        expect(results(flat, name === "texts")).toEqual(results(theirs.readGlobal("out"), name === "texts"));
      }),
      runs(name === "loops" ? 10 : 40),
    );
    theirs.close();
  });
});
