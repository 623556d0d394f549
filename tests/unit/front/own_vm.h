/* SPDX-License-Identifier: MIT */
/* A VM of one vCPU in real mode, with plain ioctls and without belfry. */
#ifndef BF_TESTS_OWN_VM_H
#define BF_TESTS_OWN_VM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OWN_MEMORY   0x10000UL
#define OWN_CODE     0x1000U
#define OWN_EXTRA    0x2000U /* code of a second program */
#define OWN_DOORBELL 0xd0000U

/* Writes AX to port 0x600, CX times, and halts. */
extern const uint8_t own_signal_port[4];

/* Writes 4 bytes to ES:0x0ffe, across a page, without end. */
extern const uint8_t own_write_across[7];

/* Writes 2 bytes to ES:0x0000, CX times, and halts. */
extern const uint8_t own_signal_mmio[6];

struct own_vm {
	int kvm;
	int fd;
	int vcpu;
	char *memory;
	struct kvm_run *run;
	size_t run_size;
};

/* Skips the test where there is no KVM. */
void own_vm_create(struct own_vm *vm);
void own_vm_destroy(struct own_vm *vm);

void own_vm_code(struct own_vm *vm, uint32_t at, const uint8_t *code,
		 size_t size);

/* DX is 0x600, ES:0 is OWN_DOORBELL. */
void own_vcpu_start(int vcpu, uint32_t rip, uint16_t cx);

/* A doorbell of 2 bytes; returns the argument of KVM_IOEVENTFD. */
struct kvm_ioeventfd own_doorbell(int efd, uint64_t addr, uint32_t flags);

/* Reads an eventfd; 0 if there is nothing. */
uint64_t own_count(int efd);

#endif
