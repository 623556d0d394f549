// SPDX-License-Identifier: MIT
#include <errno.h>

#include "io_bus/eventfd_pool.h"
#include "base/util.h"

void bf_eventfd_pool_init(struct bf_eventfd_pool *pool)
{
	pthread_mutex_init(&pool->lock, NULL);
	TAILQ_INIT(&pool->all);
	bf_slab_init(&pool->slab, sizeof(struct bf_shared_eventfd));
}

void bf_eventfd_pool_end(struct bf_eventfd_pool *pool)
{
	pool->ends = true;
}

/* Those that were made one after another mostly lie side by side. */
static void close_all(const struct bf_shared_eventfds *all)
{
	const struct bf_shared_eventfd *shared;
	int first = 0, last = -1;

	TAILQ_FOREACH(shared, all, entry)
	{
		if (shared->eventfd.fd != last + 1) {
			bf_eventfd_put_run(first, last);
			first = shared->eventfd.fd;
		}
		last = shared->eventfd.fd;
	}
	bf_eventfd_put_run(first, last);
}

void bf_eventfd_pool_destroy(struct bf_eventfd_pool *pool)
{
	close_all(&pool->all);
	bf_slab_destroy(&pool->slab);
	pthread_mutex_destroy(&pool->lock);
}

static struct bf_shared_eventfd **recent(struct bf_eventfd_pool *pool, int fd)
{
	return &pool->recent[(unsigned int)fd % ARRAY_SIZE(pool->recent)];
}

static int new_shared(struct bf_eventfd_pool *pool, int fd,
		      const struct bf_eventfd_check *check,
		      struct bf_shared_eventfd **sharedp)
{
	struct bf_shared_eventfd *shared;
	int ret = check->fn(check->opaque, fd);

	if (ret)
		return ret;
	shared = bf_slab_get(&pool->slab);
	if (!shared)
		return -ENOMEM;
	shared->users = 0;
	ret = bf_eventfd_get(&shared->eventfd, fd);
	if (ret) {
		bf_slab_put(shared);
		return ret;
	}
	shared->from = fd;
	TAILQ_INSERT_TAIL(&pool->all, shared, entry);
	*sharedp = shared;
	return 0;
}

/* It may be another eventfd by now, or none. */
static bool is_still(const struct bf_shared_eventfd *shared, int fd)
{
	return shared && shared->from == fd &&
	       bf_eventfd_surely_same(shared->eventfd.fd, fd);
}

int bf_eventfd_share(struct bf_eventfd_pool *pool, int fd,
		     const struct bf_eventfd_check *check,
		     struct bf_shared_eventfd **sharedp)
{
	struct bf_shared_eventfd **slot = recent(pool, fd);
	int ret = 0;

	pthread_mutex_lock(&pool->lock);
	if (!is_still(*slot, fd))
		ret = new_shared(pool, fd, check, slot);
	if (!ret) {
		(*slot)->users++;
		*sharedp = *slot;
	}
	pthread_mutex_unlock(&pool->lock);
	return ret;
}

static void drop(struct bf_eventfd_pool *pool, struct bf_shared_eventfd *shared)
{
	struct bf_shared_eventfd **slot = recent(pool, shared->from);

	TAILQ_REMOVE(&pool->all, shared, entry);
	if (*slot == shared)
		*slot = NULL;
	bf_slab_put(shared);
}

/* The lock also keeps anybody from finding what is about to be closed. */
void bf_eventfd_unshare(struct bf_eventfd_pool *pool,
			struct bf_shared_eventfd *shared)
{
	struct bf_eventfd eventfd;
	bool last;

	if (pool->ends)
		return;
	pthread_mutex_lock(&pool->lock);
	eventfd = shared->eventfd;
	last = !--shared->users;
	if (last)
		drop(pool, shared);
	pthread_mutex_unlock(&pool->lock);
	if (last)
		bf_eventfd_put(&eventfd);
}
