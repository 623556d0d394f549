/* SPDX-License-Identifier: MIT */
/*
 * Runs a filter on each system call that the library makes in the program's
 * threads, and in its own, which inherit or get the filter.
 */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "io_bus/eventfd.h"
#include "preload/seccomp/filter.h"
#include "preload/seccomp/forbidden.h"
#include "base/util.h"

#define CELLS 16

struct machine {
	const struct seccomp_data *data;
	uint32_t a;
	uint32_t x;
	uint32_t cells[CELLS];
};

static uint32_t load_word(const struct machine *m, uint32_t offset)
{
	uint32_t word = 0;

	if (offset <= sizeof(*m->data) - sizeof(word))
		memcpy(&word, (const char *)m->data + offset, sizeof(word));
	return word;
}

static uint32_t load_value(const struct machine *m, const struct sock_filter *f)
{
	switch (BPF_MODE(f->code)) {
	case BPF_ABS:
		return load_word(m, f->k);
	case BPF_MEM:
		return m->cells[f->k % CELLS];
	case BPF_LEN:
		return sizeof(*m->data);
	default:
		return f->k;
	}
}

static uint32_t alu_result(uint32_t a, uint16_t code, uint32_t b)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return b ? a / b : 0;
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return a << (b & 31);
	case BPF_RSH:
		return a >> (b & 31);
	default:
		return -a;
	}
}

static uint32_t jump_offset(uint32_t a, const struct sock_filter *f, uint32_t b)
{
	switch (BPF_OP(f->code)) {
	case BPF_JA:
		return f->k;
	case BPF_JEQ:
		return a == b ? f->jt : f->jf;
	case BPF_JGT:
		return a > b ? f->jt : f->jf;
	case BPF_JGE:
		return a >= b ? f->jt : f->jf;
	default:
		return a & b ? f->jt : f->jf;
	}
}

static void move_register(struct machine *m, uint16_t code)
{
	if (BPF_MISCOP(code) == BPF_TAX)
		m->x = m->a;
	else
		m->a = m->x;
}

static void execute(struct machine *m, const struct sock_filter *f, uint32_t b)
{
	switch (BPF_CLASS(f->code)) {
	case BPF_LD:
		m->a = load_value(m, f);
		break;
	case BPF_LDX:
		m->x = load_value(m, f);
		break;
	case BPF_ST:
		m->cells[f->k % CELLS] = m->a;
		break;
	case BPF_STX:
		m->cells[f->k % CELLS] = m->x;
		break;
	case BPF_ALU:
		m->a = alu_result(m->a, f->code, b);
		break;
	default:
		move_register(m, f->code);
	}
}

/* Ends: the kernel accepts forward jumps only. */
static uint32_t run_filter(const struct sock_fprog *filter,
			   const struct seccomp_data *data)
{
	struct machine m = {.data = data};

	for (uint32_t pc = 0; pc < filter->len; pc++) {
		const struct sock_filter *f = &filter->filter[pc];
		uint32_t b = BPF_SRC(f->code) == BPF_X ? m.x : f->k;

		switch (BPF_CLASS(f->code)) {
		case BPF_JMP:
			pc += jump_offset(m.a, f, b);
			break;
		case BPF_RET:
			return BPF_RVAL(f->code) == BPF_A ? m.a : f->k;
		default:
			execute(&m, f, b);
		}
	}
	return SECCOMP_RET_KILL_PROCESS;
}

/* The flags of a new thread in libc.  A filter may allow only these. */
#define THREAD                                                               \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | \
	 CLONE_THREAD | CLONE_SETTLS | CLONE_PARENT_SETTID |                 \
	 CLONE_CHILD_CLEARTID)

#define MEMORY (FORBIDDEN_FRONT | FORBIDDEN_HELPER | FORBIDDEN_LEARN)

/*
 * The system calls, with the first arguments, and the activities that need
 * each.  A call with may_fail may fail, but no call may kill.  The calls that
 * libc makes for a new thread are here too.
 */
static const struct {
	int nr;
	bool may_fail;
	uint32_t needed_for;
	uint64_t args[2];
} calls[] = {
	{SYS_write, false, FORBIDDEN_SERVE | FORBIDDEN_WRITE, {0}},
	{SYS_futex,
	 false,
	 FORBIDDEN_SERVE | FORBIDDEN_FRONT | FORBIDDEN_HELPER,
	 {0}},
	{SYS_poll, false, FORBIDDEN_POLL, {0}},
	{SYS_ioctl, false, FORBIDDEN_RUN, {0, KVM_RUN}},
	{SYS_ioctl,
	 false,
	 FORBIDDEN_REGISTER | FORBIDDEN_FRONT | FORBIDDEN_HELPER,
	 {0, KVM_IOEVENTFD}},
	{SYS_ioctl,
	 false,
	 FORBIDDEN_FRONT | FORBIDDEN_HELPER,
	 {0, KVM_REGISTER_COALESCED_MMIO}},
	{SYS_getpid, false, FORBIDDEN_PID, {0}},
	{SYS_get_robust_list, false, FORBIDDEN_PID, {0}},
	{SYS_close, false, FORBIDDEN_FRONT, {0}},
	{SYS_close_range, true, FORBIDDEN_FRONT, {0}},
	{SYS_fcntl, false, FORBIDDEN_FRONT, {0, F_GETFL}},
	{SYS_fcntl, false, FORBIDDEN_FRONT, {0, F_DUPFD_CLOEXEC}},
	{SYS_fcntl,
	 true,
	 FORBIDDEN_FRONT | FORBIDDEN_LEARN,
	 {0, BF_F_DUPFD_QUERY}},
	{SYS_kcmp, true, FORBIDDEN_FRONT | FORBIDDEN_LEARN, {0}},
	{SYS_openat, true, FORBIDDEN_FRONT, {0}},
	{SYS_newfstatat, true, FORBIDDEN_FRONT, {0}},
	{SYS_readlink, true, FORBIDDEN_FRONT, {0}},
	{SYS_read, true, FORBIDDEN_FRONT, {0}},
	{SYS_prctl, true, FORBIDDEN_FRONT, {PR_GET_SECCOMP}},
	{SYS_rt_sigprocmask,
	 false,
	 FORBIDDEN_FRONT | FORBIDDEN_HELPER | FORBIDDEN_GUARD,
	 {0}},
	{SYS_rt_sigaction, true, FORBIDDEN_HELPER | FORBIDDEN_GUARD, {0}},
	{SYS_ioctl, true, FORBIDDEN_GUARD, {0, KVM_SET_SIGNAL_MASK}},
	{SYS_brk, true, FORBIDDEN_FRONT | FORBIDDEN_LEARN, {0}},
	{SYS_mmap, true, MEMORY, {0}},
	{SYS_mprotect, true, MEMORY, {0}},
	{SYS_munmap, true, MEMORY, {0}},
	{SYS_madvise, true, MEMORY, {0}},
	{SYS_rseq, false, FORBIDDEN_HELPER, {0}},
	{SYS_exit, false, FORBIDDEN_HELPER, {0}},
	{SYS_clone3, true, FORBIDDEN_HELPER, {0}},
	{SYS_clone, true, FORBIDDEN_HELPER, {THREAD}},
	{SYS_set_robust_list, true, FORBIDDEN_HELPER, {0}},
	{SYS_prctl, true, FORBIDDEN_HELPER | FORBIDDEN_THREAD, {0}},
	{SYS_prlimit64, false, FORBIDDEN_LIMIT, {0}},
	{SYS_gettid, false, FORBIDDEN_THREAD, {0}},
	{SYS_io_setup, false, FORBIDDEN_SATURATE, {0}},
	{SYS_io_submit, false, FORBIDDEN_SATURATE, {0}},
	{SYS_io_getevents, false, FORBIDDEN_SATURATE, {0}},
	{SYS_io_destroy, false, FORBIDDEN_SATURATE, {0}},
};

static bool filter_allows(const struct sock_fprog *filter, size_t n)
{
	const struct seccomp_data data = {
		.nr = calls[n].nr,
		.arch = AUDIT_ARCH_X86_64,
		.args = {calls[n].args[0], calls[n].args[1]},
	};
	uint32_t action = run_filter(filter, &data) & SECCOMP_RET_ACTION_FULL;

	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG ||
	       (action == SECCOMP_RET_ERRNO && calls[n].may_fail);
}

uint32_t filter_forbids(const struct sock_fprog *filter)
{
	uint32_t forbidden = 0;

	for (size_t n = 0; n < ARRAY_SIZE(calls); n++) {
		if (!filter_allows(filter, n))
			forbidden |= calls[n].needed_for;
	}
	/* kcmp(2), for kernels without the query, needs the pid. */
	if (forbidden & FORBIDDEN_PID && bf_same_file(0, 0) != 1)
		forbidden |= FORBIDDEN_FRONT | FORBIDDEN_LEARN;
	return forbidden;
}
