/* A firewall over prefixes of both families, with a table of ports and a verdict in each entry. */
#include "xdp.h"

struct prefix4 { __u32 length; __be32 address; };
struct prefix6 { __u32 length; struct in6_addr address; };
struct rule { __u32 verdict; __u32 flags; __u64 hits; };

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix4);
	__type(value, struct rule);
} rules4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix6);
	__type(value, struct rule);
} rules6 SEC(".maps");

MAP(ports, HASH, __be16, __u8, 1024);

static __always_inline int judge(struct rule *rule)
{
	if (!rule)
		return -1;
	__sync_fetch_and_add(&rule->hits, 1);
	if (rule->flags & 1)
		return -1;
	return rule->verdict <= XDP_REDIRECT ? (int)rule->verdict : XDP_ABORTED;
}

SEC("xdp")
int firewall(struct xdp_md *ctx)
{
	void *end = end_of(ctx);
	struct ethhdr *eth = data_of(ctx);
	__u8 protocol;
	void *transport;
	int verdict;

	if ((void *)(eth + 1) > end)
		return XDP_ABORTED;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > end)
			return XDP_DROP;
		struct prefix4 key = { 32, ip->saddr };
		verdict = judge(bpf_map_lookup_elem(&rules4, &key));
		if (verdict >= 0)
			return verdict;
		if (ip->ihl < 5 || ip->frag_off & bpf_htons(0x1fff))
			return XDP_DROP;
		protocol = ip->protocol;
		transport = (void *)ip + ip->ihl * 4;
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip6 = (void *)(eth + 1);

		if ((void *)(ip6 + 1) > end)
			return XDP_DROP;
		struct prefix6 key = { .length = 128 };
		__builtin_memcpy(&key.address, &ip6->saddr, sizeof(key.address));
		verdict = judge(bpf_map_lookup_elem(&rules6, &key));
		if (verdict >= 0)
			return verdict;
		protocol = ip6->nexthdr;
		transport = ip6 + 1;
	} else {
		return XDP_PASS;
	}
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return XDP_PASS;
	struct udphdr *udp = transport;
	if ((void *)(udp + 1) > end)
		return XDP_DROP;
	return bpf_map_lookup_elem(&ports, &udp->dest) ? XDP_PASS : XDP_DROP;
}
