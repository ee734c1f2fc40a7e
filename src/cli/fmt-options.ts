// The grammar of `xdpc fmt`: its options with help texts, and the request they become. Part of the command line's grammar
// (command.ts); does nothing itself.

import { type Command, Option } from "commander";

/** What `xdpc fmt FILE…` was asked for. */
export interface FmtRequest {
  readonly kind: "fmt";
  /** Rule files; `-` is standard input. */
  readonly files: readonly string[];
  /** `print`: to standard output; `write`: in their places; `check`: only tell which would change. */
  readonly mode: "print" | "write" | "check";
}

/** Adds `xdpc fmt`. `give` gets the request. */
export function addFmtCommand(root: Command, give: (request: FmtRequest) => void): Command {
  const command = root
    .command("fmt")
    .usage("[options] FILE…")
    .description("Formats rules: spaces, indentation, words for signs. Comments, blank lines and the meaning stay.")
    .argument("<FILE...>", "rules; - reads standard input")
    .addOption(new Option("--write", "replace the files that change"))
    .addOption(new Option("--check", "list the files that would change, change nothing").conflicts("write"))
    .option("--json", "say everything as JSON, one object a line")
    .addOption(new Option("--color <WHEN>", "colour messages").choices(["auto", "always", "never"]))
    .addHelpText(
      "after",
      `
Without an option the result goes to standard output. A file with syntax errors stays as it is.
Exit code: 0 fine, 1 syntax errors, or with --check a file would change, 2 wrong usage or a file.`,
    );
  command.action((files: string[], options: { readonly write?: true; readonly check?: true }) => {
    give({ kind: "fmt", files, mode: options.write ? "write" : options.check ? "check" : "print" });
  });
  return command;
}
