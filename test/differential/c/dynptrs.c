/* Dynamic pointers into ring buffers and memory. */
#include "xdp.h"

struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 14); } ring SEC(".maps");
MAP(values, ARRAY, __u32, __u64[8], 1);

SEC("xdp")
int dynamic(struct xdp_md *ctx)
{
	struct bpf_dynptr ptr, mem;
	__u32 zero = 0;
	__u64 word = 0;
	__u64 *value = bpf_map_lookup_elem(&values, &zero);

	if (!value)
		return XDP_PASS;
	if (bpf_dynptr_from_mem(value, 64, 0, &mem))
		return XDP_ABORTED;
	bpf_dynptr_read(&word, sizeof(word), &mem, 8, 0);
	long failed = bpf_ringbuf_reserve_dynptr(&ring, 16 + (word & 63), 0, &ptr);
	if (!failed) {
		__u64 *head = bpf_dynptr_data(&ptr, 0, 8);
		if (head)
			*head = word;
		bpf_dynptr_write(&ptr, 8, &word, sizeof(word), 0);
	}
	if (failed)
		bpf_ringbuf_discard_dynptr(&ptr, 0);
	else
		bpf_ringbuf_submit_dynptr(&ptr, 0);
	return XDP_PASS;
}
