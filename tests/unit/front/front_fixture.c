// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/flags.h"
#include "front_fixture.h"

void front_setup(struct front_fixture *f, const struct bf_front_config *config)
{
	unsigned int i;

	if (!fixture_have_kvm())
		skip();
	f->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fixture_setup(&f->fixture, NULL);
	for (i = 0; i < FRONT_VCPUS; i++)
		fixture_add_vcpu(&f->fixture, &f->vcpus[i], i);
	assert_int_equal(bf_front_create(&f->front, bf_vm_fd(f->fixture.vm),
					 config, NULL),
			 0);
}

void front_teardown(struct front_fixture *f)
{
	unsigned int i;

	bf_front_destroy(f->front);
	for (i = 0; i < FRONT_VCPUS; i++)
		bf_vcpu_destroy(f->vcpus[i].vcpu);
	fixture_teardown(&f->fixture);
	close(f->efd);
}

struct kvm_ioeventfd front_doorbell(const struct front_fixture *f,
				    uint32_t flags)
{
	return (struct kvm_ioeventfd){
		.addr = FIXTURE_WINDOW,
		.len = 4,
		.fd = f->efd,
		.flags = flags,
	};
}

void front_assign(struct front_fixture *f)
{
	struct kvm_ioeventfd arg = front_doorbell(f, 0);

	assert_int_equal(bf_front_ioeventfd(f->front, &arg), 0);
}

void front_deassign(struct front_fixture *f)
{
	struct kvm_ioeventfd arg =
		front_doorbell(f, KVM_IOEVENTFD_FLAG_DEASSIGN);

	assert_int_equal(bf_front_ioeventfd(f->front, &arg), 0);
}

uint64_t front_taken(int efd)
{
	uint64_t count = 0;

	return read(efd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static unsigned int ring_to_the_end(struct front_fixture *f,
				    struct fixture_vcpu *vcpu)
{
	struct kvm_run *page = bf_vcpu_page(vcpu->vcpu);
	unsigned int leaked = 0;

	while (ioctl(bf_vcpu_fd(vcpu->vcpu), KVM_RUN, 0) == 0 &&
	       page->exit_reason != KVM_EXIT_HLT)
		leaked += !bf_front_exit(f->front, page);
	return leaked;
}

struct ringer_arg {
	struct front_fixture *f;
	struct ringer *ringer;
};

static struct ringer_arg ringer_args[FRONT_VCPUS];

static void *ringer_thread(void *opaque)
{
	struct ringer_arg *arg = opaque;
	struct ringer *ringer = arg->ringer;

	set(&ringer->started, 1);
	ringer->leaked = ring_to_the_end(arg->f, ringer->vcpu);
	return NULL;
}

void front_start_ringing(struct front_fixture *f, unsigned int rings)
{
	unsigned int i;

	/* All before one runs: they share their page tables. */
	for (i = 0; i < FRONT_VCPUS; i++)
		fixture_boot(&f->vcpus[i], &guest_ring_mmio4, FIXTURE_WINDOW,
			     rings, 1);
	for (i = 0; i < FRONT_VCPUS; i++) {
		f->ringers[i] = (struct ringer){.vcpu = &f->vcpus[i]};
		ringer_args[i] = (struct ringer_arg){f, &f->ringers[i]};
		pthread_create(&f->ringers[i].thread, NULL, ringer_thread,
			       &ringer_args[i]);
	}
	for (i = 0; i < FRONT_VCPUS; i++)
		wait_for(&f->ringers[i].started, 1);
}

unsigned int front_join_ringers(struct front_fixture *f)
{
	unsigned int leaked = 0, i;

	for (i = 0; i < FRONT_VCPUS; i++) {
		pthread_join(f->ringers[i].thread, NULL);
		leaked += f->ringers[i].leaked;
	}
	return leaked;
}

unsigned int front_ring(struct front_fixture *f, unsigned int rings)
{
	fixture_boot(&f->vcpus[0], &guest_ring_mmio4, FIXTURE_WINDOW, rings, 1);
	return ring_to_the_end(f, &f->vcpus[0]);
}

int front_zone(struct front_fixture *f, unsigned long request, uint64_t addr,
	       uint32_t size)
{
	struct kvm_coalesced_mmio_zone arg = {.addr = addr, .size = size};

	return bf_front_zone(f->front, request, &arg);
}

struct bf_vm_stats front_stats(struct front_fixture *f)
{
	struct bf_vm_stats stats;

	bf_front_stats(f->front, &stats);
	return stats;
}

void front_wait_installed(struct front_fixture *f, uint64_t count)
{
	while (front_stats(f).installed < count)
		usleep(500);
}

void front_wait_zones_installed(struct front_fixture *f, uint64_t count)
{
	while (front_stats(f).zones_installed < count)
		usleep(500);
}
