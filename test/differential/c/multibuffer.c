/* Packets of several buffers, read and written by helpers with variable offsets and lengths. */
#include "xdp.h"

MAP(patterns, ARRAY, __u32, __u64, 16);

SEC("xdp.frags")
int patch(struct xdp_md *ctx)
{
	__u8 bytes[32];
	__u64 length = bpf_xdp_get_buff_len(ctx);
	__u32 zero = 0;

	if (length < 64)
		return XDP_PASS;
	__u32 offset = bpf_get_prandom_u32() % 32;
	__u32 take = (offset & 15) + 1;
	if (bpf_xdp_load_bytes(ctx, offset, bytes, take) < 0)
		return XDP_ABORTED;
	__u64 *pattern = bpf_map_lookup_elem(&patterns, &zero);
	if (!pattern)
		return XDP_ABORTED;
	if (bpf_xdp_store_bytes(ctx, length - 8, pattern, sizeof(*pattern)))
		return XDP_DROP;
	if (bpf_xdp_adjust_tail(ctx, 16))
		return XDP_DROP;
	return bytes[0] == 0xff ? XDP_DROP : XDP_PASS;
}
