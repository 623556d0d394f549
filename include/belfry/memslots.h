/* SPDX-License-Identifier: MIT */
/**
 * belfry/memslots.h - where guest memory is: from guest-physical address (gpa)
 * to the address in this process (hva).
 *
 * A map holds slots: a range of guest-physical addresses, the memory behind
 * it, and flags, named by a number, as in struct kvm_userspace_memory_region.
 * It has one or more address spaces with nothing in common; the slot numbers
 * of KVM carry the address space in their upper 16 bits, and so do these.
 *
 * Whoever looks something up takes a snapshot, uses the addresses that he
 * finds in it, and drops it:
 *
 *	bf_memslots_take(map, &snapshot);
 *	hva = bf_memslots_hva(&snapshot, 0, gpa, len, false);
 *	if (hva)
 *		use(hva, len);
 *	bf_memslots_drop(&snapshot);
 *
 * A snapshot is a read-side critical section (belfry/srcu.h): taking one costs
 * two nanoseconds, it may last for the whole of a device's transfer, sleep
 * included, and it shows the same slots from beginning to end, but for what is
 * removed when there is no memory (see bf_memslots_commit()).  Changes wait for
 * nobody, but for those that take memory away: they return, or call back, when
 * nobody uses that memory any more.
 *
 * The rules for changes, and their errno, are those of
 * KVM_SET_USER_MEMORY_REGION (Documentation/virt/kvm/api.rst, 4.35;
 * virt/kvm/kvm_main.c).  What the kernel has not is the transaction: several
 * changes that are published at once.
 *
 * Whatever address and length a guest chooses, the answer is memory of a slot,
 * or that there is none; ranges are never taken to wrap.
 *
 * Stability: 0.x; functions may still change, each change is in CHANGELOG.md.
 * Names that begin with __bf, and the members of structures that are said to be
 * no interface, are here because taking and dropping are inline.
 * Thread safety: every function may be called from any thread at any time,
 * unless it says otherwise; a map may not be used during its destruction.
 * Contexts: nothing here is async-signal-safe.  A handler of the fault that a
 * guest's access raised, outside of these functions, may look up and copy.
 * fork: a child may not use its parent's maps.
 */
#ifndef BELFRY_MEMSLOTS_H
#define BELFRY_MEMSLOTS_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <belfry/srcu.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* What a snapshot shows. */
struct bf_memslots_view;

/** A map.  Its members are no interface. */
struct bf_memslots {
	struct bf_srcu srcu;
	const struct bf_memslots_view *view;
};

/** The most address spaces of a map. */
#define BF_MEMSLOTS_SPACES 16

/** What a map is to be; all zero is a good beginning. */
struct bf_memslots_config {
	/*
	 * Changes go to the KVM VM vm_fd as well, which has no slots yet; see
	 * bf_memslots_commit().  The caller closes it, after the map's end.
	 */
	bool forward;
	int vm_fd;
	/*
	 * Address spaces, 1 to BF_MEMSLOTS_SPACES, and slots in each, 1 to
	 * 32,767.  0: what vm_fd has; without one, 1 and 32,764.
	 */
	uint32_t spaces;
	uint32_t slots;
	/*
	 * A slot behind 2^gpa_bits is refused, as KVM does; 0: none is here.
	 */
	uint32_t gpa_bits;
	/*
	 * Called around changes that KVM cannot make without a time when the
	 * guest would miss memory: no vCPU may run between the two.  Other
	 * changes wait meanwhile, so a vCPU that is making one cannot be
	 * waited for.  NULL: such changes are refused.
	 */
	void (*pause)(void *opaque);
	void (*resume)(void *opaque);
	void *opaque;
};

/**
 * bf_memslots_create - make an empty map
 * @mapp: where it goes; untouched on error
 * @config: what kind; NULL: one without KVM
 *
 * Returns 0; -ENOMEM; -EINVAL: a number out of range, one of @pause and
 * @resume without the other; or the errno of KVM_CHECK_EXTENSION, negative.
 * Does not sleep.
 */
int bf_memslots_create(struct bf_memslots **mapp,
		       const struct bf_memslots_config *config);

/**
 * bf_memslots_destroy - free a map; not the memory, nor KVM's slots
 * @map: no call on it is under way, no snapshot of it is left; NULL does
 *	 nothing
 *
 * May sleep until the callbacks of bf_memslots_commit_async() have returned.
 * Not from such a callback.
 */
void bf_memslots_destroy(struct bf_memslots *map);

/** Who stood in whose way; filled in when a change is refused. */
struct bf_memslots_conflict {
	size_t index; /* of the change that was refused */
	struct kvm_userspace_memory_region wanted;
	/* The slot that overlaps; memory_size 0: there is none. */
	struct kvm_userspace_memory_region existing;
};

/**
 * bf_memslots_commit - change slots, all or nothing
 * @map: the map
 * @changes: @count of them, each as for KVM_SET_USER_MEMORY_REGION:
 *	memory_size 0 removes the slot; one that is not there is added; one
 *	that is there is moved, or gets other flags
 * @count: 0 does nothing
 * @conflict: filled in where these rules refuse a change; may be NULL
 *
 * Each change is checked against what those before it leave, in KVM's order,
 * and nothing changes on error:
 *   -EINVAL  flags other than KVM_MEM_LOG_DIRTY_PAGES and KVM_MEM_READONLY;
 *	      a slot or an address space out of range; gpa, size or hva not a
 *	      multiple of the page size; hva + size is beyond this process's
 *	      addresses; gpa + size wraps; more than 2^31 - 1 pages; the slot
 *	      to remove is not there; hva, size or KVM_MEM_READONLY of a slot
 *	      that is there differ
 *   -EEXIST  overlaps another slot of its address space
 *   -EINVAL  behind the map's gpa_bits
 *   -ENOMEM  out of memory; never for the removal of one slot alone (but KVM
 *	      may answer so)
 *   -EBUSY   the map forwards, has no @pause, and KVM cannot do it without
 *	      (see below)
 *   ...      or what KVM answered
 *   -ENOTRECOVERABLE  KVM refused a change and then to take back those before
 *	      it: KVM has other slots than the map
 * Returns 0.  Readers see all of the changes or none; who learned of the
 * return, by whatever means, sees them.
 *
 * Where a slot was removed or moved it returns when nobody uses the old place
 * any more: its memory may be unmapped.  So it sleeps until the snapshots that
 * were taken before are dropped (an expedited grace period of this map alone);
 * the calling thread must hold none.  Otherwise it waits for no snapshot; a
 * change takes O(log n) whatever the map holds.
 *
 * A removal of one slot that can get no memory is made in the views that there
 * are: snapshots taken before it see the slot go.  What they found in it stays
 * good until they are dropped.
 *
 * Forwarding.  What a transaction adds, moves or gives other flags is made in
 * KVM first and published here afterwards; a transaction that only removes is
 * published first.  So memory that is there before and after is never gone, and
 * a guest finds no hole where the map has memory, but for what is being taken
 * from it.  A move is one call to KVM, which makes vCPUs wait that touch the
 * slot meanwhile.
 * Where a slot takes up a place that another one leaves, or changes its size or
 * memory, KVM has to remove before it can add; a guest that touches the place
 * between the two would see no memory.  All of that is done between @pause and
 * @resume.
 */
int bf_memslots_commit(struct bf_memslots *map,
		       const struct kvm_userspace_memory_region *changes,
		       size_t count, struct bf_memslots_conflict *conflict);

/**
 * bf_memslots_commit_async - the same, without waiting
 * @map: the map
 * @changes: as for bf_memslots_commit()
 * @count: as for bf_memslots_commit()
 * @conflict: as for bf_memslots_commit()
 * @done: called once when nobody uses what was removed or moved, on the
 *	library's worker thread (belfry/srcu.h); it must not wait for a grace
 *	period of this map; not called on error
 * @opaque: for @done
 *
 * Returns as bf_memslots_commit().  May be called by who holds a snapshot.
 */
int bf_memslots_commit_async(struct bf_memslots *map,
			     const struct kvm_userspace_memory_region *changes,
			     size_t count,
			     struct bf_memslots_conflict *conflict,
			     void (*done)(void *opaque), void *opaque);

/**
 * bf_memslots_set - make one change
 * @map: the map
 * @change: as for bf_memslots_commit()
 *
 * Returns and waits as bf_memslots_commit() of this change alone.
 */
int bf_memslots_set(struct bf_memslots *map,
		    const struct kvm_userspace_memory_region *change);

/**
 * bf_memslots_remove - remove a slot, and wait for those who use it
 * bf_memslots_remove_async - remove a slot, and be told
 * @map: the map
 * @slot: its number, with the address space in the upper 16 bits
 * @done: as for bf_memslots_commit_async()
 * @opaque: for @done
 *
 * Return as bf_memslots_commit(): 0; -EINVAL: there is none; KVM's.  Need no
 * memory.
 */
int bf_memslots_remove(struct bf_memslots *map, uint32_t slot);
int bf_memslots_remove_async(struct bf_memslots *map, uint32_t slot,
			     void (*done)(void *opaque), void *opaque);

/**
 * bf_memslots_conflict_format - a refused change in words
 * @conflict: as filled in
 * @buf: where the text goes; cut off and terminated as by snprintf()
 * @size: of @buf, in bytes
 *
 * For example: "change 0: slot 3 [0x1000, 0x1fff] overlaps slot 1
 * [0x0, 0xffff]".  Returns the length of the whole text.
 */
int bf_memslots_conflict_format(const struct bf_memslots_conflict *conflict,
				char *buf, size_t size);

/** One view of a map, kept.  Its members are no interface. */
struct bf_memslots_snapshot {
	struct bf_memslots *map;
	const struct bf_memslots_view *view;
	int idx;
};

/**
 * bf_memslots_take - keep the present view of a map
 * @map: the map
 * @snapshot: the caller's, until bf_memslots_drop()
 *
 * What is found in the snapshot stays as it is until it is dropped, and who
 * takes memory away waits for that.  Never blocks, allocates nothing, makes no
 * system call.  Snapshots nest.  While a thread holds one it must not wait for
 * a removal of the same map (deadlock); the _async functions are fine.
 */
static inline void bf_memslots_take(struct bf_memslots *map,
				    struct bf_memslots_snapshot *snapshot)
{
	snapshot->map = map;
	snapshot->idx = bf_srcu_down_read(&map->srcu);
	snapshot->view = bf_srcu_dereference(map->view, &map->srcu);
}

/**
 * bf_memslots_drop - end a snapshot
 * @snapshot: of bf_memslots_take(), in this thread or in another one, which
 *	got it by something that orders memory, as every lock or queue does
 *
 * Never blocks; a system call only to wake who waits for a removal.
 */
static inline void bf_memslots_drop(struct bf_memslots_snapshot *snapshot)
{
	bf_srcu_up_read(&snapshot->map->srcu, snapshot->idx);
}

/**
 * bf_memslots_hva - where a byte, or a span within one slot, is
 * @snapshot: the snapshot
 * @space: the address space
 * @gpa: the first byte
 * @len: how many bytes; 0 is taken for 1
 * @write: they are to be written
 *
 * Returns the address, good until the snapshot is dropped; NULL where the span
 * is not within one slot, or is to be written and the slot is read-only.
 * Never blocks.
 */
void *bf_memslots_hva(const struct bf_memslots_snapshot *snapshot,
		      uint32_t space, uint64_t gpa, uint64_t len, bool write);

/**
 * bf_memslots_span - where a byte is, and how far its slot goes on
 * @snapshot: the snapshot
 * @space: the address space
 * @gpa: the byte
 * @write: it is to be written
 * @len: filled in: bytes from @gpa to the end of the slot; 0 with NULL
 *
 * Returns as bf_memslots_hva().  Never blocks.
 */
void *bf_memslots_span(const struct bf_memslots_snapshot *snapshot,
		       uint32_t space, uint64_t gpa, bool write, uint64_t *len);

/**
 * bf_memslots_iov - a range of any slots as a scatter list
 * @snapshot: the snapshot
 * @space: the address space
 * @gpa: the first byte
 * @len: how many bytes
 * @write: they are to be written
 * @iov: room for @max entries
 * @max: of @iov
 * @covered: filled in: how many bytes from @gpa on the list holds: all, or up
 *	to the first without memory (or that is read-only and to be written),
 *	or as many as @max entries hold; may be NULL
 *
 * Returns how many entries were filled in.  Slots that follow each other in
 * the guest and here share one.  Never blocks; O(log n) a slot.
 */
size_t bf_memslots_iov(const struct bf_memslots_snapshot *snapshot,
		       uint32_t space, uint64_t gpa, uint64_t len, bool write,
		       struct iovec *iov, size_t max, uint64_t *covered);

/**
 * bf_memslots_next - the slots of an address space, in order
 * @snapshot: the snapshot
 * @space: the address space
 * @gpa: where to begin
 * @region: filled in: the slot that holds @gpa, or else the first behind it
 *
 * Returns false when there is none.  The next one is at guest_phys_addr +
 * memory_size or behind.  Never blocks.
 */
bool bf_memslots_next(const struct bf_memslots_snapshot *snapshot,
		      uint32_t space, uint64_t gpa,
		      struct kvm_userspace_memory_region *region);

/**
 * bf_memslots_snapshot_read - copy out of guest memory
 * bf_memslots_snapshot_write - copy into guest memory
 * bf_memslots_read, bf_memslots_write - the same in a snapshot of their own
 * @snapshot: the snapshot
 * @map: the map
 * @space: the address space
 * @gpa: the guest's side; slots may be crossed
 * @buf: the other side; may itself be guest memory
 * @len: bytes
 *
 * Return how many bytes were copied: @len, or fewer where the guest has no
 * memory there, or, for a write, read-only memory.  The copy is not atomic.
 * Never block, but as the memory itself does (page faults).
 */
size_t bf_memslots_snapshot_read(const struct bf_memslots_snapshot *snapshot,
				 uint32_t space, uint64_t gpa, void *buf,
				 size_t len);
size_t bf_memslots_snapshot_write(const struct bf_memslots_snapshot *snapshot,
				  uint32_t space, uint64_t gpa, const void *buf,
				  size_t len);
size_t bf_memslots_read(struct bf_memslots *map, uint32_t space, uint64_t gpa,
			void *buf, size_t len);
size_t bf_memslots_write(struct bf_memslots *map, uint32_t space, uint64_t gpa,
			 const void *buf, size_t len);

/** Memory to put behind slots, where the caller has none. */
struct bf_memslots_backing_desc {
	uint64_t size;	  /* bytes; rounded up to whole pages */
	const char *name; /* in /proc/PID/maps; NULL: "guest" */
	bool huge;	  /* huge pages; smaller ones where there are none */
	bool bind;	  /* to the NUMA node below */
	uint32_t node;
};

/** What came of it. */
struct bf_memslots_backing {
	void *hva;	    /* inaccessible pages before and behind */
	uint64_t size;	    /* whole pages */
	uint64_t page_size; /* of the file; with transparent huge pages the
			       smaller one */
	int fd;		    /* memfd(2), for who shares it; the library's */
};

/**
 * bf_memslots_backing_create - memory for slots
 * @backing: filled in; untouched on error
 * @desc: what kind
 *
 * Shared memory of a memfd between two guard regions.  With @huge, pages of
 * hugetlbfs where enough of them are free, else transparent ones are asked
 * for.  Nothing is touched yet.
 * Returns 0; -EINVAL: size 0 or too large, no such node; -ENOMEM; -EMFILE;
 * -ENOSYS: no memfd, or no NUMA.  Sleeps as mmap(2) does.
 */
int bf_memslots_backing_create(struct bf_memslots_backing *backing,
			       const struct bf_memslots_backing_desc *desc);

/**
 * bf_memslots_backing_destroy - unmap and close
 * @backing: of bf_memslots_backing_create(); in no slot any more
 */
void bf_memslots_backing_destroy(struct bf_memslots_backing *backing);

/**
 * bf_memslots_backing_prefault - have the memory there before the guest runs
 * @backing: the memory; what it holds is kept
 * @progress: told how many bytes of how many are there, some hundred times;
 *	anything but 0 ends it; may be NULL
 * @opaque: for @progress
 *
 * Returns 0; -ECANCELED: @progress ended it; -ENOMEM, or another errno of
 * madvise(2), MADV_POPULATE_WRITE.  Takes as long as the kernel takes to clear
 * the memory.
 */
int bf_memslots_backing_prefault(struct bf_memslots_backing *backing,
				 int (*progress)(void *opaque, uint64_t done,
						 uint64_t total),
				 void *opaque);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* BELFRY_MEMSLOTS_H */
