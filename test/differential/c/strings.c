/* Looks for strings in payloads, prints with trace_printk, compares with read-only text. */
#include "xdp.h"

static const char methods[4][8] = { "GET /", "POST /", "HEAD /", "PUT /" };
const volatile char secret[8] = "letmein";
MAP(words, HASH, char[16], __u32, 128);

SEC("xdp")
int http(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4_of(ctx);

	if (!ip || ip->ihl != 5 || ip->protocol != IPPROTO_TCP)
		return XDP_PASS;
	struct tcphdr *tcp = (void *)(ip + 1);
	char *text = (void *)(tcp + 1);
	if ((void *)(text + 16) > end_of(ctx) || tcp->doff != 5)
		return XDP_PASS;
	for (int m = 0; m < 4; m++) {
		int same = 1;

		for (int i = 0; i < 5; i++)
			if (text[i] != methods[m][i]) {
				same = 0;
				break;
			}
		if (same) {
			bpf_printk("method %d from %x", m, bpf_ntohl(ip->saddr));
			return XDP_PASS;
		}
	}
	char word[16];
	__builtin_memcpy(word, text, 16);
	__u32 *known = bpf_map_lookup_elem(&words, word);
	if (known && *known)
		return XDP_DROP;
	int differs = 0;
	for (int i = 0; i < 7; i++)
		differs |= text[i] ^ secret[i];
	return differs ? XDP_PASS : XDP_TX;
}
