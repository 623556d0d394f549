// SPDX-License-Identifier: MIT
/*
 * Doorbells, by the rules of KVM_IOEVENTFD.
 *
 * All doorbells of one address form a group.  A group holds either one
 * doorbell of length 0, or for each length either one wildcard or any number
 * with different values: the collision rule leaves nothing else.  So a write
 * finds its doorbell with one lookup by address and, where the length has
 * datamatches, one by value, however many share the address.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io_bus/bus.h"
#include "io_bus/eventfd.h"
#include "util.h"

#define LENGTHS 4 /* 1, 2, 4, 8 */

struct bf_io_doorbell {
	struct bf_ptrhash_entry entry; /* in matches, if not a wildcard */
	struct bf_doorbell_group *group;
	struct bf_io_doorbell *next; /* in the group's list */
	struct bf_io_doorbell **link;
	uint64_t datamatch;
	uint32_t len;
	bool wildcard;
	bool dead; /* removed: must not signal any more */
	struct bf_eventfd eventfd;
	unsigned long rung;
	const void *owner; /* who may find it again */
	void *opaque;
	struct srcu_head head;
};

struct bf_doorbell_group {
	struct bf_ptrhash_entry entry; /* in groups */
	uint64_t addr;
	uint16_t space;
	struct bf_io_doorbell *any;	      /* length 0 */
	struct bf_io_doorbell *wild[LENGTHS]; /* any data, by length */
	unsigned int datamatches[LENGTHS];    /* how many, by length */
	struct bf_io_doorbell *list;	      /* all; updaters only */
	struct srcu_head head;
};

/* A datamatch to look for. */
struct match_key {
	const struct bf_doorbell_group *group;
	uint64_t datamatch;
	uint32_t len;
};

static unsigned int length_index(uint32_t len)
{
	return (unsigned int)__builtin_ctz(len);
}

static uint64_t group_hash(uint16_t space, uint64_t addr)
{
	return bf_hash_mix(addr + ((uint64_t)space << 60));
}

static uint64_t match_hash(const struct match_key *key)
{
	return bf_hash_mix(key->group->entry.hash + key->datamatch +
			   ((uint64_t)key->len << 56));
}

static bool group_is(const struct bf_ptrhash_entry *entry, const void *key)
{
	const struct bf_doorbell_group *group =
		container_of(entry, struct bf_doorbell_group, entry);
	const struct bf_doorbell_group *wanted = key;

	return group->addr == wanted->addr && group->space == wanted->space;
}

static struct bf_doorbell_group *find_group(const struct bf_io_bus *bus,
					    uint16_t space, uint64_t addr)
{
	struct bf_doorbell_group key = {.addr = addr, .space = space};
	struct bf_ptrhash_entry *entry;

	entry = bf_ptrhash_find(&bus->groups, group_hash(space, addr), group_is,
				&key);
	return entry ? container_of(entry, struct bf_doorbell_group, entry) :
		       NULL;
}

static bool match_is(const struct bf_ptrhash_entry *entry, const void *key)
{
	const struct bf_io_doorbell *doorbell =
		container_of(entry, struct bf_io_doorbell, entry);
	const struct match_key *wanted = key;

	return doorbell->group == wanted->group &&
	       doorbell->len == wanted->len &&
	       doorbell->datamatch == wanted->datamatch;
}

static struct bf_io_doorbell *find_match(const struct bf_io_bus *bus,
					 const struct match_key *key)
{
	struct bf_ptrhash_entry *entry;

	entry = bf_ptrhash_find(&bus->matches, match_hash(key), match_is, key);
	return entry ? container_of(entry, struct bf_io_doorbell, entry) : NULL;
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
	default:
		memcpy(&value, access->data, sizeof(value));
		return value;
	}
}

static bool is_doorbell_length(uint32_t len)
{
	return len == 1 || len == 2 || len == 4 || len == 8;
}

static struct bf_io_doorbell *hit(const struct bf_io_bus *bus,
				  const struct bf_io_access *access)
{
	struct bf_doorbell_group *group =
		find_group(bus, access->space, access->addr);
	struct match_key key = {.group = group, .len = access->len};
	struct bf_io_doorbell *doorbell;
	unsigned int i;

	if (!group)
		return NULL;
	doorbell = __atomic_load_n(&group->any, __ATOMIC_CONSUME);
	if (doorbell || !is_doorbell_length(access->len))
		return doorbell;
	i = length_index(access->len);
	doorbell = __atomic_load_n(&group->wild[i], __ATOMIC_CONSUME);
	if (doorbell ||
	    !__atomic_load_n(&group->datamatches[i], __ATOMIC_RELAXED))
		return doorbell;
	key.datamatch = access_value(access);
	return find_match(bus, &key);
}

/*
 * The signal has a domain of its own, so that a removal need not wait for
 * handlers of ranges, which may sleep, nor deadlock in one of them.  Who found
 * the doorbell before it was removed either is in this section when the
 * removal waits for it, or enters later and sees it dead.
 */
bool bf_doorbell_ring(struct bf_io_bus *bus, const struct bf_io_access *access)
{
	struct bf_io_doorbell *doorbell = hit(bus, access);
	bool dead;
	int idx;

	if (!doorbell)
		return false;
	idx = srcu_read_lock(&bus->signals);
	dead = __atomic_load_n(&doorbell->dead, __ATOMIC_RELAXED);
	if (!dead) {
		__atomic_fetch_add(&doorbell->rung, 1, __ATOMIC_RELAXED);
		bf_eventfd_signal(&doorbell->eventfd);
	}
	srcu_read_unlock(&bus->signals, idx);
	return !dead;
}

/* Where in its group a doorbell without datamatch stands. */
static struct bf_io_doorbell **wild_slot(struct bf_doorbell_group *group,
					 uint32_t len)
{
	return len ? &group->wild[length_index(len)] : &group->any;
}

/* Who stands in the way of len and datamatch; update lock held. */
static struct bf_io_doorbell *
find_collision(const struct bf_io_bus *bus, struct bf_doorbell_group *group,
	       const struct bf_io_doorbell_desc *desc)
{
	struct match_key key = {
		.group = group,
		.datamatch = desc->datamatch,
		.len = desc->len,
	};
	struct bf_io_doorbell *other;

	if (!desc->len || group->any)
		return group->list;
	if (group->wild[length_index(desc->len)])
		return group->wild[length_index(desc->len)];
	if (!group->datamatches[length_index(desc->len)])
		return NULL;
	if (!desc->wildcard)
		return find_match(bus, &key);
	for (other = group->list; other->len != desc->len;)
		other = other->next;
	return other;
}

static struct bf_io_party wanted_party(const struct bf_io_doorbell_desc *desc)
{
	return (struct bf_io_party){
		.kind = BF_IO_DOORBELL,
		.space = desc->space,
		.wildcard = desc->wildcard,
		.addr = desc->addr,
		.size = desc->len,
		.datamatch = desc->datamatch,
	};
}

static struct bf_io_party party_of(const struct bf_io_doorbell *doorbell)
{
	return (struct bf_io_party){
		.kind = BF_IO_DOORBELL,
		.space = doorbell->group->space,
		.wildcard = doorbell->wildcard,
		.addr = doorbell->group->addr,
		.size = doorbell->len,
		.datamatch = doorbell->datamatch,
	};
}

static int check_desc(const struct bf_io_doorbell_desc *desc)
{
	if (desc->len && !is_doorbell_length(desc->len))
		return -EINVAL;
	/* As the kernel: a range that ends at 2^64 exactly is refused too. */
	if (desc->addr + desc->len < desc->addr)
		return -EINVAL;
	if (desc->space >= BF_IO_SPACES || (!desc->len && !desc->wildcard))
		return -EINVAL;
	return 0;
}

static void link_doorbell(struct bf_doorbell_group *group,
			  struct bf_io_doorbell *doorbell)
{
	doorbell->group = group;
	doorbell->next = group->list;
	doorbell->link = &group->list;
	if (group->list)
		group->list->link = &doorbell->next;
	group->list = doorbell;
}

static void unlink_doorbell(struct bf_io_doorbell *doorbell)
{
	*doorbell->link = doorbell->next;
	if (doorbell->next)
		doorbell->next->link = doorbell->link;
}

/* Makes the doorbell visible in its group; room for it is reserved. */
static void publish_in_group(struct bf_io_bus *bus,
			     struct bf_doorbell_group *group,
			     struct bf_io_doorbell *doorbell)
{
	struct match_key key = {
		.group = group,
		.datamatch = doorbell->datamatch,
		.len = doorbell->len,
	};
	unsigned int *count;

	link_doorbell(group, doorbell);
	if (doorbell->wildcard) {
		srcu_assign_pointer(*wild_slot(group, doorbell->len), doorbell);
		return;
	}
	doorbell->entry.hash = match_hash(&key);
	bf_ptrhash_insert(&bus->matches, &doorbell->entry);
	count = &group->datamatches[length_index(doorbell->len)];
	__atomic_store_n(count, *count + 1, __ATOMIC_RELEASE);
}

static struct bf_doorbell_group *group_new(uint16_t space, uint64_t addr)
{
	struct bf_doorbell_group *group = calloc(1, sizeof(*group));

	if (!group)
		return NULL;
	group->addr = addr;
	group->space = space;
	group->entry.hash = group_hash(space, addr);
	return group;
}

/* The first doorbell of an address: complete before the group can be found. */
static int publish_new_group(struct bf_io_bus *bus,
			     const struct bf_io_doorbell_desc *desc,
			     struct bf_io_doorbell *doorbell)
{
	struct bf_doorbell_group *group;
	int ret;

	ret = bf_ptrhash_reserve(&bus->groups, bus);
	if (ret)
		return ret;
	group = group_new(desc->space, desc->addr);
	if (!group)
		return -ENOMEM;
	publish_in_group(bus, group, doorbell);
	bf_ptrhash_insert(&bus->groups, &group->entry);
	return 0;
}

static void describe_collision(struct bf_io_conflict *conflict,
			       const struct bf_io_doorbell_desc *desc,
			       const struct bf_io_doorbell *other)
{
	if (!conflict)
		return;
	conflict->wanted = wanted_party(desc);
	conflict->existing = party_of(other);
}

/* Update lock held; whatever can fail does so before anything is visible. */
static int publish(struct bf_io_bus *bus,
		   const struct bf_io_doorbell_desc *desc,
		   struct bf_io_doorbell *doorbell,
		   struct bf_io_conflict *conflict)
{
	struct bf_doorbell_group *group =
		find_group(bus, desc->space, desc->addr);
	struct bf_io_doorbell *other;
	int ret;

	other = group ? find_collision(bus, group, desc) : NULL;
	if (other) {
		describe_collision(conflict, desc, other);
		return -EEXIST;
	}
	ret = bf_ptrhash_reserve(&bus->matches, bus);
	if (ret)
		return ret;
	if (!group)
		return publish_new_group(bus, desc, doorbell);
	publish_in_group(bus, group, doorbell);
	return 0;
}

static int doorbell_new(const struct bf_io_doorbell_desc *desc,
			struct bf_io_doorbell **doorbellp)
{
	struct bf_io_doorbell *doorbell = calloc(1, sizeof(*doorbell));
	int ret;

	if (!doorbell)
		return -ENOMEM;
	ret = bf_eventfd_get(&doorbell->eventfd, desc->eventfd);
	if (ret) {
		free(doorbell);
		return ret;
	}
	doorbell->len = desc->len;
	doorbell->wildcard = desc->wildcard;
	doorbell->opaque = desc->opaque;
	doorbell->datamatch = desc->wildcard ? 0 : desc->datamatch;
	*doorbellp = doorbell;
	return 0;
}

static void doorbell_destroy(struct bf_io_doorbell *doorbell)
{
	bf_eventfd_put(&doorbell->eventfd);
	free(doorbell);
}

static int add(struct bf_io_bus *bus, const struct bf_io_doorbell_desc *desc,
	       const void *owner, struct bf_io_doorbell **doorbellp,
	       struct bf_io_conflict *conflict)
{
	struct bf_io_doorbell *doorbell;
	int ret;

	ret = doorbell_new(desc, &doorbell);
	if (ret)
		return ret;
	doorbell->owner = owner;
	pthread_mutex_lock(&bus->lock);
	ret = publish(bus, desc, doorbell, conflict);
	pthread_mutex_unlock(&bus->lock);
	if (ret)
		doorbell_destroy(doorbell);
	else if (doorbellp)
		*doorbellp = doorbell;
	return ret;
}

int bf_doorbell_add(struct bf_io_bus *bus,
		    const struct bf_io_doorbell_desc *desc, void *owner,
		    int (*check)(void *owner, int fd),
		    struct bf_io_doorbell **doorbellp)
{
	int ret = check_desc(desc);

	if (!ret)
		ret = check(owner, desc->eventfd);
	return ret ? ret : add(bus, desc, owner, doorbellp, NULL);
}

int bf_io_add_doorbell(struct bf_io_bus *bus,
		       const struct bf_io_doorbell_desc *desc,
		       struct bf_io_doorbell **doorbellp,
		       struct bf_io_conflict *conflict)
{
	int ret = check_desc(desc);

	if (!ret)
		ret = bf_eventfd_check(desc->eventfd);
	return ret ? ret : add(bus, desc, NULL, doorbellp, conflict);
}

static struct bf_io_doorbell *find_exact(struct bf_io_bus *bus,
					 const struct bf_io_doorbell_desc *desc)
{
	struct bf_doorbell_group *group =
		find_group(bus, desc->space, desc->addr);
	struct match_key key = {
		.group = group,
		.datamatch = desc->datamatch,
		.len = desc->len,
	};

	if (!group || (desc->len && !is_doorbell_length(desc->len)))
		return NULL;
	if (desc->wildcard)
		return *wild_slot(group, desc->len);
	return find_match(bus, &key);
}

struct bf_io_doorbell *bf_doorbell_find(struct bf_io_bus *bus,
					const struct bf_io_doorbell_desc *desc,
					const void *owner)
{
	struct bf_io_doorbell *doorbell;

	pthread_mutex_lock(&bus->lock);
	doorbell = find_exact(bus, desc);
	if (doorbell && (doorbell->owner != owner ||
			 !bf_eventfd_same(doorbell->eventfd.fd, desc->eventfd)))
		doorbell = NULL;
	pthread_mutex_unlock(&bus->lock);
	return doorbell;
}

int bf_io_find_doorbell(struct bf_io_bus *bus,
			const struct bf_io_doorbell_desc *desc,
			struct bf_io_doorbell **doorbellp)
{
	struct bf_io_doorbell *doorbell = bf_doorbell_find(bus, desc, NULL);
	int ret;

	if (!doorbell) {
		ret = bf_eventfd_check(desc->eventfd);
		return ret ? ret : -ENOENT;
	}
	*doorbellp = doorbell;
	return 0;
}

/* Returns the group if it is to be freed with the doorbell. */
static struct bf_doorbell_group *unpublish(struct bf_io_bus *bus,
					   struct bf_io_doorbell *doorbell)
{
	struct bf_doorbell_group *group = doorbell->group;
	unsigned int *count;

	if (doorbell->wildcard) {
		__atomic_store_n(wild_slot(group, doorbell->len), NULL,
				 __ATOMIC_RELAXED);
	} else {
		bf_ptrhash_remove(&bus->matches, &doorbell->entry);
		count = &group->datamatches[length_index(doorbell->len)];
		__atomic_store_n(count, *count - 1, __ATOMIC_RELAXED);
	}
	unlink_doorbell(doorbell);
	if (group->list)
		return NULL;
	bf_ptrhash_remove(&bus->groups, &group->entry);
	return group;
}

static void free_doorbell(struct srcu_head *head)
{
	free(container_of(head, struct bf_io_doorbell, head));
}

static void free_group(struct srcu_head *head)
{
	free(container_of(head, struct bf_doorbell_group, head));
}

uint64_t bf_doorbell_remove(struct bf_io_bus *bus,
			    struct bf_io_doorbell *doorbell)
{
	struct bf_doorbell_group *group;
	uint64_t rings;

	pthread_mutex_lock(&bus->lock);
	group = unpublish(bus, doorbell);
	__atomic_store_n(&doorbell->dead, true, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&bus->lock);
	synchronize_srcu_expedited(&bus->signals);
	rings = bf_io_doorbell_rings(doorbell);
	bf_eventfd_put(&doorbell->eventfd);
	/* Accesses that began before may still look at both. */
	bf_io_defer(bus, &doorbell->head, free_doorbell);
	if (group)
		bf_io_defer(bus, &group->head, free_group);
	return rings;
}

int bf_io_remove_doorbell(struct bf_io_bus *bus,
			  struct bf_io_doorbell *doorbell)
{
	bf_doorbell_remove(bus, doorbell);
	return 0;
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
	return doorbell->eventfd.fd;
}

static void destroy_group(struct bf_ptrhash_entry *entry)
{
	struct bf_doorbell_group *group =
		container_of(entry, struct bf_doorbell_group, entry);
	struct bf_io_doorbell *doorbell;

	while ((doorbell = group->list)) {
		group->list = doorbell->next;
		doorbell_destroy(doorbell);
	}
	free(group);
}

static void nothing(struct bf_ptrhash_entry *entry)
{
}

void bf_doorbells_destroy(struct bf_io_bus *bus)
{
	bf_ptrhash_destroy(&bus->matches, nothing);
	bf_ptrhash_destroy(&bus->groups, destroy_group);
}
