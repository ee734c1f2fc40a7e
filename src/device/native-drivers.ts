// Drivers that run XDP programs themselves, and since when: for kernels that don't tell what a device can do (before 6.3). A table only.
// Source: Linux git history, as listed in github.com/iovisor/bcc docs/kernel-versions.md, "XDP".

/** By the driver's name as ETHTOOL_GDRVINFO gives it: the first kernel in which it has native XDP. */
export const NATIVE_SINCE: ReadonlyMap<string, string> = new Map([
  ["mlx4_en", "4.8"],
  ["mlx5_core", "4.9"],
  ["nfp", "4.10"],
  ["qede", "4.10"],
  ["virtio_net", "4.10"],
  ["bnxt_en", "4.11"],
  ["ixgbe", "4.12"],
  ["nicvf", "4.12"],
  ["i40e", "4.13"],
  ["tun", "4.14"],
  ["ixgbevf", "4.17"],
  ["veth", "4.19"],
  ["fsl_dpaa2_eth", "5.0"],
  ["ice", "5.5"],
  ["mvneta", "5.5"],
  ["ena", "5.6"],
  ["hv_netvsc", "5.6"],
  ["igb", "5.10"],
]);
