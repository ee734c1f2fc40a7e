/* Same meaning as examples/ports.xdp: packets to a TCP port in `ports` go to the AF_XDP socket of their queue. */
#include "parse.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u16);
	__type(value, __u8);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 64);
	__uint(key_size, 4);
	__uint(value_size, 4);
} xsk SEC(".maps");

SEC("xdp")
int xdp_ports(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	void *at = (void *)(long)ctx->data;

	if (transport_header(&at, end) != IPPROTO_TCP)
		return XDP_PASS;
	struct tcphdr *tcp = at;

	if ((void *)(tcp + 1) > end || tcp->doff < 5)
		return XDP_PASS;
	__u16 port = bpf_ntohs(tcp->dest);

	if (!bpf_map_lookup_elem(&ports, &port))
		return XDP_PASS;
	return bpf_redirect_map(&xsk, ctx->rx_queue_index, XDP_PASS);
}

char _license[] SEC("license") = "GPL";
