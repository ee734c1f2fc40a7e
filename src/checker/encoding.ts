// What the kernel demands of every instruction's bits before it follows any path, reachable or not: known opcodes, reserved
// fields of loads, whole wide loads, maps that exist. Fields that are judged only when an instruction is reached are with
// the instruction's own file.
// Source: Linux kernel/bpf/verifier.c (resolve_pseudo_ldimm64), kernel/bpf/core.c (bpf_opcode_in_insntable).

import type { ImageMap } from "../bpf/image.ts";
import { aluOps, aluUnary, insnClass, jumpCodes, jumpOps, memoryModes, sourceRegister } from "../bpf/isa.ts";
import type { Program } from "./env.ts";
import { opcodes, wideSource } from "./program.ts";
import { refuse, unsupported } from "./verdict.ts";

/** **Source:** MAX_USED_MAPS. */
const mostMaps = 64;
/** **Source:** BPF_MAX_VAR_OFF. */
const farthestOffset = 1 << 29;
/** BPF_MAP_TYPE_ARRAY, the one kind whose values have an address while loading that XDP objects use. */
const arrayMap = 2;
/** BPF_MAP_TYPE_ARENA. */
const arenaMap = 33;
/** BPF_MAP_TYPE_STRUCT_OPS. */
const structOpsMap = 26;

const known = knownOpcodes();

/** Which of the 256 opcodes mean something. */
function knownOpcodes(): Uint8Array {
  const table = new Uint8Array(256);
  for (const { code } of Object.values(aluOps))
    for (const source of [0, sourceRegister])
      for (const kind of [insnClass.alu, insnClass.alu64]) table[kind | code | source] = 1;
  for (const kind of [insnClass.alu, insnClass.alu64]) table[kind | aluUnary.neg] = table[kind | aluUnary.end] = 1;
  table[insnClass.alu | aluUnary.end | sourceRegister] = 1;
  for (const { code } of Object.values(jumpOps))
    for (const source of [0, sourceRegister])
      for (const kind of [insnClass.jmp, insnClass.jmp32]) table[kind | code | source] = 1;
  for (const code of [jumpCodes.ja, jumpCodes.call, jumpCodes.exit, jumpCodes.cond]) table[insnClass.jmp | code] = 1;
  table[opcodes.jumpWide] = 1;
  for (const size of [0x00, 0x08, 0x10, 0x18]) {
    for (const kind of [insnClass.ldx, insnClass.st, insnClass.stx]) table[kind | memoryModes.mem | size] = 1;
    if (size !== 0x18) {
      table[insnClass.ldx | memoryModes.memsx | size] = 1;
      table[insnClass.ld | memoryModes.abs | size] = table[insnClass.ld | memoryModes.ind | size] = 1;
    }
    // Single bytes and pairs too: for load_acquire and store_release.
    table[insnClass.stx | memoryModes.atomic | size] = 1;
  }
  table[opcodes.loadWide] = 1;
  return table;
}

/** Refuses the program for the first instruction whose bits the kernel doesn't take. */
export function checkEncodings(program: Program): void {
  const maps = new Set<ImageMap>();
  for (let slot = 0; slot < program.slots; slot++) {
    const opcode = program.opcode[slot] as number;
    if ((opcode & 7) === insnClass.ldx) {
      const mode = opcode & 0xe0;
      if (mode !== memoryModes.mem && mode !== memoryModes.memsx)
        refuse({ kind: "encoding", field: "opcode", value: opcode }, slot);
      const imm = program.imm[slot] as number;
      if (imm !== 0) refuse({ kind: "encoding", field: "imm", value: imm }, slot);
    }
    if (opcode === opcodes.loadWide) {
      checkWideLoad(program, slot, maps);
      slot++;
    } else if (known[opcode] === 0) refuse({ kind: "encoding", field: "opcode", value: opcode }, slot);
  }
}

function checkWideLoad(program: Program, slot: number, maps: Set<ImageMap>): void {
  const high = slot + 1;
  if (high >= program.slots) refuse({ kind: "encoding", field: "second half", value: 0 }, slot);
  for (const [field, array] of [
    ["second half's opcode", program.opcode],
    ["second half's dst", program.dst],
    ["second half's src", program.src],
    ["second half's offset", program.off],
  ] as const) {
    const value = array[high] as number;
    if (value !== 0) refuse({ kind: "encoding", field, value }, slot);
  }
  const source = program.src[slot] as number;
  const highImm = program.imm[high] as number;
  switch (source) {
    case wideSource.constant:
    case wideSource.function:
      return;
    case wideSource.kernelSymbol:
      unsupported("addresses of kernel symbols");
      break;
    case wideSource.map:
      if (highImm !== 0) refuse({ kind: "encoding", field: "second half's imm", value: highImm }, slot);
      break;
    case wideSource.mapValue:
      break;
    default:
      refuse({ kind: "encoding", field: "src", value: source }, slot);
  }
  const index = program.imm[slot] as number;
  const map = program.image.maps[index];
  if (map === undefined) return refuse({ kind: "noSuchMap", index }, slot);
  maps.add(map);
  if (maps.size > mostMaps) refuse({ kind: "tooManyMaps", count: maps.size }, slot);
  if (map.type === arenaMap) unsupported("maps of type arena");
  if (map.type === structOpsMap) refuse({ kind: "noSuchMap", index }, slot);
  if (source === wideSource.mapValue) checkMapValueAddress(map, highImm >>> 0, slot);
}

function checkMapValueAddress(map: ImageMap, offset: number, slot: number): void {
  const addressable = map.type === arrayMap && map.maxEntries === 1;
  if (offset >= farthestOffset || !addressable || offset >= map.valueBytes)
    refuse({ kind: "mapValueAddress", map: map.name, offset }, slot);
}
