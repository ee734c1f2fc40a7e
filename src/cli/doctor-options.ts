// The grammar of `xdpc doctor`: its options with help texts, and the request they become. Part of the command line's grammar (command.ts); does
// nothing itself, and leads to nothing that needs a kernel.

import type { Command } from "commander";
import { addManner, pinOf } from "./device-options.ts";
import { CliFailure } from "./failure.ts";
import type { CommandTools } from "./run-options.ts";
import type { WarningChoice } from "./warnings.ts";
import { parseWarningChoice } from "./warnings.ts";

/** What `xdpc doctor IFACE` was asked for. */
export interface DoctorRequest {
  readonly kind: "doctor";
  readonly device: string;
  /** The program that is to run there; null: only the device is looked at. */
  readonly file: string | null;
  readonly program: string | null;
  readonly pin: string | null;
  /** TCP ports by which the machine is managed; empty: that of the SSH connection one is on, or 22. */
  readonly ports: readonly number[];
  /** What is set up before frames are tried: `ports={22}`. */
  readonly maps: readonly string[];
  readonly importDirs: readonly string[];
  readonly defines: ReadonlyMap<string, string>;
  readonly warnings: readonly WarningChoice[];
}

interface DoctorOptions {
  readonly program?: string;
  readonly pin?: string;
  readonly managementPort?: readonly string[];
  readonly map?: readonly string[];
  readonly I?: readonly string[];
  readonly D?: readonly string[];
  readonly W?: readonly string[];
}

/** Adds `xdpc doctor`. `give` gets the request. */
export function addDoctorCommand(root: Command, tools: CommandTools, give: (request: DoctorRequest) => void): Command {
  const command = root
    .command("doctor")
    .usage("[options] IFACE [FILE]")
    .description(
      "Looks for what keeps XDP from working on a device, or FILE's program from working on it, and says how to mend it.",
    )
    .argument("<IFACE>", "the network device")
    .argument("[FILE]", "rules or a BPF object that is to run there; it isn't attached")
    .option("--program <NAME>", "which program of FILE, where there are several")
    .addOption(
      tools.collected(
        "--management-port <PORT>",
        "a TCP port that must stay reachable (default: your SSH connection's, or 22; repeatable)",
      ),
    )
    .addOption(tools.collected("--map <FILL>", "what maps hold when it is attached: 'ports={22}' (repeatable)"))
    .option("--pin <DIR>", "where the attached program's pins are, if not at the usual place")
    .addOption(tools.collected("-I <DIR>", "look for imports in DIR too (repeatable)"))
    .addOption(tools.collected("-D <NAME=VALUE>", "give a const another value (repeatable)"))
    .addOption(tools.collected("-W <NAME>", "warnings, as for compiling (repeatable)"));
  addManner(command).addHelpText(
    "after",
    `
Nothing is changed: the commands that mend are for you to run.
Exit code: 0 nothing to mend, 1 problems or warnings (or faults in the rules), 2 wrong usage or no such device.`,
  );
  command.action((device: string, file: string | undefined, options: DoctorOptions) => {
    if (file === undefined) {
      for (const [given, option] of [
        [options.program, "--program"],
        [options.managementPort, "--management-port"],
        [options.map, "--map"],
        [options.I, "-I"],
        [options.D, "-D"],
        [options.W, "-W"],
      ] as const) {
        if (given !== undefined) throw new CliFailure(`${option} needs FILE`);
      }
    }
    give({
      kind: "doctor",
      device,
      file: file ?? null,
      program: options.program ?? null,
      pin: pinOf(options),
      ports: (options.managementPort ?? []).map(portOf),
      maps: options.map ?? [],
      importDirs: options.I ?? [],
      defines: tools.defines(options.D ?? []),
      warnings: (options.W ?? []).map(parseWarningChoice),
    });
  });
  return command;
}

function portOf(word: string): number {
  if (!/^[1-9]\d{0,4}$/.test(word) || Number(word) > 65535)
    throw new CliFailure(`--management-port takes a port from 1 to 65535, not "${word}"`);
  return Number(word);
}
