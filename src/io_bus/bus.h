/* SPDX-License-Identifier: MIT */
/* A bus from inside. */
#ifndef BF_IO_BUS_BUS_H
#define BF_IO_BUS_BUS_H

#include "belfry/io_bus.h"
#include "belfry/srcu.h"
#include "io_bus/ptrhash.h"

struct bf_range_table;

struct bf_io_bus {
	struct srcu_struct srcu;    /* covers every access */
	struct srcu_struct signals; /* covers a doorbell's signal alone */
	pthread_mutex_t lock;	    /* one updater at a time */
	struct bf_ptrhash groups;   /* struct bf_doorbell_group, by address */
	struct bf_ptrhash matches;  /* doorbells with a datamatch */
	struct bf_range_table *ranges[BF_IO_SPACES];
	char name[32];
};

/*
 * Calls fn when all accesses under way are over: at once where there are none,
 * which spares waking the SRCU worker.
 */
void bf_io_defer(struct bf_io_bus *bus, struct srcu_head *head,
		 void (*fn)(struct srcu_head *head));

/* Is the calling thread in a handler of this bus? */
bool bf_io_in_handler(const struct bf_io_bus *bus);

/* Copies at most 31 characters; NULL is "". */
void bf_io_copy_name(char name[32], const char *from);

/* doorbell.c; in a section of the bus: true when a doorbell took the write. */
bool bf_doorbell_ring(struct bf_io_bus *bus, const struct bf_io_access *access);
/*
 * bf_io_add_doorbell() for somebody who keeps the handle to himself: only
 * bf_doorbell_find() with the same owner finds it.  NULL is everybody.  check
 * tells an eventfd from other descriptors: 0, -EBADF or -EINVAL.
 */
int bf_doorbell_add(struct bf_io_bus *bus,
		    const struct bf_io_doorbell_desc *desc, void *owner,
		    int (*check)(void *owner, int fd),
		    struct bf_io_doorbell **doorbellp);

/* The doorbell that bf_io_find_doorbell() would find, or NULL. */
struct bf_io_doorbell *bf_doorbell_find(struct bf_io_bus *bus,
					const struct bf_io_doorbell_desc *desc,
					const void *owner);

/* bf_io_remove_doorbell(); returns how often it was rung, for good. */
uint64_t bf_doorbell_remove(struct bf_io_bus *bus,
			    struct bf_io_doorbell *doorbell);

/* The bus's own duplicate of the eventfd. */
int bf_doorbell_fd(const struct bf_io_doorbell *doorbell);
void bf_doorbells_destroy(struct bf_io_bus *bus);

/* range.c; in a section of the bus: 0 or -EOPNOTSUPP. */
int bf_range_access(struct bf_io_bus *bus, const struct bf_io_access *access);
void bf_ranges_destroy(struct bf_io_bus *bus);

/* bus.c; calls the handler of a range with the bus marked as entered. */
int bf_io_call_handler(struct bf_io_bus *bus, const struct bf_io_ops *ops,
		       void *opaque, uint64_t offset,
		       const struct bf_io_access *access);

#endif
