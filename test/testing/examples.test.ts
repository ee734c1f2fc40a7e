// Every example has `test` blocks, and they pass: what `xdpc test examples/NAME.xdp` says.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runTest } from "../../src/testing/run-test.ts";
import { type Compiled, imagesOf } from "../../src/testing/session.ts";
import { projectFolder } from "../support/cli.ts";
import { compileText, describeDiagnostics } from "../support/compile.ts";

const folder = join(projectFolder, "examples");
const examples = readdirSync(folder).filter((name) => name.endsWith(".xdp"));

test.each(examples)("%s", (name) => {
  const text = readFileSync(join(folder, name), "utf8");
  const compiled = (probes: boolean): Compiled => {
    const result = compileText(text, { path: name, probes });
    if (result.output === null) throw new Error(describeDiagnostics(result));
    const said = result.diagnostics.filter((d) => d.code !== "X0707");
    expect(said, `an example has no warnings:\n${describeDiagnostics(result)}`).toEqual([]);
    // What leaves by a device may be for a veth; what goes to a socket or a CPU isn't.
    const told = result.diagnostics.length === 1;
    const rules = text.replace(/\ntest [\s\S]*$/, "");
    expect(told).toBe(/^\s*[^#\n]*\b(forward|flood|redirect dev)\b/m.test(rules));
    return { images: imagesOf(result.output.object), model: result.output.model };
  };
  const program = compiled(false);
  expect(program.model.tests.length).toBeGreaterThan(0);
  for (const each of program.model.tests) {
    const { failure } = runTest(each, program, () => compiled(true));
    expect(failure, JSON.stringify(failure?.details)).toBeNull();
  }
});
