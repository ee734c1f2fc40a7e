// The licence texts of the packages that end up in the bundles, from what esbuild says it took in.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** One text with the name, version, licence and licence text of each bundled package, sorted by name. */
export function thirdPartyNotices(root, metafiles) {
  const names = new Set();
  for (const { inputs } of metafiles) {
    for (const input of Object.keys(inputs)) {
      const match = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
      if (match) names.add(match[1]);
    }
  }
  const notices = [...names].sort().map((name) => {
    const folder = path.join(root, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((f) => /^licen[cs]e/i.test(f));
    const text = file && existsSync(path.join(folder, file)) ? readFileSync(path.join(folder, file), "utf8") : "";
    return `${name} ${version} (${license})\n\n${text.trim()}\n`;
  });
  return `xdpc bundles these packages:\n\n${notices.join(`\n${"-".repeat(78)}\n\n`)}`;
}
