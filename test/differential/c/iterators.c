/* Open-coded iterators: loops that the verifier follows until nothing new comes, with arrays indexed by what they give. */
#include "xdp.h"

struct bpf_iter_num;
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym;

struct table { __u32 cells[64]; };
MAP(tables, ARRAY, __u32, struct table, 1);

static __always_inline int port_of(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4_of(ctx);

	if (!ip || ip->ihl != 5)
		return -1;
	struct udphdr *udp = (void *)(ip + 1);
	return (void *)(udp + 1) > end_of(ctx) ? -1 : bpf_ntohs(udp->dest);
}

SEC("xdp")
int counted(struct xdp_md *ctx)
{
	__u64 state[1];
	struct bpf_iter_num *it = (void *)state;
	__u32 zero = 0, sum = 0;
	struct table *table = bpf_map_lookup_elem(&tables, &zero);
	int port = port_of(ctx);
	int *turn;

	if (!table || port < 0)
		return XDP_PASS;
	bpf_iter_num_new(it, 0, port & 127);
	while ((turn = bpf_iter_num_next(it))) {
		__u32 i = *turn;

		if (i >= 64)
			break;
		sum += table->cells[i];
		table->cells[i]++;
	}
	bpf_iter_num_destroy(it);
	return sum > 1000 ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int payload(struct xdp_md *ctx)
{
	__u64 state[1];
	struct bpf_iter_num *it = (void *)state;
	__u8 *data = data_of(ctx);
	__u32 seen = 0;
	int *turn;

	bpf_iter_num_new(it, 0, 1500);
	while ((turn = bpf_iter_num_next(it))) {
		__u32 at = *turn;

		if (at > 1500 || (void *)(data + at + 1) > end_of(ctx))
			break;
		seen += data[at] == 0xff;
	}
	bpf_iter_num_destroy(it);
	return seen > 10 ? XDP_DROP : XDP_PASS;
}
