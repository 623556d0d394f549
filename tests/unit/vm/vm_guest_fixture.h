/* SPDX-License-Identifier: MIT */
/* A VM for each test, on each engine, with a guest that writes to doorbells. */
#ifndef BF_TESTS_VM_GUEST_FIXTURE_H
#define BF_TESTS_VM_GUEST_FIXTURE_H

#include "vm_fixture.h"

#define WRITES 100

extern int efd; /* of the doorbells */
extern struct fixture fixture;
extern struct fixture_vcpu vcpu;

int vm_setup_kvm(void **state);
int vm_setup_trap(void **state);
int vm_teardown(void **state);

#define KVM_TEST(name)                                               \
	cmocka_unit_test_prestate_setup_teardown(name, vm_setup_kvm, \
						 vm_teardown, NULL)
#define TRAP_TEST(name)                                               \
	{                                                             \
#name "_trap", name, vm_setup_trap, vm_teardown, NULL \
	}
#define BOTH(name) KVM_TEST(name), TRAP_TEST(name)

/* Skips the test if the machine cannot create the VM. */
void need_vm(void);

/* The same where guests have no ports. */
void need_ports(void);

/* Reads efd: the number of signals since the last call. */
uint64_t taken(void);

/* A doorbell with efd. */
struct kvm_ioeventfd doorbell(uint64_t addr, uint32_t len, uint32_t flags);
int assign(uint64_t addr, uint32_t len, uint32_t flags);

/* The guest stores the value @writes times and halts, without another exit. */
void guest_write(const struct guest *guest, uint64_t target, uint64_t writes,
		 uint64_t value);

/* A device on the bus that adds up the values that it gets. */
struct adder {
	uint64_t sum;
	uint64_t writes;
	void *source; /* of the last write */
};

/* Adds a range of 16 bytes. */
void add_adder(struct adder *adder, uint16_t space, uint64_t addr);

/* Reads the count while vCPUs run. */
uint64_t adder_writes(const struct adder *adder);

#endif
