// SPDX-License-Identifier: MIT
#include <string.h>

#include "machine.h"
#include "views.h"

struct message {
	uint64_t value;
	struct view view;
};

static struct word {
	const volatile void *address;
	size_t size;
	unsigned int count;
	uint64_t hash; /* of all messages */
	struct message messages[VIEW_MESSAGES];
} words[VIEW_WORDS];

static unsigned int nr_words;
static struct view seq_cst; /* of all fences so far */

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ (hash >> 29);
}

/*
 * Without the clocks, which would triple the states: of two runs that reach one
 * state with different clocks, only the first one's later races are found.
 */
static uint64_t view_mix(uint64_t hash, const struct view *view)
{
	uint64_t part;
	size_t i;

	for (i = 0; i < nr_words; i += sizeof(part)) {
		memcpy(&part, view->at + i, sizeof(part));
		hash = mix(hash, part);
	}
	return hash;
}

static void view_join(struct view *view, const struct view *other)
{
	unsigned int i;

	for (i = 0; i < nr_words; i++)
		if (view->at[i] < other->at[i])
			view->at[i] = other->at[i];
	for (i = 0; i < MACHINE_THREADS; i++)
		if (view->clock[i] < other->clock[i])
			view->clock[i] = other->clock[i];
}

static bool is_acquire(int order)
{
	return order != __ATOMIC_RELAXED && order != __ATOMIC_RELEASE;
}

static bool is_release(int order)
{
	return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL ||
	       order == __ATOMIC_SEQ_CST;
}

static void message_add(struct word *word, uint64_t value,
			const struct view *view)
{
	struct message *message;

	if (word->count == VIEW_MESSAGES) {
		machine_fail("the model has too many stores to a word");
		return;
	}
	message = &word->messages[word->count++];
	message->value = value;
	message->view = *view;
	word->hash = view_mix(mix(word->hash, value), view);
}

static void word_reset(struct word *word)
{
	static const struct view empty;
	uint64_t value = 0;

	memcpy(&value, (const void *)(uintptr_t)word->address, word->size);
	word->count = 0;
	word->hash = 0;
	message_add(word, value, &empty);
}

void views_reset(void)
{
	unsigned int i;

	memset(&seq_cst, 0, sizeof(seq_cst));
	for (i = 0; i < nr_words; i++)
		word_reset(&words[i]);
}

void views_forget(void)
{
	nr_words = 0;
}

unsigned int views_word(const volatile void *address, size_t size)
{
	unsigned int i;

	for (i = 0; i < nr_words; i++)
		if (words[i].address == address)
			return i;
	if (nr_words == VIEW_WORDS) {
		machine_fail("the model has too many shared words");
		return 0;
	}
	words[nr_words] = (struct word){.address = address, .size = size};
	word_reset(&words[nr_words]);
	return nr_words++;
}

unsigned int views_first(const struct view_thread *thread, unsigned int word,
			 int order)
{
	unsigned int first = thread->now.at[word];

	if (order == __ATOMIC_SEQ_CST && first < seq_cst.at[word])
		first = seq_cst.at[word];
	return first;
}

unsigned int views_count(unsigned int word)
{
	return words[word].count;
}

uint64_t views_load(struct view_thread *thread, unsigned int word,
		    unsigned int message, int order)
{
	const struct message *from = &words[word].messages[message];

	if (thread->now.at[word] < message)
		thread->now.at[word] = (unsigned char)message;
	view_join(is_acquire(order) ? &thread->now : &thread->acquired,
		  &from->view);
	return from->value;
}

void views_store(struct view_thread *thread, unsigned int word, uint64_t value,
		 int order, bool rmw)
{
	struct word *to = &words[word];
	struct view view;

	thread->now.at[word] = (unsigned char)to->count;
	if (order == __ATOMIC_SEQ_CST)
		seq_cst.at[word] = (unsigned char)to->count;
	thread->handed_on |= is_release(order);
	view = is_release(order) ? thread->now : thread->released;
	view.at[word] = (unsigned char)to->count;
	if (rmw) /* continues the release sequence */
		view_join(&view, &to->messages[to->count - 1].view);
	message_add(to, value, &view);
}

void views_fence(struct view_thread *thread, int order)
{
	if (is_acquire(order))
		view_join(&thread->now, &thread->acquired);
	if (order == __ATOMIC_SEQ_CST) {
		view_join(&thread->now, &seq_cst);
		seq_cst = thread->now;
		memset(seq_cst.clock, 0, sizeof(seq_cst.clock));
	}
	if (is_release(order)) {
		thread->released = thread->now;
		thread->handed_on = true;
	}
}

unsigned int views_clock(struct view_thread *thread, unsigned int self)
{
	unsigned char *clock = &thread->now.clock[self];

	if (thread->handed_on || !*clock)
		++*clock;
	thread->handed_on = false;
	return *clock;
}

bool views_knows(const struct view_thread *thread, unsigned int other,
		 unsigned int clock)
{
	return thread->now.clock[other] >= clock;
}

bool views_behind(const struct view_thread *thread)
{
	unsigned int i;

	for (i = 0; i < nr_words; i++)
		if (thread->now.at[i] + 1U < words[i].count)
			return true;
	return false;
}

uint64_t views_key(uint64_t key, const struct view_thread *threads,
		   unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr_words; i++)
		key = mix(key, words[i].hash);
	for (i = 0; i < nr; i++) {
		key = view_mix(key, &threads[i].now);
		key = view_mix(key, &threads[i].acquired);
		key = view_mix(key, &threads[i].released);
	}
	return view_mix(key, &seq_cst);
}
