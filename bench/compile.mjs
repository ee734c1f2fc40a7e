// What compiling costs inside: the time of each pass for the examples and for lists of 1,000 and 10,000 rules, from the built
// package, after a warm-up. Figures are milliseconds, medians of several compilations; the last column is what one rule costs.
//
//     npm run bench:compile [-- RULES…]

import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const { compile, memoryHost, SourceFile } = await import(path.join(ROOT, "dist/index.js"));

const COUNTS = process.argv.slice(2).map(Number);
const LISTS = COUNTS.length > 0 ? COUNTS : [100, 1000, 10_000];
/** A list that took this long isn't compiled again, nor a longer one of its kind. */
const PATIENCE_MILLISECONDS = 60_000;

const KINDS = {
  "one port each": (i) => `if tcp.dport == ${i % 65536} then drop\n`,
  "an address and a port each": (i) =>
    `if ip.saddr == 10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255} and tcp.dport == ${(i * 7) % 65536} then drop\n`,
};

/** Compiles once: milliseconds in all and by pass, and instructions. */
function measure(name, text) {
  const passes = new Map();
  const observe = ({ pass, milliseconds }) => passes.set(pass, (passes.get(pass) ?? 0) + milliseconds);
  const options = { host: memoryHost(), cpu: "v3", kernel: null, optimise: 2, defines: new Map(), observe };
  const start = performance.now();
  const { output, diagnostics } = compile(new SourceFile(name, text), options);
  const total = performance.now() - start;
  const instructions = output === null ? null : output.programs.reduce((sum, p) => sum + p.instructions, 0);
  return { total, passes, instructions, fault: diagnostics.find((d) => d.severity === "error")?.message };
}

function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
}

function show(title, runs, rules) {
  const total = median(runs.map((run) => run.total));
  const { instructions, fault } = runs[0];
  const size = instructions === null ? `refused: ${fault}` : `${instructions} instructions`;
  const each = rules === null ? "" : `, ${((1000 * total) / rules).toFixed(1)} µs a rule`;
  console.log(`${title}: ${total.toFixed(1)} ms${each}, ${size}`);
  const names = [...runs[0].passes.keys()];
  const times = names.map((pass) => [pass, median(runs.map((run) => run.passes.get(pass) ?? 0))]);
  const slowest = times.sort(([, a], [, b]) => b - a).filter(([, time]) => time >= total / 100);
  for (const [pass, time] of slowest) console.log(`${time.toFixed(2).padStart(12)} ms  ${pass}`);
}

for (const file of readdirSync(path.join(ROOT, "examples")).filter((name) => name.endsWith(".xdp"))) {
  const text = readFileSync(path.join(ROOT, "examples", file), "utf8");
  for (let i = 0; i < 10; i++) measure(file, text);
  show(
    file,
    Array.from({ length: 11 }, () => measure(file, text)),
    null,
  );
}
for (const [kind, rule] of Object.entries(KINDS)) {
  for (const count of LISTS) {
    const text = Array.from({ length: count }, (_, i) => rule(i)).join("");
    const runs = [measure("rules.xdp", text)];
    while (runs.length < 3 && runs[0].total < 2000) runs.push(measure("rules.xdp", text));
    show(`${count} rules, ${kind}`, runs, count);
    if (runs[0].total > PATIENCE_MILLISECONDS) break;
  }
}
