/* A value guarded by a spin lock, read and written under it. */
#include "xdp.h"

struct state { struct bpf_spin_lock lock; __u32 turns; __u64 last, gap; };
MAP(states, HASH, __be32, struct state, 1024);
MAP(one, ARRAY, __u32, struct state, 1);

SEC("xdp")
int locked(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4_of(ctx);
	__u32 zero = 0;

	if (!ip)
		return XDP_PASS;
	__u64 now = bpf_ktime_get_ns();
	struct state *state = bpf_map_lookup_elem(&states, &ip->saddr);

	if (!state) {
		struct state fresh = { .turns = 1, .last = now };

		bpf_map_update_elem(&states, &ip->saddr, &fresh, BPF_NOEXIST);
		return XDP_PASS;
	}
	bpf_spin_lock(&state->lock);
	state->turns++;
	__u64 gap = now - state->last;
	if (gap < state->gap || state->gap == 0)
		state->gap = gap;
	state->last = now;
	bpf_spin_unlock(&state->lock);
	struct state *all = bpf_map_lookup_elem(&one, &zero);
	if (!all)
		return XDP_ABORTED;
	bpf_spin_lock(&all->lock);
	all->turns += gap > 1000;
	if (all->turns > 100) {
		all->turns = 0;
		bpf_spin_unlock(&all->lock);
		return XDP_DROP;
	}
	bpf_spin_unlock(&all->lock);
	return XDP_PASS;
}
