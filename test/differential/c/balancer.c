/* A layer 4 balancer: a hash of the flow picks a real server from a ring in an array, the packet is sent on in IPIP. */
#include "xdp.h"

#define RING 64
struct vip { __be32 address; __be16 port; __u8 protocol; __u8 pad; };
struct real { __be32 address; __u32 flags; unsigned char mac[6]; __u16 pad; };
struct info { __u32 index; __u32 flags; };
MAP(vips, HASH, struct vip, struct info, 512);
MAP(ring, ARRAY, __u32, __u32, 512 * RING);
MAP(reals, ARRAY, __u32, struct real, 4096);
MAP(stats, PERCPU_ARRAY, __u32, __u64, 8);

static __always_inline __u32 rotate(__u32 word, unsigned int shift)
{
	return word << shift | word >> ((-shift) & 31);
}

static __always_inline __u32 mix(__u32 a, __u32 b, __u32 c)
{
	a += 0xdeadbeef; b += 0xdeadbeef; c += 0xdeadbeef;
	c ^= b; c -= rotate(b, 14);
	a ^= c; a -= rotate(c, 11);
	b ^= a; b -= rotate(a, 25);
	c ^= b; c -= rotate(b, 16);
	a ^= c; a -= rotate(c, 4);
	b ^= a; b -= rotate(a, 14);
	c ^= b; c -= rotate(b, 24);
	return c;
}

static __always_inline void bump(__u32 which)
{
	__u64 *cell = bpf_map_lookup_elem(&stats, &which);

	if (cell)
		++*cell;
}

SEC("xdp")
int balance(struct xdp_md *ctx)
{
	void *end = end_of(ctx);
	struct iphdr *ip = ipv4_of(ctx);

	if (!ip || ip->ihl != 5 || (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP))
		return XDP_PASS;
	struct udphdr *ports = (void *)(ip + 1);
	if ((void *)(ports + 1) > end)
		return XDP_DROP;
	struct vip key = { ip->daddr, ports->dest, ip->protocol, 0 };
	struct info *info = bpf_map_lookup_elem(&vips, &key);

	if (!info) {
		bump(0);
		return XDP_PASS;
	}
	__u32 hash = mix(ip->saddr, (__u32)ports->source << 16 | ports->dest, info->index);
	__u32 at = info->index * RING + hash % RING;
	__u32 *number = bpf_map_lookup_elem(&ring, &at);

	if (!number)
		return XDP_DROP;
	__u32 which = *number;
	struct real *real = bpf_map_lookup_elem(&reals, &which);
	if (!real)
		return XDP_DROP;
	__u16 length = bpf_ntohs(ip->tot_len);
	__be32 source = ip->saddr ^ real->address;
	__u8 tos = ip->tos;

	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(struct iphdr))) {
		bump(1);
		return XDP_DROP;
	}
	struct ethhdr *eth = data_of(ctx);
	struct ethhdr *old = (void *)eth + sizeof(*ip);
	ip = (void *)(eth + 1);
	end = end_of(ctx);
	if ((void *)(old + 1) > end || (void *)(ip + 1) > end)
		return XDP_DROP;
	__builtin_memmove(eth, old, sizeof(*eth));
	__builtin_memcpy(eth->h_dest, real->mac, 6);
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = tos;
	ip->tot_len = bpf_htons(length + sizeof(*ip));
	ip->id = 0;
	ip->frag_off = 0;
	ip->ttl = 64;
	ip->protocol = IPPROTO_IPIP;
	ip->check = 0;
	ip->saddr = source;
	ip->daddr = real->address;
	__u32 sum = 0;
	__u16 *words = (void *)ip;
#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += words[i];
	ip->check = ~((sum & 0xffff) + (sum >> 16));
	bump(2);
	return XDP_TX;
}
