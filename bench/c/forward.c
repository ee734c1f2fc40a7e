/* Same meaning as examples/forward.xdp: a router. */
#include "forward.h"

SEC("xdp")
int xdp_forward(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	int verdict = forward(ctx, eth, *(__be16 *)((void *)eth + 12), eth + 1, end);

	return verdict < 0 ? XDP_PASS : verdict;
}

char _license[] SEC("license") = "GPL";
