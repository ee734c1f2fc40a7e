/* Loops inside loops, loops that count down, by steps and with a continue. */
#include "xdp.h"

const volatile __u32 rounds = 6;

SEC("xdp")
int loops(struct xdp_md *ctx)
{
	__u8 *data = data_of(ctx), *end = end_of(ctx);
	__u32 table[16] = {};
	__u32 found = 0;

	for (int i = 0; i < 8; i++)
		for (int j = i; j < 12; j += 3) {
			if (data + i * 12 + j + 1 > end)
				goto out;
			if (data[i * 12 + j] == 0xff)
				continue;
			table[(data[i * 12 + j] + j) & 15]++;
		}
out:
	for (int i = 15; i >= 0; i--)
		if (table[i] > found)
			found = table[i];
	for (__u32 i = 0; i < rounds; i++)
		found = found * 5 + i;
	return found > 100 ? XDP_DROP : XDP_PASS;
}
