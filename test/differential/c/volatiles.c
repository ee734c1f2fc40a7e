/* Spills: volatile locals of every width, many live values across calls, arrays on the stack with variable indices. */
#include "xdp.h"

SEC("xdp")
int spills(struct xdp_md *ctx)
{
	volatile __u64 a = ctx->rx_queue_index;
	volatile __u32 b = ctx->ingress_ifindex;
	volatile __u16 c = b >> 3;
	volatile __u8 d = c + 1;
	volatile __s8 e = d - 7;
	volatile __s16 f = e * 3;
	volatile __s32 g = f << 2;
	void *volatile data = data_of(ctx);
	void *volatile end = end_of(ctx);
	__u8 *at = data;

	if ((void *)(at + 64) > end)
		return XDP_PASS;
	a += at[d & 63];
	c |= at[e & 31];
	return (a ^ b ^ c ^ d ^ e ^ f ^ g) & 1 ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int many(struct xdp_md *ctx)
{
	__u64 v[12];
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < 12; i++)
		v[i] = bpf_get_prandom_u32() + (__u64)i * bpf_ktime_get_ns();
	for (int i = 0; i < 12; i++)
		sum = sum * 31 + v[(i * 5 + sum) % 12];
	v[sum % 12] = 7;
	return v[sum & 7] > sum ? XDP_PASS : XDP_DROP;
}
