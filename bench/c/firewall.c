/* Same meaning as the program `outside` of examples/firewall.xdp, but for its limit of connections, which is in neither of the two compared. */
#define WHOLE_AH
#include "count.h"
#include "opaque.h"

#define IDLE 300000000000ULL

struct flow {
	__be32 inner;
	__be32 outer;
	__u16 inner_port;
	__u16 outer_port;
	__u8 protocol;
	__u8 padding[3];
};

struct prefix {
	__u32 length;
	__be32 addr;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, __u8);
} allowed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow);
	__type(value, __u64);
} flows SEC(".maps");

COUNTER(unreadable);
COUNTER(bogus);
COUNTER(returning);
COUNTER(opened);
COUNTER(helping);
COUNTER(refused);

static __always_inline int in(__u32 addr, __u32 net, int length)
{
	return addr >> (32 - length) == net >> (32 - length);
}

#define NET(a, b, c, d) ((a) << 24 | (b) << 16 | (c) << 8 | (d))

/* Nobody on the Internet has these addresses (RFC 6890). */
static __always_inline int is_bogus(__u32 a)
{
	return in(a, NET(0U, 0, 0, 0), 8) || in(a, NET(10U, 0, 0, 0), 8) || in(a, NET(100U, 64, 0, 0), 10) ||
	       in(a, NET(127U, 0, 0, 0), 8) || in(a, NET(169U, 254, 0, 0), 16) || in(a, NET(172U, 16, 0, 0), 12) ||
	       in(a, NET(192U, 0, 0, 0), 24) || in(a, NET(192U, 0, 2, 0), 24) || in(a, NET(192U, 168, 0, 0), 16) ||
	       in(a, NET(198U, 18, 0, 0), 15) || in(a, NET(198U, 51, 100, 0), 24) || in(a, NET(203U, 0, 113, 0), 24) ||
	       in(a, NET(224U, 0, 0, 0), 3);
}

static __always_inline int answers(struct flow *key, __u64 bytes)
{
	__u64 *last = bpf_map_lookup_elem(&flows, key);

	if (!last || bpf_ktime_get_ns() - *last >= IDLE)
		return 0;
	*last = bpf_ktime_get_ns();
	count(&returning, bytes);
	return 1;
}

/* What the rules say of packets that aren't IPv4. */
static __always_inline int others(__be16 type, void *at, void *end, __u64 bytes)
{
	int is_opaque = 0;

	if (type == bpf_htons(ETH_P_ARP) && at + 28 <= end)
		return XDP_PASS;
	if (type == bpf_htons(ETH_P_IPV6)) {
		int protocol = transport_behind(type, &at, end);

		if (protocol == IPPROTO_ICMPV6 && at + sizeof(struct icmp_header) <= end) {
			__u8 icmp = ((struct icmp_header *)at)->type;

			if (icmp >= 133 && icmp <= 136)
				return XDP_PASS;
		}
		is_opaque = protocol < 0 || is_extension(protocol) ||
			    (protocol == IPPROTO_TCP && (at + sizeof(struct tcphdr) > end || ((struct tcphdr *)at)->doff < 5)) ||
			    (protocol == IPPROTO_UDP && at + sizeof(struct udphdr) > end) ||
			    (protocol == IPPROTO_ICMPV6 && at + sizeof(struct icmp_header) > end) ||
			    (protocol == IPPROTO_SCTP && at + 12 > end) ||
			    (protocol == IPPROTO_GRE && !is_gre(at, end));
	} else if (type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD) || type == bpf_htons(ETH_P_IP)) {
		is_opaque = 1;
	}
	if (is_opaque)
		count(&unreadable, bytes);
	else
		count(&refused, bytes);
	return XDP_DROP;
}

SEC("xdp")
int outside(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	__u64 bytes = end - (void *)eth;
	void *at = eth;
	__be16 type = 0;

	if ((void *)(eth + 1) > end)
		return XDP_DROP;
	type = *(__be16 *)((void *)eth + 12);
	at = eth + 1;
#pragma unroll
	for (int i = 0; i < MAX_TAGS; i++) {
		struct vlan_tag *tag = at;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > end)
			break;
		type = tag->type;
		at = tag + 1;
	}
	struct iphdr *ip = at;

	if (type != bpf_htons(ETH_P_IP) || (void *)(ip + 1) > end || ip->ihl < 5)
		return others(type, at, end, bytes);
	int protocol = ipv4_transport(ip, &at, end);

	if (protocol < 0) {
		count(&unreadable, bytes);
		return XDP_DROP;
	}
	if (is_bogus(bpf_ntohl(ip->saddr))) {
		count(&bogus, bytes);
		return XDP_DROP;
	}
	struct flow key = { .inner = ip->daddr, .outer = ip->saddr };

	if (protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = at;
		__u16 port = bpf_ntohs(tcp->dest);

		key.inner_port = port;
		key.outer_port = bpf_ntohs(tcp->source);
		key.protocol = IPPROTO_TCP;
		if (!tcp->syn || tcp->ack) {
			if (answers(&key, bytes))
				return XDP_PASS;
		} else if (port == 22 || port == 80 || port == 443) {
			struct prefix from = { .length = 32, .addr = ip->saddr };

			if (bpf_map_lookup_elem(&allowed, &from)) {
				__u64 now = bpf_ktime_get_ns();

				bpf_map_update_elem(&flows, &key, &now, BPF_ANY);
				count(&opened, bytes);
				return XDP_PASS;
			}
		}
	} else if (protocol == IPPROTO_UDP) {
		struct udphdr *udp = at;

		key.inner_port = bpf_ntohs(udp->dest);
		key.outer_port = bpf_ntohs(udp->source);
		key.protocol = IPPROTO_UDP;
		if (answers(&key, bytes))
			return XDP_PASS;
	} else if (protocol == IPPROTO_ICMP) {
		__u8 icmp = ((struct icmp_header *)at)->type;

		if (icmp == 0 || icmp == 3 || icmp == 11) {
			count(&helping, bytes);
			return XDP_PASS;
		}
	}
	count(&refused, bytes);
	return XDP_DROP;
}

char _license[] SEC("license") = "GPL";
