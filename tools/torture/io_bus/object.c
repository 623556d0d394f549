// SPDX-License-Identifier: MIT
/* Objects of the bus torture: use, poisoning and reuse. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tools/torture/io_bus/torture_io_bus.h"
#include "tools/belfry/common/xalloc.h"

/* Poisoned objects.  The oldest is reused first, so that poison lasts. */
struct queue {
	struct object *first;
	struct object **last;
	unsigned int count;
};

#define QUARANTINE 32 /* of each kind */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct queue queues[NR_OBJECT_KINDS];

static void enqueue(struct object *object)
{
	struct queue *queue = &queues[object->kind];

	pthread_mutex_lock(&lock);
	if (!queue->first)
		queue->last = &queue->first;
	object->next = NULL;
	*queue->last = object;
	queue->last = &object->next;
	queue->count++;
	pthread_mutex_unlock(&lock);
}

/* Return the oldest object, or NULL if too few are poisoned. */
static struct object *dequeue(enum object_kind kind)
{
	struct queue *queue = &queues[kind];
	struct object *object = NULL;

	pthread_mutex_lock(&lock);
	if (queue->count > QUARANTINE) {
		object = queue->first;
		queue->first = object->next;
		queue->count--;
	}
	pthread_mutex_unlock(&lock);
	return object;
}

static struct object *object_new(enum object_kind kind)
{
	struct object *object = xcheck(calloc(1, sizeof(*object)));

	object->kind = kind;
	object->state = OBJECT_POISON;
	object->eventfd = -1;
	if (kind == OBJECT_EVENTFD)
		object->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return object;
}

static uint64_t signals(const struct object *object)
{
	uint64_t count = 0;

	if (object->eventfd < 0 ||
	    read(object->eventfd, &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
}

struct object *object_get(struct torture_thread *self, struct slot *slot,
			  enum object_kind kind)
{
	struct object *object = dequeue(kind);

	if (!object)
		object = object_new(kind);
	if (signals(object))
		torture_fail("a doorbell signalled after its removal");
	object->slot = slot;
	object->sleeps = !thread_random(self, 4);
	__atomic_store_n(&object->generation, object->generation + 1,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&object->state, OBJECT_LIVE, __ATOMIC_RELEASE);
	return object;
}

void object_removed(struct object *object)
{
	unsigned int state = __atomic_exchange_n(&object->state, OBJECT_POISON,
						 __ATOMIC_ACQ_REL);

	if (state != OBJECT_LIVE)
		torture_fail("a removal was complete twice");
	if (__atomic_load_n(&object->inside, __ATOMIC_ACQUIRE))
		torture_fail("a removal was complete while a handler ran");
	__atomic_fetch_add(&io_torture.signalled, signals(object),
			   __ATOMIC_RELAXED);
	enqueue(object);
}

void object_done(void *opaque)
{
	object_removed(opaque);
	__atomic_fetch_add(&io_torture.completed, 1, __ATOMIC_RELAXED);
}

unsigned int object_enter(struct object *object)
{
	__atomic_fetch_add(&object->inside, 1, __ATOMIC_ACQ_REL);
	if (__atomic_load_n(&object->state, __ATOMIC_ACQUIRE) != OBJECT_LIVE)
		torture_fail("a handler was entered after its removal");
	return __atomic_load_n(&object->generation, __ATOMIC_RELAXED);
}

void object_leave(struct object *object, unsigned int generation)
{
	if (__atomic_load_n(&object->state, __ATOMIC_ACQUIRE) != OBJECT_LIVE ||
	    __atomic_load_n(&object->generation, __ATOMIC_RELAXED) !=
		    generation)
		torture_fail("a removal was complete while its handler ran");
	__atomic_fetch_sub(&object->inside, 1, __ATOMIC_ACQ_REL);
}

void objects_free(void)
{
	struct object *object;

	for (int kind = 0; kind < NR_OBJECT_KINDS; kind++)
		while ((object = queues[kind].first)) {
			queues[kind].first = object->next;
			if (signals(object))
				torture_fail("a doorbell signalled after its "
					     "removal");
			if (object->eventfd >= 0)
				close(object->eventfd);
			free(object);
		}
}
