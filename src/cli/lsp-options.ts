// The grammar of `xdpc lsp`: its options with help texts. Part of the command line's grammar (command.ts); the server itself is a bundle
// of its own (src/lsp/stdio.ts), which bin/xdpc starts when it sees `lsp` with `--stdio`.

import type { Command } from "commander";
import { CliFailure } from "./failure.ts";

/** `xdpc lsp --stdio` as it arrives where the server isn't. */
export interface LspRequest {
  readonly kind: "lsp";
}

/** Adds `xdpc lsp`. `give` gets the request. */
export function addLspCommand(root: Command, give: (request: LspRequest) => void): Command {
  const command = root
    .command("lsp")
    .usage("--stdio")
    .description("Serves an editor: the Language Server Protocol over standard input and output.")
    .option("--stdio", "speak over standard input and output: the only way there is")
    .option("--clientProcessId <PID>", "end when this process is gone, as some editors ask")
    .addHelpText(
      "after",
      `
The editor starts this command; it isn't of use by itself. How editors are set up: docs/editors.md.
initializationOptions: { "importFolders": ["file:///…"] } are folders to look for imports in, like -I.
Exit code: 0 after \`shutdown\` and \`exit\`, 1 where the editor went away without, 2 wrong usage.`,
    );
  command.action((options: { readonly stdio?: true }) => {
    if (options.stdio !== true) throw new CliFailure("xdpc lsp is started by an editor: xdpc lsp --stdio");
    give({ kind: "lsp" });
  });
  return command;
}
