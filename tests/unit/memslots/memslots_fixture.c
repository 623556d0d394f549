// SPDX-License-Identifier: MIT
/* A map for each test, and host memory for its slots. */
#include <stdlib.h>
#include <string.h>

#include "memslots_fixture.h"

struct bf_memslots *map;
char *memory;

int map_setup(void **state)
{
	memory = aligned_alloc(PAGE, 16 * PAGE);
	memset(memory, 0, 16 * PAGE);
	return !memory || bf_memslots_create(NULL, &map);
}

int map_teardown(void **state)
{
	bf_memslots_destroy(map);
	free(memory);
	return 0;
}

struct kvm_userspace_memory_region region(uint32_t slot, uint64_t gpa,
					  uint64_t pages, uint64_t at)
{
	return (struct kvm_userspace_memory_region){
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = pages * PAGE,
		.userspace_addr = (uintptr_t)memory + at * PAGE,
	};
}

int set(uint32_t slot, uint64_t gpa, uint64_t pages, uint64_t at)
{
	const struct kvm_userspace_memory_region change =
		region(slot, gpa, pages, at);

	return bf_memslots_set(map, &change);
}

void *find(uint64_t gpa, uint64_t len, bool write)
{
	struct bf_memslots_snapshot snapshot;
	void *hva;

	bf_memslots_take(map, &snapshot);
	hva = bf_memslots_hva(&snapshot, 0, gpa, len, write);
	bf_memslots_drop(&snapshot);
	return hva;
}
