// Our own bugs. A user's mistake is a Diagnostic and is collected; a broken promise between two of our own parts is an
// InternalError and is thrown. Knows nothing of the rest of the compiler.

/** A fault of the compiler itself, never of its user; the command line reports it as a bug and exits with 70. */
export class InternalError extends Error {
  override readonly name = "InternalError";
}

/** Throws InternalError with `message` unless `condition` holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InternalError(message);
}

/** Marks a place that the types say can't be reached; throws InternalError when it is reached after all. */
export function assertNever(value: never, what = "value"): never {
  throw new InternalError(`unexpected ${what}: ${describe(value)}`);
}

/** Returns `value`, or throws InternalError with `message` when it is null or undefined. */
export function must<T>(value: T | null | undefined, message: string): T {
  if (value === null || value === undefined) throw new InternalError(message);
  return value;
}

function describe(value: unknown): string {
  try {
    return JSON.stringify(value, (_key, v) => (typeof v === "bigint" ? `${v}n` : v)) ?? String(value);
  } catch {
    return String(value);
  }
}
