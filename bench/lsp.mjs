// How soon an editor has its diagnostics behind a keystroke: the time from sending a change to the built server until what it says of that
// version is there, over standard input and output, warm. Then how long it takes to answer a few requests behind an edit. Medians
// and the slowest of a tenth, in milliseconds; fails above the goals (200 for 2,000 rules, 20 for the small examples).
//
//     npm run bench:lsp [-- KEYSTROKES]

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from "vscode-jsonrpc/node";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const KEYSTROKES = Number(process.argv[2] ?? 40);
/** Keystrokes that aren't counted: V8 compiles what runs often. */
const WARM_UP = 15;

const example = (name) => readFileSync(path.join(ROOT, "examples", name), "utf8");
const rules = (rule) => Array.from({ length: 2000 }, (_, i) => rule(i)).join("\n");
const FILES = [
  ["ports.xdp", example("ports.xdp"), 20],
  ["dnat.xdp", example("dnat.xdp"), 20],
  ["firewall.xdp", example("firewall.xdp"), 20],
  ["2,000 rules, one port each", rules((i) => `if tcp.dport == ${i} then drop`), 200],
  [
    "2,000 rules, an address and a port each",
    rules((i) => `if ip.saddr == 10.0.${i >> 8}.${i & 255} and tcp.dport == ${(i * 7) % 65536} then drop`),
    200,
  ],
];
const REQUESTS = ["documentSymbol", "foldingRange", "semanticTokens/full", "hover", "completion", "inlayHint"];

function share(times, part) {
  return [...times].sort((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * part))];
}

const server = spawn(path.join(ROOT, "bin/xdpc"), ["lsp", "--stdio"], { stdio: ["pipe", "pipe", "inherit"] });
const connection = createMessageConnection(
  new StreamMessageReader(server.stdout),
  new StreamMessageWriter(server.stdin),
);
let arrived = () => {};
connection.onNotification("textDocument/publishDiagnostics", ({ uri, version }) => arrived(uri, version));
connection.listen();
await connection.sendRequest("initialize", { processId: process.pid, rootUri: null, capabilities: {} });
void connection.sendNotification("initialized", {});

function told(uri, version) {
  return new Promise((done) => {
    arrived = (about, at) => {
      if (about === uri && at === version) done();
    };
  });
}

let failed = false;
for (const [title, text, goal] of FILES) {
  const uri = `file:///bench/${encodeURIComponent(title)}`;
  let version = 1;
  let waiting = told(uri, version);
  void connection.sendNotification("textDocument/didOpen", {
    textDocument: { uri, languageId: "xdp", version, text: `${text}\n# ` },
  });
  await waiting;
  const line = text.split("\n").length >> 1;
  const times = [];
  for (let i = 0; i < WARM_UP + KEYSTROKES; i++) {
    version += 1;
    // A letter typed into a comment in the middle of the file, and taken away again.
    const at = { line, character: 0 };
    const change =
      i % 2 === 0
        ? { range: { start: at, end: at }, text: "# x\n" }
        : { range: { start: at, end: { line: line + 1, character: 0 } }, text: "" };
    waiting = told(uri, version);
    const start = performance.now();
    void connection.sendNotification("textDocument/didChange", {
      textDocument: { uri, version },
      contentChanges: [change],
    });
    await waiting;
    if (i >= WARM_UP) times.push(performance.now() - start);
  }
  const median = share(times, 0.5);
  console.log(`${title}: ${median.toFixed(1)} ms, a tenth over ${share(times, 0.9).toFixed(1)} ms`);
  if (median > goal) {
    failed = true;
    console.log(`  over the goal of ${goal} ms`);
  }
  const answers = [];
  for (const request of REQUESTS) {
    const position = { line, character: 4 };
    const range = { start: { line: 0, character: 0 }, end: { line: line * 2, character: 0 } };
    const params = { textDocument: { uri }, position, range };
    const asked = [];
    for (let i = 0; i < 7; i++) {
      const start = performance.now();
      await connection.sendRequest(`textDocument/${request}`, params).catch(() => null);
      asked.push(performance.now() - start);
    }
    answers.push(`${request} ${share(asked, 0.5).toFixed(1)}`);
  }
  console.log(`  ${answers.join(", ")}`);
  void connection.sendNotification("textDocument/didClose", { textDocument: { uri } });
}
await connection.sendRequest("shutdown");
void connection.sendNotification("exit");
server.on("exit", () => process.exit(failed ? 1 : 0));
