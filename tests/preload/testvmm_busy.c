/* SPDX-License-Identifier: MIT */
/* A VMM that creates, runs and destroys VMs without end; a test kills it. */
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "testvmm.h"

#define SIGNALS	 400u
#define CHANGES	 20u
#define OTHER(n) (GUEST_MMIO + 8 * (1 + (n)))

static void *run_vcpu(void *arg)
{
	const struct testvmm_vcpu *vcpu = arg;

	while (!ioctl(vcpu->fd, KVM_RUN, 0) &&
	       vcpu->run->exit_reason != GUEST_END)
		;
	return NULL;
}

static void set_zone(const struct testvmm *vm, unsigned long request)
{
	struct kvm_coalesced_mmio_zone zone = {.addr = 0x40000, .size = 0x1000};

	testvmm_check(!ioctl(vm->fd, request, &zone), "zone");
}

static void change_vm(const struct testvmm *vm, int efd)
{
	for (unsigned int i = 0; i < CHANGES; i++)
		testvmm_ioeventfd(vm->fd, efd, OTHER(i), 4, 0, 0);
	testvmm_set_second_slot(vm, GUEST_MEMORY);
	set_zone(vm, KVM_REGISTER_COALESCED_MMIO);
	for (unsigned int i = 0; i < CHANGES; i++)
		testvmm_ioeventfd(vm->fd, efd, OTHER(i), 4,
				  KVM_IOEVENTFD_FLAG_DEASSIGN, 0);
	set_zone(vm, KVM_UNREGISTER_COALESCED_MMIO);
	testvmm_set_second_slot(vm, 0);
}

static void run_vm_once(void)
{
	int efd = testvmm_eventfd();
	pthread_t threads[2];
	struct testvmm vm;

	testvmm_create(&vm, 2);
	testvmm_ioeventfd(vm.fd, efd, GUEST_MMIO, 4, 0, 0);
	for (unsigned int i = 0; i < 2; i++) {
		testvmm_start(&vm, i, &guest_count, SIGNALS);
		testvmm_check(!pthread_create(&threads[i], NULL, run_vcpu,
					      &vm.vcpu[i]),
			      "pthread_create");
	}
	change_vm(&vm, efd);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	testvmm_check(testvmm_read_count(efd) == 2 * SIGNALS, "signals");
	testvmm_destroy(&vm);
	close(efd);
}

void scenario_busy(void)
{
	for (;;) {
		run_vm_once();
		printf("done\n");
	}
}
