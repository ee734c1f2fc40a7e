/* Counts the destination port of TCP and UDP down by one, and keeps the sums right. */
#include "rewrite.h"

SEC("xdp")
int xdp_port_patch(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	void *at = (void *)(long)ctx->data;
	int protocol = transport_header(&at, end);

	if (protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = at;

		if ((void *)(tcp + 1) > end || tcp->doff < 5)
			return XDP_PASS;
		__be16 before = tcp->dest;

		tcp->dest = bpf_htons(bpf_ntohs(before) - 1);
		tcp->check = sum_word(tcp->check, before, tcp->dest);
	} else if (protocol == IPPROTO_UDP) {
		struct udphdr *udp = at;

		if ((void *)(udp + 1) > end)
			return XDP_PASS;
		__be16 before = udp->dest;

		udp->dest = bpf_htons(bpf_ntohs(before) - 1);
		if (udp->check) {
			udp->check = sum_word(udp->check, before, udp->dest);
			if (!udp->check)
				udp->check = 0xffff;
		}
	}
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
