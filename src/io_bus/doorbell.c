// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "io_bus/counters.h"
#include "io_bus/doorbell.h"
#include "io_bus/probe.h"
#include "io_bus/thread.h"

/* By length_index. */
#define NR_LENGTHS 5

/* Lengths that no doorbell can have share the index of length 0. */
static const uint8_t length_index[BF_IO_MAX_LEN + 1] = {
	[1] = 1,
	[2] = 2,
	[4] = 3,
	[8] = 4,
};

/*
 * A doorbell in a tree.  A write to an eventfd needs no more than this: among
 * many doorbells, the doorbell itself would be one more cache miss.
 */
struct target {
	struct bf_io_doorbell *doorbell;   /* NULL: there is none */
	struct bf_shared_eventfd *eventfd; /* NULL: the doorbell tells more */
};

/* The doorbells at one address. */
struct doorbell_addr {
	struct bf_node node;
	/* A doorbell of length 0 is the wildcard of each length. */
	struct target wildcard[NR_LENGTHS];
	struct bf_span_node *matches[NR_LENGTHS]; /* of struct doorbell_match */
};

/* In the tree of a space. */
struct addr_entry {
	struct bf_span_entry span;
	struct doorbell_addr *at;
};

struct doorbell_match {
	struct bf_span_entry span; /* of the datamatch */
	struct target target;
};

static struct addr_entry *addr_entry_of(const struct bf_span_entry *entry)
{
	return container_of(entry, struct addr_entry, span);
}

static struct target match_target(const struct bf_span_entry *entry)
{
	return container_of(entry, struct doorbell_match, span)->target;
}

static struct bf_io_doorbell *doorbell_of(const struct bf_entry *entry)
{
	return container_of(entry, struct bf_io_doorbell, entry);
}

/* In a section, or with the bus locked; NULL: no doorbell is there. */
static struct doorbell_addr *addr_find(const struct bf_io_roots *roots,
				       uint64_t addr)
{
	const struct bf_span_hit hit = bf_span_find(
		roots->doorbells, sizeof(struct addr_entry), addr, 1);

	return hit.entry ? addr_entry_of(hit.entry)->at : NULL;
}

static struct target match_find(const struct doorbell_addr *at, unsigned int i,
				uint64_t value)
{
	const struct bf_span_hit hit = bf_span_find(
		at->matches[i], sizeof(struct doorbell_match), value, 1);

	return hit.entry ? match_target(hit.entry) :
			   (struct target){NULL, NULL};
}

/* Relaxed: see clear_wildcard(). */
static struct target wildcard_find(const struct doorbell_addr *at,
				   unsigned int i)
{
	return (struct target){
		__atomic_load_n(&at->wildcard[i].doorbell, __ATOMIC_RELAXED),
		at->wildcard[i].eventfd,
	};
}

/* The data as KVM compares it: zero-extended, from any alignment. */
static uint64_t access_value(const struct bf_io_access *access)
{
	uint64_t value = 0;

	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
		       "the data begins at the low byte");
	memcpy(&value, access->data, access->len);
	return value;
}

static void doorbell_call(const struct bf_io_bus *bus,
			  const struct bf_io_doorbell *doorbell,
			  const struct bf_io_access *access)
{
	struct bf_io_frame frame;

	if (doorbell->eventfd) {
		bf_eventfd_signal(&doorbell->eventfd->eventfd);
		return;
	}
	bf_io_enter(&frame, bus, true);
	doorbell->callback(doorbell->opaque, access_value(access), access);
	bf_io_leave(&frame);
}

static void doorbell_signal(const struct bf_io_bus *bus,
			    struct bf_io_doorbell *doorbell, bool counting,
			    const struct bf_io_access *access)
{
	uint64_t start = counting ? bf_count_start() : 0;

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
		       state->number ||
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
			      struct target target,
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

static struct target access_match(const struct doorbell_addr *at,
				  const struct bf_io_access *access)
{
	const unsigned int i = length_index[access->len];
	const struct target target = wildcard_find(at, i);

	if (target.doorbell || !at->matches[i])
		return target;
	return match_find(at, i, access_value(access));
}

bool bf_doorbell_dispatch(struct bf_io_bus *bus,
			  const struct bf_io_state *state,
			  struct bf_io_access *access)
{
	const struct doorbell_addr *at =
		addr_find(&state->space[access->space], access->addr);
	struct target target;

	if (!at)
		return false;
	target = access_match(at, access);
	if (!target.doorbell)
		return false;
	PROBE_DISPATCH(bus, BF_IO_DOORBELL, access);
	access->taken_by = BF_IO_DOORBELL;
	return target_try_signal(bus, state, target, access);
}

static unsigned int first_length(const struct bf_entry *entry)
{
	return length_index[entry->size];
}

/* A doorbell of length 0 takes part in all lengths. */
static unsigned int end_length(const struct bf_entry *entry)
{
	return entry->size ? first_length(entry) + 1 : NR_LENGTHS;
}

static struct bf_io_doorbell *any_of_length(const struct doorbell_addr *at,
					    unsigned int i)
{
	struct bf_span_entry *entry;
	struct bf_span span;

	if (at->wildcard[i].doorbell)
		return at->wildcard[i].doorbell;
	entry = bf_span_next(at->matches[i], 0, &span);
	return entry ? match_target(entry).doorbell : NULL;
}

static struct bf_io_doorbell *
collision_of_length(const struct doorbell_addr *at, unsigned int i,
		    const struct bf_entry *new)
{
	if (new->wildcard || at->wildcard[i].doorbell)
		return any_of_length(at, i);
	return match_find(at, i, new->datamatch).doorbell;
}

/* The doorbell that a new one collides with, or NULL. */
static struct bf_io_doorbell *find_collision(const struct doorbell_addr *at,
					     const struct bf_entry *new)
{
	struct bf_io_doorbell *other = NULL;
	unsigned int i;

	for (i = first_length(new); i < end_length(new) && !other; i++)
		other = collision_of_length(at, i, new);
	return other;
}

/*
 * Relaxed: in a published tree the grace period of the removal follows.  An
 * access that begins after that loads NULL.
 */
static void clear_wildcard(struct doorbell_addr *at,
			   const struct bf_entry *entry)
{
	unsigned int i;

	for (i = first_length(entry); i < end_length(entry); i++)
		__atomic_store_n(&at->wildcard[i].doorbell, NULL,
				 __ATOMIC_RELAXED);
}

static struct target target_of(struct bf_io_doorbell *doorbell)
{
	return (struct target){
		doorbell,
		doorbell->counted ? NULL : doorbell->eventfd,
	};
}

static int addr_add(struct bf_edit *edit, struct doorbell_addr *at,
		    struct bf_entry *entry)
{
	const struct bf_span span = {entry->datamatch, entry->datamatch};
	struct doorbell_match match = {.target = target_of(doorbell_of(entry))};
	struct bf_span_entry *existing;
	unsigned int i = first_length(entry);

	if (!entry->wildcard)
		return bf_span_add(edit, &at->matches[i], span, &match.span,
				   sizeof(match), &existing);
	for (; i < end_length(entry); i++)
		at->wildcard[i] = match.target;
	return 0;
}

/* Adds the first doorbell of an address. */
static int addr_make(struct bf_edit *edit, struct bf_span_node **root,
		     struct bf_entry *entry)
{
	const struct bf_span span = {entry->addr, entry->addr};
	struct addr_entry new = {.at = bf_edit_make(edit, sizeof(*new.at))};
	struct bf_span_entry *existing;

	if (!new.at || addr_add(edit, new.at, entry))
		return -ENOMEM;
	return bf_span_add(edit, root, span, &new.span, sizeof(new), &existing);
}

/* The doorbells at the address, for the edit to change; NULL: no memory. */
static struct doorbell_addr *addr_own(struct bf_edit *edit,
				      struct bf_span_node **root, uint64_t addr)
{
	struct bf_span_entry *own = bf_span_own(edit, root, addr);
	struct addr_entry *entry;

	if (!own)
		return NULL;
	entry = addr_entry_of(own);
	if (!bf_edit_owns(edit, &entry->at->node))
		entry->at = bf_edit_copy(edit, &entry->at->node,
					 sizeof(*entry->at),
					 sizeof(*entry->at));
	return entry->at;
}

static int doorbell_add(struct bf_change *change, struct bf_entry *entry,
			struct bf_entry **existing)
{
	struct bf_io_roots *roots = bf_entry_roots(change->state, entry);
	struct doorbell_addr *at = addr_find(roots, entry->addr);
	struct bf_io_doorbell *other = at ? find_collision(at, entry) : NULL;

	if (other) {
		*existing = &other->entry;
		return -EEXIST;
	}
	if (!at)
		return addr_make(&change->edit, &roots->doorbells, entry);
	at = addr_own(&change->edit, &roots->doorbells, entry->addr);
	return at ? addr_add(&change->edit, at, entry) : -ENOMEM;
}

static bool addr_is_empty(const struct doorbell_addr *at)
{
	unsigned int i;

	for (i = 0; i < NR_LENGTHS; i++)
		if (at->wildcard[i].doorbell || at->matches[i])
			return false;
	return true;
}

static int doorbell_remove(struct bf_change *change,
			   const struct bf_entry *entry)
{
	struct bf_io_roots *roots = bf_entry_roots(change->state, entry);
	struct doorbell_addr *at =
		addr_own(&change->edit, &roots->doorbells, entry->addr);

	if (!at)
		return -ENOMEM;
	if (entry->wildcard)
		clear_wildcard(at, entry);
	else if (bf_span_remove(&change->edit,
				&at->matches[first_length(entry)],
				entry->datamatch))
		return -ENOMEM;
	if (!addr_is_empty(at))
		return 0;
	bf_edit_drop(&change->edit, &at->node);
	return bf_span_remove(&change->edit, &roots->doorbells, entry->addr);
}

/* An address without doorbells stays until the next change of that address. */
static void doorbell_clear(struct bf_io_roots *roots,
			   const struct bf_entry *entry)
{
	uint64_t addr;
	struct bf_span_entry *found = bf_span_seek(roots->doorbells,
						   sizeof(struct addr_entry),
						   entry->addr, &addr);
	struct doorbell_addr *at = addr_entry_of(found)->at;

	if (entry->wildcard)
		clear_wildcard(at, entry);
	else
		bf_span_set_size(at->matches[first_length(entry)],
				 entry->datamatch, 0);
}

/* Accesses may still read the doorbell, but none signals the eventfd. */
static void doorbell_release(struct bf_entry *entry)
{
	struct bf_io_doorbell *doorbell = doorbell_of(entry);

	if (doorbell->eventfd)
		bf_eventfd_put(&entry->bus->eventfds, doorbell->eventfd);
	doorbell->eventfd = NULL;
}

static const struct bf_entry_ops doorbell_ops = {
	.offset = offsetof(struct bf_io_doorbell, entry),
	.add = doorbell_add,
	.remove = doorbell_remove,
	.clear = doorbell_clear,
	.release = doorbell_release,
};

static struct bf_span doorbell_span(const struct bf_io_doorbell *doorbell,
				    uint64_t addr)
{
	const uint64_t size = doorbell->entry.size;

	return (struct bf_span){addr, addr + (size ? size - 1 : 0)};
}

static int matches_each(const struct bf_span_node *matches, uint64_t addr,
			bf_entry_fn fn, void *opaque)
{
	struct bf_io_doorbell *doorbell;
	struct bf_span_entry *entry;
	struct bf_span value;
	int ret = 0;

	bf_span_for_each(entry, matches, &value) {
		doorbell = match_target(entry).doorbell;
		ret = fn(opaque, doorbell_span(doorbell, addr),
			 &doorbell->entry);
		if (ret)
			break;
	}
	return ret;
}

static int addr_each(const struct doorbell_addr *at, uint64_t addr,
		     bf_entry_fn fn, void *opaque)
{
	struct bf_io_doorbell *doorbell;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < NR_LENGTHS && !ret; i++) {
		doorbell = wildcard_find(at, i).doorbell;
		/* At its last length, because fn may free it. */
		if (doorbell && end_length(&doorbell->entry) == i + 1)
			ret = fn(opaque, doorbell_span(doorbell, addr),
				 &doorbell->entry);
		if (!ret)
			ret = matches_each(at->matches[i], addr, fn, opaque);
	}
	return ret;
}

int bf_doorbells_each(const struct bf_span_node *root, bf_entry_fn fn,
		      void *opaque)
{
	struct bf_span_entry *entry;
	struct bf_span span;
	int ret = 0;

	bf_span_for_each(entry, root, &span) {
		ret = addr_each(addr_entry_of(entry)->at, span.first, fn,
				opaque);
		if (ret)
			break;
	}
	return ret;
}

static void addr_free(struct doorbell_addr *at)
{
	unsigned int i;

	for (i = 0; i < NR_LENGTHS; i++)
		bf_span_free(at->matches[i]);
	free(at);
}

void bf_doorbells_free(struct bf_span_node *root)
{
	struct bf_span_entry *entry;
	struct bf_span span;

	bf_span_for_each(entry, root, &span)
		addr_free(addr_entry_of(entry)->at);
	bf_span_free(root);
}

static bool consumer_valid(const struct bf_io_doorbell_desc *desc)
{
	return desc->consumer == BF_IO_CONSUMER_EVENTFD ||
	       (desc->consumer == BF_IO_CONSUMER_CALLBACK && desc->callback);
}

static bool len_valid(uint32_t len)
{
	return !len || (len <= BF_IO_MAX_LEN && length_index[len]);
}

static struct bf_entry entry_of_desc(struct bf_io_bus *bus,
				     const struct bf_io_doorbell_desc *desc)
{
	return (struct bf_entry){
		.ops = &doorbell_ops,
		.bus = bus,
		.kind = BF_IO_DOORBELL,
		.space = desc->space,
		.addr = desc->addr,
		.size = desc->len,
		.wildcard = desc->wildcard,
		.datamatch = desc->wildcard ? 0 : desc->datamatch,
	};
}

static int check_desc(const struct bf_io_doorbell_desc *desc)
{
	const struct bf_entry entry = entry_of_desc(NULL, desc);

	if (!len_valid(desc->len) || bf_entry_check_addr(&entry, desc->addr) ||
	    desc->space >= BF_IO_SPACES || (!desc->len && !desc->wildcard) ||
	    !consumer_valid(desc) || !bf_reserved_is_zero(desc->reserved))
		return -EINVAL;
	return 0;
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
	doorbell->entry = entry_of_desc(bus, desc);
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

/* Bus locked. */
static struct bf_io_doorbell *desc_find(const struct bf_io_state *state,
					const struct bf_io_doorbell_desc *desc)
{
	const struct doorbell_addr *at;
	struct bf_io_doorbell *doorbell;
	unsigned int i;

	if (desc->space >= BF_IO_SPACES || !len_valid(desc->len))
		return NULL;
	at = addr_find(&state->space[desc->space], desc->addr);
	if (!at)
		return NULL;
	i = length_index[desc->len];
	doorbell = desc->wildcard ? at->wildcard[i].doorbell :
				    match_find(at, i, desc->datamatch).doorbell;
	return doorbell && doorbell->entry.size == desc->len ? doorbell : NULL;
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
	doorbell = desc_find(bus->state, desc);
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
	bf_io_defer(bus, &entry->head, free_removed);
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
