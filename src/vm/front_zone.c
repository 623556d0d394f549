// SPDX-License-Identifier: MIT
/*
 * Coalesced zones, answered as the kernel would.
 *
 * Until the kernel has a zone, a write inside it is a plain exit.  A VMM must
 * handle these anyway: the kernel makes them whenever the ring is full.  And
 * it sees every write in order: it empties the ring before it handles an exit
 * of any kind, so what went to the ring before comes first; and what goes to
 * the ring later, by the same vCPU, does so after the exit was handled.
 */
#include <errno.h>
#include <stdlib.h>

#include "vm/front_internal.h"

/*
 * As many zones as this fit in any kernel's bus of 1000, whatever else stands
 * on it.  When there are more only the kernel can tell the last that fits.
 */
#define SURELY_FIT 256

struct front_zone *bf_front_pending_zone(struct bf_front *front)
{
	struct front_zone *z;

	TAILQ_FOREACH(z, &front->zones, entry)
	if (z->state == FRONT_PENDING)
		return z;
	return NULL;
}

static void free_zone(struct bf_front *front, struct front_zone *z)
{
	if (z->state == FRONT_PENDING)
		bf_front_count_pending(front, -1);
	TAILQ_REMOVE(&front->zones, z, entry);
	free(z);
}

void bf_front_free_zones(struct bf_front *front)
{
	while (!TAILQ_EMPTY(&front->zones))
		free_zone(front, TAILQ_FIRST(&front->zones));
}

static bool surely_fits(const struct bf_front *front,
			const struct kvm_coalesced_mmio_zone *zone)
{
	const struct front_zone *z;
	unsigned int count = 0;

	TAILQ_FOREACH(z, &front->zones, entry)
	count += z->zone.pio == zone->pio;
	return count <= SURELY_FIT;
}

/* Those before it too, so that the kernel counts as it would. */
static int install_with_all(struct bf_front *front, struct front_zone *z)
{
	int ret;

	bf_front_install_zones(front);
	ret = bf_front_install_zone(front, z);
	if (ret)
		free_zone(front, z);
	return ret;
}

/* What becomes of a zone that is on the list now; lock held, zones claimed. */
static int settle(struct bf_front *front, struct front_zone *z)
{
	if (front->policy == BF_POLICY_EAGER || front->zones_at_once ||
	    !surely_fits(front, &z->zone))
		return install_with_all(front, z);
	z->state = FRONT_PENDING;
	bf_front_count_pending(front, 1);
	if (front->policy == BF_POLICY_FIRST_RUN)
		__atomic_store_n(&front->to_install, true, __ATOMIC_RELAXED);
	return 0;
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
	ret = settle(front, z);
	if (!ret)
		front->stats.zones++;
	bf_front_release_zones(front);
	pthread_mutex_unlock(&front->lock);
	return ret;
}

/*
 * As in the kernel: every zone of the space that contains the given one, whose
 * size is an int there, and whose ends may wrap.
 */
static bool zone_contains(const struct kvm_coalesced_mmio_zone *outer,
			  const struct kvm_coalesced_mmio_zone *inner)
{
	const uint64_t end = inner->addr + inner->size;

	return outer->pio == inner->pio && (int32_t)inner->size >= 0 &&
	       end >= inner->addr && inner->addr >= outer->addr &&
	       end <= outer->addr + outer->size;
}

static bool kernel_has_one(const struct bf_front *front,
			   const struct kvm_coalesced_mmio_zone *zone)
{
	const struct front_zone *z;

	TAILQ_FOREACH(z, &front->zones, entry)
	if (z->state == FRONT_INSTALLED && zone_contains(&z->zone, zone))
		return true;
	return false;
}

/* Lock held, dropped meanwhile. */
static int unregister_in_kernel(struct bf_front *front,
				const struct kvm_coalesced_mmio_zone *zone)
{
	int ret;

	pthread_mutex_unlock(&front->lock);
	ret = bf_front_kernel(front, KVM_UNREGISTER_COALESCED_MMIO, zone);
	pthread_mutex_lock(&front->lock);
	return ret;
}

static void forget_zones(struct bf_front *front,
			 const struct kvm_coalesced_mmio_zone *zone)
{
	struct front_zone *z, *next;

	for (z = TAILQ_FIRST(&front->zones); z; z = next) {
		next = TAILQ_NEXT(z, entry);
		if (zone_contains(&z->zone, zone))
			free_zone(front, z);
	}
}

static int unregister_zone(struct bf_front *front,
			   const struct kvm_coalesced_mmio_zone *zone)
{
	int ret = 0;

	pthread_mutex_lock(&front->lock);
	bf_front_claim_zones(front);
	if (kernel_has_one(front, zone))
		ret = unregister_in_kernel(front, zone);
	if (!ret)
		forget_zones(front, zone);
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
	bf_front_disturb(front);
	return ret;
}
