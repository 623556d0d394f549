/* SPDX-License-Identifier: MIT */
/**
 * belfry/vcpus.h - the vCPUs of a VM, found by index and by id without a lock.
 *
 * A table holds entries that are members of the caller's own vCPU structure.
 * The caller chooses a vCPU's id.  The table assigns a vCPU's index when the
 * vCPU comes online: 0, 1, 2 and so on.  The table assigns an index again only
 * with BF_VCPUS_REUSE_INDEX.
 *
 * Readers look up and iterate inside a section of the table's SRCU domain
 * (belfry/srcu.h).  A reader may sleep there, and each vCPU that it found
 * stays valid until the section ends:
 *
 *	idx = bf_srcu_read_lock(bf_vcpus_srcu(vcpus));
 *	entry = bf_vcpus_by_id(vcpus, apic_id);
 *	if (entry)
 *		post_interrupt((struct my_vcpu *)entry);
 *	bf_srcu_read_unlock(bf_vcpus_srcu(vcpus), idx);
 *
 * Creation has two phases, as in the kernel.  bf_vcpus_reserve() takes the id
 * and counts the vCPU as created.  The caller then sets the vCPU up.
 * bf_vcpu_entry_publish() makes the vCPU visible, counts it as online, and
 * cannot fail.  Neither function copies the table or waits for a grace period.
 *
 * The kernel cannot remove a vCPU; this table can.  A removal hides the vCPU
 * from lookups at once.  The vCPU's release function runs after a grace
 * period, when no section can still use the vCPU.  The table does not assign
 * the id or the index again before that, so within one section an id, or an
 * index, stands for at most one vCPU.
 *
 * The checks of creation, their order and their errno, and the rules for
 * locking all vCPUs are KVM's (virt/kvm/kvm_main.c:
 * kvm_vm_ioctl_create_vcpu(), kvm_get_vcpu(), kvm_get_vcpu_by_id(),
 * kvm_lock_all_vcpus()).
 *
 * Stability: 0.x.  Functions may still change; CHANGELOG.md lists each change.
 * Parameters: @vcpus is a table of bf_vcpus_create(), and @entry the entry of a
 * vCPU that the caller reserved, or found and keeps from being released.
 * Thread safety: any thread may call any function at any time, unless the
 * function's comment says otherwise.  No thread may use a table during its
 * destruction.  Lookups, counts and iterations take no lock and never block.
 * Contexts: only the two lookups and the two counts are async-signal-safe.
 * fork(): a child must not use its parent's tables.
 */
#ifndef BELFRY_VCPUS_H
#define BELFRY_VCPUS_H

#include <stdint.h>

#include <belfry/srcu.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct bf_vcpus;
struct bf_vcpu_entry_ops;

/**
 * struct bf_vcpu_entry - makes the caller's structure a vCPU of a table
 *
 * Embed it in the vCPU's structure.  A cast (where it is the first member) or
 * container_of() leads back from it.  It needs no initialization.  It belongs
 * to the table from a successful bf_vcpus_reserve() until
 * bf_vcpu_entry_cancel() returns or the table calls the release function.
 */
struct bf_vcpu_entry {
	/* private: here because the caller provides the memory */
	struct bf_vcpus *vcpus;
	const struct bf_vcpu_entry_ops *ops;
	uint32_t id;
	uint32_t index;
	unsigned int state;
	unsigned int lock;
	unsigned int flags;
	uint64_t seq; /* of its publication */
	struct bf_vcpu_entry *locked_before;
	void (*done)(void *opaque); /* of an asynchronous removal */
	void *opaque;
	struct bf_srcu_head head;
	uint64_t reserved[4];
};

/** Callbacks of a vCPU.  Both may be NULL. */
struct bf_vcpu_entry_ops {
	/*
	 * The removal is complete: no section uses the vCPU any more.  Free
	 * the vCPU, or use its memory again.  A new vCPU may have its id
	 * already.  Called once, with no lock held: by bf_vcpu_entry_remove()
	 * and bf_vcpus_destroy() on the caller's thread, after
	 * bf_vcpu_entry_remove_async() on the SRCU worker, where it delays
	 * other callbacks.
	 */
	void (*release)(struct bf_vcpu_entry *entry);
	/*
	 * Make the vCPU leave the guest, by a signal to its thread or
	 * otherwise; see bf_vcpus_kick_all().  Called inside a section of the
	 * table's domain.  Another thread may have removed the vCPU just
	 * before.
	 */
	void (*kick)(struct bf_vcpu_entry *entry);
};

/** Assign the index that was freed last, if there is one. */
#define BF_VCPUS_REUSE_INDEX 1U

/** Options of bf_vcpus_create().  All zero is a good default. */
struct bf_vcpus_config {
	struct bf_srcu *srcu; /* the readers' domain, of either flavour; it
				     must outlive the table.  NULL: the table
				     makes a fenced one for itself */
	uint64_t max_ids;     /* ids are below; 0 or more than 2^32: 2^32 */
	uint64_t max_vcpus;   /* created at a time; 0: as many as ids */
	unsigned int flags;   /* BF_VCPUS_REUSE_INDEX: for every vCPU */
	uint64_t reserved[4]; /* zero */
};

/**
 * bf_vcpus_create - make an empty table
 * @config: the options; NULL means all zero
 * @vcpusp: receives the table; untouched on error
 *
 * Return: 0; -EINVAL: unknown flags, or a reserved word that is not zero;
 * -ENOMEM.  Does not block.
 *
 * Memory: a page for each 512 indices that were ever assigned, and for each
 * range of 512 ids of which one was ever used.  Use BF_VCPUS_REUSE_INDEX for a
 * table that adds and removes vCPUs without end.
 */
int bf_vcpus_create(const struct bf_vcpus_config *config,
		    struct bf_vcpus **vcpusp);

/**
 * bf_vcpus_destroy - free a table
 * @vcpus: the table.  No other call on it is in progress, no section that
 *         used it is open, and each reservation was published or cancelled.
 *         NULL does nothing.
 *
 * Waits for the release functions of bf_vcpu_entry_remove_async(), and may
 * sleep for them.  Then calls the release function of every vCPU that is
 * online, in the order of their indices.  Must not be called from a callback of
 * the domain.
 */
void bf_vcpus_destroy(struct bf_vcpus *vcpus);

/**
 * bf_vcpus_srcu - the SRCU domain of the table's readers
 *
 * Return: the configured domain or the table's own, which is fenced.  It is
 * valid until the table is destroyed.
 */
struct bf_srcu *bf_vcpus_srcu(struct bf_vcpus *vcpus);

/**
 * bf_vcpus_reserve - begin the creation of a vCPU
 * @entry: the vCPU's entry; belongs to the table on success
 * @id: the vCPU's id
 * @ops: the vCPU's callbacks, which must outlive it, or NULL
 * @flags: 0 or BF_VCPUS_REUSE_INDEX
 *
 * Return: 0, or the first error in this order, which changes nothing;
 *   -EINVAL  unknown flags; @id is not below the maximum; the maximum number
 *            of vCPUs is created
 *   -EEXIST  the id is in use: by a vCPU that is online, being created, or
 *            removed and not yet released
 *   -ENOSPC  the last new index was assigned
 *   -ENOMEM  out of memory
 * After success the vCPU counts as created, but no lookup finds it.  The caller
 * then calls bf_vcpu_entry_publish() or bf_vcpu_entry_cancel(), from any thread.
 *
 * Waits for no grace period.  Sleeps while all vCPUs are locked
 * (bf_vcpus_lock_all()).  So the thread that locked them all must not call it,
 * nor a thread that holds the lock of a vCPU.  May be called inside a section
 * and from a release function.
 */
int bf_vcpus_reserve(struct bf_vcpus *vcpus, struct bf_vcpu_entry *entry,
		     uint64_t id, const struct bf_vcpu_entry_ops *ops,
		     unsigned int flags);

/**
 * bf_vcpu_entry_publish - bring a reserved vCPU, which is set up, online
 *
 * Assigns the next new index, or with BF_VCPUS_REUSE_INDEX the index that was
 * freed last.  A reader that finds the vCPU sees every write to it from before
 * this call.  A thread that sees the vCPU in bf_vcpus_online() finds it.
 * Cannot fail: bf_vcpus_reserve() reserved the memory.  Does not wait.
 *
 * The caller may lock the vCPU first (bf_vcpu_entry_lock()).  Readers then find
 * the vCPU but cannot lock it before the caller has finished, as in the kernel.
 */
void bf_vcpu_entry_publish(struct bf_vcpu_entry *entry);

/**
 * bf_vcpu_entry_cancel - give up the creation of a reserved vCPU
 * @entry: reserved by bf_vcpus_reserve(), not locked; the caller's again on
 *         return
 *
 * Frees the id.  Does not call the release function, because no reader found
 * the vCPU.  Does not wait.
 */
void bf_vcpu_entry_cancel(struct bf_vcpu_entry *entry);

/** bf_vcpus_add - call bf_vcpus_reserve() and bf_vcpu_entry_publish() */
int bf_vcpus_add(struct bf_vcpus *vcpus, struct bf_vcpu_entry *entry,
		 uint64_t id, const struct bf_vcpu_entry_ops *ops,
		 unsigned int flags);

/**
 * bf_vcpu_entry_remove - remove a vCPU and wait for its readers
 *
 * Hides the vCPU from lookups, waits for an expedited grace period of the
 * table's domain, frees the id and the index, and calls the release function.
 * The table assigns the freed index only with BF_VCPUS_REUSE_INDEX.
 *
 * Return: 0, or -ENOENT if the vCPU is not online: it is being created, or
 * another thread removed it.  (A caller that may lose this race must keep the
 * entry from being released, for example by a section.)
 *
 * Must not be called inside a section of the domain, nor by the thread that
 * locked all vCPUs: the call would wait for its own caller.  Must not be
 * called with the lock of a vCPU held either: a thread that waits for that
 * lock is inside a section.
 *
 * The wait lasts as long as the longest section of the domain that is open,
 * with the time for which a busy host has preempted a reader: 1 to 50 ms.
 */
int bf_vcpu_entry_remove(struct bf_vcpu_entry *entry);

/**
 * bf_vcpu_entry_remove_async - remove a vCPU without waiting
 * @done: called with @opaque when the removal is complete; NULL: no call
 * @opaque: passed to @done
 *
 * Hides the vCPU and returns at once.  After the grace period the SRCU worker
 * frees the id and the index, calls the release function, and then @done, which
 * must not use the entry.  May be called inside a section, and with locks of
 * vCPUs held.  Call it under the lock that guards your pointer to the vCPU, so
 * that no other thread uses the pointer after the removal.
 *
 * Return: 0, or -ENOENT as bf_vcpu_entry_remove() does.  If several threads
 * remove one vCPU, exactly one call returns 0.
 */
int bf_vcpu_entry_remove_async(struct bf_vcpu_entry *entry,
			       void (*done)(void *opaque), void *opaque);

/**
 * bf_vcpus_by_index - find a vCPU by its index
 * bf_vcpus_by_id - find a vCPU by its id
 * @index, @id: any number, also one from the guest
 *
 * The caller is inside a section of the table's domain.  The time is constant:
 * two loads.  They access no memory of the vCPU itself.
 *
 * Return: the vCPU's entry, which is valid until the section ends; NULL if the
 * number is out of range, if no vCPU ever had it, or if its vCPU is being
 * created or was removed.  (A negative int becomes a number that is out of
 * range.)
 */
struct bf_vcpu_entry *bf_vcpus_by_index(const struct bf_vcpus *vcpus,
					uint64_t index);
struct bf_vcpu_entry *bf_vcpus_by_id(const struct bf_vcpus *vcpus, uint64_t id);

/**
 * bf_vcpu_entry_id - the id of a vCPU
 * bf_vcpu_entry_index - its index; UINT32_MAX until the vCPU is published
 */
uint32_t bf_vcpu_entry_id(const struct bf_vcpu_entry *entry);
uint32_t bf_vcpu_entry_index(const struct bf_vcpu_entry *entry);

/**
 * bf_vcpus_created - the number of vCPUs that hold an id
 * bf_vcpus_online - the number of vCPUs that lookups find
 *
 * Created vCPUs are the online ones, those being created, and those removed
 * but not yet released.  If the two numbers differ, a creation or a removal is
 * in progress.  Each number is exact, but the two are no snapshot.  A thread
 * that sees a vCPU in the online count finds it; a thread that sees a removed
 * vCPU leave the online count no longer finds it.
 */
uint32_t bf_vcpus_created(const struct bf_vcpus *vcpus);
uint32_t bf_vcpus_online(const struct bf_vcpus *vcpus);

/** The state of an iteration; see bf_vcpus_iter_begin(). */
struct bf_vcpus_iter {
	/* private: here because the caller provides the memory */
	const struct bf_vcpus *vcpus;
	uint64_t next, end;
	uint64_t seq; /* later publications are left out */
};

/**
 * bf_vcpus_iter_begin - begin to visit vCPUs in the order of their indices
 * bf_vcpus_iter_next - the next vCPU of an iteration; NULL at its end
 * @iter: the iteration's state, usually on the caller's stack
 * @first, @last: the range of indices, @last included.  0 and UINT64_MAX visit
 *                all vCPUs; @first above @last visits none.
 *
 * Visits once each vCPU that is online at this call and still online at its
 * turn.  Leaves out a vCPU that is published after this call, even if it
 * reuses an index.  Other threads may add and remove vCPUs meanwhile.  The
 * caller is inside a section of the table's domain until the iteration ends,
 * and the entries are valid until then.  Inside it the caller may sleep, nest
 * iterations, and remove vCPUs, the visited one included, with
 * bf_vcpu_entry_remove_async().
 *
 *	bf_vcpus_iter_begin(&iter, vcpus, 0, UINT64_MAX);
 *	while ((entry = bf_vcpus_iter_next(&iter)))
 *		...
 */
void bf_vcpus_iter_begin(struct bf_vcpus_iter *iter,
			 const struct bf_vcpus *vcpus, uint64_t first,
			 uint64_t last);
struct bf_vcpu_entry *bf_vcpus_iter_next(struct bf_vcpus_iter *iter);

/**
 * bf_vcpus_kick_all - call the kick function of every vCPU
 *
 * On return every vCPU that was online at the call has been kicked, except
 * those that were removed meanwhile and those without a kick function.  Enters
 * a section of the table's domain itself.  Sleeps only if a kick function
 * sleeps.
 *
 * Return: the number of kicked vCPUs.
 */
unsigned int bf_vcpus_kick_all(struct bf_vcpus *vcpus);

/**
 * bf_vcpu_entry_lock - lock a vCPU
 * bf_vcpu_entry_trylock - lock a vCPU unless it is locked
 * bf_vcpu_entry_unlock - unlock a vCPU
 * @entry: the vCPU's entry, reserved or online.  It must stay valid while the
 *         vCPU is locked or a thread waits for the lock: the caller is inside
 *         a section, or no other thread removes the vCPU.
 *
 * The lock protects the caller's state of the vCPU, as KVM's vcpu->mutex does.
 * It protects nothing of the table.  It is not recursive.  A thread may unlock
 * a vCPU that another thread locked.
 *
 * bf_vcpu_entry_lock() sleeps until it has the lock and returns 0.  It returns
 * -EINTR, without the lock, if a signal handler that was installed without
 * SA_RESTART ran while it slept.  It misses a handler that ran just before it
 * slept; a sender that must be certain sends the signal again.
 * bf_vcpu_entry_trylock() returns 0 or -EBUSY and never blocks.
 * bf_vcpu_entry_unlock() never blocks.
 */
int bf_vcpu_entry_lock(struct bf_vcpu_entry *entry);
int bf_vcpu_entry_trylock(struct bf_vcpu_entry *entry);
void bf_vcpu_entry_unlock(struct bf_vcpu_entry *entry);

/**
 * bf_vcpus_lock_all - lock every vCPU
 * bf_vcpus_trylock_all - lock every vCPU unless one is locked
 * bf_vcpus_unlock_all - unlock them in reverse order, in any thread
 *
 * Lock in the order of the indices.  On error unlock in reverse order.
 *
 * Return: 0;
 *   -EBUSY  a vCPU is being created; bf_vcpus_trylock_all() also: a thread is
 *           in bf_vcpus_reserve(), or has locked all vCPUs
 *   -EINTR  bf_vcpus_trylock_all(): a vCPU is locked;
 *           bf_vcpus_lock_all(): a signal, as for bf_vcpu_entry_lock()
 * After success, until bf_vcpus_unlock_all(), no other thread locks a vCPU, and
 * creations sleep.  A removal hides its vCPU, but the vCPU is not released
 * before bf_vcpus_unlock_all().
 *
 * bf_vcpus_lock_all() sleeps until every vCPU is unlocked, so the caller must
 * not hold the lock of one.  bf_vcpus_trylock_all() does not block.
 */
int bf_vcpus_lock_all(struct bf_vcpus *vcpus);
int bf_vcpus_trylock_all(struct bf_vcpus *vcpus);
void bf_vcpus_unlock_all(struct bf_vcpus *vcpus);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* BELFRY_VCPUS_H */
