// What ends a device command besides our own bugs: something that the machine, the kernel or the way it was asked for doesn't allow. Says
// what happened, what to do about it, and a word by which programs tell one failure from another. Caught once, by the command line.

/** Something on this machine doesn't go; the message says what, `help` what mends it. */
export class DeviceFailure extends Error {
  override readonly name = "DeviceFailure";
  /** Which failure it is, for programs: "no-interface", "busy", "rejected". */
  readonly reason: string;
  /** What to do, a sentence or a command each. */
  readonly help: readonly string[];
  /** More to read, of several lines: the end of the verifier's log. */
  readonly detail: string | null;

  constructor(reason: string, message: string, help: readonly string[] = [], detail: string | null = null) {
    super(message);
    this.reason = reason;
    this.help = help;
    this.detail = detail;
  }
}
