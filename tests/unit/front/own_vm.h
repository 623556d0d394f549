/* SPDX-License-Identifier: MIT */
/*
 * A VM of one vCPU, with plain ioctls and without belfry.  On x86-64 the guest
 * runs in real mode, on aarch64 without MMU.
 */
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

#define OWN_VALUE 0x20001U /* that the guest writes, cut to a length */

/*
 * Doorbells beside each other, in the space that flags name: ports, or on
 * aarch64 memory.  OWN_ACROSS is the address of own_write_across.  OWN_END is
 * the exit reason at a program's end.
 */
#ifdef __x86_64__
#define OWN_PORT       0x600U
#define OWN_PORT_FLAGS KVM_IOEVENTFD_FLAG_PIO
#define OWN_PORT_SPACE BF_IO_PIO
#define OWN_PORT_EXIT  KVM_EXIT_IO
#define OWN_ACROSS     (OWN_DOORBELL + 0xffe)
#define OWN_END	       KVM_EXIT_HLT
#else
#define OWN_PORT       0xe0600U
#define OWN_PORT_FLAGS 0U
#define OWN_PORT_SPACE BF_IO_MMIO
#define OWN_PORT_EXIT  KVM_EXIT_MMIO
#define OWN_ACROSS     OWN_DOORBELL
#define OWN_END	       KVM_EXIT_DEBUG
#endif

struct own_code {
	const void *bytes;
	size_t size;
	size_t store; /* bytes of the instruction that writes */
	int round;    /* instructions for each write */
};

/* Writes 2 bytes to OWN_PORT, as often as the vCPU's count, and ends. */
extern const struct own_code own_signal_port;

/* Writes to OWN_ACROSS without end; on x86-64 4 bytes, across a page. */
extern const struct own_code own_write_across;

/* Writes 2 bytes to OWN_DOORBELL, as often as the vCPU's count, and ends. */
extern const struct own_code own_signal_mmio;

#ifdef __x86_64__
/* Each stores 16 bytes to OWN_DOORBELL, at once or in two instructions. */
extern const struct own_code own_store_16, own_store_8_twice;
#endif

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

void own_vm_code(struct own_vm *vm, uint32_t at, const struct own_code *code);
void own_place(void *hva, const struct own_code *code);

/* The registers at the start of a program. */
void own_vcpu_start(int vcpu, uint32_t pc, uint16_t count);

/* The address of the next instruction. */
uint64_t own_vcpu_pc(int vcpu);

/* A doorbell of 2 bytes; returns the argument of KVM_IOEVENTFD. */
struct kvm_ioeventfd own_doorbell(int efd, uint64_t addr, uint32_t flags);

/* Reads an eventfd; 0 if there is nothing. */
uint64_t own_count(int efd);

#endif
