// Which server is started and how: the one that comes with the extension, in VS Code's own Node, or one that the settings name.
// Knows nothing of VS Code.

import { homedir } from "node:os";
import path from "node:path";
import { type ServerOptions, TransportKind } from "vscode-languageclient/node";

/** How to start the server; `serverPath` is the setting `xdp.server.path`, empty for the extension's own server. */
export function serverOptions(extensionFolder: string, serverPath: string): ServerOptions {
  // The client adds --stdio to both.
  const wanted = serverPath.trim();
  if (wanted === "") return { module: path.join(extensionFolder, "dist", "lsp.cjs"), transport: TransportKind.stdio };
  return { command: wanted.replace(/^~(?=[\\/])/, homedir()), args: ["lsp"], transport: TransportKind.stdio };
}
