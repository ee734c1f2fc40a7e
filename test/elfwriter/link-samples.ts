// C programs for the linker's tests, one for each thing that a loader has to resolve; each is small enough to expect its image
// by hand, and all but those marked are taken by libbpf and the kernel.

const head = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#define NOINLINE static __attribute__((noinline))
#define GLOBAL __attribute__((noinline))
char _license[] SEC("license") = "GPL";
`;

/** A program in C. */
export interface Sample {
  readonly source: string;
  /** Compilers that can't: too old for what it uses. */
  readonly not?: readonly string[];
  /** The loader or the kernel refuses it. */
  readonly refused?: true;
}

/** By name. */
export const linkSamples: Readonly<Record<string, Sample>> = {
  "functions in order of first call": {
    source: `${head}
NOINLINE int leaf(int x) { asm volatile("" ::: "memory"); return x * 3; }
NOINLINE int left(int x) { return leaf(x) + 1; }
NOINLINE int right(int x) { asm volatile("" ::: "memory"); return leaf(x + 1) * leaf(x); }
GLOBAL int unused(int x) { return x; }
GLOBAL int top(int x) { return right(x) + left(x); }
SEC("xdp") int one(struct xdp_md *ctx) { return top(ctx->rx_queue_index) > 2 ? XDP_DROP : XDP_PASS; }
SEC("xdp") int two(struct xdp_md *ctx) { return left(ctx->rx_queue_index) + right(3) > 2 ? XDP_DROP : XDP_PASS; }
SEC("xdp") int three(struct xdp_md *ctx) { return XDP_TX; }`,
  },
  callbacks: {
    source: `${head}
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 8); __type(key, __u32); __type(value, __u64); } counts SEC(".maps");
NOINLINE long helper(long x) { asm volatile("" ::: "memory"); return x + 2; }
NOINLINE long step(__u32 i, void *data) { *(long *)data += helper(i); return 0; }
NOINLINE long visit(void *map, const void *key, void *value, void *data) { *(long *)data += *(long *)value; return 0; }
SEC("xdp") int loops(struct xdp_md *ctx) {
  long sum = 0;
  bpf_loop(10, step, &sum, 0);
  bpf_for_each_map_elem(&counts, visit, &sum, 0);
  return helper(sum) > 50 ? XDP_DROP : XDP_PASS;
}
SEC("xdp.frags") int again(struct xdp_md *ctx) { long sum = 0; bpf_loop(3, step, &sum, 0); return sum ? XDP_DROP : XDP_PASS; }`,
  },
  "data sections": {
    source: `${head}
const volatile int limit = 9; static volatile const int hidden_limit = 7;
int counter = 3; static int hidden = 4; long zero; static long hidden_zero[5];
int mine SEC(".data.mine") = 5; int cold SEC(".bss.cold"); const volatile int table[4] SEC(".rodata.table") = { 1, 2, 3, 4 };
SEC("xdp") int globals(struct xdp_md *ctx) {
  counter += limit; hidden += hidden_limit; zero++; hidden_zero[ctx->rx_queue_index & 3] += 2; mine++; cold += table[ctx->rx_queue_index & 3];
  bpf_printk("counter %d of %d", counter, mine);
  return counter + hidden + hidden_zero[2] > 5 ? XDP_DROP : XDP_PASS;
}
SEC("xdp") int nothing_of_these(struct xdp_md *ctx) { return XDP_PASS; }`,
  },
  "types that the kernel refuses": {
    source: `${head}
static long parts[5]; long whole;
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 8); __type(key, __u32); __type(value, __u64); } typed SEC(".maps");
GLOBAL int part(int x) { return parts[2] + x; }
SEC("xdp") int split(struct xdp_md *ctx) {
  __u32 key = 1;
  whole++; parts[3] += 2;
  return part(3) > 5 && bpf_map_lookup_elem(&typed, &key) ? XDP_DROP : XDP_PASS;
}`,
  },
  "only static data": {
    source: `${head}
static volatile int hidden = 4; static volatile const int fixed = 5;
SEC("xdp") int p(struct xdp_md *ctx) { hidden++; return fixed > 3 ? XDP_DROP : XDP_PASS; }`,
  },
  "special fields": {
    source: `${head}
struct item { struct bpf_spin_lock lock; int n; };
struct timed { __u64 n; struct bpf_timer timer; struct item item; };
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 8); __type(key, __u32); __type(value, struct timed); } timers SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 8); __type(key, __u32); __type(value, struct item); } locks SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 8); __type(key, __u32); __type(value, struct item); } no_lock SEC(".maps");
struct task_struct { int pid; } whole;
struct tagged { __u64 n; struct task_struct __attribute__((btf_type_tag("kptr"))) *task; };
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 8); __type(key, __u32); __type(value, struct tagged); } tasks SEC(".maps");
struct lonely { int n; struct bpf_spin_lock locks[2]; };
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 8); __type(key, __u32); __type(value, struct lonely); } two_locks SEC(".maps");
SEC("xdp") int fields(struct xdp_md *ctx) {
  __u32 key = 1;
  struct item *i = bpf_map_lookup_elem(&locks, &key);
  if (i) { bpf_spin_lock(&i->lock); i->n++; bpf_spin_unlock(&i->lock); }
  bpf_map_lookup_elem(&timers, &key); bpf_map_lookup_elem(&no_lock, &key); bpf_map_lookup_elem(&two_locks, &key); bpf_map_lookup_elem(&tasks, &key);
  return XDP_PASS;
}`,
  },
  "keys and values of all sorts": {
    source: `${head}
enum color { RED, GREEN }; typedef __u32 index_t; struct prefix { __u32 bits; __u8 address[4]; };
#define MAP(name, kind, ...) struct { __uint(type, BPF_MAP_TYPE_##kind); __VA_ARGS__ } name SEC(".maps")
MAP(by_enum, ARRAY, __uint(max_entries, 4); __type(key, enum color); __type(value, __u64););
MAP(by_typedef, PERCPU_ARRAY, __uint(max_entries, 4); __type(key, const index_t); __type(value, __u64););
MAP(by_size, HASH, __uint(max_entries, 4); __uint(key_size, 6); __uint(value_size, 10););
MAP(half, HASH, __uint(max_entries, 4); __uint(key_size, 4); __type(value, __u64););
MAP(trie, LPM_TRIE, __uint(max_entries, 4); __uint(map_flags, BPF_F_NO_PREALLOC); __type(key, struct prefix); __type(value, __u64););
MAP(number_trie, LPM_TRIE, __uint(max_entries, 4); __uint(map_flags, BPF_F_NO_PREALLOC); __type(key, __u64); __type(value, __u64););
MAP(bloom, BLOOM_FILTER, __uint(max_entries, 4); __type(value, __u64););
MAP(ring, RINGBUF, __uint(max_entries, 5000););
MAP(events, PERF_EVENT_ARRAY, __uint(key_size, 4); __uint(value_size, 4););
MAP(stages, PROG_ARRAY, __uint(max_entries, 4); __type(key, __u32); __type(value, __u32););
MAP(queue, QUEUE, __uint(max_entries, 4); __type(value, __u64););
MAP(devices, DEVMAP_HASH, __uint(max_entries, 4); __type(key, __u32); __type(value, struct bpf_devmap_val););
MAP(shared, ARRAY, __uint(max_entries, 4); __uint(map_flags, BPF_F_MMAPABLE | BPF_F_RDONLY_PROG); __type(key, __u32); __type(value, __u64[3]););
SEC("xdp") int maps(struct xdp_md *ctx) {
  __u64 key[2] = {}; void *v = 0; __u64 out;
#define LOOK(m) if (bpf_map_lookup_elem(&m, key)) v = ctx
  LOOK(by_enum); LOOK(by_typedef); LOOK(by_size); LOOK(half); LOOK(trie); LOOK(number_trie); LOOK(shared);
  bpf_map_peek_elem(&bloom, &out); bpf_map_pop_elem(&queue, &out);
  bpf_ringbuf_output(&ring, key, 8, 0); bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, key, 8);
  bpf_tail_call(ctx, &stages, 1);
  return bpf_redirect_map(&devices, 1, XDP_PASS);
}`,
  },
  "maps of maps": {
    source: `${head}
struct inner { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4); __type(key, __u32); __type(value, __u64); } first SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 2); __uint(key_size, 4); __array(values, struct inner); } outer SEC(".maps") = { .values = { [1] = &first } };
struct {
  __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS); __uint(max_entries, 2); __type(key, __u64); __uint(value_size, 4);
  __array(values, struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 3); __type(key, __u32); __type(value, __u32); });
} hashed SEC(".maps");
SEC("xdp") int nested(struct xdp_md *ctx) {
  __u64 key = 1; __u32 small = 1;
  void *m = bpf_map_lookup_elem(&outer, &small);
  if (m && bpf_map_lookup_elem(m, &small)) return XDP_DROP;
  m = bpf_map_lookup_elem(&hashed, &key);
  return m && bpf_map_lookup_elem(m, &small) ? XDP_DROP : XDP_PASS;
}`,
  },
  "attach points": {
    source: `${head}
#define AT(section, name) SEC(section) int name(struct xdp_md *ctx) { return XDP_PASS; }
AT("xdp", device) AT("xdp.frags", frags) AT("xdp/devmap", dev) AT("xdp.frags/devmap", dev_frags) AT("xdp/cpumap", cpu) AT("xdp.frags/cpumap", cpu_frags)
AT("xdp_hello", hello) AT("prog", any)`,
  },
  "other program types": {
    source: `${head}
struct buff { int x; };
SEC("tc") int tc_prog(struct __sk_buff *skb) { return 0; }
SEC("tracepoint/syscalls/sys_enter_open") int tp(void *ctx) { return 0; }
SEC("cgroup_skb/egress") int cgroup(struct __sk_buff *skb) { return 1; }
SEC("?socket") int filter(struct __sk_buff *skb) { return 0; }
SEC("somewhere") int stranger(struct __sk_buff *skb) { return 0; }
SEC("elsewhere") int unknown(void *ctx) { return 0; }
SEC("?xdp") int late(struct xdp_md *ctx) { return XDP_PASS; }
SEC("xdp_devmap/old") int old_devmap(struct xdp_md *ctx) { return XDP_PASS; }
SEC("xdp_cpumap/old") int old_cpumap(struct xdp_md *ctx) { return XDP_PASS; }`,
    refused: true,
  },
  "functions verified on their own": {
    source: `${head}
struct pair { int a, b; };
#define TAG(t) __attribute__((btf_decl_tag(t)))
enum mode { ON, OFF };
GLOBAL int by_pair(struct pair *p TAG("arg:nonnull"), const struct pair *q) { return p->a + (q ? q->b : 0); }
GLOBAL int by_number(unsigned long a, char b, enum mode c, _Bool d) { return a + b + c + d; }
GLOBAL enum mode by_context(struct xdp_md *ctx, int *n) { return n && ctx->rx_queue_index == *n ? ON : OFF; }
GLOBAL int by_tag(void *ctx TAG("arg:ctx"), char (*text)[12]) { return (text ? (*text)[3] : 0) + ((struct xdp_md *)ctx)->rx_queue_index; }
GLOBAL __attribute__((visibility("hidden"))) int hidden(struct pair *p) { return p->a; }
GLOBAL __attribute__((weak)) int weak(int x) { return x + 1; }
SEC("xdp") int verified(struct xdp_md *ctx) {
  struct pair p = { ctx->rx_queue_index, 2 }; int n = 3; char text[12] = "hello";
  int sum = by_pair(&p, &p) + by_number(1, 2, ON, 1) + by_context(ctx, &n) + by_tag(ctx, &text) + hidden(&p) + weak(2);
  return sum > 9 ? XDP_DROP : XDP_PASS;
}`,
  },
  "kernel functions": {
    source: `${head}
struct bpf_dynptr_kern;
extern int bpf_dynptr_from_xdp(struct xdp_md *xdp, __u64 flags, struct bpf_dynptr *ptr) __ksym;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, __u32 offset, void *buffer, __u32 size) __ksym;
SEC("xdp") int kernel(struct xdp_md *ctx) {
  struct bpf_dynptr ptr; char buffer[14];
  if (bpf_dynptr_from_xdp(ctx, 0, &ptr)) return XDP_PASS;
  char *eth = bpf_dynptr_slice(&ptr, 0, buffer, sizeof buffer);
  return eth && eth[12] == 8 ? XDP_DROP : XDP_PASS;
}`,
  },
  "configuration of the kernel": {
    source: `${head}
extern int LINUX_KERNEL_VERSION __kconfig; extern _Bool CONFIG_NOT_THERE __kconfig __weak; extern const int bpf_not_there __ksym __weak;
SEC("xdp") int configured(struct xdp_md *ctx) {
  if (&bpf_not_there) return XDP_TX;
  return LINUX_KERNEL_VERSION > 0x50000 && !CONFIG_NOT_THERE ? XDP_DROP : XDP_PASS;
}`,
  },
  "layouts that every kernel has": {
    source: `
#define __VMLINUX_H__
typedef unsigned char __u8; typedef unsigned short __u16; typedef unsigned int __u32; typedef unsigned long long __u64;
typedef int __s32; typedef long long __s64; typedef __u16 __be16; typedef __u32 __be32; typedef __u32 __wsum;
#define PRESERVE __attribute__((preserve_access_index))
struct xdp_md { __u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex; } PRESERVE;
struct ethhdr { __u8 h_dest[6]; __u8 h_source[6]; __be16 h_proto; } __attribute__((packed)) PRESERVE;
struct iphdr { __u8 ihl : 4, version : 4; __u8 tos; __be16 tot_len, id, frag_off; __u8 ttl, protocol; __u16 check; union { struct { __be32 saddr, daddr; }; struct { __be32 saddr, daddr; } addrs; }; } PRESERVE;
enum xdp_action { XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX };
struct bpf_spin_lock; struct bpf_timer;
#include <bpf/bpf_helpers.h>
char _license[] SEC("license") = "GPL";
SEC("xdp") int stable(struct xdp_md *ctx) {
  void *end = (void *)(long)ctx->data_end; struct ethhdr *eth = (void *)(long)ctx->data; struct iphdr *ip = (void *)(eth + 1);
  if ((void *)(ip + 1) > end) return __builtin_preserve_enum_value(*(typeof(enum xdp_action) *)XDP_PASS, 1);
  if (eth->h_dest[3] == 7 || eth->h_proto != 8) return XDP_PASS;
  return ip->ihl == 5 && ip->daddr == 1 ? XDP_DROP : XDP_PASS;
}`,
  },
  "layouts of this kernel": {
    source: `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
char _license[] SEC("license") = "GPL";
#define PRESERVE __attribute__((preserve_access_index))
struct net_device___mine { int ifindex; unsigned mtu; } PRESERVE;
struct iphdr { int made_up; int daddr; } PRESERVE;
SEC("xdp") int unstable(struct xdp_md *ctx) {
  struct net_device___mine *dev = (void *)0; struct iphdr *ip = (void *)(long)ctx->data;
  int result = __builtin_preserve_field_info(dev->mtu, 0) + __builtin_preserve_type_info(*dev, 0);
  if ((void *)ip + 20 > (void *)(long)ctx->data_end) return result;
  return ip->daddr;
}`,
  },
  "calls itself": {
    source: `${head}
NOINLINE int other(int x);
NOINLINE int self(int x) { asm volatile("" ::: "memory"); return x > 3 ? self(x - 1) + other(x) : 1; }
NOINLINE int other(int x) { asm volatile("" ::: "memory"); return self(x - 2) + 1; }
SEC("xdp") int recursive(struct xdp_md *ctx) { return self(ctx->rx_queue_index); }`,
    refused: true,
  },
  "calls within its own section": {
    source: `${head}
SEC("xdp") GLOBAL int part(struct xdp_md *ctx) { return ctx->rx_queue_index; }
SEC("xdp") int whole(struct xdp_md *ctx) { return part(ctx) + 1; }`,
    refused: true,
  },
  "legacy maps": {
    source: `${head}
struct legacy { unsigned type, key_size, value_size, max_entries, flags; };
struct legacy old SEC("maps") = { 2, 4, 8, 1, 0 };
SEC("xdp") int p(struct xdp_md *ctx) { __u32 k = 0; return bpf_map_lookup_elem(&old, &k) ? XDP_DROP : XDP_PASS; }`,
    refused: true,
  },
};
