// The grammar of `xdpc map`, `xdpc trace` and `xdpc capture`: their options with help texts, and the requests they become. Part of the command
// line's grammar (command.ts); does nothing itself, and leads to nothing that needs a kernel.

import type { Command } from "commander";
import { addManner, pinOf, wholeOf } from "./device-options.ts";
import { CliFailure } from "./failure.ts";

/** What `xdpc map` can do to a map. */
export const MAP_ACTIONS = ["get", "set", "add", "del", "dump", "load"] as const;

/** One of MAP_ACTIONS. */
export type MapAction = (typeof MAP_ACTIONS)[number];

/** What `xdpc map` was asked for; `name` null: the list of all maps. */
export interface MapRequest {
  readonly kind: "map";
  readonly name: string | null;
  readonly action: MapAction;
  /** The key, the file, or null. */
  readonly key: string | null;
  readonly value: string | null;
  readonly device: string | null;
  readonly pin: string | null;
  /** Show the values of each CPU rather than their sum. */
  readonly perCpu: boolean;
  /** Show entries of large arrays that are zero. */
  readonly zeros: boolean;
  /** `load` removes what the file doesn't name. */
  readonly only: boolean;
}

/** What `xdpc trace` was asked for. */
export interface TraceRequest {
  readonly kind: "trace";
  /** null: all devices with programs of ours. */
  readonly device: string | null;
  readonly pin: string | null;
  /** Lines of other programs too. */
  readonly all: boolean;
  /** End after so many lines; null: when interrupted. */
  readonly count: number | null;
}

/** What `xdpc capture` was asked for. */
export interface CaptureRequest {
  readonly kind: "capture";
  readonly device: string;
  readonly pin: string | null;
  /** The buffer that `sample` fills; null: the only one. */
  readonly buffer: string | null;
  /** Where the capture goes; `-` is standard output. */
  readonly file: string;
  readonly count: number | null;
}

interface Shared {
  readonly dev?: string;
  readonly pin?: string;
}

/** How many words each action takes behind it: at least and at most. */
const WORDS: Readonly<Record<MapAction, readonly [number, number]>> = {
  get: [0, 1],
  set: [1, 2],
  add: [1, 2],
  del: [0, 1],
  dump: [0, 0],
  load: [1, 1],
};

/** Adds `xdpc map`. `give` gets the request. */
export function addMapCommand(root: Command, give: (request: MapRequest) => void): Command {
  const command = root
    .command("map")
    .usage("[options] [NAME [get KEY | set KEY VALUE | add KEY [VALUE] | del KEY | dump | load FILE]]")
    .description("Reads and changes the maps of attached programs, by types: addresses and ports as people write them.")
    .argument("[NAME]", "the map by its name in the rules, or the path of a pin (default: list all maps)")
    .argument("[ACTION]", "what to do (default: dump)")
    .argument("[WORDS...]", "key and value, or the file")
    .option("--dev <IFACE>", "of the program on that device (default: all devices)")
    .option("--pin <DIR>", "where its pins are, if not at the usual place")
    .option("--per-cpu", "show the value of each CPU rather than their sum")
    .option("--zeros", "with dump: also the entries of large arrays that are zero")
    .option("--only", "with load: remove the entries that the file doesn't name");
  addManner(command).addHelpText(
    "after",
    `
  xdpc map ports add 443                       a set: the key alone
  xdpc map flows get 10.0.0.1,10.0.0.2,80,443  a struct: its fields in order, or { saddr: 10.0.0.1, … }
  xdpc map uplinks set 1 eth1                  a devmap: devices by name
  xdpc map blocked load list.txt --only        one KEY or KEY VALUE a line, # for comments

set makes or replaces an entry, add refuses to replace one. Of queues and stacks get shows the next value, del takes it out and
add puts one in. What dump prints, load takes back. A per-CPU value is shown as the sum of all CPUs; what is set stands for all together.
Exit code: 0 done, 1 there is no such entry, 2 it can't be done: then nothing was written.`,
  );
  command.action((name: string | undefined, action: string | undefined, words: string[], options: MapOptions) => {
    give(mapRequest(name ?? null, action ?? "dump", words, options));
  });
  return command;
}

interface MapOptions extends Shared {
  readonly perCpu?: true;
  readonly zeros?: true;
  readonly only?: true;
}

function mapRequest(name: string | null, action: string, words: readonly string[], options: MapOptions): MapRequest {
  const known = MAP_ACTIONS.find((one) => one === action);
  if (known === undefined) throw new CliFailure(`xdpc map can ${MAP_ACTIONS.join(", ")}, not "${action}"`);
  const [least, most] = WORDS[known];
  if (words.length < least)
    throw new CliFailure(`xdpc map ${name} ${known} needs ${known === "load" ? "a FILE" : "a KEY"}`);
  if (words.length > most)
    throw new CliFailure(
      `xdpc map ${name} ${known} takes ${most === 0 ? "nothing" : "no more"} behind it: "${words[most]}" is too much (quote values with spaces)`,
    );
  if (options.zeros === true && known !== "dump") throw new CliFailure("--zeros belongs to dump");
  if (options.only === true && known !== "load") throw new CliFailure("--only belongs to load");
  const [key = null, value = null] = words;
  const shared = {
    device: options.dev ?? null,
    pin: pinOf(options),
    perCpu: options.perCpu === true,
    zeros: options.zeros === true,
  };
  return { kind: "map", name, action: known, key, value, ...shared, only: options.only === true };
}

/** Adds `xdpc trace`. `give` gets the request. */
export function addTraceCommand(root: Command, give: (request: TraceRequest) => void): Command {
  const command = root
    .command("trace")
    .usage("[options] [IFACE]")
    .description("Prints what the rules' `log` statements write, each line with the rule that wrote it.")
    .argument("[IFACE]", "the network device (default: all with a program that xdpc attached)")
    .option("--all", "lines of other programs too")
    .option("--count <N>", "end after so many lines (default: when interrupted)", wholeOf("--count"))
    .option("--pin <DIR>", "where its pins are, if not at the usual place");
  addManner(command).addHelpText(
    "after",
    "\nThe kernel's trace pipe has one reader: lines that this command has read, no other gets (and the other way round).",
  );
  command.action((device: string | undefined, options: Shared & { readonly all?: true; readonly count?: number }) => {
    if (options.pin !== undefined && device === undefined) throw new CliFailure("--pin needs IFACE");
    const { all, count } = options;
    give({ kind: "trace", device: device ?? null, pin: pinOf(options), all: all === true, count: count ?? null });
  });
  return command;
}

/** Adds `xdpc capture`. `give` gets the request. */
export function addCaptureCommand(root: Command, give: (request: CaptureRequest) => void): Command {
  const command = root
    .command("capture")
    .usage("[options] IFACE [BUFFER] -w FILE")
    .description(
      "Writes the packets that the rules' `sample` statements send into a capture for tcpdump, Wireshark and their like.",
    )
    .argument("<IFACE>", "the network device")
    .argument("[BUFFER]", "the ringbuf or perf of the rules (default: the only one)")
    .requiredOption("-w, --write <FILE>", "the capture (pcap with nanoseconds); - for standard output")
    .option("-c, --count <N>", "end after so many packets (default: when interrupted)", wholeOf("--count"))
    .option("--pin <DIR>", "where its pins are, if not at the usual place");
  addManner(command).addHelpText("after", "\n  xdpc capture eth0 -w - | tcpdump -r -");
  command.action(
    (
      device: string,
      buffer: string | undefined,
      options: Shared & { readonly write: string; readonly count?: number },
    ) => {
      give({
        kind: "capture",
        device,
        pin: pinOf(options),
        buffer: buffer ?? null,
        file: options.write,
        count: options.count ?? null,
      });
    },
  );
  return command;
}
