/* Same meaning as the program `bridge_in` of examples/bridge.xdp: a learning bridge with VLANs and port states. */
#include "parse.h"

#define LEARNING 2
#define FORWARDING 3
#define AGE 300000000000ULL

struct station {
	__u16 vid;
	__u8 mac[ETH_ALEN];
};

struct place {
	__u32 port;
	__u32 padding;
	__u64 seen;
};

struct member {
	__u32 port;
	__u16 vid;
	__u16 padding;
};

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 64);
	__uint(key_size, 4);
	__uint(value_size, 8);
} ports SEC(".maps");

#define TABLE(name, kind, entries, K, V)           \
	struct {                                   \
		__uint(type, BPF_MAP_TYPE_##kind); \
		__uint(max_entries, entries);      \
		__type(key, K);                    \
		__type(value, V);                  \
	} name SEC(".maps")

struct address {
	__u8 bytes[ETH_ALEN];
};

TABLE(states, HASH, 64, __u32, __u8);
TABLE(members, HASH, 4096, struct member, __u8);
TABLE(own, HASH, 16, struct address, __u8);
TABLE(table, LRU_HASH, 8192, struct station, struct place);

static __always_inline int is_own(const __u8 *mac)
{
	struct address key;

	__builtin_memcpy(key.bytes, mac, ETH_ALEN);
	return bpf_map_lookup_elem(&own, &key) != 0;
}

static __always_inline int is(const __u8 *mac, __u32 high, __u16 low)
{
	return mac[0] == high >> 24 && mac[1] == (high >> 16 & 255) && mac[2] == (high >> 8 & 255) && mac[3] == (high & 255) &&
	       mac[4] == low >> 8 && mac[5] == (low & 255);
}

SEC("xdp")
int bridge_in(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	__u32 port = ctx->ingress_ifindex;
	__u16 vid = 0;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	if (is(eth->h_source, 0, 0) || (eth->h_source[0] & 1))
		return XDP_DROP;
	if (is(eth->h_dest, 0x0180c200, 1))
		return XDP_DROP;
	__be16 type = *(__be16 *)((void *)eth + 12);

	if (type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD)) {
		struct vlan_tag *tag = (void *)(eth + 1);

		if ((void *)(tag + 1) <= end)
			vid = bpf_ntohs(tag->tci) & 0xfff;
	}
	__u8 *state = bpf_map_lookup_elem(&states, &port);

	if (!state)
		return XDP_DROP;
	struct member member = { .port = port, .vid = vid };
	int is_member = vid == 0 || bpf_map_lookup_elem(&members, &member);

	if (is_member && *state >= LEARNING && *state <= FORWARDING && !is_own(eth->h_source)) {
		struct station key = { .vid = vid };
		struct place *place;

		__builtin_memcpy(key.mac, eth->h_source, ETH_ALEN);
		place = bpf_map_lookup_elem(&table, &key);
		if (place) {
			place->port = port;
			place->seen = bpf_ktime_get_ns();
		} else {
			struct place fresh = { .port = port, .seen = bpf_ktime_get_ns() };

			bpf_map_update_elem(&table, &key, &fresh, BPF_ANY);
		}
	}
	if (eth->h_dest[0] == 0x01 && eth->h_dest[1] == 0x80 && eth->h_dest[2] == 0xc2 && eth->h_dest[3] == 0 &&
	    eth->h_dest[4] == 0 && eth->h_dest[5] < 16)
		return XDP_PASS;
	if (*state != FORWARDING || !is_member)
		return XDP_DROP;
	if (is_own(eth->h_dest))
		return XDP_PASS;
	if (!(eth->h_dest[0] & 1)) {
		struct station key = { .vid = vid };
		struct place *place;

		__builtin_memcpy(key.mac, eth->h_dest, ETH_ALEN);
		place = bpf_map_lookup_elem(&table, &key);
		if (place) {
			if (place->port == port)
				return XDP_DROP;
			if (bpf_ktime_get_ns() - place->seen < AGE)
				return bpf_redirect_map(&ports, place->port, XDP_DROP);
		}
	}
	return bpf_redirect_map(&ports, 0, BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS);
}

char _license[] SEC("license") = "GPL";
