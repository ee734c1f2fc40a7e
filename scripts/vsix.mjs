// Packs the VS Code extension into one file: `node scripts/vsix.mjs [FOLDER]` writes FOLDER/xdpc-vscode-VERSION.vsix (here unless told) and
// prints its path. Needs what `npm run build` makes. Everything is bundled, so the extension has no dependencies; the server and the
// library lie in it as they do in the npm package. The same sources give the same bytes.

import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { createVSIX } from "@vscode/vsce";
import { build } from "esbuild";
import { thirdPartyNotices } from "./notices.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const EXTENSION = path.join(ROOT, "editors/vscode");
const DIST = path.join(ROOT, "dist");
/** What goes into the package as it stands, from → to. */
const COPIES = [
  ["editors/vscode/README.md", "README.md"],
  ["editors/vscode/language-configuration.json", "language-configuration.json"],
  ["editors/vscode/syntaxes", "syntaxes"],
  ["dist/lsp.cjs", "dist/lsp.cjs"],
  ["stdlib", "stdlib"],
  ["LICENSE", "LICENSE.txt"],
];

const read = (file) => readFileSync(file, "utf8");

/** The manifest as the extension carries it: with the project's version and without what only the sources need. */
function manifest() {
  const { type: _type, private: _private, ...kept } = JSON.parse(read(path.join(EXTENSION, "package.json")));
  return { ...kept, version: JSON.parse(read(path.join(ROOT, "package.json"))).version };
}

async function client(outfile) {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ["editors/vscode/src/extension.ts"],
    outfile,
    bundle: true,
    external: ["vscode"],
    platform: "node",
    format: "cjs",
    // The Node of the oldest VS Code that the manifest names.
    target: "node20.9",
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    metafile: true,
    logLevel: "warning",
  });
  return metafile;
}

/** The same permissions whatever the umask was, since they are written into the package. */
function settle(place) {
  const isFolder = statSync(place).isDirectory();
  chmodSync(place, isFolder ? 0o755 : 0o644);
  if (isFolder) for (const name of readdirSync(place)) settle(path.join(place, name));
}

async function pack(outFolder) {
  if (!existsSync(path.join(DIST, "lsp.cjs"))) throw new Error("dist/lsp.cjs is missing: npm run build");
  const stage = mkdtempSync(path.join(tmpdir(), "xdpc-vsix-"));
  try {
    for (const [from, to] of COPIES) cpSync(path.join(ROOT, from), path.join(stage, to), { recursive: true });
    const metafile = await client(path.join(stage, "dist/extension.cjs"));
    const notices = [read(path.join(DIST, "THIRD-PARTY-NOTICES.txt")), thirdPartyNotices(ROOT, [metafile])];
    writeFileSync(path.join(stage, "THIRD-PARTY-NOTICES.txt"), notices.join(`\n${"=".repeat(78)}\n\n`));
    const written = manifest();
    writeFileSync(path.join(stage, "package.json"), `${JSON.stringify(written, null, 2)}\n`);
    // All that is here belongs in.
    writeFileSync(path.join(stage, ".vscodeignore"), "");
    settle(stage);
    mkdirSync(outFolder, { recursive: true });
    const packagePath = path.join(outFolder, `${written.name}-${written.version}.vsix`);
    // Times in the package are those of the zip format's first day, unless told; it writes them in local time.
    process.env.SOURCE_DATE_EPOCH ??= "315532800";
    process.env.TZ = "UTC";
    await createVSIX({ cwd: stage, packagePath, dependencies: false, allowMissingRepository: true });
    return packagePath;
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

console.log(await pack(path.resolve(process.argv[2] ?? ".")));
