/* Sends UDP packets back with their MAC addresses exchanged. */
#include "parse.h"

SEC("xdp")
int xdp_reflect(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	void *at = eth;

	if (transport_header(&at, end) != IPPROTO_UDP)
		return XDP_PASS;
	if (at + sizeof(struct udphdr) > end)
		return XDP_PASS;
	__u8 source[ETH_ALEN];

	__builtin_memcpy(source, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, source, ETH_ALEN);
	return XDP_TX;
}

char _license[] SEC("license") = "GPL";
