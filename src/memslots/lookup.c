// SPDX-License-Identifier: MIT
/* Lookups and copies: no lock, no allocation, no system call. */
#include <errno.h>
#include <string.h>

#include "memslots/memslots.h"

/* A part of a slot: where it is, and how far the slot goes on. */
struct piece {
	void *hva; /* NULL: no memory, or it may not be written */
	uint64_t len;
};

/* The slot that holds len bytes; entry NULL: none, or it may not be written. */
static inline __attribute__((always_inline)) struct bf_span_hit
find_slot(const struct bf_memslots_view *view, uint32_t space, uint64_t gpa,
	  uint64_t len, bool write)
{
	struct bf_span_hit hit = bf_span_find(
		bf_view_root(view, space), sizeof(struct bf_mapping), gpa, len);

	if (hit.entry && write &&
	    bf_mapping_of(hit.entry)->flags & KVM_MEM_READONLY)
		hit.entry = NULL;
	return hit;
}

static void *hit_hva(struct bf_span_hit hit)
{
	return (void *)(uintptr_t)(bf_mapping_of(hit.entry)->hva + hit.offset);
}

static inline struct piece find_piece(const struct bf_memslots_view *view,
				      uint32_t space, uint64_t gpa,
				      uint64_t len, bool write)
{
	const struct bf_span_hit hit = find_slot(view, space, gpa, len, write);

	if (!hit.entry)
		return (struct piece){NULL, 0};
	return (struct piece){
		.hva = hit_hva(hit),
		.len = hit.size - hit.offset,
	};
}

void *bf_memslots_hva(const struct bf_memslots_snapshot *snapshot,
		      uint32_t space, uint64_t gpa, uint64_t len, bool write)
{
	return find_piece(snapshot->view, space, gpa, len ? len : 1, write).hva;
}

void *bf_memslots_span(const struct bf_memslots_snapshot *snapshot,
		       uint32_t space, uint64_t gpa, bool write, uint64_t *len)
{
	const struct piece piece =
		find_piece(snapshot->view, space, gpa, 1, write);

	*len = piece.len;
	return piece.hva;
}

/* The part of at most len bytes from gpa on; entry NULL: there is none. */
static struct bf_span_hit find_target(const struct bf_memslots_view *view,
				      uint32_t space, uint64_t gpa,
				      uint64_t len, bool write, size_t *part)
{
	const struct bf_span_hit hit = find_slot(view, space, gpa, 1, write);

	*part = hit.size - hit.offset < len ? hit.size - hit.offset : len;
	return hit;
}

/* The same, as a piece. */
static struct piece find_part(const struct bf_memslots_snapshot *snapshot,
			      uint32_t space, uint64_t gpa, uint64_t len,
			      bool write)
{
	size_t part;
	const struct bf_span_hit hit =
		find_target(snapshot->view, space, gpa, len, write, &part);

	if (!hit.entry)
		return (struct piece){NULL, 0};
	return (struct piece){hit_hva(hit), part};
}

/* Appends to the list, or to its last entry; false: the list is full. */
static bool iov_append(struct iovec *iov, size_t *count, size_t max,
		       struct piece piece)
{
	struct iovec *last = *count ? &iov[*count - 1] : NULL;

	if (last && (char *)last->iov_base + last->iov_len == piece.hva) {
		last->iov_len += piece.len;
		return true;
	}
	if (*count == max)
		return false;
	iov[(*count)++] = (struct iovec){piece.hva, piece.len};
	return true;
}

/*
 * gpa + done does not wrap: the bytes before it lie in slots, and no slot has
 * the last page.
 */
size_t bf_memslots_iov(const struct bf_memslots_snapshot *snapshot,
		       uint32_t space, uint64_t gpa, uint64_t len, bool write,
		       struct iovec *iov, size_t max, uint64_t *covered)
{
	struct piece piece;
	uint64_t done = 0;
	size_t count = 0;

	while (done < len) {
		piece = find_part(snapshot, space, gpa + done, len - done,
				  write);
		if (!piece.hva || !iov_append(iov, &count, max, piece))
			break;
		done += piece.len;
	}
	if (covered)
		*covered = done;
	return count;
}

bool bf_memslots_next(const struct bf_memslots_snapshot *snapshot,
		      uint32_t space, uint64_t gpa,
		      struct kvm_userspace_memory_region *region)
{
	struct bf_span_entry *entry;
	struct bf_span span;

	entry = bf_span_next(bf_view_root(snapshot->view, space), gpa, &span);
	if (entry)
		*region = bf_mapping_region(bf_mapping_of(entry), span);
	return entry;
}

int bf_memslots_gpa_of_hva(const struct bf_memslots_snapshot *snapshot,
			   uint32_t space, const void *hva, uint64_t *gpa)
{
	struct kvm_userspace_memory_region region;
	uint64_t offset, next = 0;

	while (bf_memslots_next(snapshot, space, next, &region)) {
		offset = (uintptr_t)hva - region.userspace_addr;
		if (offset < region.memory_size) {
			*gpa = region.guest_phys_addr + offset;
			return 0;
		}
		/* Does not wrap: no slot has the last page. */
		next = region.guest_phys_addr + region.memory_size;
	}
	return -ENOENT;
}

int bf_memslots_tag(const struct bf_memslots_snapshot *snapshot, uint32_t space,
		    uint64_t gpa, void **tag)
{
	const struct bf_span_hit hit =
		bf_span_find(bf_view_root(snapshot->view, space),
			     sizeof(struct bf_mapping), gpa, 1);
	const struct bf_mapping *mapping;

	if (!hit.entry)
		return -ENOENT;
	mapping = bf_mapping_of(hit.entry);
	*tag = bf_mapping_logs(mapping) ? bf_dirty_tag(mapping->dirty) :
					  mapping->tag;
	return 0;
}

static void hit_mark(struct bf_span_hit hit, uint64_t len)
{
	const struct bf_mapping *mapping = bf_mapping_of(hit.entry);

	if (bf_mapping_logs(mapping))
		bf_dirty_mark(mapping->dirty, hit.offset, len);
}

/*
 * A slot that the snapshot has lost, or never had: the guest has refused the
 * removal, and the slot is back.  The fence orders the caller's stores to the
 * pages before the loads of the view and of the slot's size here, against the
 * fence in bf_dirty_mark_all(), which has the failure.
 */
static struct bf_span_hit find_returned(const struct bf_memslots *map,
					uint32_t space, uint64_t gpa,
					uint64_t len, size_t *part)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return find_target(bf_srcu_dereference(map->view, &map->srcu), space,
			   gpa, len, true, part);
}

uint64_t bf_memslots_mark_dirty(const struct bf_memslots_snapshot *snapshot,
				uint32_t space, uint64_t gpa, uint64_t len)
{
	struct bf_span_hit hit;
	uint64_t done;
	size_t part;

	for (done = 0; done < len; done += part) {
		hit = find_target(snapshot->view, space, gpa + done, len - done,
				  true, &part);
		if (!hit.entry)
			hit = find_returned(snapshot->map, space, gpa + done,
					    len - done, &part);
		if (!hit.entry)
			break;
		hit_mark(hit, part);
	}
	return done;
}

static void hit_copy(struct bf_span_hit hit, char *buf, size_t len, bool write)
{
	if (!write) {
		memmove(buf, hit_hva(hit), len);
		return;
	}
	memmove(hit_hva(hit), buf, len);
	hit_mark(hit, len);
}

/*
 * Copies between buf and guest memory.  They may overlap: a guest can make a
 * device copy from guest memory to guest memory.
 */
static size_t copy(const struct bf_memslots_snapshot *snapshot, uint32_t space,
		   uint64_t gpa, char *buf, size_t len, bool write)
{
	struct bf_span_hit hit;
	size_t done, part;

	for (done = 0; done < len; done += part) {
		hit = find_target(snapshot->view, space, gpa + done, len - done,
				  write, &part);
		if (!hit.entry)
			break;
		hit_copy(hit, buf + done, part, write);
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

static size_t copy_now(struct bf_memslots *map, uint32_t space, uint64_t gpa,
		       char *buf, size_t len, bool write)
{
	struct bf_memslots_snapshot snapshot;
	size_t done;

	bf_memslots_take(map, &snapshot);
	done = copy(&snapshot, space, gpa, buf, len, write);
	bf_memslots_drop(&snapshot);
	return done;
}

size_t bf_memslots_read(struct bf_memslots *map, uint32_t space, uint64_t gpa,
			void *buf, size_t len)
{
	return copy_now(map, space, gpa, buf, len, false);
}

size_t bf_memslots_write(struct bf_memslots *map, uint32_t space, uint64_t gpa,
			 const void *buf, size_t len)
{
	return copy_now(map, space, gpa, (char *)(uintptr_t)buf, len, true);
}
