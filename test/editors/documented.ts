// What docs/editors.md tells people to write into their editors' settings, for tests that run it as it stands; and a folder with a
// command `xdpc` that such settings can start.

import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import path from "node:path";
import { builtBin, projectRoot } from "../cli/build.ts";
import { plainEnv } from "../cli/support.ts";

/** How long a hook may take that first builds the package, or waits for another test file's build. */
export const BUILD_MS = 240_000;

/** The blocks fenced as `language` under the heading `heading` of docs/editors.md, one behind the other; throws when there is none. */
export function documented(heading: string, language: string): string {
  const manual = readFileSync(path.join(projectRoot, "docs/editors.md"), "utf8");
  const section = manual.split(/^(?=##? )/m).find((part) => part.startsWith(`## ${heading}\n`));
  const blocks = [...(section ?? "").matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))];
  if (blocks.length === 0) throw new Error(`docs/editors.md has no ${language} under "${heading}"`);
  return blocks.map((block) => block[1]).join("\n");
}

/** An environment with its own home in `folder` and the built `xdpc` on the path, and with no settings of the user's. */
export function editorEnv(folder: string): NodeJS.ProcessEnv {
  const bin = path.join(folder, "bin");
  const home = path.join(folder, "home");
  mkdirSync(bin, { recursive: true });
  mkdirSync(home, { recursive: true });
  symlinkSync(builtBin(), path.join(bin, "xdpc"));
  const { XDG_CONFIG_HOME: _config, XDG_DATA_HOME: _data, XDG_STATE_HOME: _state, ...env } = plainEnv();
  return { ...env, HOME: home, PATH: `${bin}${path.delimiter}${env.PATH ?? ""}`, TERM: "dumb", LANG: "C.UTF-8" };
}
