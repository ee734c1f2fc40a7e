// The machine as a library: every example of docs/api.md runs and prints what stands below it, the list of helpers there is the
// machine's; maps, variables and errors through the package's interface; and a bundle for browsers has nothing of Node in it.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { inspect } from "node:util";
import vm from "node:vm";
import { build } from "esbuild";
import { afterAll, describe, expect, test } from "vitest";
import * as api from "../../src/index.ts";
import { loadObject, Machine, MachineFault, MapError, ObjectError, ValueError } from "../../src/index.ts";
import { implementedHelpers } from "../../src/vm/helpers/table.ts";
import { objectOf } from "../support/compile.ts";
import { assemble } from "./support.ts";

const root = join(fileURLToPath(import.meta.url), "../../..");
const guide = readFileSync(join(root, "docs/api.md"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "xdpc-api-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("the guide", () => {
  const examples = [...guide.matchAll(/```ts\n(.*?)```\n\n```text\n(.*?)```/gs)];
  test("has as many examples as code blocks", () => {
    expect(examples.length).toBe([...guide.matchAll(/```ts\n/g)].length);
    expect(examples.length).toBeGreaterThan(4);
  });

  test.each(examples.map((match, i) => [i + 1, match[1] ?? "", match[2] ?? ""] as const))(
    "example %i prints what it says",
    async (number, code, output) => {
      const printed: string[] = [];
      const log = (...values: unknown[]): void => {
        printed.push(values.map((value) => (typeof value === "string" ? value : inspect(value))).join(" "));
      };
      const file = join(folder, `example${number}.ts`);
      writeFileSync(file, code);
      const { outputFiles } = await build({
        entryPoints: [file],
        bundle: true,
        write: false,
        format: "cjs",
        platform: "node",
        external: ["xdpc"],
        logLevel: "silent",
      });
      const context = { require: () => api, console: { log }, Uint8Array, module: { exports: {} } };
      vm.runInNewContext(outputFiles[0]?.text ?? "", context);
      expect(`${printed.join("\n")}\n`).toBe(output);
    },
  );

  test("lists the helpers the machine has", () => {
    const list = guide.match(/doesn't have helper …":\n\n(.*?)\n\n/s)?.[1] ?? "";
    expect(list.match(/[a-z0-9_]+/g)).toEqual(implementedHelpers);
  });
});

const firewall = objectOf(`
    struct Key { saddr : ipv4, port : u16 }
    map seen : hash<Key, u64>[2]
    map last : percpu_array<u32>[4]
    set six : ipv6[8]
    set cards : mac[8]
    counter hits
    devmap out[4]
    config limit : u32 = 60
    var total : u64
    program first {
        total += 1
        count hits
        if meta.len > limit as u64 then pass
        redirect out[meta.rx_queue_index] or drop
    }
    program second { log "here %u", meta.len tx }
`);

describe("a loaded object", () => {
  test("programs, maps and variables by name", () => {
    const object = loadObject(firewall);
    expect(object.programs.map(({ name }) => name)).toEqual(["first", "second"]);
    expect([...object.maps.keys()]).toEqual(expect.arrayContaining(["seen", "last", "six", "cards", "out"]));
    expect(object.variables).toEqual(expect.arrayContaining(["limit", "total"]));
    expect(() => object.map("nothing")).toThrow(RangeError);
    expect(() => object.getGlobal("nothing")).toThrow(RangeError);
    expect(object.getGlobal("limit")).toBe(60);
  });

  test("runs, redirects, counts", () => {
    const object = loadObject(firewall, { cpus: 2, cpu: 1 });
    expect(object.run(new Uint8Array(60)).verdict).toBe("XDP_DROP");
    object.map("out").set(2, { ifindex: 7 });
    const sent = object.run(new Uint8Array(60), { rxQueueIndex: 2 });
    expect([sent.verdict, sent.redirect]).toEqual([
      "XDP_REDIRECT",
      { kind: "device", ifindex: 7, map: "out", key: 2, program: null },
    ]);
    object.setGlobal("limit", 50);
    expect(object.run(new Uint8Array(51)).verdict).toBe("XDP_PASS");
    expect(object.run(new Uint8Array(61), { program: "second" })).toMatchObject({
      verdict: "XDP_TX",
      trace: ["here 61"],
    });
    expect(object.getGlobal("total")).toBe(3n);
    const [counts] = [...object.map("hits").readEntries()].map(([, value]) => value);
    expect(counts).toEqual([
      { packets: 0n, bytes: 0n },
      { packets: 3n, bytes: 171n },
    ]);
  });

  test("keys and values by their types, both ways", () => {
    const object = loadObject(firewall, { cpus: 3 });
    const seen = object.map("seen");
    seen.set({ saddr: "10.0.0.1", port: 80 }, 5);
    seen.set({ port: 443, saddr: 0x0a000002 }, 2n ** 63n);
    expect([...seen.readEntries()]).toEqual([
      [{ saddr: "10.0.0.1", port: 80 }, 5n],
      [{ saddr: "10.0.0.2", port: 443 }, 2n ** 63n],
    ]);
    expect([...seen.keys()][0]).toEqual(Uint8Array.of(10, 0, 0, 1, 80, 0, 0, 0));
    expect(seen.get(Uint8Array.of(10, 0, 0, 1, 80, 0, 0, 0))).toEqual(Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0));
    expect(seen.read({ saddr: "10.0.0.1" })).toBeNull();
    object.map("six").set("2001:db8::1", 1);
    object.map("six").set("::ffff:10.0.0.1", 1);
    const sixes = [...object.map("six").readEntries()].map(([key]) => key);
    expect(sixes).toEqual(["2001:db8::1", "::ffff:a00:1"]);
    object.map("cards").set("02:00:00:00:00:aB", 1);
    expect([...object.map("cards").readEntries()][0]?.[0]).toBe("02:00:00:00:00:ab");
    const last = object.map("last");
    last.set(1, 9);
    last.setPerCpu(2, [1, 2, 3]);
    expect([last.read(1), last.read(2), last.read(3), last.read(4)]).toEqual([[9, 9, 9], [1, 2, 3], [0, 0, 0], null]);
  });

  test("refusals carry the kernel's error number", () => {
    const object = loadObject(firewall);
    const seen = object.map("seen");
    const errnoOf = (run: () => void): number | null => {
      try {
        run();
        return null;
      } catch (error) {
        if (error instanceof MapError) return error.errno;
        throw error;
      }
    };
    seen.set({ port: 1 }, 1);
    expect(errnoOf(() => seen.set({ port: 1 }, 2, "new"))).toBe(-17);
    expect(errnoOf(() => seen.set({ port: 2 }, 2, "existing"))).toBe(-2);
    seen.set({ port: 2 }, 1);
    expect(errnoOf(() => seen.set({ port: 3 }, 1))).toBe(-7);
    expect([seen.delete({ port: 1 }), seen.delete({ port: 1 })]).toEqual([true, false]);
    expect(errnoOf(() => object.map("last").delete(0))).toBe(-22);
    expect(errnoOf(() => object.map("last").events())).toBe(-95);
    expect(errnoOf(() => object.map("out").get(0))).toBe(null);
  });

  test.each([
    [{ port: 65536 }, "in port: 65536 doesn't fit into 16 bits"],
    [{ port: 1.5 }, "in port: 1.5 is no integer"],
    [{ saddr: "10.0.0" }, "in saddr: 10.0.0 is no address"],
    [{ saddr: "2001:db8::1" }, "in saddr: 2001:db8::1 has 16 bytes, not 4"],
    [{ sport: 1 }, "it has no member sport"],
    [7, "7 is no object"],
    [new Uint8Array(3), "3 bytes given for a value of 8"],
  ])("a key that doesn't fit: %o", (key, message) => {
    const seen = loadObject(firewall).map("seen");
    expect(() => seen.set(key, 1)).toThrow(ValueError);
    expect(() => seen.set(key, 1)).toThrow(message);
  });

  test("Node's Buffers are copied like other bytes", () => {
    const file = Buffer.from(firewall);
    const object = loadObject(file);
    const key = Buffer.from([10, 0, 0, 1, 80, 0, 0, 0]);
    const value = Buffer.alloc(8, 1);
    object.map("seen").set(key, value);
    key.fill(0);
    value.fill(0);
    expect(object.map("seen").get(Uint8Array.of(10, 0, 0, 1, 80, 0, 0, 0))).toEqual(new Uint8Array(8).fill(1));
    object.run(Buffer.alloc(60));
    expect(object.getGlobal("total")).toBe(1n);
    expect(file.equals(firewall)).toBe(true);
  });

  test("what can't be loaded says why", () => {
    expect(() => loadObject(new Uint8Array(3))).toThrow(ObjectError);
    expect(() => loadObject(firewall.slice(0, 900))).toThrow(ObjectError);
    expect(() => loadObject(new TextEncoder().encode("no object"))).toThrow("this is not an ELF file");
  });
});

describe("bare bytecode", () => {
  test("reads and writes the memory given", () => {
    const code = assemble("r0 = *(u32 *)(r1 + 0)\nr0 += r2\n*(u8 *)(r1 + 3) = 9\nexit");
    const memory = Uint8Array.of(1, 2, 0, 0);
    expect(new Machine(code).runOn(memory)).toBe(0x201n + 4n);
    expect(memory).toEqual(Uint8Array.of(1, 2, 0, 9));
    expect(new Machine(assemble("r0 = -1\nexit")).runOn(new Uint8Array(0))).toBe(2n ** 64n - 1n);
  });

  test("faults say where and why", () => {
    const fault = ((): unknown => {
      try {
        return new Machine(assemble("r0 = 0\nr0 = *(u8 *)(r1 + 4)\nexit")).runOn(new Uint8Array(4));
      } catch (error) {
        return error;
      }
    })();
    expect(fault).toBeInstanceOf(MachineFault);
    expect(fault).toMatchObject({ kind: "outOfBounds", slot: 1, steps: 2 });
    expect(() => new Machine(assemble("call bpf_timer_init\nexit")).runOn(new Uint8Array(4))).toThrow(
      "the machine doesn't have helper bpf_timer_init",
    );
  });
});

describe("a browser", () => {
  test("gets a bundle without anything of Node, and it runs there", async () => {
    const entry = join(folder, "browser.ts");
    const index = JSON.stringify(pathToFileURL(join(root, "src/index.ts")).pathname);
    writeFileSync(
      entry,
      `import { loadObject, Machine } from ${index};
       globalThis.answer = (bytes, code) => [loadObject(bytes).run(new Uint8Array(60)).verdict, new Machine(code).runOn(new Uint8Array(1))];`,
    );
    const libraries = {
      name: "library",
      setup(plugin: { onLoad: (filter: { filter: RegExp }, load: () => { contents: string; loader: "js" }) => void }) {
        plugin.onLoad({ filter: /[\\/]src[\\/]cli[\\/]package-files\.ts$/ }, () => ({
          contents: "export const packageVersion = '0'; export const libraryTexts = new Map();",
          loader: "js",
        }));
      },
    };
    const { outputFiles, metafile } = await build({
      entryPoints: [entry],
      bundle: true,
      write: false,
      metafile: true,
      format: "iife",
      platform: "browser",
      target: "es2023",
      plugins: [libraries],
      logLevel: "silent",
    });
    const imports = Object.values(metafile.inputs).flatMap((input) => input.imports.map(({ path }) => path));
    expect(imports.filter((path) => path.startsWith("node:"))).toEqual([]);
    // A world without Node: only what the language and browsers have.
    const world: Record<string, unknown> = { TextEncoder, TextDecoder, Uint8Array };
    vm.runInNewContext(outputFiles[0]?.text ?? "", world);
    const answer = world.answer as (bytes: Uint8Array, code: Uint8Array) => unknown;
    expect([...(answer(firewall, assemble("r0 = 3\nexit")) as unknown[])]).toEqual(["XDP_DROP", 3n]);
  });
});
