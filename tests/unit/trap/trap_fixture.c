/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "trap_fixture.h"

static void log_text(struct machine *m, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void log_text(struct machine *m, const char *format, ...)
{
	size_t used = strlen(m->log);
	va_list args;

	va_start(args, format);
	vsnprintf(m->log + used, sizeof(m->log) - used, format, args);
	va_end(args);
}

static void device_mmio(struct machine *m, struct kvm_run *run)
{
	uint64_t offset = run->mmio.phys_addr - WINDOW_GPA;
	uint32_t len = run->mmio.len;

	log_text(m, "%s%c%u@%llx", m->log[0] ? " " : "",
		 run->mmio.is_write ? 'w' : 'r', len,
		 (unsigned long long)offset);
	if (offset > WINDOW_SIZE || len > WINDOW_SIZE - offset) {
		log_text(m, "!");
		return;
	}
	if (run->mmio.is_write)
		memcpy(m->device + offset, run->mmio.data, len);
	else
		memcpy(run->mmio.data, m->device + offset, len);
}

static void device_io(struct machine *m, struct kvm_run *run)
{
	char *data = (char *)run + run->io.data_offset;
	bool out = run->io.direction == KVM_EXIT_IO_OUT;
	uint32_t size = run->io.size;
	uint32_t i;

	log_text(m, "%s%s%u@%xx%u", m->log[0] ? " " : "", out ? "out" : "in",
		 size, run->io.port, run->io.count);
	for (i = 0; i < run->io.count; i++) {
		uint32_t value = 0;

		if (!out) {
			memcpy(data + (size_t)i * size, m->ports, size);
			m->ports[0]++;
			continue;
		}
		memcpy(&value, data + (size_t)i * size, size);
		log_text(m, "%c%x", i ? ',' : '=', value);
	}
}

static bool on_exit_of(void *opaque, struct kvm_run *run)
{
	struct machine *m = opaque;

	atomic_fetch_add(&m->exits, 1);
	if (m->hook)
		return m->hook(m);
	if (!m->claim)
		return false;
	if (run->exit_reason == KVM_EXIT_MMIO)
		device_mmio(m, run);
	else
		device_io(m, run);
	return true;
}

struct bf_trap_vcpu *machine_add_vcpu(struct machine *m)
{
	struct bf_trap_vcpu *vcpu = NULL;

	assert_int_equal(bf_trap_vcpu_create(m->trap, on_exit_of, m, &vcpu), 0);
	return vcpu;
}

int machine_slot(struct machine *m, uint32_t slot, uint64_t gpa, uint64_t size,
		 char *hva)
{
	const struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return bf_memslots_set(bf_trap_memslots(m->trap), &region);
}

int machine_setup(void **state)
{
	const struct bf_trap_config window = {WINDOW_GPA, WINDOW_SIZE};
	struct machine *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->claim = true;
	m->memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(m->memory, MAP_FAILED);
	assert_int_equal(bf_trap_create(&window, &m->trap), 0);
	assert_int_equal(machine_slot(m, 0, 0, MEMORY_SIZE, m->memory), 0);
	m->vcpu = machine_add_vcpu(m);
	m->run = bf_trap_vcpu_page(m->vcpu);
	*state = m;
	return 0;
}

int machine_teardown(void **state)
{
	struct machine *m = *state;

	bf_trap_vcpu_destroy(m->vcpu);
	bf_trap_destroy(m->trap);
	munmap(m->memory, MEMORY_SIZE);
	free(m);
	return 0;
}

uint64_t window_addr(struct machine *m, uint64_t offset)
{
	return bf_trap_guest_addr(m->trap, WINDOW_GPA) + offset;
}

uint64_t memory_addr(struct machine *m, uint64_t gpa)
{
	return (uintptr_t)m->memory + gpa;
}

uint64_t result(const struct machine *m, unsigned int i)
{
	uint64_t value;

	memcpy(&value, m->memory + RESULTS + 8 * i, sizeof(value));
	return value;
}

void copy_code(struct machine *m, uint64_t gpa, const void *start, size_t size)
{
	memcpy(m->memory + gpa, start, size);
}

void boot_at(struct machine *m, struct bf_trap_vcpu *vcpu, uint64_t gpa,
	     const uint64_t args[6])
{
	struct bf_vcpu_boot64_desc boot = {
		.rip = gpa,
		.rsp = memory_addr(m, STACK_TOP),
	};

	memcpy(boot.args, args, sizeof(boot.args));
	assert_int_equal(bf_trap_vcpu_boot(vcpu, &boot), 0);
}

void boot_code(struct machine *m, const void *start, size_t size, uint64_t rdi,
	       uint64_t rsi, uint64_t rdx, uint64_t rcx, uint64_t r9)
{
	const uint64_t args[6] = {rdi, rsi, rdx, rcx, memory_addr(m, RESULTS),
				  r9};

	copy_code(m, CODE, start, size);
	memset(m->memory + RESULTS, 0, 0x100);
	m->log[0] = 0;
	boot_at(m, m->vcpu, CODE, args);
}

void run_to(struct machine *m, uint32_t reason)
{
	assert_int_equal(bf_trap_vcpu_run(m->vcpu), 0);
	assert_int_equal(m->run->exit_reason, reason);
}
