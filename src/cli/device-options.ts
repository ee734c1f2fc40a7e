// The grammar of the commands that work on a device: their options with help texts, and the requests they become. Part of the command line's
// grammar (command.ts); does nothing itself, and leads to nothing that needs a kernel.

import { type Command, Option } from "commander";
import { CliFailure } from "./failure.ts";
import type { CommandTools } from "./run-options.ts";
import type { WarningChoice } from "./warnings.ts";
import { parseWarningChoice } from "./warnings.ts";

/** How a program may be attached: where in a packet's way it runs. */
export const ATTACH_MODES = ["auto", "native", "generic", "offload"] as const;

/** What `xdpc attach FILE IFACE` was asked for. */
export interface AttachRequest {
  readonly kind: "attach";
  readonly file: string;
  readonly device: string;
  readonly mode: (typeof ATTACH_MODES)[number];
  /** Where to pin; null: at the usual place. */
  readonly pin: string | null;
  readonly replace: boolean;
  readonly force: boolean;
  /** A device whose program's maps are to be shared; null: none. */
  readonly share: string | null;
  /** Count every rule, for the status. */
  readonly countRules: boolean;
  readonly program: string | null;
  /** `NAME=VALUE` each: values of configs and variables. */
  readonly sets: readonly string[];
  readonly importDirs: readonly string[];
  readonly defines: ReadonlyMap<string, string>;
  readonly warnings: readonly WarningChoice[];
}

/** What `xdpc detach IFACE` was asked for. */
export interface DetachRequest {
  readonly kind: "detach";
  readonly device: string;
  readonly pin: string | null;
  readonly force: boolean;
}

/** What `xdpc status [IFACE]` was asked for. */
export interface StatusRequest {
  readonly kind: "status";
  /** null: all devices that have a program. */
  readonly device: string | null;
  readonly pin: string | null;
  /** Seconds between two readings; null: one reading. */
  readonly intervalSeconds: number | null;
  /** How many readings; null: without end. */
  readonly count: number | null;
  /** Entries shown of each keyed counter; null: all. */
  readonly rows: number | null;
}

/** What the commands of this file can be asked for. */
export type DeviceRequest = AttachRequest | DetachRequest | StatusRequest;

interface SharedOptions {
  readonly pin?: string;
}

/** Adds `xdpc attach`. `give` gets the request. */
export function addAttachCommand(root: Command, tools: CommandTools, give: (request: AttachRequest) => void): Command {
  const command = root
    .command("attach")
    .usage("[options] FILE IFACE")
    .description("Loads rules or an object into the kernel and attaches its program to a network device.")
    .argument("<FILE>", "rules, which are compiled, or a BPF object of any compiler; - reads rules from standard input")
    .argument("<IFACE>", "the network device")
    .addOption(
      new Option("--mode <MODE>", "in the driver, behind it, in the device; auto: native, else generic")
        .choices(ATTACH_MODES)
        .default("auto"),
    )
    .option("--replace", "take the place of the program that is there, at once, and keep the contents of equal maps")
    .option("--force", "with --replace: also of a program that xdpc didn't attach")
    .option("--program <NAME>", "which program, where there are several")
    .option("--share <IFACE>", "use the maps of the program on IFACE, where they have the same names")
    .option("--count-rules", "count how often each rule is reached and holds; xdpc status shows it")
    .addOption(
      tools.collected("--set <NAME=VALUE>", "give a config or variable another value before loading (repeatable)"),
    )
    .option("--pin <DIR>", "pin program and maps there (default: /sys/fs/bpf/xdpc/IFACE)")
    .addOption(tools.collected("-I <DIR>", "look for imports in DIR too (repeatable)"))
    .addOption(tools.collected("-D <NAME=VALUE>", "give a const another value (repeatable)"))
    .addOption(tools.collected("-W <NAME>", "warnings, as for compiling (repeatable)"));
  addManner(command).addHelpText(
    "after",
    `
Devices that rules name (\`redirect dev "eth1"\`) get their index by themselves.
Exit code: 0 attached, 1 faults in the rules, 2 it can't be attached: then what was there before still is.`,
  );
  command.action((file: string, device: string, options: AttachOptions) => {
    if (options.force === true && options.replace !== true) throw new CliFailure("--force needs --replace");
    give({
      kind: "attach",
      file,
      device,
      mode: options.mode,
      pin: pinOf(options),
      replace: options.replace === true,
      force: options.force === true,
      share: options.share ?? null,
      countRules: options.countRules === true,
      program: options.program ?? null,
      sets: options.set ?? [],
      importDirs: options.I ?? [],
      defines: tools.defines(options.D ?? []),
      warnings: (options.W ?? []).map(parseWarningChoice),
    });
  });
  return command;
}

interface AttachOptions extends SharedOptions {
  readonly mode: AttachRequest["mode"];
  readonly replace?: true;
  readonly force?: true;
  readonly share?: string;
  readonly countRules?: true;
  readonly program?: string;
  readonly set?: readonly string[];
  readonly I?: readonly string[];
  readonly D?: readonly string[];
  readonly W?: readonly string[];
}

/** Adds `xdpc detach`. `give` gets the request. */
export function addDetachCommand(root: Command, give: (request: DetachRequest) => void): Command {
  const command = root
    .command("detach")
    .usage("[options] IFACE")
    .description("Takes the program that xdpc attached off a device, and removes its pins and with them its maps.")
    .argument("<IFACE>", "the network device")
    .option("--force", "also a program that xdpc didn't attach")
    .option("--pin <DIR>", "where its pins are, if not at the usual place");
  addManner(command).addHelpText("after", "\nExit code: 0 nothing is attached any more, 2 it can't be detached.");
  command.action((device: string, options: SharedOptions & { readonly force?: true }) => {
    give({ kind: "detach", device, pin: pinOf(options), force: options.force === true });
  });
  return command;
}

interface StatusOptions extends SharedOptions {
  readonly watch?: true;
  readonly interval?: number;
  readonly count?: number;
  readonly rows?: number;
  readonly allRows?: true;
}

/** Adds `xdpc status`. `give` gets the request. */
export function addStatusCommand(root: Command, give: (request: StatusRequest) => void): Command {
  const command = root
    .command("status")
    .usage("[options] [IFACE]")
    .description("Shows the devices that have an XDP program: mode, program, pins, and the counters of its rules.")
    .argument("[IFACE]", "the network device (default: all that have a program)")
    .option("--watch", "show it again and again, with rates, until interrupted")
    .addOption(
      new Option("--interval <SECONDS>", "with --watch: seconds between two readings (default: 1)").argParser(
        numberOf("--interval", 0.1),
      ),
    )
    .addOption(new Option("--count <N>", "with --watch: how many readings").argParser(wholeOf("--count")))
    .addOption(
      new Option("--rows <N>", "entries shown of a counter with keys, the largest (default: 10)").argParser(
        wholeOf("--rows"),
      ),
    )
    .option("--all-rows", "show every entry of counters with keys")
    .option("--pin <DIR>", "where its pins are, if not at the usual place");
  addManner(command).addHelpText(
    "after",
    "\nCounters need the right to read maps (root); without it the rest is shown. With --json: one JSON object a device and reading.",
  );
  command.action((device: string | undefined, options: StatusOptions) => {
    const watched = options.watch === true || options.interval !== undefined || options.count !== undefined;
    if (options.pin !== undefined && device === undefined) throw new CliFailure("--pin needs IFACE");
    if (options.rows !== undefined && options.allRows === true)
      throw new CliFailure("--rows and --all-rows exclude each other");
    give({
      kind: "status",
      device: device ?? null,
      pin: pinOf(options),
      intervalSeconds: watched ? (options.interval ?? 1) : null,
      count: options.count ?? null,
      rows: options.allRows === true ? null : (options.rows ?? 10),
    });
  });
  return command;
}

/** The folder of pins that was given. */
export function pinOf({ pin }: SharedOptions): string | null {
  if (pin === "") throw new CliFailure("the DIR of --pin is empty");
  return pin ?? null;
}

/** The options of how a command speaks. */
export function addManner(command: Command): Command {
  return command
    .option("--json", "say everything as JSON, one object a line")
    .addOption(new Option("--color <WHEN>", "colour output").choices(["auto", "always", "never"]));
}

/** Reads a number of at least `least`. */
export function numberOf(option: string, least: number): (word: string) => number {
  return (word) => {
    const number = Number(word);
    if (!/^\d*\.?\d+$/.test(word) || number < least || number > 86_400)
      throw new CliFailure(`${option} takes a number from ${least}, not "${word}"`);
    return number;
  };
}

/** A whole number from 1. */
export function wholeOf(option: string): (word: string) => number {
  return (word) => {
    if (!/^[1-9]\d{0,8}$/.test(word)) throw new CliFailure(`${option} takes a whole number from 1, not "${word}"`);
    return Number(word);
  };
}
