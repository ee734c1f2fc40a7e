/* A switch over many ports and one over message types with fallthrough, both with ranges. */
#include "xdp.h"

MAP(classes, ARRAY, __u32, __u64, 64);

static __always_inline __u32 class_of(__u16 port)
{
	switch (port) {
	case 20: case 21: return 1;
	case 22: return 2;
	case 23: return 3;
	case 25: case 465: case 587: return 4;
	case 53: case 853: return 5;
	case 67: case 68: return 6;
	case 80: case 8080: case 8000 ... 8009: return 7;
	case 110: case 995: return 8;
	case 123: return 9;
	case 143: case 993: return 10;
	case 161: case 162: return 11;
	case 179: return 12;
	case 389: case 636: return 13;
	case 443: case 8443: return 14;
	case 445: case 137 ... 139: return 15;
	case 500: case 4500: return 16;
	case 514: return 17;
	case 1194: return 18;
	case 1433: case 3306: case 5432: return 19;
	case 1812: case 1813: return 20;
	case 3389: return 21;
	case 5060: case 5061: return 22;
	case 6379: case 11211: return 23;
	case 6881 ... 6889: return 24;
	case 27017: return 25;
	case 51820: return 26;
	default: return port < 1024 ? 0 : port > 49151 ? 62 : 63;
	}
}

SEC("xdp")
int classify(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4_of(ctx);

	if (!ip || ip->ihl != 5)
		return XDP_PASS;
	struct udphdr *udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > end_of(ctx))
		return XDP_PASS;
	__u32 class = class_of(bpf_ntohs(udp->dest));
	if (!class)
		class = class_of(bpf_ntohs(udp->source));
	__u64 *count = bpf_map_lookup_elem(&classes, &class);
	if (count)
		__sync_fetch_and_add(count, 1);
	switch (class) {
	case 3: case 15: return XDP_DROP;
	case 24:
		if (ip->ttl < 5)
			return XDP_DROP;
		/* fallthrough */
	case 7: case 14: return XDP_PASS;
	default: return class > 60 ? XDP_DROP : XDP_PASS;
	}
}
