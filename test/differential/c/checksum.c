/* Verifies the IPv4 checksum and sums a payload in a loop with a bound. */
#include "xdp.h"

MAP(failures, PERCPU_ARRAY, __u32, __u64, 1);

SEC("xdp")
int verify(struct xdp_md *ctx)
{
	void *end = end_of(ctx);
	struct iphdr *ip = ipv4_of(ctx);
	__u32 sum = 0, zero = 0;

	if (!ip || ip->ihl < 5)
		return XDP_PASS;
	__u16 *at = (void *)ip;
	__u32 words = ip->ihl * 2;
	for (__u32 i = 0; i < 30; i++) {
		if (i >= words)
			break;
		if ((void *)(at + 1) > end)
			return XDP_DROP;
		sum += *at++;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	if ((__u16)~sum == 0)
		return XDP_PASS;
	__u64 *count = bpf_map_lookup_elem(&failures, &zero);
	if (count)
		*count += 1;
	return XDP_DROP;
}

SEC("xdp")
int payload_sum(struct xdp_md *ctx)
{
	__u16 *at = data_of(ctx), *end = end_of(ctx);
	__u64 sum = 0;

	for (int i = 0; i < 750; i++) {
		if (at + 1 > end)
			break;
		sum += *at++;
	}
	return sum % 3 ? XDP_PASS : XDP_DROP;
}
