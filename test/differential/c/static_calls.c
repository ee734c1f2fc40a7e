/* Static functions four deep with frames of their own, pointers into the caller's frame and a pointer to the packet as result. */
#include "xdp.h"

struct cursor { void *at, *end; };

static __attribute__((noinline)) int skip(struct cursor *cursor, __u32 bytes)
{
	if (bytes > 128)
		return -1;
	if (cursor->at + bytes > cursor->end)
		return -1;
	cursor->at += bytes;
	return 0;
}

static __attribute__((noinline)) int ethernet(struct cursor *cursor, __be16 *type)
{
	struct ethhdr *eth = cursor->at;

	if ((void *)(eth + 1) > cursor->end)
		return -1;
	*type = eth->h_proto;
	cursor->at = eth + 1;
	return 0;
}

static __attribute__((noinline)) int network(struct cursor *cursor, __u8 *protocol)
{
	__be16 type;
	char scratch[64] = {};

	if (ethernet(cursor, &type))
		return -1;
	scratch[type & 63] = 1;
	if (type == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = cursor->at;

		if ((void *)(ip + 1) > cursor->end)
			return -1;
		*protocol = ip->protocol;
		if (scratch[3])
			return -1;
		return skip(cursor, ip->ihl * 4);
	}
	if (type == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip6 = cursor->at;

		if ((void *)(ip6 + 1) > cursor->end)
			return -1;
		*protocol = ip6->nexthdr;
		return skip(cursor, sizeof(*ip6));
	}
	return -1;
}

SEC("xdp")
int deep(struct xdp_md *ctx)
{
	struct cursor cursor = { data_of(ctx), end_of(ctx) };
	__u8 protocol = 0;

	if (network(&cursor, &protocol))
		return XDP_PASS;
	struct udphdr *udp = cursor.at;
	if ((void *)(udp + 1) > cursor.end)
		return XDP_PASS;
	return protocol == IPPROTO_UDP && udp->dest == bpf_htons(53) ? XDP_DROP : XDP_PASS;
}
