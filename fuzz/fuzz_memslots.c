// SPDX-License-Identifier: MIT
/*
 * The memory slots against their model (tests/model/memslots/): changes,
 * transactions, lookups, copies and dirty logs.  Guest memory is real, and a
 * second copy of it gets each write by way of the model.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/util.h"
#include "belfry/memslots.h"
#include "fuzz.h"
#include "tests/model/memslots/memslots_model.h"

#define PAGES	    32 /* of guest memory in this process */
#define MOST_PAGES  8  /* of a slot */
#define PAGE	    4096
#define TRANSACTION 4
#define MOST_COPY   (3 * PAGE)

static uint8_t *memory;		     /* of the slots */
static uint8_t shadow[PAGES * PAGE]; /* what the model says of it */
static struct bf_memslots *map;
static struct model model;
static uint64_t dirty[2][MODEL_SLOTS]; /* the log of each slot */

static void check(bool good)
{
	if (!good)
		abort();
}

static uint64_t next_gpa(struct fuzz_input *input)
{
	return fuzz_next(input) % 64 * PAGE + fuzz_next(input) * 17;
}

/* Mostly a valid change, of one of 8 slots in one of 2 spaces. */
static struct kvm_userspace_memory_region next_change(struct fuzz_input *input)
{
	unsigned int what = fuzz_next(input), slot = fuzz_next(input);
	struct kvm_userspace_memory_region change = {
		.slot = (slot & 8 ? 1U << 16 : 0) | slot % 8,
		.flags = (what & 1 ? KVM_MEM_READONLY : 0) |
			 (what & 2 ? KVM_MEM_LOG_DIRTY_PAGES : 0),
		.guest_phys_addr = fuzz_next(input) % 64 * PAGE,
		.memory_size = fuzz_next(input) % (MOST_PAGES + 1) * PAGE,
		.userspace_addr =
			(uintptr_t)memory +
			fuzz_next(input) % (PAGES - MOST_PAGES) * PAGE,
	};

	if (what % 16 == 15)
		change.guest_phys_addr += fuzz_next(input);
	if (what % 16 == 13)
		change.slot += fuzz_next(input);
	return change;
}

static bool logs(const struct kvm_userspace_memory_region *slot)
{
	return slot->memory_size && slot->flags & KVM_MEM_LOG_DIRTY_PAGES;
}

/* A slot that logs before and after keeps its log with its memory. */
static bool keeps_log(const struct kvm_userspace_memory_region *old,
		      const struct kvm_userspace_memory_region *now)
{
	return logs(old) && logs(now) &&
	       old->userspace_addr == now->userspace_addr &&
	       old->memory_size == now->memory_size &&
	       !((old->flags ^ now->flags) & KVM_MEM_READONLY);
}

static void follow_logs(const struct model *before)
{
	uint32_t space, i;

	for (space = 0; space < 2; space++)
		for (i = 0; i < MODEL_SLOTS; i++)
			if (!keeps_log(&before->slots[space][i],
				       &model.slots[space][i]))
				dirty[space][i] = 0;
}

static void set_one(struct fuzz_input *input)
{
	const struct kvm_userspace_memory_region change = next_change(input);
	const struct model before = model;

	check(bf_memslots_set(map, &change) == model_set(&model, &change));
	follow_logs(&before);
}

/* All changes or none. */
static void commit_some(struct fuzz_input *input)
{
	struct kvm_userspace_memory_region changes[TRANSACTION];
	const struct model before = model;
	size_t i, count = 1 + fuzz_next(input) % TRANSACTION;
	int ret = 0;

	for (i = 0; i < count; i++)
		changes[i] = next_change(input);
	for (i = 0; i < count && !ret; i++)
		ret = model_set(&model, &changes[i]);
	if (ret)
		model = before;
	check(bf_memslots_commit(map, changes, NULL, count, NULL) == ret);
	follow_logs(&before);
}

/* The byte of the shadow at a guest address that the model knows. */
static uint8_t *shadow_at(uint32_t space, uint64_t gpa)
{
	const struct kvm_userspace_memory_region *slot =
		model_find(&model, space, gpa);

	check(slot);
	return shadow + (slot->userspace_addr - (uintptr_t)memory) +
	       (gpa - slot->guest_phys_addr);
}

static void mark_page(uint32_t space, uint64_t gpa)
{
	const struct kvm_userspace_memory_region *slot =
		model_find(&model, space, gpa);

	if (logs(slot))
		dirty[space][slot->slot & 0xffff] |=
			1ULL << (gpa - slot->guest_phys_addr) / PAGE;
}

static void write_some(struct fuzz_input *input)
{
	const uint64_t gpa = next_gpa(input);
	const uint32_t space = fuzz_next(input) % 3;
	const size_t len = fuzz_next(input) * 48;
	uint8_t bytes[MOST_COPY];
	size_t i, done;

	memset(bytes, (int)fuzz_next(input), sizeof(bytes));
	done = bf_memslots_write(map, space, gpa, bytes, len);
	check(done == model_reach(&model, space, gpa, len, true));
	for (i = 0; i < done; i++) {
		*shadow_at(space, gpa + i) = bytes[i];
		mark_page(space, gpa + i);
	}
	check(!memcmp(memory, shadow, sizeof(shadow)));
}

static void read_some(struct fuzz_input *input)
{
	const uint64_t gpa = next_gpa(input);
	const uint32_t space = fuzz_next(input) % 3;
	const size_t len = fuzz_next(input) * 48;
	uint8_t bytes[MOST_COPY];
	size_t i, done;

	done = bf_memslots_read(map, space, gpa, bytes, len);
	check(done == model_reach(&model, space, gpa, len, false));
	for (i = 0; i < done; i++)
		check(bytes[i] == *shadow_at(space, gpa + i));
}

static void take_log(uint32_t space, uint32_t number)
{
	uint64_t bitmap = 0;
	const struct kvm_dirty_log log = {
		.slot = space << 16 | number,
		.dirty_bitmap = &bitmap,
	};
	int ret = bf_memslots_get_dirty_log(map, &log);

	if (space >= 2) {
		check(ret == -EINVAL);
		return;
	}
	check(ret == (logs(&model.slots[space][number]) ? 0 : -ENOENT));
	check(bitmap == dirty[space][number]);
	dirty[space][number] = 0;
}

static void look_up(struct fuzz_input *input)
{
	const uint64_t gpa = next_gpa(input);
	const uint32_t space = fuzz_next(input) % 3;
	const struct kvm_userspace_memory_region *slot =
		model_find(&model, space, gpa);
	struct kvm_userspace_memory_region region;
	struct bf_memslots_snapshot snapshot;
	uint64_t span;

	bf_memslots_take(map, &snapshot);
	check((uintptr_t)bf_memslots_span(&snapshot, space, gpa, false,
					  &span) ==
	      (slot ? slot->userspace_addr + (gpa - slot->guest_phys_addr) :
		      0));
	check(span ==
	      (slot ? slot->guest_phys_addr + slot->memory_size - gpa : 0));
	slot = model_next(&model, space, gpa);
	check(bf_memslots_next(&snapshot, space, gpa, &region) == !!slot);
	check(!slot || !memcmp(&region, slot, sizeof(region)));
	bf_memslots_drop(&snapshot);
	take_log(space, (uint32_t)(gpa / PAGE % 8));
}

static void set_up(void)
{
	const struct bf_memslots_config config = {
		.spaces = 2,
		.slots = MODEL_SLOTS,
	};
	uint32_t space, i;

	if (!memory)
		memory = mmap(NULL, sizeof(shadow), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(memory != MAP_FAILED);
	memset(memory, 0, sizeof(shadow));
	memset(shadow, 0, sizeof(shadow));
	memset(&model, 0, sizeof(model));
	memset(dirty, 0, sizeof(dirty));
	model.spaces = 2;
	for (space = 0; space < 2; space++)
		for (i = 0; i < MODEL_SLOTS; i++)
			model.slots[space][i].slot = space << 16 | i;
	check(!bf_memslots_create(&config, &map));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const operations[])(struct fuzz_input * input) = {
		set_one, set_one, commit_some, write_some, read_some, look_up,
	};
	struct fuzz_input input = {data, size};

	set_up();
	while (input.size)
		operations[fuzz_next(&input) % ARRAY_SIZE(operations)](&input);
	bf_memslots_destroy(map);
	return 0;
}
