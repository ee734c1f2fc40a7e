/* Walks type-length-value records: TCP options with a bounded loop, DHCP options with a bigger one. */
#include "xdp.h"

SEC("xdp")
int tcp_options(struct xdp_md *ctx)
{
	void *end = end_of(ctx);
	struct iphdr *ip = ipv4_of(ctx);

	if (!ip || ip->ihl != 5 || ip->protocol != IPPROTO_TCP)
		return XDP_PASS;
	struct tcphdr *tcp = (void *)(ip + 1);
	if ((void *)(tcp + 1) > end || tcp->doff <= 5)
		return XDP_PASS;
	__u8 *at = (void *)(tcp + 1);
	__u32 left = tcp->doff * 4 - sizeof(*tcp);
	__u32 mss = 0;

	for (int i = 0; i < 10 && left > 0; i++) {
		if ((void *)(at + 1) > end)
			return XDP_DROP;
		__u8 kind = *at;
		if (kind == 0)
			break;
		if (kind == 1) {
			at++;
			left--;
			continue;
		}
		if ((void *)(at + 2) > end)
			return XDP_DROP;
		__u8 length = at[1];
		if (length < 2 || length > 40 || length > left)
			return XDP_DROP;
		if (kind == 2) {
			if ((void *)(at + 4) > end)
				return XDP_DROP;
			mss = at[2] << 8 | at[3];
		}
		at += length;
		left -= length;
	}
	return mss && mss < 536 ? XDP_DROP : XDP_PASS;
}
