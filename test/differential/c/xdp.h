/* What the programs here share: headers, a cursor over the packet and a few macros for maps. They are written as people write XDP
 * programs, good habits and bad ones alike, for the checker to be held against the kernel on what compilers make of them. */
#ifndef XDPC_DIFFERENTIAL_XDP_H
#define XDPC_DIFFERENTIAL_XDP_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2
#define AF_INET6 10

#define MAP(NAME, TYPE, KEY, VALUE, ENTRIES)   \
	struct {                               \
		__uint(type, BPF_MAP_TYPE_##TYPE); \
		__uint(max_entries, ENTRIES);  \
		__type(key, KEY);              \
		__type(value, VALUE);          \
	} NAME SEC(".maps")

/* linux/icmp.h needs the C library's headers for the host. */
struct icmphdr { __u8 type, code; __sum16 checksum; __be32 rest; };
#define ICMP_ECHO 8
#define ICMP_ECHOREPLY 0

struct vlan_tag {
	__be16 tci;
	__be16 type;
};

static __always_inline void *data_of(struct xdp_md *ctx)
{
	return (void *)(long)ctx->data;
}

static __always_inline void *end_of(struct xdp_md *ctx)
{
	return (void *)(long)ctx->data_end;
}

static __always_inline struct iphdr *ipv4_of(struct xdp_md *ctx)
{
	struct ethhdr *eth = data_of(ctx);
	struct iphdr *ip = (void *)(eth + 1);

	if ((void *)(ip + 1) > end_of(ctx) || eth->h_proto != bpf_htons(ETH_P_IP))
		return 0;
	return ip;
}

char _license[] SEC("license") = "GPL";

#endif
