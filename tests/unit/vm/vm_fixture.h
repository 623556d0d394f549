/* SPDX-License-Identifier: MIT */
/* A VM that runs the programs of guests/ on either engine. */
#ifndef BF_TESTS_VM_FIXTURE_H
#define BF_TESTS_VM_FIXTURE_H

#include <pthread.h>

#include "belfry/vm.h"
#include "guests/guests.h"

#define FIXTURE_WINDOW 0xd0000000ULL /* where nothing but the bus is */
#define FIXTURE_PORT   0x510U
#define FIXTURE_VALUES 16 /* 4-byte values that a string guest reads */

struct fixture {
	struct bf_vm *vm;
	char *memory;
};

struct fixture_vcpu {
	struct fixture *fixture;
	struct bf_vcpu *vcpu;
	pthread_t thread;
	int ret; /* of the last bf_vcpu_run() */
};

/* Can a VM be made at all here? */
bool fixture_have_kvm(void);

void fixture_setup(struct fixture *fixture, const struct bf_vm_config *config);
void fixture_teardown(struct fixture *fixture);

/* The values that fixture_ring_string() makes the guest write. */
uint32_t *fixture_values(struct fixture *fixture);

void fixture_add_vcpu(struct fixture *fixture, struct fixture_vcpu *vcpu,
		      unsigned int id);

/*
 * Puts the vCPU at the start of a ring program: target is an address or a
 * port.
 */
void fixture_boot(struct fixture_vcpu *vcpu, const struct guest *guest,
		  uint64_t target, uint64_t rings, uint64_t value);

/* Runs until an exit that nobody claimed; asserts that it could run. */
unsigned int fixture_run(struct fixture_vcpu *vcpu);

/* The same on a thread of its own, until HLT. */
void fixture_start(struct fixture_vcpu *vcpu);
void fixture_join(struct fixture_vcpu *vcpu);

#endif
