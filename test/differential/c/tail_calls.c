/* A dispatcher that calls a program a protocol, which calls others in turn; state goes along in a per-CPU array. */
#include "xdp.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 256);
	__uint(key_size, 4);
	__uint(value_size, 4);
} programs SEC(".maps");

struct state { __u32 offset, protocol; };
MAP(states, PERCPU_ARRAY, __u32, struct state, 1);

SEC("xdp")
int dispatch(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct iphdr *ip = ipv4_of(ctx);
	struct state *state = bpf_map_lookup_elem(&states, &zero);

	if (!ip || !state)
		return XDP_PASS;
	state->offset = sizeof(struct ethhdr) + ip->ihl * 4;
	state->protocol = ip->protocol;
	bpf_tail_call(ctx, &programs, ip->protocol);
	return XDP_PASS;
}

SEC("xdp")
int on_udp(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct state *state = bpf_map_lookup_elem(&states, &zero);
	void *data = data_of(ctx);

	if (!state)
		return XDP_ABORTED;
	__u32 offset = state->offset;
	if (offset > 256)
		return XDP_ABORTED;
	struct udphdr *udp = data + offset;
	if ((void *)(udp + 1) > end_of(ctx))
		return XDP_DROP;
	if (udp->dest == bpf_htons(53))
		bpf_tail_call_static(ctx, &programs, 53);
	return XDP_PASS;
}

static __attribute__((noinline)) int sub(struct xdp_md *ctx, __u32 which)
{
	bpf_tail_call(ctx, &programs, which);
	return XDP_DROP;
}

SEC("xdp")
int mixed(struct xdp_md *ctx)
{
	return sub(ctx, ctx->rx_queue_index & 7) == XDP_DROP ? XDP_PASS : XDP_ABORTED;
}
