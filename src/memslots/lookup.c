// SPDX-License-Identifier: MIT
/* What readers do: find, and copy.  No lock, no allocation, no system call. */
#include <string.h>

#include "memslots/memslots.h"

static __thread struct __bf_last_slot last_slot
	__attribute__((tls_model("initial-exec")));

_Static_assert(!offsetof(struct bf_memslots_view, generation),
	       "bf_memslots_hva() expects it there");

struct __bf_last_slot *__bf_memslots_last(void)
{
	return &last_slot;
}

/*
 * Makes the slot that holds gpa this thread's last; false: there is none.
 * The acquire orders the generation before the pages, against the release in
 * clear_mapping() of clear.c.  Without it a slot that is being removed could be
 * kept under the number that says that it is not there.
 */
static bool find_slot(const struct bf_memslots_view *view, uint32_t space,
		      uint64_t gpa)
{
	uint64_t generation =
		__atomic_load_n(&view->generation, __ATOMIC_ACQUIRE);
	const struct bf_mapping *mapping;
	uint64_t first, size;
	bool writable;

	mapping = bf_tree_find(bf_view_root(view, space), gpa >> BF_PAGE_SHIFT,
			       &first);
	if (!mapping)
		return false;
	writable = !(mapping->flags & KVM_MEM_READONLY);
#ifdef BF_MEMSLOTS_BREAK_READONLY
	writable = true;
#endif
	size = bf_mapping_pages(mapping) << BF_PAGE_SHIFT;
#ifdef BF_MEMSLOTS_BREAK_TOKEN
	generation = __atomic_load_n(&view->generation, __ATOMIC_RELAXED);
#endif
	last_slot = (struct __bf_last_slot){
		.token = generation + space,
		.gpa = first << BF_PAGE_SHIFT,
		.hva = mapping->hva,
		.size = {size, writable ? size : 0},
	};
	return true;
}

void *__bf_memslots_search(const struct bf_memslots_view *view, uint32_t space,
			   uint64_t gpa, uint64_t len, bool write)
{
	uint64_t offset, size;

	if (!find_slot(view, space, gpa))
		return NULL;
	offset = gpa - last_slot.gpa;
	size = last_slot.size[write];
	if (offset >= size || len > size - offset)
		return NULL;
	return (void *)(uintptr_t)(last_slot.hva + offset);
}

void *bf_memslots_span(const struct bf_memslots_snapshot *snapshot,
		       uint32_t space, uint64_t gpa, bool write, uint64_t *len)
{
	char *hva = bf_memslots_hva(snapshot, space, gpa, 1, write);

	/* What was found is this thread's last slot now. */
	*len = hva ? last_slot.size[0] - (gpa - last_slot.gpa) : 0;
	return hva;
}

uint64_t bf_memslots_generation(const struct bf_memslots_snapshot *snapshot)
{
	return __atomic_load_n(&snapshot->view->generation, __ATOMIC_RELAXED);
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
	uint64_t first, pages;

	do {
		mapping = bf_tree_next(bf_view_root(snapshot->view, space),
				       gpa >> BF_PAGE_SHIFT, &first);
		if (!mapping)
			return false;
		pages = bf_mapping_pages(mapping);
	} while (!pages); /* removed in place just now */
	*region = (struct kvm_userspace_memory_region){
		.slot = mapping->slot,
		.flags = mapping->flags,
		.guest_phys_addr = first << BF_PAGE_SHIFT,
		.memory_size = pages << BF_PAGE_SHIFT,
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
