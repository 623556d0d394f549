// SPDX-License-Identifier: MIT
/* What readers do: find, and copy.  No lock, no allocation, no system call. */
#include <string.h>

#include "memslots/memslots.h"

/*
 * The slot that this thread found last.  It is good for one address space of
 * one view: the token is the view's generation plus the space's number.
 * Generations are never used twice in a process, and step by
 * BF_MEMSLOTS_SPACES, so nothing else ever has the same token; and a view does
 * not change.  So the comparison needs no ordering: equal tokens mean that the
 * rest was read from the very view that the caller's snapshot keeps, whatever
 * was published meanwhile, by whichever map.
 */
struct last_slot {
	uint64_t token; /* 0: nothing yet */
	uint64_t gpa;
	uint64_t size;
	uint64_t hva;
	uint32_t flags;
};

static __thread struct last_slot last_slot
	__attribute__((tls_model("initial-exec")));

static bool find_slot(const struct bf_memslots_view *view, uint32_t space,
		      uint64_t gpa)
{
	const struct bf_mapping *mapping;
	struct last_slot *last = &last_slot;
	uint64_t first;

	mapping = bf_tree_find(bf_view_root(view, space), gpa >> BF_PAGE_SHIFT,
			       &first);
	if (!mapping)
		return false;
	last->token = view->generation + space;
	last->gpa = first << BF_PAGE_SHIFT;
	last->size = mapping->pages << BF_PAGE_SHIFT;
	last->hva = mapping->hva;
	last->flags = mapping->flags;
	return true;
}

/* The slot that holds gpa: NULL where there is none, or it may not be used. */
static inline const struct last_slot *
look_up(const struct bf_memslots_view *view, uint32_t space, uint64_t gpa,
	bool write)
{
	const struct last_slot *last = &last_slot;

	/* Without the check a space of 16 would be the next view's space 0. */
	if (unlikely(space >= view->spaces))
		return NULL;
	if (last->token != view->generation + space ||
	    gpa - last->gpa >= last->size) {
		if (!find_slot(view, space, gpa))
			return NULL;
	}
	return write && last->flags & KVM_MEM_READONLY ? NULL : last;
}

uint64_t bf_memslots_generation(const struct bf_memslots_snapshot *snapshot)
{
	return snapshot->view->generation;
}

void *bf_memslots_hva(const struct bf_memslots_snapshot *snapshot,
		      uint32_t space, uint64_t gpa, uint64_t len, bool write)
{
	const struct last_slot *last =
		look_up(snapshot->view, space, gpa, write);
	uint64_t offset;

	if (!last)
		return NULL;
	offset = gpa - last->gpa;
	if (len > last->size - offset)
		return NULL;
	return (void *)(uintptr_t)(last->hva + offset);
}

void *bf_memslots_span(const struct bf_memslots_snapshot *snapshot,
		       uint32_t space, uint64_t gpa, bool write, uint64_t *len)
{
	const struct last_slot *last =
		look_up(snapshot->view, space, gpa, write);
	uint64_t offset;

	*len = 0;
	if (!last)
		return NULL;
	offset = gpa - last->gpa;
	*len = last->size - offset;
	return (void *)(uintptr_t)(last->hva + offset);
}

/* At most len bytes from gpa on that are in one piece. */
static void *find_piece(const struct bf_memslots_snapshot *snapshot,
			uint32_t space, uint64_t gpa, uint64_t len, bool write,
			uint64_t *piece)
{
	void *hva = bf_memslots_span(snapshot, space, gpa, write, piece);

	if (*piece > len)
		*piece = len;
	return hva;
}

/* Appends to the list, or to its last entry; false: it is full. */
static bool add_piece(struct iovec *iov, size_t *count, size_t max, void *hva,
		      uint64_t len)
{
	struct iovec *last = *count ? &iov[*count - 1] : NULL;

	if (last && (char *)last->iov_base + last->iov_len == hva) {
		last->iov_len += len;
		return true;
	}
	if (*count == max)
		return false;
	iov[(*count)++] = (struct iovec){.iov_base = hva, .iov_len = len};
	return true;
}

/*
 * gpa + done does not wrap: what has been covered lies in slots, and none
 * reaches the end of the address space.
 */
size_t bf_memslots_iov(const struct bf_memslots_snapshot *snapshot,
		       uint32_t space, uint64_t gpa, uint64_t len, bool write,
		       struct iovec *iov, size_t max, uint64_t *covered)
{
	uint64_t done = 0, piece;
	size_t count = 0;
	void *hva;

	while (done < len) {
		hva = find_piece(snapshot, space, gpa + done, len - done, write,
				 &piece);
		if (!hva || !add_piece(iov, &count, max, hva, piece))
			break;
		done += piece;
	}
	if (covered)
		*covered = done;
	return count;
}

bool bf_memslots_next(const struct bf_memslots_snapshot *snapshot,
		      uint32_t space, uint64_t gpa,
		      struct kvm_userspace_memory_region *region)
{
	const struct bf_mapping *mapping;
	uint64_t first;

	mapping = bf_tree_next(bf_view_root(snapshot->view, space),
			       gpa >> BF_PAGE_SHIFT, &first);
	if (!mapping)
		return false;
	*region = (struct kvm_userspace_memory_region){
		.slot = mapping->slot,
		.flags = mapping->flags,
		.guest_phys_addr = first << BF_PAGE_SHIFT,
		.memory_size = mapping->pages << BF_PAGE_SHIFT,
		.userspace_addr = mapping->hva,
	};
	return true;
}

/*
 * Copies between buf and guest memory, which may overlap: a guest can have a
 * device copy from its memory to its memory.
 */
static size_t copy(const struct bf_memslots_snapshot *snapshot, uint32_t space,
		   uint64_t gpa, char *buf, size_t len, bool write)
{
	uint64_t piece;
	size_t done;
	void *hva;

	for (done = 0; done < len; done += piece) {
		hva = find_piece(snapshot, space, gpa + done, len - done, write,
				 &piece);
		if (!hva)
			break;
		if (write)
			memmove(hva, buf + done, piece);
		else
			memmove(buf + done, hva, piece);
	}
	return done;
}

size_t bf_memslots_snapshot_read(const struct bf_memslots_snapshot *snapshot,
				 uint32_t space, uint64_t gpa, void *buf,
				 size_t len)
{
	return copy(snapshot, space, gpa, buf, len, false);
}

size_t bf_memslots_snapshot_write(const struct bf_memslots_snapshot *snapshot,
				  uint32_t space, uint64_t gpa, const void *buf,
				  size_t len)
{
	return copy(snapshot, space, gpa, (char *)(uintptr_t)buf, len, true);
}

size_t bf_memslots_read(struct bf_memslots *map, uint32_t space, uint64_t gpa,
			void *buf, size_t len)
{
	struct bf_memslots_snapshot snapshot;
	size_t done;

	bf_memslots_take(map, &snapshot);
	done = bf_memslots_snapshot_read(&snapshot, space, gpa, buf, len);
	bf_memslots_drop(&snapshot);
	return done;
}

size_t bf_memslots_write(struct bf_memslots *map, uint32_t space, uint64_t gpa,
			 const void *buf, size_t len)
{
	struct bf_memslots_snapshot snapshot;
	size_t done;

	bf_memslots_take(map, &snapshot);
	done = bf_memslots_snapshot_write(&snapshot, space, gpa, buf, len);
	bf_memslots_drop(&snapshot);
	return done;
}
