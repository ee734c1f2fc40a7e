/* Takes the tag of tagged frames away, and gives the others one. */
#include "parse.h"

SEC("xdp")
int xdp_vlan_swap(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct vlan_tag *tag = (void *)(eth + 1);
	struct ethhdr copy;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	__builtin_memcpy(&copy, eth, sizeof(copy));
	if ((copy.h_proto == bpf_htons(ETH_P_8021Q) || copy.h_proto == bpf_htons(ETH_P_8021AD)) &&
	    (void *)(tag + 1) <= end) {
		copy.h_proto = tag->type;
		if (bpf_xdp_adjust_head(ctx, sizeof(*tag)))
			return XDP_ABORTED;
		end = (void *)(long)ctx->data_end;
		eth = (void *)(long)ctx->data;
		if ((void *)(eth + 1) > end)
			return XDP_ABORTED;
		__builtin_memcpy(eth, &copy, sizeof(copy));
		return XDP_PASS;
	}
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*tag)))
		return XDP_ABORTED;
	end = (void *)(long)ctx->data_end;
	eth = (void *)(long)ctx->data;
	tag = (void *)(eth + 1);
	if ((void *)(tag + 1) > end)
		return XDP_ABORTED;
	tag->tci = bpf_htons(5);
	tag->type = copy.h_proto;
	copy.h_proto = bpf_htons(ETH_P_8021Q);
	__builtin_memcpy(eth, &copy, sizeof(copy));
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
