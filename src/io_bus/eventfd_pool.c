// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "io_bus/eventfd_pool.h"
#include "util.h"

void bf_eventfd_pool_init(struct bf_eventfd_pool *pool)
{
	pthread_mutex_init(&pool->lock, NULL);
}

void bf_eventfd_pool_destroy(struct bf_eventfd_pool *pool)
{
	pthread_mutex_destroy(&pool->lock);
}

static struct bf_shared_eventfd **recent(struct bf_eventfd_pool *pool, int fd)
{
	return &pool->recent[(unsigned int)fd % ARRAY_SIZE(pool->recent)];
}

static int new_shared(int fd, const struct bf_eventfd_check *check,
		      struct bf_shared_eventfd **sharedp)
{
	struct bf_shared_eventfd *shared;
	int ret = check->fn(check->opaque, fd);

	if (ret)
		return ret;
	shared = calloc(1, sizeof(*shared));
	if (!shared)
		return -ENOMEM;
	ret = bf_eventfd_get(&shared->eventfd, fd);
	if (ret) {
		free(shared);
		return ret;
	}
	shared->from = fd;
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
		ret = new_shared(fd, check, slot);
	if (!ret) {
		(*slot)->users++;
		*sharedp = *slot;
	}
	pthread_mutex_unlock(&pool->lock);
	return ret;
}

/* The lock also keeps anybody from finding what is about to be closed. */
void bf_eventfd_unshare(struct bf_eventfd_pool *pool,
			struct bf_shared_eventfd *shared)
{
	struct bf_shared_eventfd **slot = recent(pool, shared->from);

	pthread_mutex_lock(&pool->lock);
	if (--shared->users)
		shared = NULL;
	else if (*slot == shared)
		*slot = NULL;
	pthread_mutex_unlock(&pool->lock);
	if (!shared)
		return;
	bf_eventfd_put(&shared->eventfd);
	free(shared);
}
