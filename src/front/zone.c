// SPDX-License-Identifier: MIT
/*
 * Coalesced zones, answered as the kernel answers them.
 *
 * Until the kernel has a zone, a write inside it is a plain exit.  A VMM must
 * handle such exits in any case, because the kernel makes them whenever the
 * ring is full.  The VMM sees the writes of a vCPU in their order: it empties
 * the ring before it handles an exit, so it sees the writes that went to the
 * ring earlier first; a later write of the same vCPU goes to the ring after the
 * VMM has handled the exit.
 */
#include <errno.h>
#include <stdlib.h>

#include "front/internal.h"

void bf_front_claim_zones(struct bf_front *front)
{
	while (front->zones_claimed)
		pthread_cond_wait(&front->state_changed, &front->lock);
	front->zones_claimed = true;
}

void bf_front_release_zones(struct bf_front *front)
{
	front->zones_claimed = false;
	pthread_cond_broadcast(&front->state_changed);
}

/* Relaxed: an exit that loads an old count has come before the change. */
static void count_zone(struct bf_front *front, int change)
{
	__atomic_store_n(&front->nr_zones,
			 front->nr_zones + (unsigned int)change,
			 __ATOMIC_RELAXED);
}

void bf_front_free_zone(struct bf_front *front, struct front_zone *z)
{
	if (z->state == FRONT_PENDING)
		front_count_pending(front, -1);
	TAILQ_REMOVE(&front->zones, z, entry);
	count_zone(front, -1);
	free(z);
}

static int register_zone(struct bf_front *front,
			 const struct kvm_coalesced_mmio_zone *zone)
{
	struct front_zone *z = calloc(1, sizeof(*z));
	int ret;

	if (!z)
		return -ENOMEM;
	z->zone = *zone;
	z->state = FRONT_BUSY;
	pthread_mutex_lock(&front->lock);
	bf_front_claim_zones(front);
	TAILQ_INSERT_TAIL(&front->zones, z, entry);
	count_zone(front, 1);
	ret = bf_front_apply_zone_policy(front, z);
	if (!ret)
		front_count(front, BF_FRONT_ZONES);
	bf_front_release_zones(front);
	pthread_mutex_unlock(&front->lock);
	return ret;
}

/*
 * The kernel's rule for KVM_UNREGISTER_COALESCED_MMIO: it removes every zone of
 * the space that contains the given one.  The size is an int in the kernel, and
 * the end of a zone may wrap.
 */
static bool zone_contains(const struct kvm_coalesced_mmio_zone *outer,
			  const struct kvm_coalesced_mmio_zone *inner)
{
	const uint64_t end = inner->addr + inner->size;

	return outer->pio == inner->pio && (int32_t)inner->size >= 0 &&
	       end >= inner->addr && inner->addr >= outer->addr &&
	       end <= outer->addr + outer->size;
}

static bool kernel_has_zone(const struct bf_front *front,
			    const struct kvm_coalesced_mmio_zone *zone)
{
	const struct front_zone *z;

	TAILQ_FOREACH(z, &front->zones, entry)
	if (z->state == FRONT_INSTALLED && zone_contains(&z->zone, zone))
		return true;
	return false;
}

static void free_zones(struct bf_front *front,
		       const struct kvm_coalesced_mmio_zone *zone)
{
	struct front_zone *z, *next;

	for (z = TAILQ_FIRST(&front->zones); z; z = next) {
		next = TAILQ_NEXT(z, entry);
		if (zone_contains(&z->zone, zone))
			bf_front_free_zone(front, z);
	}
}

static int unregister_zone(struct bf_front *front,
			   const struct kvm_coalesced_mmio_zone *zone)
{
	int ret = 0;

	pthread_mutex_lock(&front->lock);
	bf_front_claim_zones(front);
	if (kernel_has_zone(front, zone))
		ret = bf_front_call_zone(front, KVM_UNREGISTER_COALESCED_MMIO,
					 zone);
	if (!ret)
		free_zones(front, zone);
	bf_front_release_zones(front);
	pthread_mutex_unlock(&front->lock);
	return ret;
}

int bf_front_zone(struct bf_front *front, unsigned long request,
		  const struct kvm_coalesced_mmio_zone *zone)
{
	int ret;

	if (request != KVM_REGISTER_COALESCED_MMIO &&
	    request != KVM_UNREGISTER_COALESCED_MMIO)
		return -EINVAL;
	if (front->vm_fd < 0)
		return -ENOTSUP;
	if (zone->pio > 1)
		return -EINVAL;
	if (request == KVM_REGISTER_COALESCED_MMIO)
		ret = register_zone(front, zone);
	else
		ret = unregister_zone(front, zone);
	bf_front_note_call(front);
	return ret;
}
