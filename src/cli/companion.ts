// `--companion FILE`: a program that passes everything, for the other end of a veth that packets are redirected to. A veth receives them
// only where a program is attached. It is compiled from rules like any other; where it is written is known by others.

import { InternalError } from "../base/assert.ts";
import { SourceFile } from "../base/source.ts";
import { compareKernels, type KernelVersion, kernelFeatures } from "../bpf/kernel.ts";
import { compile } from "../compile.ts";
import { libraryFiles, libraryHeaders } from "../library.ts";

/** Takes frames of any size, so the device's MTU doesn't matter; first, for loaders that take the first. */
const FOR_ANY_SIZE = "program peer_frags frags { pass }\n";
/** In the section that loaders look for. */
const IN_SECTION_XDP = "program peer { pass }\n";

/** The object's bytes: programs in the sections `xdp.frags` (not for kernels before it) and `xdp`. */
export function companionObject(kernel: KernelVersion | null): Uint8Array {
  const known = kernel === null || compareKernels(kernel, kernelFeatures.frags.since) >= 0;
  const source = new SourceFile("companion.xdp", known ? FOR_ANY_SIZE + IN_SECTION_XDP : IN_SECTION_XDP);
  const { output } = compile(source, {
    host: {
      library: (name) => libraryFiles.get(name) ?? null,
      libraryHeaders,
      read: () => ({ error: "there are no files" }),
    },
    cpu: "v1",
    kernel,
    optimise: 2,
    defines: new Map(),
  });
  if (output === null) throw new InternalError("the companion doesn't compile");
  return output.object;
}
