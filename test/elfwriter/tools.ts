// What several tests of this folder need: temporary files, running tools that look at object files, compiling C to BPF.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findTool } from "../support/requirements.ts";

/** A folder for a test file's files; `remove` deletes it. */
export class Scratch {
  readonly path = mkdtempSync(join(tmpdir(), "xdpc-elf-"));

  /** Writes a file and gives its path. */
  file(name: string, content: Uint8Array | string): string {
    const path = join(this.path, name);
    writeFileSync(path, content);
    return path;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Runs a tool (30 s at most): its exit status and everything it wrote. */
export function attempt(tool: string, ...args: readonly string[]): { status: number; output: string } {
  const run = spawnSync(findTool(tool) ?? tool, args, { encoding: "utf8", timeout: 30_000, maxBuffer: 1 << 26 });
  if (run.error !== undefined) throw run.error;
  return { status: run.status ?? -1, output: run.stdout + run.stderr };
}

/** Runs a tool that must succeed: its standard output. */
export function output(tool: string, ...args: readonly string[]): string {
  const run = spawnSync(findTool(tool) ?? tool, args, { encoding: "utf8", timeout: 30_000, maxBuffer: 1 << 26 });
  if (run.error !== undefined) throw run.error;
  if (run.status !== 0) throw new Error(`${tool} ${args.join(" ")}: exit ${run.status}\n${run.stdout}${run.stderr}`);
  return run.stdout;
}

/** Compiles C for BPF with debug information; the file is written to the scratch folder as `name`.o. */
export function compileC(scratch: Scratch, clang: string, name: string, source: string, ...flags: string[]): string {
  const object = join(scratch.path, `${name}.o`);
  const multiarch = "-I/usr/include/x86_64-linux-gnu";
  output(
    clang,
    "-O2",
    "-g",
    "-target",
    "bpf",
    multiarch,
    ...flags,
    "-c",
    scratch.file(`${name}.c`, source),
    "-o",
    object,
  );
  return object;
}

/** A C program with all that clang makes: subprograms, static and global data, maps of maps, enums, bit fields. */
export const richC = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
enum color { RED = -1, GREEN = 5 };
enum big { BIG = 0x123456789abULL, SMALL = 1 };
typedef unsigned short port_t;
union u { int a; char b[4]; };
struct inner { port_t p; _Bool flag; char c; float f; double *dp; };
struct val {
  struct inner in; union u u; unsigned lo : 3; unsigned hi : 13; enum color col; enum big g;
  const volatile long *restrict q; struct fwd_only *fw; int (*cb)(int x); __u64 hits;
};
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 128); __type(key, struct inner); __type(value, struct val); } flows SEC(".maps");
struct inner_map { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __uint(key_size, 4); __uint(value_size, 8); } in1 SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 2); __uint(key_size, 4); __array(values, struct inner_map);
} outer SEC(".maps") = { .values = { [0] = &in1 } };
struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP); __uint(max_entries, 4); __uint(key_size, 4); __uint(value_size, 4); __uint(pinning, LIBBPF_PIN_BY_NAME);
} xsks SEC(".maps");
int counter = 3; static int hidden = 4; const volatile int limit = 9; long zero;
static __attribute__((noinline)) int helper_static(struct xdp_md *ctx, int x) { hidden += x; return ctx->rx_queue_index + x; }
__attribute__((noinline)) int helper_global(int x) { bpf_printk("x is %d", x); return x * limit; }
SEC("xdp") int first(struct xdp_md *ctx) {
  struct inner k = {};
  struct val *v = bpf_map_lookup_elem(&flows, &k);
  if (v) { __sync_fetch_and_add(&v->hits, 1); v->col = GREEN; v->g = BIG; }
  counter += helper_static(ctx, 2);
  zero++;
  return helper_global(counter) > 7 ? XDP_PASS : XDP_DROP;
}
SEC("xdp") int second(struct xdp_md *ctx) {
  __u32 z = 0;
  void *m = bpf_map_lookup_elem(&outer, &z);
  return m ? bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS) : XDP_DROP;
}
SEC("xdp/devmap") int third(struct xdp_md *ctx) { return XDP_TX; }
char _license[] SEC("license") = "GPL";
`;
