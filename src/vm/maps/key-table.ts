// A table from keys of bytes to entries that remembers their order: what hash maps and redirect maps by name are made of. Short
// keys become numbers, longer ones strings, so that JavaScript's own Map does the work. Knows no map kinds.

/** Entries by key, in the order in which they were put in (or last renewed). */
export class KeyTable<Entry> {
  #entries = new Map<number | string, { readonly key: Uint8Array; readonly entry: Entry }>();

  get size(): number {
    return this.#entries.size;
  }

  get(key: Uint8Array): Entry | undefined {
    return this.#entries.get(nameOf(key))?.entry;
  }

  /** Puts an entry in, at the end of the order when the key is new, else at its place. */
  set(key: Uint8Array, entry: Entry): void {
    const name = nameOf(key);
    this.#entries.set(name, { key: this.#entries.get(name)?.key ?? new Uint8Array(key), entry });
  }

  /** Moves an entry to the end of the order. */
  renew(key: Uint8Array): void {
    const name = nameOf(key);
    const found = this.#entries.get(name);
    if (found === undefined) return;
    this.#entries.delete(name);
    this.#entries.set(name, found);
  }

  delete(key: Uint8Array): boolean {
    return this.#entries.delete(nameOf(key));
  }

  /** The key and entry at the front of the order. */
  first(): readonly [key: Uint8Array, entry: Entry] | null {
    for (const { key, entry } of this.#entries.values()) return [key, entry];
    return null;
  }

  /** The first key behind `key` in the order; the first of all when `key` is null or not there; null at the end. */
  keyAfter(key: Uint8Array | null): Uint8Array | null {
    if (key === null || !this.#entries.has(nameOf(key))) return this.first()?.[0] ?? null;
    // A walk by keyAfter asks for them in order: remembering where the last answer was keeps it linear.
    const name = nameOf(key);
    if (this.#walk?.name !== name) {
      const names = this.#entries.keys();
      while (names.next().value !== name);
      this.#walk = { names, name };
    }
    const next = this.#walk.names.next();
    if (next.done === true) {
      this.#walk = null;
      return null;
    }
    this.#walk.name = next.value;
    return this.#entries.get(next.value)!.key;
  }

  #walk: { names: Iterator<number | string, undefined>; name: number | string } | null = null;

  *entries(): Iterable<readonly [key: Uint8Array, entry: Entry]> {
    for (const { key, entry } of this.#entries.values()) yield [key, entry];
  }

  clear(): void {
    this.#entries.clear();
    this.#walk = null;
  }
}

/** The key as a number when it has up to 6 bytes, else as a string of 16-bit units; all keys of a table have one length. */
function nameOf(key: Uint8Array): number | string {
  const length = key.length;
  if (length <= 6) {
    let name = 0;
    for (let i = length - 1; i >= 0; i--) name = name * 256 + key[i]!;
    return name;
  }
  let name = "";
  for (let i = 0; i + 1 < length; i += 2) name += String.fromCharCode(key[i]! | (key[i + 1]! << 8));
  return length % 2 === 0 ? name : name + String.fromCharCode(key[length - 1]!);
}
