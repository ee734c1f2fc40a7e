// `xdpc detach IFACE`: src/device does it; here is what is said of it.

import { utf8 } from "../base/bytes.ts";
import { detach } from "../device/detach.ts";
import { describeAttached } from "../device/devices.ts";
import type { Manner } from "./command.ts";
import type { DetachRequest } from "./device-options.ts";
import { EXIT } from "./failure.ts";
import type { System } from "./system.ts";

/** Detaches and returns the exit code. Throws DeviceFailure. */
export function runDetach(request: DetachRequest & { readonly manner: Manner }, system: System): number {
  const { device, detached, removed, left } = detach(request.device, { folder: request.pin, force: request.force });
  if (request.manner.json) {
    const programs = detached.map(({ id, mode, info, home }) => ({
      id,
      mode,
      name: info?.name ?? null,
      tag: info?.tag ?? null,
      ours: home !== null,
    }));
    system.write(1, utf8(`${JSON.stringify({ type: "detach", device, detached: programs, removed, left })}\n`));
    return EXIT.fine;
  }
  const lines = detached.map((one) => `${device}: ${describeAttached(one)} detached`);
  if (detached.length === 0) lines.push(`${device}: nothing was attached${removed === null ? "; nothing to do" : ""}`);
  if (removed !== null) lines.push(`  its pins below ${removed} are removed, and with them its maps`);
  for (const [name, place] of Object.entries(left))
    lines.push(`  map ${name} stays pinned at ${place}, as its rules say (rm ${place} ends it)`);
  system.write(1, utf8(`${lines.join("\n")}\n`));
  return EXIT.fine;
}
