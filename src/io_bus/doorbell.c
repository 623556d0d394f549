// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "io_bus/counters.h"
#include "io_bus/doorbell.h"
#include "io_bus/probe.h"
#include "io_bus/thread.h"

/* Not inlined: see thread.h. */
static __attribute__((noinline)) void
doorbell_call(const struct bf_io_bus *bus,
	      const struct bf_io_doorbell *doorbell,
	      const struct bf_io_access *access)
{
	struct bf_io_frame frame;

	if (doorbell->eventfd) {
		bf_eventfd_signal(&doorbell->eventfd->eventfd);
		return;
	}
	bf_io_enter(&frame, bus, true);
	doorbell->callback(doorbell->opaque, bf_access_value(access), access);
	bf_io_leave(&frame);
}

static void doorbell_signal(const struct bf_io_bus *bus,
			    struct bf_io_doorbell *doorbell, bool counting,
			    const struct bf_io_access *access)
{
	uint64_t start = counting ? bf_now_ns() : 0;

	if (doorbell->counted)
		__atomic_fetch_add(&doorbell->signals, 1, __ATOMIC_RELAXED);
	doorbell_call(bus, doorbell, access);
	if (counting)
		bf_count(&doorbell->entry.counters, true, start);
}

/*
 * In a section of bus->consumer_srcu.  Only where the bus has changed since
 * this access loaded the state, the doorbell may have been removed.
 */
static bool is_alive(const struct bf_io_bus *bus,
		     const struct bf_io_state *state,
		     const struct bf_io_doorbell *doorbell)
{
	return __atomic_load_n(&bus->changes, __ATOMIC_RELAXED) ==
		       state->node.stamp ||
	       !__atomic_load_n(&doorbell->dead, __ATOMIC_RELAXED);
}

/*
 * The consumer has a domain of its own, so that the removal of a doorbell waits
 * for consumers and not for handlers of ranges, which may sleep, and may be the
 * caller of the removal.
 *
 * The removal unpublishes the doorbell, which counts a change, sets dead, and
 * waits for a grace period of bus->consumer_srcu.  Here the fence of
 * srcu_down_read() comes before the loads of is_alive().  So either the grace
 * period sees this section, and waits for the consumer, or these loads see the
 * change and dead.  Without them, a thread that found the doorbell before and
 * was preempted would signal after the removal.  Relaxed: no other load depends
 * on these.
 */
static bool target_try_signal(struct bf_io_bus *bus,
			      const struct bf_io_state *state,
			      struct bf_doorbell_target target,
			      const struct bf_io_access *access)
{
	int idx = srcu_down_read(&bus->consumer_srcu);
	bool alive = is_alive(bus, state, target.doorbell);

	if (likely(alive && target.eventfd && !state->counting))
		bf_eventfd_signal(&target.eventfd->eventfd);
	else if (alive)
		doorbell_signal(bus, target.doorbell, state->counting, access);
	srcu_up_read(&bus->consumer_srcu, idx);
	return alive;
}

bool bf_doorbell_dispatch(struct bf_io_bus *bus,
			  const struct bf_io_state *state,
			  struct bf_io_access *access)
{
	const struct bf_doorbell_target target = bf_doorbell_match(
		&state->space[access->space].doorbells, access);

	if (!target.doorbell)
		return false;
	PROBE_DISPATCH(bus, BF_IO_DOORBELL, access);
	access->taken_by = BF_IO_DOORBELL;
	return target_try_signal(bus, state, target, access);
}

/* Accesses may still read the doorbell, but none signals the eventfd. */
static void doorbell_release(struct bf_entry *entry)
{
	struct bf_io_doorbell *doorbell = bf_doorbell_of(entry);

	if (doorbell->eventfd)
		bf_eventfd_put(&entry->bus->eventfds, doorbell->eventfd);
	doorbell->eventfd = NULL;
}

static const struct bf_entry_ops doorbell_ops = {
	.add = bf_doorbell_tree_add,
	.remove = bf_doorbell_tree_remove,
	.clear = bf_doorbell_tree_clear,
	.release = doorbell_release,
};

static bool consumer_valid(const struct bf_io_doorbell_desc *desc)
{
	return desc->consumer == BF_IO_CONSUMER_EVENTFD ||
	       (desc->consumer == BF_IO_CONSUMER_CALLBACK && desc->callback);
}

static int check_desc(const struct bf_io_doorbell_desc *desc)
{
	const struct bf_entry entry = {
		.kind = BF_IO_DOORBELL,
		.size = desc->len,
	};

	if (!bf_doorbell_len_valid(desc->len) ||
	    bf_entry_check_addr(&entry, desc->addr) ||
	    desc->space >= BF_IO_SPACES || (!desc->len && !desc->wildcard) ||
	    !consumer_valid(desc) || !bf_reserved_is_zero(desc->reserved))
		return -EINVAL;
	return 0;
}

/*
 * Fills in an entry of zeroes, word by word: a copy of one on the stack would
 * wait until the zeroes are in the cache.
 */
static void entry_describe(struct bf_entry *entry, struct bf_io_bus *bus,
			   const struct bf_io_doorbell_desc *desc)
{
	entry->ops = &doorbell_ops;
	entry->bus = bus;
	entry->kind = BF_IO_DOORBELL;
	entry->space = desc->space;
	entry->addr = desc->addr;
	entry->size = desc->len;
	entry->wildcard = desc->wildcard;
	if (!desc->wildcard)
		entry->datamatch = desc->datamatch;
}

/*
 * Takes over the reference to the eventfd, also on error.  @room bytes follow
 * the doorbell.
 */
static int doorbell_make(struct bf_io_bus *bus,
			 const struct bf_io_doorbell_desc *desc,
			 struct bf_shared_eventfd *eventfd, size_t room,
			 struct bf_io_doorbell **doorbellp)
{
	struct bf_io_doorbell *doorbell = calloc(1, sizeof(*doorbell) + room);

	if (!doorbell) {
		if (eventfd)
			bf_eventfd_put(&bus->eventfds, eventfd);
		return -ENOMEM;
	}
	entry_describe(&doorbell->entry, bus, desc);
	doorbell->counted = desc->counted;
	doorbell->callback = eventfd ? NULL : desc->callback;
	doorbell->opaque = room ? doorbell + 1 : desc->opaque;
	doorbell->eventfd = eventfd;
	*doorbellp = doorbell;
	return 0;
}

static int eventfd_get(struct bf_io_bus *bus, int fd,
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
	int ret = check_desc(desc);

	if (!ret && desc->consumer == BF_IO_CONSUMER_EVENTFD)
		ret = eventfd_get(bus, desc->eventfd, &eventfd);
	return ret ? ret : doorbell_make(bus, desc, eventfd, 0, doorbellp);
}

int bf_doorbell_add(struct bf_io_bus *bus,
		    const struct bf_io_doorbell_desc *desc,
		    struct bf_shared_eventfd *eventfd, const void *owner,
		    size_t room, struct bf_io_doorbell **doorbellp)
{
	struct bf_io_doorbell *doorbell;
	int ret = doorbell_make(bus, desc, eventfd, room, &doorbell);

	if (ret)
		return ret;
	doorbell->owner = owner;
	ret = bf_entry_publish(&doorbell->entry, NULL);
	if (!ret)
		*doorbellp = doorbell;
	return ret;
}

int bf_io_add_doorbell(struct bf_io_bus *bus,
		       const struct bf_io_doorbell_desc *desc,
		       struct bf_io_doorbell **doorbellp,
		       struct bf_io_conflict *conflict)
{
	struct bf_io_doorbell *doorbell;
	int ret = bf_doorbell_new(bus, desc, &doorbell);

	if (!ret)
		ret = bf_entry_publish(&doorbell->entry, conflict);
	if (!ret && doorbellp)
		*doorbellp = doorbell;
	return ret;
}

static bool same_consumer(const struct bf_io_doorbell *doorbell,
			  const struct bf_io_doorbell_desc *desc)
{
	if (desc->consumer == BF_IO_CONSUMER_NONE)
		return true;
	if (desc->consumer == BF_IO_CONSUMER_CALLBACK)
		return !doorbell->eventfd &&
		       doorbell->callback == desc->callback &&
		       doorbell->opaque == desc->opaque;
	return doorbell->eventfd &&
	       bf_eventfd_same(doorbell->eventfd->eventfd.fd, desc->eventfd);
}

/* The lock keeps a removal from closing the eventfd that is compared. */
struct bf_io_doorbell *bf_doorbell_find(struct bf_io_bus *bus,
					const struct bf_io_doorbell_desc *desc,
					const void *owner)
{
	struct bf_io_doorbell *doorbell;

	pthread_mutex_lock(&bus->lock);
	doorbell = bf_doorbell_lookup(bus->state, desc);
	if (doorbell &&
	    (doorbell->owner != owner || !same_consumer(doorbell, desc)))
		doorbell = NULL;
	pthread_mutex_unlock(&bus->lock);
	return doorbell;
}

int bf_io_find_doorbell(struct bf_io_bus *bus,
			const struct bf_io_doorbell_desc *desc,
			struct bf_io_doorbell **doorbellp)
{
	struct bf_io_doorbell *doorbell;
	int ret = 0;

	if (!consumer_valid(desc) || !bf_reserved_is_zero(desc->reserved))
		return -EINVAL;
	doorbell = bf_doorbell_find(bus, desc, NULL);
	if (doorbell) {
		*doorbellp = doorbell;
		return 0;
	}
	if (desc->consumer == BF_IO_CONSUMER_EVENTFD)
		ret = bf_eventfd_check(desc->eventfd);
	return ret ? ret : -ENOENT;
}

static void free_removed(struct srcu_head *head)
{
	bf_entry_free(container_of(head, struct bf_entry, head));
}

/* Accesses that began before may read the doorbell: free it after them. */
uint64_t bf_doorbell_remove(struct bf_io_bus *bus,
			    struct bf_io_doorbell *doorbell)
{
	struct bf_entry *entry = &doorbell->entry;
	uint64_t signals;

	bf_entry_unpublish(entry);
	/* Relaxed: see target_try_signal(). */
	__atomic_store_n(&doorbell->dead, true, __ATOMIC_RELAXED);
	synchronize_srcu_expedited(&bus->consumer_srcu);
	signals = bf_io_doorbell_signals(doorbell);
	doorbell_release(entry);
	PROBE_REMOVED(bus, BF_IO_DOORBELL, doorbell);
	pthread_mutex_lock(&bus->lock);
	bf_deferred_add(&bus->deferred, &entry->head, free_removed);
	bf_deferred_free(&bus->srcu, &bus->deferred);
	pthread_mutex_unlock(&bus->lock);
	return signals;
}

int bf_io_remove_doorbell(struct bf_io_bus *bus,
			  struct bf_io_doorbell *doorbell)
{
	if (bf_io_in_callback(doorbell->entry.bus))
		return -EDEADLK;
	bf_doorbell_remove(doorbell->entry.bus, doorbell);
	return 0;
}

void bf_io_remove_doorbell_async(struct bf_io_bus *bus,
				 struct bf_io_doorbell *doorbell,
				 bf_io_done_fn done, void *opaque)
{
	bf_entry_remove_async(&doorbell->entry, done, opaque);
}

void *bf_io_doorbell_opaque(const struct bf_io_doorbell *doorbell)
{
	return doorbell->opaque;
}

uint64_t bf_io_doorbell_signals(const struct bf_io_doorbell *doorbell)
{
	return __atomic_load_n(&doorbell->signals, __ATOMIC_RELAXED);
}

int bf_doorbell_fd(const struct bf_io_doorbell *doorbell)
{
	return doorbell->eventfd->eventfd.fd;
}
