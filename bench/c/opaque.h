/* Whether a packet announces a layer 4 that can't be read: cut or malformed headers, later fragments, too many tags or extension headers. */
#ifndef XDPC_BENCH_OPAQUE_H
#define XDPC_BENCH_OPAQUE_H

#include "rewrite.h"

/* Whether a GRE header is whole, with the fields that its bits announce. */
static __always_inline int is_gre(void *at, void *end)
{
	__u8 *bits = at;

	if (at + 4 > end)
		return 0;
	return at + 4 + 4 * ((*bits >> 7) + (*bits >> 5 & 1) + (*bits >> 4 & 1)) <= end;
}

/* The layer 4 protocol of an IPv4 packet with *at moved to its header, which is whole where the protocol is one we know; -1 for opaque. */
static __always_inline int ipv4_transport(struct iphdr *ip, void **at, void *end)
{
	if (ip->frag_off & bpf_htons(0x1fff))
		return -1;
	void *next = (void *)ip + ip->ihl * 4;

	*at = next;
	switch (ip->protocol) {
	case IPPROTO_TCP:
		return next + sizeof(struct tcphdr) > end || ((struct tcphdr *)next)->doff < 5 ? -1 : IPPROTO_TCP;
	case IPPROTO_UDP:
		return next + sizeof(struct udphdr) > end ? -1 : IPPROTO_UDP;
	case IPPROTO_ICMP:
		return next + sizeof(struct icmp_header) > end ? -1 : IPPROTO_ICMP;
	case IPPROTO_SCTP:
		return next + 12 > end ? -1 : IPPROTO_SCTP;
	case IPPROTO_GRE:
		return is_gre(next, end) ? IPPROTO_GRE : -1;
	}
	return 0;
}

#endif
