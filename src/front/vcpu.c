// SPDX-License-Identifier: MIT
/* A vCPU of the front: what happens around its KVM_RUN. */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "front/front.h"
#include "front/internal.h"
#include "io_bus/bus.h"
#include "srcu/abandoned.h"
#include "srcu/futex.h"
#include "srcu/wait.h"

/* KVM takes any value but 0; the program and its handlers store 1. */
#define OWN_IMMEDIATE_EXIT 2

int bf_front_attach_vcpu(struct bf_front *front, int vcpu_fd,
			 struct kvm_run *run, void *source,
			 struct bf_front_vcpu **vcpup)
{
	struct bf_front_vcpu *vcpu;

	if (!run)
		return -EINVAL;
	vcpu = calloc(1, sizeof(*vcpu));
	if (!vcpu)
		return -ENOMEM;
	vcpu->front = front;
	vcpu->fd = vcpu_fd;
	vcpu->run = run;
	vcpu->source = source;
	pthread_mutex_lock(&front->vcpus_lock);
	TAILQ_INSERT_TAIL(&front->vcpus, vcpu, entry);
	pthread_mutex_unlock(&front->vcpus_lock);
	*vcpup = vcpu;
	return 0;
}

void bf_front_detach_vcpu(struct bf_front_vcpu *vcpu)
{
	struct bf_front *front;

	if (!vcpu)
		return;
	front = vcpu->front;
	bf_front_set_stepping(vcpu, false);
	pthread_mutex_lock(&front->vcpus_lock);
	TAILQ_REMOVE(&front->vcpus, vcpu, entry);
	front->sections_detached += vcpu->sections;
	pthread_mutex_unlock(&front->vcpus_lock);
	free(vcpu);
}

void bf_front_set_stepping(struct bf_front_vcpu *vcpu, bool stepping)
{
	if (stepping != vcpu->stepping)
		bf_front_at_once(vcpu->front, stepping ? 1 : -1);
	vcpu->stepping = stepping;
}

void bf_front_wait_for_signals(struct bf_front *front, uint64_t until_ns)
{
	bf_srcu_synchronize_until(&front->bus->consumer_srcu, until_ns);
}

static bool offer_mmio(const struct bf_front_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct bf_io_access access = {
		.addr = run->mmio.phys_addr,
		.data = run->mmio.data,
		.len = run->mmio.len,
		.space = BF_IO_MMIO,
		.write = run->mmio.is_write,
		.source = vcpu->source,
	};

	return bf_io_dispatch(vcpu->front->bus, &access) == 0;
}

/* String and repeated instructions come as several elements for one port. */
static bool offer_pio(const struct bf_front_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct bf_io_access access = {
		.addr = run->io.port,
		.data = (char *)run + run->io.data_offset,
		.len = run->io.size,
		.space = BF_IO_PIO,
		.write = run->io.direction == KVM_EXIT_IO_OUT,
		.source = vcpu->source,
	};

	return bf_io_dispatch_string(vcpu->front->bus, &access,
				     run->io.count) == 0;
}

#define ROUNDS	 10
#define ROUND_NS (100 * 1000)

/* A thread looks for abandoned sections; not longer than its rounds. */
static void wait_outside(struct bf_front *front)
{
	futex_wait(&front->stay_out, 1, (uint64_t)ROUNDS * ROUND_NS);
}

static bool offer_exit(struct bf_front_vcpu *vcpu)
{
	const uint32_t reason = vcpu->run->exit_reason;
	bool taken;

	if (reason != KVM_EXIT_MMIO && reason != KVM_EXIT_IO)
		return false;
	/* Relaxed: whether this vCPU waits decides about speed alone. */
	if (unlikely(__atomic_load_n(&vcpu->front->stay_out, __ATOMIC_RELAXED)))
		wait_outside(vcpu->front);
	bf_srcu_sections_begin(&vcpu->sections);
	taken = reason == KVM_EXIT_MMIO ? offer_mmio(vcpu) : offer_pio(vcpu);
	bf_srcu_sections_end(&vcpu->sections);
	return taken;
}

/* The sum only grows, so it is a stamp for all vCPUs. */
static bool has_no_sections(void *opaque, unsigned long *stamp)
{
	struct bf_front *front = opaque;
	const struct bf_front_vcpu *vcpu;
	unsigned long sections, open = 0;

	pthread_mutex_lock(&front->vcpus_lock);
	*stamp = front->sections_detached;
	TAILQ_FOREACH(vcpu, &front->vcpus, entry)
	{
		sections = bf_srcu_sections(&vcpu->sections);
		open += sections & 1;
		*stamp += sections;
	}
	pthread_mutex_unlock(&front->vcpus_lock);
	return !open;
}

/*
 * Busy vCPUs are rarely outside all at once, so they wait for a moment.  One
 * that the scheduler has stopped inside a section makes this fail; the caller
 * tries again.
 */
static void find_abandoned(struct bf_srcu *ssp, void *opaque)
{
	struct bf_front *front = opaque;
	unsigned int never = 0;

	__atomic_store_n(&front->stay_out, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < ROUNDS; i++) {
		if (bf_srcu_end_abandoned(ssp, has_no_sections, front))
			break;
		futex_wait(&never, 0, ROUND_NS);
	}
	__atomic_store_n(&front->stay_out, 0, __ATOMIC_RELAXED);
	futex_wake_all(&front->stay_out);
}

void bf_front_leave_run(struct bf_front_vcpu *vcpu)
{
	struct bf_front *front = vcpu->front;

	if (!(vcpu->sections & 1))
		return;
	bf_srcu_sections_end(&vcpu->sections);
	bf_srcu_has_abandoned(&front->bus->srcu, find_abandoned, front);
	bf_srcu_has_abandoned(&front->bus->consumer_srcu, find_abandoned,
			      front);
}

/*
 * KVM_RUN failed after it had completed a served exit.  A failure leaves the
 * old exit in the page, unless it has a reason of its own there.
 */
static void hide_served_exit(struct kvm_run *run)
{
	if (run->exit_reason == KVM_EXIT_MMIO ||
	    run->exit_reason == KVM_EXIT_IO)
		run->exit_reason = KVM_EXIT_INTR;
}

static void replace_immediate_exit(struct kvm_run *run, uint8_t from,
				   uint8_t to)
{
	__atomic_compare_exchange_n(&run->immediate_exit, &from, to, false,
				    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/*
 * A store of more than 8 bytes comes out in parts.  KVM offers the parts to its
 * own devices up to the first one that none takes.  The program gets that part
 * and all others.  The page does not tell the next part from a new store, which
 * the front has to serve.  So after a part that the program got, KVM_RUN first
 * completes the store alone: it brings out the next part, or fails.  If a
 * handler has left that KVM_RUN by a long jump, the next one completes.
 */
void bf_front_complete_store(struct bf_front_vcpu *vcpu)
{
	if (likely(vcpu->store == FRONT_STORE_WHOLE))
		return;
	vcpu->store = FRONT_STORE_COMPLETES;
	replace_immediate_exit(vcpu->run, 0, OWN_IMMEDIATE_EXIT);
}

enum completion {
	COMPLETION_NONE,
	COMPLETION_DONE, /* the guest can go on */
	COMPLETION_PART, /* an exit with the next part of the store */
};

/*
 * If the program or a handler has stored a kick, the guest has not run either.
 * If it has stored 0, the exit may be one of the guest's next instruction.
 */
static enum completion completion_of(struct bf_front_vcpu *vcpu, int ret)
{
	uint8_t value;

	if (likely(vcpu->store != FRONT_STORE_COMPLETES))
		return COMPLETION_NONE;
	value = __atomic_load_n(&vcpu->run->immediate_exit, __ATOMIC_RELAXED);
	replace_immediate_exit(vcpu->run, OWN_IMMEDIATE_EXIT, 0);
	if (ret >= 0)
		return value ? COMPLETION_PART : COMPLETION_NONE;
	return value == OWN_IMMEDIATE_EXIT ? COMPLETION_DONE : COMPLETION_NONE;
}

/* With all zones the kernel takes a part inside one, and tries the next. */
static enum front_store store_of(const struct bf_front_vcpu *vcpu,
				 enum completion completion)
{
	if (!bf_front_arch_may_split(vcpu->run))
		return FRONT_STORE_WHOLE;
	return completion == COMPLETION_PART ||
			       !bf_front_coalesces(vcpu->front, vcpu->run) ?
		       FRONT_STORE_MAY_SPLIT :
		       FRONT_STORE_WHOLE;
}

bool bf_front_has_served(const struct bf_front_vcpu *vcpu)
{
	return vcpu->served;
}

bool bf_front_after_run(struct bf_front_vcpu *vcpu, int ret)
{
	const enum completion completion = completion_of(vcpu, ret);
	const bool served = vcpu->served;

	vcpu->served = ret >= 0 && completion != COMPLETION_PART &&
		       offer_exit(vcpu);
	vcpu->store = ret >= 0 && !vcpu->served ? store_of(vcpu, completion) :
						  FRONT_STORE_WHOLE;
	if (completion == COMPLETION_DONE)
		return true;
	/* A handler that left bf_front_complete() by a long jump left it. */
	if (ret < 0 &&
	    unlikely(__atomic_load_n(&vcpu->run->immediate_exit,
				     __ATOMIC_RELAXED) == OWN_IMMEDIATE_EXIT))
		replace_immediate_exit(vcpu->run, OWN_IMMEDIATE_EXIT, 0);
	if (ret < 0 && served)
		hide_served_exit(vcpu->run);
	else if (ret >= 0 && vcpu->front->counts_exits)
		bf_front_count_exit(vcpu);
	return vcpu->served;
}

/*
 * Another thread, or a signal handler of this one, may store a kick to
 * immediate_exit at any time.  The front's value is distinct, so it goes only
 * if it is still there.  A handler that stores 0 lets the guest run, as it
 * would without the front.
 */
int bf_front_complete_once(struct bf_front_vcpu *vcpu, int fd)
{
	struct kvm_run *run = vcpu->run;
	long ret;

	replace_immediate_exit(run, 0, OWN_IMMEDIATE_EXIT);
	ret = syscall(SYS_ioctl, fd, KVM_RUN, 0);
	ret = ret < 0 ? -errno : ret;
	replace_immediate_exit(run, OWN_IMMEDIATE_EXIT, 0);
	return (int)ret;
}

int bf_front_complete(struct bf_front_vcpu *vcpu)
{
	int ret;

	do {
		ret = bf_front_complete_once(vcpu, vcpu->fd);
	} while (bf_front_after_run(vcpu, ret));
	return ret;
}
