/* SPDX-License-Identifier: MIT */
/*
 * Eventfds: validation, identity, signals, and the duplicates that the bus
 * keeps of them.
 */
#ifndef BF_IO_BUS_EVENTFD_H
#define BF_IO_BUS_EVENTFD_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "belfry/srcu.h"

/* F_DUPFD_QUERY of Linux 6.10, which older headers do not have. */
#define BF_F_DUPFD_QUERY 1027

/*
 * Do two descriptors of this process refer to one open file?  1: yes; 0: no;
 * -EBADF: fd is not open, or other is not (0 from the first kernels that have
 * the query); another negative errno: neither fcntl(2) nor kcmp(2) can tell.
 */
int bf_same_file(int fd, int other);

/* 0; -EBADF: not open; -EINVAL: not an eventfd. */
int bf_eventfd_check(int fd);

/* Do both descriptors refer to one eventfd?  May read /proc. */
bool bf_eventfd_same(int fd, int other);

/* A duplicate, which outlives the close of the original. */
struct bf_eventfd {
	int fd;
	bool blocks; /* without O_NONBLOCK */
	/* relay.c */
	uint64_t relayed;
	struct srcu_head relay_head;
	unsigned int users; /* the owner, and the worker while it signals */
	bool left;	    /* by the owner */
};

/*
 * How to make and close duplicates.  The default takes the lowest number above
 * the standard streams, and closes with close_range(2).
 */
struct bf_eventfd_fd_ops {
	int (*dup)(int fd); /* a descriptor or a negative errno */
	void (*close)(int first, int last); /* each number is a duplicate */
};

/* To be called before the first duplicate is made. */
void bf_eventfd_set_fd_ops(const struct bf_eventfd_fd_ops *ops);

/* 0, -EBADF, -EMFILE. */
int bf_eventfd_dup(struct bf_eventfd *eventfd, int fd);
void bf_eventfd_close(struct bf_eventfd *eventfd);

/*
 * The calling thread must not call poll(2).  A signal to an eventfd without
 * O_NONBLOCK then sleeps if the program has filled the eventfd.
 */
extern __thread bool bf_eventfd_no_poll;

/* The calling thread must not call bf_eventfd_complete(). */
extern __thread bool bf_eventfd_no_saturate;

/* The same for all threads, and @relay: for the worker; from now on. */
void bf_eventfd_forbid_all(bool poll, bool saturate, bool relay);

/*
 * Another process may have eventfds from now on, also those that exist already.
 * fork() calls this.  Async-signal-safe.
 */
void bf_eventfd_share(void);
bool bf_eventfd_is_shared(void);

/*
 * A thread that signals must not call bf_eventfd_complete(), from now on.
 * Async-signal-safe.
 */
void bf_eventfd_forbid_completion(void);

/*
 * True if another process may have eventfds, and can make a thread that signals
 * one sleep: only the kernel can signal them without that risk.
 */
bool bf_eventfd_may_sleep(void);

/*
 * Adds 1 to the counter, up to 2^64 - 1, as with the kernel's own signals.
 * Keeps errno.  Never blocks unless bf_eventfd_may_sleep() and no worker
 * relays.
 */
void bf_eventfd_signal(struct bf_eventfd *eventfd);

/* The same in a thread that may block. */
void bf_eventfd_signal_here(struct bf_eventfd *eventfd);

/*
 * saturate.c: adds 1 as the kernel does, also to a counter of 2^64 - 2, and
 * never blocks.  False if the kernel has no asynchronous I/O.
 */
bool bf_eventfd_complete(int fd);

/*
 * True if the kernel can: it has a context for the process, or grants one now
 * if the thread @may_ask.
 */
bool bf_eventfd_can_complete(bool may_ask);

/* In the child of a fork(), which has no context. */
void bf_eventfd_forget_context(void);

/*
 * relay.c: the worker of SRCU signals in place of a thread that cannot without
 * the risk to sleep.  False: no worker.
 */
bool bf_eventfd_relay(struct bf_eventfd *eventfd);

/* No thread can complete requests: another process may block the worker. */
bool bf_eventfd_relay_may_sleep(void);

/*
 * No thread signals the eventfd any more, and its owner, the caller, is about
 * to free it.  True: the worker uses it, and calls bf_eventfd_free() later.
 */
bool bf_eventfd_leave(struct bf_eventfd *eventfd);

/* Closes an eventfd of a pool, and frees it. */
void bf_eventfd_free(struct bf_eventfd *eventfd);

/*
 * Before the first filter that forbids bf_eventfd_complete(), so that the
 * worker does not inherit it, or where the kernel grants no context.  The next
 * calls do nothing.
 */
void bf_eventfd_start_relay(void);
void bf_eventfd_forget_relay(void); /* in the child of a fork() */

/*
 * A duplicate that doorbells share.  Descriptors are few, and a device may have
 * one eventfd for thousands of datamatches.
 */
struct bf_shared_eventfd {
	struct bf_eventfd eventfd;
	int original; /* the caller's descriptor */
	bool valid;   /* an eventfd, and no other file */
	unsigned int users;
	TAILQ_ENTRY(bf_shared_eventfd) entry;
};

TAILQ_HEAD(bf_shared_eventfds, bf_shared_eventfd);

struct bf_eventfd_pool {
	pthread_mutex_t lock;
	/* The last one of each descriptor modulo the size; NULL: none. */
	struct bf_shared_eventfd *recent[256];
	struct bf_shared_eventfds all; /* oldest first */
	bool closing;
};

void bf_eventfd_pool_init(struct bf_eventfd_pool *pool);

/*
 * Nothing is signalled any more: bf_eventfd_put() closes nothing from now on,
 * and bf_eventfd_pool_destroy() closes all duplicates with few system calls.
 */
void bf_eventfd_pool_close(struct bf_eventfd_pool *pool);
void bf_eventfd_pool_destroy(struct bf_eventfd_pool *pool);

/*
 * A reference to the duplicate of fd, and a new duplicate if the pool has none:
 * 0, -ENOMEM, -EBADF, -EMFILE.  The caller must validate the file behind a
 * duplicate that is not valid yet, and call bf_eventfd_set_valid(), or
 * bf_eventfd_put() if the file is not an eventfd.
 */
int bf_eventfd_get(struct bf_eventfd_pool *pool, int fd,
		   struct bf_shared_eventfd **sharedp);

/* Relaxed: the file behind a duplicate never changes. */
static inline bool bf_eventfd_is_valid(const struct bf_shared_eventfd *shared)
{
	return __atomic_load_n(&shared->valid, __ATOMIC_RELAXED);
}

static inline void bf_eventfd_set_valid(struct bf_shared_eventfd *shared)
{
	__atomic_store_n(&shared->valid, true, __ATOMIC_RELAXED);
}

/* Ends a reference. */
void bf_eventfd_put(struct bf_eventfd_pool *pool,
		    struct bf_shared_eventfd *shared);

#endif
