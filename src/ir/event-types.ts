// The types of what rules send to user space, as the object's BTF tells them: for each buffer a typedef with its name, so that
// `bpftool btf dump` shows what comes out of which. No map or variable has these types; nothing else would tell.

import type { BtfType } from "../bpf/btf.ts";
import type { HModule } from "./hir.ts";
import { btfOf } from "./layout.ts";
import { SAMPLE_HEADER } from "./sample.ts";
import { sentTo } from "./sent.ts";

/** `NAME_event` for the type of what buffer NAME gets, `NAME_event2` for the second type and so on; `NAME_sample` for samples. */
export function eventTypes(module: HModule): readonly BtfType[] {
  return [...sentTo(module)].flatMap(([{ name }, types]) => {
    const events = types.filter((type) => type !== SAMPLE_HEADER);
    const made = events.map((type, i): BtfType => {
      const typedef = `${name}_event${i === 0 ? "" : i + 1}`;
      return { kind: "typedef", name: typedef, to: btfOf(type, `${typedef}_value`) };
    });
    if (events.length < types.length)
      made.push({ kind: "typedef", name: `${name}_sample`, to: btfOf(SAMPLE_HEADER, "") });
    return made;
  });
}
