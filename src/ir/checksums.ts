// Which checksums change when a field is written: its header's own, those of what the header carries (addresses, by the pseudo
// header) and those of what carries it (by the payload). Only sums of 16-bit words, as RFC 1071 defines them, can be kept right by
// looking at what changed; a CRC can't. Read by the checks of assignments. Knows no protocol: header declarations say it all.

import { holderOf, parentsOf } from "./header-graph.ts";
import type { CoveredPart, Field, HExpr, Header, Instance, SumUpdate } from "./hir.ts";

/** The checksum field a header declares, or null. */
export function checksumField(header: Header): Field | null {
  for (const field of header.fields.values()) if (field.covers?.kind === "checksum") return field;
  return null;
}

/** The checksums that change with a field, or the field of one that can't be kept right. */
export type AffectedSums = { readonly sums: readonly SumUpdate[] } | { readonly broken: SumUpdate };

/**
 * Finds the checksums that cover `field` of `instance`, inner ones before those that cover them. `headers` are all there are.
 */
export function sumsOver(instance: Instance, field: Field, headers: Iterable<Header>): AffectedSums {
  const sums: SumUpdate[] = [];
  const whole = wholeOf(instance);
  const own = sumCovering(whole.header, "header");
  if (own !== null) {
    const update = { instance: holderOf(whole, own), field: own, over: "header" } as const;
    if (whole !== instance && !hasEvenSize(whole.header)) return { broken: update };
    sums.push(update);
  }
  if (field.type.kind === "ipv4" || field.type.kind === "ipv6") {
    for (const carried of headers) {
      const sum = sumCovering(carried, "pseudo");
      const first = carried.instances[0];
      if (sum === null || first === undefined) continue;
      if (carried.edges.some((edge) => edge.parent === instance.header))
        sums.push({ instance: first, field: sum, over: "pseudo" });
    }
  }
  for (const { carrier, even } of carriersOf(whole)) {
    const sum = sumCovering(carrier.header, "payload");
    if (sum === null) continue;
    const update = { instance: holderOf(carrier, sum), field: sum, over: "payload" } as const;
    if (!even) return { broken: update };
    sums.push(update);
  }
  const broken = sums.find((sum) => sum.field.bitWidth !== 16 || sum.field.bitOffset % 16 !== 0);
  return broken === undefined ? { sums } : { broken };
}

/** The header that an instance is, or is a part of. */
function wholeOf(instance: Instance): Instance {
  const { part } = instance.header;
  return part === null ? instance : (part.of.instances[instance.index] ?? instance);
}

function sumCovering(header: Header, part: CoveredPart): Field | null {
  const field = checksumField(header);
  return field?.covers?.parts.includes(part) ? field : null;
}

/** What may carry a header, nearest first, and whether the header lies a whole number of 16-bit words behind the carrier's first byte. */
function carriersOf(instance: Instance): { readonly carrier: Instance; readonly even: boolean }[] {
  const found: { carrier: Instance; even: boolean }[] = [];
  const seen = new Set<Instance>([instance]);
  const open = parentsOf(instance).map((carrier) => ({ carrier, even: true }));
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    const { carrier } = next;
    if (seen.has(carrier)) continue;
    seen.add(carrier);
    const even = next.even && hasEvenSize(carrier.header);
    found.push({ carrier, even });
    open.push(...parentsOf(carrier).map((above) => ({ carrier: above, even })));
  }
  return found;
}

function hasEvenSize(header: Header): boolean {
  return header.size === null ? header.fixedBytes % 2 === 0 : isEven(header.size.bytes);
}

/** Whether a size is even for every value of its fields, as far as its form tells. */
function isEven(value: HExpr): boolean {
  switch (value.kind) {
    case "const":
      return value.value % 2n === 0n;
    case "cast":
      return isEven(value.value);
    case "binary":
      if (value.op === "*") return isEven(value.a) || isEven(value.b);
      if (value.op === "<<") return isEven(value.a) || (value.b.kind === "const" && value.b.value > 0n);
      return (value.op === "+" || value.op === "-") && isEven(value.a) && isEven(value.b);
    default:
      return false;
  }
}
