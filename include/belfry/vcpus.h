/* SPDX-License-Identifier: MIT */
/**
 * belfry/vcpus.h - the vCPUs of a VM: found by index and by id, without a lock.
 *
 * A table holds entries that are members of the caller's own vCPU structure.
 * A vCPU has an id, which the caller chooses, and an index, which the table
 * gives in the order in which vCPUs come online: dense, and never given twice
 * unless somebody asks for that.  Who looks up, or iterates, does so inside a
 * section of the table's SRCU domain (belfry/srcu.h), and may keep what it
 * found, and sleep, until the section ends:
 *
 *	idx = srcu_read_lock(bf_vcpus_srcu(vcpus));
 *	entry = bf_vcpus_by_id(vcpus, apic_id);
 *	if (entry)
 *		post_interrupt((struct my_vcpu *)entry);
 *	srcu_read_unlock(bf_vcpus_srcu(vcpus), idx);
 *
 * Creation has two phases, as in the kernel: bf_vcpus_reserve() takes the id
 * and counts the vCPU as created; the caller sets it up; bf_vcpus_publish()
 * makes it visible and counts it as online, and cannot fail.  Neither copies
 * the table nor waits for a grace period.
 *
 * Removal is what the kernel does not have: readers see a hole at once, and
 * when the last one that may have seen the vCPU has left, its release function
 * is called.  Until then neither its id nor its index is given away again, so
 * within a section each of them stands for one vCPU at most.
 *
 * The rules of creation, their order and their errno, and those of locking
 * all vCPUs, are KVM's (virt/kvm/kvm_main.c: kvm_vm_ioctl_create_vcpu(),
 * kvm_get_vcpu(), kvm_get_vcpu_by_id(), kvm_lock_all_vcpus()).
 *
 * Stability: 0.x; functions may still change, each change is in CHANGELOG.md.
 * The members of struct bf_vcpus_entry and struct bf_vcpus_iter are no
 * interface: they are here because the caller provides the memory.
 * Thread safety: every function may be called from any thread at any time,
 * unless it says otherwise; a table may not be used during its destruction.
 * Contexts: nothing here is async-signal-safe but the two lookups and the
 * counts.
 * fork: a child may not use its parent's tables.
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
struct bf_vcpus_ops;

/**
 * struct bf_vcpus_entry - what makes the caller's structure a vCPU of a table
 *
 * A member of it, from which a cast (where it is the first) or container_of()
 * style arithmetic leads back; needs no initialization.  The table's from a
 * successful bf_vcpus_reserve() until bf_vcpus_cancel() returns or the release
 * function is called.
 */
struct bf_vcpus_entry {
	struct bf_vcpus *vcpus;
	const struct bf_vcpus_ops *ops;
	uint32_t id;
	uint32_t index;
	unsigned int state;
	unsigned int lock;
	unsigned int flags;
	uint64_t born; /* number of its publication */
	struct bf_vcpus_entry *locked_before;
	struct srcu_head head;
};

/** What a table calls back, per vCPU.  Both may be NULL. */
struct bf_vcpus_ops {
	/*
	 * The vCPU was removed, and nobody sees it any more: free it, or use
	 * its memory again.  Its id may be in use again already.  Called once
	 * with no lock held: by bf_vcpus_remove() and bf_vcpus_destroy() on
	 * their callers' threads, after bf_vcpus_remove_async() on the SRCU
	 * worker, where it delays other callbacks.
	 */
	void (*release)(struct bf_vcpus_entry *entry);
	/*
	 * Makes the vCPU leave the guest and look, by a signal to its thread
	 * or otherwise; see bf_vcpus_kick_all().  Called inside a section of
	 * the table's domain; the vCPU may have been removed a moment ago.
	 */
	void (*kick)(struct bf_vcpus_entry *entry);
};

/** Gives the index that was given back last, if there is one. */
#define BF_VCPUS_REUSE_INDEX 1U

/** What bf_vcpus_create() makes.  All zero is a good default. */
struct bf_vcpus_config {
	struct srcu_struct *srcu; /* the domain of the readers, of either
				     flavour, which outlives the table; NULL:
				     a fenced one of the table's own */
	uint64_t max_ids;   /* ids are below; 0, and more than 2^32, for 2^32 */
	uint64_t max_vcpus; /* created at a time; 0 for as many as ids */
	unsigned int flags; /* BF_VCPUS_REUSE_INDEX: for every vCPU */
};

/**
 * bf_vcpus_create - make an empty table
 * @vcpusp: where it goes; untouched on error
 * @config: what to make; NULL means all zero
 *
 * Returns 0, -EINVAL (unknown flags) or -ENOMEM.  Does not block.
 *
 * Memory: 2 KiB for each 256 indices that were ever given, and as much for
 * each 256 ids from which one was ever used.  A table whose vCPUs come and go
 * for ever wants BF_VCPUS_REUSE_INDEX.
 */
int bf_vcpus_create(struct bf_vcpus **vcpusp,
		    const struct bf_vcpus_config *config);

/**
 * bf_vcpus_destroy - free a table
 * @vcpus: no call on it is under way in any thread, nobody is in a section
 *         that looked at it, and each reservation was published or cancelled;
 *         NULL does nothing
 *
 * Calls the release function of every vCPU that is online, in the order of
 * their indices; those of bf_vcpus_remove_async() have returned before.  May
 * sleep until then.  Not from a callback of the domain.
 */
void bf_vcpus_destroy(struct bf_vcpus *vcpus);

/**
 * bf_vcpus_srcu - the domain in whose sections the table is read
 * @vcpus: the table
 *
 * Returns the configured one or the table's own, which is a fenced one.
 * Never blocks.
 */
struct srcu_struct *bf_vcpus_srcu(struct bf_vcpus *vcpus);

/**
 * bf_vcpus_reserve - begin the creation of a vCPU
 * @vcpus: the table
 * @entry: the vCPU's; becomes the table's on success
 * @id: the vCPU's id
 * @ops: its functions, which must outlive it
 * @flags: 0 or BF_VCPUS_REUSE_INDEX
 *
 * Checks in this order, and nothing changes on error:
 *   -EINVAL  unknown flags; @id is not below the maximum; as many vCPUs as
 *            may be are created
 *   -EEXIST  the id is in use: by a vCPU that is online, being created, or
 *            removed and not yet released
 *   -ENOSPC  the indices have run out: the last new one was given
 *   -ENOMEM  out of memory
 * Returns 0: the vCPU counts as created, but no lookup finds it.  Next is
 * bf_vcpus_publish() or bf_vcpus_cancel(), from any thread.
 *
 * Waits for no grace period.  Sleeps while all vCPUs are locked
 * (bf_vcpus_lock_all()), and so must not be called by the thread that locked
 * them, nor with the lock of a vCPU held.  May be called inside a section and
 * from a release function.
 */
int bf_vcpus_reserve(struct bf_vcpus *vcpus, struct bf_vcpus_entry *entry,
		     uint64_t id, const struct bf_vcpus_ops *ops,
		     unsigned int flags);

/**
 * bf_vcpus_publish - bring a reserved vCPU online
 * @entry: of bf_vcpus_reserve(); what surrounds it is set up
 *
 * Gives it an index: the next one, or with BF_VCPUS_REUSE_INDEX the one that
 * was given back last.  Who finds the vCPU sees what was written to it before
 * this call, and who sees it counted as online finds it.  Cannot fail: memory
 * was reserved.  Does not wait.
 *
 * The caller may lock the vCPU first (bf_vcpus_lock()), to keep those who find
 * it out until it has done what is left, as the kernel does.
 */
void bf_vcpus_publish(struct bf_vcpus_entry *entry);

/**
 * bf_vcpus_cancel - give up the creation of a reserved vCPU
 * @entry: of bf_vcpus_reserve(), not locked; the caller's again on return
 *
 * Its id may be used again.  The release function is not called: nobody saw
 * the vCPU.  Does not wait.
 */
void bf_vcpus_cancel(struct bf_vcpus_entry *entry);

/**
 * bf_vcpus_add - bf_vcpus_reserve() and bf_vcpus_publish() in one
 * @vcpus: the table
 * @entry: the vCPU's, whose surroundings are set up
 * @id: its id
 * @ops: its functions
 * @flags: 0 or BF_VCPUS_REUSE_INDEX
 *
 * Returns, and sleeps, as bf_vcpus_reserve() does.
 */
int bf_vcpus_add(struct bf_vcpus *vcpus, struct bf_vcpus_entry *entry,
		 uint64_t id, const struct bf_vcpus_ops *ops,
		 unsigned int flags);

/**
 * bf_vcpus_remove - remove a vCPU, and wait until nobody sees it
 * @entry: the vCPU
 *
 * Lookups find it no more; after an expedited grace period of the table's
 * domain its id, and its index where somebody asks for used ones, may be given
 * away again, and then its release function is called.
 *
 * Returns 0, or -ENOENT where the vCPU is not online: being created, or
 * removed by somebody else (which the caller may ask only while it knows that
 * it is not released).  Not inside a section of the domain, nor by the thread
 * that has all vCPUs locked: it would wait for itself.  Nor with the lock of a
 * vCPU held: who waits for that lock does so inside a section.
 */
int bf_vcpus_remove(struct bf_vcpus_entry *entry);

/**
 * bf_vcpus_remove_async - remove a vCPU, and do not wait
 * @entry: the vCPU
 *
 * The same, but returns at once; the rest is done by the SRCU worker when the
 * last section has ended that may have seen the vCPU, and the call of the
 * release function is what tells.  May be called inside a section, and with
 * locks of vCPUs held.
 *
 * Returns 0 or -ENOENT as bf_vcpus_remove() does: of many who try, one
 * succeeds.
 */
int bf_vcpus_remove_async(struct bf_vcpus_entry *entry);

/**
 * bf_vcpus_by_index - find a vCPU by its index
 * bf_vcpus_by_id - find a vCPU by its id
 * @vcpus: the table; the caller is in a section of its domain
 * @index: any number, guest-controlled ones included
 * @id: the same
 *
 * Return the vCPU's entry, valid until the section ends, or NULL: never given,
 * out of range, being created, removed.  (A negative int arrives here as a
 * number that is out of range.)  In constant time: one node of a tree for each
 * 8 bits of the largest index, or id, that was ever used.  Take no lock, never
 * block, touch nothing of the vCPU itself.
 */
struct bf_vcpus_entry *bf_vcpus_by_index(const struct bf_vcpus *vcpus,
					 uint64_t index);
struct bf_vcpus_entry *bf_vcpus_by_id(const struct bf_vcpus *vcpus,
				      uint64_t id);

/**
 * bf_vcpus_id, bf_vcpus_index - a vCPU's id, its index
 * @entry: a vCPU that was found, or is the caller's
 *
 * The index is UINT32_MAX until the vCPU is published.  Never block.
 */
uint32_t bf_vcpus_id(const struct bf_vcpus_entry *entry);
uint32_t bf_vcpus_index(const struct bf_vcpus_entry *entry);

/**
 * bf_vcpus_created, bf_vcpus_online - how many vCPUs there are
 * @vcpus: the table
 *
 * Online are those that lookups find; created are those whose ids are taken:
 * they, those being created, and those removed but not yet released.  A
 * creation is under way, or a removal, where the numbers differ.  Each is
 * exact; together they are no snapshot.  Who sees a vCPU counted as online
 * finds it; who sees a removed one no longer counted does not find it.  Never
 * block.
 */
uint32_t bf_vcpus_created(const struct bf_vcpus *vcpus);
uint32_t bf_vcpus_online(const struct bf_vcpus *vcpus);

/** An iteration under way; see bf_vcpus_iter_begin(). */
struct bf_vcpus_iter {
	const struct bf_vcpus *vcpus;
	uint64_t next, end;
	uint64_t born; /* younger ones are left out */
};

/**
 * bf_vcpus_iter_begin - begin to visit vCPUs in the order of their indices
 * @iter: the iteration; the caller's, usually on its stack
 * @vcpus: the table; the caller is in a section of its domain
 * @first, @last: the range of indices, @last included; 0 and UINT64_MAX for
 *                all.  Nothing is visited where @first is above @last.
 *
 * Of the vCPUs that are online at this call, each that is still online when
 * its turn comes is visited once; those that come later are not, even if they
 * are given an index again.  Others may come and go meanwhile.  The section
 * must last until the end of the iteration; the caller may sleep in it, nest
 * iterations, and remove vCPUs, the visited one too, by
 * bf_vcpus_remove_async().  Never blocks.
 *
 *	bf_vcpus_iter_begin(&iter, vcpus, 0, UINT64_MAX);
 *	while ((entry = bf_vcpus_iter_next(&iter)))
 *		...
 */
void bf_vcpus_iter_begin(struct bf_vcpus_iter *iter,
			 const struct bf_vcpus *vcpus, uint64_t first,
			 uint64_t last);

/**
 * bf_vcpus_iter_next - the next vCPU of an iteration
 * @iter: the iteration, in the section where it began
 *
 * Returns NULL when there is none left, from then on always.  Never blocks.
 */
struct bf_vcpus_entry *bf_vcpus_iter_next(struct bf_vcpus_iter *iter);

/**
 * bf_vcpus_kick_all - call the kick function of every vCPU
 * @vcpus: the table
 *
 * Each vCPU that is online at the call has been kicked when it returns, but
 * for those removed meanwhile and those without a kick function.  Enters a
 * section of the table's domain itself; sleeps only where a kick function
 * does.  Returns how many were kicked.
 */
unsigned int bf_vcpus_kick_all(struct bf_vcpus *vcpus);

/**
 * bf_vcpus_lock - lock a vCPU
 * bf_vcpus_trylock - lock a vCPU that nobody has locked
 * bf_vcpus_unlock - unlock a vCPU
 * @entry: the vCPU, reserved or online; must stay valid while it is locked or
 *         waited for: by the caller's section, or because only it removes it
 *
 * What the table keeps under this lock is nothing: it is for the caller's
 * state of the vCPU, as KVM's vcpu->mutex.  Not recursive; may be unlocked by
 * another thread than locked it.
 *
 * bf_vcpus_lock() returns 0, or -EINTR where a signal handler that was
 * installed without SA_RESTART ran while it slept, and the vCPU is not locked.
 * (One that ran just before it fell asleep is not noticed: who must be certain
 * sends the signal again.)  bf_vcpus_trylock() returns 0 or -EBUSY, and never
 * blocks; neither does bf_vcpus_unlock().
 */
int bf_vcpus_lock(struct bf_vcpus_entry *entry);
int bf_vcpus_trylock(struct bf_vcpus_entry *entry);
void bf_vcpus_unlock(struct bf_vcpus_entry *entry);

/**
 * bf_vcpus_lock_all - lock every vCPU
 * bf_vcpus_trylock_all - lock every vCPU if nobody has locked one
 * @vcpus: the table
 *
 * In the order of their indices; on error what was locked is unlocked in
 * reverse order.
 *   -EBUSY  a vCPU is being created; bf_vcpus_trylock_all(): or somebody is
 *           about to create one, or has locked all
 *   -EINTR  bf_vcpus_trylock_all(): a vCPU is locked;
 *           bf_vcpus_lock_all(): interrupted by a signal, as bf_vcpus_lock()
 * Return 0: until bf_vcpus_unlock_all() nobody else locks a vCPU, and
 * creations sleep.  A removal is not kept from making its vCPU invisible, but
 * the vCPU is not released before bf_vcpus_unlock_all().
 *
 * bf_vcpus_lock_all() sleeps until each vCPU was unlocked: not while the
 * caller holds the lock of one.  bf_vcpus_trylock_all() does not block.
 */
int bf_vcpus_lock_all(struct bf_vcpus *vcpus);
int bf_vcpus_trylock_all(struct bf_vcpus *vcpus);

/**
 * bf_vcpus_unlock_all - unlock what one of the two locked
 * @vcpus: the table, all of whose vCPUs the caller locked
 *
 * In reverse order, from any thread.  Does not wait.
 */
void bf_vcpus_unlock_all(struct bf_vcpus *vcpus);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* BELFRY_VCPUS_H */
