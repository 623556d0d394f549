/* SPDX-License-Identifier: MIT */
/* Each write of each guest program arrives, on each engine of this machine. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "belfry/vm.h"
#include "guests/guests.h"
#include "base/util.h"
#include "testing/trap/optional.h"

#define MEMORY_SIZE 0x10000u
#define PROGRAMS    0x0u /* GUEST_AREA */
#define TABLES	    0x4000u
#define VALUES	    0x3000u
#define WINDOW	    0xd0000000ull
#define PORT	    0x510u
#define COUNT	    37u
#define VALUE	    0x8877665544332211ull

/* Writes that reached the device at WINDOW and PORT. */
struct device {
	unsigned int writes;
	uint32_t len;
	uint64_t sum;
};

static int on_write(void *opaque, uint64_t offset,
		    const struct bf_io_access *access)
{
	struct device *device = opaque;
	uint64_t value = 0;

	memcpy(&value, access->data, access->len);
	device->writes++;
	device->len = access->len;
	device->sum += value;
	return offset ? -EINVAL : 0;
}

static const struct bf_io_ops device_ops = {.write = on_write};

struct machine {
	struct bf_vm *vm;
	struct bf_vcpu *vcpu;
	char *memory;
	struct device device;
};

static void add_device(struct machine *m, uint16_t space, uint64_t addr)
{
	const struct bf_io_range_desc desc = {
		.addr = addr,
		.size = 8,
		.space = space,
		.name = "device",
		.ops = &device_ops,
		.opaque = &m->device,
	};

	assert_int_equal(bf_io_add_range(bf_vm_bus(m->vm), &desc, NULL, NULL),
			 0);
}

/* Skips the test if this machine does not have the engine. */
static void make_machine(struct machine *m, const struct bf_engine_ops *engine)
{
	const struct bf_vm_config config = {.engine = engine};
	struct kvm_userspace_memory_region region = {
		.memory_size = MEMORY_SIZE,
	};

	memset(m, 0, sizeof(*m));
	if (bf_vm_create(&config, &m->vm))
		skip();
	m->memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(m->memory, MAP_FAILED);
	region.userspace_addr = (uintptr_t)m->memory;
	assert_int_equal(bf_memslots_set(bf_vm_memslots(m->vm), &region), 0);
	assert_int_equal(bf_vcpu_create(m->vm, 0, &m->vcpu), 0);
	add_device(m, BF_IO_MMIO, WINDOW);
	add_device(m, BF_IO_PIO, PORT);
}

static void end_machine(struct machine *m)
{
	bf_vcpu_destroy(m->vcpu);
	bf_vm_destroy(m->vm);
	munmap(m->memory, MEMORY_SIZE);
}

static void run_guest(struct machine *m, const struct guest *guest,
		      uint64_t rdi, uint64_t rsi, uint64_t rdx, uint64_t rcx)
{
	const struct bf_vcpu_boot64_desc boot = {
		.rip = PROGRAMS + guest_offset(guest),
		.args = {rdi, rsi, rdx, rcx},
		.page_tables = TABLES,
		.page_tables_hva = m->memory + TABLES,
	};

	memset(&m->device, 0, sizeof(m->device));
	guest_place(guest, m->memory + boot.rip);
	assert_int_equal(bf_vcpu_boot64(m->vcpu, &boot), 0);
	assert_int_equal(bf_vcpu_run(m->vcpu), 0);
	if (bf_vcpu_page(m->vcpu)->exit_reason != KVM_EXIT_HLT)
		fail_msg("%s: exit %u", guest->name,
			 bf_vcpu_page(m->vcpu)->exit_reason);
}

static void check_writes(struct machine *m, const struct guest *guest,
			 uint32_t len, uint64_t at)
{
	uint64_t mask = len < 8 ? (1ull << (8 * len)) - 1 : UINT64_MAX;

	run_guest(m, guest, at, COUNT, VALUE, 0);
	if (m->device.writes != COUNT || m->device.len != len ||
	    m->device.sum != COUNT * (VALUE & mask))
		fail_msg("%s: %u writes of %u bytes, sum %#lx", guest->name,
			 m->device.writes, m->device.len, m->device.sum);
	run_guest(m, guest, at, 0, VALUE, 0);
	assert_int_equal(m->device.writes, 0);
}

static void check_single(struct machine *m)
{
	static const struct {
		const struct guest *guest;
		uint32_t len;
		bool mmio;
	} cases[] = {
		{&guest_write_mmio1, 1, true}, {&guest_write_mmio2, 2, true},
		{&guest_write_mmio4, 4, true}, {&guest_write_mmio8, 8, true},
		{&guest_write_pio1, 1, false}, {&guest_write_pio2, 2, false},
		{&guest_write_pio4, 4, false},
	};
	uint64_t window = bf_vm_guest_addr(m->vm, WINDOW);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases) && cases[i].guest->size; i++)
		check_writes(m, cases[i].guest, cases[i].len,
			     cases[i].mmio ? window : PORT);
}

/* Two rounds of the three values and two thirds of a third round. */
static void check_string(struct machine *m)
{
	static const uint32_t values[] = {1, 10, 100};
	uint64_t at = bf_vm_guest_addr(m->vm, VALUES);

	memcpy(m->memory + VALUES, values, sizeof(values));
	run_guest(m, &guest_write_pio_string, PORT, 8, at, 3);
	assert_int_equal(m->device.writes, 8);
	assert_int_equal(m->device.len, 4);
	assert_int_equal(m->device.sum, 2 * 111 + 11);
	run_guest(m, &guest_write_pio_string, PORT, 0, at, 3);
	assert_int_equal(m->device.writes, 0);
}

static void check_engine(const struct bf_engine_ops *engine)
{
	struct machine m;

	make_machine(&m, engine);
	check_single(&m);
	if (guest_write_pio_string.size)
		check_string(&m);
	end_machine(&m);
}

static void test_writes_arrive_with_trap_engine(void **state)
{
	(void)state;
	if (!trap_engine)
		skip();
	check_engine(trap_engine);
}

static void test_writes_arrive_with_kvm(void **state)
{
	(void)state;
	check_engine(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writes_arrive_with_trap_engine),
		cmocka_unit_test(test_writes_arrive_with_kvm),
	};

	return cmocka_run_group_tests_name("guests", tests, NULL, NULL);
}
