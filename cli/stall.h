/* SPDX-License-Identifier: MIT */
/* The same VM operations made plainly and through belfry. */
#ifndef BF_CLI_STALL_H
#define BF_CLI_STALL_H

#include <stdbool.h>
#include <stdint.h>

struct bf_vm;
struct bf_vcpu;

/* A VM under test.  All calls return 0 or a negative errno. */
struct stall_vm {
	const struct stall_way *way;
	struct bf_vm *vm;
	struct bf_vcpu *vcpu;
	int fd;
	int vcpu_fd;
	int eventfd;
};

/* One way of making the calls. */
struct stall_way {
	int (*create)(struct stall_vm *vm);
	int (*doorbell)(struct stall_vm *vm, uint64_t addr, bool remove);
	int (*memory)(struct stall_vm *vm, unsigned int slot);
	int (*vcpu)(struct stall_vm *vm);
	void (*close)(struct stall_vm *vm);
};

extern const struct stall_way stall_plain;  /* ioctls on /dev/kvm */
extern const struct stall_way stall_belfry; /* belfry/vm.h, first-run */

#endif
