/* Reads the name of a DNS query label by label into a buffer and looks it up. */
#include "xdp.h"

#define NAME 64
struct name { char text[NAME]; };
MAP(names, HASH, struct name, __u32, 1024);
MAP(scratch, PERCPU_ARRAY, __u32, struct name, 1);

SEC("xdp")
int filter(struct xdp_md *ctx)
{
	void *end = end_of(ctx);
	struct iphdr *ip = ipv4_of(ctx);
	__u32 zero = 0;

	if (!ip || ip->ihl != 5 || ip->protocol != IPPROTO_UDP)
		return XDP_PASS;
	struct udphdr *udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > end || udp->dest != bpf_htons(53))
		return XDP_PASS;
	__u8 *at = (__u8 *)(udp + 1) + 12;
	struct name *name = bpf_map_lookup_elem(&scratch, &zero);
	if (!name)
		return XDP_PASS;
	__builtin_memset(name, 0, sizeof(*name));
	__u32 left = 0;
	for (__u32 i = 0; i < NAME - 1; i++) {
		if ((void *)(at + 1) > end)
			return XDP_DROP;
		__u8 c = *at++;
		if (left == 0) {
			if (c == 0)
				break;
			if (c > 63)
				return XDP_DROP;
			left = c;
			name->text[i] = '.';
		} else {
			left--;
			name->text[i] = c >= 'A' && c <= 'Z' ? c + 32 : c;
		}
	}
	__u32 *hit = bpf_map_lookup_elem(&names, name);
	return hit && *hit ? XDP_DROP : XDP_PASS;
}
