/* A table a queue, found in an array of maps and in a hash of maps. */
#include "xdp.h"

struct inner {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __be32);
	__type(value, __u64);
} inner0 SEC(".maps"), inner1 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct inner);
} by_queue SEC(".maps") = { .values = { &inner0, &inner1 } };

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 16);
	__type(key, __u32);
	__array(values, struct inner);
} by_device SEC(".maps");

SEC("xdp")
int nested(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4_of(ctx);
	__u32 queue = ctx->rx_queue_index, device = ctx->ingress_ifindex;
	__u64 one = 1;

	if (!ip)
		return XDP_PASS;
	void *table = bpf_map_lookup_elem(&by_device, &device);
	if (!table)
		table = bpf_map_lookup_elem(&by_queue, &queue);
	if (!table)
		return XDP_PASS;
	__u64 *count = bpf_map_lookup_elem(table, &ip->saddr);
	if (count)
		*count += 1;
	else
		bpf_map_update_elem(table, &ip->saddr, &one, 0);
	return count && *count > 100 ? XDP_DROP : XDP_PASS;
}
