// The grammar of the commands that run programs, `test` and `run`: their options with help texts, and the requests they become.
// Part of the command line's grammar (command.ts); does nothing itself.

import { type Command, Option } from "commander";
import { CliFailure } from "./failure.ts";
import type { WarningChoice } from "./warnings.ts";
import { parseWarningChoice } from "./warnings.ts";

/** How results of tests are told. */
export const TEST_FORMATS = ["pretty", "tap", "junit"] as const;

/** What `xdpc test FILE…` was asked for. */
export interface TestRequest {
  readonly kind: "test";
  readonly files: readonly string[];
  readonly importDirs: readonly string[];
  readonly defines: ReadonlyMap<string, string>;
  readonly warnings: readonly WarningChoice[];
  /** Only tests whose title has this in it; null: all. */
  readonly filter: string | null;
  readonly format: (typeof TEST_FORMATS)[number];
  /** Run them in the kernel too and compare. */
  readonly kernelRun: boolean;
  readonly verbose: boolean;
}

/** What `xdpc run FILE` was asked for. */
export interface RunRequest {
  readonly kind: "run";
  readonly file: string;
  readonly importDirs: readonly string[];
  readonly defines: ReadonlyMap<string, string>;
  readonly warnings: readonly WarningChoice[];
  /** The capture to read; `-` is standard input. */
  readonly pcap: string;
  readonly pcapOut: string | null;
  /** What is set up beforehand: `ports={80,443}`, `flows[(10.0.0.1, 80)]=5`. */
  readonly maps: readonly string[];
  readonly program: string | null;
  /** The number of a packet, from 1; null: none. */
  readonly explain: number | null;
  /** The most packets to read; null: all. */
  readonly limit: number | null;
}

/** Options of `test` and `run` that say how the command speaks. */
interface SharedOptions {
  readonly I?: readonly string[];
  readonly D?: readonly string[];
  readonly W?: readonly string[];
}

interface TestOptions extends SharedOptions {
  readonly filter?: string;
  readonly format: TestRequest["format"];
  readonly kernelRun?: true;
  readonly verbose?: true;
}

interface RunOptions extends SharedOptions {
  readonly pcap: string;
  readonly pcapOut?: string;
  readonly map?: readonly string[];
  readonly program?: string;
  readonly explain?: number;
  readonly limit?: number;
}

/** Tools of command.ts that these commands need: how it collects options and reads `-D`. */
export interface CommandTools {
  readonly collected: (flags: string, description: string) => Option;
  readonly defines: (written: readonly string[]) => ReadonlyMap<string, string>;
}

/** Adds `xdpc test`. `give` gets the request. */
export function addTestCommand(root: Command, tools: CommandTools, give: (request: TestRequest) => void): Command {
  const command = root
    .command("test")
    .usage("[options] FILE…")
    .description("Runs the `test` blocks of rule files in the built-in machine, and in the kernel too where asked.")
    .argument("<FILE...>", "rule files; - reads standard input")
    .option("--filter <TEXT>", "run only tests whose title has TEXT in it")
    .addOption(new Option("--format <FORMAT>", "how results are told").choices(TEST_FORMATS).default("pretty"))
    .option("--kernel-run", "run them in this kernel too (bpftool, as root) and compare: verdict, packet, maps");
  addShared(command, tools)
    .option("-v, --verbose", "tell times and what wasn't run in the kernel, and why")
    .addHelpText(
      "after",
      "\nExit code: 0 all pass, 1 one fails or the rules have faults, 2 wrong usage or nothing to run.",
    );
  command.action((files: string[], options: TestOptions) => {
    give({
      kind: "test",
      files,
      ...sharedOf(options, tools),
      filter: options.filter ?? null,
      format: options.format,
      kernelRun: options.kernelRun === true,
      verbose: options.verbose === true,
    });
  });
  return command;
}

/** Adds `xdpc run`. */
export function addRunCommand(root: Command, tools: CommandTools, give: (request: RunRequest) => void): Command {
  const command = root
    .command("run")
    .usage("[options] --pcap IN FILE")
    .description("Runs a program over a capture and tells verdicts and how often each rule decided.")
    .argument("<FILE>", "rules, or a BPF object; - reads rules from standard input")
    .addOption(new Option("--pcap <IN>", "the packets: pcap or pcapng; - is standard input").makeOptionMandatory())
    .option("--pcap-out <OUT>", "write the packets that leave (pass, tx, redirect) there; - is standard output")
    .addOption(
      tools.collected("--map <NAME=VALUE>", "fill a set or map first: ports={80,443}, flows[KEY]=VALUE (repeatable)"),
    )
    .option("--program <NAME>", "which program, where there are several")
    .addOption(
      new Option("--explain <N>", "tell which rule decided over packet N (from 1), and why").argParser(
        numberOf("--explain"),
      ),
    )
    .addOption(new Option("--limit <N>", "read at most N packets").argParser(numberOf("--limit")));
  addShared(command, tools).addHelpText(
    "after",
    "\nWith --json the result is one JSON object. Exit code: 0 fine, 1 faults in the rules or a program that failed, 2 wrong usage or a file.",
  );
  command.action((file: string, options: RunOptions) => {
    give({
      kind: "run",
      file,
      ...sharedOf(options, tools),
      pcap: options.pcap,
      pcapOut: options.pcapOut ?? null,
      maps: options.map ?? [],
      program: options.program ?? null,
      explain: options.explain ?? null,
      limit: options.limit ?? null,
    });
  });
  return command;
}

function addShared(command: Command, tools: CommandTools): Command {
  return command
    .addOption(tools.collected("-I <DIR>", "look for imports in DIR too (repeatable)"))
    .addOption(tools.collected("-D <NAME=VALUE>", "give a const another value (repeatable)"))
    .addOption(tools.collected("-W <NAME>", "warnings, as for compiling (repeatable)"))
    .option("--json", "say everything as JSON, one object a line")
    .addOption(new Option("--color <WHEN>", "colour output").choices(["auto", "always", "never"]));
}

function sharedOf(
  options: SharedOptions,
  tools: CommandTools,
): Pick<TestRequest, "importDirs" | "defines" | "warnings"> {
  return {
    importDirs: options.I ?? [],
    defines: tools.defines(options.D ?? []),
    warnings: (options.W ?? []).map(parseWarningChoice),
  };
}

function numberOf(option: string): (word: string) => number {
  return (word) => {
    const number = Number(word);
    if (!/^\d+$/.test(word) || number < 1 || !Number.isSafeInteger(number))
      throw new CliFailure(`${option} takes a number from 1, not "${word}"`);
    return number;
  };
}
