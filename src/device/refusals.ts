// Why a device doesn't take a program, in words, with what mends it: from the kernel's answer (error number and its own words) and what is known of
// the device. Knows no pins and loads nothing.
// Source: Linux net/core/dev.c (dev_xdp_attach), drivers/net/veth.c (veth_xdp_set), and the drivers' own words.

import { ERRNO, errnoName, errnoText } from "./errno.ts";
import { DeviceFailure } from "./failure.ts";
import { type Answer, allDevices, type Device, type XdpMode } from "./netlink.ts";

/** The refusal of a request to attach in `mode` a program that knows packets of several buffers or doesn't. */
export function refusedBy(device: Device, mode: XdpMode, { result, words }: Answer, frags: boolean): DeviceFailure {
  const { name } = device;
  const said = words === null ? errnoText(result) : `${words} (${errnoName(result)})`;
  if (words !== null && /mtu/i.test(words)) return mtuTooLarge(device, mode, said, frags);
  switch (result) {
    case -ERRNO.EBUSY:
      return new DeviceFailure("busy", `${name} doesn't take the program: ${said}`, [
        /link/i.test(words ?? "")
          ? `a process holds it by a BPF link, which only that process gives up: bpftool link show; bpftool net show dev ${name}`
          : `something was attached meanwhile: xdpc status ${name}`,
      ]);
    case -ERRNO.EEXIST:
      return new DeviceFailure("busy", `${name} doesn't take the program: ${said}`, [
        /generic/i.test(words ?? "")
          ? `a program runs there in the other mode; detach it first: xdpc detach ${name}`
          : `what is attached changed meanwhile: xdpc status ${name}`,
      ]);
    case -ERRNO.EOPNOTSUPP:
      return new DeviceFailure("no-mode", `${name}${kindText(device)} can't do ${mode} XDP: ${said}`, [
        mode === "native"
          ? "--mode generic runs the program behind the driver, slower; --mode auto does so by itself"
          : "this device takes no XDP program",
      ]);
    case -ERRNO.ERANGE:
      return mtuTooLarge(device, mode, said, frags);
    case -ERRNO.ENODEV:
      return new DeviceFailure("no-interface", `${name} vanished meanwhile`);
    case -ERRNO.EINVAL:
      if (mode === "offload")
        return new DeviceFailure(
          "no-offload",
          `${name}${kindText(device)} can't run programs in its hardware: ${said}`,
          ["use --mode native, which runs it in the driver, or --mode auto"],
        );
      return new DeviceFailure("refused", `${name} doesn't take the program: ${said}`, [
        ...(words === null ? ["the driver may have said why: dmesg | tail"] : []),
        ...otherMode(mode),
      ]);
    default:
      return new DeviceFailure("refused", `${name} doesn't take the program: ${said}`, otherMode(mode));
  }
}

function mtuTooLarge(device: Device, mode: XdpMode, said: string, frags: boolean): DeviceFailure {
  const peer =
    device.kind === "veth" && device.linkNetnsId === null
      ? allDevices().find((one) => one.index === device.linkIndex)
      : undefined;
  const name = device.kind === "veth" ? (peer?.name ?? "PEER") : device.name;
  const where = device.kind === "veth" && peer === undefined ? " in the peer's network namespace" : "";
  return new DeviceFailure("mtu", `the MTU is too large for a ${mode} program on ${device.name}: ${said}`, [
    `make it smaller${where}: ip link set ${name} mtu 1500`,
    ...(frags ? [] : ["or compile the program for packets of several buffers: `program NAME frags { … }`"]),
    ...otherMode(mode),
  ]);
}

function otherMode(mode: XdpMode): readonly string[] {
  return mode === "generic" ? [] : ["--mode generic works with any driver, slower"];
}

function kindText({ kind }: Device): string {
  return kind === null ? "" : ` (${kind})`;
}
