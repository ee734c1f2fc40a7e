// The extension: starts the language server when a rule file is opened, and again when the settings want another one. All else is
// said in package.json or done by the server.

import path from "node:path";
import * as vscode from "vscode";
import { LanguageClient, type LanguageClientOptions } from "vscode-languageclient/node";
import { serverOptions } from "./server-options.ts";

/** Also the prefix of the settings: the client reads `xdp.trace.server` by it. */
const ID = "xdp";
/** Settings that a running server can't be told of. */
const RESTARTS = ["xdp.server.path", "xdp.importFolders"];

let client: LanguageClient | undefined;
let watch: vscode.FileSystemWatcher | undefined;

/** Called by VS Code when the first rule file is opened. */
export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const output = vscode.window.createOutputChannel("Packet rules (xdp)", { log: true });
  // One start or stop at a time, in the order they were asked for.
  let last: Promise<void> = Promise.resolve();
  const restart = (): Promise<void> => {
    last = last.then(async () => {
      await stop();
      await start(context.extensionPath, output);
    });
    return last;
  };
  context.subscriptions.push(
    output,
    vscode.commands.registerCommand("xdp.restartServer", restart),
    vscode.commands.registerCommand("xdp.showOutput", () => output.show()),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (RESTARTS.some((setting) => change.affectsConfiguration(setting))) return restart();
    }),
  );
  await restart();
}

/** Called by VS Code when the extension goes. */
export async function deactivate(): Promise<void> {
  await stop();
}

async function start(extensionFolder: string, output: vscode.LogOutputChannel): Promise<void> {
  const settings = vscode.workspace.getConfiguration("xdp");
  const serverPath = settings.get("server.path", "");
  const watcher = vscode.workspace.createFileSystemWatcher("**/*.{xdp,txt}");
  const clientOptions: LanguageClientOptions = {
    // What isn't on the disk or on its way there (a version in git's history) is only coloured.
    documentSelector: [
      { scheme: "file", language: "xdp" },
      { scheme: "untitled", language: "xdp" },
    ],
    outputChannel: output,
    initializationOptions: { importFolders: settings.get<string[]>("importFolders", []).flatMap(folderUri) },
    // Imports and lists that somebody else changes.
    synchronize: { fileEvents: watcher },
  };
  const started = new LanguageClient(
    ID,
    "Packet rules (xdp)",
    serverOptions(extensionFolder, serverPath),
    clientOptions,
  );
  client = started;
  watch = watcher;
  try {
    await started.start();
  } catch {
    // The client has told it already, and why.
    client = undefined;
  }
}

async function stop(): Promise<void> {
  const stopped = client;
  client = undefined;
  watch?.dispose();
  watch = undefined;
  try {
    await stopped?.dispose();
  } catch {
    // One that doesn't answer any more: the client ends its process.
  }
}

/** The URI of a folder as the settings name it: relative to the first of the workspace's; none where there is none. */
function folderUri(written: string): string[] {
  if (path.isAbsolute(written)) return [vscode.Uri.file(written).toString()];
  const root = vscode.workspace.workspaceFolders?.[0]?.uri;
  return root === undefined ? [] : [vscode.Uri.joinPath(root, written).toString()];
}
