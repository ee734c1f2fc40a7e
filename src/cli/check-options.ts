// The grammar of `xdpc check`: its options with help texts, and the request they become. Part of the command line's grammar
// (command.ts); does nothing itself.

import { type Command, Option } from "commander";
import type { KernelVersion } from "../bpf/kernel.ts";
import type { CommandTools } from "./run-options.ts";

/** What `xdpc check FILE…` was asked for. */
export interface CheckRequest {
  readonly kind: "check";
  /** Objects and rule files; `-` is standard input. */
  readonly files: readonly string[];
  readonly importDirs: readonly string[];
  readonly defines: ReadonlyMap<string, string>;
  /** Refuse what this kernel lacks too; null: nothing. */
  readonly kernel: KernelVersion | null;
}

interface CheckOptions {
  readonly I?: readonly string[];
  readonly D?: readonly string[];
  readonly kernel?: KernelVersion;
}

/** Adds `xdpc check`. `give` gets the request. */
export function addCheckCommand(
  root: Command,
  tools: CommandTools & { readonly kernel: (word: string) => KernelVersion },
  give: (request: CheckRequest) => void,
): Command {
  const command = root
    .command("check")
    .usage("[options] FILE…")
    .description(
      "Tells what the kernel's verifier would say of the programs of objects and rule files, without a kernel.",
    )
    .argument("<FILE...>", "BPF objects, whoever made them, or rules; - reads standard input")
    .addOption(tools.collected("-I <DIR>", "look for imports in DIR too (repeatable)"))
    .addOption(tools.collected("-D <NAME=VALUE>", "give a const another value (repeatable)"))
    .addOption(new Option("--kernel <VERSION>", "refuse what this kernel lacks, too").argParser(tools.kernel))
    .option("--json", "print one JSON object for each program")
    .addOption(new Option("--color <WHEN>", "colour output").choices(["auto", "always", "never"]))
    .addHelpText(
      "after",
      "\nExit code: 0 all accepted, 1 one is rejected, 3 none is, but of one it isn't known, 2 wrong usage or a\nfile that can't be checked (the others are).",
    );
  command.action((files: string[], options: CheckOptions) => {
    give({
      kind: "check",
      files,
      importDirs: options.I ?? [],
      defines: tools.defines(options.D ?? []),
      kernel: options.kernel ?? null,
    });
  });
  return command;
}
