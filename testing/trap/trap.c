/* SPDX-License-Identifier: MIT */
/* The MMIO window, the vCPUs and their threads. */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "testing/trap/internal.h"

/* Exit handlers run on this stack.  A guard page lies below it. */
#define STACK_SIZE (256u << 10)

/* An inaccessible page on either side makes stray accesses fault. */
static char *map_window(uint64_t size)
{
	char *p;

	if (size > SIZE_MAX - 2 * BF_TRAP_PAGE)
		return NULL;
	p = mmap(NULL, size + 2 * BF_TRAP_PAGE, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p == MAP_FAILED ? NULL : p + BF_TRAP_PAGE;
}

static void unmap_window(struct bf_trap *trap)
{
	munmap(trap->window - BF_TRAP_PAGE, trap->mmio_size + 2 * BF_TRAP_PAGE);
}

int bf_trap_create(const struct bf_trap_config *config, struct bf_trap **trapp)
{
	struct bf_trap *trap;
	int ret = -ENOMEM;

	if (!bf_trap_is_area(config->mmio_gpa, config->mmio_size))
		return -EINVAL;
	trap = calloc(1, sizeof(*trap));
	if (!trap)
		return -ENOMEM;
	trap->mmio_gpa = config->mmio_gpa;
	trap->mmio_size = config->mmio_size;
	trap->window = map_window(trap->mmio_size);
	if (!trap->window)
		goto free_trap;
	ret = bf_trap_memory_init(trap);
	if (ret)
		goto unmap_window;
	*trapp = trap;
	return 0;

unmap_window:
	unmap_window(trap);
free_trap:
	free(trap);
	return ret;
}

void bf_trap_destroy(struct bf_trap *trap)
{
	bf_trap_memory_cleanup(trap);
	unmap_window(trap);
	free(trap);
}

struct bf_memslots *bf_trap_memslots(struct bf_trap *trap)
{
	return trap->memslots;
}

uint64_t bf_trap_guest_addr(struct bf_trap *trap, uint64_t gpa)
{
	if (gpa - trap->mmio_gpa < trap->mmio_size)
		return (uintptr_t)trap->window + (gpa - trap->mmio_gpa);
	return bf_trap_memory_addr(trap, gpa);
}

/* Sleeps while vcpu->turn is turn.  Returns -EINTR if a signal handler ran. */
static int wait_while(struct bf_trap_vcpu *vcpu, uint32_t turn)
{
	/*
	 * The acquire pairs with the release in give_turn().  It orders the
	 * other thread's writes (the exit, the registers, the boot state)
	 * before this thread's reads.  Without it the caller could read the
	 * previous exit from the page.
	 */
	while (atomic_load_explicit(&vcpu->turn, memory_order_acquire) ==
	       turn) {
		if (syscall(SYS_futex, &vcpu->turn, FUTEX_WAIT_PRIVATE, turn,
			    NULL, NULL, 0) == -1 &&
		    errno == EINTR)
			return -EINTR;
	}
	return 0;
}

static void give_turn(struct bf_trap_vcpu *vcpu, uint32_t turn)
{
	/* Pairs with the acquire in wait_while(). */
	atomic_store_explicit(&vcpu->turn, turn, memory_order_release);
	syscall(SYS_futex, &vcpu->turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void bf_trap_return_to_caller(struct bf_trap_vcpu *vcpu)
{
	give_turn(vcpu, BF_TRAP_CALLER);
	while (wait_while(vcpu, BF_TRAP_CALLER))
		;
}

bool bf_trap_interrupted(struct bf_trap_vcpu *vcpu)
{
	return atomic_load_explicit(&vcpu->kicked, memory_order_relaxed) ||
	       __atomic_load_n(&vcpu->run->immediate_exit, __ATOMIC_RELAXED);
}

static void *vcpu_thread(void *arg)
{
	struct bf_trap_vcpu *vcpu = arg;
	stack_t stack = {
		.ss_sp = vcpu->stack + BF_TRAP_PAGE,
		.ss_size = STACK_SIZE,
	};
	stack_t old;

	while (wait_while(vcpu, BF_TRAP_CALLER))
		;
	if (vcpu->dying)
		return NULL;
	/* Restored below: a sanitizer frees the stack that it finds. */
	sigaltstack(&stack, &old);
	bf_trap_signals_enter(vcpu);
	sigaltstack(&old, NULL);
	return NULL;
}

/*
 * Blocks all signals except those of faults before the thread's first
 * instruction.  Otherwise another handler could run on the guest's stack, or
 * fault because the guest has no stack.
 */
static int start_thread(struct bf_trap_vcpu *vcpu)
{
	sigset_t blocked;
	sigset_t saved;
	int err;

	sigfillset(&blocked);
	sigdelset(&blocked, SIGSEGV);
	sigdelset(&blocked, SIGBUS);
	sigdelset(&blocked, SIGILL);
	sigdelset(&blocked, SIGFPE);
	sigdelset(&blocked, SIGTRAP);
	sigdelset(&blocked, SIGABRT);
	pthread_sigmask(SIG_SETMASK, &blocked, &saved);
	err = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	if (err)
		return -err;
	pthread_setname_np(vcpu->thread, "trap-vcpu");
	return 0;
}

static void *map_pages(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int map_stack(struct bf_trap_vcpu *vcpu)
{
	vcpu->stack = map_pages(BF_TRAP_PAGE + STACK_SIZE);
	if (!vcpu->stack)
		return -ENOMEM;
	return mprotect(vcpu->stack, BF_TRAP_PAGE, PROT_NONE) ? -ENOMEM : 0;
}

static void free_vcpu(struct bf_trap_vcpu *vcpu)
{
	if (vcpu->stack)
		munmap(vcpu->stack, BF_TRAP_PAGE + STACK_SIZE);
	if (vcpu->run)
		munmap(vcpu->run, BF_TRAP_RUN_SIZE);
	free(vcpu);
}

int bf_trap_vcpu_create(struct bf_trap *trap, bf_trap_exit_fn exit_fn,
			void *opaque, struct bf_trap_vcpu **vcpup)
{
	struct bf_trap_vcpu *vcpu;
	int ret = -ENOMEM;

	vcpu = calloc(1, sizeof(*vcpu));
	if (!vcpu)
		return -ENOMEM;
	vcpu->trap = trap;
	vcpu->exit_fn = exit_fn;
	vcpu->opaque = opaque;
	vcpu->run = map_pages(BF_TRAP_RUN_SIZE);
	if (!vcpu->run)
		goto err;
	ret = map_stack(vcpu);
	if (ret)
		goto err;
	ret = start_thread(vcpu);
	if (ret)
		goto err;
	*vcpup = vcpu;
	return 0;

err:
	free_vcpu(vcpu);
	return ret;
}

void bf_trap_vcpu_destroy(struct bf_trap_vcpu *vcpu)
{
	vcpu->dying = true;
	give_turn(vcpu, BF_TRAP_GUEST);
	pthread_join(vcpu->thread, NULL);
	free_vcpu(vcpu);
}

struct kvm_run *bf_trap_vcpu_page(struct bf_trap_vcpu *vcpu)
{
	return vcpu->run;
}

static bool set_busy(struct bf_trap_vcpu *vcpu)
{
	/*
	 * The acquire pairs with the release in clear_busy().  It orders the
	 * previous caller's writes to the vCPU before this caller's reads.
	 * Without it a run could miss a boot by another thread.
	 */
	return !atomic_exchange_explicit(&vcpu->busy, true,
					 memory_order_acquire);
}

static void clear_busy(struct bf_trap_vcpu *vcpu)
{
	/* Pairs with the acquire in set_busy(). */
	atomic_store_explicit(&vcpu->busy, false, memory_order_release);
}

int bf_trap_vcpu_boot(struct bf_trap_vcpu *vcpu,
		      const struct bf_vcpu_boot64_desc *desc)
{
	uint64_t rip = bf_trap_memory_addr(vcpu->trap, desc->rip);

	if (!rip)
		return -EINVAL;
	if (!set_busy(vcpu))
		return -EBUSY;
	vcpu->boot = *desc;
	vcpu->boot.rip = rip;
	vcpu->booted = true;
	vcpu->reboot = true;
	clear_busy(vcpu);
	return 0;
}

static int run_guest(struct bf_trap_vcpu *vcpu)
{
	if (!vcpu->booted)
		return -EINVAL;
	bf_trap_signals_install();
	give_turn(vcpu, BF_TRAP_GUEST);
	/* A signal to the caller ends the run, as with KVM_RUN. */
	while (wait_while(vcpu, BF_TRAP_GUEST))
		bf_trap_vcpu_kick(vcpu);
	return vcpu->run->exit_reason == KVM_EXIT_INTR ? -EINTR : 0;
}

int bf_trap_vcpu_run(struct bf_trap_vcpu *vcpu)
{
	int ret;

	if (!set_busy(vcpu))
		return -EBUSY;
	ret = run_guest(vcpu);
	clear_busy(vcpu);
	return ret;
}

void bf_trap_vcpu_kick(struct bf_trap_vcpu *vcpu)
{
	/*
	 * Set the flag before the signal; pthread_kill() orders the two.  In
	 * the other order the handler could miss the flag and return to a
	 * guest that spins, and nothing would stop the guest.
	 */
	atomic_store_explicit(&vcpu->kicked, true, memory_order_release);
	pthread_kill(vcpu->thread, BF_TRAP_KICK);
}
