/* Global functions with every kind of parameter, verified on their own; static ones called from several places. */
#include "xdp.h"

struct key { __be32 saddr, daddr; __be16 sport, dport; };
MAP(flows, HASH, struct key, __u64, 1024);

__attribute__((noinline)) int hash_of(__u32 a, __u32 b)
{
	a ^= b * 0x9e3779b1;
	return a ^ a >> 15;
}

__attribute__((noinline)) int parse(struct xdp_md *ctx, struct key *key)
{
	struct iphdr *ip = ipv4_of(ctx);

	if (!key || !ip)
		return -1;
	key->saddr = ip->saddr;
	key->daddr = ip->daddr;
	struct udphdr *udp = (void *)ip + ip->ihl * 4;
	if ((void *)(udp + 1) > end_of(ctx))
		return -1;
	key->sport = udp->source;
	key->dport = udp->dest;
	return ip->protocol;
}

__attribute__((noinline)) int verdict_of(struct xdp_md *ctx, int protocol)
{
	if (protocol == IPPROTO_TCP)
		return XDP_PASS;
	if (ctx->rx_queue_index > 3)
		return XDP_DROP;
	return protocol == IPPROTO_UDP ? XDP_TX : XDP_PASS;
}

static __attribute__((noinline)) __u64 *entry(const struct key *key)
{
	__u64 *count = bpf_map_lookup_elem(&flows, key), one = 1;

	if (!count)
		bpf_map_update_elem(&flows, key, &one, BPF_ANY);
	return count;
}

SEC("xdp")
int flows_of(struct xdp_md *ctx)
{
	struct key key = {};
	int protocol = parse(ctx, &key);

	if (protocol < 0)
		return XDP_PASS;
	__u64 *count = entry(&key);
	if (count)
		*count += hash_of(key.saddr, key.daddr) & 1;
	struct key reverse = { key.daddr, key.saddr, key.dport, key.sport };
	__u64 *back = entry(&reverse);
	if (back)
		*back += 1;
	return verdict_of(ctx, protocol);
}
