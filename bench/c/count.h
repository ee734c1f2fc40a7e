/* Counters as rules have them: packets and bytes, on each CPU. */
#ifndef XDPC_BENCH_COUNT_H
#define XDPC_BENCH_COUNT_H

#include "parse.h"

struct count {
	__u64 packets;
	__u64 bytes;
};

#define COUNTER(name)                                    \
	struct {                                         \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); \
		__uint(max_entries, 1);                  \
		__type(key, __u32);                      \
		__type(value, struct count);             \
	} name SEC(".maps")

static __always_inline void count(void *map, __u64 bytes)
{
	__u32 key = 0;
	struct count *c = bpf_map_lookup_elem(map, &key);

	if (c) {
		c->packets++;
		c->bytes += bytes;
	}
}

#endif
