/* Programs for entries of device and CPU maps, and redirection into them. */
#include "xdp.h"

struct { __uint(type, BPF_MAP_TYPE_DEVMAP_HASH); __uint(max_entries, 32); __uint(key_size, 4); __uint(value_size, 8); } devices SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_CPUMAP); __uint(max_entries, 8); __uint(key_size, 4); __uint(value_size, 8); } cpus SEC(".maps");

SEC("xdp/devmap")
int on_egress(struct xdp_md *ctx)
{
	struct ethhdr *eth = data_of(ctx);

	if ((void *)(eth + 1) > end_of(ctx))
		return XDP_DROP;
	eth->h_source[5] = ctx->egress_ifindex;
	return ctx->egress_ifindex == ctx->ingress_ifindex ? XDP_DROP : XDP_PASS;
}

SEC("xdp/cpumap")
int on_cpu(struct xdp_md *ctx)
{
	return bpf_get_smp_processor_id() == ctx->rx_queue_index ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int spread(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4_of(ctx);

	if (!ip)
		return bpf_redirect_map(&devices, 0, BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS);
	if (ip->daddr == bpf_htonl(0x7f000001))
		return bpf_redirect(ctx->ingress_ifindex, 0);
	return bpf_redirect_map(&cpus, (ip->saddr ^ ip->daddr) & 7, XDP_PASS);
}
