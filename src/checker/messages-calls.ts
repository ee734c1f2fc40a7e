// Words for refused calls of helpers and for what isn't given back. Made from the faults of call-fault.ts; the place in the source
// and the path are added by messages.ts.

import { type ArgKind, helperById } from "../bpf/helpers.ts";
import type { ImageMap } from "../bpf/image.ts";
import { mapKindByNumber } from "../bpf/maps.ts";
import type { CallFault } from "./call-fault.ts";
import { isPointer, type RegValue } from "./state.ts";
import { contentOf, count, type FaultWords, shown } from "./words.ts";

type Fault<Kind extends CallFault["kind"]> = Extract<CallFault, { readonly kind: Kind }>;

/** What each kind of argument is, as a noun phrase. */
const wanted: Readonly<Record<ArgKind, string>> = {
  map: "a map",
  key: "a pointer to a key: bytes on the stack, in the packet or in a map's value",
  value: "a pointer to a value: bytes on the stack, in the packet or in a map's value",
  valueOut: "a pointer to room for a value",
  valueOrNull: "a pointer to a value, or 0",
  ctx: "the context, as the program got it",
  memory: "a pointer to bytes",
  memoryOut: "a pointer to room for bytes",
  memoryInOut: "a pointer to bytes that may be written",
  memoryOrNull: "a pointer to bytes, or 0",
  memoryOrNullOut: "a pointer to room for bytes, or 0",
  size: "a number of bytes",
  sizeOrZero: "a number of bytes",
  fixedMemory: "a pointer to bytes",
  fixedMemoryOut: "a pointer to room for bytes",
  fixedMemoryInOut: "a pointer to bytes that may be written",
  constSize: "a constant number of bytes",
  string: "a string in read-only data",
  stackOrNull: "a pointer to the stack, or 0",
  record: "the start of a record from bpf_ringbuf_reserve",
  socket: "a socket",
  lock: "a pointer to a bpf_spin_lock in a map's value",
  timer: "a pointer to a bpf_timer in a map's value",
  dynptr: "a pointer to a dynptr on the stack",
  kptr: "a pointer to a kernel pointer in a map's value",
  btf: "a kernel object",
  function: "a function of the program",
  scalar: "a number",
  extra: "anything",
};

/** Tells a refused call; `place` names where another instruction is ("line 12"). */
export function callWords(fault: CallFault, place: (slot: number) => string): FaultWords {
  switch (fault.kind) {
    case "unknownHelper":
      return plain(`calls helper ${fault.id}, which no kernel up to 6.18 has`);
    case "helperNotForXdp":
      return notForXdp(fault.id);
    case "needsGpl":
      return {
        message: `calls bpf_${helperById(fault.id)?.name ?? fault.id}, which only programs with a GPL-compatible licence may`,
        known: [fault.licence === "" ? "the object names no licence" : `its licence is "${shown(fault.licence)}"`],
        help: 'declare one: char LICENSE[] SEC("license") = "GPL";',
      };
    case "argument":
      return argument(fault);
    case "size":
      return size(fault);
    case "packetArgument":
      return {
        message: `gives bpf_${fault.helper} packet data in r${fault.register}, which it doesn't take`,
        known: [],
        help: "copy the bytes to the stack first and give those",
      };
    case "movedArgument":
      return {
        message: `gives bpf_${fault.helper} a moved pointer in r${fault.register}`,
        known: [held(fault.register, fault.value)],
        help: "give the pointer as it was got, without an offset",
      };
    case "mapNotForHelper":
      return plain(`bpf_${fault.helper} doesn't work with map ${fault.map.name}, which is ${kindOf(fault.map)}`);
    case "readOnlyMap":
      return {
        message: `bpf_${fault.helper} would change map ${fault.map.name}, which programs may only read`,
        known: [],
        help: "declare the map without BPF_F_RDONLY_PROG",
      };
    case "noField":
      return noField(fault);
    case "lock":
      return {
        message:
          fault.why === "notHeld" ? "releases a lock that isn't held" : "releases another lock than the one held",
        known: fault.acquiredAt === null ? [] : [`a lock is held since ${place(fault.acquiredAt)}`],
        help: "release each lock through the pointer it was taken by, on every path once",
      };
    case "callWithLock":
      return {
        message: `calls ${fault.helper === null ? "a function" : `bpf_${fault.helper}`} while a lock is held`,
        known: [`the lock was taken at ${place(fault.acquiredAt)}`],
        help: "call it before bpf_spin_lock or after bpf_spin_unlock",
      };
    case "unreleased":
      return {
        message: `${ending(fault.exiting)} with something acquired that wasn't given back`,
        known: [`it was acquired at ${place(fault.acquiredAt)}`],
        help: "give it back on every path: bpf_ringbuf_submit or bpf_ringbuf_discard for a record, bpf_sk_release for a socket",
      };
    case "lockHeld":
      return {
        message: `${ending(fault.exiting)} with a lock held`,
        known: fault.acquiredAt < 0 ? [] : [`it was taken at ${place(fault.acquiredAt)}`],
        help: "call bpf_spin_unlock on every path",
      };
    case "notAcquired":
      return {
        message: `gives bpf_${fault.helper} something that isn't held (any more)`,
        known: [held(fault.register, fault.value)],
        help: "give back once what was acquired, through its own pointer",
      };
    case "string":
      return text(fault);
    case "callbackMap":
      return plain(
        `bpf_${fault.helper} can't visit the entries of map ${fault.map.name}, which is ${kindOf(fault.map)}`,
      );
    case "dynptr":
      return dynptr(fault);
    case "iterator":
      return iterator(fault);
    case "section":
      return {
        message: `calls ${fault.name} where ${fault.name.endsWith("_lock") && !fault.name.endsWith("unlock") ? "the section is entered already" : "no section is to be left"}`,
        known: [],
        help: "enter and leave each section once on every path",
      };
    case "kfuncNotForXdp":
      return plain(`calls the kernel function ${fault.name}, which XDP programs may not call`);
    case "mapCreation":
      return mapCreation(fault);
  }
}

function plain(message: string): FaultWords {
  return { message, known: [], help: null };
}

function held(register: number, value: RegValue): string {
  return `r${register} holds ${contentOf(value)}`;
}

function kindOf(map: ImageMap): string {
  const kind = mapKindByNumber(map.type);
  return kind === null ? `of type ${map.type}` : `a ${kind}`;
}

function ending(exiting: string): string {
  return exiting === "tailCall" ? "a tail call would end the program" : "the program ends";
}

/**
 * What programs for socket buffers call, and what XDP programs call instead.
 * **Source:** Linux include/uapi/linux/bpf.h (___BPF_FUNC_MAPPER) for numbers.
 */
const instead: ReadonlyMap<number, readonly [name: string, help: string]> = new Map([
  [9, ["skb_store_bytes", "call bpf_xdp_store_bytes, or write through ctx->data"]],
  [10, ["l3_csum_replace", "calculate the checksum with bpf_csum_diff, or add up the difference"]],
  [11, ["l4_csum_replace", "calculate the checksum with bpf_csum_diff, or add up the difference"]],
  [13, ["clone_redirect", "XDP can't copy packets; call bpf_redirect"]],
  [18, ["skb_vlan_push", "make room with bpf_xdp_adjust_head and write the tag"]],
  [19, ["skb_vlan_pop", "move the addresses and take the tag away with bpf_xdp_adjust_head"]],
  [26, ["skb_load_bytes", "call bpf_xdp_load_bytes, or read through ctx->data"]],
  [38, ["skb_change_tail", "call bpf_xdp_adjust_tail"]],
  [39, ["skb_pull_data", "leave it out: XDP programs read through ctx->data at once"]],
  [43, ["skb_change_head", "call bpf_xdp_adjust_head"]],
  [50, ["skb_adjust_room", "call bpf_xdp_adjust_head and move the headers"]],
]);

function notForXdp(id: number): FaultWords {
  const [name, help] = instead.get(id) ?? [null, null];
  const called = name === null ? `helper ${id}` : `bpf_${name} (helper ${id})`;
  return { message: `calls ${called}, which XDP programs may not call`, known: [], help };
}

function argument({ helper, register, value, wants }: Fault<"argument">): FaultWords {
  const mayBeNull = isPointer(value) && value.nullable;
  const isZero = value.kind === "scalar" && value.scalar.mask === 0n && value.scalar.value === 0n;
  return {
    message: `bpf_${helper} wants ${wanted[wants]} in r${register}`,
    known: [held(register, value)],
    help: mayBeNull
      ? "test the pointer for null before the call: if (!value) return XDP_PASS;"
      : isZero && /^a pointer/.test(wanted[wants])
        ? "give an address, such as that of a variable: &value"
        : null,
  };
}

function size({ helper, register, value, why }: Fault<"size">): FaultWords {
  const known = [held(register, value)];
  switch (why) {
    case "negative":
      return {
        message: `the size for bpf_${helper} in r${register} may be negative`,
        known,
        help: "use an unsigned type, or mask it: size & 0xff",
      };
    case "zero":
      return {
        message: `the size for bpf_${helper} in r${register} may be 0`,
        known,
        help: "test it first: if (size == 0) return XDP_PASS;",
      };
    case "unbounded":
      return {
        message: `the size for bpf_${helper} in r${register} has no upper bound`,
        known,
        help: "compare it first: if (size > sizeof(buffer)) return XDP_PASS;",
      };
    case "notConstant":
      return {
        message: `the size for bpf_${helper} in r${register} must be a constant`,
        known,
        help: "ask for the greatest size that is needed",
      };
  }
}

function noField({ helper, register, value, map, why }: Fault<"noField">): FaultWords {
  const known = [held(register, value)];
  switch (why) {
    case "variableOffset":
      return {
        message: `bpf_${helper} wants a member of a value at a constant offset in r${register}`,
        known,
        help: null,
      };
    case "noBtf":
      return {
        message: `map ${map.name} has no type information, which bpf_${helper} needs`,
        known: [],
        help: "declare the map with its value's type in section .maps and compile with -g",
      };
    case "noSuchField":
      return {
        message: `values of map ${map.name} have no member that bpf_${helper} could use`,
        known: [],
        help: "add one to the value's struct",
      };
    case "wrongOffset":
      return {
        message: `r${register} doesn't point to the member of map ${map.name} that bpf_${helper} wants`,
        known: [
          ...known,
          `its members: ${map.fields.map(({ kind, offsetBytes }) => `${kind} at byte ${offsetBytes}`).join(", ")}`,
        ],
        help: "pass the member's own address",
      };
  }
}

function text({ helper, register, why }: Fault<"string">): FaultWords {
  switch (why) {
    case "notReadOnly":
    case "notArray":
      return {
        message: `bpf_${helper} wants a string in read-only data in r${register}`,
        known: [],
        help: "declare it static const char text[] = …, outside functions",
      };
    case "variableOffset":
      return { message: `bpf_${helper} wants a string at a constant place in r${register}`, known: [], help: null };
    case "unterminated":
      return {
        message: `the string for bpf_${helper} in r${register} doesn't end with a zero byte`,
        known: [],
        help: null,
      };
    case "format":
      return {
        message: `the format for bpf_${helper} asks for more arguments than it gets, or for what the kernel can't print`,
        known: [],
        help: "it has %d %i %u %x %c %s, with l and ll, %p, %pI4, %pI6 and their kin",
      };
    case "dataSize":
      return {
        message: `the arguments' size for bpf_${helper} isn't a multiple of 8`,
        known: [],
        help: "pass an array of __u64",
      };
  }
}

function dynptr({ helper, register, value, why }: Fault<"dynptr">): FaultWords {
  const known = [held(register, value)];
  switch (why) {
    case "place":
      return {
        message: `bpf_${helper} wants a dynptr in r${register}: 16 bytes of stack at a constant multiple of 8`,
        known,
        help: "declare it struct bpf_dynptr and pass its address",
      };
    case "uninitialised":
      return {
        message: `r${register} points to no dynptr that was made`,
        known,
        help: "make it first, and don't overwrite it",
      };
    case "kind":
      return { message: `the dynptr in r${register} is of another kind than bpf_${helper} wants`, known, help: null };
    case "constant":
      return { message: `bpf_${helper} would change a dynptr that may only be read`, known, help: null };
    case "notAcquired":
      return { message: `the dynptr in r${register} holds nothing to give back`, known, help: "give it back once" };
    case "memory":
      return {
        message: "bpf_dynptr_from_mem takes memory of map values only",
        known,
        help: "put the bytes into a map's value",
      };
  }
}

function iterator({ name, register, value, why }: Fault<"iterator">): FaultWords {
  const known = [held(register, value)];
  switch (why) {
    case "place":
      return {
        message: `${name} wants an iterator in r${register}: 8 bytes of stack at a constant multiple of 8`,
        known,
        help: "declare it struct bpf_iter_num and pass its address",
      };
    case "notThere":
      return {
        message: `r${register} points to no iterator that was made`,
        known,
        help: "call bpf_iter_num_new first",
      };
    case "alreadyThere":
      return {
        message: `r${register} points to an iterator that is still in use`,
        known,
        help: "call bpf_iter_num_destroy before making it anew",
      };
  }
}

function mapCreation({ map, why }: Fault<"mapCreation">): FaultWords {
  const name = `map ${map.name} (${kindOf(map)})`;
  const because: Readonly<Record<typeof why, string>> = {
    flags: `has flags 0x${map.flags.toString(16)} that its kind doesn't have`,
    noPrealloc: "lacks the flag BPF_F_NO_PREALLOC",
    keySize: `has keys of ${count(map.keyBytes, "byte")}, which its kind can't have`,
    valueSize: `has values of ${count(map.valueBytes, "byte")}, which its kind can't have`,
    entries: "has no entries",
    ringSize: `has ${count(map.maxEntries, "byte")}: a ring's size is a power of two and a multiple of the page size`,
    tooBig: "is bigger than the kernel makes it",
    noInner: "doesn't say what its inner maps are like",
    inner: "has inner maps of a kind that can't be one, or that the kernel doesn't make",
    fields: "has members that values of its kind can't have",
    fieldsReadOnly: "has members of the kernel's in values that programs may only read or only write",
  };
  return plain(`the kernel doesn't make ${name}: it ${because[why]}`);
}
