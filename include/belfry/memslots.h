/* SPDX-License-Identifier: MIT */
/**
 * belfry/memslots.h - guest memory: from a guest-physical address (gpa) to the
 * address in this process (hva).
 *
 * A map holds slots.  A slot is a range of guest-physical addresses, the memory
 * behind that range, and flags, as in struct kvm_userspace_memory_region.  A
 * map has one or more address spaces, which are independent.  As in KVM, the
 * upper 16 bits of a slot number are the address space.
 *
 * A reader takes a snapshot, uses the addresses that it finds there, and drops
 * the snapshot:
 *
 *	bf_memslots_take(map, &snapshot);
 *	hva = bf_memslots_hva(&snapshot, 0, gpa, len, false);
 *	if (hva)
 *		use(hva, len);
 *	bf_memslots_drop(&snapshot);
 *
 * A snapshot is a read-side critical section (belfry/srcu.h).  To take one
 * costs two nanoseconds.  A snapshot may last for a whole transfer of a device,
 * sleep included, and shows the same slots from beginning to end, except for a
 * removal that gets no memory (see bf_memslots_commit()).  A device that keeps
 * an address for longer pins it (bf_memslots_pin()).  A table outside of the
 * map, of vhost or VFIO, follows the map by a listener (bf_memslots_listen()).
 *
 * For live migration, a slot with KVM_MEM_LOG_DIRTY_PAGES has a bitmap of the
 * pages that devices have written (bf_memslots_get_dirty_log()), beside the one
 * of KVM, which has the pages that the guest has written.
 *
 * An addition waits for no reader.  A removal is complete when no snapshot and
 * no pin uses the memory any more; the call then returns, or calls back.
 *
 * A removal waits for the readers that are inside a snapshot.  A lookup ends
 * within nanoseconds, but on a host with more runnable threads than CPUs a
 * reader may be preempted inside a snapshot for 1 to 50 ms.  A thread that must
 * not wait so long calls the async functions.
 *
 * The rules for changes, and their errno, are those of
 * KVM_SET_USER_MEMORY_REGION (Documentation/virt/kvm/api.rst, 4.35;
 * virt/kvm/kvm_main.c).  KVM has no transaction; a map publishes several
 * changes at once.
 *
 * Locking: the callback of an async removal runs later on another thread, so
 * call the async removal under the lock that guards your handle of the memory,
 * and drop the handle under the same lock.  No other thread then finds the
 * handle between the two, and the callback need not take that lock.
 *
 * Parameters: @map is a map of bf_memslots_create(), @snapshot a snapshot that
 * was taken, @space an address space of the map, @gpa an address there, and
 * @write says that the caller will write to the memory.  Whatever address and
 * length a guest chooses, the answer is memory of a slot or none.  No range
 * wraps.  Out-parameters are untouched on error.
 *
 * Lookups: the functions with a @snapshot never block, allocate nothing and
 * make no system call.  Each slot that they look at takes O(log n).
 *
 * Stability: 0.x; functions may still change, each change is in CHANGELOG.md.
 * Names that begin with __bf, and the members of structures that are called
 * private, are in this header because taking and dropping are inline.
 * Descriptions end in reserved words, which must be 0.
 * Thread safety: any thread may call any function at any time, unless its
 * description says otherwise.  No call may overlap the destruction of a map.
 * Contexts: no function is async-signal-safe.  But a handler of a fault that a
 * guest's access raised outside of these functions may look up and copy.
 * fork(): a child may not use the maps of its parent.
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

/* As in <linux/kvm.h> of Linux 6.8 and later. */
#ifndef KVM_SET_USER_MEMORY_REGION2
#define KVM_MEM_GUEST_MEMFD (1UL << 2)
#define KVM_SET_USER_MEMORY_REGION2 \
	_IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)

struct kvm_userspace_memory_region2 {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
	__u64 userspace_addr;
	__u64 guest_memfd_offset;
	__u32 guest_memfd;
	__u32 pad1;
	__u64 pad2[14];
};
#endif

/* One version of the slots; opaque. */
struct bf_memslots_view;

/** A map. */
struct bf_memslots {
	/* private: here because taking and dropping are inline */
	struct bf_srcu srcu;
	const struct bf_memslots_view *view;
};

/** The most address spaces of a map. */
#define BF_MEMSLOTS_SPACES 16

/** Options of bf_memslots_create().  All zero is a good default. */
struct bf_memslots_config {
	/*
	 * The map makes each change in the KVM VM vm_fd as well, which has no
	 * slots yet; see bf_memslots_commit().  The caller closes vm_fd after
	 * it destroyed the map.
	 */
	bool forward;
	int vm_fd;
	/*
	 * The number of address spaces, 1 to BF_MEMSLOTS_SPACES, and of slots
	 * in each, 1 to 32,767.  0: as many as vm_fd has, or without a VM 1
	 * space and as many slots as KVM has on this processor: 32,764 on
	 * x86-64, 32,767 on aarch64.
	 */
	uint32_t spaces;
	uint32_t slots;
	/*
	 * The map refuses a slot beyond 2^gpa_bits, as KVM does.  0: no limit.
	 */
	uint32_t gpa_bits;
	/*
	 * The map calls these around changes during which KVM cannot keep the
	 * memory visible to the guest; no vCPU may run between the two calls.
	 * Other changes wait meanwhile, so pause() must not wait for a vCPU
	 * thread that makes a change.  NULL: the map refuses such changes.
	 */
	void (*pause)(void *opaque);
	void (*resume)(void *opaque);
	void *opaque;
	/*
	 * 0: bf_memslots_get_dirty_log() clears what it returns.
	 * KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE: bf_memslots_clear_dirty_log()
	 * clears, as with KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2.
	 */
	uint64_t dirty_log;
	/*
	 * More flags that slots may have: 0 or KVM_MEM_GUEST_MEMFD, for
	 * bf_memslots_commit2().  A map that forwards asks vm_fd whether it has
	 * the flag (KVM_CAP_GUEST_MEMFD), and not this word.
	 */
	uint64_t slot_flags;
	uint64_t reserved[2];
};

/**
 * bf_memslots_create - make an empty map
 * @config: the options; NULL means all zero
 * @mapp: receives the map
 *
 * Return: 0;
 *   -ENOMEM  out of memory
 *   -EINVAL  a number is out of range, or one of pause and resume is set
 *            without the other, or dirty_log or slot_flags has another bit, or
 *            a reserved word is not 0
 *   ...      the errno of KVM_CHECK_EXTENSION
 * Does not block.
 */
int bf_memslots_create(const struct bf_memslots_config *config,
		       struct bf_memslots **mapp);

/**
 * bf_memslots_destroy - free a map
 * @map: the map, or NULL, which does nothing
 *
 * No other call on it is in progress, and it has no snapshot, no pin and no
 * listener.  Touches neither the memory behind the slots nor KVM's slots.  May
 * sleep until the callbacks of bf_memslots_commit_async() have returned.  Must
 * not be called from such a callback.
 */
void bf_memslots_destroy(struct bf_memslots *map);

/** A refused change, and the slot in its way. */
struct bf_memslots_conflict {
	size_t index; /* of the refused change */
	struct kvm_userspace_memory_region wanted;
	/* The slot that overlaps; memory_size 0: none does. */
	struct kvm_userspace_memory_region existing;
};

/**
 * bf_memslots_commit - change slots, all or nothing
 * @changes: @count changes, each as for KVM_SET_USER_MEMORY_REGION:
 *	memory_size 0 removes the slot; a slot that does not exist is added; a
 *	slot that exists is moved, or gets other flags
 * @tags: @count tags; tags[i] is the tag of the slot that changes[i] adds
 *	(bf_memslots_tag()), and not used for another change; NULL: all NULL
 * @count: 0 does nothing
 * @conflict: filled in if these rules refuse a change; may be NULL
 *
 * The map checks each change against the result of the changes before it, in
 * KVM's order.  On error nothing changes.  Readers see all of the changes or
 * none.  A reader that learns of the return in any way sees the changes.
 *
 * Return: 0;
 *   -EINVAL  flags other than KVM_MEM_LOG_DIRTY_PAGES and KVM_MEM_READONLY;
 *	      a slot or an address space out of range; gpa, size or hva not a
 *	      multiple of the page size; hva + size is beyond this process's
 *	      addresses; gpa + size wraps; more than 2^31 - 1 pages; the slot
 *	      to remove does not exist; hva, size or KVM_MEM_READONLY of a slot
 *	      that exists differ
 *   -EEXIST  overlaps another slot of its address space
 *   -EINVAL  beyond the map's gpa_bits, on x86-64; on aarch64 -EFAULT
 *   -ENOMEM  out of memory; never for the removal of one slot alone, unless
 *	      KVM answers so
 *   -EBUSY   the map forwards, has no @pause, and KVM cannot make the change
 *	      without (see below)
 *   ...      another answer of KVM
 *   -ENOTRECOVERABLE  KVM refused a change and then refused to undo the changes
 *	      before it: KVM has other slots than the map
 *
 * May sleep while another change is in progress.  After a removal or a move the
 * call returns when no snapshot and no pin uses the old place, so its memory
 * may be unmapped.  After a change that sets KVM_MEM_LOG_DIRTY_PAGES of a slot
 * that exists it returns when every write of a snapshot marks its page.  In
 * these cases it sleeps until the snapshots that were taken before are dropped
 * (an expedited grace period of this map alone), so the calling thread must
 * hold no snapshot.  If several removals in progress concern the
 * same memory, the memory is free when all of them are complete.  Any other
 * change waits for no snapshot and takes O(log n).
 *
 * If the removal of one slot gets no memory, the map changes its published
 * views in place: snapshots that were taken before see the slot disappear.
 * Addresses that a reader found in such a snapshot stay good until it drops the
 * snapshot.
 *
 * Forwarding.  A transaction that only removes is published here first and made
 * in KVM afterwards.  Any other transaction is made in KVM first.  So memory
 * that exists before and after is never absent, and a guest finds no hole where
 * the map has memory, except the memory that is being taken away.  A move is
 * one call to KVM, which delays vCPUs that touch the slot meanwhile.
 * If a slot takes a place that another slot leaves, or changes its size or
 * memory, KVM must remove before it can add, and a guest that touches the place
 * between the two would see no memory.  The map makes all of these changes
 * between @pause and @resume.
 */
int bf_memslots_commit(struct bf_memslots *map,
		       const struct kvm_userspace_memory_region *changes,
		       void *const *tags, size_t count,
		       struct bf_memslots_conflict *conflict);

/**
 * bf_memslots_commit2 - change slots as KVM_SET_USER_MEMORY_REGION2 does
 * @changes: @count changes; the padding is not looked at
 * @tags: as of bf_memslots_commit()
 * @count: as there
 * @conflict: as there; without guest_memfd and its offset
 *
 * As bf_memslots_commit(), and takes KVM_MEM_GUEST_MEMFD: the guest's private
 * memory is the file guest_memfd from guest_memfd_offset on, and
 * userspace_addr is the memory that the guest shares.  The map finds the shared
 * memory alone.  A slot with this flag does not change: it is added and
 * removed.  To move it, a transaction removes and adds it.
 *
 * A map that forwards gives KVM the descriptor at the addition, and again to
 * take back a removal, so guest_memfd stays open as long as the slot exists.  A
 * transaction that removes a slot with the flag and adds one goes between
 * @pause and @resume, because KVM binds a part of a file to one slot at a time.
 * A map that does not forward does not look at guest_memfd.
 *
 * Return: 0;
 *   -EINVAL  as of bf_memslots_commit(); or KVM_MEM_GUEST_MEMFD where the map
 *	      does not take it, with another flag, or for a slot that exists; or
 *	      guest_memfd_offset is not a multiple of the page size, or wraps
 *	      with the size; or guest_memfd is no such file of this VM, or too
 *	      small, or this part of it has a slot; or on arm64 it was not made
 *	      with GUEST_MEMFD_FLAG_MMAP
 *   -EBADF   guest_memfd is not an open file
 *   ...      as of bf_memslots_commit()
 */
int bf_memslots_commit2(struct bf_memslots *map,
			const struct kvm_userspace_memory_region2 *changes,
			void *const *tags, size_t count,
			struct bf_memslots_conflict *conflict);

/**
 * bf_memslots_commit_async - the same, without waiting for readers
 * @done: the library calls it once, on its worker thread (belfry/srcu.h), when
 *	no snapshot and no pin uses the old places any more.  It must not wait
 *	for a grace period of this map.  Not called on error; may be NULL
 * @opaque: for @done
 *
 * Return: as bf_memslots_commit().  A thread that holds a snapshot may call it.
 * See "Locking" in belfry/memslots.h.
 */
int bf_memslots_commit_async(struct bf_memslots *map,
			     const struct kvm_userspace_memory_region *changes,
			     void *const *tags, size_t count,
			     void (*done)(void *opaque), void *opaque,
			     struct bf_memslots_conflict *conflict);

/**
 * bf_memslots_set - make one change, without tag
 * bf_memslots_remove - remove a slot, and wait for its users
 * bf_memslots_remove_async - remove a slot; a callback tells when it is unused
 * @slot: its number, with the address space in the upper 16 bits
 *
 * They wait as bf_memslots_commit() and bf_memslots_commit_async() do.  A
 * removal needs no memory.
 *
 * Return: as bf_memslots_commit().
 */
int bf_memslots_set(struct bf_memslots *map,
		    const struct kvm_userspace_memory_region *change);
int bf_memslots_remove(struct bf_memslots *map, uint32_t slot);
int bf_memslots_remove_async(struct bf_memslots *map, uint32_t slot,
			     void (*done)(void *opaque), void *opaque);

/**
 * bf_memslots_free_slot - find an unused slot number
 * @slot: receives the smallest number that no slot of the space has, with the
 *	space in the upper 16 bits
 *
 * Return: 0; -EINVAL: no such address space; -ENOSPC: all numbers are used.
 * May sleep while a change is in progress; O(n).  The number is not reserved,
 * so a caller that adds slots on several threads holds a lock over this call
 * and the addition.
 */
int bf_memslots_free_slot(struct bf_memslots *map, uint32_t space,
			  uint32_t *slot);

/**
 * bf_memslots_conflict_format - describe a refused change
 * @conflict: as filled in
 * @buf: receives the text, cut off and terminated as by snprintf()
 * @size: of @buf, in bytes
 *
 * For example: "change 0: slot 3 [0x1000, 0x1fff] overlaps slot 1
 * [0x0, 0xffff]".
 *
 * Return: the length of the whole text.
 */
int bf_memslots_conflict_format(const struct bf_memslots_conflict *conflict,
				char *buf, size_t size);

/** A kept view of a map. */
struct bf_memslots_snapshot {
	/* private: here because taking and dropping are inline */
	struct bf_memslots *map;
	const struct bf_memslots_view *view;
	int idx;
};

/**
 * bf_memslots_take - keep the present view of a map
 * bf_memslots_drop - end a snapshot
 *
 * Addresses that are found in the snapshot stay good until it is dropped,
 * because a removal waits for the drop.  Another thread may drop it that got it
 * by an operation that orders memory, as every lock or queue does.  Never block;
 * the drop makes a system call only to wake a removal that waits.  Snapshots
 * nest.  A thread that holds one must not wait for
 * a removal of the same map (deadlock); it may call the async functions.
 */
static inline void bf_memslots_take(struct bf_memslots *map,
				    struct bf_memslots_snapshot *snapshot)
{
	snapshot->map = map;
	snapshot->idx = bf_srcu_down_read(&map->srcu);
	snapshot->view = bf_srcu_dereference(map->view, &map->srcu);
}

static inline void bf_memslots_drop(struct bf_memslots_snapshot *snapshot)
{
	bf_srcu_up_read(&snapshot->map->srcu, snapshot->idx);
}

/**
 * bf_memslots_hva - find the address of a byte, or of a span within one slot
 * @len: the number of bytes; 0 is taken for 1
 *
 * Return: the address, good until the snapshot is dropped; NULL if the span is
 * not within one slot, or @write and the slot is read-only.
 */
void *bf_memslots_hva(const struct bf_memslots_snapshot *snapshot,
		      uint32_t space, uint64_t gpa, uint64_t len, bool write);

/**
 * bf_memslots_span - find the address of a byte, and how far its slot goes on
 * @len: receives the bytes from @gpa to the end of the slot; 0 with NULL
 *
 * Return: as bf_memslots_hva().
 */
void *bf_memslots_span(const struct bf_memslots_snapshot *snapshot,
		       uint32_t space, uint64_t gpa, bool write, uint64_t *len);

/**
 * bf_memslots_iov - make a scatter list of a range that may cross slots
 * @len: the number of bytes
 * @iov: room for @max entries
 * @max: of @iov
 * @covered: receives the number of bytes from @gpa on that the list holds: all,
 *	or up to the first byte without memory (or read-only, with @write), or
 *	as many as @max entries hold; may be NULL
 *
 * Return: the number of entries.  Slots that are adjacent in the guest and in
 * this process share one.
 */
size_t bf_memslots_iov(const struct bf_memslots_snapshot *snapshot,
		       uint32_t space, uint64_t gpa, uint64_t len, bool write,
		       struct iovec *iov, size_t max, uint64_t *covered);

/**
 * bf_memslots_next - walk the slots of an address space, in order
 * @gpa: where to begin
 * @region: receives the slot that contains @gpa, or else the first behind it
 *
 * Return: false if there is none.  The next one is at guest_phys_addr +
 * memory_size or behind.
 */
bool bf_memslots_next(const struct bf_memslots_snapshot *snapshot,
		      uint32_t space, uint64_t gpa,
		      struct kvm_userspace_memory_region *region);

/**
 * bf_memslots_tag - find the tag of the slot at an address
 * @tag: receives the tag of the commit that added the slot
 *
 * A tag leads from guest memory to the object of the caller that stands for it,
 * such as a memory backend.  It stays with the slot when the slot is moved or
 * gets other flags.  The library does not use it.
 *
 * Return: 0; -ENOENT: no slot contains @gpa.
 */
int bf_memslots_tag(const struct bf_memslots_snapshot *snapshot, uint32_t space,
		    uint64_t gpa, void **tag);

/**
 * bf_memslots_gpa_of_hva - find the guest address of an address in this process
 * @hva: the address in this process
 * @gpa: receives the guest address, the lowest one if several slots have the
 *	memory
 *
 * For rare events, such as a memory failure (SIGBUS): it walks the slots, O(n).
 * Return: 0; -ENOENT: no slot of the space has this memory.
 */
int bf_memslots_gpa_of_hva(const struct bf_memslots_snapshot *snapshot,
			   uint32_t space, const void *hva, uint64_t *gpa);

/**
 * bf_memslots_snapshot_read - copy out of guest memory
 * bf_memslots_snapshot_write - copy into guest memory
 * bf_memslots_read, bf_memslots_write - the same in a snapshot of their own
 * @buf: the side of this process; may itself be guest memory
 * @len: the number of bytes, which may lie in several slots
 *
 * Return: the number of bytes copied: @len, or fewer if the guest has no memory
 * there or, for a write, read-only memory.  The copy is not atomic.  It may
 * block in page faults of the memory itself.
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

/**
 * bf_memslots_try_read - copy out of guest memory that may fault
 * bf_memslots_try_write - copy into guest memory that may fault
 * @buf: the side of this process; not the same memory
 * @len: the number of bytes, which may lie in several slots
 * @done: receives the number of bytes copied, on error as well
 *
 * bf_memslots_snapshot_read() and bf_memslots_snapshot_write() end the process
 * by a signal where a page cannot be had: its file was truncated, the page has
 * a memory error (MADV_HWPOISON), or it is mapped without the right.  These
 * functions stop before that page and return.  The bytes that @done counts are
 * copied, and their pages marked (bf_memslots_mark_dirty()).
 *
 * The kernel copies, by process_vm_readv(2) and process_vm_writev(2), so that
 * no handler of SIGBUS is needed, and those of the program stay.  That costs a
 * system call for each slot, and gettid(2) before it: `belfry bench memslots`
 * has small and large copies.  A seccomp filter must allow these calls.  Memory
 * that the kernel cannot pin, such as that of a device that VFIO maps, counts
 * as memory that faults.
 *
 * Return: 0; -EFAULT: a page of the guest's memory or of @buf cannot be had;
 * -ENOENT: the guest has no memory there or, for a write, read-only memory;
 * -ENOSYS, -EPERM: the kernel or a seccomp filter does not allow the call (a
 * filter that answers 0 counts as -EPERM); -ENOMEM.  Blocks as a page fault of
 * the memory does.
 */
int bf_memslots_try_read(const struct bf_memslots_snapshot *snapshot,
			 uint32_t space, uint64_t gpa, void *buf, size_t len,
			 size_t *done);
int bf_memslots_try_write(const struct bf_memslots_snapshot *snapshot,
			  uint32_t space, uint64_t gpa, const void *buf,
			  size_t len, size_t *done);

/**
 * bf_memslots_mark_dirty - mark pages that the caller has written by itself
 * @len: the number of bytes, which may lie in several slots
 *
 * For a device that writes to an address of bf_memslots_hva(), of a scatter
 * list or of a pin; the copies above mark their pages themselves.  Call it
 * after the write: before the snapshot is dropped in which the address was
 * found, or for a pin in any snapshot, before the pin ends.  A pin does not
 * follow a slot that is moved: pages that its holder wrote and has not marked
 * by then, the caller that moves the slot marks at their new address.
 *
 * Where the snapshot has no memory, the call looks at the present slots: KVM
 * may have refused to remove a slot that the snapshot lacks.
 *
 * Return: the number of bytes from @gpa on that writable memory holds.  Pages
 * of slots without KVM_MEM_LOG_DIRTY_PAGES count and need no mark.
 */
uint64_t bf_memslots_mark_dirty(const struct bf_memslots_snapshot *snapshot,
				uint32_t space, uint64_t gpa, uint64_t len);

/**
 * bf_memslots_get_dirty_log - get the pages of a slot that devices have written
 * @log: as for KVM_GET_DIRTY_LOG: the slot, with its space in the upper 16
 *	bits, and dirty_bitmap, which receives a bit for each page, the first
 *	page in bit 0 of the first word, in whole words of 64 bits
 *
 * The bitmap holds the pages that were marked since the last call, or with
 * KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE since bf_memslots_clear_dirty_log()
 * cleared them.  The caller adds it to the kernel's bitmap, which does not have
 * these pages.  A map that forwards does not call KVM_GET_DIRTY_LOG.
 *
 * A page is marked after it is written.  If this call returns the mark, then a
 * load behind the call (in manual mode, behind the clearing) sees the data that
 * was written before it.  A write beside the call is in the pages that the
 * caller reads then, or its mark is in a later bitmap, or both.  So the last
 * bitmap is complete if it is taken after the devices have stopped, in a way
 * that orders memory.
 *
 * The bitmap of a slot begins empty when the slot gets KVM_MEM_LOG_DIRTY_PAGES.
 * It stays with a slot that is moved or gets another tag, and goes with the
 * flag or the slot; its memory, a bit for each page, is freed after a grace
 * period.
 *
 * KVM forgets its own bitmap of a slot that the map removes from KVM and adds
 * again: to take back a transaction that KVM refuses, or to move the slot
 * between @pause and @resume.  The map then marks all pages of the slot, so the
 * bitmap of this call has those that the guest wrote.  A removal that KVM
 * refuses marks all pages as well, because a device could not mark meanwhile.
 *
 * Return: 0; -EINVAL: the slot or its space is out of range; -ENOENT: the slot
 * does not exist or has no KVM_MEM_LOG_DIRTY_PAGES.  May sleep while a change
 * is in progress, and does not wait for snapshots.  Takes time in proportion to
 * the size of the bitmap, and writers do not wait for it.
 */
int bf_memslots_get_dirty_log(struct bf_memslots *map,
			      const struct kvm_dirty_log *log);

/**
 * bf_memslots_clear_dirty_log - clear marks of pages
 * @log: as for KVM_CLEAR_DIRTY_LOG: the slot, first_page and num_pages, and
 *	dirty_bitmap with a bit for each of these pages: those set are cleared
 *
 * The caller reads the pages after this call.  Works in either mode.
 *
 * Return: 0; -ENOENT: as above; -EINVAL: the slot or its space is out of range;
 * first_page is not a multiple of 64; the pages are not all in the slot; or
 * num_pages is not a multiple of 64 and does not reach to the end of the slot.
 * May sleep while a change is in progress.
 */
int bf_memslots_clear_dirty_log(struct bf_memslots *map,
				const struct kvm_clear_dirty_log *log);

/** Guest memory that a device keeps using; see bf_memslots_pin(). */
struct bf_memslots_pinned;

/** Memory to pin, and its holder. */
struct bf_memslots_pin_desc {
	uint64_t gpa;
	uint64_t len; /* bytes, within one slot; 0 is taken for 1 */
	uint32_t space;
	bool write; /* the holder will write to the memory */
	/*
	 * The memory leaves its place.  Returns true if the holder does not use
	 * the memory any more: the pin then ends with this call.  Returns false
	 * if the holder still uses the memory: the holder stops soon, and calls
	 * bf_memslots_unpin(); the removal waits for that.
	 *
	 * Called at most once, by the thread that makes the change, under locks
	 * of the map: it may look up, but not change the map, pin or unpin, and
	 * should only set a flag or signal a thread.  It may run before
	 * bf_memslots_pin() has returned, but then @pinp and @hvap are set.
	 */
	bool (*revoke)(void *opaque);
	void *opaque;
	uint64_t reserved[4];
};

/**
 * bf_memslots_pin - keep guest memory until a removal asks for it
 * @desc: the memory and its holder
 * @pinp: receives the pin, for bf_memslots_unpin()
 * @hvap: receives the address of the memory, good until the pin ends
 *
 * For addresses that are used for longer than a snapshot should last, such as
 * those of a virtqueue.  A change of the map that leaves the memory at its
 * guest address does not concern the pin.  Any other change calls revoke(), and
 * is complete only when the pin has ended.  A use of the address costs nothing,
 * and neither does a lookup beside it.
 *
 * Return: 0; -ENOMEM; -EINVAL: no revoke(), or a reserved word is not 0;
 * -ENOENT: the memory is not within one slot, or @write and the slot is
 * read-only.  May sleep while another thread pins, unpins or revokes; does not
 * wait for KVM.  A removal calls revoke() for each pin of the map that it
 * concerns, and looks at all pins.
 */
int bf_memslots_pin(struct bf_memslots *map,
		    const struct bf_memslots_pin_desc *desc,
		    struct bf_memslots_pinned **pinp, void **hvap);

/**
 * bf_memslots_unpin - end a pin
 * @pin: of bf_memslots_pin(); revoke() did not return true for it
 *
 * After it has returned revoke() does not run and will not be called.  So it
 * may sleep while a revoke() of the map runs, and the caller must not hold a
 * lock that a revoke() of the map takes.  The thread that waits for a removal
 * must not be the one that is to unpin.
 */
void bf_memslots_unpin(struct bf_memslots_pinned *pin);

/** A listener of changes; see bf_memslots_listen(). */
struct bf_memslots_listener;

/** Callbacks of a listener; each may be NULL. */
struct bf_memslots_listener_desc {
	/*
	 * A transaction: begin() once, then remove() for each slot that left
	 * its place, then add() and flags() for the others, then commit() once.
	 * A slot that was moved, resized or got another tag is removed and
	 * added.  flags() tells that only flags differ; the region has the new
	 * ones.  The region is good during the call.
	 */
	void (*begin)(void *opaque);
	void (*remove)(void *opaque,
		       const struct kvm_userspace_memory_region *region,
		       void *tag);
	void (*add)(void *opaque,
		    const struct kvm_userspace_memory_region *region,
		    void *tag);
	void (*flags)(void *opaque,
		      const struct kvm_userspace_memory_region *region,
		      void *tag);
	void (*commit)(void *opaque);
	void *opaque;
	uint64_t reserved[4];
};

/**
 * bf_memslots_listen - follow the changes of a map, as vhost and VFIO do
 * @desc: the callbacks
 * @listenerp: receives the listener
 *
 * Before it returns, the listener gets the slots that exist, as one transaction
 * of additions; after that each transaction that changes a slot, in order, none
 * twice.  The thread that makes the change calls the callbacks, after KVM and
 * the readers have the change, before paused vCPUs resume, and before a removal
 * waits for readers.  So a table that commit() has replaced holds no memory of
 * a removed slot when the removal is complete, and a guest that was paused runs
 * on with the new table.
 *
 * A callback cannot refuse: KVM and other listeners have the change already,
 * and a removal must not fail.  A table with a limit checks it before the
 * transaction.  The callbacks run under the map's lock: they may sleep and look
 * up, but must not change the map, listen or unlisten, or take a lock that a
 * caller of these functions holds.  They must not wait for a removal.
 * The order of several listeners is undefined.
 *
 * Return: 0; -ENOMEM; -EINVAL: a reserved word is not 0.  May sleep while a
 * change is in progress.
 */
int bf_memslots_listen(struct bf_memslots *map,
		       const struct bf_memslots_listener_desc *desc,
		       struct bf_memslots_listener **listenerp);

/**
 * bf_memslots_unlisten - end a listener
 * @listener: of bf_memslots_listen()
 *
 * Waits for a transaction in progress.  After it has returned no callback runs
 * and none will be called; remove() is not called for the slots that exist.
 */
void bf_memslots_unlisten(struct bf_memslots_listener *listener);

/** Memory to put behind slots. */
struct bf_memslots_backing_desc {
	uint64_t size;	  /* bytes; rounded up to whole pages */
	const char *name; /* in /proc/PID/maps; NULL: "guest" */
	bool huge;	  /* huge pages; smaller ones if there are none */
	bool bind;	  /* to the NUMA node below */
	uint32_t node;
	uint64_t reserved[4];
};

/** The memory that bf_memslots_backing_create() made. */
struct bf_memslots_backing {
	void *hva;	    /* inaccessible pages before and behind */
	uint64_t size;	    /* whole pages */
	uint64_t page_size; /* of the file; with transparent huge pages the
			       smaller one */
	int fd;		    /* memfd(2), to share it; the library closes it */
};

/**
 * bf_memslots_backing_create - allocate memory for slots
 * @desc: the memory
 * @backing: filled in
 *
 * Makes shared memory of a memfd between two guard regions.  With @huge, the
 * memory has pages of hugetlbfs if enough of them are free; else the kernel is
 * asked for transparent ones.  Touches no page.
 *
 * Return: 0; -EINVAL: size 0 or too large, no such node, or a reserved word is
 * not 0; -ENOMEM, -EMFILE: out of memory or of descriptors; -ENOSYS: no memfd,
 * or no NUMA.  Sleeps as mmap(2) does.
 */
int bf_memslots_backing_create(const struct bf_memslots_backing_desc *desc,
			       struct bf_memslots_backing *backing);

/**
 * bf_memslots_backing_destroy - unmap and close
 * @backing: of bf_memslots_backing_create(); no slot has it any more
 */
void bf_memslots_backing_destroy(struct bf_memslots_backing *backing);

/**
 * bf_memslots_backing_prefault - allocate the pages before the guest runs
 * @backing: the memory; its contents are kept
 * @progress: called some hundred times with the number of bytes that are
 *	allocated, and of all; a result other than 0 ends the call; may be NULL
 * @opaque: for @progress
 *
 * Takes as long as the kernel takes to clear the memory.
 *
 * Return: 0;
 *   -ECANCELED  @progress ended it
 *   -ENOMEM     out of memory
 *   ...         another errno of madvise(2), MADV_POPULATE_WRITE
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
