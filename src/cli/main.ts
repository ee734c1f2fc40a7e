// Where the program starts, in one of three ways: from the bundle or the sources (a plain run), from a start-up snapshot (a run
// whose modules are loaded and compiled already), or to make such a snapshot. docs/startup.md has the reasons and the figures.

import { setFlagsFromString, startupSnapshot } from "node:v8";
import { run } from "./run.ts";
import { makeWantedSnapshot } from "./snapshot.ts";
import { processSystem } from "./system.ts";
import { warmUp } from "./warm-up.ts";

// V8 optimises a function after some 0.1 ms of running it, with what little it has seen. A compiler runs each of its functions on ever new
// shapes for a while: what is optimised that early is thrown away and made again, which costs more than it brings (docs/startup.md).
const PATIENCE = "--interrupt-budget=2000000";

function main(): number {
  setFlagsFromString(PATIENCE);
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
