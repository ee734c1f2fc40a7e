// "Did you mean …?" finds slips of the finger and keeps quiet about strangers.

import { describe, expect, it } from "vitest";
import { nearest } from "../../src/base/suggest.ts";

describe("nearest", () => {
  const words = ["drop", "pass", "then", "redirect", "count", "else"];
  it.each([
    ["dorp", "drop"],
    ["thne", "then"],
    ["redirct", "redirect"],
    ["redierct", "redirect"],
    ["PASS", "pass"],
    ["esle", "else"],
    ["counter", "count"],
    ["frobnicate", null],
    ["x", null],
    ["", null],
  ])("%s: %s", (word, expected) => {
    expect(nearest(word, words)).toBe(expected);
  });
});
