/* Same meaning as examples/hello.xdp: says where a packet came from, and lets it by. */
#include "parse.h"

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 64);
	__uint(key_size, 4);
	__uint(value_size, 4);
} xsk SEC(".maps");

SEC("xdp_hello")
int hello(struct xdp_md *ctx)
{
	bpf_printk("rx ifindex = %u, queue = %u, len = %u", ctx->ingress_ifindex, ctx->rx_queue_index,
		   (__u32)(ctx->data_end - ctx->data));
	bpf_printk("packet on cpu %u", bpf_get_smp_processor_id());
	bpf_printk("hello, world");
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
