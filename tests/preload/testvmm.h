/* SPDX-License-Identifier: MIT */
/*
 * A small VMM for the tests of the preload library.  Each scenario prints the
 * results that a VMM can see, and must print the same under belfry.  The
 * scenarios include calls that no real VMM makes.
 */
#ifndef BF_TESTS_TESTVMM_H
#define BF_TESTS_TESTVMM_H

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_MEMORY 0x10000u
#define GUEST_CODE   0x1000u
#define GUEST_MMIO   0x20000u /* the guest programs write here */

/*
 * The second place that guest_all_kinds writes to: ports, or memory where there
 * are none.  GUEST_END is the exit reason at the end of a finite program, and
 * GUEST_STORE_END the address behind the store of guest_count.
 */
#ifdef __x86_64__
#define GUEST_PORT	 0x600u
#define GUEST_PORT_FLAGS KVM_IOEVENTFD_FLAG_PIO
#define GUEST_END	 KVM_EXIT_HLT
#define GUEST_STORE_END	 (GUEST_CODE + 10)
#else
#define GUEST_PORT	 (GUEST_MMIO + 0x600u)
#define GUEST_PORT_FLAGS 0u
#define GUEST_END	 KVM_EXIT_DEBUG
#define GUEST_STORE_END	 (GUEST_CODE + 8)
#endif

struct testvmm_vcpu {
	int fd;
	struct kvm_run *run;
	size_t size;
};

struct testvmm {
	int kvm;
	int fd;
	void *memory;
	struct testvmm_vcpu vcpu[2];
};

/* On x86-64 in real mode, on aarch64 without MMU. */
struct guest_code {
	const char *start;
	const char *end;
};
extern const struct guest_code guest_all_kinds; /* each kind of access */
extern const struct guest_code guest_count;	/* MMIO writes of 4 bytes */
extern const struct guest_code guest_forever;	/* the same, endless */

/* A failure in one of these ends the program. */
void testvmm_create(struct testvmm *vm, unsigned int vcpus);
void testvmm_destroy(struct testvmm *vm);
void testvmm_start(struct testvmm *vm, unsigned int vcpu,
		   const struct guest_code *code, uint32_t count);

/* testvmm_*.c of a processor: the registers at a program's start. */
void testvmm_set_registers(struct testvmm *vm, unsigned int vcpu,
			   uint32_t count);

/* The writes that guest_count has left, and the next instruction. */
uint64_t testvmm_writes_left(int vcpu_fd);
uint64_t testvmm_pc(int vcpu_fd);

/* Creates an interrupt controller, which leaves a grace period. */
void testvmm_add_irqchip(struct testvmm *vm);

/* Runs the vCPU until the program's end and prints each exit. */
void testvmm_run(struct testvmm *vm, unsigned int vcpu);

/* Another slot of the same memory; size 0 removes it. */
void testvmm_set_second_slot(const struct testvmm *vm, uint64_t size);

/* Returns 0 or errno. */
int testvmm_ioeventfd(int vm_fd, int fd, uint64_t addr, uint32_t len,
		      uint32_t flags, uint64_t datamatch);

/* The same, for a call that must succeed. */
void testvmm_assign(int vm_fd, int fd, uint64_t addr, uint32_t len,
		    uint32_t flags, uint64_t datamatch);

int testvmm_eventfd(void);

/* Registers 1000 zones.  The kernel then refuses every doorbell. */
void testvmm_fill_bus(int vm_fd);

/* Reads an eventfd and so resets its count to 0. */
uint64_t testvmm_read_count(int fd);
void testvmm_print_count(const char *what, int fd);

/* Those that are open, with numbers below 4,096. */
unsigned int testvmm_count_fds(void);

/* Counts the lines of a file that contain the word. */
unsigned int testvmm_count_lines(const char *path, const char *word);

void testvmm_check(int ok, const char *what);

/* Two fds over a socket. */
void testvmm_send_fds(int socket, const int fds[2]);
void testvmm_receive_fds(int socket, int fds[2]);

/* Installs a seccomp filter that answers @call with @action. */
void testvmm_forbid(uint32_t call, uint32_t action);
/* Another thread does, for all threads. */
void testvmm_forbid_for_all(uint32_t call);

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
void scenario_fds(void);
void scenario_close_all(void);
void scenario_received(void);
void scenario_pidfd(void);
void scenario_raw_vm(void);
void scenario_raw_run(void);
void scenario_raw_runs(void);
void scenario_dup2_onto_all(void);
void scenario_threads(void);
void scenario_two_vms(void);
void scenario_fork(void);
void scenario_vfork(void);
void scenario_clone(void);
void scenario_pidns(void);
void scenario_as_init(void);
void scenario_vm_end(void);
void scenario_refused(void);
void scenario_kick(void);
void scenario_stepping(void);
void scenario_kick_flag(void);
void scenario_kick_unseen(void);
void scenario_no_kick(void);
void scenario_long_jump(void);
void scenario_many_jumps(void);
void scenario_kick_regs(void);
void scenario_cancel(void);
void scenario_close_while_signalling(void);
void scenario_seccomp(void);
void scenario_seccomp_mild(void);
void scenario_seccomp_threads(void);
void scenario_seccomp_kicks(void);
void scenario_seccomp_handler(void);
void scenario_seccomp_idle(void);
void scenario_forbidden(void);
void scenario_forbidden_late(void);
void scenario_forbidden_vcpu(void);
void scenario_refused_calls(void);
void scenario_plain_ioctl(void);
void scenario_untimed_call(void);
void scenario_other_library(void);
void scenario_shared_duplicates(void);
void scenario_fd_reserve(void);
void scenario_daemon(void);
void scenario_passthrough(void);
void scenario_killed(void);
void scenario_busy(void);
void scenario_load(void);
void scenario_many_vms(void);
void scenario_level(void);
void scenario_many_threads(void);
void scenario_irqchip(void);
void scenario_deassigned(void);
void scenario_shared_by_message(void);
void scenario_shared_by_clone(void);
void scenario_shared_by_raw_fork(void);
void scenario_shared_by_libc_clone(void);
void scenario_shared_by_execution(void);
void scenario_shared_then_filtered(void);
void scenario_filtered_then_shared(void);
void scenario_filtered_then_forked(void);
void scenario_filtered_then_registered(void);
void scenario_filtered_vcpu_shares(void);
void scenario_refused_then_shared(void);
void scenario_all_without_poll(void);
void scenario_refused_then_all_filtered(void);
void scenario_all_filtered_in_between(void);
void scenario_all_filtered_inside(void);
void scenario_filled_after_poll(void);
void scenario_jumps_out_of_exits(void);
void scenario_jumps_out_of_calls(void);
void scenario_first_filters_at_once(void);
void scenario_no_context(void);
void scenario_no_context_later(void);
void scenario_bad_messages(void);
void scenario_eventfds_of_children(void);
void scenario_sweep(void);
void scenario_replaced_by_dup2(void);
void scenario_replaced_by_dup3(void);
void scenario_left_close(void);
void scenario_bad_filters(void);
void scenario_filter_of_fds(void);
void scenario_close_in_handler(void);
void scenario_close_in_malloc(void);
void scenario_close_beside_stacks(void);
void scenario_close_in_fork(void);
void scenario_close_in_forkpty(void);
void scenario_close_in_refused_fork(void);
void scenario_dup_in_handler(void);
void scenario_fork_in_handler(void);

#endif
