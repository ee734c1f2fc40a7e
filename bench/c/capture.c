/* Same meaning as examples/capture.xdp: the first 96 bytes of packets from and to chosen ports go to user space. */
#include "count.h"

#define MOST 96

struct sample {
	__u64 time_ns;
	__u32 length, captured, ifindex, queue;
	__u8 data[MOST];
};

struct lost {
	__u64 samples;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u16);
	__type(value, __u8);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sample);
} memory SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lost);
} events_lost SEC(".maps");

COUNTER(matched);

static __always_inline int is_chosen(__be16 port)
{
	__u16 key = bpf_ntohs(port);

	return bpf_map_lookup_elem(&ports, &key) != 0;
}

SEC("xdp")
int xdp_capture(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	void *at = (void *)(long)ctx->data;
	__u32 length = end - at;
	__u32 zero = 0;
	int protocol = transport_header(&at, end);
	struct udphdr *udp = at;

	if (protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = at;

		if ((void *)(tcp + 1) > end || tcp->doff < 5)
			return XDP_PASS;
	} else if (protocol != IPPROTO_UDP || (void *)(udp + 1) > end) {
		return XDP_PASS;
	}
	if (!is_chosen(udp->dest) && !is_chosen(udp->source))
		return XDP_PASS;
	count(&matched, length);
	struct sample *sample = bpf_map_lookup_elem(&memory, &zero);

	if (!sample)
		return XDP_PASS;
	__u32 captured = length < MOST ? length : MOST;

	/* The verifier is to see the bounds of the very register that the helper gets. */
	asm volatile("" : "+r"(captured));
	if (captured < 14 || captured > MOST)
		return XDP_PASS;
	sample->time_ns = bpf_ktime_get_ns();
	sample->length = length;
	sample->captured = captured;
	sample->ifindex = ctx->ingress_ifindex;
	sample->queue = ctx->rx_queue_index;
	bpf_xdp_load_bytes(ctx, 0, sample->data, captured);
	if (bpf_ringbuf_output(&samples, sample, 24 + captured, 0)) {
		struct lost *lost = bpf_map_lookup_elem(&events_lost, &zero);

		if (lost)
			lost->samples++;
	}
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
