// The defect matrix: for each fact that is said to be fatal, an object with just that defect is refused by a real loader
// while the sound one loads. So each fact that the writer keeps to is shown to matter.

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { BpfObject } from "../../src/bpf/object.ts";
import { writeObject } from "../../src/elfwriter/write.ts";
import { LoadError } from "../support/bpf.ts";
import { loadObject } from "../support/libbpf.ts";
import { closeAll } from "../support/native.ts";
import { createNetns, createVeth, type Netns, netnsProblem } from "../support/netns.ts";
import { describeWith, kernelProblem, toolProblem } from "../support/requirements.ts";
import { Patient } from "./damage.ts";
import * as sample from "./samples.ts";
import { Scratch } from "./tools.ts";

const scratch = new Scratch();
afterAll(() => scratch.remove());

const table = sample.map("table", "hash", { key: sample.flow, value: sample.stats, flags: 1 });
const nets = sample.map("nets", "lpm_trie", { key: sample.lpmKey, value: sample.stats });

function withMap(m: typeof table): BpfObject {
  return sample.object({
    maps: [m],
    programs: [sample.program("xdp_rules", [...sample.touch([m]), sample.move(0, 2), sample.exit])],
  });
}

/** A program that begins with a 16-byte load; each instruction has its line. */
const wideFirst = withMap(table);

/** Three relocations of 16 bytes: as many bytes as two of 24. */
const threeLookups = sample.object({
  maps: [table],
  programs: [sample.program("xdp_rules", [...sample.touch([table, table]), ...sample.lookup("table", 1, 2)])],
});

function asRela(p: Patient): void {
  const header = p.header(".relxdp");
  p.u32(header + 4, 4);
  p.u64(header + 56, 24);
}

const KIND = { int: 1, array: 3, struct: 4, prototype: 13, variable: 14, section: 15 } as const;

interface Defect {
  readonly fact: string;
  readonly object: BpfObject;
  readonly damage: (patient: Patient) => void;
  /** What libbpf, or the kernel through it, says; bad BTF alone isn't always the end, but then nobody sees types or lines. */
  readonly says: RegExp;
}

const defects: readonly Defect[] = [
  {
    fact: "a program's symbol is global",
    object: sample.object(),
    damage: (p) => p.u8(p.symbol("xdp_rules") + 4, 0x02),
    says: /program 'xdp_rules' is static and not supported/,
  },
  {
    fact: "a program's symbol is a function",
    object: sample.object(),
    damage: (p) => p.u8(p.symbol("xdp_rules") + 4, 0x11),
    says: /^loaded \[\]/,
  },
  {
    fact: "a program's symbol has a size",
    object: sample.object(),
    damage: (p) => p.u64(p.symbol("xdp_rules") + 16, 0),
    says: /corrupted program 'xdp_rules', offset 0, size 0/,
  },
  {
    fact: "a program lies inside its section",
    object: sample.object(),
    damage: (p) => p.u64(p.symbol("xdp_rules") + 16, 24),
    says: /program at offset 0 crosses section boundary/,
  },
  {
    fact: "the machine is BPF",
    object: sample.object(),
    damage: (p) => p.view.setUint16(18, 62, true),
    says: /is not a valid eBPF object file/,
  },
  {
    fact: "the file is relocatable",
    object: sample.object(),
    damage: (p) => p.view.setUint16(16, 2, true),
    says: /is not a valid eBPF object file/,
  },
  {
    fact: "there is a symbol table",
    object: sample.object(),
    damage: (p) => p.u32(p.header(".symtab") + 4, 1),
    says: /couldn't find symbol table/,
  },
  {
    fact: "relocations are REL, RELA is ignored",
    object: threeLookups,
    damage: asRela,
    says: /R1 type=scalar expected=map_ptr/,
  },
  {
    fact: "the license is GPL where helpers ask for it",
    object: sample.objectWithGlobals(),
    damage: (p) => p.u8(p.offset("license") + 3, 0x58),
    says: /cannot call GPL-restricted function from non-GPL compatible program/,
  },
  {
    fact: "code is executable",
    object: sample.object(),
    damage: (p) => p.u64(p.header("xdp") + 8, 2),
    says: /^loaded \[\] .*skipping unrecognized data section\(1\) xdp/,
  },

  {
    fact: "maps need BTF",
    object: withMap(table),
    damage: (p) => p.replace(".strtab", ".BTF", ".BTX"),
    says: /BTF is required, but is missing or corrupted/,
  },
  {
    fact: "a map's symbol is where its VAR is",
    object: withMap(table),
    damage: (p) => p.u64(p.symbol("table") + 8, 8),
    says: /map relo failed to find map for section '\.maps', off 8/,
  },
  {
    fact: ".maps has bytes for its VARs",
    object: withMap(table),
    damage: (p) => p.u64(p.header(".maps") + 32, 8),
    says: /map 'table' BTF data is corrupted/,
  },
  {
    fact: "a map's VAR has linkage 1",
    object: withMap(table),
    damage: (p) => p.u32(p.record(KIND.variable, "table") + 12, 0),
    says: /map 'table': unsupported map linkage static/,
  },
  {
    fact: "a map has no unknown member",
    object: withMap(table),
    damage: (p) => p.replace(".BTF", "max_entries", "min_entries"),
    says: /map 'table': unknown field 'min_entries'/,
  },
  {
    fact: "a map has a type",
    object: withMap(table),
    damage: (p) => p.replace(".BTF", "type", "kind"),
    says: /map 'table': unknown field 'kind'/,
  },
  {
    fact: "no key_size that contradicts key",
    object: withMap(table),
    damage: (p) => p.replace(".BTF", "map_flags", "key_size"),
    says: /map 'table': conflicting key size 1 != 8/,
  },
  {
    fact: "a number is a pointer to an array",
    object: withMap(table),
    damage: (p) => p.u32(p.record(KIND.array) + 4, KIND.struct << 24),
    says: /BTF is required, but is missing or corrupted/,
  },
  {
    fact: "a trie has BPF_F_NO_PREALLOC",
    object: withMap(nets),
    damage: (p) => p.u32(p.record(KIND.array, null, 2) + 20, 0),
    says: /map 'nets': failed to create: Invalid argument/,
  },

  {
    fact: "BTF names are C identifiers",
    object: sample.object(),
    damage: (p) => p.replace(".BTF", "xdp_rules", "xdp-rules"),
    says: /FUNC xdp-rules .*Invalid name/,
  },
  {
    fact: "BTF names of maps are C identifiers",
    object: withMap(table),
    damage: (p) => {
      p.replace(".BTF", "table", "ta-le");
      p.replace(".strtab", "table", "ta-le");
    },
    says: /^load .*BTF loading error: -22/s,
  },
  {
    fact: "FUNC arguments are named",
    object: sample.object(),
    damage: (p) => p.u32(p.record(KIND.prototype) + 12, 0),
    says: /BTF loading error.*Invalid arg#1/s,
  },
  {
    fact: "a DATASEC has its real size",
    object: sample.objectWithGlobals(),
    damage: (p) => p.u32(p.record(KIND.section, ".data") + 8, 4),
    says: /BTF loading error.*DATASEC \.data.*Invalid/s,
  },
  {
    fact: "VARs of a DATASEC don't overlap",
    object: sample.objectWithGlobals(),
    damage: (p) => p.u32(p.record(KIND.section, ".bss") + 28, 4),
    says: /BTF loading error.*DATASEC \.bss.*Invalid offset/s,
  },
  {
    fact: "a struct's members lie inside it",
    object: withMap(table),
    damage: (p) => p.u32(p.record(KIND.struct, "stats") + 8, 8),
    says: /BTF loading error.*STRUCT stats.*Member exceeds struct_size/s,
  },

  {
    fact: "func_info names a FUNC",
    object: sample.object(),
    damage: (p) => p.u32(p.func() + 4, 1),
    says: /invalid type id 1 in func info/,
  },
  {
    fact: "line info starts at 0",
    object: sample.object(),
    damage: (p) => p.u32(p.line(0), 8),
    says: /missing bpf_line_info for func#0/,
  },
  {
    fact: "line info rises",
    object: sample.object(),
    damage: (p) => p.u32(p.line(1), 0),
    says: /Invalid line_info\[1\]\.insn_off:0/,
  },
  {
    fact: "line info isn't on the second half of a 16-byte load",
    object: wideFirst,
    damage: (p) => p.u32(p.line(1), 8),
    says: /Invalid insn code at line_info\[1\]\.insn_off/,
  },
  {
    fact: "line info's strings are there",
    object: sample.object(),
    damage: (p) => p.u32(p.line(1) + 8, 100_000),
    says: /Invalid line_info\[1\]\.line_off or \.file_name_off/,
  },
];

describeWith("an object with one defect", [kernelProblem()], () => {
  afterEach(() => closeAll());

  test.each(defects)("$fact", ({ object, damage, says }) => {
    const sound = writeObject(object);
    loadObject(scratch.file("sound.o", sound));
    const patient = new Patient(sound);
    damage(patient);
    expect(patient.bytes).not.toEqual(sound);
    let said: string;
    try {
      const loaded = loadObject(scratch.file("defect.o", patient.bytes));
      said = `loaded [${[...loaded.programs.keys()]}] ${loaded.log}`;
    } catch (error) {
      if (!(error instanceof LoadError)) throw error;
      said = error.message;
    }
    expect(said).toMatch(says);
  });
});

describeWith("section names", [netnsProblem(), toolProblem("bpftool", "xdp-loader")], () => {
  let netns: Netns;
  beforeAll(async () => {
    netns = await createNetns();
    createVeth({ netns, device: "v0" }, { netns, device: "v1" });
  });
  afterAll(() => closeAll());

  /** Which loaders take a program in `section`. */
  function takenBy(section: string): string[] {
    const path = scratch.file(
      "section.o",
      writeObject(sample.object({ programs: [sample.constantProgram("p", 2, { section })] })),
    );
    const commands: Record<string, string[]> = {
      bpftool: ["bpftool", "prog", "load", path, "/sys/fs/bpf/p"],
      ip: ["ip", "link", "set", "dev", "v0", "xdp", "obj", path, "sec", section],
      loader: ["xdp-loader", "load", "-s", section, "v0", path],
    };
    const taken = Object.entries(commands).filter(([, command]) => {
      const { status } = netns.try(...command);
      netns.try("rm", "-f", "/sys/fs/bpf/p");
      netns.try("ip", "link", "set", "dev", "v0", "xdp", "off");
      netns.try("xdp-loader", "unload", "v0", "--all");
      return status === 0;
    });
    return taken.map(([name]) => name);
  }

  test.each([
    ["xdp", ["bpftool", "ip", "loader"]],
    ["xdp.frags", ["bpftool", "ip", "loader"]],
    ["xdp/other", ["ip", "loader"]],
    ["xdp_hello", ["ip", "loader"]],
  ])("%s is taken by %s", (section, loaders) => {
    expect(takenBy(section)).toEqual(loaders);
  });

  test("ip looks for section prog unless told", () => {
    const inSection = (section: string) =>
      scratch.file("ip.o", writeObject(sample.object({ programs: [sample.constantProgram("p", 2, { section })] })));
    expect(netns.try("ip", "link", "set", "dev", "v0", "xdp", "obj", inSection("xdp")).status).not.toBe(0);
    expect(netns.try("ip", "link", "set", "dev", "v0", "xdp", "obj", inSection("prog")).status).toBe(0);
    netns.run("ip", "link", "set", "dev", "v0", "xdp", "off");
  });
});
