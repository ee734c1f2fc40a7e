// The command line's grammar: every option with its help text (on commander) and nothing of what they do. Gives one plain
// request, or says what is wrong with the words. Numbers, versions and names are checked here, so that later parts needn't.

import { Command, CommanderError, Option } from "commander";
import type { CpuLevel } from "../bpf/isa.ts";
import { cpuLevels } from "../bpf/isa.ts";
import type { KernelVersion } from "../bpf/kernel.ts";
import { kernelVersions, parseKernelVersion } from "../bpf/kernel.ts";
import type { CheckRequest } from "./check-options.ts";
import { addCheckCommand } from "./check-options.ts";
import type { DeviceRequest } from "./device-options.ts";
import { addAttachCommand, addDetachCommand, addStatusCommand } from "./device-options.ts";
import type { DoctorRequest } from "./doctor-options.ts";
import { addDoctorCommand } from "./doctor-options.ts";
import { CliFailure } from "./failure.ts";
import type { FmtRequest } from "./fmt-options.ts";
import { addFmtCommand } from "./fmt-options.ts";
import type { LspRequest } from "./lsp-options.ts";
import { addLspCommand } from "./lsp-options.ts";
import type { CaptureRequest, MapRequest, TraceRequest } from "./map-options.ts";
import { addCaptureCommand, addMapCommand, addTraceCommand } from "./map-options.ts";
import { packageVersion } from "./package-files.ts";
import type { RunRequest, TestRequest } from "./run-options.ts";
import { addRunCommand, addTestCommand } from "./run-options.ts";
import type { WarningChoice } from "./warnings.ts";
import { parseWarningChoice } from "./warnings.ts";

const KERNEL_RANGE = `${kernelVersions[0]} to ${kernelVersions.at(-1)}`;

/** What `--emit` can ask for. */
export const EMITS = ["obj", "asm", "ir", "ast", "btf", "header"] as const;
/** One of EMITS. */
export type Emit = (typeof EMITS)[number];

/** Whether messages are coloured; `auto`: on a terminal, unless the environment says otherwise. */
export type ColorChoice = "auto" | "always" | "never";

/** What `xdpc FILE` was asked for. */
export interface CompileRequest {
  readonly kind: "compile";
  /** The main file; null only with `dumps` = ["list"], which needs none. */
  readonly file: string | null;
  /** null: the place that follows from `file` and `emit`. */
  readonly output: string | null;
  readonly force: boolean;
  readonly emit: Emit;
  readonly optimise: 0 | 2;
  readonly cpu: CpuLevel;
  readonly kernel: KernelVersion | null;
  readonly importDirs: readonly string[];
  readonly defines: ReadonlyMap<string, string>;
  readonly deps: { readonly file: string | null; readonly phony: boolean } | null;
  readonly warnings: readonly WarningChoice[];
  /** Ask the checker whether the kernel would accept the programs. */
  readonly verify: boolean;
  /** Where a program for the other ends of veths goes; null: nowhere. */
  readonly companion: string | null;
  readonly verbose: boolean;
  readonly dumps: readonly string[];
}

/** What `xdpc disasm OBJ` was asked for. */
export interface DisasmRequest {
  readonly kind: "disasm";
  readonly file: string;
  readonly output: string | null;
}

/** What `xdpc explain CODE` was asked for; null: the list of all codes. */
export interface ExplainRequest {
  readonly kind: "explain";
  readonly code: string | null;
}

/** How the run speaks, whatever it does. */
export interface Manner {
  readonly color: ColorChoice;
  readonly json: boolean;
}

/** What the words of a command line ask for: work, or a text to show (`--help`, `--version`). */
export type Request = (
  | CompileRequest
  | DisasmRequest
  | ExplainRequest
  | CheckRequest
  | FmtRequest
  | TestRequest
  | RunRequest
  | LspRequest
  | DeviceRequest
  | DoctorRequest
  | MapRequest
  | TraceRequest
  | CaptureRequest
) & {
  readonly manner: Manner;
};

/** What parsing gives. */
export type Parsed = { readonly request: Request } | { readonly text: string };

/** Reads the words behind the program's name. Throws CliFailure for words that mean nothing. */
export function parseCommandLine(words: readonly string[]): Parsed {
  let shown = "";
  let complaint = "";
  let request: Request | null = null;
  const root = buildCommand((made) => {
    request = made;
  });
  for (const command of [root, ...root.commands]) {
    command.exitOverride().configureOutput({
      writeOut: (text) => {
        shown += text;
      },
      writeErr: (text) => {
        complaint += text;
      },
    });
  }
  try {
    root.parse(words, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { text: shown };
    throw new CliFailure(complaint.replace(/^error: /, "").trim() || error.message);
  }
  if (request === null) throw new CliFailure("nothing to do; see xdpc --help");
  return { request };
}

function buildCommand(give: (request: Request) => void): Command {
  const root = new Command("xdpc")
    .description("Compiles packet rules to an eBPF XDP object that every loader takes.")
    .usage(
      "[options] FILE\n       xdpc disasm OBJECT\n       xdpc explain [CODE]\n       xdpc check FILE…\n       xdpc fmt FILE…\n       xdpc test FILE…\n       xdpc run --pcap IN FILE\n       xdpc lsp --stdio\n       xdpc attach FILE IFACE\n       xdpc detach IFACE\n       xdpc status [IFACE]\n       xdpc doctor IFACE [FILE]\n       xdpc map [NAME …]\n       xdpc trace [IFACE]\n       xdpc capture IFACE -w FILE",
    )
    .version(`xdpc ${packageVersion}`, "--version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .enablePositionalOptions()
    .argument("[FILE]", "the rules; - reads standard input")
    .option("-o <OUT>", "where the result goes; - is standard output (default: beside FILE, text to standard output)")
    .option("--force", "write an object even to a terminal")
    .addOption(new Option("--emit <WHAT>", "what to make").choices(EMITS).default("obj"))
    .addOption(new Option("-O <LEVEL>", "optimisation").choices(["0", "2"]).default("2"))
    .addOption(new Option("--cpu <LEVEL>", "BPF instruction set").choices(cpuLevels).default("v3"))
    .addOption(
      new Option("--kernel <VERSION>", `refuse what this kernel lacks (${KERNEL_RANGE})`).argParser(parseKernel),
    )
    .addOption(collected("-I <DIR>", "look for imports in DIR too (repeatable)"))
    .addOption(collected("-D <NAME=VALUE>", "give a const another value (repeatable)"))
    .addOption(clusterOption("-MD", "deps", "write a dependency file for make, named like the result with .d"))
    .addOption(clusterOption("-MF", "depsFile", "with -MD: the dependency file's name", "FILE"))
    .addOption(clusterOption("-MP", "depsPhony", "with -MD: add an empty rule for every import"))
    .addOption(
      collected("-W <NAME>", "warnings: NAME on, no-NAME off, error=NAME an error, error: all are errors (repeatable)"),
    )
    .option("--companion <FILE>", "write a program too that passes everything, for the other ends of veths")
    .option("--no-verify", "don't ask whether the kernel's verifier would accept the programs")
    .option("-v, --verbose", "tell times, sizes and the oldest kernel that will do, with reasons")
    .addOption(collected("--dump <PASS>", "show the program after PASS (repeatable); list: the names of the passes"))
    .option("--json", "say everything as JSON, one object a line")
    .addOption(new Option("--color <WHEN>", "colour messages").choices(["auto", "always", "never"]).default("auto"))
    .addHelpText(
      "after",
      `
Messages go to standard error, results to OUT. A file called like a command is reached as ./disasm.
Exit code: 0 fine, 1 faults in the rules, 2 wrong usage or a file that can't be read or written, 70 a bug in xdpc.`,
    );
  root.action((file: string | undefined) => {
    give({ ...compileRequest(file ?? null, root), manner: mannerOf(root) });
  });

  root
    .command("disasm")
    .usage("[options] OBJECT")
    .description("Shows the instructions, maps and source lines of any BPF object file.")
    .argument("<OBJECT>", "the object; - reads standard input")
    .option("-o <OUT>", "where the text goes (default: standard output)")
    .action((file: string, options: { o?: string }) => {
      refuseRootOptions(root, "disasm");
      give({ kind: "disasm", file, output: options.o ?? null, manner: mannerOf(root) });
    });

  root
    .command("explain")
    .usage("[CODE]")
    .description("Explains a diagnostic with a program that has it and one that is repaired; without CODE lists all.")
    .argument("[CODE]", "a code (X0401) or a name as -W takes it")
    .action((code: string | undefined) => {
      refuseRootOptions(root, "explain");
      give({ kind: "explain", code: code ?? null, manner: mannerOf(root) });
    });

  const tools = { collected, defines: parseDefines, kernel: parseKernel };
  const check = addCheckCommand(root, tools, (made) => {
    refuseRootOptions(root, "check");
    give({ ...made, manner: mannerOf(root, check) });
  });
  const test = addTestCommand(root, tools, (made) => {
    refuseRootOptions(root, "test");
    give({ ...made, manner: mannerOf(root, test) });
  });
  const run = addRunCommand(root, tools, (made) => {
    refuseRootOptions(root, "run");
    give({ ...made, manner: mannerOf(root, run) });
  });
  const fmt = addFmtCommand(root, (made) => {
    refuseRootOptions(root, "fmt");
    give({ ...made, manner: mannerOf(root, fmt) });
  });
  addLspCommand(root, (made) => {
    refuseRootOptions(root, "lsp");
    give({ ...made, manner: mannerOf(root) });
  });
  const attach = addAttachCommand(root, tools, (made) => {
    refuseRootOptions(root, "attach");
    give({ ...made, manner: mannerOf(root, attach) });
  });
  const detach = addDetachCommand(root, (made) => {
    refuseRootOptions(root, "detach");
    give({ ...made, manner: mannerOf(root, detach) });
  });
  const status = addStatusCommand(root, (made) => {
    refuseRootOptions(root, "status");
    give({ ...made, manner: mannerOf(root, status) });
  });
  const doctor = addDoctorCommand(root, tools, (made) => {
    refuseRootOptions(root, "doctor");
    give({ ...made, manner: mannerOf(root, doctor) });
  });
  const map = addMapCommand(root, (made) => {
    refuseRootOptions(root, "map");
    give({ ...made, manner: mannerOf(root, map) });
  });
  const trace = addTraceCommand(root, (made) => {
    refuseRootOptions(root, "trace");
    give({ ...made, manner: mannerOf(root, trace) });
  });
  const capture = addCaptureCommand(root, (made) => {
    refuseRootOptions(root, "capture");
    give({ ...made, manner: mannerOf(root, capture) });
  });
  return root;
}

// Commander knows options of one letter behind a single dash; these are C compilers' options of two. It matches whole words
// first, so an option whose short form is such a word works; its long form stays a second spelling.
function clusterOption(word: string, attribute: string, description: string, value?: string): Option {
  const long = `--${attribute.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const argument = value === undefined ? "" : ` <${value}>`;
  const option = new Option(`${long}${argument}`, description);
  option.short = word;
  option.flags = `${word}, ${long}${argument}`;
  return option;
}

function collected(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string, previous: readonly string[] = []) => [
    ...previous,
    value,
  ]);
}

interface RootOptions {
  readonly o?: string;
  readonly force?: true;
  readonly emit: Emit;
  readonly O: "0" | "2";
  readonly cpu: CpuLevel;
  readonly kernel?: KernelVersion;
  readonly I?: readonly string[];
  readonly D?: readonly string[];
  readonly deps?: true;
  readonly depsFile?: string;
  readonly depsPhony?: true;
  readonly W?: readonly string[];
  readonly companion?: string;
  readonly verify: boolean;
  readonly verbose?: true;
  readonly dump?: readonly string[];
  readonly json?: true;
  readonly color: ColorChoice;
}

/** What the root says of how to speak, or `command`, where it has these options too. */
function mannerOf(root: Command, command: Command = root): Manner {
  const options = root.opts<RootOptions>();
  const own = command.opts<Partial<Pick<RootOptions, "json" | "color">>>();
  return { color: own.color ?? options.color, json: own.json === true || options.json === true };
}

function compileRequest(file: string | null, root: Command): CompileRequest {
  const options = root.opts<RootOptions>();
  if (file === null && !(options.dump?.length === 1 && options.dump[0] === "list")) {
    throw new CliFailure("which FILE? See xdpc --help");
  }
  if (file === "") throw new CliFailure("FILE is empty");
  if (options.o === "") throw new CliFailure("the OUT of -o is empty");
  if (options.companion === "") throw new CliFailure("the FILE of --companion is empty");
  if (options.deps !== true && (options.depsFile !== undefined || options.depsPhony === true)) {
    throw new CliFailure(`${options.depsFile === undefined ? "-MP" : "-MF"} needs -MD`);
  }
  return {
    kind: "compile",
    file,
    output: options.o ?? null,
    force: options.force === true,
    emit: options.emit,
    optimise: options.O === "0" ? 0 : 2,
    cpu: options.cpu,
    kernel: options.kernel ?? null,
    importDirs: options.I ?? [],
    defines: parseDefines(options.D ?? []),
    deps: options.deps === true ? { file: options.depsFile ?? null, phony: options.depsPhony === true } : null,
    warnings: (options.W ?? []).map(parseWarningChoice),
    companion: options.companion ?? null,
    verify: options.verify,
    verbose: options.verbose === true,
    dumps: options.dump ?? [],
  };
}

function parseDefines(written: readonly string[]): ReadonlyMap<string, string> {
  const defines = new Map<string, string>();
  for (const word of written) {
    const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.+)$/s.exec(word);
    if (match?.[1] === undefined || match[2] === undefined) {
      throw new CliFailure(`-D takes NAME=VALUE, not "${word}"`);
    }
    defines.set(match[1], match[2]);
  }
  return defines;
}

function parseKernel(word: string): KernelVersion {
  const version = parseKernelVersion(word);
  if (version === null) throw new CliFailure(`--kernel takes a version (${KERNEL_RANGE}), not "${word}"`);
  return version;
}

// Options of compiling mean nothing to the other commands; one that is given all the same is refused, not ignored.
function refuseRootOptions(root: Command, command: string): void {
  const shared = new Set(["json", "color"]);
  for (const option of root.options) {
    const name = option.attributeName();
    if (!shared.has(name) && root.getOptionValueSource(name) === "cli") {
      throw new CliFailure(`${option.short ?? option.long} means nothing to xdpc ${command}`);
    }
  }
}
