/* Looks sockets up by the packet's addresses and releases them, and sends to AF_XDP sockets. */
#include "xdp.h"

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 64);
	__uint(key_size, 4);
	__uint(value_size, 4);
} xsks SEC(".maps");

SEC("xdp")
int lookup(struct xdp_md *ctx)
{
	void *end = end_of(ctx);
	struct iphdr *ip = ipv4_of(ctx);
	struct bpf_sock_tuple tuple = {};

	if (!ip || ip->ihl != 5 || ip->protocol != IPPROTO_TCP)
		return XDP_PASS;
	struct tcphdr *tcp = (void *)(ip + 1);
	if ((void *)(tcp + 1) > end)
		return XDP_PASS;
	tuple.ipv4.saddr = ip->saddr;
	tuple.ipv4.daddr = ip->daddr;
	tuple.ipv4.sport = tcp->source;
	tuple.ipv4.dport = tcp->dest;
	struct bpf_sock *sk = bpf_sk_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);

	if (!sk)
		return XDP_DROP;
	__u32 state = sk->state;
	__u32 port = sk->src_port;
	bpf_sk_release(sk);
	return state == 10 || port == 80 ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int to_xsk(struct xdp_md *ctx)
{
	__u32 queue = ctx->rx_queue_index;

	if (bpf_map_lookup_elem(&xsks, &queue))
		return bpf_redirect_map(&xsks, queue, 0);
	return XDP_PASS;
}
