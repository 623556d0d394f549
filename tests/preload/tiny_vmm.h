/* SPDX-License-Identifier: MIT */
/*
 * A VMM of a few lines, for what no real one does: each scenario prints what
 * a VMM can see, and must print the same with belfry under it.
 */
#ifndef BF_TESTS_TINY_VMM_H
#define BF_TESTS_TINY_VMM_H

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_MEMORY 0x10000u
#define GUEST_CODE   0x1000u
#define GUEST_MMIO   0x20000u /* where the guest programs write */
#define GUEST_PORT   0x600u

struct tiny_vcpu {
	int fd;
	struct kvm_run *run;
	size_t size;
};

struct tiny_vm {
	int kvm;
	int fd;
	void *memory;
	struct tiny_vcpu vcpu[2];
};

/* The guest programs, in real mode; ECX is the argument. */
struct guest_code {
	const char *start;
	const char *end;
};
extern const struct guest_code guest_all_sorts; /* each kind of access */
extern const struct guest_code guest_count;	/* ECX MMIO writes of 4 */
extern const struct guest_code guest_forever;	/* the same without end */

/* Failures end the program: nothing here is expected to fail. */
void tiny_create(struct tiny_vm *vm, unsigned int vcpus);
void tiny_destroy(struct tiny_vm *vm);
void tiny_start(struct tiny_vm *vm, unsigned int vcpu,
		const struct guest_code *code, uint32_t ecx);

/* Runs to HLT; prints each exit. */
void tiny_run(struct tiny_vm *vm, unsigned int vcpu);

/* 0 or errno. */
int tiny_ioeventfd(int vm_fd, int fd, uint64_t addr, uint32_t len,
		   uint32_t flags, uint64_t datamatch);

/* The same, where it cannot fail. */
void tiny_assign(int vm_fd, int fd, uint64_t addr, uint32_t len, uint32_t flags,
		 uint64_t datamatch);

int tiny_eventfd(void);

/* 1000 other devices on the bus: the kernel takes no doorbell any more. */
void tiny_fill_bus(int vm_fd);

/* The count of an eventfd, which is 0 afterwards. */
uint64_t tiny_count(int fd);
void tiny_print_count(const char *what, int fd);

/* How many lines of a file of /proc have the word. */
unsigned int tiny_lines_with(const char *path, const char *word);

void tiny_check(int ok, const char *what);

/* Two numbers over a socket. */
void tiny_send_numbers(int socket, const int numbers[2]);
void tiny_receive_numbers(int socket, int numbers[2]);

/* From here on @call meets a seccomp filter's @action. */
void tiny_forbid(uint32_t call, uint32_t action);

/* Scenarios. */
void scenario_errno(void);
void scenario_zone_errno(void);
void scenario_zone_order(void);
void scenario_zone_ring(void);
void scenario_exits(void);
void scenario_closed_eventfd(void);
void scenario_unseen_eventfds(void);
void scenario_full_eventfd(void);
void scenario_polled_eventfd(void);
void scenario_fd_table(void);
void scenario_numbers(void);
void scenario_strangers(void);
void scenario_received(void);
void scenario_pidfd(void);
void scenario_raw(void);
void scenario_raw_run(void);
void scenario_onto_all(void);
void scenario_threads(void);
void scenario_two_vms(void);
void scenario_fork(void);
void scenario_vfork(void);
void scenario_death(void);
void scenario_refused(void);
void scenario_kick(void);
void scenario_kick_flag(void);
void scenario_kick_regs(void);
void scenario_closed_while_ringing(void);
void scenario_seccomp(void);
void scenario_seccomp_mild(void);
void scenario_forbidden(void);
void scenario_forbidden_late(void);
void scenario_forbidden_vcpu(void);
void scenario_refused_calls(void);
void scenario_plain_ioctl(void);
void scenario_aside(void);
void scenario_killed(void);
void scenario_busy(void);
void scenario_many_threads(void);
void scenario_irqchip(void);
void scenario_taken_back(void);

#endif
