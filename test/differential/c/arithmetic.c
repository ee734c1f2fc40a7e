/* Bounds that come from arithmetic: masks, shifts, divisions, signed comparisons, minima, byte swaps, 32- and 64-bit mixtures. */
#include "xdp.h"

struct table { __u32 cells[100]; };
MAP(tables, ARRAY, __u32, struct table, 4);
__s64 limit = 50;

SEC("xdp")
int bounds(struct xdp_md *ctx)
{
	__u32 which = ctx->rx_queue_index;
	struct table *table = bpf_map_lookup_elem(&tables, &which);
	__u8 *data = data_of(ctx);
	__u32 sum = 0;

	if (!table || (void *)(data + 16) > end_of(ctx))
		return XDP_PASS;
	sum += table->cells[data[0] % 100];
	sum += table->cells[data[1] >> 2];
	sum += table->cells[data[2] & 63];
	__s32 index = (__s32)data[3] - 20;
	if (index >= 0 && index < 100)
		sum += table->cells[index];
	__s64 wide = *(__s32 *)(data + 4);
	if (wide > -1 && wide <= 99)
		sum += table->cells[wide];
	__u16 swapped = bpf_ntohs(*(__u16 *)(data + 8));
	if (swapped - 10u < 90u)
		sum += table->cells[swapped - 10];
	__u32 product = data[10] * 3;
	sum += table->cells[product / 8];
	__u64 small = limit;
	if (small < 100)
		sum += table->cells[small];
	if ((data[11] | data[12]) < 96)
		sum += table->cells[data[11] | (data[12] & 3)];
	__u64 hash = (__u64)sum * 0x9e3779b97f4a7c15ULL;
	sum += table->cells[hash >> 58];
	return sum & 1 ? XDP_PASS : XDP_DROP;
}
