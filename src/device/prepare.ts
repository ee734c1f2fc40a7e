// An object before it is loaded: read and linked by our own reader, so that whatever is wrong with it is told in words; which of its programs is
// attached; its variables and which of them stand for devices. Touches no kernel.

import type { AttachPoint, ProgramImage } from "../bpf/image.ts";
import { skipModifiers } from "../elfwriter/btf-decode.ts";
import { linkObject } from "../elfwriter/link.ts";
import { linkFaultText } from "../elfwriter/link-fault.ts";
import { faultText, type ObjectFile } from "../elfwriter/object-file.ts";
import { readObject } from "../elfwriter/read.ts";
import type { Codec, MapInput } from "../value-codec.ts";
import { btfCodec, ValueError } from "../value-codec.ts";
import { DeviceFailure } from "./failure.ts";

/** An object that can be loaded as far as its file tells. */
export interface PreparedObject {
  /** How messages call it. */
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly object: ObjectFile;
  /** Its XDP programs. */
  readonly images: readonly ProgramImage[];
  /** The one to be attached. */
  readonly chosen: ProgramImage;
  readonly variables: ReadonlyMap<string, ObjectVariable>;
  /** Whether it was made from rules. */
  readonly ours: boolean;
}

/** A global variable and its place in a data section. */
export interface ObjectVariable {
  readonly name: string;
  /** ".rodata", ".data" or ".bss". */
  readonly section: string;
  readonly offsetBytes: number;
  readonly codec: Codec;
  /** Whether it is a number without a sign. */
  readonly isUnsigned: boolean;
}

/** Reads and links an object and chooses the program to attach: `program`, or the only one for devices. Throws DeviceFailure. */
export function prepareObject(file: string, bytes: Uint8Array, program: string | null): PreparedObject {
  const { object, faults } = readObject(bytes);
  if (object === undefined)
    throw new DeviceFailure("bad-object", `${file} can't be loaded: ${faults.map(faultText).join("; ")}`);
  const linked = linkObject(object);
  const [fault] = linked.faults;
  if (fault !== undefined) {
    const what = fault.program === null ? file : `program ${fault.program} of ${file}`;
    throw new DeviceFailure("bad-object", `${what} can't be loaded: ${linkFaultText(fault)}`);
  }
  if (linked.images.length === 0) {
    const others = linked.others.map((o) => `${o.name} is ${o.reason}`);
    throw new DeviceFailure("no-program", `${file} has no XDP program`, others);
  }
  return {
    file,
    bytes,
    object,
    images: linked.images,
    chosen: choose(file, linked.images, program),
    variables: variablesOf(object),
    ours: linked.images.some((image) => image.lines.some((line) => /\.xdp$|^<.*>$/.test(line.file))),
  };
}

const PLACES: Readonly<Record<Exclude<AttachPoint, "device">, string>> = {
  devmap: "for the entries of a devmap",
  cpumap: "for the entries of a cpumap",
};

function choose(file: string, images: readonly ProgramImage[], name: string | null): ProgramImage {
  const forDevices = images.filter((image) => image.attach === "device");
  if (name !== null) {
    const found = images.find((image) => image.name === name);
    const names = forDevices.map((image) => image.name).join(", ");
    if (found === undefined)
      throw new DeviceFailure("no-program", `${file} has no program ${name}`, [
        `its programs: ${names || "none for devices"}`,
      ]);
    if (found.attach !== "device") throw notForDevices(found);
    return found;
  }
  const [first, second] = forDevices;
  if (first === undefined) throw notForDevices(images[0] as ProgramImage);
  if (second === undefined) return first;
  throw new DeviceFailure("which-program", `${file} has ${forDevices.length} programs for devices`, [
    `choose one: ${forDevices.map((image) => `--program ${image.name}`).join(", ")}`,
  ]);
}

function notForDevices({ name, attach }: ProgramImage): DeviceFailure {
  const place = attach === "device" ? "" : PLACES[attach];
  return new DeviceFailure("no-program", `program ${name} is ${place}; it can't be attached to a device`, [
    `attach a program that redirects to the ${attach}; programs of its file are pinned beside it, and an entry of the ${attach} takes one by its pin`,
  ]);
}

function variablesOf(object: ObjectFile): ReadonlyMap<string, ObjectVariable> {
  const { btf } = object;
  const found = new Map<string, ObjectVariable>();
  if (btf === null) return found;
  // Clang leaves the places out of BTF: the symbols have them.
  const places = new Map<string, bigint>();
  for (const { section, name, value } of object.symbols)
    if (section !== null) places.set(`${section.name} ${name}`, value);
  for (const type of btf.types) {
    if (type.kind !== "section" || !/^\.(rodata|data|bss)/.test(type.name)) continue;
    for (const { variable, ...placed } of type.variables) {
      const declared = btf.types[variable];
      if (declared?.kind !== "variable") continue;
      const codec = btfCodec(btf, declared.type);
      const offsetBytes = Number(places.get(`${type.name} ${declared.name}`) ?? placed.offsetBytes);
      const valueType = skipModifiers(btf, declared.type);
      const isUnsigned = valueType?.kind === "int" && !valueType.signed;
      if (codec !== null)
        found.set(declared.name, { name: declared.name, section: type.name, offsetBytes, codec, isUnsigned });
    }
  }
  return found;
}

/** A variable's value before loading, from the object's file. */
export function initialValue({ object }: PreparedObject, variable: ObjectVariable): Uint8Array {
  const section = object.sections.find(({ name }) => name === variable.section);
  const { offsetBytes, codec } = variable;
  const bytes = section?.bytes.subarray(offsetBytes, offsetBytes + codec.bytes) ?? new Uint8Array(0);
  // .bss has no bytes of its own.
  return bytes.length === codec.bytes ? bytes : new Uint8Array(codec.bytes);
}

/** The bytes of variables by name: what `--set` says. Throws DeviceFailure. */
export function setVariables(
  prepared: PreparedObject,
  values: readonly { readonly name: string; readonly value: MapInput }[],
): ReadonlyMap<string, Uint8Array> {
  const bytes = new Map<string, Uint8Array>();
  for (const { name, value } of values) {
    const variable = prepared.variables.get(name);
    if (variable === undefined) {
      const names = [...prepared.variables.keys()].join(", ");
      throw new DeviceFailure("no-variable", `${prepared.file} has no config or variable ${name}`, [
        names === "" ? "it has none at all" : `it has ${names}`,
      ]);
    }
    if (variable.isUnsigned && typeof value === "bigint" && value < 0n)
      throw new DeviceFailure("bad-value", `--set ${name}: ${value} is negative, and its type has no sign`);
    try {
      bytes.set(name, variable.codec.encode(value));
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      throw new DeviceFailure("bad-value", `--set ${name}: ${error.message}`);
    }
  }
  return bytes;
}

/** How a device's name becomes part of a config's: `redirect dev "eth1.5"` reads `ifindex_eth1_5`. */
function configName(device: string): string {
  return `ifindex_${device.replace(/[^A-Za-z0-9_]/g, "_")}`;
}

/**
 * The indices that stand for devices which rules name: each config `ifindex_NAME` that is 0 and not in `set` gets the index of the
 * device of that name. Throws DeviceFailure where rules name a device that isn't there.
 */
export function deviceVariables(
  prepared: PreparedObject,
  devices: readonly { readonly name: string; readonly index: number }[],
  set: ReadonlyMap<string, unknown>,
): ReadonlyMap<string, { readonly device: string; readonly index: number }> {
  const found = new Map<string, { device: string; index: number }>();
  for (const variable of prepared.variables.values()) {
    const { name, section, codec } = variable;
    if (!name.startsWith("ifindex_") || section !== ".rodata" || codec.bytes !== 4 || set.has(name)) continue;
    if (initialValue(prepared, variable).some((byte) => byte !== 0)) continue;
    const [device, another] = devices.filter((one) => configName(one.name) === name);
    if (device !== undefined && another === undefined) {
      found.set(name, { device: device.name, index: device.index });
      continue;
    }
    // In a stranger's program the name may mean anything.
    if (!prepared.ours) continue;
    const wanted = name.slice("ifindex_".length);
    throw device === undefined
      ? new DeviceFailure("no-target", `${prepared.file} sends packets to device ${wanted}, which isn't here`, [
          `make the device first, or name another's index: --set ${name}=INDEX`,
          `--set ${name}=0 attaches it all the same: packets for ${wanted} then get the verdict behind \`or\``,
        ])
      : new DeviceFailure("no-target", `${name} may stand for ${device.name} or ${another?.name}`, [
          `say which: --set ${name}=${device.index}`,
        ]);
  }
  return found;
}
