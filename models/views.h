/* SPDX-License-Identifier: MIT */
/*
 * Memory that reorders: C11 without load buffering, as Arm has it.
 *
 * Each store to a shared word is a message with a number.  A view says for each
 * word which message a thread has to know at least; a load may return this
 * message or any later one.  A release store puts the thread's view into its
 * message, and an acquire load takes the view of the message over.
 *
 * All seq_cst operations share one view.  A fence joins it with the thread's. A
 * store adds its own message to it and nothing else, and a load returns no
 * message before that view's.  So a seq_cst access orders no access to another
 * word but seq_cst ones, as on Arm.
 *
 * A view has the clocks of the threads, too, which fences of seq_cst do not
 * join: they say which plain accesses happened before.  A plain access that is
 * not ordered against a conflicting one of another thread is a data race.
 *
 * What the memory does not show: a store never goes behind an earlier store to
 * the same word by another thread, and a failed compare-and-swap reads the last
 * message.
 */
#ifndef BF_MODELS_VIEWS_H
#define BF_MODELS_VIEWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "machine.h"

#define VIEW_WORDS    64
#define VIEW_MESSAGES 24

struct view {
	unsigned char at[VIEW_WORDS];
	unsigned char clock[MACHINE_THREADS];
};

/* What a thread knows. */
struct view_thread {
	struct view now;      /* for its next accesses */
	struct view acquired; /* by relaxed loads: for an acquire fence */
	struct view released; /* at a release fence: for relaxed stores */
	bool handed_on;	      /* its clock was, since its last plain access */
};

/* The words stay, with one message each that has the present value. */
void views_reset(void);
/* Forgets the words. */
void views_forget(void);

/* The number of a shared word; known from its first access on. */
unsigned int views_word(const volatile void *word, size_t size);

/* The first message that the thread may load, and the number of all. */
unsigned int views_first(const struct view_thread *thread, unsigned int word,
			 int order);
unsigned int views_count(unsigned int word);

uint64_t views_load(struct view_thread *thread, unsigned int word,
		    unsigned int message, int order);
/* rmw: the store belongs to a read-modify-write, which read the last message. */
void views_store(struct view_thread *thread, unsigned int word, uint64_t value,
		 int order, bool rmw);
void views_fence(struct view_thread *thread, int order);

/*
 * The clock of a plain access by thread self, and whether the thread knows of
 * an access of another one at that clock.
 */
unsigned int views_clock(struct view_thread *thread, unsigned int self);
bool views_knows(const struct view_thread *thread, unsigned int other,
		 unsigned int clock);

/* Does any word have a message that the thread need not know yet? */
bool views_behind(const struct view_thread *thread);

uint64_t views_key(uint64_t key, const struct view_thread *threads,
		   unsigned int nr);

#endif
