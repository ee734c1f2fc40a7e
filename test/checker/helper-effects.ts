// Programs about what calls do to a program's state. No expectations: the kernel is asked.

import { lookup } from "./memory-cases.ts";

const packet = `r6 = r1
  r7 = *(u32 *)(r6 + 0)
  r8 = *(u32 *)(r6 + 4)
  r1 = r7
  r1 += 16
  if r1 > r8 goto out`;
const reserve = `r1 = map[ring] ll
  r2 = 16
  r3 = 0
  call bpf_ringbuf_reserve`;
const give = (register: string, how = "submit"): string => `r1 = ${register}
  r2 = 0
  call bpf_ringbuf_${how}`;
const end = `out: r0 = 0
  exit`;
const findLocked = `${lookup("locked")}
  if r0 == 0 goto out
  r7 = r0
  ${lookup("locked")}
  if r0 == 0 goto out
  r8 = r0`;
const anyKey = (map: string): string => `call bpf_get_prandom_u32
  *(u32 *)(r10 - 300) = r0
  r1 = map[${map}] ll
  r2 = r10
  r2 += -300
  call bpf_map_lookup_elem`;
const lock = (register: string, offset = 4, what = "lock"): string => `r1 = ${register}
  r1 += ${offset}
  call bpf_spin_${what}`;
const dynptr = (at: number): string => `r1 = .data[0] ll
  r2 = 16
  r3 = 0
  r4 = r10
  r4 += ${at}
  call bpf_dynptr_from_mem`;
const ringDynptr = (at: number): string => `r1 = map[ring] ll
  r2 = 16
  r3 = 0
  r4 = r10
  r4 += ${at}
  call bpf_ringbuf_reserve_dynptr`;
const slice = (at: number, bytes = 8): string => `r1 = r10
  r1 += ${at}
  r2 = 0
  r3 = ${bytes}
  call bpf_dynptr_data`;
const giveDynptr = (at: number): string => `r1 = r10
  r1 += ${at}
  r2 = 0
  call bpf_ringbuf_submit_dynptr`;
const loop = (turns: string, context: string, body: string): string => `r1 = ${turns}
  r2 = func[visit] ll
  ${context}
  r4 = 0
  call bpf_loop
  ${end}
  visit: ${body}`;
const each = (map: string, context: string, body: string): string => `r1 = map[${map}] ll
  r2 = func[visit] ll
  ${context}
  r4 = 0
  call bpf_for_each_map_elem
  ${end}
  visit: ${body}`;

const packetDynptr = `r1 = r6
  r2 = 0
  r3 = r10
  r3 += -16
  call kernel bpf_dynptr_from_xdp`;
const packetSlice = (name: string, buffer = "r3 = 0"): string => `r1 = r10
  r1 += -16
  r2 = 0
  ${buffer}
  r4 = 8
  call kernel ${name}`;
const copyDynptr = `r1 = r10
  r1 += -16
  r2 = r10
  r2 += -32
  call kernel bpf_dynptr_clone`;

const iterate = (body: string): string => `r1 = r10
  r1 += -8
  r2 = 0
  r3 = 9
  call kernel bpf_iter_num_new
  next: r1 = r10
  r1 += -8
  call kernel bpf_iter_num_next
  if r0 == 0 goto done
  ${body}
  goto next
  done: r1 = r10
  r1 += -8
  call kernel bpf_iter_num_destroy
  ${end}`;
const counting = (body: string, after: string): string =>
  `r7 = 0\n${iterate(body).replace(end, `r2 = .data[0] ll\n${after}\n${end}`)}`;
const timerWith = (body: string): string => `${lookup("timers")}
  if r0 == 0 goto out
  r6 = r0
  r1 = r6
  r1 += 8
  r2 = map[timers] ll
  r3 = 0
  call bpf_timer_init
  r1 = r6
  r1 += 8
  r2 = func[visit] ll
  call bpf_timer_set_callback
  ${end}
  visit: ${body}`;

const changing: Record<string, string> = {};
for (const helper of ["xdp_adjust_head", "xdp_adjust_tail", "xdp_adjust_meta", "xdp_get_buff_len", "redirect"]) {
  changing[`packet pointers after ${helper}`] = `${packet}
    r1 = r6
    r2 = 0
    call bpf_${helper}
    r0 = *(u8 *)(r7 + 0)
    ${end}`;
  changing[`the end after ${helper}`] = `${packet}
    r1 = r6
    r2 = 0
    call bpf_${helper}
    r7 = *(u32 *)(r6 + 0)
    r1 = r7
    r1 += 4
    if r1 > r8 goto out
    r0 = *(u8 *)(r7 + 0)
    ${end}`;
  changing[`a saved packet pointer after ${helper}`] = `${packet}
    *(u64 *)(r10 - 8) = r7
    r1 = r6
    r2 = 0
    call bpf_${helper}
    r7 = *(u64 *)(r10 - 8)
    r0 = *(u8 *)(r7 + 0)
    ${end}`;
}

/** Programs by what they are about. */
export const effectCases: Readonly<Record<string, string>> = {
  ...changing,
  "packet pointers after a tail call that failed": `${packet}
    r1 = r6
    r2 = map[progs] ll
    r3 = 0
    call bpf_tail_call
    r0 = *(u8 *)(r7 + 0)
    ${end}`,
  "r0 after a tail call": `r2 = map[progs] ll
    r3 = 0
    call bpf_tail_call
    exit`,
  "r1 after a call": `call bpf_ktime_get_ns
    r0 = r1
    exit`,
  "r6 after a call": `r6 = 1
    call bpf_ktime_get_ns
    r0 = r6
    exit`,
  "r0 after a call without result": `${reserve}
    if r0 == 0 goto out
    ${give("r0")}
    exit
    ${end}`,
  "a record kept": `${reserve}
    ${end}`,
  "a record kept where it isn't null": `${reserve}
    if r0 == 0 goto out
    r1 = 0
    *(u64 *)(r0 + 0) = r1
    ${end}`,
  "a record given back": `${reserve}
    if r0 == 0 goto out
    ${give("r0")}
    ${end}`,
  "a record dropped": `${reserve}
    if r0 == 0 goto out
    ${give("r0", "discard")}
    ${end}`,
  "a record given back twice": `${reserve}
    if r0 == 0 goto out
    r6 = r0
    ${give("r6")}
    ${give("r6")}
    ${end}`,
  "a record used after it was given back": `${reserve}
    if r0 == 0 goto out
    r6 = r0
    ${give("r6")}
    r0 = *(u8 *)(r6 + 0)
    ${end}`,
  "a saved record used after it was given back": `${reserve}
    if r0 == 0 goto out
    r6 = r0
    *(u64 *)(r10 - 8) = r6
    ${give("r6")}
    r6 = *(u64 *)(r10 - 8)
    r0 = *(u8 *)(r6 + 0)
    ${end}`,
  "a record given back without a null check": `${reserve}
    ${give("r0")}
    ${end}`,
  "the middle of a record given back": `${reserve}
    if r0 == 0 goto out
    r0 += 8
    ${give("r0")}
    ${end}`,
  "two records": `${reserve}
    if r0 == 0 goto out
    r6 = r0
    ${reserve}
    if r0 == 0 goto one
    ${give("r0")}
    one: ${give("r6")}
    ${end}`,
  "two records, one given back": `${reserve}
    if r0 == 0 goto out
    r6 = r0
    ${reserve}
    if r0 == 0 goto out
    ${give("r0")}
    ${give("r6")}
    ${end}`,
  "a record checked through a copy": `${reserve}
    r6 = r0
    if r6 == 0 goto out
    ${give("r0")}
    ${end}`,
  "a record saved before its check": `${reserve}
    *(u64 *)(r10 - 8) = r0
    if r0 == 0 goto out
    r1 = *(u64 *)(r10 - 8)
    r2 = 0
    call bpf_ringbuf_submit
    ${end}`,
  "a record at a tail call": `r6 = r1
    ${reserve}
    if r0 == 0 goto out
    r7 = r0
    r1 = r6
    r2 = map[progs] ll
    r3 = 0
    call bpf_tail_call
    ${give("r7")}
    ${end}`,
  "a socket kept": `${packet}
    r1 = r6
    r2 = r7
    r3 = 12
    r4 = -1
    r5 = 0
    call bpf_sk_lookup_udp
    ${end}`,
  "a socket given back": `${packet}
    r1 = r6
    r2 = r7
    r3 = 12
    r4 = -1
    r5 = 0
    call bpf_sk_lookup_udp
    if r0 == 0 goto out
    r7 = *(u32 *)(r0 + 4)
    r1 = r0
    call bpf_sk_release
    ${end}`,
  "a cast socket given back": `r6 = r1
    *(u64 *)(r10 - 16) = 0
    *(u32 *)(r10 - 8) = 0
    r2 = r10
    r2 += -16
    r3 = 12
    r4 = -1
    r5 = 0
    call bpf_skc_lookup_tcp
    if r0 == 0 goto out
    r7 = r0
    r1 = r0
    call bpf_skc_to_tcp_sock
    if r0 == 0 goto plain
    r1 = r0
    call bpf_sk_release
    goto out
    plain: r1 = r7
    call bpf_sk_release
    ${end}`,
  "the original after its cast was given back": `r6 = r1
    *(u64 *)(r10 - 16) = 0
    *(u32 *)(r10 - 8) = 0
    r2 = r10
    r2 += -16
    r3 = 12
    r4 = -1
    r5 = 0
    call bpf_skc_lookup_tcp
    if r0 == 0 goto out
    r7 = r0
    r1 = r0
    call bpf_skc_to_tcp_sock
    if r0 == 0 goto plain
    r1 = r0
    call bpf_sk_release
    r0 = *(u32 *)(r7 + 4)
    goto out
    plain: r1 = r7
    call bpf_sk_release
    ${end}`,
  "a lock taken and released": `${findLocked}
    ${lock("r7")}
    r1 = *(u32 *)(r7 + 0)
    r1 += 1
    *(u32 *)(r7 + 0) = r1
    ${lock("r7", 4, "unlock")}
    ${end}`,
  "a lock kept": `${findLocked}
    ${lock("r7")}
    ${end}`,
  "a lock released without being held": `${findLocked}
    ${lock("r7", 4, "unlock")}
    ${end}`,
  "another lock released, array by constant key": `${findLocked}
    ${lock("r7")}
    ${lock("r8", 4, "unlock")}
    ${end}`,
  "another lock released": `${anyKey("lockedhash")}
    if r0 == 0 goto out
    r7 = r0
    ${anyKey("lockedhash")}
    if r0 == 0 goto out
    r8 = r0
    ${lock("r7", 0)}
    ${lock("r8", 0, "unlock")}
    ${end}`,
  "a lock released through a copy": `${anyKey("lockedhash")}
    if r0 == 0 goto out
    r7 = r0
    r8 = r7
    ${lock("r7", 0)}
    ${lock("r8", 0, "unlock")}
    ${end}`,
  "two locks": `${findLocked}
    ${lock("r7")}
    ${lock("r8")}
    ${lock("r8", 4, "unlock")}
    ${lock("r7", 4, "unlock")}
    ${end}`,
  "a call while a lock is held": `${findLocked}
    ${lock("r7")}
    call bpf_ktime_get_ns
    ${lock("r7", 4, "unlock")}
    ${end}`,
  "a local call while a lock is held": `${findLocked}
    ${lock("r7")}
    call local
    ${lock("r7", 4, "unlock")}
    ${end}
    local: r0 = 0
    exit`,
  "a lock taken in a function and kept": `call local
    r0 = 0
    exit
    local: ${findLocked}
    ${lock("r7")}
    ${end}`,
  "a lock at the wrong place": `${findLocked}
    ${lock("r7", 0)}
    ${lock("r7", 0, "unlock")}
    ${end}`,
  "a lock in a map without": `${lookup("array")}
    if r0 == 0 goto out
    r7 = r0
    ${lock("r7", 0)}
    ${lock("r7", 0, "unlock")}
    ${end}`,
  "a lock held at a branch that leaves": `${findLocked}
    ${lock("r7")}
    r1 = *(u32 *)(r7 + 0)
    if r1 == 0 goto out
    ${lock("r7", 4, "unlock")}
    ${end}`,
  "a lock by its pointer before the null check": `${anyKey("lockedhash")}
    r1 = r0
    call bpf_spin_lock
    r0 = 0
    exit`,
  "a map in a map": `${lookup("outer")}
    if r0 == 0 goto out
    *(u32 *)(r10 - 4) = 0
    r1 = r0
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r0 = *(u64 *)(r0 + 8)
    ${end}`,
  "a map in a map, beyond its values": `${lookup("outer")}
    if r0 == 0 goto out
    *(u32 *)(r10 - 4) = 0
    r1 = r0
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r0 = *(u64 *)(r0 + 16)
    ${end}`,
  "a map in a map, unchecked": `${lookup("outer")}
    *(u32 *)(r10 - 4) = 0
    r1 = r0
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    ${end}`,
  "an array in a map, constant key": `${lookup("outerhash")}
    if r0 == 0 goto out
    *(u32 *)(r10 - 4) = 1
    r1 = r0
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    r0 = *(u64 *)(r0 + 8)
    ${end}`,
  "a map of maps updated": `*(u32 *)(r10 - 4) = 0
    *(u32 *)(r10 - 8) = 0
    r1 = map[outer] ll
    r2 = r10
    r2 += -4
    r3 = r10
    r3 += -8
    r4 = 0
    call bpf_map_update_elem
    ${end}`,
  "an xsk socket": `${lookup("xsk")}
    if r0 == 0 goto out
    r0 = *(u32 *)(r0 + 0)
    ${end}`,
  "a constant key, as a store of a constant": `*(u32 *)(r10 - 4) = 3
    r1 = map[array] ll
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    r0 = *(u8 *)(r0 + 0)
    ${end}`,
  "a constant key that is too big": `*(u32 *)(r10 - 4) = 4
    r1 = map[array] ll
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    r0 = *(u8 *)(r0 + 0)
    ${end}`,
  "a constant key from a register": `r1 = 2
    *(u32 *)(r10 - 4) = r1
    r1 = map[array] ll
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    r0 = *(u8 *)(r0 + 0)
    ${end}`,
  "a constant key, 8 bytes saved": `r1 = 2
    *(u64 *)(r10 - 8) = r1
    r1 = map[array] ll
    r2 = r10
    r2 += -8
    call bpf_map_lookup_elem
    r0 = *(u8 *)(r0 + 0)
    ${end}`,
  "a constant key in the upper half": `r1 = 2
    *(u32 *)(r10 - 8) = r1
    r1 = map[array] ll
    r2 = r10
    r2 += -8
    call bpf_map_lookup_elem
    r0 = *(u8 *)(r0 + 0)
    ${end}`,
  "a zero key within zeros": `*(u64 *)(r10 - 8) = 0
    r1 = map[array] ll
    r2 = r10
    r2 += -8
    call bpf_map_lookup_elem
    r0 = *(u8 *)(r0 + 0)
    ${end}`,
  "a zero key from bytes": `*(u8 *)(r10 - 1) = 0
    *(u8 *)(r10 - 2) = 0
    *(u16 *)(r10 - 4) = 0
    r1 = map[array] ll
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    r0 = *(u8 *)(r0 + 0)
    ${end}`,
  "a constant key of a per-CPU array": `*(u32 *)(r10 - 4) = 1
    r1 = map[percpu] ll
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    r0 = *(u8 *)(r0 + 0)
    ${end}`,
  "a constant key of a hash": `*(u32 *)(r10 - 4) = 1
    r1 = map[hash] ll
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    r0 = *(u8 *)(r0 + 0)
    ${end}`,
  "a negative key": `*(u32 *)(r10 - 4) = -1
    r1 = map[array] ll
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    r0 = *(u8 *)(r0 + 0)
    ${end}`,
  "a constant key in the packet": `${packet}
    r1 = map[array] ll
    r2 = r7
    call bpf_map_lookup_elem
    r0 = *(u8 *)(r0 + 0)
    ${end}`,
  "a constant key for another CPU's value": `*(u32 *)(r10 - 4) = 1
    r1 = map[percpu] ll
    r2 = r10
    r2 += -4
    r3 = 0
    call bpf_map_lookup_percpu_elem
    r0 = *(u8 *)(r0 + 0)
    ${end}`,
  "stack bytes after a helper wrote them": `r6 = r1
    *(u64 *)(r10 - 8) = 0
    r2 = 0
    r3 = r10
    r3 += -8
    r4 = 1
    call bpf_xdp_load_bytes
    r1 = *(u64 *)(r10 - 8)
    r2 = .data[0] ll
    r2 += r1
    r0 = *(u8 *)(r2 + 0)
    ${end}`,
  "a saved pointer after a helper wrote over it": `r6 = r1
    *(u64 *)(r10 - 8) = r6
    r2 = 0
    r3 = r10
    r3 += -8
    r4 = 8
    call bpf_xdp_load_bytes
    r1 = *(u64 *)(r10 - 8)
    r0 = *(u32 *)(r1 + 12)
    ${end}`,
  "a saved pointer after a helper read it": `r6 = r1
    *(u64 *)(r10 - 8) = r6
    r2 = 0
    r3 = r10
    r3 += -8
    r4 = 8
    call bpf_xdp_store_bytes
    r1 = *(u64 *)(r10 - 8)
    r0 = *(u32 *)(r1 + 12)
    ${end}`,
  "stack bytes after a popped value": `*(u64 *)(r10 - 8) = 5
    r1 = map[queue] ll
    r2 = r10
    r2 += -8
    call bpf_map_pop_elem
    r1 = *(u64 *)(r10 - 8)
    r2 = .data[0] ll
    r2 += r1
    r0 = *(u8 *)(r2 + 0)
    ${end}`,
  "stack bytes after a look into a bloom filter": `*(u64 *)(r10 - 8) = 5
    r1 = map[bloom] ll
    r2 = r10
    r2 += -8
    call bpf_map_peek_elem
    r1 = *(u64 *)(r10 - 8)
    r2 = .data[0] ll
    r2 += r1
    r0 = *(u8 *)(r2 + 0)
    ${end}`,
  "a popped value into unwritten stack": `r1 = map[queue] ll
    r2 = r10
    r2 += -16
    call bpf_map_pop_elem
    r0 = *(u64 *)(r10 - 16)
    ${end}`,
  "a popped value into packet data": `${packet}
    r1 = map[queue] ll
    r2 = r7
    call bpf_map_pop_elem
    ${end}`,
  "a number of the stack's that a helper turned over": `*(u32 *)(r10 - 4) = 1500
    r2 = 0
    r3 = r10
    r3 += -4
    r4 = 0
    r5 = 0
    call bpf_check_mtu
    r1 = *(u32 *)(r10 - 4)
    r2 = .data[0] ll
    r2 += r1
    r0 = *(u8 *)(r2 + 0)
    ${end}`,
  "a length from a string copy": `r1 = r10
    r1 += -32
    r2 = 32
    r3 = 0
    call bpf_probe_read_kernel_str
    if r0 s< 0 goto out
    r1 = .data[0] ll
    r1 += r0
    r0 = *(u8 *)(r1 + 0)
    ${end}`,
  "a length from a string copy, signed": `r1 = r10
    r1 += -32
    r2 = 32
    r3 = 0
    call bpf_probe_read_kernel_str
    r1 = .data[0] ll
    r1 += r0
    r0 = *(u8 *)(r1 + 0)
    ${end}`,
  "sizes from one to another": `r6 = r1
    call bpf_get_prandom_u32
    r4 = r0
    r4 &= 31
    r4 += 1
    r1 = r6
    r2 = 0
    r3 = r10
    r3 += -32
    call bpf_xdp_load_bytes
    ${end}`,
  "sizes up to too much": `r6 = r1
    call bpf_get_prandom_u32
    r4 = r0
    r4 &= 31
    r4 += 2
    r1 = r6
    r2 = 0
    r3 = r10
    r3 += -32
    call bpf_xdp_load_bytes
    ${end}`,
  "sizes that may be nothing": `r6 = r1
    call bpf_get_prandom_u32
    r4 = r0
    r4 &= 31
    r1 = r6
    r2 = 0
    r3 = r10
    r3 += -32
    call bpf_xdp_load_bytes
    ${end}`,
  "a format with its arguments": `*(u64 *)(r10 - 8) = 1
    *(u64 *)(r10 - 16) = 1
    r1 = r10
    r1 += -32
    r2 = 8
    r3 = .ro[8] ll
    r4 = r10
    r4 += -16
    r5 = 16
    call bpf_snprintf
    ${end}`,
  "a format with too few arguments": `*(u64 *)(r10 - 8) = 1
    r1 = r10
    r1 += -32
    r2 = 8
    r3 = .ro[8] ll
    r4 = r10
    r4 += -8
    r5 = 8
    call bpf_snprintf
    ${end}`,
  "a format the kernel doesn't have": `*(u64 *)(r10 - 8) = 1
    r1 = r10
    r1 += -32
    r2 = 8
    r3 = .ro[17] ll
    r4 = r10
    r4 += -8
    r5 = 8
    call bpf_snprintf
    ${end}`,
  "arguments of half a size": `*(u64 *)(r10 - 8) = 1
    r1 = r10
    r1 += -32
    r2 = 8
    r3 = .ro[14] ll
    r4 = r10
    r4 += -8
    r5 = 4
    call bpf_snprintf
    ${end}`,
  "a loop": loop("5", "r3 = 0", "r0 = 0\nexit"),
  "a loop's callback that returns too much": loop("5", "r3 = 0", "r0 = 2\nexit"),
  "a loop's callback that returns a pointer": loop("5", "r3 = 0", "r0 = r10\nexit"),
  "a loop's index": loop("5", "r3 = 0", "r2 = .data[0] ll\nr2 += r1\nr0 = *(u8 *)(r2 + 0)\nr0 = 0\nexit"),
  "a loop's checked index": loop(
    "5",
    "r3 = 0",
    "if r1 > 60 goto +4\nr2 = .data[0] ll\nr2 += r1\nr0 = *(u8 *)(r2 + 0)\nr0 = 0\nexit",
  ),
  "a loop's context": loop(
    "5",
    "*(u64 *)(r10 - 8) = 1\nr3 = r10\nr3 += -8",
    "r0 = *(u64 *)(r2 + 0)\nr0 += 1\n*(u64 *)(r2 + 0) = r0\nr0 = 0\nexit",
  ),
  "a loop's context beyond": loop(
    "5",
    "*(u64 *)(r10 - 8) = 1\nr3 = r10\nr3 += -8",
    "r0 = *(u64 *)(r2 + 8)\nr0 = 0\nexit",
  ),
  "a loop's context that is no stack": loop("5", "r3 = .data[0] ll", "r0 = 0\nexit"),
  "a loop of no turns with a bad callback": loop("0", "r3 = 0", "r0 = *(u8 *)(r9 + 0)\nr0 = 0\nexit"),
  "a loop with a bad callback": loop("1", "r3 = 0", "r0 = *(u8 *)(r9 + 0)\nr0 = 0\nexit"),
  "a counter after a loop": `*(u64 *)(r10 - 8) = 0
    r1 = 100
    r2 = func[visit] ll
    r3 = r10
    r3 += -8
    r4 = 0
    call bpf_loop
    r1 = *(u64 *)(r10 - 8)
    r2 = .data[0] ll
    r2 += r1
    r0 = *(u8 *)(r2 + 0)
    ${end}
    visit: r0 = *(u64 *)(r2 + 0)
    r0 += 1
    *(u64 *)(r2 + 0) = r0
    r0 = 0
    exit`,
  "a checked counter after a loop": `*(u64 *)(r10 - 8) = 0
    r1 = 100
    r2 = func[visit] ll
    r3 = r10
    r3 += -8
    r4 = 0
    call bpf_loop
    r1 = *(u64 *)(r10 - 8)
    if r1 > 60 goto out
    r2 = .data[0] ll
    r2 += r1
    r0 = *(u8 *)(r2 + 0)
    ${end}
    visit: r0 = *(u64 *)(r2 + 0)
    r0 += 1
    *(u64 *)(r2 + 0) = r0
    r0 = 0
    exit`,
  "each entry": each("hash", "r3 = 0", "r0 = 0\nexit"),
  "each entry's key and value": each(
    "array",
    "r3 = 0",
    "r0 = *(u32 *)(r2 + 0)\nr0 = *(u64 *)(r3 + 56)\n*(u64 *)(r3 + 0) = r0\nr0 = 0\nexit",
  ),
  "each entry's key written": each("array", "r3 = 0", "*(u32 *)(r2 + 0) = 1\nr0 = 0\nexit"),
  "beyond each entry's key": each("array", "r3 = 0", "r0 = *(u64 *)(r2 + 0)\nr0 = 0\nexit"),
  "beyond each entry's value": each("array", "r3 = 0", "r0 = *(u64 *)(r3 + 60)\nr0 = 0\nexit"),
  "each entry's key for a lookup": each(
    "hash",
    "r3 = 0",
    "call bpf_map_lookup_elem\nif r0 == 0 goto +1\nr0 = *(u64 *)(r0 + 0)\nr0 = 0\nexit",
  ),
  "each entry deleted": each("hash", "r3 = 0", "call bpf_map_delete_elem\nr0 = 0\nexit"),
  "each entry of a trie": each("lpm", "r3 = 0", "r0 = 0\nexit"),
  "each entry of a queue": each("queue", "r3 = 0", "r0 = 0\nexit"),
  "each entry of a devmap": each("dev", "r3 = 0", "r0 = 0\nexit"),
  "each entry of a per-CPU hash": each("percpuhash", "r3 = 0", "r0 = 0\nexit"),
  "each entry of a map of maps": each("outer", "r3 = 0", "r0 = 0\nexit"),
  "each entry with the fifth register": each("hash", "r3 = 0", "r0 = r5\nr0 = 0\nexit"),
  "a record kept in a callback": loop("5", "r3 = 0", `${reserve}\nr0 = 0\nexit`),
  "a record given back in a callback": loop(
    "5",
    "r3 = 0",
    `${reserve}\nif r0 == 0 goto none\n${give("r0")}\nnone: r0 = 0\nexit`,
  ),
  "packet pointers after a callback that changes the packet": `${packet}
    *(u64 *)(r10 - 8) = r6
    r1 = 3
    r2 = func[visit] ll
    r3 = r10
    r3 += -8
    r4 = 0
    call bpf_loop
    r0 = *(u8 *)(r7 + 0)
    ${end}
    visit: r1 = *(u64 *)(r2 + 0)
    r2 = 0
    call bpf_xdp_adjust_head
    r0 = 0
    exit`,
  "a dynptr read": `${dynptr(-16)}
    r1 = r10
    r1 += -32
    r2 = 8
    r3 = r10
    r3 += -16
    r4 = 0
    r5 = 0
    call bpf_dynptr_read
    ${end}`,
  "a dynptr written": `${dynptr(-16)}
    *(u64 *)(r10 - 24) = 1
    r1 = r10
    r1 += -16
    r2 = 0
    r3 = r10
    r3 += -24
    r4 = 8
    r5 = 0
    call bpf_dynptr_write
    ${end}`,
  "a slice": `${dynptr(-16)}
    ${slice(-16)}
    if r0 == 0 goto out
    *(u64 *)(r0 + 0) = 1
    ${end}`,
  "a slice, beyond": `${dynptr(-16)}
    ${slice(-16)}
    if r0 == 0 goto out
    *(u64 *)(r0 + 1) = 1
    ${end}`,
  "a slice, unchecked": `${dynptr(-16)}
    ${slice(-16)}
    *(u64 *)(r0 + 0) = 1
    ${end}`,
  "a slice of unknown size": `${dynptr(-16)}
    call bpf_get_prandom_u32
    r1 = r10
    r1 += -16
    r2 = 0
    r3 = r0
    call bpf_dynptr_data
    ${end}`,
  "a slice after its dynptr was overwritten": `${dynptr(-16)}
    ${slice(-16)}
    if r0 == 0 goto out
    r6 = r0
    *(u8 *)(r10 - 16) = 1
    *(u64 *)(r6 + 0) = 1
    ${end}`,
  "an overwritten dynptr": `${dynptr(-16)}
    *(u8 *)(r10 - 3) = 1
    ${slice(-16)}
    ${end}`,
  "a dynptr's bytes": `${dynptr(-16)}
    r0 = *(u64 *)(r10 - 16)
    ${end}`,
  "a dynptr made twice": `${dynptr(-16)}
    ${dynptr(-16)}
    ${slice(-16)}
    ${end}`,
  "a dynptr over half of another": `${dynptr(-16)}
    ${dynptr(-24)}
    ${slice(-16)}
    ${end}`,
  "a misplaced dynptr": `${dynptr(-20)}
    ${end}`,
  "a dynptr at the stack's end": `${dynptr(-8)}
    ${end}`,
  "a dynptr by its upper half": `${dynptr(-16)}
    ${slice(-8)}
    ${end}`,
  "a dynptr of stack memory": `r1 = r10
    r1 += -32
    r2 = 8
    r3 = 0
    r4 = r10
    r4 += -16
    call bpf_dynptr_from_mem
    ${end}`,
  "a ring's dynptr given back": `${ringDynptr(-16)}
    ${giveDynptr(-16)}
    ${end}`,
  "a ring's dynptr kept": `${ringDynptr(-16)}
    ${end}`,
  "a ring's dynptr overwritten": `${ringDynptr(-16)}
    *(u64 *)(r10 - 16) = 0
    ${end}`,
  "a ring's dynptr given back twice": `${ringDynptr(-16)}
    ${giveDynptr(-16)}
    ${giveDynptr(-16)}
    ${end}`,
  "a ring's slice": `${ringDynptr(-16)}
    ${slice(-16)}
    if r0 == 0 goto none
    *(u64 *)(r0 + 0) = 1
    none: ${giveDynptr(-16)}
    ${end}`,
  "a ring's slice after its dynptr was given back": `${ringDynptr(-16)}
    ${slice(-16)}
    if r0 == 0 goto none
    r6 = r0
    ${giveDynptr(-16)}
    *(u64 *)(r6 + 0) = 1
    goto out
    none: ${giveDynptr(-16)}
    ${end}`,
  "a map's dynptr given back as a ring's": `${dynptr(-16)}
    ${giveDynptr(-16)}
    ${end}`,
  "a helper that writes over a dynptr": `r6 = r1
    ${dynptr(-16)}
    r1 = r6
    r2 = 0
    r3 = r10
    r3 += -24
    r4 = 16
    call bpf_xdp_load_bytes
    ${end}`,
  "a helper that writes beside a dynptr": `r6 = r1
    ${dynptr(-16)}
    r1 = r6
    r2 = 0
    r3 = r10
    r3 += -24
    r4 = 8
    call bpf_xdp_load_bytes
    ${slice(-16)}
    ${end}`,
  "a timer": `${lookup("timers")}
    if r0 == 0 goto out
    r6 = r0
    r1 = r6
    r1 += 8
    r2 = map[timers] ll
    r3 = 0
    call bpf_timer_init
    r1 = r6
    r1 += 8
    r2 = 1000
    r3 = 0
    call bpf_timer_start
    r1 = r6
    r1 += 8
    call bpf_timer_cancel
    ${end}`,
  "a timer of another map": `${lookup("timers")}
    if r0 == 0 goto out
    r1 = r0
    r1 += 8
    r2 = map[array] ll
    r3 = 0
    call bpf_timer_init
    ${end}`,
  "the same load of context and stack": `r2 = r1
    call bpf_get_prandom_u32
    r2 = r10
    r2 += -16
    exit`,
  "one load through two kinds of pointer": `r6 = r1
    *(u64 *)(r10 - 16) = 0
    call bpf_get_prandom_u32
    r7 = r6
    if r0 == 0 goto +1
    r7 = r10
    r0 = 0
    r7 += 0
    if r7 == 0 goto out
    r1 = *(u32 *)(r7 - 16)
    ${end}`,
  "one load of context and value": `r6 = r1
    r8 = .data[0] ll
    call bpf_get_prandom_u32
    r7 = r6
    if r0 == 0 goto +1
    r7 = r8
    r1 = *(u32 *)(r7 + 12)
    ${end}`,
  "one load of stack and value": `*(u64 *)(r10 - 16) = 0
    r8 = .data[16] ll
    call bpf_get_prandom_u32
    r7 = r10
    if r0 == 0 goto +1
    r7 = r8
    r1 = *(u32 *)(r7 - 16)
    ${end}`,
  "a key partly written": `*(u16 *)(r10 - 4) = 0
    r1 = map[array] ll
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    ${end}`,
  "a read-only map updated": `*(u64 *)(r10 - 8) = 0
    *(u64 *)(r10 - 16) = 0
    *(u64 *)(r10 - 24) = 0
    r1 = map[readonly] ll
    r2 = r10
    r2 += -8
    r3 = r10
    r3 += -24
    r4 = 0
    call bpf_map_update_elem
    ${end}`,
  "a lookup in a write-only map": `${lookup("writeonly")}
    ${end}`,
  "the processor's number as an index": `call bpf_get_smp_processor_id
    if r0 > 63 goto out
    r1 = .data[0] ll
    r1 += r0
    r0 = *(u8 *)(r1 + 0)
    ${end}`,

  "a slice of the packet": `r6 = r1
    ${packetDynptr}
    ${packetSlice("bpf_dynptr_slice")}
    if r0 == 0 goto out
    r0 = *(u64 *)(r0 + 0)
    ${end}`,
  "a slice of the packet, beyond": `r6 = r1
    ${packetDynptr}
    ${packetSlice("bpf_dynptr_slice")}
    if r0 == 0 goto out
    r0 = *(u64 *)(r0 + 8)
    ${end}`,
  "a slice of the packet, unchecked": `r6 = r1
    ${packetDynptr}
    ${packetSlice("bpf_dynptr_slice")}
    r0 = *(u64 *)(r0 + 0)
    ${end}`,
  "a read-only slice written": `r6 = r1
    ${packetDynptr}
    ${packetSlice("bpf_dynptr_slice")}
    if r0 == 0 goto out
    *(u64 *)(r0 + 0) = 0
    ${end}`,
  "a writable slice written": `r6 = r1
    ${packetDynptr}
    ${packetSlice("bpf_dynptr_slice_rdwr")}
    if r0 == 0 goto out
    *(u64 *)(r0 + 0) = 0
    ${end}`,
  "a slice after the packet changed": `r6 = r1
    ${packetDynptr}
    ${packetSlice("bpf_dynptr_slice")}
    if r0 == 0 goto out
    r7 = r0
    r1 = r6
    r2 = 0
    call bpf_xdp_adjust_head
    r0 = *(u64 *)(r7 + 0)
    ${end}`,
  "a slice as a helper's memory": `r6 = r1
    ${packetDynptr}
    ${packetSlice("bpf_dynptr_slice")}
    if r0 == 0 goto out
    r3 = r0
    r1 = r6
    r2 = 0
    r4 = 8
    call bpf_xdp_store_bytes
    ${end}`,
  "a slice as room for a helper": `r6 = r1
    ${packetDynptr}
    ${packetSlice("bpf_dynptr_slice_rdwr")}
    if r0 == 0 goto out
    r3 = r0
    r1 = r6
    r2 = 0
    r4 = 8
    call bpf_xdp_load_bytes
    ${end}`,
  "a read-only slice as room for a helper": `r6 = r1
    ${packetDynptr}
    ${packetSlice("bpf_dynptr_slice")}
    if r0 == 0 goto out
    r3 = r0
    r1 = r6
    r2 = 0
    r4 = 8
    call bpf_xdp_load_bytes
    ${end}`,
  "a slice as a key": `r6 = r1
    ${packetDynptr}
    ${packetSlice("bpf_dynptr_slice_rdwr")}
    if r0 == 0 goto out
    r2 = r0
    r1 = map[hash] ll
    call bpf_map_lookup_elem
    ${end}`,
  "a slice with a buffer": `r6 = r1
    ${packetDynptr}
    ${packetSlice("bpf_dynptr_slice", "r3 = r10\nr3 += -40")}
    if r0 == 0 goto out
    r0 = *(u64 *)(r0 + 0)
    ${end}`,
  "a slice with a buffer that is too small": `r6 = r1
    ${packetDynptr}
    ${packetSlice("bpf_dynptr_slice", "r3 = r10\nr3 += -4")}
    ${end}`,
  "a buffer that holds a pointer": `r6 = r1
    ${packetDynptr}
    *(u64 *)(r10 - 40) = r6
    ${packetSlice("bpf_dynptr_slice", "r3 = r10\nr3 += -40")}
    r1 = *(u64 *)(r10 - 40)
    r0 = *(u32 *)(r1 + 12)
    ${end}`,
  "a slice after its dynptr was lost": `r6 = r1
    ${packetDynptr}
    ${packetSlice("bpf_dynptr_slice")}
    if r0 == 0 goto out
    *(u64 *)(r10 - 16) = 0
    r0 = *(u64 *)(r0 + 0)
    ${end}`,
  "a map's slice after its dynptr was lost": `r6 = r1
    ${dynptr(-16)}
    ${packetSlice("bpf_dynptr_slice")}
    if r0 == 0 goto out
    *(u64 *)(r10 - 16) = 0
    r0 = *(u64 *)(r0 + 0)
    ${end}`,
  "a ring's slice, lent, after it was given back": `r6 = r1
    ${ringDynptr(-16)}
    ${packetSlice("bpf_dynptr_slice")}
    if r0 == 0 goto none
    r7 = r0
    ${giveDynptr(-16)}
    r0 = *(u64 *)(r7 + 0)
    goto out
    none: ${giveDynptr(-16)}
    ${end}`,
  "a ring's dynptr copied": `${ringDynptr(-16)}
    ${copyDynptr}
    ${giveDynptr(-16)}
    ${end}`,
  "a ring's dynptr copied, the copy given back": `${ringDynptr(-16)}
    ${copyDynptr}
    ${giveDynptr(-32)}
    ${end}`,
  "a ring's dynptr copied, both given back": `${ringDynptr(-16)}
    ${copyDynptr}
    ${giveDynptr(-32)}
    ${giveDynptr(-16)}
    ${end}`,
  "a packet's dynptr as memory": `r6 = r1
    ${packetDynptr}
    ${slice(-16)}
    if r0 == 0 goto out
    r0 = *(u64 *)(r0 + 0)
    ${end}`,
  "packet pointers after a write through a dynptr": `${packet}
    ${packetDynptr}
    *(u64 *)(r10 - 40) = 0
    r1 = r10
    r1 += -16
    r2 = 0
    r3 = r10
    r3 += -40
    r4 = 8
    r5 = 0
    call bpf_dynptr_write
    r0 = *(u8 *)(r7 + 0)
    ${end}`,
  "packet pointers after pulling data": `${packet}
    r1 = r6
    r2 = 8
    call kernel bpf_xdp_pull_data
    r0 = *(u8 *)(r7 + 0)
    ${end}`,
  "a section entered twice": `call kernel bpf_rcu_read_lock
    call kernel bpf_rcu_read_lock
    call kernel bpf_rcu_read_unlock
    ${end}`,
  "preemption disabled twice": `call kernel bpf_preempt_disable
    call kernel bpf_preempt_disable
    call kernel bpf_preempt_enable
    call kernel bpf_preempt_enable
    ${end}`,
  "preemption left disabled": `call kernel bpf_preempt_disable
    ${end}`,
  "preemption left disabled in a function": `call local
    call kernel bpf_preempt_enable
    ${end}
    local: call kernel bpf_preempt_disable
    r0 = 0
    exit`,
  "a section left by a tail call": `r6 = r1
    call kernel bpf_rcu_read_lock
    r1 = r6
    r2 = map[progs] ll
    r3 = 0
    call bpf_tail_call
    call kernel bpf_rcu_read_unlock
    ${end}`,
  "a kernel function with a lock held": `${findLocked}
    ${lock("r7")}
    call kernel bpf_preempt_disable
    ${lock("r7", 4, "unlock")}
    ${end}`,
  "a function for other programs": `call kernel bpf_cpumask_create
    ${end}`,
  "a function for sleeping programs": `call kernel bpf_copy_from_user_str
    ${end}`,
  "a function for programs of one device": `call kernel bpf_xdp_metadata_rx_hash
    ${end}`,

  "a tail call in a function": `r6 = r1
    call local
    r0 = 0
    exit
    local: r2 = map[progs] ll
    r3 = 0
    call bpf_tail_call
    r0 = 0
    exit`,
  "a tail call in a function, with a record": `r6 = r1
    call local
    r0 = 0
    exit
    local: r6 = r1
    ${reserve}
    r7 = r0
    r1 = r6
    r2 = map[progs] ll
    r3 = 0
    call bpf_tail_call
    if r7 == 0 goto done
    ${give("r7")}
    done: r0 = 0
    exit`,
  "packet pointers after a function with a tail call": `${packet}
    r1 = r6
    call local
    r0 = *(u8 *)(r7 + 0)
    ${end}
    local: r2 = map[progs] ll
    r3 = 0
    call bpf_tail_call
    r0 = 0
    exit`,
  "packet pointers in the function behind a tail call": `r6 = r1
    call local
    r0 = 0
    exit
    local: r6 = r1
    r7 = *(u32 *)(r6 + 0)
    r8 = *(u32 *)(r6 + 4)
    r2 = r7
    r2 += 8
    if r2 > r8 goto done
    r2 = map[progs] ll
    r3 = 0
    call bpf_tail_call
    r0 = *(u8 *)(r7 + 0)
    done: r0 = 0
    exit`,
  "the result of a function with a tail call": `call local
    r1 = .data[0] ll
    r1 += r0
    r0 = *(u8 *)(r1 + 0)
    r0 = 0
    exit
    local: r2 = map[progs] ll
    r3 = 0
    call bpf_tail_call
    r0 = 7
    exit`,
  "the result of a function": `call local
    r1 = .data[0] ll
    r1 += r0
    r0 = *(u8 *)(r1 + 0)
    r0 = 0
    exit
    local: r0 = 7
    exit`,
  "a caller's stack written by a function": `*(u64 *)(r10 - 8) = 0
    r1 = r10
    r1 += -8
    call local
    r1 = *(u64 *)(r10 - 8)
    r2 = .data[0] ll
    r2 += r1
    r0 = *(u8 *)(r2 + 0)
    r0 = 0
    exit
    local: *(u64 *)(r1 + 0) = 12
    r0 = 0
    exit`,
  "a caller's stack that gets a pointer to the callee's": `r1 = r10
    r1 += -8
    call local
    r0 = 0
    exit
    local: *(u64 *)(r1 + 0) = r10
    r0 = 0
    exit`,
  "a caller's stack that gets a map's value": `r1 = r10
    r1 += -8
    call local
    r1 = *(u64 *)(r10 - 8)
    r0 = *(u8 *)(r1 + 0)
    r0 = 0
    exit
    local: r2 = .data[0] ll
    *(u64 *)(r1 + 0) = r2
    r0 = 0
    exit`,
  "a helper that writes a caller's stack": `r6 = r1
    *(u64 *)(r10 - 8) = 3
    r2 = r10
    r2 += -8
    call local
    r1 = *(u64 *)(r10 - 8)
    r2 = .data[0] ll
    r2 += r1
    r0 = *(u8 *)(r2 + 0)
    r0 = 0
    exit
    local: r3 = r2
    r2 = 0
    r4 = 8
    call bpf_xdp_load_bytes
    r0 = 0
    exit`,

  "an iterator": iterate("r0 = *(u32 *)(r0 + 0)"),
  "an iterator's number as an index": iterate(`r1 = *(u32 *)(r0 + 0)
    r2 = .data[0] ll
    r2 += r1
    r0 = *(u8 *)(r2 + 0)`),
  "an iterator's number as a checked index": iterate(`r1 = *(u32 *)(r0 + 0)
    if r1 > 63 goto next
    r2 = .data[0] ll
    r2 += r1
    r0 = *(u8 *)(r2 + 0)`),
  "an iterator's number written": iterate("*(u32 *)(r0 + 0) = 1"),
  "beyond an iterator's number": iterate("r0 = *(u64 *)(r0 + 0)"),
  "an iterator that isn't destroyed": `r1 = r10
    r1 += -8
    r2 = 0
    r3 = 9
    call kernel bpf_iter_num_new
    ${end}`,
  "an iterator left in the middle": iterate("if r0 != 0 goto out"),
  "an iterator overwritten": iterate("*(u64 *)(r10 - 8) = 0"),
  "an iterator's bytes": iterate("r0 = *(u64 *)(r10 - 8)"),
  "an iterator's number after its end": `r1 = r10
    r1 += -8
    r2 = 0
    r3 = 9
    call kernel bpf_iter_num_new
    r1 = r10
    r1 += -8
    call kernel bpf_iter_num_next
    r7 = r0
    r1 = r10
    r1 += -8
    call kernel bpf_iter_num_destroy
    if r7 == 0 goto out
    r0 = *(u32 *)(r7 + 0)
    ${end}`,
  "an iterator made twice": `r1 = r10
    r1 += -8
    r2 = 0
    r3 = 9
    call kernel bpf_iter_num_new
    r1 = r10
    r1 += -8
    r2 = 0
    r3 = 9
    call kernel bpf_iter_num_new
    ${end}`,
  "an iterator destroyed twice": iterate("r0 = 0").replace(
    "out:",
    "r1 = r10\nr1 += -8\ncall kernel bpf_iter_num_destroy\nout:",
  ),
  "a counter in an iterator's loop": counting("r7 += 1", "r0 = 0"),
  "a counter in an iterator's loop as an index": counting("r7 += 1", "r2 += r7\nr0 = *(u8 *)(r2 + 0)"),
  "a checked counter in an iterator's loop": counting(
    "if r7 > 60 goto next\nr7 += 1",
    "r2 += r7\nr0 = *(u8 *)(r2 + 0)",
  ),
  "a counter that is used in an iterator's loop": counting(
    "r2 = .data[0] ll\nr2 += r7\nr0 = *(u8 *)(r2 + 0)\nr7 += 1",
    "r0 = 0",
  ),
  "a counter that is used, checked, in an iterator's loop": counting(
    "if r7 > 60 goto next\nr2 = .data[0] ll\nr2 += r7\nr0 = *(u8 *)(r2 + 0)\nr7 += 1",
    "r0 = 0",
  ),
  "an iterator with a lock held": `${findLocked}
    ${lock("r7")}
    r1 = r10
    r1 += -8
    r2 = 0
    r3 = 9
    call kernel bpf_iter_num_new
    r1 = r10
    r1 += -8
    call kernel bpf_iter_num_destroy
    ${lock("r7", 4, "unlock")}
    ${end}`,
  "a timer's callback": timerWith("r0 = 0\nexit"),
  "a timer's callback that returns something": timerWith("r0 = 1\nexit"),
  "a timer's callback that uses its value": timerWith("r0 = *(u64 *)(r3 + 0)\n*(u64 *)(r3 + 24) = r0\nr0 = 0\nexit"),
  "a timer's callback that goes beyond its value": timerWith("r0 = *(u64 *)(r3 + 32)\nr0 = 0\nexit"),
  "a timer's callback that touches the timer": timerWith("r0 = *(u64 *)(r3 + 8)\nr0 = 0\nexit"),
  "a timer's callback that looks up its key": timerWith(
    "call bpf_map_lookup_elem\nif r0 == 0 goto +1\nr0 = *(u64 *)(r0 + 0)\nr0 = 0\nexit",
  ),
  "a timer's callback that starts it again": timerWith(
    "r1 = r3\nr1 += 8\nr2 = 1000\nr3 = 0\ncall bpf_timer_start\nr0 = 0\nexit",
  ),
  "a timer's callback that keeps a record": timerWith(`${reserve}\nr0 = 0\nexit`),
  "a timer's callback without a result": timerWith("exit"),
  "a timer's callback that sets itself": timerWith(
    "r1 = r3\nr1 += 8\nr2 = func[visit] ll\ncall bpf_timer_set_callback\nr0 = 0\nexit",
  ),
};
