// SPDX-License-Identifier: MIT
/* A VM for each test, with a guest that writes to its doorbells. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "testing/trap/optional.h"
#include "vm_guest_fixture.h"

int efd;
struct fixture fixture;
struct fixture_vcpu vcpu;

static int setup_engine(const struct bf_vm_config *config)
{
	efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fixture_setup(&fixture, config);
	fixture_add_vcpu(&fixture, &vcpu, 0);
	return 0;
}

int vm_setup_kvm(void **state)
{
	static const struct bf_vm_config config = {
		.policy = BF_POLICY_FIRST_RUN,
	};

	fixture.vm = NULL;
	return fixture_have_kvm() ? setup_engine(&config) : 0;
}

int vm_setup_trap(void **state)
{
	const struct bf_vm_config config = {.engine = trap_engine};

	fixture.vm = NULL;
	return trap_engine ? setup_engine(&config) : 0;
}

int vm_teardown(void **state)
{
	if (!fixture.vm)
		return 0;
	bf_vcpu_destroy(vcpu.vcpu);
	fixture_teardown(&fixture);
	close(efd);
	return 0;
}

void need_vm(void)
{
	if (!fixture.vm)
		skip();
}

void need_ports(void)
{
	need_vm();
	if (!guest_write_pio4.size)
		skip();
}

uint64_t taken(void)
{
	uint64_t count = 0;

	return read(efd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

struct kvm_ioeventfd doorbell(uint64_t addr, uint32_t len, uint32_t flags)
{
	return (struct kvm_ioeventfd){
		.addr = addr,
		.len = len,
		.fd = efd,
		.flags = flags,
	};
}

int assign(uint64_t addr, uint32_t len, uint32_t flags)
{
	struct kvm_ioeventfd arg = doorbell(addr, len, flags);

	return bf_front_ioeventfd(bf_vm_front(fixture.vm), &arg);
}

void guest_write(const struct guest *guest, uint64_t target, uint64_t writes,
		 uint64_t value)
{
	fixture_boot(&vcpu, guest, target, writes, value);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_HLT);
}

static int add_up(void *opaque, uint64_t offset,
		  const struct bf_io_access *access)
{
	struct adder *adder = opaque;
	uint32_t value = 0;

	memcpy(&value, access->data, access->len < 4 ? access->len : 4);
	__atomic_fetch_add(&adder->sum, value, __ATOMIC_RELAXED);
	__atomic_fetch_add(&adder->writes, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&adder->source, access->source, __ATOMIC_RELAXED);
	return 0;
}

uint64_t adder_writes(const struct adder *adder)
{
	return __atomic_load_n(&adder->writes, __ATOMIC_RELAXED);
}

static const struct bf_io_ops adder_ops = {.write = add_up};

void add_adder(struct adder *adder, uint16_t space, uint64_t addr)
{
	const struct bf_io_range_desc desc = {
		.addr = addr,
		.size = 16,
		.space = space,
		.name = "adder",
		.ops = &adder_ops,
		.opaque = adder,
	};

	assert_int_equal(
		bf_io_add_range(bf_vm_bus(fixture.vm), &desc, NULL, NULL), 0);
}
