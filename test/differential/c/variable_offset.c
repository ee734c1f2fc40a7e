/* Parsing at offsets known only when the program runs: header lengths, extension headers, and a window of bytes. */
#include "xdp.h"

struct extension { __u8 next, length; };
MAP(windows, HASH, __u64, __u64, 1024);

SEC("xdp")
int window(struct xdp_md *ctx)
{
	void *data = data_of(ctx), *end = end_of(ctx);
	struct iphdr *ip = ipv4_of(ctx);

	if (!ip)
		return XDP_PASS;
	__u32 offset = sizeof(struct ethhdr) + ip->ihl * 4;
	struct tcphdr *tcp = data + offset;
	if ((void *)(tcp + 1) > end || ip->protocol != IPPROTO_TCP)
		return XDP_PASS;
	offset += tcp->doff * 4;
	__u8 *payload = data + offset;
	if ((void *)(payload + 8) > end)
		return XDP_PASS;
	__u64 first;
	__builtin_memcpy(&first, payload, 8);
	__u64 *hit = bpf_map_lookup_elem(&windows, &first);
	return hit && *hit > offset ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int extensions(struct xdp_md *ctx)
{
	void *data = data_of(ctx), *end = end_of(ctx);
	struct ethhdr *eth = data;
	struct ipv6hdr *ip6 = (void *)(eth + 1);

	if ((void *)(ip6 + 1) > end || eth->h_proto != bpf_htons(ETH_P_IPV6))
		return XDP_PASS;
	__u32 offset = sizeof(*eth) + sizeof(*ip6);
	__u8 next = ip6->nexthdr;

	for (int i = 0; i < 8; i++) {
		struct extension *ext = data + offset;

		if (next != 0 && next != 43 && next != 60)
			break;
		if ((void *)(ext + 1) > end)
			return XDP_DROP;
		next = ext->next;
		offset += (ext->length + 1) * 8;
	}
	struct udphdr *udp = data + offset;
	if ((void *)(udp + 1) > end)
		return XDP_DROP;
	return next == IPPROTO_UDP && udp->dest == bpf_htons(443) ? XDP_PASS : XDP_DROP;
}
