// SPDX-License-Identifier: MIT
/*
 * The system calls of each kind of thread, as doc/front.md lists them.  A
 * thread installs a filter with the calls of one row and does what the row
 * says.  Any other call raises SIGSYS, is skipped, and is named.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "belfry/front.h"
#include "belfry/io_bus.h"
#include "own_vm.h"
#include "preload/seccomp/calls.h"
#include "tests/flags.h"

#define PORT  OWN_PORT
#define FLAGS OWN_PORT_FLAGS

/*
 * Of an interrupted system call: the register with its result.  The calls that
 * start a thread: on aarch64 glibc 2.36 makes the older one.
 */
#ifdef __x86_64__
#define RESULT	     gregs[REG_RAX]
#define START_THREAD SYS_clone3
#else
#define RESULT	     regs[0]
#define START_THREAD SYS_clone3, SYS_clone
#endif

#define MAX_CALLS 24

struct row {
	int calls[MAX_CALLS]; /* -1: the end */
	void (*work)(void);
};

static struct own_vm vm;
static struct bf_front *front;
static struct bf_front_vcpu *vcpu;
static int efd, ret, unlisted, done;

static void note_call(int sig, siginfo_t *info, void *context)
{
	ucontext_t *interrupted = context;

	unlisted = info->si_syscall;
	interrupted->uc_mcontext.RESULT = -ENOSYS;
}

/* Besides the row futex(2), in which the thread sleeps at its end. */
static void allow_only(const int *calls)
{
	struct sock_filter code[2 * MAX_CALLS + 8] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog filter = {.len = 1, .filter = code};
	int always[] = {SYS_futex, SYS_rt_sigreturn, -1};

	for (const int *list = calls; list;
	     list = list == calls ? always : NULL)
		for (const int *nr = list; *nr >= 0; nr++) {
			code[filter.len++] = (struct sock_filter)BPF_JUMP(
				BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)*nr, 0, 1);
			code[filter.len++] = (struct sock_filter)BPF_STMT(
				BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
		}
	code[filter.len++] =
		(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

/* The end of a thread makes calls of its own, so it sleeps. */
static void *work_with_filter(void *arg)
{
	static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
	const struct row *row = arg;

	allow_only(row->calls);
	row->work();
	set(&done, 1);
	pthread_mutex_lock(&held);
	pthread_mutex_lock(&held);
	return NULL;
}

static void check_row(const struct row *row)
{
	struct sigaction action = {.sa_sigaction = note_call,
				   .sa_flags = SA_SIGINFO};
	pthread_t thread;

	sigaction(SIGSYS, &action, NULL);
	ret = -1;
	unlisted = -1;
	done = 0;
	assert_int_equal(pthread_create(&thread, NULL, work_with_filter,
					(void *)row),
			 0);
	pthread_detach(thread);
	wait_for(&done, 1);
	assert_int_equal(unlisted, -1);
	assert_int_equal(ret, 0);
}

static void setup(enum bf_policy policy, int eventfd_flags)
{
	const struct bf_front_config config = {.policy = policy,
					       .install_after = 1};

	own_vm_create(&vm);
	efd = eventfd(0, EFD_CLOEXEC | eventfd_flags);
	assert_int_equal(bf_front_attach(vm.fd, &config, &front), 0);
	assert_int_equal(
		bf_front_attach_vcpu(front, vm.vcpu, vm.run, NULL, &vcpu), 0);
	own_vm_code(&vm, OWN_CODE, &own_signal_port);
	own_vcpu_start(vm.vcpu, OWN_CODE, 100);
}

static void teardown(void)
{
	bf_front_detach_vcpu(vcpu);
	bf_front_destroy(front);
	own_vm_destroy(&vm);
	close(efd);
}

static int change(uint32_t flags)
{
	struct kvm_ioeventfd arg = own_doorbell(efd, PORT, flags);

	return bf_front_ioeventfd(front, &arg);
}

static void run_to_halt(void)
{
	do {
		bf_front_before_run(vcpu);
		ret = ioctl(vm.vcpu, KVM_RUN, 0);
	} while (bf_front_after_run(vcpu, ret));
	if (vm.run->exit_reason != OWN_END)
		ret = -1;
}

static void run_and_complete(void)
{
	ret = ioctl(vm.vcpu, KVM_RUN, 0);
	if (!ret && bf_front_after_run(vcpu, ret))
		ret = bf_front_complete(vcpu) == -EINTR ? 0 : -1;
}

static void assign(void)
{
	ret = change(FLAGS);
}

static void deassign(void)
{
	ret = change(FLAGS | KVM_IOEVENTFD_FLAG_DEASSIGN);
}

static void end(void)
{
	bf_front_detach_vcpu(vcpu);
	bf_front_destroy(front);
	vcpu = NULL;
	front = NULL;
	ret = 0;
}

static void test_signal(void **state)
{
	static const struct row row = {{SYS_ioctl, SYS_write, -1}, run_to_halt};

	setup(BF_POLICY_NEVER, EFD_NONBLOCK);
	assert_int_equal(change(FLAGS), 0);
	check_row(&row);
	assert_int_equal(own_count(efd), 100);
	teardown();
}

static void test_signal_of_blocking_eventfd(void **state)
{
	static const struct row row = {{SYS_ioctl, CALL_POLL, SYS_write, -1},
				       run_to_halt};

	setup(BF_POLICY_NEVER, 0);
	assert_int_equal(change(FLAGS), 0);
	check_row(&row);
	assert_int_equal(own_count(efd), 100);
	teardown();
}

/* The thread of lazy exists, and is woken. */
static void test_threshold(void **state)
{
	static const struct row row = {{SYS_ioctl, SYS_write, -1}, run_to_halt};

	setup(BF_POLICY_LAZY, EFD_NONBLOCK);
	assert_int_equal(change(FLAGS), 0);
	assert_int_equal(bf_front_start_thread(front), 0);
	check_row(&row);
	assert_int_equal(own_count(efd), 100);
	teardown();
}

static void test_install_at_run(void **state)
{
	static const struct row row = {{SYS_ioctl, -1}, run_to_halt};

	setup(BF_POLICY_FIRST_RUN, EFD_NONBLOCK);
	assert_int_equal(change(FLAGS), 0);
	check_row(&row);
	assert_int_equal(own_count(efd), 100);
	teardown();
}

static void test_complete(void **state)
{
	static const struct row row = {{SYS_ioctl, SYS_write, -1},
				       run_and_complete};

	setup(BF_POLICY_NEVER, EFD_NONBLOCK);
	assert_int_equal(change(FLAGS), 0);
	check_row(&row);
	assert_int_equal(own_count(efd), 1);
	teardown();
}

#define MEMORY SYS_brk, SYS_mmap, SYS_munmap, SYS_mprotect

static void test_assign(void **state)
{
	static const struct row row = {
		{SYS_fcntl, SYS_ioctl, CALL_READLINK, MEMORY, -1}, assign};

	setup(BF_POLICY_NEVER, EFD_NONBLOCK);
	check_row(&row);
	teardown();
}

static void test_deassign(void **state)
{
	static const struct row row = {{SYS_ioctl, SYS_fcntl, SYS_getpid,
					SYS_kcmp, SYS_close, MEMORY, -1},
				       deassign};

	setup(BF_POLICY_NEVER, EFD_NONBLOCK);
	assert_int_equal(change(FLAGS), 0);
	check_row(&row);
	teardown();
}

static void test_end(void **state)
{
	static const struct row row = {
		{SYS_close, SYS_close_range, SYS_madvise, MEMORY, -1}, end};

	setup(BF_POLICY_LAZY, EFD_NONBLOCK);
	assert_int_equal(change(FLAGS), 0);
	assert_int_equal(bf_front_start_thread(front), 0);
	check_row(&row);
	teardown();
}

/* The calls of a thread's start come from the thread that starts it. */
static void install_by_helper(void)
{
	struct bf_front_stats stats;

	if (bf_front_start_thread(front))
		return;
	run_to_halt();
	do {
		usleep(1000);
		bf_front_get_stats(front, &stats);
	} while (!stats.installed);
	if (!ret)
		end();
}

/* A sanitizer's runtime makes calls of its own in each new thread. */
void __asan_init(void) __attribute__((weak));
void __tsan_init(void) __attribute__((weak));

static void test_helper(void **state)
{
	static const struct row row = {
		{SYS_ioctl, SYS_write, START_THREAD, MEMORY, SYS_madvise,
		 SYS_rt_sigprocmask, SYS_set_robust_list, SYS_rseq, SYS_prctl,
		 SYS_clock_nanosleep, SYS_close, SYS_close_range, SYS_exit, -1},
		install_by_helper};

	if (__asan_init || __tsan_init)
		skip();
	setup(BF_POLICY_LAZY, EFD_NONBLOCK);
	assert_int_equal(change(FLAGS), 0);
	check_row(&row);
	assert_int_equal(own_count(efd), 100);
	teardown();
}

static void test_full_eventfd(void **state)
{
	static const struct row row = {{SYS_ioctl, SYS_write, SYS_io_setup,
					SYS_madvise, SYS_io_submit, -1},
				       run_to_halt};
	const uint64_t full = UINT64_MAX - 1;

	setup(BF_POLICY_NEVER, EFD_NONBLOCK);
	assert_int_equal(change(FLAGS), 0);
	assert_int_equal(write(efd, &full, sizeof(full)), sizeof(full));
	check_row(&row);
	assert_true(own_count(efd) == UINT64_MAX);
	teardown();
}

/* The last test: eventfds stay shared. */
static void test_shared_eventfd(void **state)
{
	static const struct row row = {{SYS_ioctl, SYS_io_submit, -1},
				       run_to_halt};

	setup(BF_POLICY_NEVER, EFD_NONBLOCK);
	assert_int_equal(change(FLAGS), 0);
	bf_io_share_eventfds();
	check_row(&row);
	assert_int_equal(own_count(efd), 100);
	teardown();
}

static void refuse(uint32_t call)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = 4, .filter = code};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

/* Of a child without a context; its parent has one. */
static uint64_t installed_at_once(uint32_t refused)
{
	struct bf_front_stats stats;

	refuse(refused);
	setup(BF_POLICY_NEVER, EFD_NONBLOCK);
	change(FLAGS);
	bf_front_get_stats(front, &stats);
	return stats.installed;
}

static void check_without(uint32_t call)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit((int)installed_at_once(call));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

/* Where a signal could sleep, the kernel gets the doorbell in its call. */
static void test_shared_eventfd_without_context(void **state)
{
	setup(BF_POLICY_NEVER, EFD_NONBLOCK);
	teardown();
	check_without(SYS_io_setup);
	check_without(SYS_io_submit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_signal_of_blocking_eventfd),
		cmocka_unit_test(test_threshold),
		cmocka_unit_test(test_install_at_run),
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_assign),
		cmocka_unit_test(test_deassign),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_helper),
		cmocka_unit_test(test_full_eventfd),
		cmocka_unit_test(test_shared_eventfd),
		cmocka_unit_test(test_shared_eventfd_without_context),
	};

	return cmocka_run_group_tests_name("front_calls", tests, NULL, NULL);
}
