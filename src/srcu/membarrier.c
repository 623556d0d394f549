// SPDX-License-Identifier: MIT
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "srcu/futex.h"
#include "srcu/membarrier.h"
#include "srcu/report.h"

/* How long a grace period waits in place of a membarrier that is refused. */
#define STORE_BUFFER_NS (10 * NSEC_PER_MSEC)

static struct {
	unsigned long begun;
	unsigned long done;
	bool available;
	bool refused;
} barriers;

static long membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

/* A system call filter may allow the query and refuse the command: try it. */
static void register_process(void)
{
	barriers.available =
		membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0 &&
		membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
}

bool bf_srcu_membarrier_available(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, register_process);
	return barriers.available;
}

/*
 * The order is: the caller's stores, the caller's full fence, this load.  The
 * thread that begins number n + 1 adds to the word after this load read n, so
 * its membarrier comes after the caller's stores are visible.
 */
unsigned long bf_srcu_membarrier_next(void)
{
	return __atomic_load_n(&barriers.begun, __ATOMIC_SEQ_CST) + 1;
}

bool bf_srcu_membarrier_done(unsigned long number)
{
	return (long)(__atomic_load_n(&barriers.done, __ATOMIC_ACQUIRE) -
		      number) >= 0;
}

static long fence_running_threads(void)
{
	return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

static void report_refusal(void)
{
	struct bf_srcu_text text = {.len = 0};

	if (__atomic_exchange_n(&barriers.refused, true, __ATOMIC_RELAXED))
		return;
	bf_srcu_text_add(&text,
			 "belfry: SRCU: membarrier(2) was granted and is "
			 "refused now (a system call filter?); grace periods "
			 "of fast domains take 10 ms longer\n");
	bf_srcu_send_report(BF_SRCU_REPORT_MEMBARRIER, &text);
}

/*
 * A system call filter came after the process was granted membarrier(2).
 * Readers without a fence may run, and cannot be given one.  A reader stores
 * its count before it loads a pointer, so a reader that loaded the old pointer
 * has its count at worst in a store buffer.  Store buffers drain in less than a
 * microsecond (Morrison and Afek, "Temporally Bounding TSO for Fence-Free
 * Asymmetric Synchronization", ASPLOS 2015), so after a sleep of milliseconds
 * the scan sees the count.  Without the sleep the scan may miss it, and the
 * object is freed under the reader.
 */
static void wait_for_store_buffers(void)
{
	const uint64_t end = bf_now_ns() + STORE_BUFFER_NS;
	const struct timespec ts = {.tv_nsec = STORE_BUFFER_NS};

	report_refusal();
	do {
		nanosleep(&ts, NULL);
	} while (bf_now_ns() < end);
}

void bf_srcu_membarrier(void)
{
	unsigned long number, done;

	number = __atomic_add_fetch(&barriers.begun, 1, __ATOMIC_SEQ_CST);
	if (fence_running_threads())
		wait_for_store_buffers();
	/*
	 * Calls may return out of order.  A call with a later number began
	 * later, so it serves waiters for earlier numbers too.  Release: a
	 * thread that sees the number sees what the membarrier ordered.
	 */
	done = __atomic_load_n(&barriers.done, __ATOMIC_RELAXED);
	while ((long)(number - done) > 0 &&
	       !__atomic_compare_exchange_n(&barriers.done, &done, number, true,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}
