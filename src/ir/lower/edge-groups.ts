// A header's places, those put together that say the same of different parents. Part of planning how packets are read (parse-plan.ts).

import type { HCond, Header } from "../hir.ts";

/** Places of a header with the same values and condition: parents that stand for one another. */
interface EdgeGroup {
  readonly parents: Header[];
  readonly values: readonly bigint[];
  readonly when: HCond | null;
}

/** The places of a header in groups. */
export function edgeGroups(header: Header): readonly EdgeGroup[] {
  const groups: EdgeGroup[] = [];
  for (const { parent, values, when } of header.edges) {
    const key = [...values].sort().join(",");
    const group = groups.find((g) => g.when === when && [...g.values].sort().join(",") === key);
    if (group === undefined) groups.push({ parents: [parent], values, when });
    else group.parents.push(parent);
  }
  return groups;
}
