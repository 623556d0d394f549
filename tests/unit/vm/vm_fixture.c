// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "vm_fixture.h"

#define MEMORY_SIZE 0x20000UL
#define PAGE_TABLES 0x0UL
#define PROGRAMS    0x8000UL /* GUEST_AREA */
#define VALUES	    0x10000UL

bool fixture_have_kvm(void)
{
	struct bf_vm *vm;

	if (bf_vm_create(NULL, &vm))
		return false;
	bf_vm_destroy(vm);
	return true;
}

void fixture_setup(struct fixture *fixture, const struct bf_vm_config *config)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = MEMORY_SIZE,
	};

	fixture->memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(fixture->memory, MAP_FAILED);
	region.userspace_addr = (uintptr_t)fixture->memory;
	assert_int_equal(bf_vm_create(config, &fixture->vm), 0);
	assert_int_equal(bf_memslots_set(bf_vm_memslots(fixture->vm), &region),
			 0);
}

void fixture_teardown(struct fixture *fixture)
{
	bf_vm_destroy(fixture->vm);
	munmap(fixture->memory, MEMORY_SIZE);
}

uint32_t *fixture_values(struct fixture *fixture)
{
	return (uint32_t *)(void *)(fixture->memory + VALUES);
}

void fixture_add_vcpu(struct fixture *fixture, struct fixture_vcpu *vcpu,
		      unsigned int id)
{
	vcpu->fixture = fixture;
	assert_int_equal(bf_vcpu_create(fixture->vm, id, &vcpu->vcpu), 0);
}

static uint64_t place_program(struct fixture *fixture,
			      const struct guest *guest)
{
	uint64_t gpa = PROGRAMS + guest_offset(guest);

	guest_place(guest, fixture->memory + gpa);
	return gpa;
}

void fixture_boot(struct fixture_vcpu *vcpu, const struct guest *guest,
		  uint64_t target, uint64_t writes, uint64_t value)
{
	struct fixture *fixture = vcpu->fixture;
	const bool is_port = target < 0x10000;
	struct bf_vcpu_boot64_desc boot = {
		.rip = place_program(fixture, guest),
		.args = {is_port ? target :
				   bf_vm_guest_addr(fixture->vm, target),
			 writes, value, FIXTURE_VALUES},
		.page_tables = PAGE_TABLES,
		.page_tables_hva = fixture->memory + PAGE_TABLES,
	};

	if (guest == &guest_write_pio_string)
		boot.args[2] = bf_vm_guest_addr(fixture->vm, VALUES);
	assert_int_equal(bf_vcpu_boot64(vcpu->vcpu, &boot), 0);
}

unsigned int fixture_run(struct fixture_vcpu *vcpu)
{
	assert_int_equal(bf_vcpu_run(vcpu->vcpu), 0);
	return bf_vcpu_page(vcpu->vcpu)->exit_reason;
}

static void *run_thread(void *arg)
{
	struct fixture_vcpu *vcpu = arg;

	do {
		vcpu->ret = bf_vcpu_run(vcpu->vcpu);
	} while (!vcpu->ret &&
		 bf_vcpu_page(vcpu->vcpu)->exit_reason != KVM_EXIT_HLT);
	return NULL;
}

void fixture_start(struct fixture_vcpu *vcpu)
{
	assert_int_equal(pthread_create(&vcpu->thread, NULL, run_thread, vcpu),
			 0);
}

void fixture_join(struct fixture_vcpu *vcpu)
{
	pthread_join(vcpu->thread, NULL);
	assert_int_equal(vcpu->ret, 0);
}
