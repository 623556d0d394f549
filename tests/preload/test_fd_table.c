/* SPDX-License-Identifier: MIT */
/* The tables of fds, without KVM. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "io_bus/eventfd.h"
#include "preload/common/config.h"
#include "preload/common/process.h"
#include "preload/fds/fd_table.h"
#include "preload/fds/private_fd.h"

#define MAX_FD ((1 << 20) - 1)

static uint32_t count_refs(struct object *obj)
{
	return atomic_load(&obj->refs);
}

static void test_empty_table(void **state)
{
	const int fds[] = {-1,	 INT_MIN, 0,	      5,
			   1023, MAX_FD,  MAX_FD + 1, INT_MAX};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		assert_false(fd_table_contains(fds[i]));
		assert_null(fd_table_get(fds[i]));
		assert_null(fd_table_take(fds[i]));
	}
}

static void test_device_holds_its_vm(void **state)
{
	struct object *vm = object_new_vm();
	struct object *device = object_new_device(vm);

	object_put(vm);
	assert_int_equal(count_refs(vm), 1);
	assert_ptr_equal(object_vm_of(device), &vm->vm);
	assert_int_equal(object_who(device).vcpu, RECORDED_NO_VCPU);
	object_put(device);
	assert_int_equal(count_refs(vm), 0);
}

static void test_set_get_take(void **state)
{
	const int fds[] = {0, 3, 1023, 1024, MAX_FD};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		struct object *vm = object_new_vm();

		assert_true(fd_table_set(fds[i], vm));
		assert_true(fd_table_contains(fds[i]));
		assert_ptr_equal(fd_table_get(fds[i]), vm);
		assert_int_equal(count_refs(vm), 2);
		object_put(vm);
		assert_null(fd_table_get_kind(fds[i], OBJECT_VCPU));
		assert_int_equal(count_refs(vm), 1);
		assert_ptr_equal(fd_table_take(fds[i]), vm);
		assert_null(fd_table_get(fds[i]));
		object_put(vm);
		assert_int_equal(count_refs(vm), 0);
	}
}

static void test_fd_too_large(void **state)
{
	struct object *vm = object_new_vm();

	assert_false(fd_table_set(MAX_FD + 1, vm));
	assert_false(fd_table_set(-1, vm));
	assert_int_equal(count_refs(vm), 1);
	object_put(vm);
}

/* The program closed the fd out of sight, and the kernel used it again. */
static void test_stale_entry_is_replaced(void **state)
{
	struct object *old = object_new_vm(), *new = object_new_vm();

	assert_true(fd_table_set(7, old));
	assert_true(fd_table_set(7, new));
	assert_int_equal(count_refs(old), 0);
	assert_ptr_equal(fd_table_take(7), new);
	object_put(new);
}

static void test_vcpu_holds_vm(void **state)
{
	struct object *vm = object_new_vm();
	struct object *vcpu = object_new_vcpu(vm);

	assert_true(fd_table_set(8, vm));
	assert_true(fd_table_set(9, vcpu));
	object_put(fd_table_take(8));
	assert_int_equal(count_refs(vm), 1);
	object_put(fd_table_take(9));
	assert_int_equal(count_refs(vm), 0);
}

static void test_tryget_of_ended_object(void **state)
{
	struct object *vm = object_new_vm();

	assert_true(object_tryget(vm));
	object_put(vm);
	object_put(vm);
	assert_false(object_tryget(vm));
}

static int walked[8];
static size_t nr_walked;

static void walk(int fd)
{
	assert_true(nr_walked < 8);
	walked[nr_walked++] = fd;
}

static void test_walk(void **state)
{
	const int fds[] = {2, 1023, 1024, 5000};
	size_t count = sizeof(fds) / sizeof(fds[0]);

	for (size_t i = 0; i < count; i++)
		fd_table_set(fds[i], object_new_vm());
	nr_walked = 0;
	fd_table_walk(0, UINT_MAX, walk);
	assert_int_equal(nr_walked, 4);
	nr_walked = 0;
	fd_table_walk(3, 1024, walk);
	assert_int_equal(nr_walked, 2);
	assert_int_equal(walked[0], 1023);
	assert_int_equal(walked[1], 1024);
	nr_walked = 0;
	fd_table_walk(3, 1023, walk);
	assert_int_equal(nr_walked, 1);
	fd_table_walk(UINT_MAX, UINT_MAX, walk);
	assert_int_equal(nr_walked, 1);
	for (size_t i = 0; i < count; i++)
		object_put(fd_table_take(fds[i]));
}

static void test_forget(void **state)
{
	struct object *vm = object_new_vm();

	assert_true(fd_table_set(11, vm));
	fd_table_forget();
	assert_false(fd_table_contains(11));
	assert_int_equal(count_refs(vm), 1);
	object_put(vm);
}

static bool is_private(int fd)
{
	if (!private_fd_replace_begins(fd))
		return true;
	private_fd_replace_ends(fd);
	return false;
}

static void test_private_fds(void **state)
{
	int first = private_fd_dup(0), second = private_fd_dup(0);
	int low = first - 1, high = second + 1;

	assert_true(first >= PRIVATE_FD_MIN && second > first);
	assert_true(is_private(first) && is_private(second));
	assert_false(is_private(low) || is_private(high) || is_private(-1));
	assert_int_equal(private_fd_first(0, UINT_MAX), first);
	assert_int_equal(private_fd_first((unsigned int)first + 1, UINT_MAX),
			 second);
	assert_int_equal(private_fd_first((unsigned int)high, UINT_MAX), -1);
	assert_int_equal(private_fd_first(0, (unsigned int)low), -1);
	assert_int_equal(private_fd_first(UINT_MAX, UINT_MAX), -1);
	private_fd_close(first);
	assert_false(is_private(first));
	assert_int_equal(close(first), -1);
	assert_int_equal(private_fd_first(0, UINT_MAX), second);
	private_fd_close(second);
}

/* Outside of the reserve, the last quarter, or 64 numbers; above the streams. */
static void test_private_fds_under_limit(void **state)
{
	int efd = eventfd(0, EFD_CLOEXEC);
	const struct bf_eventfd_fd_ops ops = {private_fd_dup,
					      private_fd_close_run};
	struct bf_eventfd eventfds[2];
	struct rlimit limit, tight;
	int fd;

	bf_eventfd_set_fd_ops(&ops);
	assert_int_equal(bf_eventfd_dup(&eventfds[0], efd), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	tight = limit;
	tight.rlim_cur = 256;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	assert_int_equal(bf_eventfd_dup(&eventfds[1], efd), 0);
	fd = private_fd_dup(efd);
	tight.rlim_cur = 32;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	assert_int_equal(private_fd_dup(efd), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);

	assert_true(eventfds[0].fd >= PRIVATE_FD_MIN);
	assert_in_range(eventfds[1].fd, STDERR_FILENO + 1, 191);
	assert_in_range(fd, STDERR_FILENO + 1, 191);
	assert_true(is_private(fd) && is_private(eventfds[0].fd) &&
		    is_private(eventfds[1].fd));
	private_fd_close(fd);
	bf_eventfd_close(&eventfds[0]);
	bf_eventfd_close(&eventfds[1]);
	assert_false(is_private(eventfds[0].fd) || is_private(eventfds[1].fd));
	close(efd);
}

/* Of an interrupted system call: the register with its result. */
#ifdef __x86_64__
#define RESULT gregs[REG_RAX]
#else
#define RESULT regs[0]
#endif

static int same_eventfd, replaced;

/* In place of F_DUPFD_CLOEXEC: the program replaces the number at once. */
static void replace_taken(int sig, siginfo_t *info, void *context)
{
	ucontext_t *interrupted = context;
	int fd = fcntl(same_eventfd, F_DUPFD, PRIVATE_FD_MIN);

	if (replaced < 0) {
		replaced = fd;
		private_fd_replace_begins(fd);
		dup2(same_eventfd, fd);
		private_fd_replace_ends(fd);
	} else {
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	interrupted->uc_mcontext.RESULT = fd;
}

static void *take_replaced(void *arg)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_DUPFD_CLOEXEC, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = 6, .filter = code};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
	*(int *)arg = private_fd_dup(same_eventfd);
	return NULL;
}

/* The program puts the same eventfd onto a number that was just taken. */
static void test_number_replaced_by_the_same_file(void **state)
{
	struct sigaction action = {.sa_sigaction = replace_taken,
				   .sa_flags = SA_SIGINFO};
	pthread_t thread;
	int taken = -1;

	same_eventfd = eventfd(0, EFD_CLOEXEC);
	replaced = -1;
	sigaction(SIGSYS, &action, NULL);
	pthread_create(&thread, NULL, take_replaced, &taken);
	pthread_join(thread, NULL);
	assert_true(replaced >= 0 && taken >= 0);
	assert_false(is_private(replaced));
	assert_true(is_private(taken));
	private_fd_close(taken);
	close(replaced);
	close(same_eventfd);
}

enum { STRESS_FD = 20, STRESS_ROUNDS = 1000000 };

static atomic_bool stop;

/* Each vCPU found must be complete: its VM is a VM, and alive. */
static void *look_up(void *found)
{
	_Atomic uint64_t *count = found;

	while (!atomic_load(&stop)) {
		struct object *obj = fd_table_get(STRESS_FD);

		if (!obj)
			continue;
		if (obj->kind != OBJECT_VCPU ||
		    obj->vcpu.vm->kind != OBJECT_VM ||
		    !count_refs(obj->vcpu.vm))
			return NULL;
		object_put(obj);
		atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
	}
	return found;
}

static void replace_object(void)
{
	struct object *vm = object_new_vm();
	struct object *vcpu = object_new_vcpu(vm);

	object_put(vm);
	fd_table_set(STRESS_FD, vcpu);
	vcpu = fd_table_take(STRESS_FD);
	assert_non_null(vcpu);
	object_put(vcpu);
}

static void test_readers_and_reuse(void **state)
{
	_Atomic uint64_t found[2] = {0, 0};
	pthread_t threads[2];
	void *ret;

	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, look_up, &found[i]);
	for (int i = 0; i < STRESS_ROUNDS; i++)
		replace_object();
	/* Waits until both threads found it: there may be one processor. */
	fd_table_set(STRESS_FD, object_new_vcpu(object_new_vm()));
	for (int i = 0; i < 2; i++) {
		while (!atomic_load(&found[i]))
			sched_yield();
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &ret);
		assert_ptr_equal(ret, &found[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_table),
		cmocka_unit_test(test_device_holds_its_vm),
		cmocka_unit_test(test_set_get_take),
		cmocka_unit_test(test_fd_too_large),
		cmocka_unit_test(test_stale_entry_is_replaced),
		cmocka_unit_test(test_vcpu_holds_vm),
		cmocka_unit_test(test_tryget_of_ended_object),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_private_fds),
		cmocka_unit_test(test_private_fds_under_limit),
		cmocka_unit_test(test_number_replaced_by_the_same_file),
		cmocka_unit_test(test_readers_and_reuse),
	};

	process_adopt();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
