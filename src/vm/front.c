// SPDX-License-Identifier: MIT
/*
 * One lock over the doorbells and zones of a VM, held for moments only: while
 * the kernel installs or removes a doorbell, which may take milliseconds, the
 * doorbell is busy and the lock is free.  Nothing on the path of an exit takes
 * it: exits are matched on the bus alone.
 *
 * A doorbell that the kernel has stays on the bus: a vCPU may have left the
 * guest for its write before the kernel knew it, and will ask here whenever it
 * gets to run.  A write comes out as an exit or is taken by the kernel, never
 * both, so it rings once in any case.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io_bus/doorbell.h"
#include "io_bus/eventfd.h"
#include "util.h"
#include "vm/exit.h"
#include "vm/front.h"
#include "vm/watch.h"

/* Has no name in the headers: accepted by the kernel, without effect. */
#define IOEVENTFD_FLAG_FAST_MMIO (1U << 4)

#define IOEVENTFD_KNOWN_FLAGS                                                 \
	(KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO |              \
	 KVM_IOEVENTFD_FLAG_DEASSIGN | KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY | \
	 IOEVENTFD_FLAG_FAST_MMIO)

enum front_state {
	FRONT_PENDING,	 /* the kernel does not know it yet */
	FRONT_BUSY,	 /* somebody is telling the kernel, without the lock */
	FRONT_INSTALLED, /* the kernel has it too */
	FRONT_REFUSED,	 /* the kernel would not have it */
};

struct front_doorbell {
	TAILQ_ENTRY(front_doorbell) entry; /* in pending or in known */
	struct bf_io_doorbell *handle;
	struct kvm_ioeventfd arg; /* as the VMM gave it */
	enum front_state state;
};

TAILQ_HEAD(front_doorbells, front_doorbell);

struct front_zone {
	struct front_zone *next;
	struct kvm_coalesced_mmio_zone zone;
};

struct bf_front {
	int vm_fd;
	enum bf_policy policy;
	struct bf_io_bus *bus;
	bool own_bus;
	bool to_install;    /* doorbells wait for the next KVM_RUN */
	unsigned int calls; /* on the VM, that may take long */
	pthread_mutex_t lock;
	pthread_cond_t not_busy;	/* some doorbell is busy no more */
	struct front_doorbells pending; /* in the order of registration */
	struct front_doorbells known;	/* those of every other state */
	struct front_zone *zones;
	struct bf_vm_stats stats; /* rung: of doorbells that are gone */
};

void bf_front_call_begins(struct bf_front *front)
{
	__atomic_fetch_add(&front->calls, 1, __ATOMIC_RELAXED);
}

void bf_front_call_ends(struct bf_front *front)
{
	__atomic_fetch_sub(&front->calls, 1, __ATOMIC_RELAXED);
}

static int kernel(struct bf_front *front, unsigned long request,
		  const void *arg)
{
	long ret;

	if (front->vm_fd < 0)
		return -ENOTSUP;
	bf_front_call_begins(front);
	ret = syscall(SYS_ioctl, front->vm_fd, request, arg);
	bf_front_call_ends(front);
	return ret < 0 ? -errno : 0;
}

int bf_front_create(struct bf_front **frontp, int vm_fd, enum bf_policy policy,
		    struct bf_io_bus *bus)
{
	struct bf_front *front = calloc(1, sizeof(*front));
	int ret = 0;

	if (!front)
		return -ENOMEM;
	front->vm_fd = vm_fd;
	front->policy = policy;
	front->bus = bus;
	front->own_bus = !bus;
	if (!bus)
		ret = bf_io_bus_create(&front->bus, "front");
	if (ret) {
		free(front);
		return ret;
	}
	TAILQ_INIT(&front->pending);
	TAILQ_INIT(&front->known);
	pthread_mutex_init(&front->lock, NULL);
	pthread_cond_init(&front->not_busy, NULL);
	*frontp = front;
	return 0;
}

/* The list that a doorbell of this state is on. */
static struct front_doorbells *list_of(struct bf_front *front,
				       enum front_state state)
{
	return state == FRONT_PENDING ? &front->pending : &front->known;
}

static void set_state(struct bf_front *front, struct front_doorbell *d,
		      enum front_state state)
{
	TAILQ_REMOVE(list_of(front, d->state), d, entry);
	TAILQ_INSERT_TAIL(list_of(front, state), d, entry);
	d->state = state;
	if (state != FRONT_BUSY)
		pthread_cond_broadcast(&front->not_busy);
}

static void forget_doorbell(struct bf_front *front, struct front_doorbell *d)
{
	TAILQ_REMOVE(list_of(front, d->state), d, entry);
	front->stats.rung += bf_doorbell_remove(front->bus, d->handle);
	free(d);
	pthread_cond_broadcast(&front->not_busy);
}

static void forget_all(struct bf_front *front, struct front_doorbells *list)
{
	while (!TAILQ_EMPTY(list))
		forget_doorbell(front, TAILQ_FIRST(list));
}

void bf_front_destroy(struct bf_front *front)
{
	struct front_zone *zone;

	if (!front)
		return;
	forget_all(front, &front->pending);
	forget_all(front, &front->known);
	while ((zone = front->zones)) {
		front->zones = zone->next;
		free(zone);
	}
	if (front->own_bus)
		bf_io_bus_destroy(front->bus);
	pthread_cond_destroy(&front->not_busy);
	pthread_mutex_destroy(&front->lock);
	free(front);
}

/* The kernel decides by the same precedence: PIO before virtio-ccw. */
static uint16_t space_of(uint32_t flags)
{
	if (flags & KVM_IOEVENTFD_FLAG_PIO)
		return BF_IO_PIO;
	if (flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY)
		return BF_IO_CCW;
	return BF_IO_MMIO;
}

static struct bf_io_doorbell_desc desc_of(const struct kvm_ioeventfd *arg)
{
	return (struct bf_io_doorbell_desc){
		.addr = arg->addr,
		.datamatch = arg->datamatch,
		.len = arg->len,
		.space = space_of(arg->flags),
		.wildcard = !(arg->flags & KVM_IOEVENTFD_FLAG_DATAMATCH),
		.eventfd = arg->fd,
	};
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
	set_state(front, d, FRONT_BUSY);
	pthread_mutex_unlock(&front->lock);
	ret = kernel(front, KVM_IOEVENTFD, &arg);
	pthread_mutex_lock(&front->lock);
	return ret;
}

/* Lock held, dropped meanwhile. */
static int install(struct bf_front *front, struct front_doorbell *d)
{
	int ret = kernel_doorbell(front, d, 0);

	bf_watch_doorbell(front, &d->arg, ret);
	set_state(front, d, ret ? FRONT_REFUSED : FRONT_INSTALLED);
	if (ret)
		front->stats.refused++;
	else
		front->stats.installed++;
	return ret;
}

/*
 * Would the zone take a write that rings the doorbell?  In the kernel both
 * stand on one bus and the doorbell wins, but only if the kernel has it.
 */
static bool zone_covers(const struct kvm_coalesced_mmio_zone *zone,
			const struct kvm_ioeventfd *arg)
{
	uint16_t space = zone->pio ? BF_IO_PIO : BF_IO_MMIO;
	uint64_t len = arg->len ? arg->len : 1;

	return space == space_of(arg->flags) && arg->addr >= zone->addr &&
	       arg->addr - zone->addr < zone->size &&
	       len <= zone->size - (arg->addr - zone->addr);
}

static bool covered(const struct bf_front *front,
		    const struct kvm_ioeventfd *arg)
{
	const struct front_zone *zone;

	for (zone = front->zones; zone; zone = zone->next)
		if (zone_covers(&zone->zone, arg))
			return true;
	return false;
}

/*
 * What becomes of a doorbell that the bus has just taken; lock held.  One that
 * a zone covers rings only in the kernel, so there its refusal counts.
 */
static int settle(struct bf_front *front, struct front_doorbell *d)
{
	int ret;

	if (front->vm_fd < 0)
		return 0;
	if (front->policy != BF_POLICY_EAGER && !covered(front, &d->arg)) {
		__atomic_store_n(&front->to_install, true, __ATOMIC_RELAXED);
		return 0;
	}
	ret = install(front, d);
	if (ret)
		forget_doorbell(front, d);
	return ret;
}

/*
 * The kernel looks at the descriptor of a deassign before it looks for the
 * doorbell, and none has length 3: an answer at a fifth of the price of asking
 * /proc.  But it takes slots_lock for that, and walks its doorbells: not while
 * somebody may hold the lock for long, nor when there are many.
 */
static bool kernel_is_quick(const struct bf_front *front)
{
	const uint64_t many = 64;

	return front->vm_fd >= 0 && front->stats.installed < many &&
	       !__atomic_load_n(&front->calls, __ATOMIC_RELAXED);
}

static int check_eventfd(void *opaque, int fd)
{
	const struct kvm_ioeventfd arg = {
		.len = 3,
		.fd = fd,
		.flags = KVM_IOEVENTFD_FLAG_DEASSIGN,
	};
	struct bf_front *front = opaque;
	int ret;

	if (!kernel_is_quick(front))
		return bf_eventfd_check(fd);
	ret = kernel(front, KVM_IOEVENTFD, &arg);
	return ret == -ENOENT ? 0 : ret;
}

static int add_doorbell(struct bf_front *front, const struct kvm_ioeventfd *arg)
{
	struct bf_io_doorbell_desc desc = desc_of(arg);
	struct front_doorbell *d = calloc(1, sizeof(*d));
	int ret;

	if (!d)
		return -ENOMEM;
	d->arg = *arg;
	desc.opaque = d;
	ret = bf_doorbell_add(front->bus, &desc, front, check_eventfd,
			      &d->handle);
	if (ret) {
		free(d);
		return ret;
	}
	TAILQ_INSERT_TAIL(&front->pending, d, entry);
	ret = settle(front, d);
	if (!ret)
		front->stats.assigned++;
	return ret;
}

/*
 * Out of memory or descriptors here is no reason to fail a VMM that would
 * live without us: the kernel gets the call as it is.
 */
static int assign(struct bf_front *front, const struct kvm_ioeventfd *arg)
{
	int ret;

	if (arg->flags & ~IOEVENTFD_KNOWN_FLAGS)
		return front->vm_fd < 0 ? -EINVAL :
					  kernel(front, KVM_IOEVENTFD, arg);
	pthread_mutex_lock(&front->lock);
	ret = add_doorbell(front, arg);
	pthread_mutex_unlock(&front->lock);
	if ((ret == -ENOMEM || ret == -EMFILE) && front->vm_fd >= 0)
		ret = kernel(front, KVM_IOEVENTFD, arg);
	return ret;
}

/* Not ours: one that went past us, or none at all, and the kernel knows. */
static int deassign_unknown(struct bf_front *front,
			    const struct kvm_ioeventfd *arg)
{
	int ret;

	if (front->vm_fd >= 0)
		return kernel(front, KVM_IOEVENTFD, arg);
	ret = bf_eventfd_check(arg->fd);
	return ret ? ret : -ENOENT;
}

/* Ours, not busy, or NULL.  Lock held, dropped while it is busy. */
static struct front_doorbell *find_doorbell(struct bf_front *front,
					    const struct kvm_ioeventfd *arg)
{
	struct bf_io_doorbell_desc desc = desc_of(arg);
	struct bf_io_doorbell *handle;
	struct front_doorbell *d;

	while ((handle = bf_doorbell_find(front->bus, &desc, front))) {
		d = bf_io_doorbell_opaque(handle);
		if (d->state != FRONT_BUSY)
			return d;
		pthread_cond_wait(&front->not_busy, &front->lock);
	}
	return NULL;
}

static void remove_doorbell(struct bf_front *front, struct front_doorbell *d)
{
	front->stats.deassigned++;
	if (d->state == FRONT_PENDING)
		front->stats.never_known++;
	if (d->state == FRONT_INSTALLED)
		kernel_doorbell(front, d, KVM_IOEVENTFD_FLAG_DEASSIGN);
	forget_doorbell(front, d);
}

static int deassign(struct bf_front *front, const struct kvm_ioeventfd *arg)
{
	struct front_doorbell *d;

	pthread_mutex_lock(&front->lock);
	d = find_doorbell(front, arg);
	if (d)
		remove_doorbell(front, d);
	pthread_mutex_unlock(&front->lock);
	return d ? 0 : deassign_unknown(front, arg);
}

int bf_front_ioeventfd(struct bf_front *front, const struct kvm_ioeventfd *arg)
{
	if (arg->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		return deassign(front, arg);
	return assign(front, arg);
}

/* One that the zone covers and the kernel does not have; lock held. */
static struct front_doorbell *
find_uncovered(struct front_doorbells *list,
	       const struct kvm_coalesced_mmio_zone *zone)
{
	struct front_doorbell *d;

	TAILQ_FOREACH(d, list, entry)
	if (d->state != FRONT_INSTALLED && zone_covers(zone, &d->arg))
		return d;
	return NULL;
}

/* Lock held, dropped meanwhile; the first refusal ends it. */
static int install_covered(struct bf_front *front,
			   const struct kvm_coalesced_mmio_zone *zone)
{
	struct front_doorbell *d;
	int ret = 0;

	while (!ret) {
		d = find_uncovered(&front->pending, zone);
		if (!d)
			d = find_uncovered(&front->known, zone);
		if (!d)
			return 0;
		if (d->state == FRONT_BUSY)
			pthread_cond_wait(&front->not_busy, &front->lock);
		else
			ret = install(front, d);
	}
	return ret;
}

static void unlink_zone(struct bf_front *front, struct front_zone *z)
{
	struct front_zone **link = &front->zones;

	while (*link != z)
		link = &(*link)->next;
	*link = z->next;
	free(z);
}

/*
 * The zone is on the list before the kernel has it: a doorbell that comes
 * meanwhile must not stay pending.
 */
static int register_zone(struct bf_front *front,
			 const struct kvm_coalesced_mmio_zone *zone)
{
	struct front_zone *z = calloc(1, sizeof(*z));
	int ret;

	if (!z)
		return -ENOMEM;
	z->zone = *zone;
	pthread_mutex_lock(&front->lock);
	z->next = front->zones;
	front->zones = z;
	ret = install_covered(front, zone);
	pthread_mutex_unlock(&front->lock);
	if (!ret)
		ret = kernel(front, KVM_REGISTER_COALESCED_MMIO, zone);
	bf_watch_zone(front, zone, ret);
	if (!ret)
		return 0;
	pthread_mutex_lock(&front->lock);
	unlink_zone(front, z);
	pthread_mutex_unlock(&front->lock);
	return ret;
}

/* As in the kernel: every zone of the space that contains the given one. */
static bool zone_contains(const struct kvm_coalesced_mmio_zone *outer,
			  const struct kvm_coalesced_mmio_zone *inner)
{
	return outer->pio == inner->pio && inner->addr >= outer->addr &&
	       inner->addr - outer->addr <= outer->size &&
	       inner->size <= outer->size - (inner->addr - outer->addr);
}

static int unregister_zone(struct bf_front *front,
			   const struct kvm_coalesced_mmio_zone *zone)
{
	int ret = kernel(front, KVM_UNREGISTER_COALESCED_MMIO, zone);
	struct front_zone *z, *next;

	if (ret)
		return ret;
	pthread_mutex_lock(&front->lock);
	for (z = front->zones; z; z = next) {
		next = z->next;
		if (zone_contains(&z->zone, zone))
			unlink_zone(front, z);
	}
	pthread_mutex_unlock(&front->lock);
	return 0;
}

int bf_front_zone(struct bf_front *front, unsigned long request,
		  const struct kvm_coalesced_mmio_zone *zone)
{
	if (request != KVM_REGISTER_COALESCED_MMIO &&
	    request != KVM_UNREGISTER_COALESCED_MMIO)
		return -EINVAL;
	if (front->vm_fd < 0)
		return -ENOTSUP;
	if (request == KVM_REGISTER_COALESCED_MMIO)
		return register_zone(front, zone);
	return unregister_zone(front, zone);
}

static void install_pending(struct bf_front *front)
{
	pthread_mutex_lock(&front->lock);
	while (!TAILQ_EMPTY(&front->pending))
		install(front, TAILQ_FIRST(&front->pending));
	pthread_mutex_unlock(&front->lock);
}

/*
 * Only the vCPU that clears the flag installs; the others go on, and ring
 * here what the kernel does not have yet.
 */
void bf_front_before_run(struct bf_front *front)
{
	if (likely(!__atomic_load_n(&front->to_install, __ATOMIC_RELAXED)))
		return;
	if (__atomic_exchange_n(&front->to_install, false, __ATOMIC_ACQUIRE))
		install_pending(front);
}

bool bf_front_exit(struct bf_front *front, struct kvm_run *run)
{
	return bf_exit_offer(front->bus, run);
}

static uint64_t rings_of(const struct front_doorbells *list)
{
	const struct front_doorbell *d;
	uint64_t rings = 0;

	TAILQ_FOREACH(d, list, entry)
	rings += bf_io_doorbell_rings(d->handle);
	return rings;
}

void bf_front_stats(struct bf_front *front, struct bf_vm_stats *stats)
{
	pthread_mutex_lock(&front->lock);
	*stats = front->stats;
	stats->rung += rings_of(&front->pending) + rings_of(&front->known);
	pthread_mutex_unlock(&front->lock);
}
