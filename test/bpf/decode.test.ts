// The decoder on foreign and hostile bytes: each fault once by hand, then random programs and random bytes.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DecodeFault } from "../../src/bpf/decode.ts";
import { decode, decodePieces, describeFault } from "../../src/bpf/decode.ts";
import { encode } from "../../src/bpf/encode.ts";
import { program, tries } from "./arbitraries.ts";

const unhex = (text: string) => Uint8Array.from(text.split(/\s+/).filter(Boolean), (byte) => Number.parseInt(byte, 16));
const exit = "95 00 00 00 00 00 00 00";

const faults: readonly (readonly [string, DecodeFault])[] = [
  ["95 00 00", { kind: "partialSlot", slot: 0, bytes: 3 }],
  [`${exit} 95 00 00 00 00 00 00`, { kind: "partialSlot", slot: 1, bytes: 7 }],
  // No such code in any class: ALU 0xe0 and 0xf0, JMP 0xf0, jump by register, a call by register.
  ["e7 00 00 00 00 00 00 00", { kind: "unknownOpcode", slot: 0, opcode: 0xe7 }],
  ["f4 00 00 00 00 00 00 00", { kind: "unknownOpcode", slot: 0, opcode: 0xf4 }],
  ["f5 00 00 00 00 00 00 00", { kind: "unknownOpcode", slot: 0, opcode: 0xf5 }],
  ["0d 00 00 00 00 00 00 00", { kind: "unknownOpcode", slot: 0, opcode: 0x0d }],
  ["8d 00 00 00 00 00 00 00", { kind: "unknownOpcode", slot: 0, opcode: 0x8d }],
  ["9d 00 00 00 00 00 00 00", { kind: "unknownOpcode", slot: 0, opcode: 0x9d }],
  // Calls and exits of class JMP32, negation by register, swap by register.
  ["86 00 00 00 01 00 00 00", { kind: "unknownOpcode", slot: 0, opcode: 0x86 }],
  ["96 00 00 00 00 00 00 00", { kind: "unknownOpcode", slot: 0, opcode: 0x96 }],
  ["8f 00 00 00 00 00 00 00", { kind: "unknownOpcode", slot: 0, opcode: 0x8f }],
  ["df 00 00 00 10 00 00 00", { kind: "unknownOpcode", slot: 0, opcode: 0xdf }],
  // Loads and stores of modes that their classes lack: IMM of 4 bytes, MEMSX of 8 bytes, ATOMIC of 2, ST of mode ATOMIC.
  ["00 00 00 00 00 00 00 00", { kind: "unknownOpcode", slot: 0, opcode: 0x00 }],
  ["99 00 00 00 00 00 00 00", { kind: "unknownOpcode", slot: 0, opcode: 0x99 }],
  ["cb 00 00 00 00 00 00 00", { kind: "unknownOpcode", slot: 0, opcode: 0xcb }],
  ["da 00 00 00 00 00 00 00", { kind: "unknownOpcode", slot: 0, opcode: 0xda }],
  ["38 00 00 00 00 00 00 00", { kind: "unknownOpcode", slot: 0, opcode: 0x38 }],
  // Variants.
  ["37 01 02 00 03 00 00 00", { kind: "unknownVariant", slot: 0, field: "offset", value: 2 }],
  ["bf 21 01 00 00 00 00 00", { kind: "unknownVariant", slot: 0, field: "offset", value: 1 }],
  ["bc 21 20 00 00 00 00 00", { kind: "unknownVariant", slot: 0, field: "offset", value: 32 }],
  ["dc 01 00 00 08 00 00 00", { kind: "unknownVariant", slot: 0, field: "imm", value: 8 }],
  ["85 30 00 00 01 00 00 00", { kind: "unknownVariant", slot: 0, field: "src", value: 3 }],
  ["db 21 00 00 10 00 00 00", { kind: "unknownVariant", slot: 0, field: "imm", value: 16 }],
  ["db 21 00 00 e0 00 00 00", { kind: "unknownVariant", slot: 0, field: "imm", value: 0xe0 }],
  ["db 21 00 00 00 01 00 00", { kind: "unknownVariant", slot: 0, field: "imm", value: 0x100 }],
  ["e5 10 00 00 00 00 00 00", { kind: "unknownVariant", slot: 0, field: "src", value: 1 }],
  // Reserved fields.
  ["07 21 00 00 05 00 00 00", { kind: "reservedField", slot: 0, field: "src", value: 2 }],
  ["0f 21 00 00 05 00 00 00", { kind: "reservedField", slot: 0, field: "imm", value: 5 }],
  ["0f 21 05 00 00 00 00 00", { kind: "reservedField", slot: 0, field: "offset", value: 5 }],
  ["b7 01 08 00 00 00 00 00", { kind: "reservedField", slot: 0, field: "offset", value: 8 }],
  ["87 01 00 00 01 00 00 00", { kind: "reservedField", slot: 0, field: "imm", value: 1 }],
  ["61 61 04 00 01 00 00 00", { kind: "reservedField", slot: 0, field: "imm", value: 1 }],
  ["62 61 04 00 01 00 00 00", { kind: "reservedField", slot: 0, field: "src", value: 6 }],
  ["05 01 00 00 00 00 00 00", { kind: "reservedField", slot: 0, field: "dst", value: 1 }],
  ["05 00 00 00 01 00 00 00", { kind: "reservedField", slot: 0, field: "imm", value: 1 }],
  ["06 00 01 00 00 00 00 00", { kind: "reservedField", slot: 0, field: "offset", value: 1 }],
  ["95 00 00 00 07 00 00 00", { kind: "reservedField", slot: 0, field: "imm", value: 7 }],
  ["85 00 01 00 07 00 00 00", { kind: "reservedField", slot: 0, field: "offset", value: 1 }],
  ["28 01 00 00 0c 00 00 00", { kind: "reservedField", slot: 0, field: "dst", value: 1 }],
  ["28 10 00 00 0c 00 00 00", { kind: "reservedField", slot: 0, field: "src", value: 1 }],
  // Registers.
  ["b7 0b 00 00 00 00 00 00", { kind: "badRegister", slot: 0, register: 11 }],
  ["bf f0 00 00 00 00 00 00", { kind: "badRegister", slot: 0, register: 15 }],
  ["18 0c 00 00 00 00 00 00 00 00 00 00 00 00 00 00", { kind: "badRegister", slot: 0, register: 12 }],
  // Wide loads.
  ["18 01 00 00 00 00 00 00", { kind: "brokenWideLoad", slot: 0 }],
  [`18 01 00 00 00 00 00 00 ${exit}`, { kind: "brokenWideLoad", slot: 0 }],
  ["18 01 01 00 00 00 00 00 00 00 00 00 00 00 00 00", { kind: "reservedField", slot: 0, field: "offset", value: 1 }],
  ["18 01 00 00 00 00 00 00 00 01 00 00 00 00 00 00", { kind: "reservedField", slot: 0, field: "highDst", value: 1 }],
  ["18 01 00 00 00 00 00 00 00 20 00 00 00 00 00 00", { kind: "reservedField", slot: 0, field: "highSrc", value: 2 }],
  [
    "18 01 00 00 00 00 00 00 00 00 ff ff 00 00 00 00",
    { kind: "reservedField", slot: 0, field: "highOffset", value: -1 },
  ],
  // Targets.
  [`05 00 01 00 00 00 00 00 ${exit}`, { kind: "targetOutside", slot: 0, target: 2 }],
  [`${exit} 05 00 fd ff 00 00 00 00`, { kind: "targetOutside", slot: 1, target: -1 }],
  [`06 00 00 00 ff ff ff 7f ${exit}`, { kind: "targetOutside", slot: 0, target: 0x80000000 }],
  [`85 10 00 00 05 00 00 00 ${exit}`, { kind: "targetOutside", slot: 0, target: 6 }],
  [
    `05 00 01 00 00 00 00 00 18 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 ${exit}`,
    { kind: "targetInsideWideLoad", slot: 0, target: 2 },
  ],
];

describe("faults", () => {
  test.each(faults)("%s", (text, fault) => {
    const decoded = decode(unhex(text));
    expect(decoded.kind).toBe("faults");
    if (decoded.kind === "faults") {
      expect(decoded.faults).toContainEqual(fault);
      for (const each of decoded.faults) expect(describeFault(each)).toMatch(/\d|wide|16-byte/);
    }
  });

  test("are all told, in the order of their slots", () => {
    const bytes = unhex(`e7 00 00 00 00 00 00 00 05 00 09 00 00 00 00 00 ${exit} 95 00`);
    expect(decode(bytes)).toEqual({
      kind: "faults",
      faults: [
        { kind: "unknownOpcode", slot: 0, opcode: 0xe7 },
        { kind: "targetOutside", slot: 1, target: 11 },
        { kind: "partialSlot", slot: 3, bytes: 2 },
      ],
    });
  });

  test("leave the rest of the program readable", () => {
    const { pieces } = decodePieces(unhex(`${exit} e7 00 00 00 00 00 00 00 ${exit}`));
    expect(pieces.map((piece) => piece.insn?.kind ?? "bytes")).toEqual(["exit", "bytes", "exit"]);
  });
});

describe("what is no fault", () => {
  test("no bytes", () => {
    expect(decode(new Uint8Array())).toEqual({ kind: "insns", insns: [], slotOf: [] });
  });

  test("a relocated call goes wherever its symbol lies", () => {
    const bytes = unhex(`85 10 00 00 63 00 00 00 ${exit}`);
    expect(decode(bytes).kind).toBe("faults");
    expect(decode(bytes, [{ slot: 0, kind: "call", symbol: "f" }]).kind).toBe("insns");
  });

  test("a view into a larger buffer", () => {
    const bytes = unhex(`ff ff ff ff ff ${exit} ff`).subarray(5, 13);
    expect(decode(bytes)).toMatchObject({ kind: "insns", insns: [{ kind: "exit" }] });
  });
});

test("decode gives back what was encoded", () => {
  fc.assert(
    fc.property(program(40), (insns) => {
      const { bytes, relocations } = encode(insns);
      const decoded = decode(bytes, relocations);
      expect(decoded).toMatchObject({ kind: "insns", insns });
    }),
    tries(2000),
  );
});

describe("random bytes never throw, and what decodes encodes to the same bytes", () => {
  const roundTrip = (bytes: Uint8Array) => {
    const decoded = decode(bytes);
    if (decoded.kind === "faults") expect(decoded.faults.length).toBeGreaterThan(0);
    else expect(encode(decoded.insns).bytes).toEqual(bytes);
    return decoded.kind;
  };

  test("any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void roundTrip(bytes)),
      tries(5000),
    );
  });

  test("slots with mostly zero fields, which often decode", () => {
    const field = fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(255) });
    const slot = fc.tuple(fc.nat(255), field, field, field, field, field, field, field);
    let decodedOnes = 0;
    fc.assert(
      fc.property(fc.array(slot, { minLength: 1, maxLength: 3 }), (slots) => {
        if (roundTrip(Uint8Array.from(slots.flat())) === "insns") decodedOnes++;
      }),
      tries(20000),
    );
    // The property says nothing unless many programs do decode.
    if (process.env.FC_RUNS === undefined) expect(decodedOnes).toBeGreaterThan(500);
  });

  test("every opcode with every register pair", () => {
    for (let opcode = 0; opcode < 256; opcode++)
      for (let regs = 0; regs < 256; regs++) roundTrip(Uint8Array.of(opcode, regs, 0, 0, 0, 0, 0, 0));
  });

  test("valid programs with one byte changed", () => {
    fc.assert(
      fc.property(program(8), fc.nat(), fc.nat(255), (insns, place, value) => {
        const { bytes } = encode(insns);
        bytes[place % bytes.length] = value;
        roundTrip(bytes);
      }),
      tries(5000),
    );
  });
});
