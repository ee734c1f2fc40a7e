// Where the program starts, in one of three ways: from the bundle or the sources (a plain run), from a start-up snapshot (a run
// whose modules are loaded and compiled already), or to make such a snapshot. docs/startup.md has the reasons and the figures.

import { startupSnapshot } from "node:v8";
import { run } from "./run.ts";
import { makeWantedSnapshot } from "./snapshot.ts";
import { processSystem } from "./system.ts";
import { warmUp } from "./warm-up.ts";

function main(): number {
  return run(process.argv.slice(2), processSystem());
}

// Everything is written synchronously, so process.exit loses nothing; it saves the orderly end of an event loop never used.
if (startupSnapshot.isBuildingSnapshot()) {
  warmUp();
  startupSnapshot.setDeserializeMainFunction(() => process.exit(main()));
} else {
  const code = main();
  makeWantedSnapshot(process.env);
  process.exit(code);
}
