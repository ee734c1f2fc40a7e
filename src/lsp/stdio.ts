// The server's process: standard input and output, files of this machine. The only place of the server that knows Node; everything
// else is server.ts's. The same file is the thread that compiles. Built as a bundle of its own, dist/lsp.cjs, which `xdpc lsp --stdio` starts.

import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parentPort, Worker } from "node:worker_threads";
import { createConnection, ProposedFeatures } from "vscode-languageserver/node";
import { packageVersion } from "../cli/package-files.ts";
import { type DeepJob, type DeepResult, runDeep } from "./deep.ts";
import type { DeepRunner } from "./deep-schedule.ts";
import { serve } from "./server.ts";
import { keyOf } from "./uris.ts";
import type { FileAccess } from "./workspace.ts";

/** The largest file that is read, as for the compiler. */
const MOST_BYTES = 16 * 1024 * 1024;
/** Folders that hold no rules of the user's. */
const PASSED_BY: ReadonlySet<string> = new Set(["node_modules", "dist", "build", "target"]);
/** What the thread that compiles may take; a program that needs more has no deep results. */
const MOST_THREAD_MEBIBYTES = 2048;
/** How deep rule files are looked for. */
const MOST_DEPTH = 8;

interface ReadFile {
  readonly stamp: string;
  readonly result: { readonly text: string } | { readonly error: string };
}

/** The files of this machine; texts are kept as long as their files' times and sizes stay. */
function fileAccess(): FileAccess {
  const known = new Map<string, ReadFile>();
  const libraryFolder = [path.join(__dirname, "..", "stdlib"), path.join(__dirname, "stdlib")].find((folder) =>
    statSync(folder, { throwIfNoEntry: false })?.isDirectory(),
  );
  return {
    read(uri) {
      const file = pathOfUri(uri);
      if (file === null) return { error: "is not a file on this machine" };
      try {
        const stats = statSync(file, { bigint: true });
        if (stats.isDirectory()) return { error: "is a directory" };
        if (!stats.isFile()) return { error: "is not a regular file" };
        if (stats.size > MOST_BYTES) return { error: "is over 16 MiB" };
        const stamp = `${stats.mtimeNs} ${stats.ctimeNs} ${stats.size} ${stats.ino}`;
        const before = known.get(file);
        if (before?.stamp === stamp) return before.result;
        const result = decoded(readFileSync(file));
        known.set(file, { stamp, result });
        return result;
      } catch (error) {
        return { error: describe(error) };
      }
    },
    ruleFiles(folder, limit) {
      const root = pathOfUri(folder);
      return root === null ? [] : ruleFilesBelow(root, limit).map((file) => pathToFileURL(file).href);
    },
    libraryUri: (name) =>
      libraryFolder === undefined ? null : pathToFileURL(path.join(libraryFolder, ...name.split("/"))).href,
  };
}

function pathOfUri(uri: string): string | null {
  if (!uri.startsWith("file:")) return null;
  try {
    return fileURLToPath(uri);
  } catch {
    const key = keyOf(uri);
    return key.startsWith("file:///") ? key.slice("file://".length) : null;
  }
}

function decoded(bytes: Uint8Array): ReadFile["result"] {
  try {
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    return { error: "is not UTF-8" };
  }
}

function describe(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  if (code === "ENOENT" || code === "ENOTDIR") return "no such file or directory";
  if (code === "EACCES" || code === "EPERM") return "permission denied";
  return typeof code === "string" ? code : String(error);
}

/** Breadth first, so that what is near comes before what is deep. */
function ruleFilesBelow(root: string, limit: number): string[] {
  const found: string[] = [];
  let folders = [root];
  for (let depth = 0; depth < MOST_DEPTH && folders.length > 0 && found.length < limit; depth++) {
    const next: string[] = [];
    for (const folder of folders) {
      let entries: ReturnType<typeof list>;
      try {
        entries = list(folder);
      } catch {
        continue;
      }
      for (const entry of entries) {
        const file = path.join(folder, entry.name);
        if (entry.isFile() && entry.name.endsWith(".xdp") && found.length < limit) found.push(file);
        else if (entry.isDirectory() && !entry.name.startsWith(".") && !PASSED_BY.has(entry.name)) next.push(file);
      }
    }
    folders = next.slice(0, limit);
  }
  return found;
}

function list(folder: string): { readonly name: string; isFile(): boolean; isDirectory(): boolean }[] {
  return readdirSync(folder, { withFileTypes: true });
}

/** Runs jobs in a thread, which is ended with the job that isn't wanted any more; a thread without a job waits for the next. */
function threadRunner(): DeepRunner {
  let idle: Worker | null = null;
  const start = (): Worker => {
    const worker = new Worker(__filename, {
      // What it writes would be taken for the protocol's.
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: MOST_THREAD_MEBIBYTES },
    });
    worker.unref();
    // Without a listener an error would end the process; one who waits for a job has a listener of its own.
    worker.on("error", () => {});
    worker.on("exit", () => {
      if (idle === worker) idle = null;
    });
    return worker;
  };
  return {
    run(job, done) {
      const worker = idle ?? start();
      idle = null;
      let over = false;
      const finish = (result: DeepResult | null): void => {
        if (over) return;
        over = true;
        if (result !== null) idle = worker;
        worker.removeListener("message", finish);
        worker.removeListener("exit", gone);
        done(result);
      };
      const gone = (): void => finish(null);
      worker.on("message", finish);
      worker.on("exit", gone);
      worker.postMessage(job);
      return () => {
        over = true;
        void worker.terminate();
      };
    },
  };
}

function main(): void {
  // `xdpc lsp --stdio` as bin/xdpc passes it on; what an editor's library adds of its own is known to the connection.
  const unknown = process.argv
    .slice(2)
    .filter((word) => !/^(?:lsp|--stdio|--clientProcessId(?:=\d+)?|\d+)$/.test(word));
  if (unknown.length > 0) {
    process.stderr.write(`xdpc: xdpc lsp doesn't know ${unknown.join(" ")}; see xdpc lsp --help\n`);
    process.exit(2);
  }
  // What nobody caught is a fault of ours; the editor needn't lose its server over it.
  process.on("uncaughtException", (error) => process.stderr.write(`xdpc lsp: ${error.stack ?? error.message}\n`));
  serve(createConnection(ProposedFeatures.all, process.stdin, process.stdout), {
    files: fileAccess(),
    version: packageVersion,
    runner: threadRunner(),
  });
}

if (parentPort === null) main();
else parentPort.on("message", (job: DeepJob) => parentPort?.postMessage(runDeep(job)));
