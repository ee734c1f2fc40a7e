/* Reading a packet as the rule language does, in careful C: up to two VLAN tags, IPv4 with options and without later
 * fragments, IPv6 with up to six extension headers. Every program here includes it, so that their sizes are comparable. */
#ifndef XDPC_BENCH_PARSE_H
#define XDPC_BENCH_PARSE_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MAX_TAGS 2
#define MAX_EXTENSIONS 6

struct vlan_tag {
	__be16 tci;
	__be16 type;
};

struct extension {
	__u8 nexthdr;
	__u8 len;
	__be16 frag_off;
	__be32 word;
};

/* The EtherType behind the tags, network order, with *at moved to what it announces; 0 when that can't be read. */
static __always_inline __be16 network_header(void **at, void *end)
{
	struct ethhdr *eth = *at;

	if ((void *)(eth + 1) > end)
		return 0;
	/* struct ethhdr is packed: read through its member, the type costs two byte loads. */
	__be16 type = *(__be16 *)((void *)eth + 12);
	*at = eth + 1;
#pragma unroll
	for (int i = 0; i < MAX_TAGS; i++) {
		struct vlan_tag *tag = *at;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > end)
			return 0;
		type = tag->type;
		*at = tag + 1;
	}
	return type;
}

/* True for the numbers of IPv6 extension headers. */
static __always_inline int is_extension(__u8 next)
{
	const __u64 numbers = 1ULL << IPPROTO_HOPOPTS | 1ULL << IPPROTO_ROUTING | 1ULL << IPPROTO_FRAGMENT |
			      1ULL << IPPROTO_AH | 1ULL << IPPROTO_DSTOPTS;

	return next < 64 && (numbers >> next & 1);
}

/* The layer 4 protocol behind a network header of that type, with *at moved to its header; -1 when there is none that can be read. */
static __always_inline int transport_behind(__be16 type, void **at, void *end)
{
	if (type == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = *at;

		if ((void *)(ip + 1) > end || ip->ihl < 5 || (ip->frag_off & bpf_htons(0x1fff)))
			return -1;
		*at = (void *)ip + ip->ihl * 4;
		return ip->protocol;
	}
	if (type != bpf_htons(ETH_P_IPV6))
		return -1;

	struct ipv6hdr *ip6 = *at;

	if ((void *)(ip6 + 1) > end)
		return -1;
	__u8 next = ip6->nexthdr;
	*at = ip6 + 1;
#pragma unroll
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		struct extension *ext = *at;
		__u32 size;

		if (!is_extension(next))
			break;
		if ((void *)(ext + 1) > end)
			return -1;
		if (next == IPPROTO_FRAGMENT) {
			if (ext->frag_off & bpf_htons(0xfff8))
				return -1;
			size = 8;
		} else if (next == IPPROTO_AH) {
			/* Its last four bytes need no check of their own, what follows it wouldn't fit without them; unless nothing does. */
			if (ext->len < 1)
				return -1;
#ifdef WHOLE_AH
			if (*at + 12 > end)
				return -1;
#endif
			size = (ext->len + 2) * 4;
		} else {
			size = (ext->len + 1) * 8;
		}
		next = ext->nexthdr;
		*at += size;
	}
	return next;
}

/* The layer 4 protocol with *at moved to its header; -1 when there is none that can be read. */
static __always_inline int transport_header(void **at, void *end)
{
	__be16 type = network_header(at, end);

	return transport_behind(type, at, end);
}

#endif
