/* bpf_loop over packet bytes and over a table, with state on the stack and in a map's value. */
#include "xdp.h"

MAP(totals, ARRAY, __u32, __u64, 8);

struct walk { struct xdp_md *ctx; __u32 sum; __u32 seen; __u64 *total; };

static long add_byte(__u32 index, void *opaque)
{
	struct walk *walk = opaque;
	__u8 *data = data_of(walk->ctx);

	if (index >= 1500)
		return 1;
	if ((void *)(data + index + 1) > end_of(walk->ctx))
		return 1;
	walk->sum += data[index];
	walk->seen++;
	if (walk->total)
		*walk->total += data[index];
	return 0;
}

static long count_up(__u32 index, void *opaque)
{
	__u64 *sum = opaque;

	*sum += index;
	return *sum > 100000;
}

SEC("xdp")
int walk(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct walk walk = { .ctx = ctx, .total = bpf_map_lookup_elem(&totals, &zero) };
	__u64 sum = 0;

	bpf_loop(1500, add_byte, &walk, 0);
	bpf_loop(walk.seen, count_up, &sum, 0);
	return (walk.sum + sum) & 1 ? XDP_DROP : XDP_PASS;
}
