// SIGINT and SIGTERM as something to ask for, so that commands that run until they are interrupted end in good order: what was read is
// written, the capture is whole. A second signal ends the process at once.

/** Whether an end was asked for. */
export interface Interruption {
  readonly asked: boolean;
  /** From now on signals do what they always do. */
  end(): void;
}

/** Begins to listen. */
export function interruption(): Interruption {
  let asked = false;
  const hear = (): void => {
    if (asked) process.exit(130);
    asked = true;
  };
  process.on("SIGINT", hear);
  process.on("SIGTERM", hear);
  return {
    get asked() {
      return asked;
    },
    end: () => {
      process.off("SIGINT", hear);
      process.off("SIGTERM", hear);
    },
  };
}
