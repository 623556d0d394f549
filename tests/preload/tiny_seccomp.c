/* SPDX-License-Identifier: MIT */
/* VMMs whose vCPU threads are fenced in, and one that ends in mid-ring. */
#include <errno.h>
#include <inttypes.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tiny_vmm.h"

struct fenced {
	struct tiny_vm vm;
	uint32_t forbidden;
	unsigned int exit_reason;
};

static void *run_fenced(void *arg)
{
	struct fenced *fenced = arg;
	struct tiny_vcpu *vcpu = &fenced->vm.vcpu[0];

	tiny_forbid(fenced->forbidden, SECCOMP_RET_KILL_PROCESS);
	tiny_check(!ioctl(vcpu->fd, KVM_RUN, 0), "KVM_RUN");
	fenced->exit_reason = vcpu->run->exit_reason;
	return NULL;
}

static void ring_fenced(uint32_t forbidden)
{
	struct fenced fenced = {.forbidden = forbidden};
	int bell = tiny_eventfd();
	pthread_t thread;

	tiny_create(&fenced.vm, 1);
	tiny_check(!tiny_ioeventfd(fenced.vm.fd, bell, GUEST_MMIO, 4, 0, 0),
		   "KVM_IOEVENTFD");
	tiny_start(&fenced.vm, 0, &guest_count, 3);
	tiny_check(!pthread_create(&thread, NULL, run_fenced, &fenced),
		   "pthread_create");
	pthread_join(thread, NULL);
	printf("exit %u, rung: %" PRIu64 "\n", fenced.exit_reason,
	       tiny_count(bell));
	tiny_destroy(&fenced.vm);
}

void scenario_seccomp(void)
{
	ring_fenced(SYS_write);
}

/* Asked first whether there could be a filter, as libseccomp does. */
void scenario_seccomp_mild(void)
{
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0);
	syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
		NULL);
	syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL);
	ring_fenced(SYS_reboot);
}

static struct kvm_run *page;
static int done;

static void on_stop(int sig)
{
	__atomic_store_n(&page->immediate_exit, 1, __ATOMIC_RELAXED);
}

static void *ring_on(void *arg)
{
	struct tiny_vm *vm = arg;

	while (!__atomic_load_n(&page->immediate_exit, __ATOMIC_RELAXED))
		tiny_check(!ioctl(vm->vcpu[0].fd, KVM_RUN, 0) || errno == EINTR,
			   "KVM_RUN");
	__atomic_store_n(&done, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void stop(pthread_t thread)
{
	while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
		pthread_kill(thread, SIGUSR1);
		usleep(1000);
	}
	pthread_join(thread, NULL);
}

static void wait_for_ring(int bell)
{
	while (!tiny_count(bell))
		usleep(100);
}

/* The VM's number goes at once, its vCPU's when it has left the guest. */
static void close_while_ringing(void)
{
	int bell = tiny_eventfd();
	struct tiny_vm vm;
	pthread_t thread;

	tiny_create(&vm, 1);
	tiny_check(!tiny_ioeventfd(vm.fd, bell, GUEST_MMIO, 4, 0, 0),
		   "KVM_IOEVENTFD");
	tiny_start(&vm, 0, &guest_forever, 0);
	page = vm.vcpu[0].run;
	done = 0;
	tiny_check(!pthread_create(&thread, NULL, ring_on, &vm), "thread");
	wait_for_ring(bell);
	close(vm.fd);
	vm.fd = -1;
	wait_for_ring(bell);
	stop(thread);
	tiny_destroy(&vm);
	close(bell);
}

void scenario_closed_while_ringing(void)
{
	struct sigaction action = {.sa_handler = on_stop};

	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < 10; i++)
		close_while_ringing();
	printf("closed\n");
}
