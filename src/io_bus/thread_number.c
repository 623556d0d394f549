// SPDX-License-Identifier: MIT
/*
 * The lowest number that is free, so that storage by number stays dense.  A
 * list of threads in the order of their numbers is walked for that: once in
 * the life of a thread.
 */
#include <pthread.h>
#include <stdbool.h>

#include "io_bus/thread_number.h"

struct numbered {
	unsigned int number;
	bool given;
	bool gone; /* the thread is about to end: no more numbers */
	struct numbered *next;
};

static __thread struct numbered me;
static struct numbered *all; /* by number */
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t at_exit;
static bool have_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/*
 * The lock orders what the thread wrote under its number before the next owner
 * of that.
 */
static void give_back(void *unused)
{
	struct numbered **link;

	pthread_mutex_lock(&all_lock);
	for (link = &all; *link != &me;)
		link = &(*link)->next;
	*link = me.next;
	me.given = false;
	me.gone = true;
	pthread_mutex_unlock(&all_lock);
}

static void after_fork(void)
{
	pthread_mutex_init(&all_lock, NULL);
	all = me.given ? &me : NULL;
	me.next = NULL;
}

static void init(void)
{
	have_key = !pthread_key_create(&at_exit, give_back);
	pthread_atfork(NULL, NULL, after_fork);
}

static void take_number(void)
{
	struct numbered **link;

	pthread_mutex_lock(&all_lock);
	me.number = 0;
	for (link = &all; *link && (*link)->number == me.number;
	     link = &(*link)->next)
		me.number++;
	me.next = *link;
	*link = &me;
	me.given = true;
	pthread_mutex_unlock(&all_lock);
}

int bf_thread_number(void)
{
	if (me.given)
		return (int)me.number;
	pthread_once(&once, init);
	/* A value that is not NULL, so that give_back() is called. */
	if (me.gone || !have_key || pthread_setspecific(at_exit, &me))
		return -1;
	take_number();
	return (int)me.number;
}
