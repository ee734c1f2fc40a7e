// Making the start-up snapshot. bin/xdpc looks for one that belongs to the Node binary it is going to start, under a name made of that
// binary's time and size; when there is none it says which file it wanted, and the plain run makes it after its work. A
// folder that can't be written to is no fault: the compiler then starts plainly each time.

import { closeSync, mkdirSync, openSync, renameSync, statSync, unlinkSync } from "node:fs";
import path from "node:path";

/** The environment variable in which bin/xdpc names the snapshot that it looked for and didn't find. */
const WANTED = "XDPC_SNAPSHOT_WANTED";

/** Longer than the making of a snapshot takes; an older unfinished file was left behind by a process that was killed. */
const STALE_MILLISECONDS = 60_000;

/** Makes the snapshot that bin/xdpc asked for, if it did; never throws and says nothing. */
export function makeWantedSnapshot(env: Readonly<Record<string, string | undefined>>): void {
  const wanted = env[WANTED];
  if (wanted === undefined || wanted === "") return;
  try {
    // `node` on the path may be a script that starts one of several versions: then the name doesn't fit this binary, and a
    // snapshot under it would be refused by another one.
    if (path.basename(wanted) === snapshotName(statSync(process.execPath)))
      makeSnapshot(path.dirname(path.dirname(wanted)));
  } catch {
    // A snapshot only saves time.
  }
}

/**
 * The file name of the snapshot for the Node binary that runs this, whose file has this time and size; bin/xdpc makes the same
 * name with stat(1). Where all files have one time long ago (before 2001), as some package managers have it, the version stands
 * in the time's place.
 */
export function snapshotName({ mtimeMs, size }: { readonly mtimeMs: number; readonly size: number }): string {
  const seconds = Math.floor(mtimeMs / 1000);
  return `${seconds < 1_000_000_000 ? process.version : seconds}-${size}.blob`;
}

/**
 * Makes the snapshot of `dist`/xdpc.cjs for the Node binary that runs this, at `dist`/snapshot/NAME. Where Node can't make one
 * an empty file stands in its place, so that it isn't tried at every start. Of several processes only one works. Returns whether there
 * is a usable snapshot now.
 */
export function makeSnapshot(dist: string): boolean {
  const folder = path.join(dist, "snapshot");
  const place = path.join(folder, snapshotName(statSync(process.execPath)));
  const unfinished = `${place}.tmp`;
  mkdirSync(folder, { recursive: true });
  removeIfStale(unfinished);
  closeSync(openSync(unfinished, "wx"));
  try {
    const made = builds(dist, unfinished) && starts(unfinished);
    if (!made) closeSync(openSync(unfinished, "w"));
    renameSync(unfinished, place);
    return made;
  } catch (error) {
    unlinkSync(unfinished);
    throw error;
  }
}

function builds(dist: string, blob: string): boolean {
  // The builder's path in the settings is relative to the working directory.
  return runNode(["--snapshot-blob", path.resolve(blob), "--build-snapshot-config", "snapshot.json"], dist);
}

/** Whether Node starts from the snapshot: a full disk, or a version with a fault of its own, may have left one that crashes. */
function starts(blob: string): boolean {
  return runNode(["--snapshot-blob", path.resolve(blob), "xdpc", "--version"], path.dirname(blob));
}

function runNode(words: readonly string[], cwd: string): boolean {
  // Not imported at the top: a snapshot, which never makes another one, would have to hold the module.
  const { spawnSync } = process.getBuiltinModule("node:child_process");
  return (
    spawnSync(process.execPath, words, { cwd, stdio: "ignore", env: { ...process.env, NODE_OPTIONS: "" } }).status === 0
  );
}

function removeIfStale(file: string): void {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats !== undefined && Date.now() - stats.mtimeMs > STALE_MILLISECONDS) unlinkSync(file);
}
