/* Samples packets into a perf event array, length in the flags. */
#include "xdp.h"

struct { __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4); } samples SEC(".maps");
struct header { __u16 cookie, length; __u32 cpu; };

SEC("xdp")
int sample(struct xdp_md *ctx)
{
	struct header header = { 0xdead, ctx->data_end - ctx->data, bpf_get_smp_processor_id() };
	__u64 flags = BPF_F_CURRENT_CPU;
	__u32 take = header.length < 256 ? header.length : 256;

	if (bpf_get_prandom_u32() % 16)
		return XDP_PASS;
	flags |= (__u64)take << 32;
	if (bpf_perf_event_output(ctx, &samples, flags, &header, sizeof(header)))
		bpf_printk("lost a sample of %d bytes", take);
	return XDP_PASS;
}
