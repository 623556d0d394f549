/* SPDX-License-Identifier: MIT */
/* Domains, and threads that hold a section or wait for a grace period. */
#ifndef BF_TESTS_SRCU_FIXTURE_H
#define BF_TESTS_SRCU_FIXTURE_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "belfry/srcu.h"

void setup_domain(struct srcu_struct *ssp);

/* Waits for the callbacks and cleans up. No section may be open. */
void end_domain(struct srcu_struct *ssp);

/* A thread that holds a section until holder_end(). */
struct holder {
	struct srcu_struct *ssp;
	pthread_t thread;
	int inside;
	int leave;
	int left; /* set before the section ends */
};

/*
 * Start a thread and return when it is in its section.  holder_start_fast() is
 * for fast domains.
 */
void holder_start(struct holder *holder, struct srcu_struct *ssp);
void holder_start_fast(struct holder *holder, struct srcu_struct *ssp);

/* Tells the thread to end its section, and joins the thread. */
void holder_end(struct holder *holder);

/* A thread that waits for a grace period. */
struct waiter {
	struct srcu_struct *ssp;
	void (*wait)(struct srcu_struct *ssp);
	struct holder *holder;
	pthread_t thread;
	int began;
	int done;
	int holder_had_left; /* holder->left when wait() returned */
};

/* Returns just before the thread calls wait(). */
void waiter_start(struct waiter *waiter, struct srcu_struct *ssp,
		  void (*wait)(struct srcu_struct *ssp), struct holder *holder);

#endif
