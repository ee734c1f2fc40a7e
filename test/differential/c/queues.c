/* Queues, stacks and bloom filters: a port allocator and a set of known addresses. */
#include "xdp.h"

struct { __uint(type, BPF_MAP_TYPE_QUEUE); __uint(max_entries, 1024); __uint(key_size, 0); __type(value, __u32); } free_ports SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_STACK); __uint(max_entries, 1024); __uint(key_size, 0); __type(value, __u64); } recent SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_BLOOM_FILTER); __uint(max_entries, 1024); __type(value, __u32); } known SEC(".maps");

SEC("xdp")
int allocate(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4_of(ctx);
	__u32 port = 0;

	if (!ip)
		return XDP_PASS;
	__u32 source = ip->saddr;
	if (bpf_map_peek_elem(&known, &source) == 0)
		return XDP_PASS;
	bpf_map_push_elem(&known, &source, BPF_ANY);
	if (bpf_map_pop_elem(&free_ports, &port) < 0)
		return XDP_DROP;
	__u64 pair = (__u64)source << 32 | port;
	bpf_map_push_elem(&recent, &pair, BPF_EXIST);
	__u64 top;
	if (bpf_map_peek_elem(&recent, &top) == 0 && top == pair)
		return XDP_PASS;
	return port > 1024 ? XDP_PASS : XDP_TX;
}
