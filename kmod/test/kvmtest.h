/* SPDX-License-Identifier: GPL-2.0 */
/* What kvmtest needs of an architecture: devices of KVM, and a guest. */
#ifndef KVMTEST_H
#define KVMTEST_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>

struct guest {
	int vm, vcpu;
	struct kvm_run *run;
};

/* Ends the program where result is negative; else returns it. */
int check(int result, const char *what);

/* Each registers devices on KVM's bus; first the irqchip. */
void irqchip_add(int vm);
void pit_or_its_add(int vm);

/* The guest's code rings the doorbell count times, and ends. */
void guest_write_code(void *memory);
void guest_add_doorbell(int vm, int event);
void guest_init_vcpu(struct guest *guest);
void guest_set_registers(struct guest *guest, uint32_t count);
bool guest_has_ended(const struct guest *guest);

#endif
