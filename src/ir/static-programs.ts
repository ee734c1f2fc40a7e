// What a map of programs holds from the start: `prog_array stages[8] = { first, 3: third }`. The entries are worked out with the map; that
// they name programs which the kernel takes for one map is checked once all programs are typed.

import type * as ast from "../parser/ast.ts";
import { checkConstant } from "./check-value.ts";
import type { Context } from "./context.ts";
import type { HProgram, MapSymbol } from "./hir.ts";
import * as messages from "./messages.ts";
import { unlikePrograms } from "./messages-loading.ts";
import { Scope } from "./scope.ts";

type StaticProgram = NonNullable<MapSymbol["programs"]>[number];

/** The map with its entries; null when one has a fault, which is told. */
export function withPrograms(ctx: Context, map: MapSymbol, entries: readonly ast.ProgramEntry[]): MapSymbol | null {
  if (map.role !== "programs") {
    const message = `\`${map.name}\` can't have contents: user space fills it`;
    ctx.diagnostics.add(messages.badMap(map.span, message, { help: "only a `prog_array` names its programs" }));
    return null;
  }
  const programs = new Map<number, StaticProgram>();
  let next = 0;
  for (const { index, program, span } of entries) {
    const at = index === null ? next : checkConstant(ctx, Scope.global, index, "the place of a program")?.value;
    if (at === undefined) return null;
    if (at >= BigInt(map.maxEntries)) {
      const places = `\`${map.name}\` has ${map.maxEntries} entries: 0 to ${map.maxEntries - 1}`;
      ctx.diagnostics.add(messages.badMap(span, places));
      return null;
    }
    const place = Number(at);
    const first = programs.get(place);
    if (first !== undefined) {
      const secondary = [{ span: first.span, text: `\`${first.program}\` is there already` }];
      ctx.diagnostics.add(messages.badMap(span, `entry ${place} of \`${map.name}\` is given twice`, { secondary }));
      return null;
    }
    programs.set(place, { index: place, program: program.text, span: program.span });
    next = place + 1;
  }
  return { ...map, programs: [...programs.values()].sort((a, b) => a.index - b.index) };
}

/** Checks what maps hold from the start: programs of this file, all like each other and like those that go on by the map. */
export function checkStaticPrograms(ctx: Context, maps: readonly MapSymbol[], programs: readonly HProgram[]): void {
  const byName = new Map(programs.map((program) => [program.name, program]));
  for (const map of maps) {
    for (const { program: name, span } of map.programs ?? []) {
      const declared = ctx.find(name, span);
      if (declared === null) continue;
      const program = declared.kind === "programDecl" ? byName.get(name) : undefined;
      if (program === undefined) {
        ctx.diagnostics.add(messages.badMap(span, `\`${name}\` is no program of this file`));
        continue;
      }
      const { attach, frags } = program;
      const like = ctx.tails.get(map) ?? { attach, frags };
      ctx.tails.set(map, like);
      if (like.attach !== attach || like.frags !== frags) ctx.diagnostics.add(unlikePrograms(span, map.name));
    }
  }
}
