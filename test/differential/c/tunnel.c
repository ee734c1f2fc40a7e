/* Takes VXLAN off and puts it on, with a second program in a section of its own for packets of several buffers. */
#include "xdp.h"

struct vxlan { __be32 flags; __be32 vni; };
struct outer { struct ethhdr eth; struct iphdr ip; struct udphdr udp; struct vxlan vxlan; } __attribute__((packed));
struct remote { __be32 local, remote; unsigned char dmac[6], smac[6]; __u32 vni; };
MAP(remotes, HASH, __u32, struct remote, 256);

SEC("xdp")
int unwrap(struct xdp_md *ctx)
{
	struct outer *outer = data_of(ctx);

	if ((void *)(outer + 1) > end_of(ctx))
		return XDP_PASS;
	if (outer->eth.h_proto != bpf_htons(ETH_P_IP) || outer->ip.ihl != 5 || outer->ip.protocol != IPPROTO_UDP)
		return XDP_PASS;
	if (outer->udp.dest != bpf_htons(4789) || !(outer->vxlan.flags & bpf_htonl(0x08000000)))
		return XDP_PASS;
	if (bpf_xdp_adjust_head(ctx, sizeof(*outer)))
		return XDP_ABORTED;
	struct ethhdr *inner = data_of(ctx);
	if ((void *)(inner + 1) > end_of(ctx))
		return XDP_DROP;
	return inner->h_dest[0] & 1 ? XDP_DROP : XDP_PASS;
}

SEC("xdp.frags")
int wrap(struct xdp_md *ctx)
{
	__u32 ifindex = ctx->ingress_ifindex;
	struct remote *remote = bpf_map_lookup_elem(&remotes, &ifindex);

	if (!remote)
		return XDP_PASS;
	__u64 length = bpf_xdp_get_buff_len(ctx);
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(struct outer)))
		return XDP_DROP;
	struct outer *outer = data_of(ctx);
	if ((void *)(outer + 1) > end_of(ctx))
		return XDP_DROP;
	__builtin_memset(outer, 0, sizeof(*outer));
	__builtin_memcpy(outer->eth.h_dest, remote->dmac, 6);
	__builtin_memcpy(outer->eth.h_source, remote->smac, 6);
	outer->eth.h_proto = bpf_htons(ETH_P_IP);
	outer->ip.version = 4;
	outer->ip.ihl = 5;
	outer->ip.ttl = 64;
	outer->ip.protocol = IPPROTO_UDP;
	outer->ip.tot_len = bpf_htons(length + 36);
	outer->ip.saddr = remote->local;
	outer->ip.daddr = remote->remote;
	outer->udp.source = bpf_htons(0xc000 | (bpf_get_prandom_u32() & 0x3fff));
	outer->udp.dest = bpf_htons(4789);
	outer->udp.len = bpf_htons(length + 16);
	outer->vxlan.flags = bpf_htonl(0x08000000);
	outer->vxlan.vni = bpf_htonl(remote->vni << 8);
	__s64 sum = bpf_csum_diff(0, 0, (void *)outer + sizeof(outer->eth), sizeof(outer->ip), 0);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	outer->ip.check = ~sum;
	return XDP_TX;
}
