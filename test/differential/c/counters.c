/* Counts by protocol in per-CPU arrays, by address in an LRU table and by size in a histogram. */
#include "xdp.h"

struct pair { __u64 packets, bytes; };
MAP(by_protocol, PERCPU_ARRAY, __u32, struct pair, 256);
MAP(by_source, LRU_PERCPU_HASH, __be32, struct pair, 4096);
MAP(by_size, ARRAY, __u32, __u64, 16);

SEC("xdp")
int count(struct xdp_md *ctx)
{
	__u64 bytes = ctx->data_end - ctx->data;
	struct iphdr *ip = ipv4_of(ctx);
	__u32 slot = 0;

	for (__u64 left = bytes; left > 64 && slot < 15; left >>= 1)
		slot++;
	__u64 *cell = bpf_map_lookup_elem(&by_size, &slot);
	if (cell)
		__sync_fetch_and_add(cell, 1);
	if (!ip)
		return XDP_PASS;
	__u32 protocol = ip->protocol;
	struct pair *pair = bpf_map_lookup_elem(&by_protocol, &protocol);
	if (pair) {
		pair->packets++;
		pair->bytes += bytes;
	}
	struct pair *source = bpf_map_lookup_elem(&by_source, &ip->saddr);
	if (source) {
		source->packets++;
		source->bytes += bytes;
	} else {
		struct pair fresh = { 1, bytes };
		bpf_map_update_elem(&by_source, &ip->saddr, &fresh, BPF_NOEXIST);
	}
	return XDP_PASS;
}
