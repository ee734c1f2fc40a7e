/* Atomic operations of both widths on map values and globals, with and without their result. */
#include "xdp.h"

struct cell { __u64 a, b; __u32 c, d; };
MAP(cells, ARRAY, __u32, struct cell, 4);
__u64 total;
__u32 flags;

SEC("xdp")
int atomics(struct xdp_md *ctx)
{
	__u32 which = ctx->rx_queue_index & 3;
	struct cell *cell = bpf_map_lookup_elem(&cells, &which);
	__u64 length = ctx->data_end - ctx->data;

	if (!cell)
		return XDP_ABORTED;
	__sync_fetch_and_add(&cell->a, length);
	__sync_fetch_and_add(&cell->c, 1);
	__sync_fetch_and_add(&total, 1);
#ifdef FETCH
	__u64 before = __sync_fetch_and_add(&cell->b, 2);
	__u32 bits = __sync_fetch_and_or(&flags, 1u << (before & 31));
	__sync_fetch_and_and(&flags, ~bits);
	__sync_fetch_and_xor(&cell->d, bits);
	__u64 old = __sync_val_compare_and_swap(&cell->a, before, length);
	__u32 swapped = __sync_lock_test_and_set(&cell->c, 5);
	if (old == before && swapped > 7)
		return XDP_DROP;
#endif
	return XDP_PASS;
}
