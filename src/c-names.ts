// Names of rule files as C and C++ take them: a prefix and a guard from the file's name, names that are keywords or macros made
// others, texts as string literals. Every rule is one-to-one and looks at a single name, so that no declaration renames another.

/**
 * What can't name a member: the keywords of C and C++, what common headers and compilers define as macros in lower case.
 * **Source:** ISO C23 6.4.1, ISO C++20 5.11 and 5.5; gcc -dM -E for C and C++ (`linux`, `unix`, `i386`); POSIX.1-2017 (errno.h, stdio.h);
 * RFC 3493 section 3.2 (`s6_addr`, a macro in netinet/in.h).
 */
const TAKEN: ReadonlySet<string> = new Set(
  `alignas alignof asm auto bool break case catch char char8_t char16_t char32_t class co_await co_return co_yield concept const
  consteval constexpr constinit const_cast continue decltype default delete do double dynamic_cast else enum explicit export extern
  false float for friend goto if inline int long mutable namespace new noexcept nullptr operator private protected public register
  reinterpret_cast requires restrict return short signed sizeof static static_assert static_cast struct switch template this
  thread_local throw true try typedef typeid typename typeof typeof_unqual union unsigned using virtual void volatile wchar_t while
  and and_eq bitand bitor compl not not_eq or or_eq xor xor_eq
  linux unix i386 errno stdin stdout stderr NULL EOF s6_addr s6_addr16 s6_addr32`.split(/\s+/),
);

/**
 * A field's name as a member's: with `_` behind it where C takes it for something else, where it is the implementation's (`_Bool`,
 * `__u32`), or where it looks like a type of the header (in C++ no member may be called like its struct).
 */
export function memberName(name: string, prefix: string): string {
  const taken = TAKEN.has(name.replace(/_+$/, "")) || /^_[A-Z_]/.test(name);
  return taken || name.startsWith(prefix) || name.startsWith("xdpc_") ? `${name}_` : name;
}

/**
 * A struct's name behind the prefix: with `_` before it where it begins like the names that maps and sections give
 * (`key_flows`, `section_bss`).
 */
export function structName(name: string): string {
  return /^_*(?:key|value|event\d*|sample|section|size)_/.test(name) ? `_${name}` : name;
}

/** What all names of a file's header begin with, from its path: the stem as an identifier and `_`. */
export function prefixOf(path: string): string {
  const name = fileName(path);
  const dot = name.lastIndexOf(".");
  const stem = (dot > 0 ? name.slice(0, dot) : name).replace(/[^A-Za-z0-9_]/g, "_");
  // A digit begins no identifier, and what begins with `_` belongs to compilers and libraries.
  return `${/^[A-Za-z]/.test(stem) ? stem : `xdp_${stem}`}_`;
}

/** The last part of a path. */
export function fileName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

/** A text as a string literal of C: ASCII, and no trigraphs. */
export function stringLiteral(text: string): string {
  let literal = "";
  for (const byte of new TextEncoder().encode(text)) {
    const char = String.fromCharCode(byte);
    if (char === '"' || char === "\\" || char === "?") literal += `\\${char}`;
    else literal += byte < 0x20 || byte > 0x7e ? `\\${byte.toString(8).padStart(3, "0")}` : char;
  }
  return `"${literal}"`;
}

/** A text inside a comment of C: ASCII on one line that neither ends the comment nor looks as if another began. */
export function commentText(text: string): string {
  return text
    .replace(/[^\x20-\x7e]/g, "?")
    .replace(/\*(?=\/)/g, "* ")
    .replace(/\/(?=\*)/g, "/ ");
}
