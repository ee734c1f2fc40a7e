/* Sections under RCU and without preemption, and what is fetched in them. */
#include "xdp.h"

extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern void bpf_preempt_disable(void) __ksym;
extern void bpf_preempt_enable(void) __ksym;

MAP(counts, PERCPU_ARRAY, __u32, __u64, 4);

SEC("xdp")
int guarded(struct xdp_md *ctx)
{
	__u32 which = ctx->rx_queue_index & 3;
	__u64 *count;
	int verdict = XDP_PASS;

	bpf_preempt_disable();
	count = bpf_map_lookup_elem(&counts, &which);
	if (count) {
		*count += ctx->data_end - ctx->data;
		if (*count > 1000000)
			verdict = XDP_DROP;
	}
	bpf_preempt_enable();
	bpf_rcu_read_lock();
	if (count && *count & 1)
		verdict = XDP_TX;
	bpf_rcu_read_unlock();
	return verdict;
}
