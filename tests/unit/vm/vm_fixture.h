/* SPDX-License-Identifier: MIT */
/* A VM that runs the programs of guests/ on either engine. */
#ifndef BF_TESTS_VM_FIXTURE_H
#define BF_TESTS_VM_FIXTURE_H

#include <pthread.h>

#include "belfry/vm.h"
#include "guests/guests.h"

#define FIXTURE_WINDOW 0xd0000000ULL /* no memory here */
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

/* Whether this machine can create a KVM VM. */
bool fixture_have_kvm(void);

void fixture_setup(struct fixture *fixture, const struct bf_vm_config *config);
void fixture_teardown(struct fixture *fixture);

/* The values that guest_write_pio_string writes. */
uint32_t *fixture_values(struct fixture *fixture);

void fixture_add_vcpu(struct fixture *fixture, struct fixture_vcpu *vcpu,
		      unsigned int id);

/*
 * Sets the vCPU to the start of a program that stores @value to @target, an
 * address or a port, @writes times.
 */
void fixture_boot(struct fixture_vcpu *vcpu, const struct guest *guest,
		  uint64_t target, uint64_t writes, uint64_t value);

/* Runs until an exit that the VM does not handle; returns its reason. */
unsigned int fixture_run(struct fixture_vcpu *vcpu);

/* Run in a new thread until HLT, and join the thread. */
void fixture_start(struct fixture_vcpu *vcpu);
void fixture_join(struct fixture_vcpu *vcpu);

#endif
