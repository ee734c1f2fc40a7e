/* Pushes and pops a VLAN tag, cuts the tail, writes metadata. */
#include "xdp.h"

SEC("xdp")
int pop_tag(struct xdp_md *ctx)
{
	struct ethhdr *eth = data_of(ctx), copy;
	struct vlan_tag *tag = (void *)(eth + 1);

	if ((void *)(tag + 1) > end_of(ctx) || eth->h_proto != bpf_htons(ETH_P_8021Q))
		return XDP_PASS;
	__builtin_memcpy(&copy, eth, sizeof(copy));
	copy.h_proto = tag->type;
	if (bpf_xdp_adjust_head(ctx, sizeof(*tag)))
		return XDP_ABORTED;
	eth = data_of(ctx);
	if ((void *)(eth + 1) > end_of(ctx))
		return XDP_ABORTED;
	__builtin_memcpy(eth, &copy, sizeof(copy));
	return XDP_PASS;
}

SEC("xdp")
int push_tag(struct xdp_md *ctx)
{
	struct ethhdr *eth = data_of(ctx), copy;

	if ((void *)(eth + 1) > end_of(ctx))
		return XDP_ABORTED;
	copy = *eth;
	if (bpf_xdp_adjust_head(ctx, -4))
		return XDP_ABORTED;
	eth = data_of(ctx);
	struct vlan_tag *tag = (void *)(eth + 1);
	if ((void *)(tag + 1) > end_of(ctx))
		return XDP_ABORTED;
	*eth = copy;
	tag->type = eth->h_proto;
	tag->tci = bpf_htons(100);
	eth->h_proto = bpf_htons(ETH_P_8021Q);
	return XDP_TX;
}

SEC("xdp")
int cut(struct xdp_md *ctx)
{
	long length = ctx->data_end - ctx->data;

	if (length > 128 && bpf_xdp_adjust_tail(ctx, 128 - (int)length))
		return XDP_DROP;
	return XDP_PASS;
}

struct meta { __u32 mark; __u32 at; };

SEC("xdp")
int mark(struct xdp_md *ctx)
{
	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(struct meta)))
		return XDP_PASS;
	struct meta *meta = (void *)(long)ctx->data_meta;
	void *data = data_of(ctx);
	if ((void *)(meta + 1) > data)
		return XDP_ABORTED;
	meta->mark = ctx->rx_queue_index;
	meta->at = bpf_ktime_get_ns();
	return XDP_PASS;
}
