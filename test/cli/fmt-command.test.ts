// `xdpc fmt` as users run it: what is printed, what is replaced and how, with which exit code.

import { chmodSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { runHere, scratchFolder } from "./support.ts";

const folder = scratchFolder();
const UNTIDY = "if a&&b then  drop # why\n";
const TIDY = "if a and b then drop  # why\n";
const FAULTY = "if a thne drop\n";

function fileOf(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

test("prints, of files and of standard input", () => {
  const file = fileOf("print.xdp", UNTIDY);
  expect(runHere(["fmt", file, "-"], { stdin: "pass" })).toMatchObject({
    code: 0,
    stdout: `${TIDY}pass\n`,
    stderr: "",
  });
  expect(readFileSync(file, "utf8")).toBe(UNTIDY);
});

test("--check lists what would change", () => {
  const [untidy, tidy] = [fileOf("untidy.xdp", UNTIDY), fileOf("tidy.xdp", TIDY)];
  expect(runHere(["fmt", "--check", untidy, tidy])).toMatchObject({ code: 1, stdout: `${untidy}\n`, stderr: "" });
  expect(runHere(["fmt", "--check", tidy])).toMatchObject({ code: 0, stdout: "" });
  expect(readFileSync(untidy, "utf8")).toBe(UNTIDY);
});

test("--write replaces what changes, keeps permissions and links, leaves nothing beside", () => {
  const [untidy, tidy] = [fileOf("w.xdp", UNTIDY), fileOf("t.xdp", TIDY)];
  const link = path.join(folder, "link.xdp");
  symlinkSync("w.xdp", link);
  chmodSync(untidy, 0o640);
  const [beside, before] = [readdirSync(folder), statSync(tidy)];
  expect(runHere(["fmt", "--write", link, tidy])).toMatchObject({ code: 0, stdout: "", stderr: "" });
  expect(readFileSync(untidy, "utf8")).toBe(TIDY);
  expect(statSync(untidy).mode & 0o777).toBe(0o640);
  expect([statSync(tidy).ino, statSync(tidy).mtimeMs]).toEqual([before.ino, before.mtimeMs]);
  expect(readdirSync(folder)).toEqual(beside);
});

test("a faulty file stays as it is, its neighbours are formatted", () => {
  const [faulty, untidy] = [fileOf("f.xdp", FAULTY), fileOf("n.xdp", UNTIDY)];
  const { code, stderr } = runHere(["fmt", "--write", faulty, untidy]);
  expect([code, readFileSync(faulty, "utf8"), readFileSync(untidy, "utf8")]).toEqual([1, FAULTY, TIDY]);
  expect(stderr).toContain("X0125");
  expect(JSON.parse(runHere(["fmt", "--json", faulty]).stderr)).toMatchObject({ type: "diagnostic", code: "X0125" });
});

test("text that isn't UTF-8 stays as it is", () => {
  const file = path.join(folder, "latin.xdp");
  writeFileSync(file, Buffer.from("# gr\xfc\xdfe\npass\n", "latin1"));
  expect(runHere(["fmt", "--write", file]).stderr).toContain("X0091");
  expect(readFileSync(file).toString("latin1")).toBe("# gr\xfc\xdfe\npass\n");
});

test.each([
  [["fmt"], "missing required argument"],
  [["fmt", "--write", "--check", "x"], "cannot be used with"],
  [["fmt", "--write", "-"], "--write can't replace standard input"],
  [["fmt", "none.xdp"], "can't read none.xdp: no such file or directory"],
  [["--emit", "asm", "fmt", "x"], "--emit means nothing to xdpc fmt"],
])("%j is refused", (words, message) => {
  const { code, stderr } = runHere(words);
  expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
});
