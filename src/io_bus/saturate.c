// SPDX-License-Identifier: MIT
/*
 * Signals an eventfd as an ioeventfd does: by the completion of an asynchronous
 * request.  The kernel counts up to 2^64 - 1, where poll(2) reports POLLERR,
 * and never sleeps.  write(2) counts up to 2^64 - 2 and sleeps there, unless
 * the open file has O_NONBLOCK; each process that holds the file can clear
 * that flag at any moment.
 */
#include <errno.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io_bus/eventfd.h"

/*
 * One context for the process: io_destroy(2) takes 30 ms.  A child of a raw
 * clone() has the number without the context, so its io_submit(2) fails.
 */
static aio_context_t shared_context;

/*
 * The kernel has room for 100 completions at least, and subtracts this number
 * from fs.aio-max-nr, which all processes of the machine share.
 */
#define EVENTS 1

#define TRIES 64

/* A context's memory, as the kernel and libaio know it. */
struct completions {
	uint32_t id;
	uint32_t nr;
	uint32_t head;
	uint32_t tail;
	uint32_t magic;
	uint32_t compat_features;
	uint32_t incompat_features;
	uint32_t header_length;
	struct io_event events[];
};

#define COMPLETIONS_MAGIC 0xa10a10a1u

/* A sandbox may refuse io_submit(2) alone.  There is no context 0. */
static bool may_submit(void)
{
	return syscall(SYS_io_submit, 0, 0, NULL) < 0 && errno == EINVAL;
}

/*
 * A child would inherit the memory, and a hostile one could make the kernel
 * believe that all completions still wait.
 */
static bool context_hide(aio_context_t context)
{
	const struct completions *ring = (const struct completions *)context;
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size;

	if (ring->magic != COMPLETIONS_MAGIC || ring->incompat_features)
		return false;
	size = sizeof(*ring) + ring->nr * sizeof(ring->events[0]);
	return !syscall(SYS_madvise, context, (size + page - 1) & -page,
			MADV_DONTFORK);
}

static bool context_make(aio_context_t old)
{
	aio_context_t new = 0;
	bool hidden;

	if (!may_submit() || syscall(SYS_io_setup, EVENTS, &new))
		return false;
	hidden = context_hide(new);
	if (!hidden ||
	    !__atomic_compare_exchange_n(&shared_context, &old, new, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		syscall(SYS_io_destroy, new);
	return hidden;
}

/*
 * Drops the completions, of which no thread reads the results.  Relaxed: two
 * threads may store in the wrong order, and the kernel then believes that some
 * completions still wait.  The next caller drops them again.
 */
static void context_reap(aio_context_t context)
{
	struct completions *ring = (struct completions *)context;

	__atomic_store_n(&ring->head,
			 __atomic_load_n(&ring->tail, __ATOMIC_RELAXED),
			 __ATOMIC_RELAXED);
}

/*
 * An eventfd refuses to read no bytes, so the request completes in
 * io_submit(2), since Linux 5.8.  A request for events of the eventfd would
 * not always: a signal of another thread wakes it, and the kernel then leaves
 * the completion to a worker, which signals after the removal of the doorbell.
 */
static long submit(aio_context_t context, int fd)
{
	struct iocb request = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = (uint32_t)fd,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (uint32_t)fd,
	};
	struct iocb *requests[] = {&request};

	return syscall(SYS_io_submit, context, 1, requests);
}

/*
 * EAGAIN: the completions of other threads fill the ring.  Each of them is
 * about to drop its own, and so does this one.
 */
static bool context_signal(aio_context_t context, int fd)
{
	long ret;

	for (int tries = 0; tries < TRIES; tries++) {
		ret = submit(context, fd);
		if (ret == 1 || errno == EAGAIN)
			context_reap(context);
		if (ret == 1 || errno != EAGAIN)
			break;
	}
	return ret == 1;
}

bool bf_eventfd_can_complete(bool may_ask)
{
	return __atomic_load_n(&shared_context, __ATOMIC_RELAXED) ||
	       (may_ask && context_make(0));
}

void bf_eventfd_forget_context(void)
{
	__atomic_store_n(&shared_context, 0, __ATOMIC_RELAXED);
}

bool bf_eventfd_complete(int fd)
{
	aio_context_t context =
		__atomic_load_n(&shared_context, __ATOMIC_RELAXED);

	if (context && context_signal(context, fd))
		return true;
	if (!context_make(context))
		return false;
	context = __atomic_load_n(&shared_context, __ATOMIC_RELAXED);
	return context_signal(context, fd);
}
