// Runs once before and after all tests: says which random seed the generated packets of this run come from, so that a failure can
// be repeated, and keeps the temporary files of all test processes in one folder that goes at the end whatever became of them.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { corpusSeed } from "./random.ts";

/** Called by vitest before the first test file; what it returns is called after the last. */
export function setup(): () => void {
  process.stdout.write(`packet corpus seed ${corpusSeed} (XDPC_SEED=${corpusSeed} repeats it)\n`);
  const folder = mkdtempSync(join(tmpdir(), "xdpc-tests-"));
  process.env.XDPC_TEST_TMP = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
