// How one header leads to the next when packets are made or matched: which values of a selector announce a header. Works on headers
// that are built; reading packets in rules is the parse plan's.

import type { Header, HeaderEdge } from "./hir.ts";

/** What a header's places hang on: itself, or for an extension header the headers it extends. */
export function carriersOf(header: Header): readonly Header[] {
  return header.extension ? header.edges.map((edge) => edge.parent) : [header];
}

/** The values of `parent`'s selector at which `child` follows it, as declared; empty where it never does. */
export function announcing(parent: Header, child: Header): readonly bigint[] {
  if (parent.next === null) return [];
  const carriers = carriersOf(parent);
  return everyEdge(child)
    .filter((edge) => carriers.includes(edge.parent))
    .flatMap((edge) => edge.values);
}

/** All places of a header, those where it begins what a tunnel carries too. */
export function everyEdge(header: Header): readonly HeaderEdge[] {
  return [...header.edges, ...header.innerEdges];
}

/** The headers that a header may directly follow, extension headers not counted, each once. */
export function placesOf(header: Header): readonly Header[] {
  return [...new Set(everyEdge(header).map((edge) => edge.parent))];
}
