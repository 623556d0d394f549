/* SPDX-License-Identifier: MIT */
/**
 * belfry/srcu.h - sleepable read-copy update (SRCU) for user space
 *
 * A reader brackets its accesses with srcu_read_lock() and srcu_read_unlock().
 * An updater unpublishes an object, waits for a grace period of the domain,
 * and may then free the object: a grace period ends only after every read-side
 * critical section that began before the request has ended.
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
 * Domains are independent: a reader in one domain never delays another domain.
 * Readers need no registration.  They may sleep, nest, migrate between CPUs and
 * run in signal handlers.  Threads may exit at any time.  A thread that begins
 * a section with bf_srcu_read_lock() must end it itself; a section that another
 * thread ends, or a coroutine that moved to another thread, begins with
 * bf_srcu_down_read().
 *
 * Names: every symbol and structure begins with bf_srcu.  The names of the
 * Linux kernel (include/linux/srcu.h, Documentation/RCU) are macros for them,
 * at the end of this header.  A program with its own definitions of these names
 * defines BF_SRCU_NO_KERNEL_NAMES before it includes a header of belfry; it may
 * then link its own srcu_read_lock() beside the library.
 *
 * Flavours: in a fenced domain (bf_srcu_init()) readers execute a memory fence,
 * and updaters interrupt no thread.  In a fast domain (bf_srcu_init_fast())
 * readers execute no fence; instead each grace period interrupts, once, every
 * CPU that runs a thread of the process (membarrier(2)).  Where the kernel has
 * no membarrier, or a system call filter refuses it when the process sets up
 * its first fast domain, readers of fast domains execute the fence after all.
 * If a filter refuses it later, grace periods of fast domains take 10 ms
 * longer.  (A filter that kills the process for it must not come later.)
 *
 * Order: a section is *old* for a grace period if it began before that.
 *
 *	bf_srcu_read_lock(), bf_srcu_down_read()
 *		a full memory barrier between the caller's earlier accesses and
 *		the section
 *	bf_srcu_read_lock_fast()
 *		no barrier in the reader; the updater's membarrier(2) gives the
 *		order against the grace period, and nothing else does
 *	bf_srcu_read_unlock(), bf_srcu_read_unlock_fast(), bf_srcu_up_read()
 *		a release: accesses of the section come first; later accesses of
 *		the caller may move into the section.  A call of
 *		bf_srcu_mb_after_read_unlock() makes a full barrier of it.
 *	bf_srcu_synchronize(), bf_srcu_synchronize_expedited()
 *		a full barrier.  The caller's earlier accesses come before the
 *		sections that are not old, and the accesses of the old sections
 *		come before the caller's later accesses.
 *	bf_srcu_call(), bf_srcu_call_expedited()
 *		the same order between the caller's earlier accesses and those
 *		of the callback.  The call itself is no barrier for the caller.
 *	bf_srcu_get_state(), bf_srcu_start_poll()
 *		a full barrier, with the same order between the caller's earlier
 *		accesses and the true answer of bf_srcu_poll_state()
 *	bf_srcu_poll_state()
 *		a full barrier if it returns true, none if it returns false
 *	bf_srcu_barrier()
 *		the accesses of the callbacks come before the caller's later
 *		accesses.  It promises no more if no callback is pending.
 *
 * The other functions promise no order.
 *
 * Pace: a normal grace period waits for more requests before it begins, 1 ms
 * unless bf_srcu_set_pace() changed that.  An expedited request begins at once.
 * It takes over a normal grace period that has not begun, and so makes ready
 * the callbacks that were queued before it.
 *
 * Stability: 0.x; functions may still change, each change is in CHANGELOG.md.
 * Names that begin with __bf_srcu, and the members of the structures, are no
 * interface; they are in this header because the readers are inline.
 * Parameters: @ssp is always a domain that is set up and not cleaned up.
 * Thread safety: every function may be called from any thread at any time,
 * unless its description says otherwise.
 * Contexts: the readers are async-signal-safe while tracking is off; all other
 * functions are not async-signal-safe.
 * fork(): the child may use every domain.  Sections that were open in the
 * parent are not open in the child, so a thread must not fork() inside a
 * section and end that section in the child.  Pending callbacks are pending in
 * the child as well, and run when the child next queues a callback or waits on
 * the domain; so no head may lie on the stack of another thread.  A callback
 * must not fork().
 * Misuse: with tracking on (bf_srcu_set_tracking()) the library reports it with
 * the place in the program.  The library never ends the process.
 * dlclose(): a shared object that contains readers must stay loaded, because
 * the kernel may still look at its restartable sequences.
 * ThreadSanitizer: build the library and the program with it, or neither.  A
 * mixture does not link: __bf_srcu_wake or __bf_srcu_wake_tsan is undefined.
 */
#ifndef BELFRY_SRCU_H
#define BELFRY_SRCU_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_THREAD__)
#define __BF_SRCU_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __BF_SRCU_TSAN 1
#endif
#endif

/*
 * Readers count with a restartable sequence where there is one: an increment
 * without a locked instruction.  ThreadSanitizer cannot see it, so under
 * ThreadSanitizer readers use C11 atomics, as on every other machine.  It
 * reports races that are none if it sees only one side, so the name of a
 * function that every reader calls tells the linker which side it links.
 */
#ifdef __BF_SRCU_TSAN
#define __bf_srcu_wake __bf_srcu_wake_tsan
#endif

#if defined(__BF_SRCU_MODEL)
#define __BF_SRCU_RSEQ 1
#elif defined(__x86_64__) && defined(__has_include) && \
	!defined(__BF_SRCU_TSAN) && !defined(__BF_SRCU_NO_RSEQ)
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#define __BF_SRCU_RSEQ 1
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/**
 * struct bf_srcu_head - one deferred callback; the caller owns it
 *
 * Usually a member of the object to free; the callback finds the object with
 * container_of().  It needs no initialization.  It must not change from
 * bf_srcu_call() until the library calls the function.
 */
struct bf_srcu_head {
	struct bf_srcu_head *next;
	void (*func)(struct bf_srcu_head *head);
};

/*
 * The counters of one CPU: entries into and exits from sections, for each bank.
 * Restartable sequences on that CPU change the first four; atomic instructions
 * from anywhere change the others.  A plain increment and an atomic one on the
 * same word would lose counts.
 */
struct __bf_srcu_slot {
	unsigned long lock[2];
	unsigned long unlock[2];
	unsigned long atomic_lock[2];
	unsigned long atomic_unlock[2];
} __attribute__((aligned(64)));

/** struct bf_srcu_stats - counters of a domain; see bf_srcu_get_stats() */
struct bf_srcu_stats {
	uint64_t grace_periods;	  /* all that ended */
	uint64_t expedited;	  /* of these: begun by an expedited request */
	uint64_t promoted;	  /* ... that took over a normal request */
	uint64_t callbacks;	  /* called and returned */
	uint64_t longest_wait_ns; /* the longest sleep for readers */
	uint64_t membarriers;	  /* membarrier(2) calls made for it */
	uint64_t reserved[4];	  /* 0 */
};

struct bf_srcu_ctr; /* opaque: see bf_srcu_read_lock_fast() */

/** struct bf_srcu - a domain; the caller owns it and initializes it */
struct bf_srcu {
	/* private: see the source */
	/*
	 * Readers read these; a flip, and a thread that waits for readers,
	 * write them.  Inline readers count in rseq_slots; where that is NULL
	 * readers count out of line.
	 */
	struct __bf_srcu_slot *rseq_slots;
	struct bf_srcu_ctr *fast_bank; /* the same for fast readers */
	unsigned int idx;	       /* the bank that new readers count in */
	unsigned int waiting;	      /* a thread sleeps until a section ends */
	struct __bf_srcu_slot *slots; /* one a possible CPU; NULL: use boot */
	const char *name;
	bool fast;	 /* the flavour */
	bool membarrier; /* updaters make them; else fast readers fence */
	bool tracked;	 /* sections are tracked by thread */

	/* Grace periods; the lock protects these. */
	pthread_mutex_t lock __attribute__((aligned(64)));
	unsigned long gp_seq;	     /* as in the kernel: state in low bits */
	unsigned long gp_needed;     /* furthest grace period requested */
	unsigned long gp_membarrier; /* membarrier that the scan waits for */
	uint64_t gp_due;	    /* when the paced one may begin; 0: unset */
	uint64_t gp_last_end;	    /* when the last paced one ended, ns */
	unsigned long gp_announced; /* gp_seq when a sleep was announced, */
	uint64_t gp_announced_ns;   /* and the time of that */
	uint64_t gp_blocked;	    /* a reader holds it since, ns; 0: none */
	uint64_t gp_stalled;	    /* time of the last report of that */
	uint64_t pace_ns;	    /* how long a normal one gathers requests */
	struct bf_srcu_head *cb_wait;  /* callbacks of the one in progress */
	struct bf_srcu_head *cb_done;  /* callbacks that may run, ... */
	struct bf_srcu_head *cb_taken; /* ... that a thread puts in order, */
	struct bf_srcu_head *cb_batch; /* ... and that it runs */
	bool cb_running;
	bool gp_urgent; /* do not pace the next grace period */
	unsigned int sleepers;
	struct bf_srcu *all_next; /* every domain of the process */
	struct bf_srcu **all_link;
	struct bf_srcu_stats stats;

	/* Changed without the lock. */
	uintptr_t cb_next;	/* callbacks of no grace period yet, and bits */
	unsigned long cb_count; /* queued, not yet returned from */
	unsigned int wake_seq;	/* futex: changes when waiters have to look */
	bool queued;		/* on the worker's list */
	struct bf_srcu *work_next;

	/* NULL, or finds abandoned sections: see srcu/abandoned.h. */
	void (*find_abandoned)(struct bf_srcu *ssp, void *opaque);
	void *find_opaque;

	uint64_t reserved[4];
	struct __bf_srcu_slot boot; /* counters while slots is NULL */
};

/** The pace of normal grace periods unless it is changed, in nanoseconds. */
#define BF_SRCU_DEFAULT_PACE_NS 1000000

/**
 * BF_SRCU_DEFINE - define a fenced domain that needs no initialization
 * BF_SRCU_DEFINE_STATIC - the same, static
 * BF_SRCU_DEFINE_FAST, BF_SRCU_DEFINE_STATIC_FAST - the same, a fast domain
 *
 * A constructor sets the domain up when its program or shared object is loaded.
 * Code that runs before that, in the only thread, may use the domain too.  A
 * domain that lives as long as the process needs no bf_srcu_cleanup() either.
 */
#define BF_SRCU_DEFINE(domain)		   __BF_SRCU_DEFINE(domain, false)
#define BF_SRCU_DEFINE_STATIC(domain)	   static __BF_SRCU_DEFINE(domain, false)
#define BF_SRCU_DEFINE_FAST(domain)	   __BF_SRCU_DEFINE(domain, true)
#define BF_SRCU_DEFINE_STATIC_FAST(domain) static __BF_SRCU_DEFINE(domain, true)

/*
 * The domains of each program or shared object are listed in a section of it.
 * A constructor hands the list to the library: the first one in the object, and
 * the others find nothing to do.  The linker must not drop the list.
 */
struct __bf_srcu_def {
	struct bf_srcu *ssp;
	const char *name;
	bool fast;
} __attribute__((aligned(32)));

#if defined(__clang__) && __clang_major__ >= 13
#define __BF_SRCU_KEEP used, retain
#else
#define __BF_SRCU_KEEP used
#endif

#define __BF_SRCU_DEFINE(domain, is_fast)                                      \
	struct bf_srcu domain;                                                 \
	static struct __bf_srcu_def __bf_srcu_def_##domain                     \
		__attribute__((section("bf_srcu_defs"),                        \
			       __BF_SRCU_KEEP)) = {&domain, #domain, is_fast}; \
	static void (*__bf_srcu_ctor_##domain)(void)                           \
		__attribute__((section(".init_array.00101"), used)) =          \
			__bf_srcu_define_object

extern struct __bf_srcu_def __start_bf_srcu_defs[]
	__attribute__((visibility("hidden")));
extern struct __bf_srcu_def __stop_bf_srcu_defs[]
	__attribute__((visibility("hidden")));
void __bf_srcu_define(const struct __bf_srcu_def *def,
		      const struct __bf_srcu_def *end);

static inline void __bf_srcu_define_object(void)
{
	__bf_srcu_define(__start_bf_srcu_defs, __stop_bf_srcu_defs);
}

/**
 * bf_srcu_init - initialize a fenced domain
 * bf_srcu_init_fast - initialize a fast domain
 * @ssp: the domain, which no thread uses yet
 * @name: the name in reports; the string must live as long as the domain
 *
 * Readers of a fenced domain use bf_srcu_read_lock() and bf_srcu_read_unlock(),
 * readers of a fast one bf_srcu_read_lock_fast() and
 * bf_srcu_read_unlock_fast().  The kernel's names, init_srcu_struct() and
 * init_srcu_struct_fast(), take the domain alone and make the name from it.
 *
 * They allocate 64 bytes for each possible CPU, and do not sleep.
 *
 * Return: 0 or -ENOMEM.
 */
int bf_srcu_init(struct bf_srcu *ssp, const char *name);
int bf_srcu_init_fast(struct bf_srcu *ssp, const char *name);

/**
 * bf_srcu_cleanup - free the memory of a domain
 *
 * Every bf_srcu_read_unlock() on it has returned.  Call bf_srcu_barrier()
 * before, so that no callback is left.  May sleep for some microseconds, or
 * while a callback of another domain runs.
 *
 * Return: 0, or -EBUSY while a section is open, a grace period is in progress
 * or a callback is left, the calling one included.  After -EBUSY nothing is
 * freed, and the domain is as usable as before.
 */
int bf_srcu_cleanup(struct bf_srcu *ssp);

/* Slow paths of the readers. */
void __bf_srcu_count_lock(struct bf_srcu *ssp, int idx);
void __bf_srcu_count_unlock(struct bf_srcu *ssp, int idx);
struct bf_srcu_ctr *__bf_srcu_count_lock_fast(struct bf_srcu *ssp);
void __bf_srcu_count_unlock_fast(struct bf_srcu *ssp, struct bf_srcu_ctr *scp);
void __bf_srcu_count_down(struct bf_srcu *ssp, int idx);
void __bf_srcu_count_up(struct bf_srcu *ssp, int idx);
void __bf_srcu_wake(struct bf_srcu *ssp, int idx);

#if defined(__BF_SRCU_MODEL)
/* A model checker has its own CPUs: see models/. */
bool __bf_srcu_rseq_inc(unsigned long *word);
#elif defined(__BF_SRCU_RSEQ)
/*
 * Adds 1 to the word at @word in the slot of the CPU that this thread runs on,
 * with one plain instruction; the kernel aborts the sequence if the thread is
 * preempted or signalled before it.  Returns false if the sequence was aborted,
 * or if the thread has no registered rseq area; the caller then counts in
 * another way.  It does not retry, so that a debugger's single step cannot loop.
 *
 * The rseq area is addressed through %fs in each instruction, so a coroutine
 * that moved to another thread uses the area of that thread.
 *
 * The increment is the last instruction of the sequence.  A store on x86 is a
 * release: a thread that sees the count of an unlock sees what the section did.
 */
static inline bool __bf_srcu_rseq_inc(unsigned long *word)
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
#else
static inline bool __bf_srcu_rseq_inc(unsigned long *word)
{
	(void)word;
	return false;
}
#endif

/*
 * A full fence.  Written as instructions: compilers make the C11 fence an
 * expensive MFENCE on x86, and ThreadSanitizer refuses it.
 */
static inline void __bf_srcu_fence(void)
{
#if defined(__x86_64__) && !defined(__BF_SRCU_C11)
	__asm__ volatile("lock; addl $0, -4(%%rsp)" ::: "memory", "cc");
#elif defined(__aarch64__) && !defined(__BF_SRCU_C11)
	__asm__ volatile("dmb ish" ::: "memory");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/*
 * Counts inline in word 0 to 3 of a slot: the entry into a bank, or behind the
 * entries the exit.  Returns false if this thread cannot do it now.
 */
static inline bool __bf_srcu_count(struct bf_srcu *ssp, int word)
{
	struct __bf_srcu_slot *slots =
		__atomic_load_n(&ssp->rseq_slots, __ATOMIC_RELAXED);

	return __builtin_expect(
		slots && __bf_srcu_rseq_inc(&slots->lock[0] + word), 1);
}

/* Wakes waiters after the end of a section of bank idx (-1: unknown). */
static inline void __bf_srcu_left(struct bf_srcu *ssp, int idx)
{
	if (__builtin_expect(__atomic_load_n(&ssp->waiting, __ATOMIC_RELAXED),
			     0))
		__bf_srcu_wake(ssp, idx);
}

static inline int __bf_srcu_bank(struct bf_srcu *ssp)
{
	return (int)__atomic_load_n(&ssp->idx, __ATOMIC_RELAXED);
}

/**
 * bf_srcu_read_lock - begin a read-side critical section of a fenced domain
 * bf_srcu_read_unlock - end it
 * @idx: the value that bf_srcu_read_lock() returned
 *
 * The same thread calls both.  Sections nest.  Waiting for a grace period of
 * the same domain inside a section is a deadlock; queueing callbacks there is
 * allowed.
 *
 * Never block, and allocate nothing.  Make no system call, except that the end
 * of a section wakes a thread (a futex wake) that sleeps until a section of
 * this domain ends.
 */
static inline int bf_srcu_read_lock(struct bf_srcu *ssp)
{
	int idx = __bf_srcu_bank(ssp);

	if (!__bf_srcu_count(ssp, idx))
		__bf_srcu_count_lock(ssp, idx);
	/*
	 * Orders the count before the section's loads, against the fence of
	 * bf_srcu_gp_start() in src/srcu/gp.c, which orders the updater's
	 * unpublishing store before its scan of the counts: either the scan
	 * sees the count, or the section sees the new pointer.  Without it the
	 * section may load the old pointer while its count is still in the
	 * store buffer, and the updater frees the object under the section.
	 */
	__bf_srcu_fence();
	return idx;
}

static inline void bf_srcu_read_unlock(struct bf_srcu *ssp, int idx)
{
	if (!__bf_srcu_count(ssp, 2 + idx))
		__bf_srcu_count_unlock(ssp, idx);
	__bf_srcu_left(ssp, idx);
}

/*
 * A fast reader keeps the address of the first CPU's entry count of its bank.
 * A reader that counted out of line keeps the bank's number plus one instead.
 */
static inline bool __bf_srcu_is_bank(struct bf_srcu_ctr *scp)
{
	return __builtin_expect((uintptr_t)scp > 2, 1);
}

/**
 * bf_srcu_read_lock_fast - begin a read-side critical section of a fast domain
 * bf_srcu_read_unlock_fast - end it
 * @scp: the value that bf_srcu_read_lock_fast() returned, an opaque pointer
 *
 * As bf_srcu_read_lock() and bf_srcu_read_unlock(), without the fence.  On a
 * fenced domain they protect nothing; tracking reports that.
 */
static inline struct bf_srcu_ctr *bf_srcu_read_lock_fast(struct bf_srcu *ssp)
{
	struct bf_srcu_ctr *scp =
		__atomic_load_n(&ssp->fast_bank, __ATOMIC_RELAXED);

	if (!__builtin_expect(scp && __bf_srcu_rseq_inc((unsigned long *)scp),
			      1))
		scp = __bf_srcu_count_lock_fast(ssp);
	/*
	 * Keeps the compiler from moving the section's loads before the count.
	 * The CPU may still do so; the updater's membarrier, between its
	 * unpublishing store and its scan (bf_srcu_membarrier() in
	 * src/srcu/membarrier.c), executes a full fence in this thread.  The
	 * scan sees a count before that fence, and loads after it see the new
	 * pointer.
	 */
	__asm__ volatile("" ::: "memory");
	return scp;
}

static inline void bf_srcu_read_unlock_fast(struct bf_srcu *ssp,
					    struct bf_srcu_ctr *scp)
{
	__asm__ volatile("" ::: "memory");
	if (!__builtin_expect(
		    __bf_srcu_is_bank(scp) &&
			    __bf_srcu_rseq_inc((unsigned long *)scp + 2),
		    1))
		__bf_srcu_count_unlock_fast(ssp, scp);
	__bf_srcu_left(ssp, -1);
}

/**
 * bf_srcu_mb_after_read_unlock - make the end of a section a full barrier
 *
 * Call it right after bf_srcu_read_unlock() or one of its kind: accesses before
 * the two calls then come before accesses after them.  Never blocks.
 */
static inline void bf_srcu_mb_after_read_unlock(void)
{
	__bf_srcu_fence(); /* the exit is a release only */
}

/**
 * bf_srcu_down_read - begin a section that another thread may end
 * bf_srcu_up_read - end it, in any thread
 * @idx: the value that bf_srcu_down_read() returned
 *
 * As bf_srcu_read_lock() and bf_srcu_read_unlock(), in a domain of either
 * flavour, for a section that belongs to a request or to a coroutine rather
 * than to a thread.  The index must reach the other thread by a means that
 * orders memory; every lock, queue and pipe does.
 */
static inline int bf_srcu_down_read(struct bf_srcu *ssp)
{
	int idx = __bf_srcu_bank(ssp);

	if (!__bf_srcu_count(ssp, idx))
		__bf_srcu_count_down(ssp, idx);
	__bf_srcu_fence(); /* as in bf_srcu_read_lock() */
	return idx;
}

static inline void bf_srcu_up_read(struct bf_srcu *ssp, int idx)
{
	if (!__bf_srcu_count(ssp, 2 + idx))
		__bf_srcu_count_up(ssp, idx);
	__bf_srcu_left(ssp, idx);
}

/**
 * bf_srcu_assign_pointer - publish a pointer
 * @p: the pointer that readers load
 * @v: the address of an initialized object, or NULL
 *
 * A release store: a thread that loads @v with bf_srcu_dereference() sees all
 * earlier stores to the object.
 */
#define bf_srcu_assign_pointer(p, v) \
	__atomic_store_n(&(p), (v), __ATOMIC_RELEASE)

/**
 * bf_srcu_dereference - load a published pointer inside a section
 * @p: the pointer
 * @ssp: the domain; it documents the source and has no effect
 */
#define bf_srcu_dereference(p, ssp) \
	((void)(ssp), __atomic_load_n(&(p), __ATOMIC_CONSUME))

/** With more callbacks than this on a domain, its pace is 0. */
#define BF_SRCU_FLOOD 10000

/** With more callbacks than this on a domain, bf_srcu_call() sleeps. */
#define BF_SRCU_LIMIT 1000000

/**
 * bf_srcu_call - call a function after a normal grace period
 * bf_srcu_call_expedited - call a function after an expedited grace period
 * @head: memory for the queue; the caller's again when @func is called
 * @func: called once, on the library's worker thread
 *
 * Callbacks that one thread queues run in that order, one at a time.  A normal
 * grace period gathers requests for the domain's pace, unless an expedited
 * request comes first: then the worker begins at once, and the callbacks that
 * were queued before share the grace period.  May be called from callbacks and
 * from inside sections.
 *
 * Does not wait for readers.  Makes a system call only to wake or start the
 * worker, whose thread exists from the first such call on (or from
 * bf_srcu_start_worker() on).  Where no thread can be started,
 * bf_srcu_barrier() runs the callbacks.
 *
 * A flood is bounded: with more than BF_SRCU_FLOOD callbacks on a domain its
 * grace periods are not paced, and with more than BF_SRCU_LIMIT each call
 * sleeps for a millisecond, so a thread adds at most 1,000 a second while a
 * reader holds up the grace period.  A callback never sleeps here, because
 * callbacks empty the queue.
 */
void bf_srcu_call(struct bf_srcu *ssp, struct bf_srcu_head *head,
		  void (*func)(struct bf_srcu_head *head));

void bf_srcu_call_expedited(struct bf_srcu *ssp, struct bf_srcu_head *head,
			    void (*func)(struct bf_srcu_head *head));

/**
 * bf_srcu_expedite_current - expedite the pending requests
 *
 * A normal grace period that gathers requests stops gathering and begins: those
 * of callbacks, of pollers, and of threads in bf_srcu_synchronize().  Does
 * nothing if no request is pending.  Does not wait.
 */
void bf_srcu_expedite_current(struct bf_srcu *ssp);

/**
 * bf_srcu_set_pace - set how long a normal grace period gathers requests
 * @pace_ns: nanoseconds; 0: it begins at once
 *
 * The pace bounds how often a busy updater costs readers anything.  Expedited
 * requests ignore it.  Applies to grace periods that have not begun.
 */
void bf_srcu_set_pace(struct bf_srcu *ssp, uint64_t pace_ns);

/**
 * bf_srcu_synchronize - wait for a normal grace period
 *
 * The calling thread is in no section of the domain.  Shares the pace of
 * bf_srcu_call(), except on a domain that has been idle for more than 25 us,
 * where it begins at once.  Sleeps.  Needs no worker, so a callback may call
 * it, and so may a thread that holds a lock which callbacks take.
 */
void bf_srcu_synchronize(struct bf_srcu *ssp);

/**
 * bf_srcu_synchronize_expedited - wait for a grace period that begins now
 *
 * The calling thread is in no section of the domain.  Returns when every
 * section has ended that began before the call.  The calling thread drives the
 * grace period itself: with no such section it takes well below a microsecond
 * and, in a fenced domain, no system call.  Otherwise it sleeps until the last
 * of them ends; on an oversubscribed host that includes the time, 1 to 50 ms,
 * for which a preempted reader does not run.  Sections that begin later do not
 * delay it.  Callbacks queued before the call are ready when it returns,
 * or when the worker has taken the ones that were ready before.
 */
void bf_srcu_synchronize_expedited(struct bf_srcu *ssp);

/**
 * bf_srcu_barrier - wait until the callbacks queued so far have returned
 *
 * Not to be called from a callback, which is reported with or without tracking,
 * nor inside a section of the domain.  Returns at once if no callback is
 * pending.  Otherwise it expedites them, and sleeps.
 */
void bf_srcu_barrier(struct bf_srcu *ssp);

/**
 * bf_srcu_get_state - get a cookie for a grace period that begins from now on
 * bf_srcu_start_poll - get such a cookie, and request the grace period
 * bf_srcu_poll_state - tell whether the grace period of a cookie has ended
 *
 * Without a request of its own, a cookie of bf_srcu_get_state() becomes true
 * once the requests of others have led to its grace period.
 * bf_srcu_start_poll() needs the worker, as bf_srcu_call() does, and takes the
 * domain's lock.  The other two never block, and none waits for readers.
 */
unsigned long bf_srcu_get_state(struct bf_srcu *ssp);
unsigned long bf_srcu_start_poll(struct bf_srcu *ssp);
bool bf_srcu_poll_state(struct bf_srcu *ssp, unsigned long cookie);

/**
 * bf_srcu_start_worker - start the worker thread now
 *
 * Without this call the first bf_srcu_call() or bf_srcu_start_poll() starts it.
 * A program calls this before it installs a system call filter, or before it
 * enters code that must not create threads.
 *
 * The worker has the name "belfry-srcu".  It blocks all signals.  It has the
 * policy SCHED_OTHER and may run on the CPUs that the main thread had when the
 * library was loaded, whatever thread starts it; only behind a system call
 * filter it keeps the policy and the CPUs of the thread that starts it, because
 * the filter may kill the process for changing them.
 *
 * Return: 0, also if the worker runs already; -EPERM: after
 * bf_srcu_forbid_worker(); -EAGAIN: no thread can be started.
 */
int bf_srcu_start_worker(void);

/**
 * bf_srcu_forbid_worker - never start a thread
 * @wanted: called when bf_srcu_drain() has something to do; may be NULL
 * @opaque: passed to @wanted
 *
 * For programs that allow no helper threads: a thread of the program calls
 * bf_srcu_drain() instead.  @wanted is called on any thread that queues a
 * request, possibly inside a section or with locks of the program held, and by
 * a reader that ends a section, in the reader's context.  It should only set a
 * flag, write to an eventfd, or the like.  Call this before the first use of
 * any domain.
 *
 * Return: 0, or -EBUSY if the worker runs already.
 */
int bf_srcu_forbid_worker(void (*wanted)(void *opaque), void *opaque);

/**
 * bf_srcu_drain - do the worker's part on this thread, once
 *
 * Begins the grace periods that are due and runs the callbacks that are ready,
 * of all domains: at most one new grace period for each domain.  Requests that
 * callbacks make meanwhile are left to the next call.  Does not wait for
 * readers.
 *
 * Return: the number of nanoseconds after which the program should call it
 * again, or UINT64_MAX: at the next call of the function that
 * bf_srcu_forbid_worker() got.  0 at once if another thread, or a callback that
 * calls this, is inside it.
 */
uint64_t bf_srcu_drain(void);

/**
 * bf_srcu_get_stats - read a domain's counters
 * @stats: filled in with a consistent snapshot
 */
void bf_srcu_get_stats(struct bf_srcu *ssp, struct bf_srcu_stats *stats);

/** enum bf_srcu_report - the subject of a report */
enum bf_srcu_report {
	BF_SRCU_REPORT_STALL,	   /* a reader holds up a grace period */
	BF_SRCU_REPORT_DEADLOCK,   /* a thread waits for itself */
	BF_SRCU_REPORT_UNLOCK,	   /* the section to end is not open */
	BF_SRCU_REPORT_FLAVOUR,	   /* fast and fenced readers on one domain */
	BF_SRCU_REPORT_CALLBACK,   /* the head to queue is queued already */
	BF_SRCU_REPORT_MEMBARRIER, /* granted once, and refused now */
};

/**
 * bf_srcu_set_report_hook - receive reports of stalls and misuse
 * @hook: called with the subject and the text of a report, which are lines that
 *        end with a newline; NULL: reports go to belfry/log.h
 *
 * @hook runs on any thread, possibly inside a section, and must not use any
 * domain.  After a report the library goes on:
 *
 * - STALL: the grace period waits on.
 * - DEADLOCK: the thread waits, for ever unless another thread ends its section
 *   with bf_srcu_up_read(); other threads and domains go on.  If the thread is
 *   in a callback that called bf_srcu_barrier(), no callback runs any more.
 * - UNLOCK: the exit is not counted, so the domain stays usable.
 * - FLAVOUR: the section is counted, and may protect nothing.
 * - CALLBACK: the head is not queued again; its function is called once.
 * - MEMBARRIER: grace periods of fast domains take 10 ms longer.
 */
void bf_srcu_set_report_hook(void (*hook)(enum bf_srcu_report what,
					  const char *text));

/**
 * bf_srcu_set_stall_timeout - set when a grace period counts as stalled
 * @ms: milliseconds; 0: never; 10,000 at first
 *
 * A grace period that readers hold up for this long is reported, and again each
 * time that this passes.  The report has the domain, the age, the CPUs where
 * readers entered and left, and with tracking on the threads and places.
 */
void bf_srcu_set_stall_timeout(unsigned int ms);

/**
 * bf_srcu_set_tracking - track sections by thread
 * @on: true: track them
 *
 * Applies to domains that are initialized afterwards, and to those of
 * BF_SRCU_DEFINE() that no thread has used.  The library keeps each section's
 * thread and place, so that a stall report names them, and reports misuse:
 * waiting inside the thread's own section, ending a section that is not open,
 * mixing flavours, queueing a head twice.  Readers then take some 50 ns and are
 * not async-signal-safe.  A domain that is not tracked pays nothing for this.
 *
 * The environment variable BELFRY_SRCU_TRACKING=1 turns tracking on from the
 * start.  So does a debug build of the library (meson setup
 * -Dsrcu_tracking=true), unless the variable is 0.
 */
void bf_srcu_set_tracking(bool on);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

/*
 * The kernel's names.  A program with its own definitions of them defines
 * BF_SRCU_NO_KERNEL_NAMES before it includes a header of belfry.
 */
#ifndef BF_SRCU_NO_KERNEL_NAMES
#define srcu_struct		       bf_srcu
#define srcu_head		       bf_srcu_head
#define srcu_ctr		       bf_srcu_ctr
#define DEFINE_SRCU		       BF_SRCU_DEFINE
#define DEFINE_STATIC_SRCU	       BF_SRCU_DEFINE_STATIC
#define DEFINE_SRCU_FAST	       BF_SRCU_DEFINE_FAST
#define DEFINE_STATIC_SRCU_FAST	       BF_SRCU_DEFINE_STATIC_FAST
#define init_srcu_struct(ssp)	       bf_srcu_init((ssp), #ssp)
#define init_srcu_struct_fast(ssp)     bf_srcu_init_fast((ssp), #ssp)
#define cleanup_srcu_struct	       bf_srcu_cleanup
#define srcu_read_lock		       bf_srcu_read_lock
#define srcu_read_unlock	       bf_srcu_read_unlock
#define srcu_read_lock_fast	       bf_srcu_read_lock_fast
#define srcu_read_unlock_fast	       bf_srcu_read_unlock_fast
#define srcu_down_read		       bf_srcu_down_read
#define srcu_up_read		       bf_srcu_up_read
#define srcu_assign_pointer	       bf_srcu_assign_pointer
#define srcu_dereference	       bf_srcu_dereference
#define call_srcu		       bf_srcu_call
#define call_srcu_expedited	       bf_srcu_call_expedited
#define srcu_expedite_current	       bf_srcu_expedite_current
#define synchronize_srcu	       bf_srcu_synchronize
#define synchronize_srcu_expedited     bf_srcu_synchronize_expedited
#define srcu_barrier		       bf_srcu_barrier
#define get_state_synchronize_srcu     bf_srcu_get_state
#define start_poll_synchronize_srcu    bf_srcu_start_poll
#define poll_state_synchronize_srcu    bf_srcu_poll_state
#define smp_mb__after_srcu_read_unlock bf_srcu_mb_after_read_unlock
#endif

#endif /* BELFRY_SRCU_H */
