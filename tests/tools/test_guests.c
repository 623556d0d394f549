/* SPDX-License-Identifier: MIT */
/* Every ring of every guest program arrives, on each engine there is. */
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

#define MEMORY_SIZE 0x10000u
#define TABLES	    0x4000u
#define VALUES	    0x1000u
#define WINDOW	    0xd0000000ull
#define PORT	    0x510u
#define COUNT	    37u
#define VALUE	    0x8877665544332211ull

/* What the device at WINDOW and PORT has seen. */
struct bell {
	unsigned int rings;
	uint32_t len;
	uint64_t sum;
};

static int on_write(void *opaque, uint64_t offset, const void *data,
		    uint32_t len)
{
	struct bell *bell = opaque;
	uint64_t value = 0;

	memcpy(&value, data, len);
	bell->rings++;
	bell->len = len;
	bell->sum += value;
	return offset ? -EINVAL : 0;
}

static const struct bf_io_ops bell_ops = {.write = on_write};

struct machine {
	struct bf_vm *vm;
	struct bf_vcpu *vcpu;
	char *memory;
	struct bell bell;
};

static void add_bell(struct machine *m, uint16_t space, uint64_t addr)
{
	const struct bf_io_range_desc desc = {
		.addr = addr,
		.size = 8,
		.space = space,
		.name = "bell",
		.ops = &bell_ops,
		.opaque = &m->bell,
	};

	assert_int_equal(bf_io_add_range(bf_vm_bus(m->vm), &desc, NULL, NULL),
			 0);
}

/* Skips the test where the engine is not on this machine. */
static void make_machine(struct machine *m, enum bf_engine engine)
{
	const struct bf_vm_config config = {.engine = engine};
	struct kvm_userspace_memory_region region = {
		.memory_size = MEMORY_SIZE,
	};

	memset(m, 0, sizeof(*m));
	if (bf_vm_create(&m->vm, &config))
		skip();
	m->memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(m->memory, MAP_FAILED);
	region.userspace_addr = (uintptr_t)m->memory;
	assert_int_equal(bf_memslots_set(bf_vm_memslots(m->vm), &region), 0);
	assert_int_equal(bf_vcpu_create(m->vm, 0, &m->vcpu), 0);
	add_bell(m, BF_IO_MMIO, WINDOW);
	add_bell(m, BF_IO_PIO, PORT);
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
	const struct bf_vcpu_boot64 boot = {
		.args = {rdi, rsi, rdx, rcx},
		.page_tables = TABLES,
		.page_tables_hva = m->memory + TABLES,
	};

	memset(&m->bell, 0, sizeof(m->bell));
	memcpy(m->memory, guest->start, guest->size);
	assert_int_equal(bf_vcpu_boot64(m->vcpu, &boot), 0);
	assert_int_equal(bf_vcpu_run(m->vcpu), 0);
	if (bf_vcpu_page(m->vcpu)->exit_reason != KVM_EXIT_HLT)
		fail_msg("%s: exit %u", guest->name,
			 bf_vcpu_page(m->vcpu)->exit_reason);
}

static void check_rings(struct machine *m, const struct guest *guest,
			uint32_t len, uint64_t at)
{
	uint64_t mask = len < 8 ? (1ull << (8 * len)) - 1 : UINT64_MAX;

	run_guest(m, guest, at, COUNT, VALUE, 0);
	if (m->bell.rings != COUNT || m->bell.len != len ||
	    m->bell.sum != COUNT * (VALUE & mask))
		fail_msg("%s: %u rings of %u bytes, sum %#lx", guest->name,
			 m->bell.rings, m->bell.len, m->bell.sum);
	run_guest(m, guest, at, 0, VALUE, 0);
	assert_int_equal(m->bell.rings, 0);
}

static void check_single(struct machine *m)
{
	static const struct {
		const struct guest *guest;
		uint32_t len;
		bool mmio;
	} cases[] = {
		{&guest_ring_mmio1, 1, true}, {&guest_ring_mmio2, 2, true},
		{&guest_ring_mmio4, 4, true}, {&guest_ring_mmio8, 8, true},
		{&guest_ring_pio1, 1, false}, {&guest_ring_pio2, 2, false},
		{&guest_ring_pio4, 4, false},
	};
	uint64_t window = bf_vm_guest_addr(m->vm, WINDOW);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		check_rings(m, cases[i].guest, cases[i].len,
			    cases[i].mmio ? window : PORT);
}

/* Whole rounds of the values, and a part of one. */
static void check_string(struct machine *m)
{
	static const uint32_t values[] = {1, 10, 100};
	uint64_t at = bf_vm_guest_addr(m->vm, VALUES);

	memcpy(m->memory + VALUES, values, sizeof(values));
	run_guest(m, &guest_ring_pio_string, PORT, 8, at, 3);
	assert_int_equal(m->bell.rings, 8);
	assert_int_equal(m->bell.len, 4);
	assert_int_equal(m->bell.sum, 2 * 111 + 11);
	run_guest(m, &guest_ring_pio_string, PORT, 0, at, 3);
	assert_int_equal(m->bell.rings, 0);
}

static void check_engine(enum bf_engine engine)
{
	struct machine m;

	make_machine(&m, engine);
	check_single(&m);
	check_string(&m);
	end_machine(&m);
}

static void test_trap(void **state)
{
	(void)state;
	check_engine(BF_ENGINE_TRAP);
}

static void test_kvm(void **state)
{
	(void)state;
	check_engine(BF_ENGINE_KVM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trap),
		cmocka_unit_test(test_kvm),
	};

	return cmocka_run_group_tests_name("guests", tests, NULL, NULL);
}
