/* SPDX-License-Identifier: MIT */
/* A VMM that is never done, for somebody to kill it. */
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tiny_vmm.h"

#define RINGS	 400u
#define CHANGES	 20u
#define OTHER(n) (GUEST_MMIO + 8 * (1 + (n)))

static void *ring(void *arg)
{
	const struct tiny_vcpu *vcpu = arg;

	while (!ioctl(vcpu->fd, KVM_RUN, 0) &&
	       vcpu->run->exit_reason != KVM_EXIT_HLT)
		;
	return NULL;
}

static void set_second_slot(const struct tiny_vm *vm, uint64_t size)
{
	const struct kvm_userspace_memory_region region = {
		.slot = 1,
		.guest_phys_addr = 0x100000,
		.memory_size = size,
		.userspace_addr = (uintptr_t)vm->memory,
	};

	tiny_check(!ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region),
		   "KVM_SET_USER_MEMORY_REGION");
}

static void set_zone(const struct tiny_vm *vm, unsigned long request)
{
	struct kvm_coalesced_mmio_zone zone = {.addr = 0x40000, .size = 0x1000};

	tiny_check(!ioctl(vm->fd, request, &zone), "zone");
}

static void change(const struct tiny_vm *vm, int bell)
{
	for (unsigned int i = 0; i < CHANGES; i++)
		tiny_ioeventfd(vm->fd, bell, OTHER(i), 4, 0, 0);
	set_second_slot(vm, GUEST_MEMORY);
	set_zone(vm, KVM_REGISTER_COALESCED_MMIO);
	for (unsigned int i = 0; i < CHANGES; i++)
		tiny_ioeventfd(vm->fd, bell, OTHER(i), 4,
			       KVM_IOEVENTFD_FLAG_DEASSIGN, 0);
	set_zone(vm, KVM_UNREGISTER_COALESCED_MMIO);
	set_second_slot(vm, 0);
}

static void live_once(void)
{
	int bell = tiny_eventfd();
	pthread_t threads[2];
	struct tiny_vm vm;

	tiny_create(&vm, 2);
	tiny_ioeventfd(vm.fd, bell, GUEST_MMIO, 4, 0, 0);
	for (unsigned int i = 0; i < 2; i++) {
		tiny_start(&vm, i, &guest_count, RINGS);
		tiny_check(!pthread_create(&threads[i], NULL, ring,
					   &vm.vcpu[i]),
			   "pthread_create");
	}
	change(&vm, bell);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	tiny_check(tiny_count(bell) == 2 * RINGS, "rings");
	tiny_destroy(&vm);
	close(bell);
}

void scenario_busy(void)
{
	for (;;) {
		live_once();
		printf("lived\n");
	}
}
