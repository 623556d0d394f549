/* SPDX-License-Identifier: MIT */
/* A vCPU of the trap engine with memory and a device. */
#ifndef BF_TESTS_TRAP_FIXTURE_H
#define BF_TESTS_TRAP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "testing/trap/trap.h"

#define WINDOW_GPA  0xd0000000ull
#define WINDOW_SIZE 0x4000u

/* Guest memory, by gpa. */
#define MEMORY_SIZE 0x10000u
#define CODE	    0x0u
#define RESULTS	    0x2000u
#define STACK_TOP   0x4000u
#define OPERANDS    0x4000u /* as large as the window */
#define SOURCE	    0x8000u /* likewise */

#define GUEST(name)                                    \
	extern const char name##_start[]               \
		__attribute__((visibility("hidden"))); \
	extern const char name##_end[] __attribute__((visibility("hidden")))

struct machine {
	struct bf_trap *trap;
	struct bf_trap_vcpu *vcpu;
	struct kvm_run *run;
	char *memory;
	char device[WINDOW_SIZE]; /* contents of the window */
	char ports[8];		  /* data that every port returns */
	bool claim;
	/* One word for each access: "r4@100 w1@3 in2@10x3 out1@20x1=DATA". */
	char log[4096];
	atomic_ulong exits;
	bool (*hook)(struct machine *m); /* replaces device and log */
};

/* Set-up and tear-down for cmocka; *state is the machine. */
int machine_setup(void **state);
int machine_teardown(void **state);

/* Creates another vCPU of the machine. */
struct bf_trap_vcpu *machine_add_vcpu(struct machine *m);

/* Sets a memory slot.  Slot 0 is m->memory.  Returns 0 or a negative errno. */
int machine_slot(struct machine *m, uint32_t slot, uint64_t gpa, uint64_t size,
		 char *hva);

uint64_t window_addr(struct machine *m, uint64_t offset);
uint64_t memory_addr(struct machine *m, uint64_t gpa);
uint64_t result(const struct machine *m, unsigned int i);

void copy_code(struct machine *m, uint64_t gpa, const void *start, size_t size);
void boot_at(struct machine *m, struct bf_trap_vcpu *vcpu, uint64_t gpa,
	     const uint64_t args[6]);

/*
 * Copies a program to CODE, clears log and results, and boots the vCPU with
 * these registers; r8 points to the results.
 */
void boot_code(struct machine *m, const void *start, size_t size, uint64_t rdi,
	       uint64_t rsi, uint64_t rdx, uint64_t rcx, uint64_t r9);

#define boot(m, name, ...)                                              \
	boot_code(m, name##_start, (size_t)(name##_end - name##_start), \
		  __VA_ARGS__)

/* Runs the vCPU and asserts this exit reason. */
void run_to(struct machine *m, uint32_t reason);

#endif
