/* SPDX-License-Identifier: MIT */
/* VMMs for the tests of recordings. */
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "testvmm.h"

enum { THREADS = 80, CALLS = 200 };

static void *make_calls(void *arg)
{
	const struct testvmm *vm = arg;

	for (int i = 0; i < CALLS; i++)
		ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD);
	return NULL;
}

void scenario_many_threads(void)
{
	pthread_t threads[THREADS];
	struct testvmm vm;

	testvmm_create(&vm, 1);
	for (int i = 0; i < THREADS; i++)
		testvmm_check(!pthread_create(&threads[i], NULL, make_calls,
					      &vm),
			      "thread");
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	testvmm_destroy(&vm);
}

/* The memory slot waits for the grace period of the interrupt controller. */
void scenario_irqchip(void)
{
	struct kvm_userspace_memory_region region = {
		.slot = 1,
		.guest_phys_addr = 0x100000,
		.memory_size = GUEST_MEMORY,
	};
	struct testvmm vm;

	testvmm_create(&vm, 0);
	testvmm_add_irqchip(&vm);
	region.userspace_addr = (uintptr_t)vm.memory;
	testvmm_check(!ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION, &region),
		      "KVM_SET_USER_MEMORY_REGION");
	testvmm_destroy(&vm);
}

/* Deassigns its doorbells; then dies without an exit. */
void scenario_deassigned(void)
{
	struct testvmm vm;
	int efd;

	testvmm_create(&vm, 1);
	efd = testvmm_eventfd();
	for (uint64_t match = 0; match < 3; match++) {
		testvmm_check(!testvmm_ioeventfd(vm.fd, efd, GUEST_MMIO, 4,
						 KVM_IOEVENTFD_FLAG_DATAMATCH,
						 match),
			      "KVM_IOEVENTFD");
		testvmm_check(
			!testvmm_ioeventfd(vm.fd, efd, GUEST_MMIO, 4,
					   KVM_IOEVENTFD_FLAG_DATAMATCH |
						   KVM_IOEVENTFD_FLAG_DEASSIGN,
					   match),
			"KVM_IOEVENTFD");
	}
	raise(SIGKILL);
}
