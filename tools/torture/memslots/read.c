// SPDX-License-Identifier: MIT
/* Devices of the memory slot torture: they look up, keep, copy and write. */
#include <stdlib.h>

#include "tools/belfry/common/sleep.h"
#include "torture_memslots.h"

#define NR_MAILBOXES 4
#define COPY_WORDS   64

/* A snapshot that another thread will end. */
struct parcel {
	struct bf_memslots_snapshot snapshot;
	uint64_t gpa, word; /* 0: there was no memory */
};

static struct parcel *mailboxes[NR_MAILBOXES];

/* Not where devices write, nor where a copy would run into that. */
static uint64_t random_gpa(struct actor *actor)
{
	uint64_t word = actor_random(actor, NR_PLACES * NR_WORDS + 64);
	uint64_t at = word % NR_WORDS;

	if (at > DEVICE_WORD - COPY_WORDS && at <= COUNT_WORD)
		word += COUNT_WORD + COPY_WORDS - DEVICE_WORD;
	/* Now and then where nothing is, or ever can be. */
	return actor_random(actor, 64) ? 8 * word : -8 * word - 8;
}

static bool is_count(uint64_t word)
{
	return word >> 48 == COUNT_TAG;
}

/* A word is one slot's, whichever; nothing is torn. */
static uint64_t load(const void *hva)
{
	uint64_t word =
		__atomic_load_n((const uint64_t *)hva, __ATOMIC_RELAXED);

	if (!is_count(word) &&
	    (word >> 48 != SLOT_TAG || number_of_word(word) >= NR_SLOTS))
		torture_fail("memory says %#lx: it is no slot's",
			     (unsigned long)word);
	return word;
}

static void expect(const void *hva, uint64_t word)
{
	uint64_t now = load(hva);

	if (is_count(word) ? now < word : now != word)
		torture_fail("a snapshot's memory changed from %#lx to %#lx",
			     (unsigned long)word, (unsigned long)now);
}

static void dwell(struct actor *actor)
{
	unsigned int dice = actor_random(actor, 1024);

	if (dice < 4)
		sleep_us(dice);
	else if (dice < 256)
		for (volatile unsigned int i = dice; i; i--)
			;
}

/* The same snapshot gives the same answer, and the memory stays. */
static void look_twice(struct actor *actor,
		       const struct bf_memslots_snapshot *snapshot)
{
	uint64_t gpa = random_gpa(actor), word = 0;
	void *hva = bf_memslots_hva(snapshot, 0, gpa, 8, false);

	actor->tallies[MEM_LOOKUPS]++;
	if (hva)
		word = load(hva);
	dwell(actor);
	bf_memslots_hva(snapshot, 0, random_gpa(actor), 8, false);
	if (bf_memslots_hva(snapshot, 0, gpa, 8, false) != hva)
		torture_fail("a snapshot changed");
	if (hva)
		expect(hva, word);
}

/* Across slots: each entry lies in memory of slots. */
static void walk_list(struct actor *actor,
		      const struct bf_memslots_snapshot *snapshot)
{
	uint64_t gpa = random_gpa(actor), covered;
	struct iovec iov[6];
	size_t count, i;

	count = bf_memslots_iov(snapshot, 0, gpa, 5 * SLOT_BYTES, false, iov, 6,
				&covered);
	for (i = 0; i < count; i++) {
		load(iov[i].iov_base);
		load((char *)iov[i].iov_base + iov[i].iov_len - 8);
		covered -= iov[i].iov_len;
	}
	if (covered)
		torture_fail("a scatter list does not hold what it says");
	actor->tallies[MEM_LISTS]++;
}

/* Adds one to the counts of the slot, in its memory and beside it. */
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

/* The device's word of some slot: what the snapshot says is in the first. */
static void write_word(struct actor *actor,
		       const struct bf_memslots_snapshot *snapshot)
{
	uint64_t place = actor_random(actor, NR_PLACES) * SLOT_BYTES;
	uint64_t gpa = place + 8ULL * (DEVICE_WORD + actor->number), word;
	size_t done;

	if (bf_memslots_snapshot_read(snapshot, 0, place, &word, 8) != 8)
		return;
	load(&word);
	dwell(actor);
	done = bf_memslots_snapshot_write(snapshot, 0, gpa, &word, 8);
	if (done == 8)
		count_write(snapshot, place, number_of_word(word));
	else if (done || !is_readonly(number_of_word(word)))
		torture_fail("%zu bytes of a word were written", done);
	actor->tallies[MEM_WRITES]++;
}

static void look(struct actor *actor)
{
	struct bf_memslots_snapshot snapshot;

	bf_memslots_take(torture_map, &snapshot);
	look_twice(actor, &snapshot);
	if (!actor_random(actor, 8))
		walk_list(actor, &snapshot);
	if (!actor_random(actor, 4))
		write_word(actor, &snapshot);
	bf_memslots_drop(&snapshot);
}

/* By the copying function; whole words, since slots end at one. */
static void copy(struct actor *actor)
{
	uint64_t buf[COPY_WORDS] = {0}, gpa = random_gpa(actor);
	size_t done, i;

	done = bf_memslots_read(torture_map, 0, gpa, buf, sizeof(buf));
	if (done % 8)
		torture_fail("%zu bytes were read", done);
	for (i = 0; i < done / 8; i++)
		load(&buf[i]);
	actor->tallies[MEM_COPIES]++;
}

static void open_parcel(struct parcel *parcel)
{
	void *hva;

	if (!parcel)
		return;
	hva = bf_memslots_hva(&parcel->snapshot, 0, parcel->gpa, 8, false);
	if (!hva != !parcel->word)
		torture_fail("a snapshot changed on its way");
	else if (hva)
		expect(hva, parcel->word);
	bf_memslots_drop(&parcel->snapshot);
	free(parcel);
}

/* Takes a snapshot for somebody else, and ends one that somebody took. */
static void hand_over(struct actor *actor)
{
	unsigned int box = actor_random(actor, NR_MAILBOXES);
	struct parcel *parcel = malloc(sizeof(*parcel));
	void *hva;

	if (!parcel)
		return;
	bf_memslots_take(torture_map, &parcel->snapshot);
	parcel->gpa = random_gpa(actor);
	hva = bf_memslots_hva(&parcel->snapshot, 0, parcel->gpa, 8, false);
	parcel->word = hva ? load(hva) : 0;
	open_parcel(
		__atomic_exchange_n(&mailboxes[box], parcel, __ATOMIC_ACQ_REL));
	actor->tallies[MEM_HANDED_OVER]++;
}

static void empty_mailbox(unsigned int box)
{
	open_parcel(
		__atomic_exchange_n(&mailboxes[box], NULL, __ATOMIC_ACQ_REL));
}

void copier_drain(void)
{
	for (unsigned int i = 0; i < NR_MAILBOXES; i++)
		empty_mailbox(i);
}

void *copier_main(void *number)
{
	struct actor actor;
	unsigned int dice;

	actor_init(&actor, MEM_COPIER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		actor_does(&actor, "looks or copies", NULL);
		dice = actor_random(&actor, 256);
		if (dice == 0)
			hand_over(&actor);
		else if (dice < 8)
			empty_mailbox(dice % NR_MAILBOXES);
		else if (dice < 64)
			copy(&actor);
		else
			look(&actor);
	}
	actor_done(&actor);
	return NULL;
}
