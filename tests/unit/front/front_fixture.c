// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/flags.h"
#include "front_fixture.h"
#include "vm/kvm.h"

static void attach_vcpu(struct front_fixture *f, unsigned int i,
			struct bf_front_vcpu **run)
{
	struct bf_vcpu *vcpu = f->vcpus[i].vcpu;

	assert_int_equal(bf_front_attach_vcpu(f->front, bf_vcpu_fd(vcpu),
					      bf_vcpu_page(vcpu), NULL, run),
			 0);
}

void front_setup(struct front_fixture *f, const struct bf_front_config *config)
{
	unsigned int i;

	if (!fixture_have_kvm())
		skip();
	f->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fixture_setup(&f->fixture, NULL);
	assert_int_equal(
		bf_front_attach(bf_vm_fd(f->fixture.vm), config, &f->front), 0);
	for (i = 0; i < FRONT_VCPUS; i++) {
		fixture_add_vcpu(&f->fixture, &f->vcpus[i], i);
		bf_vcpu_front(f->vcpus[i].vcpu); /* KVM_RUN is below */
		attach_vcpu(f, i, &f->runs[i]);
	}
	attach_vcpu(f, 0, &f->idle);
}

void front_teardown(struct front_fixture *f)
{
	unsigned int i;

	bf_front_detach_vcpu(f->idle);
	for (i = 0; i < FRONT_VCPUS; i++)
		bf_front_detach_vcpu(f->runs[i]);
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

void front_install(struct front_fixture *f)
{
	bf_front_before_run(f->idle);
}

/* Without bf_front_before_run(): the tests say when that is. */
static unsigned int run_until_halt(struct front_fixture *f,
				   struct fixture_vcpu *vcpu)
{
	struct bf_front_vcpu *run = f->runs[vcpu - f->vcpus];
	struct kvm_run *page = bf_vcpu_page(vcpu->vcpu);
	unsigned int unclaimed = 0;

	while (ioctl(bf_vcpu_fd(vcpu->vcpu), KVM_RUN, 0) == 0 &&
	       !bf_kvm_is_end(page))
		unclaimed += !bf_front_after_run(run, 0);
	return unclaimed;
}

struct writer_arg {
	struct front_fixture *f;
	struct writer *writer;
};

static struct writer_arg writer_args[FRONT_VCPUS];

static void *writer_thread(void *opaque)
{
	struct writer_arg *arg = opaque;
	struct writer *writer = arg->writer;

	set(&writer->started, 1);
	writer->unclaimed = run_until_halt(arg->f, writer->vcpu);
	return NULL;
}

void front_start_writers(struct front_fixture *f, unsigned int writes)
{
	unsigned int i;

	/* Boot all before one runs, because they share their page tables. */
	for (i = 0; i < FRONT_VCPUS; i++)
		fixture_boot(&f->vcpus[i], &guest_write_mmio4, FIXTURE_WINDOW,
			     writes, 1);
	for (i = 0; i < FRONT_VCPUS; i++) {
		f->writers[i] = (struct writer){.vcpu = &f->vcpus[i]};
		writer_args[i] = (struct writer_arg){f, &f->writers[i]};
		pthread_create(&f->writers[i].thread, NULL, writer_thread,
			       &writer_args[i]);
	}
	for (i = 0; i < FRONT_VCPUS; i++)
		wait_for(&f->writers[i].started, 1);
}

unsigned int front_join_writers(struct front_fixture *f)
{
	unsigned int unclaimed = 0, i;

	for (i = 0; i < FRONT_VCPUS; i++) {
		pthread_join(f->writers[i].thread, NULL);
		unclaimed += f->writers[i].unclaimed;
	}
	return unclaimed;
}

unsigned int front_write(struct front_fixture *f, unsigned int writes)
{
	fixture_boot(&f->vcpus[0], &guest_write_mmio4, FIXTURE_WINDOW, writes,
		     1);
	return run_until_halt(f, &f->vcpus[0]);
}

int front_zone(struct front_fixture *f, unsigned long request, uint64_t addr,
	       uint32_t size)
{
	struct kvm_coalesced_mmio_zone arg = {.addr = addr, .size = size};

	return bf_front_zone(f->front, request, &arg);
}

struct bf_front_stats front_stats(struct front_fixture *f)
{
	struct bf_front_stats stats;

	bf_front_get_stats(f->front, &stats);
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
