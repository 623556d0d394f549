/* SPDX-License-Identifier: MIT */
/* VMMs with a coalesced zone. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "testvmm.h"

#define WRITES 3000u

/* The guest writes WRITES, WRITES - 1, ... 1. */
struct order {
	uint32_t next;
	unsigned int wrong;
};

static void check_value(struct order *order, const void *data)
{
	uint32_t value;

	memcpy(&value, data, sizeof(value));
	order->wrong += value != order->next;
	order->next = value - 1;
}

static struct kvm_coalesced_mmio_ring *find_ring(struct testvmm *vm)
{
	int page = ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO);

	testvmm_check(page > 0, "KVM_CAP_COALESCED_MMIO");
	return (void *)((char *)vm->vcpu[0].run + page * sysconf(_SC_PAGESIZE));
}

/* KVM's interface asks for it before each exit is handled. */
static void empty_ring(struct kvm_coalesced_mmio_ring *ring,
		       struct order *order)
{
	const uint32_t slots =
		((uint32_t)sysconf(_SC_PAGESIZE) - (uint32_t)sizeof(*ring)) /
		(uint32_t)sizeof(ring->coalesced_mmio[0]);

	while (ring->first != ring->last) {
		check_value(order, ring->coalesced_mmio[ring->first].data);
		ring->first = (ring->first + 1) % slots;
	}
}

static void run_in_order(struct testvmm *vm, struct order *order)
{
	struct kvm_coalesced_mmio_ring *ring = find_ring(vm);
	struct kvm_run *run = vm->vcpu[0].run;

	*order = (struct order){.next = WRITES};
	testvmm_start(vm, 0, &guest_count, WRITES);
	do {
		testvmm_check(!ioctl(vm->vcpu[0].fd, KVM_RUN, 0), "KVM_RUN");
		empty_ring(ring, order);
		if (run->exit_reason == KVM_EXIT_MMIO)
			check_value(order, run->mmio.data);
	} while (run->exit_reason == KVM_EXIT_MMIO);
	printf("exit %u, wrong: %u, left: %u\n", run->exit_reason, order->wrong,
	       order->next);
}

void scenario_zone_order(void)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = GUEST_MMIO,
		.size = 0x100,
	};
	struct order order;
	struct testvmm vm;

	testvmm_create(&vm, 1);
	for (int i = 0; i < 4; i++) {
		testvmm_check(!ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO, &zone),
			      "KVM_REGISTER_COALESCED_MMIO");
		run_in_order(&vm, &order);
		testvmm_check(!ioctl(vm.fd, KVM_UNREGISTER_COALESCED_MMIO,
				     &zone),
			      "KVM_UNREGISTER_COALESCED_MMIO");
	}
	testvmm_destroy(&vm);
}

/* A VMM that reads the ring directly after the guest wrote. */
void scenario_zone_ring(void)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = GUEST_MMIO,
		.size = 0x100,
	};
	struct kvm_coalesced_mmio_ring *ring;
	struct testvmm vm;

	testvmm_create(&vm, 1);
	ring = find_ring(&vm);
	testvmm_check(!ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO, &zone),
		      "KVM_REGISTER_COALESCED_MMIO");
	testvmm_start(&vm, 0, &guest_count, 3);
	testvmm_run(&vm, 0);
	printf("in the ring: %u\n", ring->last - ring->first);
	testvmm_destroy(&vm);
}
