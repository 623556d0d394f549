/* SPDX-License-Identifier: MIT */
/*
 * One duplicate for all doorbells of an eventfd: descriptors are few, and a
 * device may have a doorbell for each of thousands of values.
 */
#ifndef BF_IO_BUS_EVENTFD_POOL_H
#define BF_IO_BUS_EVENTFD_POOL_H

#include <pthread.h>
#include <sys/queue.h>

#include "io_bus/eventfd.h"
#include "base/slab.h"

struct bf_shared_eventfd {
	struct bf_eventfd eventfd;
	int from; /* the number that the caller had it under */
	unsigned int users;
	TAILQ_ENTRY(bf_shared_eventfd) entry;
};

TAILQ_HEAD(bf_shared_eventfds, bf_shared_eventfd);

/*
 * Finds again what was registered last under a number that is equal modulo the
 * size of the table; what it does not find is duplicated once more.
 */
struct bf_eventfd_pool {
	pthread_mutex_t lock;
	struct bf_shared_eventfd *recent[16];
	struct bf_shared_eventfds all; /* in the order of their making */
	struct bf_slab slab;	       /* they lie here */
	bool ends;
};

void bf_eventfd_pool_init(struct bf_eventfd_pool *pool);

/*
 * Nobody shares any more.  What is given back from now on is closed by
 * bf_eventfd_pool_destroy(): together, which is three times as fast.
 */
void bf_eventfd_pool_end(struct bf_eventfd_pool *pool);
void bf_eventfd_pool_destroy(struct bf_eventfd_pool *pool);

/* Tells an eventfd from other descriptors: 0, -EBADF or -EINVAL. */
struct bf_eventfd_check {
	int (*fn)(void *opaque, int fd);
	void *opaque;
};

/* 0, what check says of one that is new, -ENOMEM, -EMFILE. */
int bf_eventfd_share(struct bf_eventfd_pool *pool, int fd,
		     const struct bf_eventfd_check *check,
		     struct bf_shared_eventfd **sharedp);
void bf_eventfd_unshare(struct bf_eventfd_pool *pool,
			struct bf_shared_eventfd *shared);

#endif
