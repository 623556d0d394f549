// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#include "io_bus/thread.h"

/* Of all threads that have entered no handler yet. */
static struct bf_io_thread no_thread = {.places = {1}};

__thread struct bf_io_thread *bf_io_self = &no_thread;

/* The place of frames for which no other is free; it tells nothing. */
static uintptr_t no_place;

/*
 * All that were ever made.  None is freed: a coroutine may leave a handler
 * after the thread that entered it has exited.
 */
static SLIST_HEAD(, bf_io_thread) threads = SLIST_HEAD_INITIALIZER(threads);
static pthread_mutex_t threads_lock = PTHREAD_MUTEX_INITIALIZER;

static pthread_key_t exit_key;
static bool have_exit_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void thread_put(void *thread)
{
	bf_io_self = &no_thread;
	pthread_mutex_lock(&threads_lock);
	((struct bf_io_thread *)thread)->in_use = false;
	pthread_mutex_unlock(&threads_lock);
}

static void after_fork(void)
{
	pthread_mutex_init(&threads_lock, NULL);
}

static void init(void)
{
	have_exit_key = !pthread_key_create(&exit_key, thread_put);
	pthread_atfork(NULL, NULL, after_fork);
}

/* The first place with a value; NULL: there is none. */
static uintptr_t *place_with(struct bf_io_thread *thread, uintptr_t value)
{
	uintptr_t *place = thread->places, *end = place + BF_IO_PLACES;

	for (; place < end; place++)
		if (__atomic_load_n(place, __ATOMIC_RELAXED) == value)
			return place;
	return NULL;
}

static bool is_left(const struct bf_io_thread *thread)
{
	unsigned int i;

	for (i = 0; i < BF_IO_PLACES; i++)
		if (__atomic_load_n(&thread->places[i], __ATOMIC_RELAXED))
			return false;
	return !thread->in_use;
}

/* One that no thread uses, with free places only; lock held. */
static struct bf_io_thread *thread_get_locked(void)
{
	struct bf_io_thread *thread;

	SLIST_FOREACH(thread, &threads, entry)
	if (is_left(thread))
		return thread;
	thread = calloc(1, sizeof(*thread));
	if (thread)
		SLIST_INSERT_HEAD(&threads, thread, entry);
	return thread;
}

/* False: out of memory. */
static bool thread_get(void)
{
	struct bf_io_thread *thread;

	pthread_once(&once, init);
	pthread_mutex_lock(&threads_lock);
	thread = have_exit_key ? thread_get_locked() : NULL;
	if (thread)
		thread->in_use = !pthread_setspecific(exit_key, thread);
	if (thread && thread->in_use)
		bf_io_self = thread;
	pthread_mutex_unlock(&threads_lock);
	return bf_io_self != &no_thread;
}

uintptr_t *bf_io_place_find(void)
{
	uintptr_t *place = NULL;

	if (bf_io_self != &no_thread || thread_get())
		place = place_with(bf_io_self, 0);
	return place ? place : &no_place;
}

bool bf_io_in_callback(const struct bf_io_bus *bus)
{
	return place_with(bf_io_self, (uintptr_t)bus | 1);
}

bool bf_io_in_handler(const struct bf_io_bus *bus)
{
	return place_with(bf_io_self, (uintptr_t)bus) || bf_io_in_callback(bus);
}
