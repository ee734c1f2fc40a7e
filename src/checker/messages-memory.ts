// Words for refused memory accesses: what was accessed, what is known to be there, which comparison is missing. Made from the
// faults of access-fault.ts; the place in the source and the path are added by messages.ts.

import { contextBytes, contextFieldAt, contextFields } from "../bpf/context.ts";
import type { AccessFault } from "./access-fault.ts";
import { type LostPointer, type PointerValue, rangeAtEnd, rangeBeyondEnd } from "./state.ts";
import { contentOf, count, type FaultWords, offsetOf, signed, targetOf } from "./words.ts";

type Fault<Kind extends AccessFault["kind"]> = Extract<AccessFault, { readonly kind: Kind }>;

/** Tells a refused access; `place` names where another instruction is ("line 12"). */
export function memoryWords(fault: AccessFault, place: (slot: number) => string): FaultWords {
  switch (fault.kind) {
    case "notAPointer":
      return notAPointer(fault, place);
    case "mayBeNull":
      return mayBeNull(fault);
    case "outOfBounds":
      return outOfBounds(fault);
    case "contextAccess":
      return contextAccess(fault);
    case "readOnly":
      return {
        message: `writes ${targetOf(fault.pointer)}, which may only be read`,
        known: [holds(fault.register, fault.pointer)],
        help: fault.pointer.kind === "mapValue" ? "declare the map without BPF_F_RDONLY_PROG, or write a copy" : null,
      };
    case "writeOnly":
      return {
        message: `reads ${targetOf(fault.pointer)}, which programs may only write`,
        known: [holds(fault.register, fault.pointer)],
        help: "declare the map without BPF_F_WRONLY_PROG",
      };
    case "stackContents":
      return {
        message: `accesses ${count(fault.bytes, "byte")} at r10${signed(fault.offset)} where the stack holds part of an object of the kernel's or of a lost pointer`,
        known: [],
        help: "write the whole place first, or keep what is saved there whole",
      };
    case "stackSpill":
      return stackSpill(fault);
    case "misaligned":
      return {
        message: `accesses ${count(fault.bytes, "byte")} at an offset from ${targetOf(fault.pointer)} that isn't a multiple of ${fault.bytes}`,
        known: [holds(fault.register, fault.pointer)],
        help: `use an offset that is a multiple of ${fault.bytes}, or single bytes`,
      };
    case "movedPointer":
      return {
        message: `uses a pointer to ${targetOf(fault.pointer)} that was moved`,
        known: [holds(fault.register, fault.pointer)],
        help: "use the pointer as it was given, with the offset in the load or store itself",
      };
    case "variableStack":
      return {
        message: "accesses the stack at an offset that isn't constant, where it must be",
        known: [holds(fault.register, fault.pointer)],
        help: "use a constant offset, or a map's value instead of the stack",
      };
    case "emptyBuffer":
      return {
        message: "gives a helper 0 bytes of memory where it needs some",
        known: [holds(fault.register, fault.pointer)],
        help: "test that the size isn't 0 before the call",
      };
    case "specialField":
      return {
        message: `touches the member of ${targetOf(fault.pointer)} that the kernel keeps for itself (${fault.field.kind} at bytes ${fault.field.offsetBytes} to ${fault.field.offsetBytes + fault.field.bytes - 1})`,
        known: [holds(fault.register, fault.pointer)],
        help: "access the members around it one by one, and this one by its helpers only",
      };
    case "frozenArray":
      return {
        message: `reads ${targetOf(fault.pointer)}: of read-only frozen arrays only those of one entry can be read`,
        known: [],
        help: "declare the array with one entry, whose value is an array",
      };
    case "atomicTarget":
      return {
        message: `an atomic operation on ${targetOf(fault.pointer)}, which has none`,
        known: [holds(fault.register, fault.pointer)],
        help: "use it on the stack, on a map's value or on a record; elsewhere load, change and store",
      };
    case "forbiddenAccess":
      return {
        message: `${fault.write ? "writes to" : "reads from"} ${targetOf(fault.pointer)}, which holds no bytes for programs`,
        known: [holds(fault.register, fault.pointer)],
        help:
          fault.pointer.kind === "packetEnd"
            ? "the end may only be compared: read through the pointer to the packet's start"
            : null,
      };
    case "mixedPointers":
      return {
        message: `one instruction is reached with different kinds of pointer in r${fault.register}`,
        known: [`on this path ${holds(fault.register, fault.pointer)}`],
        help: "load on each path before they join, rather than choosing the pointer and loading behind",
      };
  }
}

function holds(register: number, pointer: PointerValue): string {
  return `r${register} holds ${contentOf(pointer)}`;
}

function notAPointer({ register, value }: Fault<"notAPointer">, place: (slot: number) => string): FaultWords {
  if (value.kind === "scalar" && value.lost !== undefined)
    return lostPointer(register, value.lost, place(value.lost.slot));
  const isNull = value.kind === "scalar" && value.scalar.mask === 0n && value.scalar.value === 0n;
  return {
    message: isNull
      ? `accesses memory through r${register}, which is null here`
      : `accesses memory through r${register}, which holds no pointer`,
    known: [`r${register} holds ${contentOf(value)}`],
    help: isNull
      ? "leave, or go another way, where the pointer is null"
      : "pointers are lost by arithmetic other than adding and subtracting, and by calls that change or release what they point to: get it again",
  };
}

function lostPointer(register: number, { why }: LostPointer, where: string): FaultWords {
  switch (why) {
    case "packetChanged":
      return {
        message: `uses a pointer to the packet from before the call at ${where}, which may move the packet's bytes`,
        known: [`r${register} held that pointer; the call made all pointers to the packet and its end invalid`],
        help: "load ctx->data and ctx->data_end again after the call, and compare again",
      };
    case "released":
      return {
        message: `uses what was given back at ${where}`,
        known: [`r${register} held a pointer to it`],
        help: "use it before it is given back, or keep a copy of what is needed on the stack",
      };
    case "overwritten":
      return {
        message: `uses memory of a dynptr that was overwritten at ${where}`,
        known: [`r${register} held a pointer to it`],
        help: "use it before the dynptr's variable is written again",
      };
  }
}

/** What may have given a null pointer, and the test in C. */
function mayBeNull({ register, pointer }: Fault<"mayBeNull">): FaultWords {
  const { kind, flags, dynptrId, refId } = pointer;
  if (kind === "memory" && flags === 0 && dynptrId === 0 && refId === 0)
    return {
      message: "uses a pointer that a global function was given without a test for null",
      known: [
        `r${register} may be null: a global function is verified for all its parameters allow, not for its callers`,
      ],
      help: "test it first in the function (if (!p) return 0;), declare the parameter __arg_nonnull, or make the function static",
    };
  const from =
    pointer.kind === "mapValue"
      ? `the lookup in map ${pointer.map?.name ?? ""}`
      : pointer.kind === "memory"
        ? "the call that gave it"
        : "the lookup";
  return {
    message: `uses ${targetOf(pointer)} without a test for null`,
    known: [`r${register} is null where ${from} found nothing`],
    help: "test it between the call and the first use: if (!value) return XDP_PASS;",
  };
}

function outOfBounds(fault: Fault<"outOfBounds">): FaultWords {
  switch (fault.pointer.kind) {
    case "packet":
    case "packetMeta":
      return outOfPacket(fault);
    case "stack":
      return outOfStack(fault);
    default:
      return outOfObject(fault);
  }
}

function outOfPacket({ register, pointer, from, to, bytes, limit }: Fault<"outOfBounds">): FaultWords {
  const [start, end] = pointer.kind === "packet" ? ["data", "data_end"] : ["data_meta", "data"];
  const what = targetOf(pointer);
  if (limit === rangeBeyondEnd || limit === rangeAtEnd)
    return {
      message: `reads ${what} where a comparison has just found it too short`,
      known: [`r${register} was compared with ${end} and lies at it or beyond`],
      help: `access it on the other way of that comparison: if (${start} + N > ${end}) return XDP_PASS;`,
    };
  if (from === null)
    return {
      message: `accesses ${what} at an offset that may be negative`,
      known: [`r${register} is ${what}${offsetOf(pointer)}`],
      help: "use an unsigned type for the offset, or mask it: offset & 0xff",
    };
  const needed = (to ?? from) + bytes;
  if (from < 0)
    return {
      message: `accesses ${count(bytes, "byte")} ${count(-from, "byte")} before ${moved(pointer) ? "a place in " : ""}${what}`,
      known: [`r${register} is ${what}${offsetOf(pointer)}`],
      help: moved(pointer)
        ? "what lies before a variable offset can't be proven: keep a pointer to the header and use that one"
        : `nothing before ${start} may be accessed`,
    };
  if (moved(pointer) && pointer.varOff.umax + BigInt(Math.max(0, pointer.off)) > farthestCompared)
    return {
      message: `accesses ${count(bytes, "byte")} of ${what} at an offset that may be too large to be compared with ${end}`,
      known: [
        `r${register} is ${what}${offsetOf(pointer)}`,
        `comparisons count up to ${farthestCompared} bytes from ${start}`,
      ],
      help: "bound the number before it is added (if (n > 1500) return XDP_PASS; or n &= 0x7ff), then compare the moved pointer",
    };
  const place = moved(pointer) ? "this place" : start;
  const known =
    limit > 0
      ? `only ${count(limit, "byte")} from ${place} on are known to lie before ${end}`
      : `nothing is known to lie before ${end}: no comparison covers it on this path`;
  return {
    message: `accesses ${count(bytes, "byte")} at ${place}${signed(from) || " + 0"} of ${what}, which may end before that`,
    known: [known],
    help: moved(pointer)
      ? `compare after the addition, with the moved pointer: if (p + ${needed} > ${end}) return XDP_PASS;`
      : `compare first, on every path that leads here: if (${start} + ${needed} > ${end}) return XDP_PASS;`,
  };
}

/** **Source:** Linux kernel/bpf/verifier.c, MAX_PACKET_OFF. */
const farthestCompared = 0xffffn;

/** True when a number that isn't constant was added. */
function moved(pointer: PointerValue): boolean {
  return pointer.varOff.mask !== 0n || pointer.id !== 0;
}

function outOfStack({ register, pointer, from, to, bytes, limit }: Fault<"outOfBounds">): FaultWords {
  if (from === null || to === null)
    return {
      message: "accesses the stack at an offset without bounds",
      known: [`r${register} is r10${offsetOf(pointer)}`],
      help: "compare the index with the array's length first, or mask it",
    };
  const span = from === to ? `r10${signed(from)}` : `between r10${signed(from)} and r10${signed(to)}`;
  return {
    message: `accesses ${count(bytes, "byte")} at ${span}, outside the stack`,
    known: [`a function's stack reaches from r10 - ${limit} to r10 - 1`],
    help:
      from < -limit
        ? "keep less on the stack: put arrays and big structs into a per-CPU array map"
        : "compare the index with the array's length first",
  };
}

function outOfObject({ register, pointer, from, to, bytes, limit }: Fault<"outOfBounds">): FaultWords {
  const what = targetOf(pointer);
  const known = [`r${register} is ${what}${offsetOf(pointer)}`, `it has ${count(limit, "byte")}`];
  if (to === null)
    return {
      message: `accesses ${what} at an offset without upper bound`,
      known,
      help: `compare the index first (if (i >= N) return XDP_PASS;), as an unsigned number, or mask it`,
    };
  if (from === null || from < 0)
    return {
      message: `accesses ${what} at an offset that may be negative`,
      known,
      help: "use an unsigned type for the index, or compare it with 0 as well",
    };
  const variable = from !== to;
  return {
    message: `accesses ${count(bytes, "byte")} at ${variable ? `bytes ${from} to ${to}` : `byte ${from}`} of ${what}, which has ${count(limit, "byte")}`,
    known: variable ? known : known.slice(0, 1),
    help: variable
      ? `the offset may be at most ${limit - bytes}: compare or mask the index so that it is`
      : "use an offset inside it, or make it bigger",
  };
}

function contextAccess({ offset, bytes, write, signed: extended }: Fault<"contextAccess">): FaultWords {
  const name = contextFieldAt(offset);
  if (write)
    return {
      message: "writes to the context, which XDP programs may only read",
      known: [],
      help: "change the packet or its metadata instead",
    };
  if (offset < 0 || offset >= contextBytes)
    return {
      message: `reads the context at byte ${offset}: struct xdp_md has ${contextBytes} bytes`,
      known: [],
      help: null,
    };
  if (name === null || bytes !== 4)
    return {
      message: `reads ${count(bytes, "byte")} at byte ${offset} of the context, whose fields are read whole: 4 bytes at a multiple of 4`,
      known: name === null ? [] : [`there is ${name}`],
      help: "declare the field __u32 and read it whole",
    };
  if (contextFields[name].devmapOnly)
    return {
      message: `reads ${name}, which only programs for devmap entries have`,
      known: [],
      help: 'put the program into section "xdp/devmap"',
    };
  return {
    message: `reads ${name} ${extended ? "as a signed number" : "so"}, which is a pointer`,
    known: [],
    help: "declare the field __u32, unsigned",
  };
}

function stackSpill({ register, offset, bytes, why }: Fault<"stackSpill">): FaultWords {
  const place = `r10${signed(offset)}`;
  switch (why) {
    case "partOfPointer":
      return {
        message: `saves ${count(bytes, "byte")} of the pointer in r${register} to ${place}: pointers are saved whole`,
        known: [],
        help: "store it as 8 bytes",
      };
    case "partialFill":
      return {
        message: `reads ${count(bytes, "byte")} at ${place} of a pointer that is saved there: pointers are read whole`,
        known: [],
        help: "load 8 bytes, or keep numbers and pointers in places of their own",
      };
    case "callersStack":
      return {
        message: `saves a pointer to this function's stack at ${place} of a caller's, where it would outlive what it points to`,
        known: [],
        help: "let the caller make the place and pass its address",
      };
    case "dynptr":
      return {
        message: `overwrites a ring buffer's dynptr at ${place} before it was submitted or discarded`,
        known: [],
        help: "call bpf_ringbuf_submit_dynptr or bpf_ringbuf_discard_dynptr first",
      };
  }
}
