// SPDX-License-Identifier: MIT
/* Doorbells: rung, made, registered, found and removed. */
#include <errno.h>
#include <string.h>

#include "io_bus/doorbell.h"
#include "io_bus/probe.h"
#include "base/util.h"

static struct bf_io_doorbell *hit(const struct bf_bell_addr *at,
				  const struct bf_io_access *access)
{
	struct bf_io_doorbell *doorbell;
	unsigned int i;

	doorbell = __atomic_load_n(&at->any, __ATOMIC_CONSUME);
	if (doorbell || !bf_bell_is_length(access->len))
		return doorbell;
	i = bf_bell_length(access->len);
	doorbell = __atomic_load_n(&at->wild[i], __ATOMIC_CONSUME);
	/* Relaxed: who finds something there looks again. */
	if (doorbell || !__atomic_load_n(&at->matches[i], __ATOMIC_RELAXED))
		return doorbell;
	return bf_bell_match(at, access->len, bf_bell_value(access));
}

/* In a section of bus->signals. */
static void consume(const struct bf_io_bus *bus,
		    const struct bf_io_doorbell *doorbell,
		    const struct bf_io_access *access)
{
	struct bf_io_frame frame;

	if (!doorbell->ring) {
		bf_eventfd_signal(&doorbell->eventfd->eventfd);
		return;
	}
	bf_io_enter(&frame, bus, true);
	doorbell->ring(doorbell->opaque, access->addr, access->len,
		       bf_bell_value(access));
	bf_io_leave(&frame);
}

static void consume_counted(const struct bf_io_bus *bus,
			    struct bf_io_doorbell *doorbell,
			    const struct bf_io_access *access)
{
	uint64_t start = bf_count_start();

	consume(bus, doorbell, access);
	bf_count(&doorbell->counters, true, start);
}

/*
 * The consumer has a domain of its own, so that a removal waits for consumers
 * and not for handlers of ranges, which may sleep and may be what removes.
 *
 * A removal unpublishes the doorbell, sets dead and waits for a grace period of
 * bus->signals.  The fence of srcu_read_lock() is before the load of dead:
 * either the grace period sees this section and waits for the consumer, or this
 * load sees dead.  Relaxed: what dead says depends on nothing else.
 */
static bool ring(struct bf_io_bus *bus, const struct bf_io_roots *roots,
		 struct bf_io_doorbell *doorbell,
		 const struct bf_io_access *access)
{
	int idx = srcu_read_lock(&bus->signals);
	bool dead = __atomic_load_n(&doorbell->dead, __ATOMIC_RELAXED);

	if (!dead) {
		if (doorbell->counted)
			__atomic_fetch_add(&doorbell->rung, 1,
					   __ATOMIC_RELAXED);
		if (unlikely(roots->counting))
			consume_counted(bus, doorbell, access);
		else
			consume(bus, doorbell, access);
	}
	srcu_read_unlock(&bus->signals, idx);
	return !dead;
}

bool bf_doorbell_ring(struct bf_io_bus *bus, const struct bf_io_roots *roots,
		      const struct bf_io_access *access)
{
	const struct bf_bell_addr *at = bf_bell_addr(roots, access->addr);
	struct bf_io_doorbell *doorbell = at ? hit(at, access) : NULL;

	if (!doorbell)
		return false;
	PROBE_DISPATCH(bus, BF_IO_DOORBELL, access);
	return ring(bus, roots, doorbell, access);
}

static struct bf_io_doorbell *doorbell_of(struct bf_removal *removal)
{
	return container_of(removal, struct bf_io_doorbell, removal);
}

/* Its eventfd is not needed any more, whoever may still look at it. */
static void silence(struct bf_io_doorbell *doorbell)
{
	if (!doorbell->ring)
		bf_eventfd_put(&doorbell->removal.bus->eventfds,
			       doorbell->eventfd);
}

/* Silenced before. */
static void free_silenced(struct bf_removal *removal)
{
	struct bf_io_doorbell *doorbell = doorbell_of(removal);
	struct bf_io_bus *bus = removal->bus;

	bf_counters_free(doorbell->counters);
	pthread_mutex_lock(&bus->lock);
	bf_slab_put(doorbell);
	pthread_mutex_unlock(&bus->lock);
}

void bf_doorbell_free(struct bf_io_doorbell *doorbell)
{
	silence(doorbell);
	free_silenced(&doorbell->removal);
}

static int uncount(void *unused, struct bf_io_doorbell *doorbell)
{
	bf_counters_free(doorbell->counters);
	return 0;
}

static int uncount_addr(void *unused, struct bf_trie_entry *entry)
{
	return bf_bell_each(bf_bell_addr_of(entry), uncount, NULL);
}

void bf_doorbells_uncount(uintptr_t root)
{
	bf_trie_each(root, uncount_addr, NULL);
}

static void removed(struct bf_removal *removal)
{
	PROBE_REMOVED(removal->bus, BF_IO_DOORBELL, doorbell_of(removal));
	bf_doorbell_free(doorbell_of(removal));
}

static void describe(struct bf_io_doorbell *doorbell,
		     const struct bf_io_doorbell_desc *desc)
{
	doorbell->addr = desc->addr;
	doorbell->space = desc->space;
	doorbell->len = desc->len;
	doorbell->wildcard = desc->wildcard;
	doorbell->counted = desc->counted;
	doorbell->ring = desc->ring;
	doorbell->opaque = desc->opaque;
	doorbell->datamatch = desc->wildcard ? 0 : desc->datamatch;
	doorbell->match.hash = bf_trie_hash(doorbell->datamatch);
}

static struct bf_io_doorbell *alloc(struct bf_io_bus *bus)
{
	struct bf_io_doorbell *doorbell;

	pthread_mutex_lock(&bus->lock);
	doorbell = bf_slab_get(&bus->bells);
	pthread_mutex_unlock(&bus->lock);
	if (doorbell)
		memset(doorbell, 0, sizeof(*doorbell));
	return doorbell;
}

/* Takes over the reference to the eventfd, also on error. */
static int doorbell_make(struct bf_io_bus *bus,
			 const struct bf_io_doorbell_desc *desc,
			 struct bf_shared_eventfd *eventfd,
			 struct bf_io_doorbell **doorbellp)
{
	struct bf_io_doorbell *doorbell = alloc(bus);

	if (!doorbell) {
		if (eventfd)
			bf_eventfd_put(&bus->eventfds, eventfd);
		return -ENOMEM;
	}
	describe(doorbell, desc);
	doorbell->eventfd = eventfd;
	doorbell->removal.bus = bus;
	doorbell->removal.free = removed;
	*doorbellp = doorbell;
	return 0;
}

static int get_eventfd(struct bf_io_bus *bus, int fd,
		       struct bf_shared_eventfd **eventfdp)
{
	int ret = bf_eventfd_get(&bus->eventfds, fd, eventfdp);

	if (ret || bf_eventfd_is_valid(*eventfdp))
		return ret;
	ret = bf_eventfd_check((*eventfdp)->eventfd.fd);
	if (ret)
		bf_eventfd_put(&bus->eventfds, *eventfdp);
	else
		bf_eventfd_set_valid(*eventfdp);
	return ret;
}

int bf_doorbell_new(struct bf_io_bus *bus,
		    const struct bf_io_doorbell_desc *desc,
		    struct bf_io_doorbell **doorbellp)
{
	struct bf_shared_eventfd *eventfd = NULL;
	int ret = bf_doorbell_check(desc);

	if (!ret && !desc->ring)
		ret = get_eventfd(bus, desc->eventfd, &eventfd);
	return ret ? ret : doorbell_make(bus, desc, eventfd, doorbellp);
}

static int publish(struct bf_io_bus *bus, struct bf_io_doorbell *doorbell,
		   struct bf_io_conflict *conflict)
{
	struct bf_change change;
	int ret = bf_change_begin(&change, bus);

	if (ret)
		return ret;
	ret = bf_bell_add(&change, doorbell, conflict);
	if (ret) {
		bf_change_abort(&change);
		return ret;
	}
	PROBE_REGISTER(bus, BF_IO_DOORBELL, doorbell->space, doorbell->addr,
		       doorbell->len);
	bf_change_commit(&change);
	return 0;
}

/* Publishes a new doorbell, or frees it. */
static int add(struct bf_io_bus *bus, struct bf_io_doorbell *doorbell,
	       struct bf_io_doorbell **doorbellp,
	       struct bf_io_conflict *conflict)
{
	int ret = publish(bus, doorbell, conflict);

	if (ret)
		bf_doorbell_free(doorbell);
	else if (doorbellp)
		*doorbellp = doorbell;
	return ret;
}

int bf_doorbell_add(struct bf_io_bus *bus,
		    const struct bf_io_doorbell_desc *desc,
		    struct bf_shared_eventfd *eventfd, const void *owner,
		    struct bf_io_doorbell **doorbellp)
{
	struct bf_io_doorbell *doorbell;
	int ret = doorbell_make(bus, desc, eventfd, &doorbell);

	if (ret)
		return ret;
	doorbell->owner = owner;
	return add(bus, doorbell, doorbellp, NULL);
}

int bf_io_add_doorbell(struct bf_io_bus *bus,
		       const struct bf_io_doorbell_desc *desc,
		       struct bf_io_doorbell **doorbellp,
		       struct bf_io_conflict *conflict)
{
	struct bf_io_doorbell *doorbell;
	int ret = bf_doorbell_new(bus, desc, &doorbell);

	return ret ? ret : add(bus, doorbell, doorbellp, conflict);
}

static bool same_consumer(const struct bf_io_doorbell *doorbell,
			  const struct bf_io_doorbell_desc *desc)
{
	if (desc->ring || doorbell->ring)
		return doorbell->ring == desc->ring &&
		       doorbell->opaque == desc->opaque;
	return bf_eventfd_same(doorbell->eventfd->eventfd.fd, desc->eventfd);
}

static struct bf_io_doorbell *find(struct bf_io_bus *bus,
				   const struct bf_io_doorbell_desc *desc,
				   const void *owner, bool any_consumer)
{
	struct bf_io_doorbell *doorbell;

	pthread_mutex_lock(&bus->lock);
	doorbell = bf_bell_find(bus->state, desc);
	if (doorbell && (doorbell->owner != owner ||
			 !(any_consumer || same_consumer(doorbell, desc))))
		doorbell = NULL;
	pthread_mutex_unlock(&bus->lock);
	return doorbell;
}

struct bf_io_doorbell *bf_doorbell_find(struct bf_io_bus *bus,
					const struct bf_io_doorbell_desc *desc,
					const void *owner)
{
	return find(bus, desc, owner, false);
}

struct bf_io_doorbell *bf_doorbell_at(struct bf_io_bus *bus,
				      const struct bf_io_doorbell_desc *desc,
				      const void *owner)
{
	return find(bus, desc, owner, true);
}

int bf_io_find_doorbell(struct bf_io_bus *bus,
			const struct bf_io_doorbell_desc *desc,
			struct bf_io_doorbell **doorbellp)
{
	struct bf_io_doorbell *doorbell = bf_doorbell_find(bus, desc, NULL);
	int ret = 0;

	if (!doorbell) {
		if (!desc->ring)
			ret = bf_eventfd_check(desc->eventfd);
		return ret ? ret : -ENOENT;
	}
	*doorbellp = doorbell;
	return 0;
}

static int try_unpublish(struct bf_io_bus *bus,
			 const struct bf_io_doorbell *doorbell)
{
	struct bf_change change;
	int ret = bf_change_begin(&change, bus);

	if (ret)
		return ret;
	ret = bf_bell_remove(&change, doorbell);
	if (ret)
		bf_change_abort(&change);
	else
		bf_change_commit(&change);
	return ret;
}

/* Without memory for a new state it is taken out of the one that there is. */
static void unpublish(struct bf_io_bus *bus,
		      const struct bf_io_doorbell *doorbell)
{
	PROBE_REMOVE(bus, BF_IO_DOORBELL, doorbell->space, doorbell->addr,
		     doorbell->len);
	if (!try_unpublish(bus, doorbell))
		return;
	pthread_mutex_lock(&bus->lock);
	bf_bell_clear(bus, doorbell);
	bf_change_counts(bus);
	pthread_mutex_unlock(&bus->lock);
}

uint64_t bf_doorbell_remove(struct bf_io_bus *bus,
			    struct bf_io_doorbell *doorbell)
{
	uint64_t rings;

	unpublish(bus, doorbell);
#ifndef BF_BREAK_DEAD
	__atomic_store_n(&doorbell->dead, true, __ATOMIC_RELAXED);
#endif
#ifndef BF_BREAK_CONSUMER
	synchronize_srcu_expedited(&bus->signals);
#endif
	rings = bf_io_doorbell_rings(doorbell);
	silence(doorbell);
	PROBE_REMOVED(bus, BF_IO_DOORBELL, doorbell);
	/* Accesses that began before may still look at it. */
	doorbell->removal.free = free_silenced;
	bf_removal_defer(&doorbell->removal, NULL, NULL);
	return rings;
}

int bf_io_remove_doorbell(struct bf_io_bus *bus,
			  struct bf_io_doorbell *doorbell)
{
	if (bf_io_in_consumer(bus))
		return -EDEADLK;
	bf_doorbell_remove(bus, doorbell);
	return 0;
}

void bf_io_remove_doorbell_async(struct bf_io_bus *bus,
				 struct bf_io_doorbell *doorbell,
				 bf_io_done_fn done, void *opaque)
{
	unpublish(bus, doorbell);
	bf_removal_defer(&doorbell->removal, done, opaque);
}

void *bf_io_doorbell_opaque(const struct bf_io_doorbell *doorbell)
{
	return doorbell->opaque;
}

uint64_t bf_io_doorbell_rings(const struct bf_io_doorbell *doorbell)
{
	return __atomic_load_n(&doorbell->rung, __ATOMIC_RELAXED);
}

int bf_doorbell_fd(const struct bf_io_doorbell *doorbell)
{
	return doorbell->eventfd->eventfd.fd;
}
