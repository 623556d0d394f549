/* SPDX-License-Identifier: MIT */
/* Facts about a VMM, as far as its name and its command line tell. */
#ifndef BF_CLI_DOCTOR_VMM_H
#define BF_CLI_DOCTOR_VMM_H

#include <stdbool.h>

enum vmm_irqchip {
	IRQCHIP_UNKNOWN,
	IRQCHIP_KERNEL, /* KVM_CREATE_IRQCHIP: leaves a grace period behind */
	IRQCHIP_SPLIT,	/* local APICs in the kernel alone: leaves none */
	IRQCHIP_USER,	/* none in the kernel */
};

struct vmm {
	const char *name; /* NULL: no VMM that this program knows */
	bool without_kvm; /* the command line selects no KVM */
	bool is_manager;  /* starts VMMs itself, as libvirt does */
	bool is_qemu;
	enum vmm_irqchip irqchip;
	const char *sandbox; /* NULL: none that the command line tells */
	unsigned int queues; /* of virtio devices; 0: unknown */
};

/* Return whether the file name of a program is that of a known VMM. */
bool vmm_is_known(const char *program);

/* words: the arguments of the program, and NULL. */
void vmm_read(const char *program, char *const *words, struct vmm *vmm);

/* qemu.c */
void qemu_read(const char *program, char *const *words, struct vmm *vmm);

#endif
