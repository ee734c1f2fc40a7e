// Whether what is written may be coloured: what `--color` says; with `auto` the environment and the terminal decide.
// Source: no-color.org and bixense.com/clicolors.

import type { ColorChoice } from "./command.ts";
import type { System } from "./system.ts";

/** Whether to colour what goes to `fd`: NO_COLOR, CLICOLOR_FORCE and the terminal decide `auto`, in this order. */
export function wantsColor(choice: ColorChoice, system: System, fd: 1 | 2): boolean {
  if (choice !== "auto") return choice === "always";
  const force = system.env.CLICOLOR_FORCE ?? "";
  if ((system.env.NO_COLOR ?? "") !== "") return false;
  if (force !== "" && force !== "0") return true;
  if (system.env.CLICOLOR === "0" || system.env.TERM === "dumb") return false;
  return system.isTerminal(fd);
}
