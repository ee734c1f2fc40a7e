/* Answers SYNs with cookies that the kernel computes, without a socket. */
#include "xdp.h"

static __always_inline void swap(void *a, void *b, __u32 size)
{
	__u8 *x = a, *y = b;

	for (__u32 i = 0; i < size; i++) {
		__u8 byte = x[i];

		x[i] = y[i];
		y[i] = byte;
	}
}

SEC("xdp")
int answer(struct xdp_md *ctx)
{
	void *end = end_of(ctx);
	struct ethhdr *eth = data_of(ctx);
	struct iphdr *ip = ipv4_of(ctx);

	if (!ip || ip->ihl != 5 || ip->protocol != IPPROTO_TCP)
		return XDP_PASS;
	struct tcphdr *tcp = (void *)(ip + 1);
	if ((void *)(tcp + 1) > end || !tcp->syn || tcp->ack)
		return XDP_PASS;
	__u32 length = tcp->doff * 4;
	if (length < sizeof(*tcp) || length > 60 || (void *)tcp + length > end)
		return XDP_DROP;
	__s64 cookie = bpf_tcp_raw_gen_syncookie_ipv4(ip, tcp, length);
	if (cookie < 0)
		return XDP_DROP;
	swap(eth->h_source, eth->h_dest, 6);
	swap(&ip->saddr, &ip->daddr, 4);
	swap(&tcp->source, &tcp->dest, 2);
	tcp->ack_seq = bpf_htonl(bpf_ntohl(tcp->seq) + 1);
	tcp->seq = bpf_htonl((__u32)cookie);
	tcp->ack = 1;
	return XDP_TX;
}
