/* A bitmap of ports in read-only data, one in a map's value, with shifts by variables. */
#include "xdp.h"

static const __u64 allowed[16] = { 0xffULL << 20, 1, 0x8000000000000000ULL, 5, 0, 0, 1ULL << 59 };
struct bits { __u32 words[2048]; };
MAP(blocked, ARRAY, __u32, struct bits, 1);

SEC("xdp")
int ports(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4_of(ctx);
	__u32 zero = 0;

	if (!ip || ip->ihl != 5)
		return XDP_PASS;
	struct udphdr *udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > end_of(ctx))
		return XDP_DROP;
	__u16 port = bpf_ntohs(udp->dest);
	if (port < 1024 && !(allowed[port / 64] >> (port % 64) & 1))
		return XDP_DROP;
	struct bits *bits = bpf_map_lookup_elem(&blocked, &zero);
	if (!bits)
		return XDP_ABORTED;
	return bits->words[port >> 5] & 1u << (port & 31) ? XDP_DROP : XDP_PASS;
}
