/* Forwarding by the kernel's routes, as stdlib/forward.xdp does it. */
#ifndef XDPC_BENCH_FORWARD_H
#define XDPC_BENCH_FORWARD_H

#include "rewrite.h"

#define AF_INET 2
#define AF_INET6 10

/* Sends the packet out; -1 for what the stack should do. `network` is behind an Ethernet header without tags, of that type. */
static __always_inline int forward(struct xdp_md *ctx, struct ethhdr *eth, __be16 type, void *network, void *end)
{
	struct bpf_fib_lookup params = { .ifindex = ctx->ingress_ifindex };

	if (type == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = network;

		if ((void *)(ip + 1) > end || ip->ihl != 5 || ip->ttl <= 1)
			return -1;
		params.family = AF_INET;
		params.tos = ip->tos;
		params.tot_len = bpf_ntohs(ip->tot_len);
		params.ipv4_src = ip->saddr;
		params.ipv4_dst = ip->daddr;
		if (bpf_fib_lookup(ctx, &params, sizeof(params), 0))
			return -1;
		ip->check = sum_word(ip->check, bpf_htons(ip->ttl << 8 | ip->protocol),
				     bpf_htons((ip->ttl - 1) << 8 | ip->protocol));
		ip->ttl--;
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip6 = network;

		if ((void *)(ip6 + 1) > end || ip6->hop_limit <= 1 || bpf_ntohs(ip6->payload_len) > 65495)
			return -1;
		params.family = AF_INET6;
		params.flowinfo = *(__be32 *)ip6 & bpf_htonl(0x0ff00000);
		params.tot_len = bpf_ntohs(ip6->payload_len) + 40;
		__builtin_memcpy(params.ipv6_src, &ip6->saddr, sizeof(params.ipv6_src));
		__builtin_memcpy(params.ipv6_dst, &ip6->daddr, sizeof(params.ipv6_dst));
		if (bpf_fib_lookup(ctx, &params, sizeof(params), 0))
			return -1;
		ip6->hop_limit--;
	} else {
		return -1;
	}
	__builtin_memcpy(eth->h_source, params.smac, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, params.dmac, ETH_ALEN);
	return params.ifindex ? bpf_redirect(params.ifindex, 0) : XDP_PASS;
}

#endif
