/* SPDX-License-Identifier: MIT */
/**
 * belfry/srcu.h - sleepable read-copy update (SRCU) for user space.
 *
 * A reader brackets its accesses with srcu_read_lock() and srcu_read_unlock().
 * An updater unpublishes an object, waits for a grace period of the domain,
 * and may then free it: a grace period ends only after every read-side
 * critical section that began before it was asked for has ended.
 *
 *	DEFINE_SRCU(domain);
 *
 *	idx = srcu_read_lock(&domain);
 *	cfg = srcu_dereference(current_cfg, &domain);
 *	use(cfg);			(may sleep, may take minutes)
 *	srcu_read_unlock(&domain, idx);
 *
 *	old = current_cfg;
 *	srcu_assign_pointer(current_cfg, new);
 *	synchronize_srcu_expedited(&domain);
 *	free(old);
 *
 * Names and meanings are those of the Linux kernel (include/linux/srcu.h,
 * Documentation/RCU); what other libraries define without the prefix is
 * spelled with it here (struct srcu_head, srcu_assign_pointer), so that a
 * program can use liburcu beside this header.
 *
 * Domains do not know each other: a reader in one never delays another.
 * Readers need no registration; they may sleep, nest, migrate between CPUs and
 * be signal handlers; a section of srcu_down_read() may end in another thread
 * than it began in.  Threads may exit at any time.
 *
 * A domain has one of two flavours.  In a fenced one (init_srcu_struct())
 * readers execute a memory fence, and nobody is ever interrupted.  In a fast
 * one (init_srcu_struct_fast()) they execute none, and an updater interrupts
 * each CPU that runs a thread of the process, once a grace period
 * (membarrier(2)); where the kernel has no membarrier, or a filter forbids it
 * when the process sets up its first fast domain, the readers of fast domains
 * execute the fence after all.  (A filter that comes later ends the process.)
 *
 * An expedited request never waits for a pace: it takes over a normal grace
 * period that has been asked for and sleeps, and so makes ready the callbacks
 * queued before it.
 *
 * Stability: 0.x; functions may still change, each change is in CHANGELOG.md.
 * Names that begin with __srcu, and the members of the structures, are no
 * interface: they are here because the readers are inline.
 * Thread safety: every function may be called from any thread at any time,
 * unless it says otherwise.
 * Contexts: readers, inline, are async-signal-safe; the rest is not.
 * fork: the child may use every domain.  Sections that were open in the parent
 * are not open in the child, so a thread must not fork() inside a section that
 * it means to end in the child.  Callbacks that were pending are pending in
 * the child too: they run when it next queues one, or waits, on the domain; so
 * heads must not lie on the stacks of other threads.  Not from a callback.
 * Misuse: with tracking on (srcu_set_tracking()) it is reported with its place.
 * dlclose: an object that contains readers must not be unloaded: the kernel
 * may still look at its restartable sequences.
 */
#ifndef BELFRY_SRCU_H
#define BELFRY_SRCU_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_THREAD__)
#define __SRCU_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SRCU_TSAN 1
#endif
#endif

/*
 * Counters are bumped by a restartable sequence where there is one: an
 * increment without a locked instruction.  ThreadSanitizer cannot see into
 * it, so it gets the C11 atomics that every other case uses too.
 */
#if defined(__SRCU_MODEL)
#define __SRCU_RSEQ 1
#elif defined(__x86_64__) && defined(__has_include) && \
	!defined(__SRCU_TSAN) && !defined(__SRCU_NO_RSEQ)
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#define __SRCU_RSEQ 1
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/**
 * struct srcu_head - one deferred callback; caller-owned
 *
 * Usually a member of the object to free; container_of() style arithmetic
 * leads back to it.  Must stay untouched from call_srcu() until its function
 * is called.  Needs no initialization.
 */
struct srcu_head {
	struct srcu_head *next;
	void (*func)(struct srcu_head *head);
};

/*
 * Counters of one CPU: entries into and exits from sections, per bank.  The
 * first four are only ever changed by restartable sequences on that CPU, the
 * others only by atomic instructions from anywhere: mixing both on one word
 * would lose counts.
 */
struct __srcu_slot {
	unsigned long lock[2];
	unsigned long unlock[2];
	unsigned long atomic_lock[2];
	unsigned long atomic_unlock[2];
} __attribute__((aligned(64)));

struct srcu_ctr; /* opaque: see srcu_read_lock_fast() */

/** struct srcu_struct - a domain; caller-owned, initialize before use */
struct srcu_struct {
	/*
	 * Read by readers; written by a flip and by who waits for readers.
	 * Inline readers count in rseq_slots; where that is NULL, out of line.
	 */
	struct __srcu_slot *rseq_slots;
	struct srcu_ctr *fast_bank; /* the same, for fast readers */
	unsigned int idx;	    /* the bank that new readers count in */
	unsigned int waiting;	    /* somebody sleeps until a section ends */
	struct __srcu_slot *slots;  /* one a possible CPU; NULL: use boot */
	const char *name;
	bool fast;	    /* updaters interrupt readers, if they can */
	bool reader_fences; /* ... or readers of a fast domain fence */
	bool tracked;	    /* sections are tracked by thread */
	bool early;	    /* on the list of domains read before set-up */
	struct srcu_struct *early_next;
	unsigned long early_sections; /* open at set-up, not tracked */

	/* Grace periods; under lock. */
	pthread_mutex_t lock __attribute__((aligned(64)));
	unsigned long gp_seq;	 /* kernel layout: state in the low bits */
	unsigned long gp_needed; /* furthest grace period asked for */
	unsigned long gp_heavy;	 /* membarrier that has to precede the scan */
	uint64_t gp_due;	 /* when the paced one may begin; 0: unset */
	uint64_t gp_last_end;	 /* when the last paced one ended, ns */
	unsigned long gp_announced; /* gp_seq when a sleep was announced, */
	uint64_t gp_announced_ns;   /* and when that was */
	uint64_t gp_blocked; /* since when a reader holds it, ns; 0: none */
	uint64_t gp_stalled; /* when that was last reported, ns */
	uint64_t pace_ns;    /* how long a normal one may gather */
	struct srcu_head *cb_wait; /* callbacks of the one in progress */
	struct srcu_head **cb_wait_tail;
	struct srcu_head *cb_done; /* callbacks that may run */
	struct srcu_head **cb_done_tail;
	struct srcu_head *cb_batch; /* callbacks that somebody is running */
	bool cb_running;
	bool gp_urgent; /* do not pace the next grace period */
	unsigned int sleepers;
	struct srcu_struct *all_next; /* every domain of the process */
	struct srcu_struct **all_link;
	struct {
		uint64_t grace_periods;
		uint64_t expedited;
		uint64_t promoted;
		uint64_t callbacks;
		uint64_t longest_wait_ns;
		uint64_t membarriers;
	} stats;

	/* Changed without the lock. */
	uintptr_t cb_next;	/* callbacks of no grace period yet, and bits */
	unsigned long cb_count; /* queued, not yet returned from */
	unsigned int wake_seq;	/* futex: bumped when waiters shall look */
	unsigned int queued;	/* futex: on the worker's list */
	struct srcu_struct *work_next;

	struct __srcu_slot boot; /* counters until slots is there */
};

/** The pace of normal grace periods, unless set otherwise: nanoseconds. */
#define SRCU_DEFAULT_PACE_NS 1000000

/* The kernel's start value: a wrap early in life finds mistakes early. */
#define __SRCU_GP_SEQ_INIT ((0UL - 100UL) << 2)

#define __SRCU_STRUCT_INIT(domain, is_fast)                                    \
	{                                                                      \
		.name = #domain, .fast = (is_fast), .reader_fences = true,     \
		.lock = PTHREAD_MUTEX_INITIALIZER,                             \
		.gp_seq = __SRCU_GP_SEQ_INIT, .gp_needed = __SRCU_GP_SEQ_INIT, \
		.pace_ns = SRCU_DEFAULT_PACE_NS,                               \
		.cb_wait_tail = &(domain).cb_wait,                             \
		.cb_done_tail = &(domain).cb_done,                             \
	}

/**
 * DEFINE_SRCU - define a fenced domain that needs no init call
 * DEFINE_STATIC_SRCU - the same, static
 * DEFINE_SRCU_FAST, DEFINE_STATIC_SRCU_FAST - the same for a fast domain
 *
 * Needs no cleanup_srcu_struct() either if it lives as long as the process.
 */
#define DEFINE_SRCU(domain) \
	struct srcu_struct domain = __SRCU_STRUCT_INIT(domain, false)
#define DEFINE_STATIC_SRCU(domain) \
	static struct srcu_struct domain = __SRCU_STRUCT_INIT(domain, false)
#define DEFINE_SRCU_FAST(domain) \
	struct srcu_struct domain = __SRCU_STRUCT_INIT(domain, true)
#define DEFINE_STATIC_SRCU_FAST(domain) \
	static struct srcu_struct domain = __SRCU_STRUCT_INIT(domain, true)

/**
 * init_srcu_struct - initialize a fenced domain
 * init_srcu_struct_fast - initialize a fast domain
 * @ssp: the domain; nobody uses it yet
 *
 * Readers of a fenced domain use srcu_read_lock() and srcu_read_unlock(),
 * those of a fast one srcu_read_lock_fast() and srcu_read_unlock_fast().
 *
 * Return 0 or -ENOMEM (64 bytes a possible CPU are allocated).  Do not sleep.
 */
#define init_srcu_struct(ssp)	   __srcu_init_struct((ssp), #ssp, false)
#define init_srcu_struct_fast(ssp) __srcu_init_struct((ssp), #ssp, true)

int __srcu_init_struct(struct srcu_struct *ssp, const char *name, bool fast);

/**
 * cleanup_srcu_struct - free what a domain holds
 * @ssp: the domain; every srcu_read_unlock() on it has returned
 *
 * Callbacks must be over: call srcu_barrier() before.  Returns 0, or -EBUSY,
 * with nothing freed and the domain usable, while a section is open, a grace
 * period is in progress or a callback is left, this one included.  May sleep
 * for some microseconds, or while another domain's callback runs.
 */
int cleanup_srcu_struct(struct srcu_struct *ssp);

/* Slow paths of the readers. */
void __srcu_count_lock(struct srcu_struct *ssp, int idx);
void __srcu_count_unlock(struct srcu_struct *ssp, int idx);
struct srcu_ctr *__srcu_count_lock_fast(struct srcu_struct *ssp);
void __srcu_count_unlock_fast(struct srcu_struct *ssp, struct srcu_ctr *scp);
void __srcu_count_down(struct srcu_struct *ssp, int idx);
void __srcu_count_up(struct srcu_struct *ssp, int idx);
void __srcu_wake(struct srcu_struct *ssp, int idx);

#if defined(__SRCU_MODEL)
/* A model checker has CPUs of its own: see models/. */
bool __srcu_rseq_inc(unsigned long *word);
#elif defined(__SRCU_RSEQ)
/*
 * Adds 1 to the word at @word in the slot of the CPU that this thread runs on,
 * by one plain instruction that is aborted if the thread is preempted or
 * signalled before it.  False: not done (aborted, or the thread has no
 * registered rseq area), and it falls to the caller to count in another way;
 * no retry here, so that a debugger's single step cannot loop.
 *
 * The increment is the last instruction of the sequence, and a store of x86 is
 * a release: whatever the section did before an unlock is visible to who sees
 * the count.
 */
static inline bool __srcu_rseq_inc(unsigned long *word)
{
	__asm__ goto(".pushsection __rseq_cs, \"aw\"\n\t"
		     ".balign 32\n"
		     "771:\n\t"
		     ".long 0, 0\n\t"
		     ".quad 772f, 773f - 772f, 774f\n\t"
		     ".popsection\n\t"
		     "leaq 771b(%%rip), %%rax\n\t"
		     "movq %%rax, %%fs:8(%[rseq])\n"
		     "772:\n\t"
		     "movslq %%fs:4(%[rseq]), %%rax\n\t"
		     "shlq $6, %%rax\n\t"
		     "js %l[failed]\n\t"
		     "incq (%[word], %%rax)\n"
		     "773:\n\t"
		     ".pushsection __rseq_failure, \"ax\"\n\t"
		     ".byte 0x0f, 0xb9, 0x3d\n\t"
		     ".long 0x53053053\n"
		     "774:\n\t"
		     "jmp %l[failed]\n\t"
		     ".popsection"
		     :
		     : [rseq] "r"(__rseq_offset), [word] "r"(word)
		     : "rax", "memory", "cc"
		     : failed);
	return true;
failed:
	return false;
}
#endif

/*
 * A full fence.  As instructions rather than the C11 fence, which compilers
 * make an expensive MFENCE on x86 and which ThreadSanitizer refuses.
 */
static inline void __srcu_fence(void)
{
#if defined(__x86_64__) && !defined(__SRCU_C11)
	__asm__ volatile("lock; addl $0, -4(%%rsp)" ::: "memory", "cc");
#elif defined(__aarch64__) && !defined(__SRCU_C11)
	__asm__ volatile("dmb ish" ::: "memory");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* Count an entry or an exit inline; false: not possible here and now. */
static inline bool __srcu_enter(struct srcu_struct *ssp, int idx)
{
#ifdef __SRCU_RSEQ
	struct __srcu_slot *slots =
		__atomic_load_n(&ssp->rseq_slots, __ATOMIC_CONSUME);

	return __builtin_expect(
		slots && __srcu_rseq_inc(&slots->lock[(unsigned)idx]), 1);
#else
	(void)ssp;
	(void)idx;
	return false;
#endif
}

static inline bool __srcu_exit(struct srcu_struct *ssp, int idx)
{
#ifdef __SRCU_RSEQ
	struct __srcu_slot *slots =
		__atomic_load_n(&ssp->rseq_slots, __ATOMIC_CONSUME);

	return __builtin_expect(
		slots && __srcu_rseq_inc(&slots->unlock[(unsigned)idx]), 1);
#else
	(void)ssp;
	(void)idx;
	return false;
#endif
}

/* Tells who sleeps that a section of bank idx (-1: unknown) ended. */
static inline void __srcu_left(struct srcu_struct *ssp, int idx)
{
	if (__builtin_expect(__atomic_load_n(&ssp->waiting, __ATOMIC_RELAXED),
			     0))
		__srcu_wake(ssp, idx);
}

static inline int __srcu_bank(struct srcu_struct *ssp)
{
	return (int)__atomic_load_n(&ssp->idx, __ATOMIC_RELAXED);
}

/**
 * srcu_read_lock - begin a read-side critical section of a fenced domain
 * @ssp: the domain
 *
 * Returns an index to be given to the matching srcu_read_unlock(), by the same
 * thread.  Never blocks, allocates nothing, makes no system call; about 2 ns.
 * Sections nest.  Within one, do not wait for a grace period of the same
 * domain (deadlock); queueing callbacks is fine.
 */
static inline int srcu_read_lock(struct srcu_struct *ssp)
{
	int idx = __srcu_bank(ssp);

	if (!__srcu_enter(ssp, idx))
		__srcu_count_lock(ssp, idx);
	/*
	 * Orders the count before the section's loads, against the updater's
	 * fence between its unpublishing store and its scan of the counts
	 * (srcu_gp_start() in src/srcu/gp.c): either the scan sees the count,
	 * or the section sees the new pointer.  Without it the section may
	 * read the old pointer while its count is still in the store buffer,
	 * and the object is freed under it.
	 */
	__srcu_fence();
	return idx;
}

/**
 * srcu_read_unlock - end a read-side critical section of a fenced domain
 * @ssp: the domain
 * @idx: what srcu_read_lock() returned
 *
 * Never blocks; makes a system call (futex wake) only when somebody sleeps
 * until a section of this domain ends.
 */
static inline void srcu_read_unlock(struct srcu_struct *ssp, int idx)
{
	if (!__srcu_exit(ssp, idx))
		__srcu_count_unlock(ssp, idx);
	__srcu_left(ssp, idx);
}

/*
 * What a fast reader holds is the first CPU's entry count of its bank, or, if
 * it was counted out of line, the bank's number plus one.
 */
static inline bool __srcu_is_bank(struct srcu_ctr *scp)
{
	return __builtin_expect((uintptr_t)scp > 2, 1);
}

/**
 * srcu_read_lock_fast - begin a read-side critical section of a fast domain
 * @ssp: the domain, of init_srcu_struct_fast() or DEFINE_SRCU_FAST()
 *
 * Returns what srcu_read_unlock_fast() needs, an opaque pointer as in the
 * kernel.  Otherwise as srcu_read_lock(), without its fence; about 1 ns.  On a
 * fenced domain it protects nothing (tracking reports it).
 */
static inline struct srcu_ctr *srcu_read_lock_fast(struct srcu_struct *ssp)
{
#ifdef __SRCU_RSEQ
	struct srcu_ctr *scp =
		__atomic_load_n(&ssp->fast_bank, __ATOMIC_CONSUME);

	if (!__builtin_expect(scp && __srcu_rseq_inc((unsigned long *)scp), 1))
		scp = __srcu_count_lock_fast(ssp);
#else
	struct srcu_ctr *scp = __srcu_count_lock_fast(ssp);
#endif
	/*
	 * The compiler keeps count and section in order; towards the updater
	 * that is enough, because the membarrier between its unpublishing
	 * store and its scan (srcu_heavy_barrier() in src/srcu/heavy.c) puts a
	 * full fence into this thread: a count before it is seen by the scan,
	 * and loads after it see the new pointer.
	 */
	__asm__ volatile("" ::: "memory");
	return scp;
}

/**
 * srcu_read_unlock_fast - end a read-side critical section of a fast domain
 * @ssp: the domain
 * @scp: what srcu_read_lock_fast() returned
 *
 * As srcu_read_unlock().
 */
static inline void srcu_read_unlock_fast(struct srcu_struct *ssp,
					 struct srcu_ctr *scp)
{
	__asm__ volatile("" ::: "memory");
#ifdef __SRCU_RSEQ
	/* Exits stand two words behind entries, in each slot. */
	if (!__builtin_expect(__srcu_is_bank(scp) &&
				      __srcu_rseq_inc((unsigned long *)scp + 2),
			      1))
#endif
		__srcu_count_unlock_fast(ssp, scp);
	__srcu_left(ssp, -1);
}

/**
 * srcu_down_read - begin a section that another thread may end
 * @ssp: the domain, of either flavour
 *
 * As srcu_read_lock(), for a section that belongs to a request rather than to
 * a thread.  Returns an index for srcu_up_read().
 */
static inline int srcu_down_read(struct srcu_struct *ssp)
{
	int idx = __srcu_bank(ssp);

	if (!__srcu_enter(ssp, idx))
		__srcu_count_down(ssp, idx);
	__srcu_fence(); /* as in srcu_read_lock() */
	return idx;
}

/**
 * srcu_up_read - end a section of srcu_down_read(), in any thread
 * @ssp: the domain
 * @idx: what srcu_down_read() returned
 *
 * The index must reach this thread by something that orders memory, as every
 * lock, queue or pipe does.
 */
static inline void srcu_up_read(struct srcu_struct *ssp, int idx)
{
	if (!__srcu_exit(ssp, idx))
		__srcu_count_up(ssp, idx);
	__srcu_left(ssp, idx);
}

/**
 * srcu_assign_pointer - publish a pointer
 * @p: the pointer that readers load
 * @v: what it shall point to, initialized
 *
 * A release store: who loads @v with srcu_dereference() sees what was written
 * to the object before.
 */
#define srcu_assign_pointer(p, v) __atomic_store_n(&(p), (v), __ATOMIC_RELEASE)

/**
 * srcu_dereference - load a published pointer inside a section
 * @p: the pointer
 * @ssp: the domain, for the reader of the source alone
 */
#define srcu_dereference(p, ssp) \
	((void)(ssp), __atomic_load_n(&(p), __ATOMIC_CONSUME))

/** More callbacks than this on a domain, and its pace is over. */
#define SRCU_FLOOD 10000

/** More callbacks than this on a domain, and who queues another is slowed. */
#define SRCU_LIMIT 1000000

/**
 * call_srcu - call a function after a grace period
 * @ssp: the domain
 * @head: memory for the queue, the caller's again when @func is called
 * @func: called once, on the library's worker thread
 *
 * Callbacks queued by one thread run in that order, one at a time.  The grace
 * period is a normal one: it gathers callbacks for the domain's pace (1 ms)
 * unless somebody asks for an expedited one meanwhile.  May be called from
 * callbacks and from inside sections.
 *
 * Does not wait for readers, ever.  Makes a system call only to wake or start
 * the worker, whose thread exists from the first call on.  Where no thread can
 * be started, srcu_barrier() runs the callbacks.
 *
 * A flood is bounded: from SRCU_FLOOD callbacks on a domain its grace periods
 * are no longer paced, and from SRCU_LIMIT on each call sleeps for a
 * millisecond, so that while a reader holds everything up a thread adds at
 * most 1,000 a second.  (Not in callbacks: they are what empties the queue.)
 */
void call_srcu(struct srcu_struct *ssp, struct srcu_head *head,
	       void (*func)(struct srcu_head *head));

/**
 * call_srcu_expedited - the same, after an expedited grace period
 * @ssp: the domain
 * @head: memory for the queue, the caller's again when @func is called
 * @func: called once, on the library's worker thread
 *
 * The worker begins at once; callbacks that were queued before come along.
 */
void call_srcu_expedited(struct srcu_struct *ssp, struct srcu_head *head,
			 void (*func)(struct srcu_head *head));

/**
 * srcu_expedite_current - expedite what has been asked for
 * @ssp: the domain
 *
 * A normal grace period that gathers callbacks, pollers or threads in
 * synchronize_srcu() stops gathering and begins; nothing happens where nothing
 * is pending.  Does not wait.
 */
void srcu_expedite_current(struct srcu_struct *ssp);

/**
 * srcu_set_pace - how long a normal grace period gathers requests
 * @ssp: the domain
 * @pace_ns: nanoseconds, 0 for not at all
 *
 * Bounds how often a busy updater costs readers anything; expedited requests
 * never wait for it.  Holds for grace periods that have not begun.
 */
void srcu_set_pace(struct srcu_struct *ssp, uint64_t pace_ns);

/**
 * synchronize_srcu - wait for a normal grace period
 * @ssp: the domain; the calling thread is in no section of it
 *
 * Shares the pace of call_srcu(), but for a domain that has been idle for
 * longer than 25 us, where it begins at once.  Sleeps; needs no worker.
 */
void synchronize_srcu(struct srcu_struct *ssp);

/**
 * synchronize_srcu_expedited - wait for a grace period, now
 * @ssp: the domain; the calling thread is in no section of it
 *
 * Returns when every section has ended that began before the call.  The
 * calling thread drives the grace period itself: with no reader in the way
 * that takes well below a microsecond and no system call.  Otherwise it sleeps
 * until the readers that matter have left; those that enter later do not hold
 * it up.  Callbacks queued before the call are ready when it returns.
 */
void synchronize_srcu_expedited(struct srcu_struct *ssp);

/**
 * srcu_barrier - wait until the callbacks queued so far have returned
 * @ssp: the domain; not from a callback, nor inside a section of it
 *
 * Returns at once where nothing is pending; otherwise expedites what is.
 */
void srcu_barrier(struct srcu_struct *ssp);

/**
 * get_state_synchronize_srcu - a cookie for "a grace period from now on"
 * @ssp: the domain
 *
 * Asks for nothing: poll_state_synchronize_srcu() says true once somebody
 * else's requests have covered it.  A full memory barrier.  Never blocks.
 */
unsigned long get_state_synchronize_srcu(struct srcu_struct *ssp);

/**
 * start_poll_synchronize_srcu - the same, and ask for the grace period
 * @ssp: the domain
 *
 * Needs the worker, as call_srcu() does.
 */
unsigned long start_poll_synchronize_srcu(struct srcu_struct *ssp);

/**
 * poll_state_synchronize_srcu - has a full grace period passed?
 * @ssp: the domain
 * @cookie: of the two functions above
 *
 * A full memory barrier when true.  Never blocks.
 */
bool poll_state_synchronize_srcu(struct srcu_struct *ssp, unsigned long cookie);

/**
 * srcu_forbid_worker - never start a thread
 * @wanted: called when there is something for srcu_drain() to do; may be NULL
 * @opaque: for @wanted
 *
 * For programs that allow no helper threads: their own thread calls
 * srcu_drain() instead.  @wanted is called on whatever thread queues, possibly
 * inside a section or with the program's locks held: it should only make a
 * note, write to an eventfd, or the like.  A reader that ends a section which
 * the worker waits for calls it too, in whatever context that is.  Call this
 * before the first use of any domain.
 * Returns 0, or -EBUSY when the worker already runs.
 */
int srcu_forbid_worker(void (*wanted)(void *opaque), void *opaque);

/**
 * srcu_drain - do the worker's part on this thread, once
 *
 * Begins the grace periods that are due and runs the callbacks that are ready,
 * of all domains.  Does not wait for readers.  Returns after how many
 * nanoseconds it wants to be called again, UINT64_MAX for "when wanted".
 * Returns 0 at once when another thread, or a callback's caller, is in it.
 */
uint64_t srcu_drain(void);

/** Counters of a domain; see srcu_get_stats(). */
struct srcu_stats {
	uint64_t grace_periods;	  /* all that ended */
	uint64_t expedited;	  /* of these: begun by an expedited request */
	uint64_t promoted;	  /* ... that took over a normal request */
	uint64_t callbacks;	  /* called and returned */
	uint64_t longest_wait_ns; /* the longest sleep for readers */
	uint64_t membarriers;	  /* membarrier(2) calls made for it */
};

/**
 * srcu_get_stats - read a domain's counters
 * @ssp: the domain
 * @stats: where they go; a consistent snapshot
 */
void srcu_get_stats(struct srcu_struct *ssp, struct srcu_stats *stats);

/** What a report is about; see srcu_set_report_hook(). */
enum srcu_report {
	SRCU_REPORT_STALL,	/* a reader holds a grace period up */
	SRCU_REPORT_DEADLOCK,	/* a thread waits for its own section */
	SRCU_REPORT_UNLOCK,	/* a section is ended that is not open */
	SRCU_REPORT_FLAVOUR,	/* fast and fenced readers on one domain */
	SRCU_REPORT_CALLBACK,	/* a head is queued that is queued already */
	SRCU_REPORT_MEMBARRIER, /* granted once, and refused now */
};

/**
 * srcu_set_report_hook - who gets reports of stalls and misuse
 * @hook: called with the text of a report, lines that end with a newline;
 *        NULL for standard error
 *
 * @hook must not use the domain that it is told about.  After the report of a
 * thread that waits for itself, and of a membarrier that is refused, the
 * process is aborted: nothing else would end the one, and the other would free
 * memory under readers.
 */
void srcu_set_report_hook(void (*hook)(enum srcu_report what,
				       const char *text));

/**
 * srcu_set_stall_timeout - when a grace period counts as stalled
 * @ms: milliseconds; 0 for never; 10,000 at first
 *
 * A grace period that readers have held up for this long is reported, and
 * again each time that it passes: the domain, the age, the CPUs where readers
 * entered and left, and with tracking on the threads and places.
 */
void srcu_set_stall_timeout(unsigned int ms);

/**
 * srcu_set_tracking - track sections by thread
 * @on: whether
 *
 * For domains initialized (or, with DEFINE_SRCU, first waited on) afterwards:
 * each section's thread and place are kept, so that a stall report can name
 * them, and misuse is reported: waiting inside one's own section, ending one
 * that is not open, mixing flavours, queueing a head twice.  Readers then take
 * some 50 ns and are not async-signal-safe.  Where it is off it costs nothing.
 * The environment variable
 * BELFRY_SRCU_TRACKING=1 turns it on from the start, and so does a debug build
 * of the library (meson setup -Dsrcu_tracking=true), unless it is 0.
 */
void srcu_set_tracking(bool on);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* BELFRY_SRCU_H */
