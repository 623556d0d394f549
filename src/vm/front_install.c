// SPDX-License-Identifier: MIT
/*
 * What the kernel is told, and when.
 *
 * A doorbell that the kernel has stays on the bus: a vCPU may have left the
 * guest for its write before the kernel knew it, and will ask here whenever it
 * gets to run.  A write comes out as an exit or is taken by the kernel, never
 * both, so it rings once in any case.
 *
 * Doorbells come before zones: the kernel lets the doorbell win that stands in
 * a zone, but only if it knows it.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io_bus/doorbell.h"
#include "vm/front_internal.h"
#include "vm/watch.h"

int bf_front_kernel(struct bf_front *front, unsigned long request,
		    const void *arg)
{
	long ret;

	if (front->vm_fd < 0)
		return -ENOTSUP;
	__atomic_fetch_add(&front->calls, 1, __ATOMIC_RELAXED);
	ret = syscall(SYS_ioctl, front->vm_fd, request, arg);
	__atomic_fetch_sub(&front->calls, 1, __ATOMIC_RELAXED);
	return ret < 0 ? -errno : 0;
}

/* The kernel decides by the same precedence: PIO before virtio-ccw. */
uint16_t bf_front_space(uint32_t flags)
{
	if (flags & KVM_IOEVENTFD_FLAG_PIO)
		return BF_IO_PIO;
	if (flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY)
		return BF_IO_CCW;
	return BF_IO_MMIO;
}

/* Locked; read by exits, which miss nothing by an old value. */
void bf_front_count_pending(struct bf_front *front, int change)
{
	__atomic_store_n(&front->nr_pending,
			 front->nr_pending + (unsigned int)change,
			 __ATOMIC_RELAXED);
}

/* The list that a doorbell of this state is on. */
static struct front_doorbells *list_of(struct bf_front *front,
				       enum front_state state)
{
	switch (state) {
	case FRONT_PENDING:
		return &front->pending;
	case FRONT_WANTED:
		return &front->wanted;
	default:
		return &front->known;
	}
}

void bf_front_set_state(struct bf_front *front, struct front_doorbell *d,
			enum front_state state)
{
	TAILQ_REMOVE(list_of(front, d->state), d, entry);
	TAILQ_INSERT_TAIL(list_of(front, state), d, entry);
	if (d->state == FRONT_PENDING)
		bf_front_count_pending(front, -1);
	d->state = state;
	if (state != FRONT_BUSY)
		pthread_cond_broadcast(&front->not_busy);
}

void bf_front_forget(struct bf_front *front, struct front_doorbell *d)
{
	TAILQ_REMOVE(list_of(front, d->state), d, entry);
	if (d->state == FRONT_PENDING)
		bf_front_count_pending(front, -1);
	front->stats.rung += bf_doorbell_remove(front->bus, d->handle);
	bf_slab_put(d);
	pthread_cond_broadcast(&front->not_busy);
}

/*
 * The same call on our duplicate of the eventfd: the VMM may have closed its.
 * Lock held, dropped meanwhile; the doorbell is busy until the caller gives it
 * another state.
 */
static int kernel_doorbell(struct bf_front *front, struct front_doorbell *d,
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

int bf_front_install(struct bf_front *front, struct front_doorbell *d)
{
	int ret = kernel_doorbell(front, d, 0);

	bf_watch_doorbell(front, &d->arg, ret);
	bf_front_set_state(front, d, ret ? FRONT_REFUSED : FRONT_INSTALLED);
	if (ret) {
		front->stats.refused++;
	} else {
		front->stats.installed++;
		bf_front_told(front);
	}
	return ret;
}

void bf_front_remove(struct bf_front *front, struct front_doorbell *d)
{
	if (d->state == FRONT_INSTALLED)
		kernel_doorbell(front, d, KVM_IOEVENTFD_FLAG_DEASSIGN);
	else
		front->stats.never_known++;
	bf_front_forget(front, d);
}

bool bf_front_zone_covers(const struct kvm_coalesced_mmio_zone *zone,
			  const struct kvm_ioeventfd *arg)
{
	uint16_t space = zone->pio ? BF_IO_PIO : BF_IO_MMIO;
	uint64_t len = arg->len ? arg->len : 1;

	return space == bf_front_space(arg->flags) && arg->addr >= zone->addr &&
	       arg->addr - zone->addr < zone->size &&
	       len <= zone->size - (arg->addr - zone->addr);
}

/* One that the zone covers and the kernel does not have; lock held. */
static struct front_doorbell *
find_uncovered(struct front_doorbells *list,
	       const struct kvm_coalesced_mmio_zone *zone)
{
	struct front_doorbell *d;

	TAILQ_FOREACH(d, list, entry)
	if (d->state != FRONT_INSTALLED && bf_front_zone_covers(zone, &d->arg))
		return d;
	return NULL;
}

static struct front_doorbell *
find_any_uncovered(struct bf_front *front,
		   const struct kvm_coalesced_mmio_zone *zone)
{
	struct front_doorbell *d = find_uncovered(&front->pending, zone);

	if (!d)
		d = find_uncovered(&front->wanted, zone);
	return d ? d : find_uncovered(&front->known, zone);
}

/* Lock held, dropped meanwhile; the first refusal ends it. */
static int install_covered(struct bf_front *front,
			   const struct kvm_coalesced_mmio_zone *zone)
{
	struct front_doorbell *d;
	int ret = 0;

	while (!ret && (d = find_any_uncovered(front, zone))) {
		if (d->state == FRONT_BUSY)
			pthread_cond_wait(&front->not_busy, &front->lock);
		else
			ret = bf_front_install(front, d);
	}
	return ret;
}

void bf_front_claim_zones(struct bf_front *front)
{
	while (front->zones_claimed)
		pthread_cond_wait(&front->not_busy, &front->lock);
	front->zones_claimed = true;
}

void bf_front_release_zones(struct bf_front *front)
{
	front->zones_claimed = false;
	pthread_cond_broadcast(&front->not_busy);
}

/*
 * The zone is busy before the kernel has it: a doorbell that comes meanwhile
 * must not stay pending.  One that the kernel refuses to have keeps the zone
 * out: its writes would go to the ring.
 */
int bf_front_install_zone(struct bf_front *front, struct front_zone *z)
{
	int ret;

	if (z->state == FRONT_PENDING)
		bf_front_count_pending(front, -1);
	z->state = FRONT_BUSY;
	ret = install_covered(front, &z->zone);
	if (!ret) {
		pthread_mutex_unlock(&front->lock);
		ret = bf_front_kernel(front, KVM_REGISTER_COALESCED_MMIO,
				      &z->zone);
		pthread_mutex_lock(&front->lock);
		bf_watch_zone(front, &z->zone, ret);
	}
	z->state = ret ? FRONT_REFUSED : FRONT_INSTALLED;
	if (!ret) {
		front->stats.zones_installed++;
		bf_front_told(front);
	}
	return ret;
}

void bf_front_install_zones(struct bf_front *front)
{
	struct front_zone *z;

	while (!front->stopped && (z = bf_front_pending_zone(front)))
		bf_front_install_zone(front, z);
}

void bf_front_install_pending(struct bf_front *front)
{
	pthread_mutex_lock(&front->lock);
	while (!TAILQ_EMPTY(&front->pending) && !front->stopped)
		bf_front_install(front, TAILQ_FIRST(&front->pending));
	while (!TAILQ_EMPTY(&front->wanted) && !front->stopped)
		bf_front_install(front, TAILQ_FIRST(&front->wanted));
	bf_front_claim_zones(front);
	bf_front_install_zones(front);
	bf_front_release_zones(front);
	pthread_mutex_unlock(&front->lock);
}

/* Lock held: in one pass, as the list may change while one is installed. */
static void want_rung(struct bf_front *front)
{
	struct front_doorbell *d, *next;

	for (d = TAILQ_FIRST(&front->pending); d; d = next) {
		next = TAILQ_NEXT(d, entry);
		if (bf_io_doorbell_rings(d->handle) >= front->rings)
			bf_front_set_state(front, d, FRONT_WANTED);
	}
}

static struct front_zone *find_rung_zone(struct bf_front *front)
{
	struct front_zone *z;

	TAILQ_FOREACH(z, &front->zones, entry)
	if (z->state == FRONT_PENDING && z->hits >= front->rings)
		return z;
	return NULL;
}

/* Lock held.  False: nothing is left that is worth it. */
static bool install_one_rung(struct bf_front *front)
{
	struct front_zone *z;

	if (!TAILQ_EMPTY(&front->wanted)) {
		bf_front_install(front, TAILQ_FIRST(&front->wanted));
		return true;
	}
	bf_front_claim_zones(front);
	z = find_rung_zone(front);
	if (z)
		bf_front_install_zone(front, z);
	bf_front_release_zones(front);
	return z;
}

bool bf_front_install_rung(struct bf_front *front)
{
	bool more = true;

	pthread_mutex_lock(&front->lock);
	want_rung(front);
	while (more && !front->stopped && !bf_front_quiet_at(front))
		more = install_one_rung(front);
	pthread_mutex_unlock(&front->lock);
	return !more;
}
