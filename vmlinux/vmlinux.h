/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's types, as far as this project reads them.
 *
 * Nearly every structure carries preserve_access_index: the offsets here mean nothing, libbpf puts
 * in those of the running kernel. Members that a kernel nests in anonymous unions are flat here,
 * which CO-RE matches by name. A member that not every kernel has says `since` or `until` which
 * version; a name that ends in ___something is a kernel's type where a member is of another kind.
 * vmlinux/check.py holds this file against a kernel's BTF.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef _Bool bool;

enum {
	false = 0,
	true = 1,
};

/* What maps answer (include/uapi/asm-generic/errno-base.h). */
#define ENOENT 2
#define E2BIG  7
#define EEXIST 17

/* The BPF UAPI that the programs use (include/uapi/linux/bpf.h). */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PROG_ARRAY = 3,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LPM_TRIE = 11,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_QUEUE = 22,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
};

enum {
	BPF_F_NO_PREALLOC = 1U << 0,
	BPF_F_MMAPABLE = 1U << 10,
};

enum {
	BPF_F_USER_STACK = 1ULL << 8,
	BPF_F_USER_BUILD_ID = 1ULL << 11,
};

/* Whether the kernel has a helper. */
enum bpf_func_id {
	BPF_FUNC_task_pt_regs = 175, /* since 5.15 */
};

enum {
	BPF_RB_NO_WAKEUP = 1U << 0,
	BPF_RB_FORCE_WAKEUP = 1U << 1,
	BPF_RB_AVAIL_DATA = 0,
};

struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

/* Of these the layout is the same on every kernel: no relocations. */
struct list_head {
	struct list_head *next, *prev;
};

struct in6_addr {
	union {
		__u8 u6_addr8[16];
		__be32 u6_addr32[4];
	} in6_u;
};

/* Arguments of iterators. */
struct seq_file;
struct task_struct;
struct file;
struct sock_common;
struct bpf_map;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct hlist_node {
	struct hlist_node *next, **pprev;
};

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	__s64 counter;
} atomic64_t;

typedef struct {
	__u32 val;
} kuid_t;

typedef struct {
	atomic_t refs;
} refcount_t;

struct hlist_nulls_node {
	struct hlist_nulls_node *next, **pprev;
};

struct timer_list {
	struct hlist_node entry;
	unsigned long expires;
	u32 flags;
	void (*function)(struct timer_list *timer);
};

/* Network namespaces. */
struct ns_common {
	unsigned int inum;
	refcount_t count;    /* since 5.11, until 6.17 */
	refcount_t __ns_ref; /* since 6.18 */
};

/* Ports that connect() takes. */
struct local_ports___v67 {
	int range[2]; /* until 6.7 */
};

struct netns_ipv4___v67 {
	struct local_ports___v67 ip_local_ports;
};

struct net___v67 {
	struct netns_ipv4___v67 ipv4;
};

struct local_ports {
	u32 range; /* the highest << 16 | the lowest, since 6.8 */
};

struct hlist_nulls_head {
	struct hlist_nulls_node *first;
};

struct inet_ehash_bucket {
	struct hlist_nulls_head chain;
};

struct inet_hashinfo {
	struct inet_ehash_bucket *ehash;
	unsigned int ehash_mask;
};

struct inet_timewait_death_row {
	struct inet_hashinfo *hashinfo;
};

struct netns_ipv4 {
	struct inet_timewait_death_row tcp_death_row; /* a pointer to one from 5.17 to 6.0 */
	struct local_ports ip_local_ports;
	u8 sysctl_tcp_syncookies; /* since 5.13, an int until then */
};

struct linux_mib {
	unsigned long mibs[2]; /* as many as there are counters, on each processor */
};

struct netns_mib {
	struct linux_mib *net_statistics;
};

struct net {
	refcount_t count; /* until 5.10 */
	struct netns_mib mib;
	struct ns_common ns;
	struct netns_ipv4 ipv4;
};

typedef struct {
	struct net *net;
} possible_net_t;

/* Sockets: what full sockets, requests and timewait sockets begin with. */
struct sock;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_reuseport : 1;
	unsigned char skc_ipv6only : 1;
	int skc_bound_dev_if;
	struct sock *skc_listener; /* of a request */
	unsigned int skc_hash;
	struct hlist_nulls_node skc_nulls_node;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;	  /* CONFIG_IPV6 */
	struct in6_addr skc_v6_rcv_saddr; /* CONFIG_IPV6 */
	atomic64_t skc_cookie;
	unsigned long skc_flags;
	refcount_t skc_refcnt;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
	int level;
	struct cgroup *ancestors[1]; /* since 6.1; as many as levels */
	__u64 ancestor_ids[1];	     /* until 6.0; likewise */
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct sock_cgroup_data {
	struct cgroup *cgroup; /* since 5.15 */
	__u64 val;	       /* until 5.14: a pointer, or a low bit and two controllers' ids */
};

struct socket;

typedef struct {
	int owned;
} socket_lock_t;

struct rb_node {
	struct rb_node *rb_right;
};

struct rb_root {
	struct rb_node *rb_node;
};

struct sk_buff;

struct sk_buff_head {
	struct sk_buff *next;
	__u32 qlen;
};

struct sock_reuseport {
	unsigned int synq_overflow_ts;
};

struct sock {
	struct sock_common __sk_common;
	struct sock_reuseport *sk_reuseport_cb;
	socket_lock_t sk_lock;
	struct sk_buff_head sk_receive_queue;
	struct sk_buff_head sk_error_queue;
	atomic_t sk_drops;
	struct rb_root tcp_rtx_queue;
	struct timer_list tcp_retransmit_timer; /* since 6.19 */
	struct timer_list sk_timer;
	struct socket_wq *sk_wq;
	struct socket *sk_socket;
	u8 sk_kern_sock : 1; /* of the kernel itself: sock_create_kern() */
	u16 sk_type;
	u16 sk_protocol;
	u8 sk_shutdown;
	int sk_err;
	int sk_err_soft;
	u32 sk_ack_backlog;
	u32 sk_max_ack_backlog;
	kuid_t sk_uid;
	struct sock_cgroup_data sk_cgrp_data;
};

struct inet_sock___v67 {
	struct {
		__u16 lo;
		__u16 hi;
	} local_port_range; /* IP_LOCAL_PORT_RANGE of a socket: since 6.3, until 6.7 */
};

struct inet_sock {
	__be16 inet_sport;
	u32 local_port_range; /* the highest << 16 | the lowest, since 6.8 */
};

struct minmax_sample {
	u32 t;
	u32 v;
};

struct minmax {
	struct minmax_sample s[3];
};

struct tcp_options_received {
	int ts_recent_stamp; /* of a listener: jiffies, when it last sent a SYN cookie */
};

struct tcp_sock {
	struct tcp_options_received rx_opt;
	struct list_head tsorted_sent_queue;
	struct request_sock *fastopen_rsk;
	u32 rcv_tstamp;
	u32 lsndtime;
	u64 tcp_mstamp;
	u64 delivered_mstamp;
	u32 retrans_stamp;
	u32 total_retrans;
	u32 packets_out;
	u32 write_seq;
	u32 snd_una;
	u32 snd_nxt;
	u32 rcv_nxt;
	u32 copied_seq;
	u32 data_segs_in;
	u32 data_segs_out;
	u32 segs_out;
	u64 bytes_sent;
	u64 bytes_retrans;
	u64 bytes_acked;
	u64 bytes_received;
	u32 srtt_us;
	struct minmax rtt_min;
	struct {
		u64 time;
	} rcvq_space;
	u8 fastopen_connect : 1;
	u8 syn_fastopen : 1;
	u8 syn_fastopen_child : 1; /* since a version after 6.12 */
	int linger2;		   /* jiffies, and so are the next two */
	unsigned int keepalive_time;
	unsigned int keepalive_intvl;
	u8 keepalive_probes;
	u8 repair : 1;
	u8 tcp_usec_ts : 1; /* since 6.7 */
	bool is_mptcp;	    /* CONFIG_MPTCP, since 5.6 */
};

/* Requests: SYN_RECV. */
struct request_sock {
	struct sock_common __req_common;
	struct request_sock *dl_next;
	struct sock *sk;
	u8 num_timeout : 7;
	struct timer_list rsk_timer;
};

struct inet_request_sock {
	u16 acked : 1;
};

struct fastopen_queue {
	int max_qlen;
};

struct request_sock_queue {
	atomic_t qlen;
	struct fastopen_queue fastopenq;
	u8 rskq_defer_accept;
	struct request_sock *rskq_accept_head;
};

struct inet_connection_sock {
	struct request_sock_queue icsk_accept_queue;
	struct inet_bind_bucket *icsk_bind_hash;
	struct timer_list icsk_retransmit_timer; /* until 6.18 */
	unsigned long icsk_timeout;		 /* until 6.18 */
	struct timer_list icsk_keepalive_timer;	 /* since 6.19 */
	void *icsk_ulp_data;
	__u32 icsk_rto;	  /* jiffies */
	u32 icsk_rto_max; /* since 6.15 */
	__u8 icsk_pending;
	__u8 icsk_backoff;
	__u8 icsk_syn_retries;
	__u8 icsk_retransmits;
	u32 icsk_user_timeout; /* milliseconds */
	u8 icsk_probes_out;
	u32 icsk_probes_tstamp; /* since 5.11 */
	struct {
		__u32 lrcvtime;
	} icsk_ack;
};

/* MPTCP: what a descriptor leads to, and the TCP sockets behind it. */
struct mptcp_sock { /* CONFIG_MPTCP, since 5.6 */
	struct list_head conn_list;
	struct sock *first;
};

struct mptcp_subflow_context { /* CONFIG_MPTCP, since 5.6 */
	struct list_head node;
	struct sock *tcp_sock;
	struct sock *conn;
};

struct sk_buff {
	struct sk_buff *next;
	struct rb_node rbnode;
	struct sock *sk;
	u64 skb_mstamp_ns;
	char cb[48];
	unsigned char *head;
	__u16 transport_header;
};

/* In sk_buff.cb of what is in an error queue. */
struct sock_extended_err {
	__u32 ee_errno;
	__u8 ee_origin;
};

struct sock_exterr_skb {
	struct sock_extended_err ee;
};

struct tcp_request_sock {
	__u64 snt_synack;
	__u32 rcv_isn;
};

/* Who has a local port. */
struct inet_bind_bucket {
	signed char fastreuse; /* below 0: only connect() has chosen it */
	signed char fastreuseport;
};

/* Timewait sockets: TIME_WAIT, and FIN_WAIT2 of orphans. */
struct inet_timewait_sock {
	struct sock_common __tw_common;
	volatile unsigned char tw_substate;
	u32 tw_entry_stamp; /* since 6.14 */
	struct timer_list tw_timer;
	struct inet_bind_bucket *tw_tb;
};

/* Processes and their descriptors. */
struct super_block {
	unsigned long s_magic;
};

struct inode {
	unsigned short i_mode;
	struct super_block *i_sb;
	unsigned long i_ino;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

typedef struct {
	atomic64_t refcnt;
} file_ref_t; /* since 6.13 */

struct file {
	struct inode *f_inode;
	struct path f_path;
	void *private_data;
	atomic64_t f_count; /* until 6.12 */
	file_ref_t f_ref;   /* since 6.13 */
};

struct socket {
	struct file *file;
	struct sock *sk;
};

struct socket_alloc {
	struct socket socket;
	struct inode vfs_inode;
};

/* Files in flight in the queue of a unix socket. */
struct scm_fp_list { /* CONFIG_UNIX */
	short count;
	struct file *fp[253];
};

struct unix_skb_parms { /* CONFIG_UNIX */
	struct scm_fp_list *fp;
};

/* The fixed files of io_uring (CONFIG_IO_URING), as each line of kernels keeps them. */
struct io_rsrc_node {		/* since 5.13 */
	unsigned long file_ptr; /* since 6.13 */
};

struct io_rsrc_data {		     /* since 5.13 */
	unsigned int nr;	     /* since 5.13 */
	struct io_rsrc_node **nodes; /* since 6.13 */
};

struct io_fixed_file { /* since 5.13, until 6.12 */
	unsigned long file_ptr;
};

struct io_file_table {		     /* since 5.13 */
	struct io_rsrc_data data;    /* since 6.13 */
	struct io_fixed_file *files; /* since 5.13, until 6.12 */
};

struct io_ring_ctx {			 /* since 5.1 */
	struct io_file_table file_table; /* since 5.13, and 5.10.162 */
	unsigned int nr_user_files;	 /* until 6.12 */
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
	unsigned long *open_fds;
};

struct files_struct {
	atomic_t count; /* processes and threads that have the table */
	struct fdtable *fdt;
	unsigned int next_fd;
};

/* Who waits for a socket: in a call on it, in poll(), or in epoll_wait(). */
struct wait_queue_head {
	struct list_head head;
};

struct wait_queue_entry {
	void *private;
	struct list_head entry;
};

struct socket_wq {
	struct wait_queue_head wait;
};

struct poll_wqueues {
	struct task_struct *polling_task;
};

struct epoll_filefd {
	struct file *file;
	int fd;
};

struct eventpoll {
	struct wait_queue_head wq;
};

struct epitem {
	struct epoll_filefd ffd;
	struct eventpoll *ep;
};

struct eppoll_entry {
	struct epitem *base;
	struct wait_queue_entry wait;
};

struct signal_struct {
	atomic_t live;
	struct list_head thread_head;
};

struct nsproxy {
	struct net *net_ns;
};

struct task_struct {
	unsigned int flags;
	int tgid;
	void *stack;
	struct list_head children;
	struct list_head sibling;
	struct task_struct *group_leader;
	struct signal_struct *signal;
	struct list_head thread_node;
	char comm[16];
	struct files_struct *files;
	struct nsproxy *nsproxy;
	int on_cpu;			/* CONFIG_SMP */
	struct css_set *cgroups;	/* CONFIG_CGROUPS */
	struct io_uring_task *io_uring; /* CONFIG_IO_URING, since 5.10 */
};

struct linux_binprm;
struct tcphdr;
struct proto_accept_arg;

/* The argument of a classic tracepoint at a system call's exit. */
struct trace_event_raw_sys_exit {
	long ret;
};

/* Registers at a kprobe, or at the entry of a system call: x86_64. */
struct pt_regs {
	unsigned long di, si, dx, cx, r8, ax, bp, ip, sp;
	unsigned long orig_ax; /* number of the system call */
};

struct pt_regs___call {
	int syscallno;
};

#pragma clang attribute pop

/* The same of arm64, as its UAPI fixes them. */
struct user_pt_regs { /* arm64 alone, since 3.7 */
	__u64 regs[31];
	__u64 sp;
	__u64 pc;
	__u64 pstate;
};

#endif /* __VMLINUX_H__ */
