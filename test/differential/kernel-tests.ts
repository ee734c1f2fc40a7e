// The kernel's own verifier tests as programs to judge: taken from Debian's source package when the tests run, compiled with the
// source's own headers into a program that prints them, kept in a cache that isn't part of the tree. What the files expect is
// ignored: each is loaded as XDP, and the running kernel's verdict is its label.
// Source: Linux 6.1 tools/testing/selftests/bpf/test_verifier.c (meaning of the fixup_* lists, the maps they stand for).

import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ImageFunction, ImageMap, ProgramImage } from "../../src/bpf/image.ts";
import type { Candidate } from "./candidate.ts";

const TARBALL = "/usr/src/linux-source-6.1.tar.xz";
const ROOT_FOLDER = "linux-source-6.1";
const SELFTESTS = "tools/testing/selftests/bpf";
const CACHE = join(
  process.env.XDPC_ROOT ?? fileURLToPath(new URL("../..", import.meta.url)),
  "node_modules/.cache/xdpc",
);

/** Why the kernel's tests can't be had here, or null. */
export function kernelTestsProblem(): string | null {
  return existsSync(join(CACHE, "kernel-tests.json")) || existsSync(TARBALL) ? null : "linux-source-6.1 not installed";
}

/** A test as the generated program prints it. */
interface RawTest {
  readonly file: string;
  readonly name: string;
  /** Instructions in hexadecimal. */
  readonly code: string;
  /** Slots by the name of their list. */
  readonly fixups: Readonly<Record<string, readonly number[]>>;
  readonly kfuncs: readonly (readonly [name: string, slot: number])[];
  /** Start slots of functions with BTF. */
  readonly functions: readonly number[];
}

const LISTS = [
  "map_hash_8b",
  "map_hash_48b",
  "map_hash_16b",
  "map_array_48b",
  "map_sockmap",
  "map_sockhash",
  "map_xskmap",
  "map_stacktrace",
  "prog1",
  "prog2",
  "map_in_map",
  "cgroup_storage",
  "percpu_cgroup_storage",
  "map_spin_lock",
  "map_array_ro",
  "map_array_wo",
  "map_array_small",
  "sk_storage_map",
  "map_event_output",
  "map_reuseport_array",
  "map_ringbuf",
  "map_timer",
  "map_kptr",
] as const;

const plain = { flags: 0, frozen: false, data: null, fields: [], hasBtf: false, inner: null } as const;

function map(name: string, type: number, keyBytes: number, valueBytes: number, maxEntries: number): ImageMap {
  return { ...plain, name, type, keyBytes, valueBytes, maxEntries };
}

const NO_PREALLOC = 1;
const RDONLY_PROG = 1 << 7;
const WRONLY_PROG = 1 << 8;
const small = map("inner", 2, 4, 4, 1);

const MAPS: Readonly<Record<(typeof LISTS)[number], ImageMap>> = {
  map_hash_8b: { ...map("hash_8b", 1, 8, 8, 1), flags: NO_PREALLOC },
  map_hash_48b: { ...map("hash_48b", 1, 8, 48, 1), flags: NO_PREALLOC },
  map_hash_16b: { ...map("hash_16b", 1, 8, 16, 1), flags: NO_PREALLOC },
  map_array_48b: map("array_48b", 2, 4, 48, 1),
  map_sockmap: map("sockmap", 15, 4, 4, 1),
  map_sockhash: map("sockhash", 18, 4, 4, 1),
  map_xskmap: map("xskmap", 17, 4, 4, 1),
  map_stacktrace: map("stacktrace", 7, 4, 8, 1),
  prog1: map("prog1", 3, 4, 4, 4),
  prog2: map("prog2", 3, 4, 4, 8),
  map_in_map: { ...map("map_in_map", 12, 4, 4, 1), inner: small },
  cgroup_storage: map("cgroup", 19, 16, 64, 0),
  percpu_cgroup_storage: map("percpu_cgroup", 21, 16, 64, 0),
  map_spin_lock: {
    ...map("spin_lock", 2, 4, 8, 1),
    fields: [{ kind: "spinLock", offsetBytes: 4, bytes: 4 }],
    hasBtf: true,
  },
  map_array_ro: { ...map("array_ro", 2, 4, 48, 1), flags: RDONLY_PROG },
  map_array_wo: { ...map("array_wo", 2, 4, 48, 1), flags: WRONLY_PROG },
  map_array_small: map("array_small", 2, 4, 1, 1),
  sk_storage_map: {
    ...map("sk_storage", 24, 4, 8, 0),
    flags: NO_PREALLOC,
    fields: [{ kind: "spinLock", offsetBytes: 4, bytes: 4 }],
    hasBtf: true,
  },
  map_event_output: map("event_output", 4, 4, 4, 1),
  map_reuseport_array: map("reuseport", 20, 4, 8, 1),
  map_ringbuf: map("ringbuf", 27, 0, 0, 4096),
  map_timer: { ...map("timer", 2, 4, 16, 1), fields: [{ kind: "timer", offsetBytes: 0, bytes: 16 }], hasBtf: true },
  map_kptr: { ...map("kptr", 2, 4, 24, 1), fields: [{ kind: "kptr", offsetBytes: 0, bytes: 8 }], hasBtf: true },
};

function run(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 26 });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed:\n${stderr.slice(-3000)}`);
}

/** The C program that prints the tests of `files`, around the part of the kernel's own test driver that declares them. */
function printer(driver: string, files: readonly string[]): string {
  const declarations = driver.slice(0, driver.indexOf("static struct bpf_test tests[]"));
  const arrays = files.map((file, n) => `static struct bpf_test tests_${n}[] = {\n#include "verifier/${file}"\n};`);
  const lists = LISTS.map((list) => `\tlist("${list}", test->fixup_${list});`);
  const calls = files.map(
    (file, n) => `\tfor (i = 0; i < ARRAY_SIZE(tests_${n}); i++) print("${file.replace(/\.c$/, "")}", &tests_${n}[i]);`,
  );
  return `${declarations}
#define FILL_ARRAY
${arrays.join("\n")}
static void text(const char *at)
{
	for (putchar('"'); *at; at++) {
		if (*at == '"' || *at == '\\\\') putchar('\\\\');
		putchar(*at);
	}
	putchar('"');
}
static int first;
static void list(const char *name, const int *slots)
{
	if (!*slots) return;
	printf("%s\\"%s\\":[%d", first ? "" : ",", name, *slots);
	for (slots++; *slots; slots++) printf(",%d", *slots);
	printf("]");
	first = 0;
}
static void print(const char *file, struct bpf_test *test)
{
	struct bpf_insn *insns = test->insns;
	long length = test->prog_len, i;

	if (test->fill_helper) {
		test->fill_insns = calloc(MAX_TEST_INSNS, sizeof(struct bpf_insn));
		test->fill_helper(test);
		insns = test->fill_insns;
		length = test->prog_len;
	} else if (!length) {
		for (length = MAX_INSNS - 1; length > 0; --length)
			if (insns[length].code != 0 || insns[length].imm != 0) break;
		length++;
	}
	printf("{\\"file\\":\\"%s\\",\\"name\\":", file);
	text(test->descr);
	printf(",\\"code\\":\\"");
	for (i = 0; i < length * 8; i++) printf("%02x", ((unsigned char *)insns)[i]);
	printf("\\",\\"fixups\\":{");
	first = 1;
${lists.join("\n")}
	printf("},\\"kfuncs\\":[");
	for (i = 0; i < MAX_FIXUPS && test->fixup_kfunc_btf_id[i].kfunc; i++)
		printf("%s[\\"%s\\",%d]", i ? "," : "", test->fixup_kfunc_btf_id[i].kfunc, test->fixup_kfunc_btf_id[i].insn_idx);
	printf("],\\"functions\\":[");
	for (i = 0; i < test->func_info_cnt; i++) printf("%s%u", i ? "," : "", test->func_info[i].insn_off);
	printf("]}\\n");
	free(test->fill_insns);
}
int main(void)
{
	long i;
${calls.join("\n")}
	return 0;
}
`;
}

/** Extracts, compiles and runs; leaves one JSON object a line in the cache. */
function build(): void {
  const folder = mkdtempSync(join(process.env.XDPC_TEST_TMP ?? tmpdir(), "xdpc-kernel-tests-"));
  try {
    const wanted = [
      SELFTESTS,
      "tools/include",
      "tools/arch",
      "tools/lib/bpf",
      "include/linux/filter.h",
      "include/uapi/linux",
    ];
    run("tar", ["-C", folder, "-xJf", TARBALL, ...wanted.map((path) => `${ROOT_FOLDER}/${path}`)]);
    const source = join(folder, ROOT_FOLDER);
    const tests = join(source, SELFTESTS);
    const files = readdirSync(join(tests, "verifier"))
      .filter((name) => name.endsWith(".c"))
      .sort();
    const driver = readFileSync(join(tests, "test_verifier.c"), "utf8");
    writeFileSync(join(tests, "printer.c"), printer(driver, files));
    const includes = [
      tests,
      join(source, "tools/include"),
      join(source, "tools/include/uapi"),
      join(source, "tools/lib"),
    ];
    const program = join(folder, "printer");
    const flags = ["-O0", "-w", ...includes.map((path) => `-I${path}`)];
    run("gcc", [...flags, join(tests, "printer.c"), "-o", program]);
    mkdirSync(CACHE, { recursive: true });
    const half = join(CACHE, `kernel-tests-${process.pid}`);
    run("sh", ["-c", `"$0" >"$1"`, program, half]);
    renameSync(half, join(CACHE, "kernel-tests.json"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const WIDE_LOAD = 0x18;
/** An index that no image's maps have: the kernel is given a descriptor that doesn't exist. */
const NO_MAP = 0x7fff_ffff;

function imageOf(test: RawTest): ProgramImage {
  const code = new Uint8Array(Buffer.from(test.code, "hex"));
  const view = new DataView(code.buffer);
  for (let slot = 0; slot * 8 < code.length; slot++) {
    if (code[slot * 8] !== WIDE_LOAD) continue;
    const src = code[slot * 8 + 1]! >> 4;
    if (src === 1 || src === 2) view.setInt32(slot * 8 + 4, NO_MAP, true);
    slot++;
  }
  const maps: ImageMap[] = [];
  for (const list of LISTS) {
    const slots = test.fixups[list];
    if (slots === undefined) continue;
    for (const slot of slots) if (slot * 8 < code.length) view.setInt32(slot * 8 + 4, maps.length, true);
    maps.push(MAPS[list]);
  }
  const kfuncs = [...new Set(test.kfuncs.map(([name]) => name))];
  for (const [name, slot] of test.kfuncs) view.setInt32(slot * 8 + 4, kfuncs.indexOf(name), true);
  const functions = test.functions.map(
    (startSlot, index): ImageFunction => ({
      name: `f${index}`,
      startSlot,
      slots: (test.functions[index + 1] ?? code.length / 8) - startSlot,
      global: false,
      parameters: [],
      returnsScalar: true,
    }),
  );
  return {
    name: "test",
    section: "xdp",
    attach: "device",
    frags: false,
    license: "GPL",
    code,
    maps,
    kfuncs,
    functions,
    lines: [],
    gaps: [],
  };
}

/** All of them, in the order of the files; builds the cache at first use (some 20 seconds). */
export function kernelTests(): Candidate[] {
  const file = join(CACHE, "kernel-tests.json");
  if (!existsSync(file)) build();
  return readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => {
      const test = JSON.parse(line) as RawTest;
      return { corpus: "kernel tests", name: `${test.file}: ${test.name}`, image: imageOf(test) };
    });
}
