/* Source NAT of UDP and TCP with incremental checksums. */
#include "xdp.h"

struct flow { __be32 saddr, daddr; __be16 sport, dport; __u32 protocol; };
struct mapping { __be32 address; __be16 port; __u16 pad; };
MAP(flows, HASH, struct flow, struct mapping, 16384);

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static __always_inline void replace(__sum16 *check, __u16 from, __u16 to)
{
	*check = ~fold((__u32)(__u16)~*check + (__u16)~from + to);
}

SEC("xdp")
int translate(struct xdp_md *ctx)
{
	void *end = end_of(ctx);
	struct iphdr *ip = ipv4_of(ctx);
	__sum16 *check;

	if (!ip || ip->ihl != 5)
		return XDP_PASS;
	struct udphdr *ports = (void *)(ip + 1);
	if ((void *)(ports + 1) > end)
		return XDP_PASS;
	if (ip->protocol == IPPROTO_UDP) {
		check = &ports->check;
	} else if (ip->protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = (void *)ports;

		if ((void *)(tcp + 1) > end)
			return XDP_PASS;
		check = &tcp->check;
	} else {
		return XDP_PASS;
	}
	struct flow flow = {
		.saddr = ip->saddr, .daddr = ip->daddr, .sport = ports->source, .dport = ports->dest, .protocol = ip->protocol,
	};
	struct mapping *to = bpf_map_lookup_elem(&flows, &flow);

	if (!to)
		return XDP_PASS;
	replace(&ip->check, ip->saddr & 0xffff, to->address & 0xffff);
	replace(&ip->check, ip->saddr >> 16, to->address >> 16);
	if (ip->protocol == IPPROTO_TCP || *check) {
		replace(check, ip->saddr & 0xffff, to->address & 0xffff);
		replace(check, ip->saddr >> 16, to->address >> 16);
		replace(check, ports->source, to->port);
	}
	ip->saddr = to->address;
	ports->source = to->port;
	return XDP_TX;
}
