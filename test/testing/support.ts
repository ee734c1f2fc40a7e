// What the tests of tests share: packets and tests from texts of the language.

import type { CompileModel } from "../../src/compile.ts";
import type { HTest } from "../../src/ir/hir-test.ts";
import { makePacket } from "../../src/testing/make-packet.ts";
import { compileText, describeDiagnostics } from "../support/compile.ts";

/** The model of a text that must compile. */
export function modelOf(text: string): CompileModel {
  const result = compileText(text);
  if (result.output === null) throw new Error(`doesn't compile:\n${describeDiagnostics(result)}\n${text}`);
  return result.output.model;
}

/** The only test of a text. */
export function testOf(text: string): HTest {
  const [test] = modelOf(text).tests;
  if (test === undefined) throw new Error("no test");
  return test;
}

/** The packet written in the language (`eth / ip / tcp`); `declarations` are headers it uses. */
export function frameOf(written: string, declarations = ""): Uint8Array {
  const [step] = testOf(`${declarations}\npass\ntest "t" { packet ${written}\n expect pass }`).steps;
  if (step?.kind !== "packet") throw new Error("no packet");
  return makePacket(step.layers);
}

/** Bytes as hex digits. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** Codes and messages of what is said about a text. */
export function said(text: string): string[] {
  return compileText(text).diagnostics.map((d) => `${d.code} ${d.message}`);
}
