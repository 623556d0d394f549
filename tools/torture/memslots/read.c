// SPDX-License-Identifier: MIT
/* Devices of the memory slot torture.  They look up, copy and write memory. */
#include <stdlib.h>

#include "tools/belfry/common/sleep.h"
#include "torture_memslots.h"

#define NR_MAILBOXES 4
#define COPY_WORDS   64

/* A snapshot that another thread ends. */
struct handover {
	struct bf_memslots_snapshot snapshot;
	uint64_t gpa, word; /* word 0: no memory at gpa */
};

static struct handover *mailboxes[NR_MAILBOXES];

/* Returns an address from which no copy reaches the words of devices. */
static uint64_t random_gpa(struct torture_thread *self)
{
	uint64_t word = thread_random(self, NR_PLACES * NR_WORDS + 64);
	uint64_t at = word % NR_WORDS;

	if (at > DEVICE_WORD - COPY_WORDS && at <= COUNT_WORD)
		word += COUNT_WORD + COPY_WORDS - DEVICE_WORD;
	/* Sometimes an address that no slot can have. */
	return thread_random(self, 64) ? 8 * word : -8 * word - 8;
}

static bool is_count(uint64_t word)
{
	return word >> 48 == COUNT_TAG;
}

/* Checks that the word belongs to a slot and is not torn. */
static uint64_t load_word(const void *hva)
{
	uint64_t word =
		__atomic_load_n((const uint64_t *)hva, __ATOMIC_RELAXED);

	if (!is_count(word) &&
	    (word >> 48 != SLOT_TAG || number_of_word(word) >= NR_SLOTS))
		torture_fail("memory has %#lx, which is no slot's word",
			     (unsigned long)word);
	return word;
}

static void expect_word(const void *hva, uint64_t word)
{
	uint64_t now = load_word(hva);

	if (is_count(word) ? now < word : now != word)
		torture_fail("a snapshot's memory changed from %#lx to %#lx",
			     (unsigned long)word, (unsigned long)now);
}

static void dwell(struct torture_thread *self)
{
	unsigned int dice = thread_random(self, 1024);

	if (dice < 4)
		sleep_us(dice);
	else if (dice < 256)
		for (volatile unsigned int i = dice; i; i--)
			;
}

/* Two lookups in a snapshot find the same memory, with the same word. */
static void look_up_twice(struct torture_thread *self,
			  const struct bf_memslots_snapshot *snapshot)
{
	uint64_t gpa = random_gpa(self), word = 0;
	void *hva = bf_memslots_hva(snapshot, 0, gpa, 8, false);

	self->tallies[MEM_LOOKUPS]++;
	if (hva)
		word = load_word(hva);
	dwell(self);
	bf_memslots_hva(snapshot, 0, random_gpa(self), 8, false);
	if (bf_memslots_hva(snapshot, 0, gpa, 8, false) != hva)
		torture_fail("a snapshot changed");
	if (hva)
		expect_word(hva, word);
}

/* Checks a scatter list across slots: each entry lies in slots. */
static void check_list(struct torture_thread *self,
		       const struct bf_memslots_snapshot *snapshot)
{
	uint64_t gpa = random_gpa(self), covered;
	struct iovec iov[6];
	size_t count, i;

	count = bf_memslots_iov(snapshot, 0, gpa, 5 * SLOT_BYTES, false, iov, 6,
				&covered);
	for (i = 0; i < count; i++) {
		load_word(iov[i].iov_base);
		load_word((char *)iov[i].iov_base + iov[i].iov_len - 8);
		covered -= iov[i].iov_len;
	}
	if (covered)
		torture_fail("a scatter list has another length than reported");
	self->tallies[MEM_LISTS]++;
}

/* Adds one to both counts of the slot, in guest memory and in torture_slot. */
static void count_write(const struct bf_memslots_snapshot *snapshot,
			uint64_t place, uint32_t number)
{
	uint64_t *count =
		bf_memslots_hva(snapshot, 0, place + 8 * COUNT_WORD, 8, true);

	if (!count || is_readonly(number)) {
		torture_fail("memory of slot %u was written that must not be",
			     (unsigned int)number);
		return;
	}
	__atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&torture_slots[number].writes, 1, __ATOMIC_RELAXED);
}

/*
 * Writes the device's word of a random slot.  The word to write is the one that
 * the snapshot has at the slot's beginning.
 */
static void write_word(struct torture_thread *self,
		       const struct bf_memslots_snapshot *snapshot)
{
	uint64_t place = thread_random(self, NR_PLACES) * SLOT_BYTES;
	uint64_t gpa = place + 8ULL * (DEVICE_WORD + self->number), word;
	size_t done;

	if (bf_memslots_snapshot_read(snapshot, 0, place, &word, 8) != 8)
		return;
	load_word(&word);
	dwell(self);
	done = bf_memslots_snapshot_write(snapshot, 0, gpa, &word, 8);
	if (done == 8)
		count_write(snapshot, place, number_of_word(word));
	else if (done || !is_readonly(number_of_word(word)))
		torture_fail("%zu bytes of a word were written", done);
	self->tallies[MEM_WRITES]++;
}

static void use_snapshot(struct torture_thread *self)
{
	struct bf_memslots_snapshot snapshot;

	bf_memslots_take(torture_map, &snapshot);
	look_up_twice(self, &snapshot);
	if (!thread_random(self, 8))
		check_list(self, &snapshot);
	if (!thread_random(self, 4))
		write_word(self, &snapshot);
	bf_memslots_drop(&snapshot);
}

/* Copies memory.  The copy has whole words, because slots end at words. */
static void copy_memory(struct torture_thread *self)
{
	uint64_t buf[COPY_WORDS] = {0}, gpa = random_gpa(self);
	size_t done, i;

	done = bf_memslots_read(torture_map, 0, gpa, buf, sizeof(buf));
	if (done % 8)
		torture_fail("%zu bytes were read", done);
	for (i = 0; i < done / 8; i++)
		load_word(&buf[i]);
	self->tallies[MEM_COPIES]++;
}

static void end_handover(struct handover *handover)
{
	void *hva;

	if (!handover)
		return;
	hva = bf_memslots_hva(&handover->snapshot, 0, handover->gpa, 8, false);
	if (!hva != !handover->word)
		torture_fail(
			"a snapshot changed before another thread ended it");
	else if (hva)
		expect_word(hva, handover->word);
	bf_memslots_drop(&handover->snapshot);
	free(handover);
}

/* Leaves a snapshot for another thread, and ends the one found there. */
static void hand_over(struct torture_thread *self)
{
	unsigned int box = thread_random(self, NR_MAILBOXES);
	struct handover *handover = malloc(sizeof(*handover));
	void *hva;

	if (!handover)
		return;
	bf_memslots_take(torture_map, &handover->snapshot);
	handover->gpa = random_gpa(self);
	hva = bf_memslots_hva(&handover->snapshot, 0, handover->gpa, 8, false);
	handover->word = hva ? load_word(hva) : 0;
	end_handover(__atomic_exchange_n(&mailboxes[box], handover,
					 __ATOMIC_ACQ_REL));
	self->tallies[MEM_HANDED_OVER]++;
}

static void empty_mailbox(unsigned int box)
{
	end_handover(
		__atomic_exchange_n(&mailboxes[box], NULL, __ATOMIC_ACQ_REL));
}

void drain_mailboxes(void)
{
	for (unsigned int i = 0; i < NR_MAILBOXES; i++)
		empty_mailbox(i);
}

void *device_main(void *number)
{
	struct torture_thread self;
	unsigned int dice;

	thread_init(&self, MEM_DEVICE, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		thread_does(&self, "looks up or copies", NULL);
		dice = thread_random(&self, 256);
		if (dice == 0)
			hand_over(&self);
		else if (dice < 8)
			empty_mailbox(dice % NR_MAILBOXES);
		else if (dice < 64)
			copy_memory(&self);
		else if (dice < 128)
			write_logged(&self);
		else
			use_snapshot(&self);
	}
	thread_done(&self);
	return NULL;
}
