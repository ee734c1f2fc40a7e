// The runs by which a start-up snapshot is warmed up must do what they are there for: a sample that fails early would leave the
// compiler's functions cold, and nobody would notice but the clock.

import { expect, test } from "vitest";
import { warmUp } from "../../src/cli/warm-up.ts";

test("every sample ends as it should", () => {
  for (const { expected, code } of warmUp()) expect(code).toBe(expected);
});

test("nothing is left behind on Array.prototype", () => {
  const before = Object.getOwnPropertyNames(Array.prototype);
  warmUp();
  expect(Object.getOwnPropertyNames(Array.prototype)).toEqual(before);
});
