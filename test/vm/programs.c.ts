// Programs in C that use helpers with callbacks, locks, tail calls and pointers that outlive their entries, for the comparison of the
// machine with the kernel. Each leaves its results in `out` and takes its choices from the packet.

/** The source; every program is in section "xdp". */
export const helpersC = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 out[64];
__u32 at;
#define SAY(x) do { if (at < 64) { out[at & 63] = (__u64)(x); at++; } } while (0)

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 6);
  __type(key, __u32); __type(value, __u64);
} arr SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4);
  __type(key, __u32); __type(value, __u64);
} hash SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4); __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u32); __type(value, __u64);
} loose SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 1024);
  __type(key, __u32); __type(value, __u64);
} lru SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH); __uint(max_entries, 4);
  __type(key, __u32); __type(value, __u64);
} per SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 3);
  __type(key, __u32); __type(value, __u64);
} pera SEC(".maps");
struct lpmkey { __u32 prefixlen; __u32 data; };
struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE); __uint(max_entries, 4); __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct lpmkey); __type(value, __u64);
} trie SEC(".maps");
struct locked { __u32 before; struct bpf_spin_lock lock; __u64 count; };
struct {
  __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4);
  __type(key, __u32); __type(value, struct locked);
} guarded SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 3);
  __type(key, __u32); __type(value, __u32);
} stages SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096);
} ring SEC(".maps");
static __always_inline __u32 choice(struct xdp_md *ctx, int i)
{
  __u8 *data = (void *)(long)ctx->data;
  if (data + 14 > (__u8 *)(long)ctx->data_end) return 0;
  return data[i];
}

struct turn { __u64 sum; __u64 stop; __u32 key; };

static long add(__u64 i, struct turn *t) { t->sum = t->sum * 3 + i; return i == t->stop; }
static long nest(__u64 i, struct turn *t)
{
  struct turn inner = { .sum = t->sum, .stop = 3 };
  bpf_loop(5, add, &inner, 0);
  t->sum = inner.sum + i;
  return 0;
}

SEC("xdp") int loops(struct xdp_md *ctx)
{
  struct turn t = { .sum = 1, .stop = choice(ctx, 1) };
  __u32 turns = choice(ctx, 0);
  at = 0;
  SAY(bpf_loop(turns, add, &t, 0)); SAY(t.sum);
  SAY(bpf_loop(turns, nest, &t, 0)); SAY(t.sum);
  SAY(bpf_loop((1 << 23) + (turns & 1), add, &t, 0)); SAY(t.sum);
  SAY(bpf_loop(turns, add, &t, choice(ctx, 2) & 1));
  return XDP_PASS;
}

static long seen(struct bpf_map *map, __u32 *key, __u64 *value, struct turn *t)
{
  t->sum += *key * 7 + *value;
  *value += 1;
  return 0;
}
static long upto(struct bpf_map *map, __u32 *key, __u64 *value, struct turn *t)
{
  t->sum = t->sum * 5 + *key;
  return *key == t->stop;
}
static long removing(struct bpf_map *map, __u32 *key, __u64 *value, struct turn *t)
{
  __u32 k = *key;
  t->sum += k;
  bpf_map_delete_elem(map, &k);
  return 0;
}

SEC("xdp") int walks(struct xdp_md *ctx)
{
  struct turn t = { .stop = choice(ctx, 0) };
  at = 0;
#pragma unroll
  for (__u32 n = 0; n < 4; n++) {
    __u32 i = n;
    __u64 value = choice(ctx, 1) + i;
    SAY(bpf_map_update_elem(&hash, &i, &value, choice(ctx, 2) & 3));
    SAY(bpf_map_update_elem(&arr, &i, &value, 0));
    SAY(bpf_map_update_elem(&per, &i, &value, 0));
    SAY(bpf_map_update_elem(&pera, &i, &value, 0));
  }
  SAY(bpf_for_each_map_elem(&arr, seen, &t, 0)); SAY(t.sum);
  SAY(bpf_for_each_map_elem(&arr, upto, &t, 0)); SAY(t.sum);
  SAY(bpf_for_each_map_elem(&hash, seen, &t, 0)); SAY(t.sum);
  SAY(bpf_for_each_map_elem(&per, seen, &t, 0)); SAY(t.sum);
  SAY(bpf_for_each_map_elem(&pera, seen, &t, 0)); SAY(t.sum);
  SAY(bpf_for_each_map_elem(&hash, removing, &t, 0)); SAY(t.sum);
  SAY(bpf_for_each_map_elem(&hash, seen, &t, 0)); SAY(t.sum);
  SAY(bpf_for_each_map_elem(&arr, seen, &t, 1));
  return XDP_PASS;
}

#define STALE(map, key, other) do { \\
  __u64 one = 11, two = 22, three = 33; \\
  __u64 *v, *w; \\
  bpf_map_update_elem(&map, &key, &one, 0); \\
  v = bpf_map_lookup_elem(&map, &key); \\
  if (!v) break; \\
  SAY(bpf_map_update_elem(&map, &key, &two, choice(ctx, 0) & 3)); \\
  SAY(*v); *v = 44; \\
  w = bpf_map_lookup_elem(&map, &key); \\
  if (!w) break; \\
  SAY(*w); SAY(v == w); \\
  SAY(bpf_map_delete_elem(&map, &key)); \\
  SAY(bpf_map_delete_elem(&map, &key)); \\
  *w = 55; \\
  SAY(bpf_map_update_elem(&map, &other, &three, 0)); \\
  w = bpf_map_lookup_elem(&map, &other); \\
  if (!w) break; \\
  SAY(*w); *w += 1; SAY(*w); \\
  SAY(bpf_map_delete_elem(&map, &other)); \\
} while (0)

SEC("xdp") int stale(struct xdp_md *ctx)
{
  __u32 key = choice(ctx, 1), other = key + 1;
  struct lpmkey prefix = { 32, key }, wider = { choice(ctx, 2) & 31, key };
  at = 0;
  STALE(hash, key, other);
  STALE(loose, key, other);
  STALE(lru, key, other);
  STALE(per, key, other);
  STALE(trie, prefix, wider);
  return XDP_PASS;
}

SEC("xdp") int locks(struct xdp_md *ctx)
{
  __u32 key = choice(ctx, 0) & 3;
  __u64 flags = choice(ctx, 1) & 7;
  struct locked value = { .before = 5, .count = choice(ctx, 2) };
  struct locked *v;
  at = 0;
  SAY(bpf_map_update_elem(&guarded, &key, &value, flags));
  v = bpf_map_lookup_elem(&guarded, &key);
  if (v) {
    bpf_spin_lock(&v->lock);
    v->count += v->before;
    bpf_spin_unlock(&v->lock);
    SAY(v->count);
  }
  value.count = 100;
  SAY(bpf_map_update_elem(&guarded, &key, &value, flags));
  if (v) SAY(v->count);
  return XDP_PASS;
}

SEC("xdp") int again(struct xdp_md *ctx)
{
  SAY(at);
  bpf_tail_call(ctx, &stages, 0);
  SAY(1000);
  return XDP_TX;
}
SEC("xdp") int tails(struct xdp_md *ctx)
{
  at = 0;
  bpf_tail_call(ctx, &stages, 3);
  SAY(1);
  bpf_tail_call(ctx, &stages, 2);
  SAY(2);
  bpf_tail_call(ctx, &stages, choice(ctx, 0) & 3);
  SAY(3);
  return XDP_DROP;
}

SEC("xdp") int rings(struct xdp_md *ctx)
{
  __u64 *a, *b;
  at = 0;
  a = bpf_ringbuf_reserve(&ring, 24, 0);
  b = bpf_ringbuf_reserve(&ring, 2000, choice(ctx, 0) & 1);
  SAY(a != 0); SAY(b != 0);
  SAY(bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA));
  if (a) { a[0] = 7; a[2] = choice(ctx, 1); bpf_ringbuf_submit(a, 0); }
  if (b) { b[249] = 1; if (choice(ctx, 2) & 1) bpf_ringbuf_discard(b, 0); else bpf_ringbuf_submit(b, 0); }
  SAY(bpf_ringbuf_output(&ring, out, 16, choice(ctx, 3) & 7));
  SAY(bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA));
  SAY(bpf_ringbuf_query(&ring, BPF_RB_PROD_POS));
  return XDP_PASS;
}

SEC("xdp") int texts(struct xdp_md *ctx)
{
  static const char format[] = "%s|%-8s|%pI4|%pi4|%pI6|%pi6|%c";
  char name[8] = "veth0", *text = (char *)out;
  __u32 four = 0x0100a8c0 + choice(ctx, 0);
  __u8 six[16] = { 0x20, 1, 0xd, 0xb8, [14] = 1, [15] = 2 };
  __u64 args[7] = { (long)name, (long)name, (long)&four, (long)&four, (long)six, (long)six, 'A' };
  six[3] = choice(ctx, 1);
  at = 63;
  SAY(bpf_snprintf(text, 300, format, args, sizeof(args)));
  return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
`;
