/* SPDX-License-Identifier: MIT */
/*
 * A small machine that runs real C code, with store buffers, or with memory
 * that reorders loads and stores (views.h).
 *
 * The code under test is compiled with its atomic builtins replaced
 * (intercept.h).  Its threads are coroutines that stop before each access to
 * shared memory.  Then explore.c decides which thread continues, or which
 * buffered store becomes visible.
 */
#ifndef BF_MODELS_MACHINE_H
#define BF_MODELS_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum machine_memory {
	MACHINE_SC,  /* no buffers */
	MACHINE_TSO, /* x86: one queue a thread; locked instructions drain it */
	MACHINE_PSO, /* one queue a thread and word, as on weaker machines; a
			release waits for all earlier stores of its thread */
	MACHINE_VIEWS, /* loads may return older values, too */
};

#define MACHINE_THREADS 4
#define MACHINE_ACTIONS 128
#define MACHINE_STATICS 6

struct machine_program {
	void (*init)(void); /* sets up the world, single-threaded */
	void (*threads[MACHINE_THREADS])(void *arg);
	void *args[MACHINE_THREADS];
	unsigned int nr_threads;
	void (*check)(void); /* at the end, when all stores are visible */
	void *world;	     /* all memory that changes */
	size_t world_size;   /* a multiple of 8 */
	/* Static variables of the source, which change too. */
	struct machine_region {
		void *memory;
		size_t size; /* a multiple of 8 */
	} statics[MACHINE_STATICS];
};

struct machine_action {
	unsigned int thread;
	int entry; /* of its store buffer; -1: the thread continues.  With
		      MACHINE_VIEWS the message that it loads */
};

void machine_load(const struct machine_program *program,
		  enum machine_memory memory);

/* Returns to the beginning of the program. */
void machine_reset(void);

/* Lists the possible actions; returns 0 at the end and in a deadlock. */
unsigned int machine_actions(struct machine_action *actions);
void machine_do(const struct machine_action *action);

/* Whether all threads have returned, and all their stores are visible. */
bool machine_finished(void);
void machine_check(void);

/* A hash of the state: equal states have equal keys. */
uint64_t machine_key(void);

/* True once after a word turned out to be shared: the search must restart. */
bool machine_learned(void);

/* The message of a failed check, or NULL. */
const char *machine_failure(void);

/* Describes the action in one line. */
void machine_describe(const struct machine_action *action, char *line,
		      size_t size);

/* For the code under test and its checks. */

uint64_t machine_load_word(const volatile void *word, size_t size, int order);
void machine_store_word(volatile void *word, size_t size, uint64_t value,
			int order);

/* Add, set bits, keep bits or exchange; return the old value. */
uint64_t machine_add_word(volatile void *word, size_t size, uint64_t value,
			  int order);
uint64_t machine_or_word(volatile void *word, size_t size, uint64_t value,
			 int order);
uint64_t machine_and_word(volatile void *word, size_t size, uint64_t value,
			  int order);
uint64_t machine_swap_word(volatile void *word, size_t size, uint64_t value,
			   int order);
bool machine_cas_word(volatile void *word, size_t size, void *expected,
		      uint64_t value, int order, int order_failed);
void machine_fence(int order);

/*
 * A plain access by the running thread, which the compiler reports (plain.c).
 * Under MACHINE_VIEWS a data race fails.
 */
void machine_plain(const volatile void *memory, size_t size, bool write);

/* memcpy() and memset() of the code under test; clang calls them itself. */
void *machine_copy(void *to, const void *from,
		   size_t size) __asm__("__tsan_memcpy");
void *machine_set(void *to, int byte, size_t size) __asm__("__tsan_memset");

/* A full fence in every thread, one after another: membarrier(2). */
void machine_membarrier(void);

/* One turn of a wait loop: sleeps until another thread's store is visible. */
void machine_wait(void);

/*
 * Promises that the thread's later actions depend on memory and on value alone,
 * not on the values that it has read so far.
 */
void machine_checkpoint(unsigned int value);

/*
 * What the kernel and the C library do in one step: sleep until *word is 0 and
 * make it 1; sleep until *word is not value.  Both acquire, and both see the
 * newest value.  A sleep that does not end is a deadlock.
 */
void machine_lock(unsigned int *word);
void machine_sleep(unsigned int *word, unsigned int value);

void machine_fail(const char *what);

/* Ends the running thread, for code that never returns. */
void machine_exit(void);

/* The number of the running thread; 0 outside of the threads. */
unsigned int machine_self(void);

#endif
