/* SPDX-License-Identifier: MIT */
/*
 * The trap engine's guest memory: a table of regions that is never changed,
 * only replaced.  Traps look at it inside sections of trap->srcu; who replaced
 * it waits until none looks at the old one any more, so the caller may unmap
 * what was forgotten.
 *
 * No section is open while an exit is offered or waits for its caller, so an
 * exit handler may replace the table too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/trap_internal.h"

bool bf_trap_is_area(uint64_t at, uint64_t size)
{
	return at % BF_TRAP_PAGE == 0 && size % BF_TRAP_PAGE == 0 && size &&
	       size - 1 <= UINT64_MAX - at;
}

static bool overlaps(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a <= b ? b - a < a_size : a - b < b_size;
}

int bf_trap_memory_init(struct bf_trap *trap)
{
	int ret;

	trap->memory = calloc(1, sizeof(*trap->memory));
	if (!trap->memory)
		return -ENOMEM;
	ret = init_srcu_struct(&trap->srcu);
	if (ret) {
		free(trap->memory);
		return ret;
	}
	pthread_mutex_init(&trap->lock, NULL);
	return 0;
}

/*
 * No callback is ever queued, and who replaced the table waited for its grace
 * period: nothing of the domain is in progress.
 */
void bf_trap_memory_cleanup(struct bf_trap *trap)
{
	cleanup_srcu_struct(&trap->srcu);
	pthread_mutex_destroy(&trap->lock);
	free(trap->memory);
}

/* Changes. */

static struct bf_trap_region *find_gpa(struct bf_trap_memory *memory,
				       uint64_t gpa)
{
	size_t i;

	for (i = 0; i < memory->count; i++)
		if (memory->regions[i].gpa == gpa)
			return &memory->regions[i];
	return NULL;
}

/* By the window, or by a region other than @own. */
static bool is_taken(const struct bf_trap *trap,
		     const struct bf_trap_memory *memory,
		     const struct bf_trap_region *own, uint64_t gpa,
		     uint64_t size)
{
	const struct bf_trap_region *region = memory->regions;
	size_t i;

	if (overlaps(gpa, size, trap->mmio_gpa, trap->mmio_size))
		return true;
	for (i = 0; i < memory->count; i++, region++)
		if (region != own &&
		    overlaps(gpa, size, region->gpa, region->size))
			return true;
	return false;
}

static int add_region(struct bf_trap *trap, struct bf_trap_memory *memory,
		      uint64_t gpa, uint64_t size, void *hva)
{
	if (is_taken(trap, memory, NULL, gpa, size))
		return -EEXIST;
	if (mprotect(hva, size, PROT_READ | PROT_WRITE | PROT_EXEC))
		return errno == ENOMEM ? -ENOMEM : -EINVAL;
	memory->regions[memory->count++] = (struct bf_trap_region){
		.gpa = gpa,
		.size = size,
		.hva = hva,
	};
	return 0;
}

static int forget_region(struct bf_trap_memory *memory, uint64_t gpa)
{
	struct bf_trap_region *region = find_gpa(memory, gpa);

	if (!region)
		return -ENOENT;
	*region = memory->regions[--memory->count];
	return 0;
}

static int move_region(struct bf_trap *trap, struct bf_trap_memory *memory,
		       uint64_t gpa, uint64_t to)
{
	struct bf_trap_region *region = find_gpa(memory, gpa);

	if (!region)
		return -ENOENT;
	if (!bf_trap_is_area(to, region->size))
		return -EINVAL;
	if (is_taken(trap, memory, region, to, region->size))
		return -EEXIST;
	region->gpa = to;
	return 0;
}

/*
 * Takes the lock and copies the table, with room for one region more; NULL,
 * without the lock, when out of memory.
 */
static struct bf_trap_memory *begin_change(struct bf_trap *trap)
{
	struct bf_trap_memory *memory;
	size_t size;

	pthread_mutex_lock(&trap->lock);
	size = sizeof(*memory) +
	       trap->memory->count * sizeof(memory->regions[0]);
	memory = malloc(size + sizeof(memory->regions[0]));
	if (memory)
		memcpy(memory, trap->memory, size);
	else
		pthread_mutex_unlock(&trap->lock);
	return memory;
}

/* Publishes the copy, or drops it if it could not be changed as wanted. */
static int end_change(struct bf_trap *trap, struct bf_trap_memory *memory,
		      int ret)
{
	struct bf_trap_memory *unused = ret ? memory : trap->memory;

	/*
	 * A release: orders the regions before the table's address, for
	 * srcu_dereference() in the readers below.  Without it a trap could
	 * take what malloc() left there for a region.
	 */
	if (!ret)
		srcu_assign_pointer(trap->memory, memory);
	pthread_mutex_unlock(&trap->lock);
	if (!ret)
		synchronize_srcu_expedited(&trap->srcu);
	free(unused);
	return ret;
}

int bf_trap_map(struct bf_trap *trap, uint64_t gpa, uint64_t size, void *hva)
{
	struct bf_trap_memory *memory;
	int ret;

	if (size && (!bf_trap_is_area(gpa, size) ||
		     !bf_trap_is_area((uintptr_t)hva, size)))
		return -EINVAL;
	memory = begin_change(trap);
	if (!memory)
		return -ENOMEM;
	ret = size ? add_region(trap, memory, gpa, size, hva) :
		     forget_region(memory, gpa);
	return end_change(trap, memory, ret);
}

int bf_trap_move(struct bf_trap *trap, uint64_t gpa, uint64_t to)
{
	struct bf_trap_memory *memory = begin_change(trap);

	if (!memory)
		return -ENOMEM;
	return end_change(trap, memory, move_region(trap, memory, gpa, to));
}

/* Readers: in a signal handler that guest code fell into, or anywhere. */

/* The host address of guest memory at gpa, or 0; the window is none. */
uint64_t bf_trap_memory_addr(struct bf_trap *trap, uint64_t gpa)
{
	int idx = srcu_read_lock(&trap->srcu);
	const struct bf_trap_memory *memory =
		srcu_dereference(trap->memory, &trap->srcu);
	uint64_t addr = 0;
	size_t i;

	for (i = 0; i < memory->count && !addr; i++) {
		const struct bf_trap_region *region = &memory->regions[i];

		if (gpa - region->gpa < region->size)
			addr = (uintptr_t)region->hva + (gpa - region->gpa);
	}
	srcu_read_unlock(&trap->srcu, idx);
	return addr;
}

/* How many bytes from addr on, at most len, are of one region. */
static size_t bytes_at(const struct bf_trap_memory *memory, uint64_t addr,
		       size_t len)
{
	size_t most = 0;
	size_t i;

	for (i = 0; i < memory->count && most < len; i++) {
		const struct bf_trap_region *region = &memory->regions[i];
		uint64_t offset = addr - (uintptr_t)region->hva;

		if (offset < region->size && region->size - offset > most)
			most = region->size - offset;
	}
	return most < len ? most : len;
}

bool bf_trap_is_memory(struct bf_trap *trap, uint64_t addr, size_t len)
{
	int idx = srcu_read_lock(&trap->srcu);
	bool ret = bytes_at(srcu_dereference(trap->memory, &trap->srcu), addr,
			    len) == len;

	srcu_read_unlock(&trap->srcu, idx);
	return ret;
}

size_t bf_trap_peek(struct bf_trap *trap, uint64_t addr, void *buf, size_t len)
{
	int idx = srcu_read_lock(&trap->srcu);

	len = bytes_at(srcu_dereference(trap->memory, &trap->srcu), addr, len);
	if (len)
		memcpy(buf, (const void *)addr, len);
	srcu_read_unlock(&trap->srcu, idx);
	return len;
}

bool bf_trap_copy(struct bf_trap *trap, uint64_t addr, void *buf, size_t len,
		  bool write)
{
	int idx = srcu_read_lock(&trap->srcu);
	bool ret = bytes_at(srcu_dereference(trap->memory, &trap->srcu), addr,
			    len) == len;

	if (ret && write)
		memcpy((void *)addr, buf, len);
	else if (ret)
		memcpy(buf, (const void *)addr, len);
	srcu_read_unlock(&trap->srcu, idx);
	return ret;
}
