/* SPDX-License-Identifier: MIT */
/* A VM of all layers for each test, on each engine, with one vCPU. */
#ifndef BF_TESTS_VM_LAYERS_FIXTURE_H
#define BF_TESTS_VM_LAYERS_FIXTURE_H

#include <unistd.h>

#include "vm_fixture.h"

#define PAGE   ((uint64_t)sysconf(_SC_PAGESIZE))
#define ROUNDS 2000 /* of random changes */

extern struct fixture fixture;
extern struct fixture_vcpu vcpu;
extern bool on_kvm;

/* The configuration of the VMs of these tests. */
struct bf_vm_config config_of(const struct bf_engine_ops *engine);

int layers_setup_kvm(void **state);
int layers_setup_trap(void **state);
int layers_teardown(void **state);

#define ON(engine, f)                                                      \
	{                                                                  \
#f "_" #engine, f, layers_setup_##engine, layers_teardown, \
			NULL,                                              \
	}
#define ON_BOTH(f) ON(kvm, f), ON(trap, f)

/* The table of vCPUs.  Skips the test if the machine cannot create the VM. */
struct bf_vcpus *table(void);

#endif
