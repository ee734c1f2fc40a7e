/* Answers pings of both IP versions: MAC and IP addresses exchanged, the type changed, the sum brought up to date. */
#include "rewrite.h"

#define ECHO 8
#define ECHO_REPLY 0
#define ECHO6 128
#define ECHO6_REPLY 129

SEC("xdp")
int xdp_icmp_echo(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	void *at = eth;
	__be16 type = network_header(&at, end);
	void *network = at;
	int protocol = transport_behind(type, &at, end);

	if (type == bpf_htons(ETH_P_IP)) {
		struct icmp_header *icmp = at;
		struct iphdr *ip = network;

		if (protocol != IPPROTO_ICMP || (void *)(icmp + 1) > end || icmp->type != ECHO)
			return XDP_PASS;
		__be32 saddr = ip->saddr;

		ip->saddr = ip->daddr;
		ip->daddr = saddr;
		icmp->type = ECHO_REPLY;
		icmp->check = sum_word(icmp->check, bpf_htons(ECHO << 8 | icmp->code),
				       bpf_htons(ECHO_REPLY << 8 | icmp->code));
	} else {
		struct icmp_header *icmp = at;
		struct ipv6hdr *ip6 = network;

		if (protocol != IPPROTO_ICMPV6 || (void *)(icmp + 1) > end || icmp->type != ECHO6)
			return XDP_PASS;
		struct in6_addr saddr = ip6->saddr;

		ip6->saddr = ip6->daddr;
		ip6->daddr = saddr;
		icmp->type = ECHO6_REPLY;
		icmp->check = sum_word(icmp->check, bpf_htons(ECHO6 << 8 | icmp->code),
				       bpf_htons(ECHO6_REPLY << 8 | icmp->code));
	}
	swap_macs(eth);
	return XDP_TX;
}

char _license[] SEC("license") = "GPL";
