/* Reports packets through a ring buffer: reserved records, copied ones, and one given back. */
#include "xdp.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} events SEC(".maps");

struct event { __u64 at; __u32 ifindex, length; __u8 head[32]; };

SEC("xdp")
int report(struct xdp_md *ctx)
{
	void *data = data_of(ctx), *end = end_of(ctx);
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return XDP_PASS;
	event->at = bpf_ktime_get_ns();
	event->ifindex = ctx->ingress_ifindex;
	event->length = end - data;
	if (data + sizeof(event->head) > end) {
		bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
		return XDP_PASS;
	}
	__builtin_memcpy(event->head, data, sizeof(event->head));
	if (event->length > 1000)
		bpf_ringbuf_submit(event, BPF_RB_FORCE_WAKEUP);
	else
		bpf_ringbuf_submit(event, 0);
	return XDP_PASS;
}

SEC("xdp")
int copy(struct xdp_md *ctx)
{
	struct event event = {};

	if (bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > 60000)
		return XDP_PASS;
	event.at = bpf_ktime_get_boot_ns();
	event.length = ctx->data_end - ctx->data;
	__u32 take = event.length;
	if (take > sizeof(event.head))
		take = sizeof(event.head);
	if (take && bpf_xdp_load_bytes(ctx, 0, event.head, take) < 0)
		return XDP_ABORTED;
	bpf_ringbuf_output(&events, &event, sizeof(event), 0);
	return XDP_PASS;
}
