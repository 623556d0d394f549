// SPDX-License-Identifier: MIT
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "srcu/heavy.h"
#include "srcu/report.h"

static struct {
	unsigned long begun;
	unsigned long done;
	bool available;
} heavy;

static long membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

/*
 * Tried, not only asked for: a system call filter may let the query through
 * and the command not.
 */
static void register_process(void)
{
	heavy.available =
		membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0 &&
		membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
}

bool srcu_heavy_available(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, register_process);
	return heavy.available;
}

/*
 * The caller's stores, then its full fence, then this load.  Who begins number
 * n + 1 adds to the word after this load saw n, so its membarrier comes after
 * those stores are visible everywhere; it may be another thread's.
 */
unsigned long srcu_heavy_next(void)
{
	return __atomic_load_n(&heavy.begun, __ATOMIC_SEQ_CST) + 1;
}

bool srcu_heavy_done(unsigned long number)
{
	return (long)(__atomic_load_n(&heavy.done, __ATOMIC_ACQUIRE) -
		      number) >= 0;
}

static long interrupt_readers(void)
{
	return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

/*
 * It worked when the process asked for it; a system call filter came since.
 * Readers that run have no fence and cannot be given one: to go on would free
 * memory under them.
 */
static void give_up(void)
{
	struct srcu_text text = {.len = 0};

	srcu_text_add(&text, "belfry: SRCU: membarrier(2) was granted and is "
			     "refused now (a system call filter?); fast "
			     "domains cannot go on\n");
	srcu_report(SRCU_REPORT_MEMBARRIER, &text);
	abort();
}

void srcu_heavy_barrier(void)
{
	unsigned long number, done;

	number = __atomic_add_fetch(&heavy.begun, 1, __ATOMIC_SEQ_CST);
	if (interrupt_readers())
		give_up();
	/*
	 * Numbers may finish out of turn; the later one began later, so it
	 * serves whoever waits for an earlier number too.  Release: what the
	 * membarrier ordered is ordered for who sees the number.
	 */
	done = __atomic_load_n(&heavy.done, __ATOMIC_RELAXED);
	while ((long)(number - done) > 0 &&
	       !__atomic_compare_exchange_n(&heavy.done, &done, number, true,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}
