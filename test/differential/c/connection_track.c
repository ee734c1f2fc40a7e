/* Tracks TCP connections: a state machine in a table's value, both directions under one key. */
#include "xdp.h"

struct key { __be32 low, high; __be16 low_port, high_port; };
struct track { __u32 state; __u32 packets[2]; __u64 seen; };
enum { NEW = 1, ANSWERED, OPEN, CLOSING };
MAP(tracks, LRU_HASH, struct key, struct track, 65536);

SEC("xdp")
int track(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4_of(ctx);
	struct key key;
	int way;

	if (!ip || ip->protocol != IPPROTO_TCP || ip->frag_off & bpf_htons(0x3fff))
		return XDP_PASS;
	__u32 size = ip->ihl * 4;
	if (size < sizeof(*ip))
		return XDP_DROP;
	struct tcphdr *tcp = (void *)ip + size;
	if ((void *)(tcp + 1) > end_of(ctx))
		return XDP_DROP;
	if (ip->saddr < ip->daddr) {
		key = (struct key){ ip->saddr, ip->daddr, tcp->source, tcp->dest };
		way = 0;
	} else {
		key = (struct key){ ip->daddr, ip->saddr, tcp->dest, tcp->source };
		way = 1;
	}
	struct track *track = bpf_map_lookup_elem(&tracks, &key);
	if (!track) {
		struct track fresh = { .state = NEW, .seen = bpf_ktime_get_ns() };

		if (!tcp->syn)
			return XDP_DROP;
		fresh.packets[way] = 1;
		return bpf_map_update_elem(&tracks, &key, &fresh, BPF_NOEXIST) ? XDP_DROP : XDP_PASS;
	}
	track->packets[way]++;
	track->seen = bpf_ktime_get_ns();
	if (tcp->rst) {
		bpf_map_delete_elem(&tracks, &key);
		return XDP_PASS;
	}
	switch (track->state) {
	case NEW: track->state = tcp->syn && tcp->ack ? ANSWERED : NEW; break;
	case ANSWERED: track->state = tcp->ack && !tcp->syn ? OPEN : ANSWERED; break;
	case OPEN: if (tcp->fin) track->state = CLOSING; break;
	case CLOSING: break;
	default: return XDP_ABORTED;
	}
	return XDP_PASS;
}
