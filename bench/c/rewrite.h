/* What programs that change packets share: sums brought up to date by what has changed (RFC 1624), MAC addresses exchanged. */
#ifndef XDPC_BENCH_REWRITE_H
#define XDPC_BENCH_REWRITE_H

#include "parse.h"

/* ICMP of both versions. */
struct icmp_header {
	__u8 type;
	__u8 code;
	__sum16 check;
	__be32 rest;
};

/* A sum once a 16-bit word it covers has changed. */
static __always_inline __sum16 sum_word(__sum16 sum, __be16 before, __be16 after)
{
	__u32 value = (__u16)~sum + (__u16)~before + after;

	value = (value & 0xffff) + (value >> 16);
	return ~(value + (value >> 16));
}

/* A sum once 32 bits it covers have changed. */
static __always_inline __sum16 sum_address(__sum16 sum, __be32 before, __be32 after)
{
	__u64 value = (__u64)(__u16)~sum + (__u32)~before + after;

	value = (value & 0xffffffff) + (value >> 32);
	value = (value & 0xffff) + (value >> 16);
	value = (value & 0xffff) + (value >> 16);
	return ~(value + (value >> 16));
}

static __always_inline void swap_macs(struct ethhdr *eth)
{
	__u8 source[ETH_ALEN];

	__builtin_memcpy(source, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, source, ETH_ALEN);
}

#endif
