/* Same meaning as examples/cpu_spread.xdp: flows to CPUs. */
#include "count.h"
#include "opaque.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} chosen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} used SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CPUMAP);
	__uint(max_entries, 64);
	__uint(key_size, 4);
	__uint(value_size, 8);
} cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct count);
} by_cpu SEC(".maps");

COUNTER(here);

/* The language's hash: a word more, and the end. */
static __always_inline __u32 mix(__u32 h, __u32 word)
{
	h = (h ^ word) * 0x9e3779b1;
	return h ^ h >> 15;
}

static __always_inline __u32 last(__u32 h)
{
	h *= 0x85ebca6b;
	h ^= h >> 13;
	h *= 0xc2b2ae35;
	return h ^ h >> 16;
}

static __always_inline __u32 hash4(__be32 addr, __be16 port)
{
	return last(mix(mix(0, bpf_ntohl(addr)), bpf_ntohs(port)));
}

static __always_inline __u32 hash6(const struct in6_addr *addr, __be16 port)
{
	const __be32 *w = addr->in6_u.u6_addr32;
	__u32 h = mix(mix(mix(mix(0, w[0]), w[1]), w[2]), w[3]);

	return last(mix(h, bpf_ntohs(port)));
}

SEC("xdp")
int xdp_cpu_spread(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	__u64 bytes = end - (void *)eth;
	void *at = eth;
	__be16 type = network_header(&at, end);
	void *network = at;
	int protocol = transport_behind(type, &at, end);
	struct udphdr *ports = at;
	__u32 zero = 0;
	__u32 flow;

	if (protocol == IPPROTO_TCP) {
		if (at + sizeof(struct tcphdr) > end || ((struct tcphdr *)at)->doff < 5)
			goto stays;
	} else if (protocol != IPPROTO_UDP || (void *)(ports + 1) > end) {
		goto stays;
	}
	if (type == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = network;

		flow = hash4(ip->saddr, ports->source) + hash4(ip->daddr, ports->dest);
	} else {
		struct ipv6hdr *ip6 = network;

		flow = hash6(&ip6->saddr, ports->source) + hash6(&ip6->daddr, ports->dest);
	}
	__u32 *many = bpf_map_lookup_elem(&used, &zero);

	if (!many || !*many)
		goto stays;
	__u32 index = flow % *many;
	__u32 *cpu = bpf_map_lookup_elem(&chosen, &index);

	if (!cpu || *cpu >= 64)
		goto stays;
	__u32 key = *cpu;
	struct count *c = bpf_map_lookup_elem(&by_cpu, &key);

	if (c) {
		c->packets++;
		c->bytes += bytes;
	}
	return bpf_redirect_map(&cpus, key, XDP_PASS);
stays:
	count(&here, bytes);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
