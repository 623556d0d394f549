/* SPDX-License-Identifier: MIT */
/*
 * Guest memory: the slots of a bf_memslots map.  The engine reads the map in
 * snapshots.  A removal waits for the snapshots, so the caller may unmap the
 * memory after it.
 *
 * The engine holds no snapshot while it offers an exit or waits for the caller,
 * so an exit handler may change the slots.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "testing/trap/internal.h"
#include "memslots/memslots.h"

bool bf_trap_is_area(uint64_t at, uint64_t size)
{
	return at % BF_TRAP_PAGE == 0 && size % BF_TRAP_PAGE == 0 && size &&
	       size - 1 <= UINT64_MAX - at;
}

static bool overlaps(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a <= b ? b - a < a_size : a - b < b_size;
}

/* The map calls this after its own checks. */
static int set_slot(void *opaque,
		    const struct kvm_userspace_memory_region2 *slot)
{
	const struct bf_trap *trap = opaque;

	if (!slot->memory_size)
		return 0;
	if (overlaps(slot->guest_phys_addr, slot->memory_size, trap->mmio_gpa,
		     trap->mmio_size))
		return -EEXIST;
	if (mprotect((void *)(uintptr_t)slot->userspace_addr, slot->memory_size,
		     PROT_READ | PROT_WRITE | PROT_EXEC))
		return errno == ENOMEM ? -ENOMEM : -EINVAL;
	return 0;
}

/* Guest code does not use the map, so no vCPU must pause for a change. */
static void keep_running(void *opaque)
{
}

int bf_trap_memory_init(struct bf_trap *trap)
{
	const struct bf_memslots_config config = {
		.pause = keep_running,
		.resume = keep_running,
	};
	const struct bf_slots_guest guest = {set_slot, trap};

	return bf_slots_create(&trap->memslots, &config, &guest);
}

void bf_trap_memory_cleanup(struct bf_trap *trap)
{
	bf_memslots_destroy(trap->memslots);
}

uint64_t bf_trap_memory_addr(struct bf_trap *trap, uint64_t gpa)
{
	struct bf_memslots_snapshot snapshot;
	uint64_t addr;

	bf_memslots_take(trap->memslots, &snapshot);
	addr = (uintptr_t)bf_memslots_hva(&snapshot, 0, gpa, 1, false);
	bf_memslots_drop(&snapshot);
	return addr;
}

/* Returns how many of the len bytes at addr lie in one slot. */
static size_t bytes_at(const struct bf_memslots_snapshot *snapshot,
		       uint64_t addr, size_t len)
{
	struct kvm_userspace_memory_region slot;
	uint64_t gpa = 0, most = 0;

	while (most < len && bf_memslots_next(snapshot, 0, gpa, &slot)) {
		uint64_t offset = addr - slot.userspace_addr;

		if (offset < slot.memory_size &&
		    slot.memory_size - offset > most)
			most = slot.memory_size - offset;
		gpa = slot.guest_phys_addr + slot.memory_size;
	}
	return most < len ? most : len;
}

bool bf_trap_is_memory(struct bf_trap *trap, uint64_t addr, size_t len)
{
	struct bf_memslots_snapshot snapshot;
	bool ret;

	bf_memslots_take(trap->memslots, &snapshot);
	ret = bytes_at(&snapshot, addr, len) == len;
	bf_memslots_drop(&snapshot);
	return ret;
}

size_t bf_trap_peek(struct bf_trap *trap, uint64_t addr, void *buf, size_t len)
{
	struct bf_memslots_snapshot snapshot;

	bf_memslots_take(trap->memslots, &snapshot);
	len = bytes_at(&snapshot, addr, len);
	if (len)
		memcpy(buf, (const void *)addr, len);
	bf_memslots_drop(&snapshot);
	return len;
}

bool bf_trap_copy(struct bf_trap *trap, uint64_t addr, void *buf, size_t len,
		  bool write)
{
	struct bf_memslots_snapshot snapshot;
	bool ret;

	bf_memslots_take(trap->memslots, &snapshot);
	ret = bytes_at(&snapshot, addr, len) == len;
	if (ret && write)
		memcpy((void *)addr, buf, len);
	else if (ret)
		memcpy(buf, (const void *)addr, len);
	bf_memslots_drop(&snapshot);
	return ret;
}
