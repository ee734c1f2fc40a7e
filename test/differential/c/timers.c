/* A timer in a map's value whose callback counts, and a walk over a map with a callback. */
#include "xdp.h"

#define CLOCK_MONOTONIC 1
struct bpf_map;
struct slot { struct bpf_timer timer; __u64 runs; };
MAP(slots, HASH, __u32, struct slot, 64);
MAP(limits, ARRAY, __u32, __u64, 16);

static int tick(void *map, __u32 *key, struct slot *slot)
{
	slot->runs++;
	if (*key < 10 && slot->runs < 1000)
		bpf_timer_start(&slot->timer, 1000000, 0);
	return 0;
}

static long highest(struct bpf_map *map, const __u32 *key, __u64 *value, __u64 *best)
{
	if (*value > *best)
		*best = *value;
	return *key > 8;
}

SEC("xdp")
int timed(struct xdp_md *ctx)
{
	__u32 key = ctx->ingress_ifindex;
	struct slot *slot = bpf_map_lookup_elem(&slots, &key);

	if (!slot) {
		struct slot fresh = {};

		bpf_map_update_elem(&slots, &key, &fresh, BPF_NOEXIST);
		return XDP_PASS;
	}
	if (slot->runs == 0) {
		if (bpf_timer_init(&slot->timer, &slots, CLOCK_MONOTONIC) == 0)
			bpf_timer_set_callback(&slot->timer, tick);
		bpf_timer_start(&slot->timer, 1000, 0);
	}
	__u64 best = 0;
	bpf_for_each_map_elem(&limits, highest, &best, 0);
	return slot->runs > best ? XDP_DROP : XDP_PASS;
}
