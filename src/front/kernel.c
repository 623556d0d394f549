// SPDX-License-Identifier: MIT
/*
 * Calls of the front on the VM's fd, and the states of a doorbell around them.
 *
 * A doorbell that the kernel has stays on the bus as well.  A vCPU may have
 * left the guest for its write before the kernel had the doorbell; it asks the
 * bus whenever it is scheduled, and must find the doorbell there.  A write
 * either comes out as an exit or is taken by the kernel, so each write signals
 * once.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "front/internal.h"
#include "io_bus/doorbell.h"

const struct bf_front_watch *bf_front_watch;
void (*bf_front_counted)(enum bf_front_counter counter);

/* Four ticks at HZ=100 and some: how long a normal grace period can take. */
#define PENDING_GP_NS 50000000u

int bf_front_ask_kernel(const struct bf_front *front, unsigned long request,
			const void *arg)
{
	long ret;

	if (front->vm_fd < 0)
		return -ENOTSUP;
	ret = syscall(SYS_ioctl, front->vm_fd, request, arg);
	return ret < 0 ? -errno : (int)ret;
}

int bf_front_kernel(struct bf_front *front, unsigned long request,
		    const void *arg)
{
	int ret;

	__atomic_fetch_add(&front->calls, 1, __ATOMIC_RELAXED);
	ret = bf_front_ask_kernel(front, request, arg);
	__atomic_fetch_sub(&front->calls, 1, __ATOMIC_RELAXED);
	return ret;
}

int bf_front_ioctl(struct bf_front *front, unsigned long request, void *arg)
{
	int ret;

	switch (request) {
	case KVM_IOEVENTFD:
		return bf_front_ioeventfd(front, arg);
	case KVM_REGISTER_COALESCED_MMIO:
	case KVM_UNREGISTER_COALESCED_MMIO:
		return bf_front_zone(front, request, arg);
	}
	bf_front_call_begins(front, request);
	ret = bf_front_ask_kernel(front, request, arg);
	bf_front_call_ends(front, request);
	return ret;
}

void bf_front_note_install(struct bf_front *front)
{
	__atomic_store_n(&front->last_install_ns, bf_now_ns(),
			 __ATOMIC_RELAXED);
}

bool bf_front_has_pending_gp(const struct bf_front *front)
{
	uint64_t installed =
		__atomic_load_n(&front->last_install_ns, __ATOMIC_RELAXED);

	return installed && bf_now_ns() - installed < PENDING_GP_NS;
}

static struct front_doorbells *list_of(struct bf_front *front,
				       enum front_state state)
{
	switch (state) {
	case FRONT_PENDING:
		return &front->pending;
	case FRONT_QUEUED:
		return &front->queued;
	default:
		return &front->tracked;
	}
}

void bf_front_set_state(struct bf_front *front, struct front_doorbell *d,
			enum front_state state)
{
	TAILQ_REMOVE(list_of(front, d->state), d, entry);
	TAILQ_INSERT_TAIL(list_of(front, state), d, entry);
	if (d->state == FRONT_PENDING)
		front_count_pending(front, -1);
	front->nr_refused -= d->state == FRONT_REFUSED;
	front->nr_refused += state == FRONT_REFUSED;
	d->state = state;
	if (state != FRONT_BUSY)
		pthread_cond_broadcast(&front->state_changed);
}

void bf_front_drop(struct bf_front *front, struct front_doorbell *d)
{
	TAILQ_REMOVE(list_of(front, d->state), d, entry);
	if (d->state == FRONT_PENDING)
		front_count_pending(front, -1);
	front->nr_refused -= d->state == FRONT_REFUSED;
	front->signalled += bf_doorbell_remove(front->bus, d->handle);
	pthread_cond_broadcast(&front->state_changed);
}

/*
 * The VMM's call, with the bus's duplicate of the eventfd: the VMM may have
 * closed its own.  Lock held, lock dropped.  The doorbell is busy until the
 * caller sets another state.
 */
static int call_doorbell(struct bf_front *front, struct front_doorbell *d,
			 uint32_t flags)
{
	struct kvm_ioeventfd arg = d->arg;
	int ret;

	arg.fd = bf_doorbell_fd(d->handle);
	arg.flags |= flags;
	bf_front_set_state(front, d, FRONT_BUSY);
	pthread_mutex_unlock(&front->lock);
	ret = bf_front_kernel(front, KVM_IOEVENTFD, &arg);
	pthread_mutex_lock(&front->lock);
	return ret;
}

int bf_front_install_doorbell(struct bf_front *front, struct front_doorbell *d)
{
	int ret = call_doorbell(front, d, 0);

	if (bf_front_watch)
		bf_front_watch->doorbell(front, &d->arg, ret);
	bf_front_set_state(front, d, ret ? FRONT_REFUSED : FRONT_INSTALLED);
	if (ret) {
		front_count(front, BF_FRONT_REFUSED);
	} else {
		front_count(front, BF_FRONT_INSTALLED);
		bf_front_note_install(front);
	}
	return ret;
}

void bf_front_remove_doorbell(struct bf_front *front, struct front_doorbell *d)
{
	if (d->state == FRONT_INSTALLED)
		call_doorbell(front, d, KVM_IOEVENTFD_FLAG_DEASSIGN);
	else
		front_count(front, BF_FRONT_NEVER_INSTALLED);
	bf_front_drop(front, d);
}

int bf_front_call_zone(struct bf_front *front, unsigned long request,
		       const struct kvm_coalesced_mmio_zone *zone)
{
	int ret;

	pthread_mutex_unlock(&front->lock);
	ret = bf_front_kernel(front, request, zone);
	pthread_mutex_lock(&front->lock);
	return ret;
}
