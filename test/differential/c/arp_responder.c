/* Answers ARP and pings in place. */
#include "xdp.h"

struct arp { __be16 htype, ptype; __u8 hlen, plen; __be16 op; __u8 sha[6]; __be32 spa; __u8 tha[6]; __be32 tpa; } __attribute__((packed));
MAP(own, HASH, __be32, __u64, 64);

SEC("xdp")
int answer(struct xdp_md *ctx)
{
	void *end = end_of(ctx);
	struct ethhdr *eth = data_of(ctx);

	if ((void *)(eth + 1) > end)
		return XDP_DROP;
	if (eth->h_proto == bpf_htons(ETH_P_ARP)) {
		struct arp *arp = (void *)(eth + 1);

		if ((void *)(arp + 1) > end || arp->op != bpf_htons(1))
			return XDP_PASS;
		__be32 address = arp->tpa;
		__u64 *mac = bpf_map_lookup_elem(&own, &address);
		if (!mac)
			return XDP_PASS;
		__u64 value = *mac;
		__builtin_memcpy(eth->h_dest, eth->h_source, 6);
		__builtin_memcpy(eth->h_source, &value, 6);
		__builtin_memcpy(arp->tha, arp->sha, 6);
		__builtin_memcpy(arp->sha, &value, 6);
		arp->tpa = arp->spa;
		arp->spa = address;
		arp->op = bpf_htons(2);
		return XDP_TX;
	}
	struct iphdr *ip = ipv4_of(ctx);
	if (!ip || ip->ihl != 5 || ip->protocol != IPPROTO_ICMP)
		return XDP_PASS;
	struct icmphdr *icmp = (void *)(ip + 1);
	if ((void *)(icmp + 1) > end || icmp->type != ICMP_ECHO)
		return XDP_PASS;
	if (!bpf_map_lookup_elem(&own, &ip->daddr))
		return XDP_PASS;
	__be32 address = ip->saddr;
	ip->saddr = ip->daddr;
	ip->daddr = address;
	icmp->type = ICMP_ECHOREPLY;
	icmp->checksum += bpf_htons(0x0800);
	return XDP_TX;
}
