// Builds what the package ships, into dist/: xdpc.cjs (the command line, one file with everything in it), index.js and
// types/ (the API), the notices of what is bundled, and a start-up snapshot for the Node that runs this. Plain JavaScript, because
// Node 20 doesn't run TypeScript. The library's texts and the version go into the bundles, so nothing generated is kept in the tree.

import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { thirdPartyNotices } from "./notices.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const DIST = path.join(ROOT, "dist");
/** Everything is made here and then takes the place of dist/ at once, so that a compiler started meanwhile finds a whole one. */
const FRESH = path.join(ROOT, `dist-${process.pid}`);
const MANIFEST = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8"));

/** Puts the version and the library's texts in the place of src/cli/package-files.ts. */
const packageFiles = {
  name: "package-files",
  setup(builder) {
    builder.onLoad({ filter: /[\\/]src[\\/]cli[\\/]package-files\.ts$/ }, () => {
      const folder = path.join(ROOT, "stdlib");
      const names = readdirSync(folder)
        .filter((name) => name.endsWith(".xdp"))
        .sort();
      const texts = names.map((name) => [name, readFileSync(path.join(folder, name), "utf8")]);
      return {
        contents: [
          `export const packageVersion = ${JSON.stringify(MANIFEST.version)};`,
          `export const libraryTexts = new Map(${JSON.stringify(texts)});`,
        ].join("\n"),
        loader: "js",
      };
    });
  },
};

/** Commander can start other programs; we don't, and the module isn't made for start-up snapshots. */
const noChildProcess = {
  name: "no-child-process",
  setup(builder) {
    builder.onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
      importer.includes(`${path.sep}commander${path.sep}`) ? { path: "none", namespace: "empty" } : undefined,
    );
    builder.onLoad({ filter: /.*/, namespace: "empty" }, () => ({ contents: "module.exports = {};", loader: "js" }));
  },
};

const COMMON = {
  absWorkingDir: ROOT,
  bundle: true,
  // Public fields become assignments in constructors. V8 11 resolves the names in a strict class's field initialisers wrongly when
  // the class comes from a start-up snapshot (`class C { a = new D() }`: "D is not a constructor").
  tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } },
  target: "node20.19",
  // Escapes in place of letters beyond ASCII: one such letter would double the source text in the snapshot.
  charset: "ascii",
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
  plugins: [packageFiles, noChildProcess],
};

/**
 * Commands with a bundle of their own, which bin/xdpc starts plainly: what only they need isn't in every start's file, and they may load what a
 * start-up snapshot can't hold. koffi, a native module and an optional package, is loaded when such a command runs.
 */
const OWN_BUNDLES = {
  "device.cjs": "src/cli/device-main.ts",
  "lsp.cjs": "src/lsp/stdio.ts",
};

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: ROOT, stdio: "inherit" });
  if (status !== 0) throw new Error(`${path.basename(command)} ${args.join(" ")} failed`);
}

async function bundles() {
  const cli = await build({
    ...COMMON,
    entryPoints: ["src/cli/main.ts"],
    outfile: path.join(FRESH, "xdpc.cjs"),
    platform: "node",
    format: "cjs",
    minifySyntax: true,
    minifyWhitespace: true,
  });
  const own = [];
  for (const [file, entry] of Object.entries(OWN_BUNDLES)) {
    own.push(
      await build({
        ...COMMON,
        entryPoints: [entry],
        outfile: path.join(FRESH, file),
        platform: "node",
        format: "cjs",
        external: ["koffi"],
        minifySyntax: true,
        minifyWhitespace: true,
      }),
    );
  }
  const api = await build({
    ...COMMON,
    entryPoints: ["src/index.ts"],
    outfile: path.join(FRESH, "index.js"),
    platform: "neutral",
    mainFields: ["module", "main"],
    format: "esm",
  });
  writeFileSync(
    path.join(FRESH, "THIRD-PARTY-NOTICES.txt"),
    thirdPartyNotices(
      ROOT,
      [cli, ...own, api].map((b) => b.metafile),
    ),
  );
  // The snapshot's settings. With the code cache (the default) functions needn't be compiled again: larger, but less work in all.
  writeFileSync(path.join(FRESH, "snapshot.json"), '{ "builder": "xdpc.cjs" }\n');
}

// Declarations of what index.d.ts leads to, not of the compiler's inside. Their imports end in `.ts` as in the sources; a
// consumer's compiler wants what will be there.
function types() {
  const folder = path.join(FRESH, "types");
  const compiler = path.join(ROOT, "node_modules/typescript/bin/tsc");
  run(process.execPath, [compiler, "-p", "scripts/tsconfig.types.json", "--outDir", folder]);
  const reached = new Set();
  const visit = (file) => {
    if (reached.has(file)) return;
    reached.add(file);
    const text = readFileSync(file, "utf8");
    const imports = /((?:from|import\()\s*")(\.{1,2}\/[^"]*)\.ts"/g;
    writeFileSync(file, text.replace(imports, '$1$2.js"'));
    for (const [, , target] of text.matchAll(imports)) visit(path.join(path.dirname(file), `${target}.d.ts`));
  };
  visit(path.join(folder, "index.d.ts"));
  for (const entry of readdirSync(folder, { recursive: true })) {
    const file = path.join(folder, entry);
    if (entry.endsWith(".d.ts") && !reached.has(file)) rmSync(file);
  }
}

function snapshot() {
  // As a first start would make it; XDPC_NO_SNAPSHOT leaves it out (packing, where it would be for the wrong machine).
  const { status } = spawnSync(path.join(ROOT, "bin/xdpc"), ["--version"], { cwd: ROOT, stdio: "ignore" });
  if (status !== 0 && process.platform !== "win32") throw new Error("the built compiler doesn't start");
}

try {
  mkdirSync(FRESH);
  await bundles();
  types();
  rmSync(DIST, { recursive: true, force: true });
  renameSync(FRESH, DIST);
} finally {
  rmSync(FRESH, { recursive: true, force: true });
}
chmodSync(path.join(ROOT, "bin/xdpc"), 0o755);
snapshot();
