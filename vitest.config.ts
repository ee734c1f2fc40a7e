// How the tests run: each file in a process of its own (kernel tests change the thread's network namespace and hold
// descriptors), two at a time, with room for a slow machine. Property tests print their seed when they fail (FC_SEED repeats it).

import { defineConfig } from "vitest/config";

const reportFile = process.env.XDPC_TEST_REPORT;

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    // Golden files and snapshots are never written on CI.
    update: false,
    // A file to write the results to, for .ci/run; what is printed stays the same.
    reporters: reportFile === undefined ? ["default"] : ["default", ["json", { outputFile: reportFile }]],
    globalSetup: ["test/support/global-setup.ts"],
  },
});
