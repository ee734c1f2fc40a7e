// Numbers that stand for maps and programs in the values of other maps, as file descriptors and ids do in the kernel: here both are
// one number, and it is the same when written and when read. Knows neither maps nor programs.

/** Things by number; numbers begin at 1 and are never given twice. */
export class Handles<Thing extends object> {
  readonly #things: Thing[] = [];
  readonly #numbers = new Map<Thing, number>();

  /** The number of `thing`, which it gets at the first call. */
  numberOf(thing: Thing): number {
    let number = this.#numbers.get(thing);
    if (number === undefined) {
      number = this.#things.push(thing);
      this.#numbers.set(thing, number);
    }
    return number;
  }

  /** The thing with this number, or null. */
  thing(number: number): Thing | null {
    return this.#things[number - 1] ?? null;
  }
}
