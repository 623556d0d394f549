/* SPDX-License-Identifier: MIT */
/* VMMs that a recording has much to tell of. */
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "tiny_vmm.h"

enum { THREADS = 80, CALLS = 200 };

static void *ask(void *arg)
{
	const struct tiny_vm *vm = arg;

	for (int i = 0; i < CALLS; i++)
		ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD);
	return NULL;
}

void scenario_many_threads(void)
{
	pthread_t threads[THREADS];
	struct tiny_vm vm;

	tiny_create(&vm, 1);
	for (int i = 0; i < THREADS; i++)
		tiny_check(!pthread_create(&threads[i], NULL, ask, &vm),
			   "thread");
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	tiny_destroy(&vm);
}

/* Its debt is nobody's but the kernel's own. */
void scenario_irqchip(void)
{
	struct kvm_userspace_memory_region region = {
		.slot = 1,
		.guest_phys_addr = 0x100000,
		.memory_size = GUEST_MEMORY,
	};
	struct tiny_vm vm;

	tiny_create(&vm, 0);
	tiny_check(!ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	region.userspace_addr = (uintptr_t)vm.memory;
	tiny_check(!ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION, &region),
		   "KVM_SET_USER_MEMORY_REGION");
	tiny_destroy(&vm);
}

/* Takes its doorbells back; then is killed inside the guest. */
void scenario_taken_back(void)
{
	struct tiny_vm vm;
	int bell;

	tiny_create(&vm, 1);
	bell = tiny_eventfd();
	for (uint64_t match = 0; match < 3; match++) {
		tiny_check(!tiny_ioeventfd(vm.fd, bell, GUEST_MMIO, 4,
					   KVM_IOEVENTFD_FLAG_DATAMATCH, match),
			   "KVM_IOEVENTFD");
		tiny_check(!tiny_ioeventfd(vm.fd, bell, GUEST_MMIO, 4,
					   KVM_IOEVENTFD_FLAG_DATAMATCH |
						   KVM_IOEVENTFD_FLAG_DEASSIGN,
					   match),
			   "KVM_IOEVENTFD");
	}
	raise(SIGKILL);
}
