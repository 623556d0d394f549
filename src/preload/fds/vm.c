/* SPDX-License-Identifier: MIT */
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "belfry/srcu.h"
#include "preload/common/config.h"
#include "preload/common/process.h"
#include "preload/common/log.h"
#include "preload/common/signals.h"
#include "preload/common/sys.h"
#include "preload/fds/fd_table.h"
#include "preload/fds/private_fd.h"
#include "preload/fds/shared_eventfd.h"
#include "preload/fds/vm.h"
#include "preload/seccomp/forbidden.h"

static void add_count(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

void vm_count(enum bf_front_counter counter)
{
	struct stats *stats = config.stats;
	_Atomic uint64_t *const counters[BF_FRONT_COUNTERS] = {
		[BF_FRONT_ASSIGNED] = &stats->assigned,
		[BF_FRONT_DEASSIGNED] = &stats->deassigned,
		[BF_FRONT_NEVER_INSTALLED] = &stats->never_installed,
		[BF_FRONT_INSTALLED] = &stats->installed,
		[BF_FRONT_REFUSED] = &stats->refused,
	};

	if (counters[counter])
		add_count(counters[counter], 1);
}

#define MAX_REASONS 16

/* Notes the reason.  Beyond MAX_REASONS each reason counts as known. */
static bool is_new_reason(const char *why)
{
	static const char *_Atomic known[MAX_REASONS];
	const char *other;

	for (int i = 0; i < MAX_REASONS; i++) {
		other = NULL;
		if (atomic_compare_exchange_strong(&known[i], &other, why))
			return true;
		if (!strcmp(other, why))
			return false;
	}
	return false;
}

/* The program may have a thousand VMs, so each reason is a line once. */
static void report_passthrough(const char *why)
{
	add_count(&config.stats->passed_through, 1);
	if (is_new_reason(why))
		log_line("belfry: passing a VM through to the kernel: %s", why);
}

void vm_pass_through(struct object_vm *vm, const char *why)
{
	struct signals_held held;

	if (!vm->front || atomic_exchange(&vm->passthrough, true))
		return;
	held = signals_hold();
	bf_front_install_all(vm->front);
	report_passthrough(why);
	signals_release(held);
}

/* NULL, or the reason to pass every VM through. */
static const char *_Atomic why_all;

static void pass_through_vm_of(int fd)
{
	struct object *obj = fd_table_get_kind(fd, OBJECT_VM);

	if (!obj)
		return;
	vm_pass_through(&obj->vm, atomic_load(&why_all));
	object_put(obj);
}

void vm_pass_through_all(const char *why)
{
	atomic_store(&why_all, why);
	fd_table_walk(0, INT_MAX, pass_through_vm_of);
}

static _Atomic bool helpers_at_creation;

static void start_helper_of(int fd)
{
	struct object *obj = fd_table_get_kind(fd, OBJECT_VM);

	if (!obj)
		return;
	if (obj->vm.front)
		bf_front_start_thread(obj->vm.front);
	object_put(obj);
}

void vm_start_helpers(void)
{
	if (atomic_exchange(&helpers_at_creation, true))
		return;
	bf_srcu_start_worker();
	fd_table_walk(0, INT_MAX, start_helper_of);
}

static _Atomic uint64_t wait_until_ns;

static void wait_for_signals_of(int fd)
{
	struct object *obj = fd_table_get_kind(fd, OBJECT_VM);

	if (!obj)
		return;
	if (obj->vm.front)
		bf_front_wait_for_signals(obj->vm.front,
					  atomic_load(&wait_until_ns));
	object_put(obj);
}

void vm_wait_for_signals(uint64_t until_ns)
{
	atomic_store(&wait_until_ns, until_ns);
	fd_table_walk(0, INT_MAX, wait_for_signals_of);
}

static __thread struct signals_held held_in_fork;

static void before_fork(void)
{
	held_in_fork = signals_hold();
	shared_eventfd_share();
}

static void after_fork(void)
{
	signals_release(held_in_fork);
}

/*
 * fork(), daemon() and forkpty() call the handlers of SRCU domains, which hold
 * locks that the end of a VM takes, and a signal handler may close a VM.  These
 * handlers are registered behind them, so the first is called before and the
 * others after.
 */
static void watch_forks(void)
{
	pthread_atfork(before_fork, after_fork, after_fork);
}

/*
 * The front calls the VM through a private fd, because the program may close
 * its own.  object_end() closes it, after the program has closed the last fd of
 * the VM and of its vCPUs.
 */
static bool start_front(struct object_vm *vm, int kvm_fd, int fd)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	long size = sys_ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL);
	int private_fd = private_fd_dup(fd);

	if (private_fd < 0)
		return false;
	if (size <= 0 ||
	    bf_front_attach(private_fd, &config.front, &vm->front)) {
		private_fd_close(private_fd);
		return false;
	}
	pthread_once(&once, watch_forks);
	if (atomic_load(&helpers_at_creation))
		bf_front_start_thread(vm->front);
	vm->fd = private_fd;
	vm->run_size = (size_t)size;
	return true;
}

struct record_who vm_track(int kvm_fd, int fd)
{
	const char *why = atomic_load(&why_all);
	struct object *obj = NULL;
	struct record_who who;

	if (why)
		report_passthrough(why);
	if (!thread_forbids(FORBIDDEN_LEARN))
		obj = object_new_vm();
	if (!obj)
		return record_nobody;
	if (thread_forbids(FORBIDDEN_HELPER | FORBIDDEN_FRONT) && !why) {
		why = "a seccomp filter forbids system calls that belfry"
		      " makes";
		report_passthrough(why);
	}
	if (!why && !config.plain && !start_front(&obj->vm, kvm_fd, fd))
		report_passthrough("out of memory or file descriptors; raise"
				   " the program's limits");
	obj->vm.number = record_new_vm(obj->vm.front);
	who = object_who(obj);
	if (!fd_table_set(fd, obj))
		object_put(obj);
	return who;
}

/*
 * MADV_DONTFORK: the mapping would hold the VM in the child of a fork(), which
 * cannot use it.
 */
static struct kvm_run *map_run(int fd, size_t size)
{
	void *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (run == MAP_FAILED)
		return NULL;
	madvise(run, size, MADV_DONTFORK);
	return run;
}

static bool attach_vcpu(struct object_vcpu *vcpu, int fd)
{
	struct object_vm *vm = &vcpu->vm->vm;

	vcpu->run = map_run(fd, vm->run_size);
	return vcpu->run && !bf_front_attach_vcpu(vm->front, fd, vcpu->run,
						  NULL, &vcpu->front);
}

void vm_track_device(struct object *vm, int fd)
{
	struct object *obj = object_new_device(vm);

	if (obj && !fd_table_set(fd, obj))
		object_put(obj);
}

void vm_track_vcpu(struct object *vm, int fd, uint32_t id)
{
	struct object *obj = object_new_vcpu(vm);

	if (!obj) {
		vm_pass_through(&vm->vm, "out of memory");
		return;
	}
	obj->vcpu.id = id;
	obj->vcpu.stats = stats_vcpu(config.stats);
	if (vm->vm.front && !attach_vcpu(&obj->vcpu, fd))
		vm_pass_through(&vm->vm, "cannot map a vCPU's run page");
	if (!fd_table_set(fd, obj)) {
		vm_pass_through(&vm->vm, "a vCPU's fd number is too large");
		object_put(obj);
	}
}
