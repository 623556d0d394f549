// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "io_bus/doorbell.h"
#include "io_bus/probe.h"
#include "io_bus/thread.h"

static bool len_valid(uint32_t len)
{
	return len == 1 || len == 2 || len == 4 || len == 8;
}

/* The index of a valid length. */
static unsigned int len_index(uint32_t len)
{
	return (unsigned int)__builtin_ctz(len);
}

static struct bf_io_doorbell *doorbell_of(struct bf_trie_entry *entry)
{
	return entry ? container_of(entry, struct bf_io_doorbell, match) : NULL;
}

/* The node of an address; in a section, or with the bus locked. */
static struct bf_doorbell_addr *addr_find(const struct bf_io_roots *roots,
					  uint64_t addr)
{
	struct bf_trie_entry *entry =
		bf_trie_find(&roots->doorbells, bf_trie_hash(addr));

	return entry ? bf_doorbell_addr_of(entry) : NULL;
}

static struct bf_io_doorbell *match_find(const struct bf_doorbell_addr *at,
					 unsigned int i, uint64_t value)
{
	return doorbell_of(bf_trie_find(&at->matches[i], bf_trie_hash(value)));
}

/* The data as KVM compares it: zero-extended, from any alignment. */
static uint64_t access_value(const struct bf_io_access *access)
{
	uint64_t value = 0;
	uint32_t value32;
	uint16_t value16;

	switch (access->len) {
	case 1:
		return *(const uint8_t *)access->data;
	case 2:
		memcpy(&value16, access->data, sizeof(value16));
		return value16;
	case 4:
		memcpy(&value32, access->data, sizeof(value32));
		return value32;
	case 8:
		memcpy(&value, access->data, sizeof(value));
		return value;
	default:
		memcpy(&value, access->data, access->len);
		return value;
	}
}

/*
 * The doorbell that a write matches.  Consume: the loads of the doorbell's
 * members come after the load of the pointer.  Relaxed: match_find() loads the
 * root of the trie again.
 */
static struct bf_io_doorbell *access_match(const struct bf_doorbell_addr *at,
					   const struct bf_io_access *access)
{
	struct bf_io_doorbell *doorbell =
		__atomic_load_n(&at->any, __ATOMIC_CONSUME);
	unsigned int i;

	if (doorbell || !len_valid(access->len))
		return doorbell;
	i = len_index(access->len);
	doorbell = __atomic_load_n(&at->wildcard[i], __ATOMIC_CONSUME);
	if (doorbell || !__atomic_load_n(&at->matches[i], __ATOMIC_RELAXED))
		return doorbell;
	return match_find(at, i, access_value(access));
}

/* In a section of bus->consumer_srcu. */
static void doorbell_signal(const struct bf_io_bus *bus,
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

static void doorbell_signal_counted(const struct bf_io_bus *bus,
				    struct bf_io_doorbell *doorbell,
				    const struct bf_io_access *access)
{
	uint64_t start = bf_count_start();

	doorbell_signal(bus, doorbell, access);
	bf_count(&doorbell->counters, true, start);
}

/*
 * The consumer has a domain of its own, so that the removal of a doorbell waits
 * for consumers and not for handlers of ranges, which may sleep, and may be the
 * caller of the removal.
 *
 * The removal unpublishes the doorbell, sets dead, and waits for a grace period
 * of bus->consumer_srcu.  Here the fence of srcu_down_read() comes before the
 * load of dead.  So either the grace period sees this section, and waits for
 * the consumer, or this load sees dead.  Without dead, a thread that found the
 * doorbell before and was preempted would signal after the removal.  Relaxed:
 * no other load depends on dead.
 */
static bool doorbell_try_signal(struct bf_io_bus *bus,
				struct bf_io_doorbell *doorbell, bool counting,
				const struct bf_io_access *access)
{
	int idx = srcu_down_read(&bus->consumer_srcu);
	bool dead = __atomic_load_n(&doorbell->dead, __ATOMIC_RELAXED);

	if (!dead && doorbell->counted)
		__atomic_fetch_add(&doorbell->signals, 1, __ATOMIC_RELAXED);
	if (!dead && likely(!counting))
		doorbell_signal(bus, doorbell, access);
	else if (!dead)
		doorbell_signal_counted(bus, doorbell, access);
	srcu_up_read(&bus->consumer_srcu, idx);
	return !dead;
}

bool bf_doorbell_dispatch(struct bf_io_bus *bus,
			  const struct bf_io_roots *roots,
			  struct bf_io_access *access)
{
	const struct bf_doorbell_addr *at = addr_find(roots, access->addr);
	struct bf_io_doorbell *doorbell = at ? access_match(at, access) : NULL;

	if (!doorbell)
		return false;
	PROBE_DISPATCH(bus, BF_IO_DOORBELL, access);
	access->taken_by = BF_IO_DOORBELL;
	return doorbell_try_signal(bus, doorbell, roots->counting, access);
}

/* The place of a doorbell without datamatch. */
static struct bf_io_doorbell **wildcard_slot(struct bf_doorbell_addr *at,
					     uint32_t len)
{
	return len ? &at->wildcard[len_index(len)] : &at->any;
}

/* Bus locked. */
static struct bf_io_doorbell *desc_find(const struct bf_io_state *state,
					const struct bf_io_doorbell_desc *desc)
{
	struct bf_doorbell_addr *at;

	if (desc->space >= BF_IO_SPACES || (desc->len && !len_valid(desc->len)))
		return NULL;
	at = addr_find(&state->space[desc->space], desc->addr);
	if (!at)
		return NULL;
	if (desc->wildcard)
		return *wildcard_slot(at, desc->len);
	return desc->len ?
		       match_find(at, len_index(desc->len), desc->datamatch) :
		       NULL;
}

static struct bf_io_doorbell *any_match(const struct bf_doorbell_addr *at,
					unsigned int i)
{
	return doorbell_of(bf_trie_any(at->matches[i]));
}

static struct bf_io_doorbell *any_doorbell(const struct bf_doorbell_addr *at)
{
	struct bf_io_doorbell *doorbell = at->any;
	unsigned int i;

	for (i = 0; i < BF_DOORBELL_LENGTHS && !doorbell; i++)
		doorbell = at->wildcard[i] ? at->wildcard[i] : any_match(at, i);
	return doorbell;
}

/* The doorbell that a new one collides with, or NULL. */
static struct bf_io_doorbell *find_collision(const struct bf_doorbell_addr *at,
					     const struct bf_io_doorbell *new)
{
	unsigned int i;

	if (!new->len)
		return any_doorbell(at);
	if (at->any)
		return at->any;
	i = len_index(new->len);
	if (at->wildcard[i])
		return at->wildcard[i];
	return new->wildcard ? any_match(at, i) :
			       match_find(at, i, new->datamatch);
}

struct bf_io_party bf_doorbell_party(const struct bf_io_doorbell *doorbell)
{
	return (struct bf_io_party){
		.kind = BF_IO_DOORBELL,
		.space = doorbell->space,
		.wildcard = doorbell->wildcard,
		.addr = doorbell->addr,
		.size = doorbell->len,
		.datamatch = doorbell->datamatch,
	};
}

/* A node for an address that has none; NULL: no memory. */
static struct bf_doorbell_addr *addr_make(struct bf_edit *edit, uintptr_t *root,
					  uint64_t addr)
{
	struct bf_doorbell_addr *at = bf_edit_make(edit, sizeof(*at));

	if (!at)
		return NULL;
	at->entry.hash = bf_trie_hash(addr);
	return bf_trie_add(edit, root, &at->entry) ? NULL : at;
}

/* The node, copied unless the edit owns it; NULL: no memory. */
static struct bf_doorbell_addr *addr_own(struct bf_edit *edit, uintptr_t *root,
					 struct bf_doorbell_addr *at)
{
	if (bf_edit_owns(edit, &at->node))
		return at;
	at = bf_edit_copy(edit, &at->node, sizeof(*at), sizeof(*at));
	if (!at)
		return NULL;
	return bf_trie_replace(edit, root, &at->entry) ? NULL : at;
}

static int addr_add(struct bf_edit *edit, struct bf_doorbell_addr *at,
		    struct bf_io_doorbell *doorbell)
{
	if (doorbell->wildcard) {
		*wildcard_slot(at, doorbell->len) = doorbell;
		return 0;
	}
	return bf_trie_add(edit, &at->matches[len_index(doorbell->len)],
			   &doorbell->match);
}

int bf_doorbell_change_add(struct bf_change *change,
			   struct bf_io_doorbell *doorbell,
			   struct bf_io_conflict *conflict)
{
	struct bf_io_roots *roots = bf_change_roots(change, doorbell->space);
	struct bf_doorbell_addr *at = addr_find(roots, doorbell->addr);
	const struct bf_io_doorbell *other = at ? find_collision(at, doorbell) :
						  NULL;

	if (other) {
		if (conflict) {
			conflict->wanted = bf_doorbell_party(doorbell);
			conflict->existing = bf_doorbell_party(other);
		}
		return -EEXIST;
	}
	at = at ? addr_own(&change->edit, &roots->doorbells, at) :
		  addr_make(&change->edit, &roots->doorbells, doorbell->addr);
	return at ? addr_add(&change->edit, at, doorbell) : -ENOMEM;
}

/* The node of a published doorbell, which compilers cannot know to exist. */
static struct bf_doorbell_addr *
doorbell_addr(const struct bf_io_roots *roots,
	      const struct bf_io_doorbell *doorbell)
{
	struct bf_doorbell_addr *at = addr_find(roots, doorbell->addr);

	if (!at)
		__builtin_unreachable();
	return at;
}

static bool addr_is_empty(const struct bf_doorbell_addr *at)
{
	unsigned int i;

	for (i = 0; i < BF_DOORBELL_LENGTHS; i++)
		if (at->wildcard[i] || at->matches[i])
			return false;
	return !at->any;
}

int bf_doorbell_change_remove(struct bf_change *change,
			      const struct bf_io_doorbell *doorbell)
{
	struct bf_io_roots *roots = bf_change_roots(change, doorbell->space);
	struct bf_doorbell_addr *at = addr_own(&change->edit, &roots->doorbells,
					       doorbell_addr(roots, doorbell));

	if (!at)
		return -ENOMEM;
	if (doorbell->wildcard)
		*wildcard_slot(at, doorbell->len) = NULL;
	else if (bf_trie_remove(&change->edit,
				&at->matches[len_index(doorbell->len)],
				doorbell->match.hash))
		return -ENOMEM;
	if (!addr_is_empty(at))
		return 0;
	bf_edit_drop(&change->edit, &at->node);
	return bf_trie_remove(&change->edit, &roots->doorbells, at->entry.hash);
}

/*
 * In the published state, bus locked.  The node of an address without doorbells
 * stays until the next change of that address.  Relaxed: see bf_trie_clear().
 */
static void doorbell_clear(const struct bf_io_state *state,
			   const struct bf_io_doorbell *doorbell)
{
	struct bf_doorbell_addr *at =
		doorbell_addr(&state->space[doorbell->space], doorbell);

	if (doorbell->wildcard)
		__atomic_store_n(wildcard_slot(at, doorbell->len), NULL,
				 __ATOMIC_RELAXED);
	else
		bf_trie_clear(&at->matches[len_index(doorbell->len)],
			      doorbell->match.hash);
}

struct visit {
	int (*fn)(void *opaque, struct bf_io_doorbell *doorbell);
	void *opaque;
};

static int visit_match(void *opaque, struct bf_trie_entry *entry)
{
	const struct visit *visit = opaque;

	return visit->fn(visit->opaque, doorbell_of(entry));
}

int bf_doorbell_each(const struct bf_doorbell_addr *at,
		     int (*fn)(void *opaque, struct bf_io_doorbell *doorbell),
		     void *opaque)
{
	struct visit visit = {fn, opaque};
	struct bf_io_doorbell *doorbell;
	unsigned int i;
	int ret = 0;

	doorbell = __atomic_load_n(&at->any, __ATOMIC_CONSUME);
	if (doorbell)
		ret = fn(opaque, doorbell);
	for (i = 0; i < BF_DOORBELL_LENGTHS && !ret; i++) {
		doorbell = __atomic_load_n(&at->wildcard[i], __ATOMIC_CONSUME);
		ret = doorbell ? fn(opaque, doorbell) :
				 bf_trie_each(__atomic_load_n(&at->matches[i],
							      __ATOMIC_CONSUME),
					      visit_match, &visit);
	}
	return ret;
}

/* Accesses may still read the doorbell, but none signals the eventfd. */
static void doorbell_put_eventfd(struct bf_io_doorbell *doorbell)
{
	if (doorbell->eventfd)
		bf_eventfd_put(&doorbell->removal.bus->eventfds,
			       doorbell->eventfd);
}

/* After doorbell_put_eventfd(). */
static void doorbell_free_rest(struct bf_io_doorbell *doorbell)
{
	bf_counters_free(doorbell->counters);
	free(doorbell);
}

void bf_doorbell_free(struct bf_io_doorbell *doorbell)
{
	doorbell_put_eventfd(doorbell);
	doorbell_free_rest(doorbell);
}

static struct bf_io_doorbell *removed_doorbell(struct bf_removal *removal)
{
	return container_of(removal, struct bf_io_doorbell, removal);
}

static void doorbell_removed_rest(struct bf_removal *removal)
{
	doorbell_free_rest(removed_doorbell(removal));
}

static void doorbell_removed(struct bf_removal *removal)
{
	PROBE_REMOVED(removal->bus, BF_IO_DOORBELL, removed_doorbell(removal));
	bf_doorbell_free(removed_doorbell(removal));
}

static void match_destroy(struct bf_trie_entry *entry)
{
	bf_doorbell_free(doorbell_of(entry));
}

static void addr_destroy(struct bf_trie_entry *entry)
{
	struct bf_doorbell_addr *at = bf_doorbell_addr_of(entry);
	unsigned int i;

	if (at->any)
		bf_doorbell_free(at->any);
	for (i = 0; i < BF_DOORBELL_LENGTHS; i++) {
		if (at->wildcard[i])
			bf_doorbell_free(at->wildcard[i]);
		bf_trie_destroy(at->matches[i], match_destroy);
	}
	free(at);
}

void bf_doorbells_destroy(uintptr_t root)
{
	bf_trie_destroy(root, addr_destroy);
}

static bool consumer_valid(const struct bf_io_doorbell_desc *desc)
{
	return desc->consumer == BF_IO_CONSUMER_EVENTFD ||
	       (desc->consumer == BF_IO_CONSUMER_CALLBACK && desc->callback);
}

/* KVM refuses a doorbell that ends at 2^64 exactly, as one that wraps. */
static int check_desc(const struct bf_io_doorbell_desc *desc)
{
	if (desc->len && !len_valid(desc->len))
		return -EINVAL;
	if (desc->addr + desc->len < desc->addr)
		return -EINVAL;
	if (desc->space >= BF_IO_SPACES || (!desc->len && !desc->wildcard))
		return -EINVAL;
	if (!consumer_valid(desc) || !bf_io_reserved_ok(desc->reserved))
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
	doorbell->addr = desc->addr;
	doorbell->space = desc->space;
	doorbell->len = desc->len;
	doorbell->wildcard = desc->wildcard;
	doorbell->counted = desc->counted;
	doorbell->datamatch = desc->wildcard ? 0 : desc->datamatch;
	doorbell->match.hash = bf_trie_hash(doorbell->datamatch);
	doorbell->callback = eventfd ? NULL : desc->callback;
	doorbell->opaque = room ? doorbell + 1 : desc->opaque;
	doorbell->eventfd = eventfd;
	doorbell->removal.bus = bus;
	doorbell->removal.release = doorbell_removed;
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

/* Publishes a new doorbell, or frees it. */
static int doorbell_publish(struct bf_io_bus *bus,
			    struct bf_io_doorbell *doorbell,
			    struct bf_io_conflict *conflict)
{
	struct bf_change change;
	int ret = bf_change_begin(&change, bus);

	if (ret) {
		bf_doorbell_free(doorbell);
		return ret;
	}
	ret = bf_doorbell_change_add(&change, doorbell, conflict);
	if (ret) {
		bf_change_abort(&change);
		bf_doorbell_free(doorbell);
		return ret;
	}
	PROBE_REGISTER(bus, BF_IO_DOORBELL, doorbell->space, doorbell->addr,
		       doorbell->len);
	bf_change_commit(&change);
	return 0;
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
	ret = doorbell_publish(bus, doorbell, NULL);
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
		ret = doorbell_publish(bus, doorbell, conflict);
	if (!ret && doorbellp)
		*doorbellp = doorbell;
	return ret;
}

static bool same_consumer(const struct bf_io_doorbell *doorbell,
			  const struct bf_io_doorbell_desc *desc)
{
	if (desc->consumer == BF_IO_CONSUMER_CALLBACK)
		return !doorbell->eventfd &&
		       doorbell->callback == desc->callback &&
		       doorbell->opaque == desc->opaque;
	return doorbell->eventfd &&
	       bf_eventfd_same(doorbell->eventfd->eventfd.fd, desc->eventfd);
}

/* The lock keeps a removal from closing the eventfd that is compared. */
static struct bf_io_doorbell *find_owned(struct bf_io_bus *bus,
					 const struct bf_io_doorbell_desc *desc,
					 const void *owner, bool any_consumer)
{
	struct bf_io_doorbell *doorbell;

	pthread_mutex_lock(&bus->lock);
	doorbell = desc_find(bus->state, desc);
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
	return find_owned(bus, desc, owner, false);
}

struct bf_io_doorbell *bf_doorbell_at(struct bf_io_bus *bus,
				      const struct bf_io_doorbell_desc *desc,
				      const void *owner)
{
	return find_owned(bus, desc, owner, true);
}

int bf_io_find_doorbell(struct bf_io_bus *bus,
			const struct bf_io_doorbell_desc *desc,
			struct bf_io_doorbell **doorbellp)
{
	struct bf_io_doorbell *doorbell;
	int ret = 0;

	if (!consumer_valid(desc) || !bf_io_reserved_ok(desc->reserved))
		return -EINVAL;
	doorbell = find_owned(bus, desc, NULL, false);
	if (doorbell) {
		*doorbellp = doorbell;
		return 0;
	}
	if (desc->consumer == BF_IO_CONSUMER_EVENTFD)
		ret = bf_eventfd_check(desc->eventfd);
	return ret ? ret : -ENOENT;
}

static int doorbell_try_unpublish(struct bf_io_bus *bus,
				  const struct bf_io_doorbell *doorbell)
{
	struct bf_change change;
	int ret = bf_change_begin(&change, bus);

	if (ret)
		return ret;
	ret = bf_doorbell_change_remove(&change, doorbell);
	if (ret)
		bf_change_abort(&change);
	else
		bf_change_commit(&change);
	return ret;
}

/* A removal that gets no memory clears the doorbell in the published state. */
static void doorbell_unpublish(struct bf_io_bus *bus,
			       const struct bf_io_doorbell *doorbell)
{
	PROBE_REMOVE(bus, BF_IO_DOORBELL, doorbell->space, doorbell->addr,
		     doorbell->len);
	if (!doorbell_try_unpublish(bus, doorbell))
		return;
	pthread_mutex_lock(&bus->lock);
	doorbell_clear(bus->state, doorbell);
	bf_change_count(bus);
	pthread_mutex_unlock(&bus->lock);
}

/* Accesses that began before may read the doorbell: free it after them. */
uint64_t bf_doorbell_remove(struct bf_io_bus *bus,
			    struct bf_io_doorbell *doorbell)
{
	uint64_t signals;

	doorbell_unpublish(bus, doorbell);
	/* Relaxed: see doorbell_try_signal(). */
	__atomic_store_n(&doorbell->dead, true, __ATOMIC_RELAXED);
	synchronize_srcu_expedited(&bus->consumer_srcu);
	signals = bf_io_doorbell_signals(doorbell);
	doorbell_put_eventfd(doorbell);
	PROBE_REMOVED(bus, BF_IO_DOORBELL, doorbell);
	doorbell->removal.release = doorbell_removed_rest;
	bf_removal_defer(&doorbell->removal, NULL, NULL);
	return signals;
}

int bf_io_remove_doorbell(struct bf_io_bus *bus,
			  struct bf_io_doorbell *doorbell)
{
	if (bf_io_in_callback(bus))
		return -EDEADLK;
	bf_doorbell_remove(bus, doorbell);
	return 0;
}

void bf_io_remove_doorbell_async(struct bf_io_bus *bus,
				 struct bf_io_doorbell *doorbell,
				 bf_io_done_fn done, void *opaque)
{
	doorbell_unpublish(bus, doorbell);
	bf_removal_defer(&doorbell->removal, done, opaque);
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
