// SPDX-License-Identifier: MIT
/*
 * Dirty logging in the memory slot torture.
 *
 * One slot logs.  Each device has a word in each of its pages, and writes to
 * the pages of one half.  The migration thread copies the pages that the log
 * has, as a VMM does.  Then it sends the devices to the other half, and changes
 * the slot: after that no device is in a snapshot that began before.  With one
 * more bitmap its copy of the half must be the memory.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "torture_memslots.h"

#define LOGGED_SLOT  NR_SLOTS
#define HALF_PAGES   8
#define LOGGED_PAGES (2ULL * HALF_PAGES)
#define PAGE_WORDS   (torture_page / 8)
#define ALL_PAGES    ((1ULL << LOGGED_PAGES) - 1)

/* Far from the other slots. */
static const uint64_t places[2] = {1ULL << 30, 1ULL << 31};

static uint64_t *logged; /* LOGGED_PAGES */
static uint64_t copied[LOGGED_PAGES][MAX_THREADS];
static unsigned int half; /* that the devices write to */
static struct kvm_userspace_memory_region region;

/* As a device does that keeps the address. */
static bool write_and_mark(const struct bf_memslots_snapshot *snapshot,
			   uint64_t gpa, uint64_t value)
{
	uint64_t *hva = bf_memslots_hva(snapshot, 0, gpa, 8, true);

	if (!hva)
		return false;
	__atomic_store_n(hva, value, __ATOMIC_RELAXED);
	if (bf_memslots_mark_dirty(snapshot, 0, gpa, 8) != 8)
		torture_fail("no page to mark at %#lx", (unsigned long)gpa);
	return true;
}

static bool write_at(const struct bf_memslots_snapshot *snapshot, uint64_t gpa,
		     uint64_t value)
{
	if (value % 2)
		return write_and_mark(snapshot, gpa, value);
	return bf_memslots_snapshot_write(snapshot, 0, gpa, &value, 8) == 8;
}

void write_logged(struct torture_thread *self)
{
	uint64_t value = ++self->tallies[MEM_LOGGED], offset;
	struct bf_memslots_snapshot snapshot;

	bf_memslots_take(torture_map, &snapshot);
	offset =
		torture_page *
			(HALF_PAGES * __atomic_load_n(&half, __ATOMIC_RELAXED) +
			 thread_random(self, HALF_PAGES)) +
		8ULL * self->number;
	if (!write_at(&snapshot, places[0] + offset, value))
		write_at(&snapshot, places[1] + offset, value);
	bf_memslots_drop(&snapshot);
}

/* Devices may write meanwhile, as they may while a VMM reads. */
__attribute__((no_sanitize("thread"))) static uint64_t
logged_word(unsigned int page, unsigned int device)
{
	return *(volatile uint64_t *)&logged[page * PAGE_WORDS + device];
}

static void copy_pages(uint64_t bitmap)
{
	unsigned int page, device;

	for (page = 0; page < LOGGED_PAGES; page++)
		for (device = 0; bitmap >> page & 1 && device < MAX_THREADS;
		     device++)
			copied[page][device] = logged_word(page, device);
}

static void copy_dirty_pages(struct torture_thread *self)
{
	uint64_t bitmap = 0;
	const struct kvm_dirty_log log = {
		.slot = LOGGED_SLOT,
		.dirty_bitmap = &bitmap,
	};
	int ret = bf_memslots_get_dirty_log(torture_map, &log);

	if (ret || bitmap & ~ALL_PAGES)
		torture_fail("a log of pages %#lx: %s", (unsigned long)bitmap,
			     strerror(-ret));
	copy_pages(bitmap);
	self->tallies[MEM_LOGS]++;
}

static void set_region(void)
{
	int ret = bf_memslots_set(torture_map, &region);

	if (ret)
		torture_fail("the slot that logs: %s", strerror(-ret));
}

static void move_region(struct torture_thread *self)
{
	region.guest_phys_addr = places[thread_random(self, 2)];
	set_region();
}

/* Writes between the two changes are in no log. */
static void restart_log(void)
{
	region.flags = 0;
	set_region();
	region.flags = KVM_MEM_LOG_DIRTY_PAGES;
	set_region();
	copy_pages(ALL_PAGES);
}

static void check_half(unsigned int first)
{
	unsigned int page, device;

	for (page = first; page < first + HALF_PAGES; page++)
		for (device = 0; device < MAX_THREADS; device++)
			if (copied[page][device] != logged_word(page, device))
				torture_fail(
					"a write to page %u is in no log: %lu",
					page,
					(unsigned long)logged_word(page,
								   device));
}

static void migrate(struct torture_thread *self)
{
	unsigned int i, last = half;
	uint64_t before = region.guest_phys_addr;

	for (i = thread_random(self, 16); i; i--)
		copy_dirty_pages(self);
	__atomic_store_n(&half, !last, __ATOMIC_RELAXED);
	move_region(self);
	if (region.guest_phys_addr == before)
		restart_log();
	copy_dirty_pages(self);
	check_half(last * HALF_PAGES);
	self->tallies[MEM_MIGRATIONS]++;
}

void *migration_main(void *number)
{
	struct torture_thread self;

	thread_init(&self, MEM_MIGRATION, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		thread_does(&self, "copies the pages of a log", NULL);
		migrate(&self);
	}
	thread_done(&self);
	return NULL;
}

void logged_init(void)
{
	logged = map_pages(LOGGED_PAGES * torture_page, PROT_READ | PROT_WRITE);
	region = (struct kvm_userspace_memory_region){
		.slot = LOGGED_SLOT,
		.flags = KVM_MEM_LOG_DIRTY_PAGES,
		.guest_phys_addr = places[0],
		.memory_size = LOGGED_PAGES * torture_page,
		.userspace_addr = (uintptr_t)logged,
	};
	set_region();
}
