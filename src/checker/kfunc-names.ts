// Which kernel functions there are for XDP programs. Names only: what a call does is kfuncs.ts. A function of a module that isn't part of
// the kernel's own source isn't here and counts as one XDP programs may not call.
// Source: Linux 6.18, BTF_KFUNCS_START of kernel/bpf/helpers.c (common and generic sets), net/core/filter.c, net/core/xdp.c,
// net/netfilter/nf_conntrack_bpf.c, nf_nat_bpf.c, nf_flow_table_bpf.c, net/xfrm/xfrm_state_bpf.c, kernel/bpf/crypto.c; each tried in the kernel.

/** Functions an XDP program may call when it does so rightly. */
const callable = new Set(
  `bpf_cast_to_kern_ctx bpf_rdonly_cast bpf_throw
  bpf_strcmp bpf_strcasecmp bpf_strchr bpf_strchrnul bpf_strnchr bpf_strrchr bpf_strlen bpf_strnlen bpf_strspn bpf_strcspn
  bpf_strstr bpf_strnstr
  bpf_dynptr_from_xdp bpf_dynptr_adjust bpf_dynptr_clone bpf_dynptr_copy bpf_dynptr_is_null bpf_dynptr_is_rdonly
  bpf_dynptr_memset bpf_dynptr_size bpf_dynptr_slice bpf_dynptr_slice_rdwr
  bpf_probe_read_kernel_dynptr bpf_probe_read_kernel_str_dynptr bpf_probe_read_user_dynptr bpf_probe_read_user_str_dynptr
  bpf_iter_num_new bpf_iter_num_next bpf_iter_num_destroy bpf_iter_bits_new bpf_iter_bits_next bpf_iter_bits_destroy
  bpf_iter_css_new bpf_iter_css_next bpf_iter_css_destroy bpf_iter_css_task_new bpf_iter_css_task_next bpf_iter_css_task_destroy
  bpf_iter_task_new bpf_iter_task_next bpf_iter_task_destroy bpf_iter_task_vma_new bpf_iter_task_vma_next
  bpf_iter_task_vma_destroy
  bpf_obj_new_impl bpf_obj_drop_impl bpf_percpu_obj_new_impl bpf_percpu_obj_drop_impl bpf_refcount_acquire_impl
  bpf_list_push_front_impl bpf_list_push_back_impl bpf_list_pop_front bpf_list_pop_back bpf_list_front bpf_list_back
  bpf_rbtree_add_impl bpf_rbtree_first bpf_rbtree_left bpf_rbtree_right bpf_rbtree_root bpf_rbtree_remove
  bpf_task_acquire bpf_task_release bpf_task_from_pid bpf_task_from_vpid bpf_task_get_cgroup1 bpf_task_under_cgroup
  bpf_cgroup_acquire bpf_cgroup_release bpf_cgroup_ancestor bpf_cgroup_from_id bpf_cgroup_read_xattr
  bpf_rcu_read_lock bpf_rcu_read_unlock bpf_preempt_disable bpf_preempt_enable bpf_local_irq_save bpf_local_irq_restore
  bpf_res_spin_lock bpf_res_spin_unlock bpf_res_spin_lock_irqsave bpf_res_spin_unlock_irqrestore
  bpf_wq_init bpf_wq_set_callback_impl bpf_wq_start bpf_task_work_schedule_resume_impl bpf_task_work_schedule_signal_impl
  bpf_send_signal_task bpf_map_sum_elem_count bpf_get_kmem_cache bpf_lookup_system_key bpf_key_put bpf_verify_pkcs7_signature
  bpf_stream_vprintk_impl bpf_crypto_encrypt bpf_crypto_decrypt bpf_xdp_pull_data
  bpf_xdp_ct_alloc bpf_xdp_ct_lookup bpf_skb_ct_alloc bpf_skb_ct_lookup bpf_ct_insert_entry bpf_ct_release bpf_ct_set_timeout
  bpf_ct_change_timeout bpf_ct_set_status bpf_ct_change_status bpf_ct_set_nat_info bpf_xdp_flow_lookup
  bpf_xdp_get_xfrm_state bpf_xdp_xfrm_state_release
  bpf_xdp_metadata_rx_timestamp bpf_xdp_metadata_rx_hash bpf_xdp_metadata_rx_vlan_tag`.split(/\s+/),
);

/** True for a kernel function that XDP programs can call at all. */
export function isCallable(name: string): boolean {
  return callable.has(name);
}
