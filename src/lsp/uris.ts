// URIs as editors write them: one file may have several spellings (`%3A` for `:`, a drive's letter large or small). What names an
// import relative to a document, and what people call a file. Pure; asks no file system.

/** Where library files are when they are nowhere on the disk. */
const LIBRARY_SCHEME = "xdpc-std:/";

/** One spelling for all spellings of a URI. */
export function keyOf(uri: string): string {
  if (!uri.startsWith("file:")) return uri;
  try {
    const { host, pathname } = new URL(uri);
    const path = decodeURIComponent(pathname).replace(/^\/[A-Z]:/, (drive) => drive.toLowerCase());
    return `file://${host}${path}`;
  } catch {
    return uri;
  }
}

/** What people call the file of a URI: its path, or the URI itself where it has none. */
export function pathOf(uri: string): string {
  const key = keyOf(uri);
  return key.startsWith("file://") ? key.slice("file://".length).replace(/^\/([a-z]:)/, "$1") : uri;
}

/** The URI of a path on this machine. */
export function uriOfPath(path: string): string {
  const slashed = path.replaceAll("\\", "/");
  const rooted = slashed.startsWith("/") ? slashed : `/${slashed}`;
  return `file://${rooted.split("/").map(encodeURIComponent).join("/")}`;
}

/** The URI that `written` means in a file of folder `folder` (a URI that ends in a slash); null where that says nothing. */
export function resolve(folder: string, written: string): string | null {
  if (/^(?:[A-Za-z]:)?[\\/]/.test(written)) return uriOfPath(written);
  try {
    return new URL(written.split("/").map(encodeURIComponent).join("/"), folder).href;
  } catch {
    return null;
  }
}

/** The folder a file's URI lies in, with a slash at its end; null for what isn't a file (`untitled:`). */
export function folderOf(uri: string): string | null {
  return uri.startsWith("file:") ? uri.slice(0, uri.lastIndexOf("/") + 1) : null;
}

/** The URI of a library file that isn't on the disk. */
export function libraryUri(name: string): string {
  return `${LIBRARY_SCHEME}${name}`;
}
