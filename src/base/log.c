// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <stdio.h>

#include "base/log.h"

/*
 * Held while the program's function runs, so that bf_set_log() can wait for
 * it; recursive, because that function may call bf_set_log().
 */
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static void (*log_hook)(void *opaque, const char *text);
static void *log_opaque;

static void lock_for_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void unlock_in_parent(void)
{
	pthread_mutex_unlock(&lock);
}

/* The owner of the mutex is a thread number of the parent. */
static void init_in_child(void)
{
	lock = (pthread_mutex_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
}

static void register_fork_handlers(void)
{
	pthread_atfork(lock_for_fork, unlock_in_parent, init_in_child);
}

static void lock_log(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, register_fork_handlers);
	pthread_mutex_lock(&lock);
}

void bf_set_log(void (*fn)(void *opaque, const char *text), void *opaque)
{
	lock_log();
	log_hook = fn;
	log_opaque = opaque;
	pthread_mutex_unlock(&lock);
}

void bf_log(const char *text)
{
	lock_log();
	if (log_hook)
		log_hook(log_opaque, text);
	else
		fputs(text, stderr);
	pthread_mutex_unlock(&lock);
}
