/* SPDX-License-Identifier: MIT */
/* VMMs that stop a vCPU while it rings. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tiny_vmm.h"

static struct kvm_run *kicked;
static int flag, seen;

static void on_kick(int sig)
{
	__atomic_store_n(&kicked->immediate_exit, 1, __ATOMIC_RELAXED);
}

static void on_kick_of_flag(int sig)
{
	__atomic_store_n(&flag, 1, __ATOMIC_RELAXED);
}

struct kick {
	pthread_t target;
	useconds_t delay;
};

static void *kick(void *arg)
{
	struct kick *kick = arg;

	usleep(kick->delay);
	pthread_kill(kick->target, SIGUSR1);
	return NULL;
}

static void begin(struct tiny_vm *vm, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler};

	tiny_create(vm, 1);
	kicked = vm->vcpu[0].run;
	sigaction(SIGUSR1, &action, NULL);
}

static void use_immediate_exit(struct tiny_vm *vm)
{
	tiny_check(ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_IMMEDIATE_EXIT) >
			   0,
		   "KVM_CAP_IMMEDIATE_EXIT");
}

/* A vCPU that rings without end in user space can be stopped, and go on. */
void scenario_kick(void)
{
	struct kick arg = {.target = pthread_self(), .delay = 20000};
	pthread_t kicker;
	struct tiny_vm vm;
	int bell, ret;

	begin(&vm, on_kick);
	use_immediate_exit(&vm);
	tiny_fill_bus(vm.fd);
	bell = tiny_eventfd();
	printf("assign: %s\n", strerrorname_np(tiny_ioeventfd(
				       vm.fd, bell, GUEST_MMIO, 4, 0, 0)));
	tiny_start(&vm, 0, &guest_forever, 0);
	for (int i = 0; i < 5; i++) {
		kicked->immediate_exit = 0;
		pthread_create(&kicker, NULL, kick, &arg);
		ret = ioctl(vm.vcpu[0].fd, KVM_RUN, 0);
		printf("kicked: %d %s\n", ret, strerrorname_np(errno));
		pthread_join(kicker, NULL);
	}
	printf("rung: %d\n", tiny_count(bell) > 0);
	tiny_destroy(&vm);
}

/* Again and again: one that comes just before KVM_RUN is the VMM's to lose. */
static void *kick_until_seen(void *arg)
{
	struct kick *kick = arg;

	do {
		usleep(kick->delay);
		pthread_kill(kick->target, SIGUSR1);
	} while (!__atomic_load_n(&seen, __ATOMIC_RELAXED));
	return NULL;
}

static void run_until_flag(struct tiny_vm *vm)
{
	while (!__atomic_load_n(&flag, __ATOMIC_RELAXED)) {
		int ret = ioctl(vm->vcpu[0].fd, KVM_RUN, 0);

		tiny_check(!ret || errno == EINTR, "KVM_RUN");
		if (ret && vm->vcpu[0].run->exit_reason != KVM_EXIT_INTR)
			printf("EINTR with exit %u\n",
			       vm->vcpu[0].run->exit_reason);
	}
}

/* Kicks find the vCPU at any place, in the guest or not. */
void scenario_kick_flag(void)
{
	struct kick arg = {.target = pthread_self()};
	pthread_t kicker;
	struct tiny_vm vm;
	int bell;

	begin(&vm, on_kick_of_flag);
	bell = tiny_eventfd();
	tiny_check(!tiny_ioeventfd(vm.fd, bell, GUEST_MMIO, 4, 0, 0),
		   "KVM_IOEVENTFD");
	tiny_start(&vm, 0, &guest_forever, 0);
	for (unsigned int i = 0; i < 30; i++) {
		flag = seen = 0;
		arg.delay = 500 + i * 7;
		pthread_create(&kicker, NULL, kick_until_seen, &arg);
		run_until_flag(&vm);
		__atomic_store_n(&seen, 1, __ATOMIC_RELAXED);
		pthread_join(kicker, NULL);
	}
	printf("stopped, rung: %d\n", tiny_count(bell) > 0);
	tiny_destroy(&vm);
}

/* Behind the store, ahead of the DECL, one ring more than ECX says is done. */
static int is_consistent(struct tiny_vm *vm, uint64_t total, uint64_t rung)
{
	const uint64_t store_end = GUEST_CODE + 10;
	struct kvm_regs regs;

	tiny_check(!ioctl(vm->vcpu[0].fd, KVM_GET_REGS, &regs), "KVM_GET_REGS");
	return rung == total - regs.rcx + (regs.rip == store_end);
}

void scenario_kick_regs(void)
{
	const uint32_t total = UINT32_MAX; /* more than it gets to */
	struct kick arg = {.target = pthread_self(), .delay = 300};
	unsigned int consistent = 0, stops = 0;
	pthread_t kicker;
	struct tiny_vm vm;
	uint64_t rung = 0;
	int bell;

	begin(&vm, on_kick);
	use_immediate_exit(&vm);
	bell = tiny_eventfd();
	tiny_check(!tiny_ioeventfd(vm.fd, bell, GUEST_MMIO, 4, 0, 0),
		   "KVM_IOEVENTFD");
	tiny_start(&vm, 0, &guest_count, total);
	for (; stops < 20; stops++) {
		kicked->immediate_exit = 0;
		pthread_create(&kicker, NULL, kick, &arg);
		tiny_check(ioctl(vm.vcpu[0].fd, KVM_RUN, 0) == -1, "no kick");
		pthread_join(kicker, NULL);
		rung += tiny_count(bell);
		consistent += is_consistent(&vm, total, rung);
	}
	printf("%u stops, %u consistent\n", stops, consistent);
	tiny_destroy(&vm);
}
