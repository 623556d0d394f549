// SPDX-License-Identifier: MIT
/*
 * Threads of the SRCU torture that create a domain, use it together with a
 * reader, and clean it up while callbacks, or a section, are left in it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/belfry/common/sleep.h"
#include "torture_srcu.h"
#include "base/util.h"
#include "tools/belfry/common/xalloc.h"

#define MAX_UPDATES 32

struct note {
	struct srcu_head head;
	struct transient *transient;
	unsigned int state;
};

struct transient {
	struct srcu_struct srcu;
	bool fast;
	struct note *published;
	bool stop; /* for the reader */
	unsigned long queued, called;
};

static const char *const name = "a short-lived domain";

static struct transient *transient_new(struct torture_thread *self)
{
	static const uint64_t paces[] = {0, 20000, 1000000, 5000000};
	struct transient *t = xcheck(calloc(1, sizeof(*t)));
	int ret;

	t->fast = thread_random(self, 2);
	ret = t->fast ? init_srcu_struct_fast(&t->srcu) :
			init_srcu_struct(&t->srcu);
	if (ret) {
		torture_fail("%s: cannot be initialized: %s", name,
			     strerror(-ret));
		free(t);
		return NULL;
	}
	bf_srcu_set_pace(&t->srcu,
			 paces[thread_random(self, ARRAY_SIZE(paces))]);
	return t;
}

/* The memory is reused, so that a late access to it is detected. */
static void transient_free(struct transient *t)
{
	memset(t, 0xa5, sizeof(*t));
	free(t);
}

static struct note *note_new(struct transient *t)
{
	struct note *note = xcheck(malloc(sizeof(*note)));

	note->transient = t;
	note->state = OBJECT_LIVE;
	return note;
}

static void note_free(struct note *note)
{
	__atomic_store_n(&note->state, OBJECT_POISON, __ATOMIC_RELAXED);
	free(note);
}

static void note_called(struct srcu_head *head)
{
	struct note *note = container_of(head, struct note, head);

	if (srcu_torture.child)
		return;
	__atomic_fetch_add(&note->transient->called, 1, __ATOMIC_RELAXED);
	note_free(note);
}

static void read_note(struct transient *t)
{
	struct section section = section_enter(&t->srcu, t->fast);
	struct note *note = srcu_dereference(t->published, &t->srcu);

	for (int i = 0; note && i < 16; i++)
		if (__atomic_load_n(&note->state, __ATOMIC_RELAXED) !=
		    OBJECT_LIVE)
			torture_fail("%s: use after free: a reader found "
				     "poison",
				     name);
	section_leave(section);
}

static void *read_notes(void *arg)
{
	struct transient *t = arg;

	while (!__atomic_load_n(&t->stop, __ATOMIC_RELAXED))
		read_note(t);
	return NULL;
}

static void note_end(struct torture_thread *self, struct note *note)
{
	struct transient *t = note->transient;

	if (thread_random(self, 8) == 0) {
		thread_does(self, "synchronize_srcu_expedited", name);
		synchronize_srcu_expedited(&t->srcu);
		note_free(note);
		return;
	}
	t->queued++;
	if (thread_random(self, 4))
		call_srcu(&t->srcu, &note->head, note_called);
	else
		call_srcu_expedited(&t->srcu, &note->head, note_called);
}

static void update(struct torture_thread *self, struct transient *t,
		   struct note *new)
{
	struct note *old = t->published;

	srcu_assign_pointer(t->published, new);
	if (old)
		note_end(self, old);
	if (thread_random(self, 8) == 0)
		start_poll_synchronize_srcu(&t->srcu);
}

/* A cleanup fails while a section is open. */
static void clean_up_with_a_section_open(struct transient *t)
{
	int ret, idx = srcu_down_read(&t->srcu);

	ret = cleanup_srcu_struct(&t->srcu);
	if (ret != -EBUSY)
		torture_fail("%s: cleanup with a section open gave %d", name,
			     ret);
	srcu_up_read(&t->srcu, idx);
}

/* The callbacks that are left run; until then the domain stays usable. */
static void clean_up(struct torture_thread *self, struct transient *t)
{
	thread_does(self, "cleanup_srcu_struct", name);
	if (thread_random(self, 4) == 0)
		srcu_barrier(&t->srcu);
	while (cleanup_srcu_struct(&t->srcu) == -EBUSY) {
		read_note(t);
		sleep_us(thread_random(self, 200));
		self->tallies[TALLY_BUSY]++;
	}
	if (__atomic_load_n(&t->called, __ATOMIC_RELAXED) != t->queued)
		torture_fail("%s: cleaned up with %lu of %lu callbacks left",
			     name, t->queued - t->called, t->queued);
	self->tallies[TALLY_TRANSIENTS]++;
}

static void use(struct torture_thread *self, struct transient *t)
{
	unsigned int updates = thread_random(self, MAX_UPDATES) + 1;

	thread_does(self, "updates", name);
	while (updates--)
		update(self, t, note_new(t));
	clean_up_with_a_section_open(t);
}

static void live_and_die(struct torture_thread *self)
{
	struct transient *t = transient_new(self);
	pthread_t thread;

	if (!t)
		return;
	if (!pthread_create(&thread, NULL, read_notes, t)) {
		use(self, t);
		__atomic_store_n(&t->stop, true, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
	}
	update(self, t, NULL);
	clean_up(self, t);
	transient_free(t);
}

void *transient_main(void *number)
{
	struct torture_thread self;

	thread_init(&self, THREAD_TRANSIENT, (unsigned int)(uintptr_t)number);
	while (!torture_stopped())
		live_and_die(&self);
	thread_done(&self);
	return NULL;
}
