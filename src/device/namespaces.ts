// Other network namespaces: which one a device's other end is in, and doing something there. A namespace is known to its neighbours by a
// number only; what it is called, or which process lives in it, is found by asking for the number of each that can be seen here.
// Source: Linux include/uapi/linux/net_namespace.h, rtnetlink.h (RTM_GETNSID); namespaces(7), ip-netns(8).

import { closeSync, openSync, readdirSync, statSync } from "node:fs";
import { libcFunction } from "./native.ts";
import { attribute, attributesOf, exchange, int32, netlinkMessage } from "./netlink.ts";

const CLONE_NEWNET = 0x40000000;
const NSID = { get: 90, fresh: 88, number: 1, fd: 3 } as const;
const NAMED = "/run/netns";

/** A namespace that can be entered. */
export interface Namespace {
  /** The file that stands for it. */
  readonly file: string;
  /** What to write before a command that is to run there: `ip netns exec blue`. */
  readonly command: string;
}

/** The namespace that this one knows by a number; null where none of those that can be seen here has it. */
export function namespaceOf(number: number): Namespace | null {
  for (const candidate of candidates()) {
    if (numberOf(candidate.file) === number) return candidate;
  }
  return null;
}

/** Those with a name, and those that processes are in, each once. */
function* candidates(): Iterable<Namespace> {
  const seen = new Set<number>([inodeOf("/proc/self/ns/net") ?? 0]);
  const isNew = (file: string): boolean => {
    const inode = inodeOf(file);
    if (inode === null || seen.has(inode)) return false;
    seen.add(inode);
    return true;
  };
  for (const name of entries(NAMED)) {
    if (isNew(`${NAMED}/${name}`)) yield { file: `${NAMED}/${name}`, command: `ip netns exec ${name}` };
  }
  for (const pid of entries("/proc")) {
    if (/^\d+$/.test(pid) && isNew(`/proc/${pid}/ns/net`))
      yield { file: `/proc/${pid}/ns/net`, command: `nsenter --target ${pid} --net --` };
  }
}

function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  } catch {
    return [];
  }
}

function inodeOf(file: string): number | null {
  try {
    return statSync(file).ino;
  } catch {
    return null;
  }
}

/** The number by which this namespace knows that of a file; null where it has none. */
function numberOf(file: string): number | null {
  return withFile(file, (fd) => {
    let number: number | null = null;
    const body = Buffer.concat([Buffer.alloc(4), attribute(NSID.fd, int32(fd))]);
    exchange(netlinkMessage(NSID.get, 1 | 4, body), (message) => {
      if (message.type === NSID.fresh)
        number = attributesOf(message.body, 4).get(NSID.number)?.getInt32(0, true) ?? null;
    });
    return number;
  });
}

/** Calls `body` with this thread in a namespace; null where it can't be entered (that needs privilege). Not for what waits. */
export function inNamespace<T>({ file }: Namespace, body: () => T): T | null {
  const setns = libcFunction("int setns(int fd, int type)");
  return withFile("/proc/self/ns/net", (home) =>
    withFile(file, (there) => {
      if (Number(setns(there, CLONE_NEWNET)) !== 0) return null;
      try {
        return body();
      } finally {
        setns(home, CLONE_NEWNET);
      }
    }),
  );
}

function withFile<T>(file: string, body: (fd: number) => T): T | null {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch {
    return null;
  }
  try {
    return body(fd);
  } finally {
    closeSync(fd);
  }
}
