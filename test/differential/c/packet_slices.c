/* A parser over dynamic pointers: works on packets of one buffer and of several, reads through slices, writes back. */
#include "xdp.h"

extern int bpf_dynptr_from_xdp(struct xdp_md *ctx, __u64 flags, struct bpf_dynptr *ptr) __ksym;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, __u32 offset, void *buffer, __u32 size) __ksym;
extern void *bpf_dynptr_slice_rdwr(const struct bpf_dynptr *ptr, __u32 offset, void *buffer, __u32 size) __ksym;

SEC("xdp.frags")
int rewrite(struct xdp_md *ctx)
{
	struct bpf_dynptr ptr;
	__u8 eth_bytes[sizeof(struct ethhdr)], ip_bytes[sizeof(struct iphdr)], udp_bytes[sizeof(struct udphdr)];
	struct ethhdr *eth;
	struct iphdr *ip;
	struct udphdr *udp;
	__u32 offset = sizeof(*eth);

	bpf_dynptr_from_xdp(ctx, 0, &ptr);
	eth = bpf_dynptr_slice(&ptr, 0, eth_bytes, sizeof(eth_bytes));
	if (!eth || eth->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	ip = bpf_dynptr_slice_rdwr(&ptr, offset, ip_bytes, sizeof(ip_bytes));
	if (!ip)
		return XDP_DROP;
	offset += ip->ihl * 4;
	if (ip->protocol != IPPROTO_UDP)
		return XDP_PASS;
	udp = bpf_dynptr_slice(&ptr, offset, udp_bytes, sizeof(udp_bytes));
	if (!udp)
		return XDP_DROP;
	if (udp->dest == bpf_htons(53))
		return XDP_DROP;
	ip->ttl--;
	if (ip == (void *)ip_bytes)
		bpf_dynptr_write(&ptr, sizeof(*eth), ip_bytes, sizeof(ip_bytes), 0);
	return XDP_TX;
}
