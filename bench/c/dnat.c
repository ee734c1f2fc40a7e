/* Same meaning as examples/dnat.xdp: servers behind one address, both ways. */
#include "count.h"
#include "forward.h"
#include "opaque.h"

struct service {
	__be32 addr;
	__u16 port;
	__u8 protocol;
	__u8 padding;
};

struct server {
	__be32 addr;
	__u16 port;
	__u16 padding;
};

#define SERVERS(name)                                \
	struct {                                     \
		__uint(type, BPF_MAP_TYPE_HASH);     \
		__uint(max_entries, 1024);           \
		__type(key, struct service);         \
		__type(value, struct server);        \
	} name SEC(".maps")

SERVERS(services);
SERVERS(servers);
COUNTER(there);
COUNTER(back);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __be32);
	__type(value, __u8);
} virtual SEC(".maps");

/* A checksum of layer 4 once an address and a port have changed. */
static __always_inline __sum16 patched(__sum16 sum, __be32 a, __be32 b, __be16 c, __be16 d)
{
	return sum_word(sum_address(sum, a, b), c, d);
}

SEC("xdp")
int xdp_dnat(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	__u64 bytes = end - (void *)eth;
	void *at = eth;
	__be16 type = network_header(&at, end);
	struct iphdr *ip = at;
	__sum16 *sum;

	if (type != bpf_htons(ETH_P_IP) || (void *)(ip + 1) > end || ip->ihl < 5)
		return XDP_PASS;
	int protocol = ipv4_transport(ip, &at, end);
	__be32 daddr = ip->daddr;

	if ((protocol < 0 || (ip->frag_off & bpf_htons(0x2000))) && bpf_map_lookup_elem(&virtual, &daddr))
		return XDP_DROP;
	/* The ports are the first words of both headers. */
	struct udphdr *ports = at;

	if (protocol == IPPROTO_TCP)
		sum = &((struct tcphdr *)at)->check;
	else if (protocol == IPPROTO_UDP)
		sum = &((struct udphdr *)at)->check;
	else
		return XDP_PASS;
	struct service key = { .addr = daddr, .port = bpf_ntohs(ports->dest), .protocol = protocol };
	struct server *to = bpf_map_lookup_elem(&services, &key);
	__be32 before;
	__be16 port;
	__be32 *addr;
	__be16 *place;

	if (to) {
		addr = &ip->daddr;
		place = &ports->dest;
		count(&there, bytes);
	} else {
		key.addr = ip->saddr;
		key.port = bpf_ntohs(ports->source);
		to = bpf_map_lookup_elem(&servers, &key);
		if (!to)
			return XDP_PASS;
		addr = &ip->saddr;
		place = &ports->source;
		count(&back, bytes);
	}
	before = *addr;
	port = *place;
	*addr = to->addr;
	*place = bpf_htons(to->port);
	ip->check = sum_address(ip->check, before, *addr);
	if (protocol == IPPROTO_TCP) {
		*sum = patched(*sum, before, *addr, port, *place);
	} else if (*sum) {
		*sum = patched(*sum, before, *addr, port, *place);
		if (!*sum)
			*sum = 0xffff;
	}
	int verdict = eth + 1 == (void *)ip ? forward(ctx, eth, type, ip, end) : -1;

	return verdict < 0 ? XDP_PASS : verdict;
}

char _license[] SEC("license") = "GPL";
