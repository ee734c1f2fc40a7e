/* A token bucket a source, refilled by the clock, with settings in read-only data that a loader may change. */
#include "xdp.h"

struct bucket { __u64 tokens; __u64 stamp; };
MAP(buckets, LRU_HASH, __be32, struct bucket, 8192);

const volatile __u64 rate = 1000;
const volatile __u64 burst = 2000;
const volatile __u8 drop_unknown = 0;
__u64 dropped;

SEC("xdp")
int limit(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4_of(ctx);

	if (!ip)
		return drop_unknown ? XDP_DROP : XDP_PASS;
	__be32 source = ip->saddr;
	__u64 now = bpf_ktime_get_ns();
	struct bucket *bucket = bpf_map_lookup_elem(&buckets, &source);

	if (!bucket) {
		struct bucket fresh = { .tokens = burst, .stamp = now };

		bpf_map_update_elem(&buckets, &source, &fresh, BPF_ANY);
		return XDP_PASS;
	}
	__u64 earned = (now - bucket->stamp) * rate / 1000000000ULL;
	__u64 tokens = bucket->tokens + earned;
	if (tokens > burst)
		tokens = burst;
	if (earned)
		bucket->stamp = now;
	if (!tokens) {
		__sync_fetch_and_add(&dropped, 1);
		return XDP_DROP;
	}
	bucket->tokens = tokens - 1;
	return XDP_PASS;
}
