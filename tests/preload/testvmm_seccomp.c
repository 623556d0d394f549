/* SPDX-License-Identifier: MIT */
/* VMMs with a seccomp filter, and one that closes its VM during a signal. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "testvmm.h"

struct filtered {
	struct testvmm vm;
	uint32_t forbidden;
	unsigned int exit_reason;
};

static void *run_filtered(void *arg)
{
	struct filtered *vmm = arg;
	struct testvmm_vcpu *vcpu = &vmm->vm.vcpu[0];

	testvmm_forbid(vmm->forbidden, SECCOMP_RET_KILL_PROCESS);
	testvmm_check(!ioctl(vcpu->fd, KVM_RUN, 0), "KVM_RUN");
	vmm->exit_reason = vcpu->run->exit_reason;
	return NULL;
}

static void run_with_forbidden(uint32_t forbidden)
{
	struct filtered vmm = {.forbidden = forbidden};
	int efd = testvmm_eventfd();
	pthread_t thread;

	testvmm_create(&vmm.vm, 1);
	testvmm_check(!testvmm_ioeventfd(vmm.vm.fd, efd, GUEST_MMIO, 4, 0, 0),
		      "KVM_IOEVENTFD");
	testvmm_start(&vmm.vm, 0, &guest_count, 3);
	testvmm_check(!pthread_create(&thread, NULL, run_filtered, &vmm),
		      "pthread_create");
	pthread_join(thread, NULL);
	printf("exit %u, signals: %" PRIu64 "\n", vmm.exit_reason,
	       testvmm_read_count(efd));
	testvmm_destroy(&vmm.vm);
}

void scenario_seccomp(void)
{
	run_with_forbidden(SYS_write);
}

/* Asks first whether the kernel has filters, as libseccomp does. */
void scenario_seccomp_mild(void)
{
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0);
	syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
		NULL);
	syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL);
	run_with_forbidden(SYS_reboot);
}

static struct kvm_run *run;
static int done;

static void set_immediate_exit(int sig)
{
	__atomic_store_n(&run->immediate_exit, 1, __ATOMIC_RELAXED);
}

#define ALLOW(call, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, n, 0)

/* Besides futex(2) one call, and of ioctl(2) one request. */
static void allow_few(uint32_t call, uint32_t request)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		ALLOW(call, 5),
		ALLOW(SYS_futex, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[1])),
		ALLOW(request, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {
		.len = sizeof(code) / sizeof(code[0]),
		.filter = code,
	};

	testvmm_check(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	testvmm_check(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter),
		      "filter");
}

/* Even the end of a thread would be a forbidden call. */
static void sleep_for_ever(void)
{
	static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

	__atomic_store_n(&done, 1, __ATOMIC_RELEASE);
	pthread_mutex_lock(&held);
	pthread_mutex_lock(&held);
}

static void *run_with_few_calls(void *arg)
{
	struct testvmm *vm = arg;

	allow_few(SYS_write, KVM_RUN);
	while (!ioctl(vm->vcpu[0].fd, KVM_RUN, 0) &&
	       vm->vcpu[0].run->exit_reason != GUEST_END)
		;
	sleep_for_ever();
	return NULL;
}

/* Not a vCPU's thread: it may not write, nor call KVM. */
static void *idle_with_filter(void *arg)
{
	allow_few(SYS_read, FIONREAD);
	sleep_for_ever();
	return NULL;
}

static void start_and_wait(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	__atomic_store_n(&done, 0, __ATOMIC_RELAXED);
	testvmm_check(!pthread_create(&thread, NULL, fn, arg), "thread");
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE))
		usleep(1000);
}

/* Filters of threads: belfry serves, and registers in the main thread. */
static void run_beside_registration(void)
{
	int efd = testvmm_eventfd();
	struct testvmm vm;

	testvmm_create(&vm, 1);
	testvmm_assign(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
	testvmm_start(&vm, 0, &guest_count, 300);
	start_and_wait(run_with_few_calls, &vm);
	printf("exit %u, signals: %" PRIu64 "\n", vm.vcpu[0].run->exit_reason,
	       testvmm_read_count(efd));
	printf("second: %d\n",
	       testvmm_ioeventfd(vm.fd, efd, GUEST_MMIO + 4, 4, 0, 0));
	fflush(stdout);
	_exit(0);
}

void scenario_seccomp_threads(void)
{
	run_beside_registration();
}

/* The thread cannot guard a kick, but the program kicks by immediate_exit. */
void scenario_seccomp_kicks(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	signal(SIGUSR1, set_immediate_exit);
	testvmm_check(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_IMMEDIATE_EXIT) >
			      0,
		      "KVM_CAP_IMMEDIATE_EXIT");
	run_beside_registration();
}

/* The same program, but it does not ask whether KVM has immediate_exit. */
void scenario_seccomp_handler(void)
{
	signal(SIGUSR1, set_immediate_exit);
	run_beside_registration();
}

void scenario_seccomp_idle(void)
{
	start_and_wait(idle_with_filter, NULL);
	run_with_forbidden(SYS_getpid);
	fflush(stdout);
	_exit(0);
}

static void *run_until_exit(void *arg)
{
	struct testvmm *vm = arg;

	while (!__atomic_load_n(&run->immediate_exit, __ATOMIC_RELAXED))
		testvmm_check(!ioctl(vm->vcpu[0].fd, KVM_RUN, 0) ||
				      errno == EINTR,
			      "KVM_RUN");
	__atomic_store_n(&done, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void stop_thread(pthread_t thread)
{
	while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
		pthread_kill(thread, SIGUSR1);
		usleep(1000);
	}
	pthread_join(thread, NULL);
}

static void wait_for_signal(int efd)
{
	while (!testvmm_read_count(efd))
		usleep(100);
}

/* Closes the VM's fd at once, and the vCPU's when it has left the guest. */
static void close_while_signalling(void)
{
	int efd = testvmm_eventfd();
	struct testvmm vm;
	pthread_t thread;

	testvmm_create(&vm, 1);
	testvmm_check(!testvmm_ioeventfd(vm.fd, efd, GUEST_MMIO, 4, 0, 0),
		      "KVM_IOEVENTFD");
	testvmm_start(&vm, 0, &guest_forever, 0);
	run = vm.vcpu[0].run;
	done = 0;
	testvmm_check(!pthread_create(&thread, NULL, run_until_exit, &vm),
		      "thread");
	wait_for_signal(efd);
	close(vm.fd);
	vm.fd = -1;
	wait_for_signal(efd);
	stop_thread(thread);
	testvmm_destroy(&vm);
	close(efd);
}

void scenario_close_while_signalling(void)
{
	struct sigaction action = {.sa_handler = set_immediate_exit};

	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < 10; i++)
		close_while_signalling();
	printf("closed\n");
}
