// Where the commands on devices start: a bundle of its own (dist/device.cjs), which bin/xdpc runs for them, without the start-up snapshot. It alone
// loads koffi, and it may wait for things.

import { runDevice } from "./device-run.ts";
import { processSystem } from "./system.ts";

// Everything is written synchronously: nothing is lost when the process ends here.
runDevice(process.argv.slice(2), processSystem()).then((code) => process.exit(code));
