/* SPDX-License-Identifier: MIT */
/* A domain's life, and threads that sit in its sections or wait for them. */
#ifndef BF_TESTS_SRCU_FIXTURE_H
#define BF_TESTS_SRCU_FIXTURE_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "belfry/srcu.h"

void setup_domain(struct srcu_struct *ssp);

/* Nobody is in a section, nor will be; callbacks are waited for. */
void end_domain(struct srcu_struct *ssp);

/* A thread that sits in a section until told to leave. */
struct holder {
	struct srcu_struct *ssp;
	pthread_t thread;
	int inside;
	int leave;
	int left; /* set before the section ends */
};

/* These return when the thread is inside; of a fast domain the second. */
void holder_start(struct holder *holder, struct srcu_struct *ssp);
void holder_start_fast(struct holder *holder, struct srcu_struct *ssp);

/* Tells it to leave, and returns when it has. */
void holder_end(struct holder *holder);

/* A thread that waits for a grace period. */
struct waiter {
	struct srcu_struct *ssp;
	void (*wait)(struct srcu_struct *ssp);
	struct holder *holder;
	pthread_t thread;
	int began;
	int done;
	int holder_had_left; /* when the wait ended */
};

/* Returns when the thread is about to wait. */
void waiter_start(struct waiter *waiter, struct srcu_struct *ssp,
		  void (*wait)(struct srcu_struct *ssp), struct holder *holder);

#endif
