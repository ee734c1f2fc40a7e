// Reads zip archives, as .vsix files are: the directory at the end, and what it names. Stored and deflated entries, nothing else.
// **Source:** PKWARE APPNOTE 6.3.10, sections 4.3.12 and 4.3.16.

import { inflateRawSync } from "node:zlib";

const DIRECTORY_ENTRY = 0x02014b50;
const DIRECTORY_END = 0x06054b50;
const STORED = 0;
const DEFLATED = 8;

/** The files of an archive by their names; throws on what isn't one. */
export function unzip(archive: Buffer): Map<string, Buffer> {
  const endAt = archive.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]));
  if (endAt < 0 || archive.readUInt32LE(endAt) !== DIRECTORY_END) throw new Error("no zip archive");
  const files = new Map<string, Buffer>();
  let at = archive.readUInt32LE(endAt + 16);
  for (let left = archive.readUInt16LE(endAt + 10); left > 0; left--) {
    if (archive.readUInt32LE(at) !== DIRECTORY_ENTRY) throw new Error("a broken directory");
    const method = archive.readUInt16LE(at + 10);
    const packedBytes = archive.readUInt32LE(at + 20);
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) => archive.readUInt16LE(at + offset));
    const localAt = archive.readUInt32LE(at + 42);
    const name = archive.toString("utf8", at + 46, at + 46 + (nameBytes ?? 0));
    const dataAt = localAt + 30 + archive.readUInt16LE(localAt + 26) + archive.readUInt16LE(localAt + 28);
    const packed = archive.subarray(dataAt, dataAt + packedBytes);
    if (method !== STORED && method !== DEFLATED) throw new Error(`${name}: method ${method}`);
    files.set(name, method === STORED ? packed : inflateRawSync(packed));
    at += 46 + (nameBytes ?? 0) + (extraBytes ?? 0) + (commentBytes ?? 0);
  }
  return files;
}
