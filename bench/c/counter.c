/* Counts packets and bytes by IP protocol, behind up to two VLAN tags; IPv6 by its next header. */
#include "parse.h"

struct count {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct count);
} by_proto SEC(".maps");

SEC("xdp")
int xdp_counter(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	void *at = (void *)(long)ctx->data;
	__be16 type = network_header(&at, end);
	__u32 key;

	if (type == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = at;

		if ((void *)(ip + 1) > end || ip->ihl < 5)
			return XDP_PASS;
		key = ip->protocol;
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip6 = at;

		if ((void *)(ip6 + 1) > end)
			return XDP_PASS;
		key = ip6->nexthdr;
	} else {
		return XDP_PASS;
	}
	struct count *count = bpf_map_lookup_elem(&by_proto, &key);

	if (count) {
		count->packets++;
		count->bytes += ctx->data_end - ctx->data;
	}
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
