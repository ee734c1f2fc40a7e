// Words for refusals by the engine: arithmetic, branches, calls between functions, the program's shape and its limits. Made from
// the faults of engine-fault.ts; the place in the source and the path are added by messages.ts.

import type { EngineFault, FunctionWish, ResultWish } from "./engine-fault.ts";
import type { RegValue } from "./state.ts";
import { contentOf, type FaultWords, targetOf } from "./words.ts";

/** Tells a refusal by the engine. */
export function engineWords(fault: EngineFault): FaultWords {
  switch (fault.kind) {
    case "unsetRegister":
      return text(
        `r${fault.register} is read but was never set on this way here`,
        fault.register > 0 && fault.register < 6
          ? `set r${fault.register} on every way here; calls lose r1 to r5, so keep what is needed later in r6 to r9`
          : `set r${fault.register} on every way here`,
      );
    case "framePointerWrite":
      return text(
        "r10 is written, but the frame pointer can only be read",
        "copy r10 to another register and change that",
      );
    case "badRegister":
      return text(`there is no register r${fault.register}`);
    case "encoding":
      return text(`an instruction's ${fault.field} is ${hex(fault.value)}, which means nothing here`);
    case "divisionByZero":
      return text("division by the constant 0");
    case "shiftTooFar":
      return text(`shift by ${fault.amount}, but a ${fault.bits}-bit number shifts by 0 to ${fault.bits - 1}`);
    case "pointerArithmetic":
      return pointerArithmetic(fault);
    case "functionArgument":
      return text(`r${fault.register} is ${contentOf(fault.value)}, but the function wants ${wishes[fault.wants]}`);
    case "result":
      return resultText(fault.value, fault.wants);
    case "tooComplex":
      return text(
        `the program is too complex: ${thousands(fault.processed)} instructions walked over all paths, and the limit is 1,000,000`,
        "split it by a tail call, make loops shorter or let fewer values differ where paths join",
      );
    case "tooManyBranches":
      return text(
        `the program is too complex: ${thousands(fault.pending)} branches wait to be walked at once, and the limit is 8,192`,
        "bound the loop that makes them, or keep paths from branching inside it",
      );
    case "endlessLoop":
      return text(
        "the loop never ends: it comes round with every value as it was",
        "change in each round a value that the loop's condition tests",
      );
    default:
      return structureText(fault);
  }
}

/** Words for a fault of the program's shape. */
function structureText(
  fault: Exclude<
    EngineFault,
    {
      readonly kind:
        | "unsetRegister"
        | "framePointerWrite"
        | "badRegister"
        | "encoding"
        | "divisionByZero"
        | "shiftTooFar"
        | "pointerArithmetic"
        | "functionArgument"
        | "result"
        | "tooComplex"
        | "tooManyBranches"
        | "endlessLoop";
    }
  >,
): FaultWords {
  switch (fault.kind) {
    case "jumpOutside":
      return text(`a jump or call goes to instruction ${fault.target}, outside of its function or the program`);
    case "jumpIntoWideLoad":
      return text(`a jump goes into the middle of a 16-byte load, to ${fault.target}`);
    case "unreachable":
      return text("no way leads to this instruction", "remove it");
    case "fallsThrough":
      return text("the function's last instruction is neither an exit nor a jump", "end it with exit");
    case "tooManyFunctions":
      return text(`the program has ${fault.count} functions, and the limit is 256`);
    case "tooLong":
      return text(`the program has ${thousands(fault.slots)} instructions, and the limit is 1,000,000`);
    case "empty":
      return text("the program has no instructions");
    case "tooManyMaps":
      return text(`the program uses ${fault.count} maps, and the limit is 64`);
    case "noSuchMap":
      return text(`a load names map ${fault.index}, which the program doesn't have`);
    case "noSuchKernelFunction":
      return text("a kernel function is called that the kernel hasn't", "test that it's there before calling it");
    case "kernelCallNeedsGpl":
      return text("a kernel function is called, but the program's licence isn't GPL-compatible");
    case "mapValueAddress":
      return text(
        `byte ${fault.offset} of map ${fault.map}'s value has no address that could be loaded`,
        "only an array map of one entry has its value at a fixed address",
      );
    case "functionInfo":
      return text("the functions by the BTF aren't those that the instructions have");
    case "tailCallInFunction":
      return text(
        "a function that may be called makes a tail call, but isn't known to return a number",
        "compile with BTF (-g) and let the function return int",
      );
    case "legacyAccess":
      return text(
        "legacy packet loads (LD_ABS, LD_IND) aren't for XDP programs",
        "read the packet through data and data_end",
      );
    case "callbackFunction":
      return fault.why === "noBtf"
        ? text("a function's address is taken, but there is no BTF for functions", "compile with BTF (-g)")
        : text("a callback must be a static function", "declare it static");
    case "functionNeverCalled":
      return text(
        "a function's address is taken, but nothing ever calls that function: the kernel removes it and then misses it",
        "call it, or don't take its address",
      );
    case "callTooDeep":
      return text(
        `${fault.depth} functions call each other in a row, and the limit is 8`,
        "inline some of them, or don't recurse",
      );
    case "stackTooDeep":
      return fault.tailCall
        ? text(
            `a function makes a tail call while its callers use ${fault.bytes} bytes of stack, and the limit is ${fault.limit - 1}`,
          )
        : text(
            `functions that call each other use ${fault.bytes} bytes of stack together, and the limit is ${fault.limit}`,
            "keep big data in a map of one entry for each CPU",
          );
    case "globalFunction":
      return fault.why === "result"
        ? text("a global function must return a number", "let it return int, or declare it static")
        : text("a global function has more than 5 parameters", "pass a pointer to a struct, or declare it static");
    case "globalCallWithLock":
      return text(
        "a global function is called while a lock is held",
        "give the lock back first, or declare the function static",
      );
  }
}

const wishes: Readonly<Record<FunctionWish, string>> = {
  number: "a number",
  context: "the context as it was given",
  notNull: "a pointer that isn't null",
};

function resultText(value: RegValue, wants: ResultWish): FaultWords {
  if (wants === "noStackPointer")
    return text("the function returns a pointer to its stack, which is gone then", "let the caller pass the memory");
  if (wants === "number") return text(`r0 is ${contentOf(value)} at the end, but must be a number`);
  return text(
    `r0 is ${contentOf(value)} at a callback's end, but must be ${wants.min}${wants.max === wants.min ? "" : ` to ${wants.max}`}`,
    wants.max === 1 ? "return 0 to go on or 1 to stop" : `return ${wants.min}`,
  );
}

function pointerArithmetic({ register, value, why }: Extract<EngineFault, { kind: "pointerArithmetic" }>): FaultWords {
  const what = value.kind === "unset" || value.kind === "scalar" ? contentOf(value) : targetOf(value);
  switch (why) {
    case "thirtyTwoBits":
      return text(`32-bit arithmetic on r${register}, a pointer to ${what}`, "use the 64-bit instruction");
    case "mayBeNull":
      return text(
        `arithmetic on a pointer that may be null: r${register}, ${contentOf(value)}`,
        "test that it isn't 0 first",
      );
    case "kind":
      return text(`arithmetic on r${register}, a pointer to ${what}, which can't be moved`);
    case "operation":
      return text(
        `r${register} is a pointer to ${what}; numbers can be added to it and subtracted, nothing else`,
        "calculate an offset, a number, and add that to the pointer",
      );
    case "subtractFromNumber":
      return text(`a pointer to ${what} is subtracted from a number`);
    case "subtractFromStack":
      return text("a number is subtracted from a pointer to the stack", "add a negative constant instead");
    case "unbounded":
      return text(
        `a number without a lower bound is added to a pointer to ${what}`,
        "bound the number first: mask it with &=, or compare it with a constant",
      );
    case "tooFar":
      return text(
        `a pointer to ${what} is moved by 2^29 bytes or more`,
        "bound the number first: mask it with &=, or compare it with a constant",
      );
    case "twoPointers":
      return text(`r${register} and the other operand are both pointers: only their difference can be taken`);
  }
}

function text(message: string, help: string | null = null): FaultWords {
  return { message, known: [], help };
}

function hex(value: number): string {
  return value >= 0 && value < 10 ? `${value}` : `0x${(value >>> 0).toString(16)}`;
}

function thousands(count: number): string {
  return count.toString().replace(/\B(?=(\d{3})+$)/g, ",");
}
