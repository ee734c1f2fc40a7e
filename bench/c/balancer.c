/* Same meaning as the program `balancer` of examples/balancer.xdp: connections to servers, inside IP in IP. */
#include "count.h"
#include "forward.h"
#include "opaque.h"

struct service {
	__be32 addr;
	__u16 port;
	__u8 protocol;
	__u8 padding;
};

struct flow {
	__be32 saddr;
	__be32 daddr;
	__u16 sport;
	__u16 dport;
	__u8 protocol;
	__u8 padding[3];
};

#define TABLE(name, kind, entries, K, V)           \
	struct {                                   \
		__uint(type, BPF_MAP_TYPE_##kind); \
		__uint(max_entries, entries);      \
		__type(key, K);                    \
		__type(value, V);                  \
	} name SEC(".maps")

TABLE(services, HASH, 256, struct service, __u8);
TABLE(ring, ARRAY, 65536, __u32, __be32);
TABLE(flows, LRU_HASH, 65536, struct flow, __be32);
TABLE(local, ARRAY, 1, __u32, __be32);
COUNTER(begun);
COUNTER(known);
COUNTER(nobody);

/* The language's hash of two numbers. */
static __always_inline __u32 hash(__u32 a, __u32 b)
{
	__u32 h = a * 0x9e3779b1;

	h ^= h >> 15;
	h = (h ^ b) * 0x9e3779b1;
	h ^= h >> 15;
	h *= 0x85ebca6b;
	h ^= h >> 13;
	h *= 0xc2b2ae35;
	return h ^ h >> 16;
}

static __always_inline int send(struct xdp_md *ctx, __be32 server)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr copy;
	struct iphdr *ip;
	__u32 zero = 0;
	__be32 *from = bpf_map_lookup_elem(&local, &zero);

	if (!from || (void *)(eth + 1) > end)
		return XDP_DROP;
	__builtin_memcpy(&copy, eth, sizeof(copy));
	ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > end)
		return XDP_DROP;
	/* What fills up the frame stays out of the tunnel. */
	__u32 told = bpf_ntohs(ip->tot_len);
	__u32 there = end - (void *)ip;
	__u32 excess = told >= sizeof(*ip) && told < there ? there - told : 0;

	if (excess && bpf_xdp_adjust_tail(ctx, -(int)excess))
		return XDP_ABORTED;
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*ip)))
		return XDP_ABORTED;
	eth = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > end)
		return XDP_ABORTED;
	/* An IPv6 packet isn't carried here, so the type stays. */
	__builtin_memcpy(eth, &copy, sizeof(copy));
	__u16 length = end - (void *)ip;

	ip->version = 4;
	ip->ihl = 5;
	ip->tos = 0;
	ip->tot_len = bpf_htons(length);
	ip->id = 0;
	ip->frag_off = 0;
	ip->ttl = 64;
	ip->protocol = IPPROTO_IPIP;
	ip->check = 0;
	ip->saddr = *from;
	ip->daddr = server;
	__u32 sum = bpf_htons(0x4500) + ip->tot_len + bpf_htons(64 << 8 | IPPROTO_IPIP);

	sum += (ip->saddr & 0xffff) + (ip->saddr >> 16) + (server & 0xffff) + (server >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = ~(sum + (sum >> 16));
	int verdict = forward(ctx, eth, bpf_htons(ETH_P_IP), ip, end);

	return verdict < 0 ? XDP_DROP : verdict;
}

SEC("xdp")
int balancer(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	__u64 bytes = end - (void *)eth;
	void *at = eth;
	__be16 type = network_header(&at, end);
	struct iphdr *ip = at;

	if (type != bpf_htons(ETH_P_IP) || (void *)(ip + 1) > end || ip->ihl < 5)
		return XDP_PASS;
	int is_tagged = (void *)ip != eth + 1;
	int protocol = ipv4_transport(ip, &at, end);
	/* The ports are the first words of both headers. */
	struct udphdr *ports = at;

	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return XDP_PASS;
	struct flow flow = {
		.saddr = ip->saddr,
		.daddr = ip->daddr,
		.sport = bpf_ntohs(ports->source),
		.dport = bpf_ntohs(ports->dest),
		.protocol = protocol,
	};
	struct service service = { .addr = flow.daddr, .port = flow.dport, .protocol = protocol };
	__u8 *number = bpf_map_lookup_elem(&services, &service);
	__be32 *server;

	if (!number)
		return XDP_PASS;
	server = bpf_map_lookup_elem(&flows, &flow);
	if (server) {
		count(&known, bytes);
	} else {
		__u32 place = *number << 8 | (hash(bpf_ntohl(flow.saddr), flow.sport) & 0xff);

		server = bpf_map_lookup_elem(&ring, &place);
		if (!server || !*server) {
			count(&nobody, bytes);
			return XDP_DROP;
		}
		bpf_map_update_elem(&flows, &flow, server, BPF_ANY);
		count(&begun, bytes);
	}
	/* Tagged packets aren't forwarded. */
	return is_tagged ? XDP_DROP : send(ctx, *server);
}

char _license[] SEC("license") = "GPL";
