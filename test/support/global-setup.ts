// Runs once before all tests: says which random seed the generated packets and programs of this run come from, so that a
// failure can be repeated. Knows nothing of the compiler.

import { corpusSeed } from "./random.ts";

/** Prints the seed; called by vitest. */
export function setup(): void {
  process.stdout.write(`packet corpus seed ${corpusSeed} (XDPC_SEED=${corpusSeed} repeats it)\n`);
}
