// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/thread_local.h"
#include "srcu/report.h"

#ifdef BF_SRCU_TRACKING_FROM_START /* a debug build */
#define FROM_START 1
#else
#define FROM_START 0
#endif

#define MAX_SECTIONS 16 /* of one thread; the library tracks no deeper ones */

struct section {
	struct bf_srcu *ssp;
	void *place;
	int idx;
	bool fast;
};

/* A thread's open sections; listed from its first section to its exit. */
struct thread {
	struct section sections[MAX_SECTIONS];
	unsigned int count;
	unsigned int lost; /* opened beyond MAX_SECTIONS */
	int tid;
	bool listed;
	LIST_ENTRY(thread) entry;
};

BF_THREAD_LOCAL(struct thread, this_thread);
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, thread) threads;
static void *queued_heads; /* a tree of tsearch(3) */
static pthread_key_t exit_key;
static int tracking = -1; /* unknown */

bool bf_srcu_tracking(void)
{
	const char *value;
	int on = __atomic_load_n(&tracking, __ATOMIC_RELAXED);

	if (on < 0) {
		value = getenv("BELFRY_SRCU_TRACKING");
		on = value ? strcmp(value, "0") != 0 : FROM_START;
		__atomic_store_n(&tracking, on, __ATOMIC_RELAXED);
	}
	return on;
}

void bf_srcu_track(bool on)
{
	__atomic_store_n(&tracking, on, __ATOMIC_RELAXED);
}

/*
 * Reports do not name a thread that exited inside a section.  A thread that
 * forked has its exit key set in the child too, but is not listed there; its
 * links lead to threads that do not exist in the child.
 */
static void unlist_thread(void *arg)
{
	struct thread *thread = arg;

	pthread_mutex_lock(&lock);
	if (thread->listed)
		LIST_REMOVE(thread, entry);
	thread->listed = false;
	pthread_mutex_unlock(&lock);
}

static void create_key(void)
{
	pthread_key_create(&exit_key, unlist_thread);
}

/* Lock held. */
static void list_thread(struct thread *thread)
{
	thread->tid = (int)syscall(SYS_gettid);
	thread->listed = true;
	LIST_INSERT_HEAD(&threads, thread, entry);
}

/* A line of a report: "@what function+0x12 (file)". */
static void add_line(struct bf_srcu_text *text, const char *what, void *place)
{
	bf_srcu_text_add(text, "%s ", what);
	bf_srcu_text_add_place(text, place);
	bf_srcu_text_add(text, "\n");
}

void bf_srcu_report_misuse(const struct bf_srcu *ssp, enum bf_srcu_report about,
			   const char *what, void *place, void *began)
{
	struct bf_srcu_text text = {.len = 0};

	bf_srcu_text_add(&text, "belfry: SRCU domain %s: %s", ssp->name, what);
	add_line(&text, " at", place);
	if (began)
		add_line(&text, "  which began at", began);
	bf_srcu_send_report(about, &text);
}

void bf_srcu_track_lock(struct bf_srcu *ssp, int idx, bool fast, void *place)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct thread *self = this_thread();

	if (fast != ssp->fast)
		bf_srcu_report_misuse(
			ssp, BF_SRCU_REPORT_FLAVOUR,
			fast ? "bf_srcu_read_lock_fast() on a fenced domain" :
			       "bf_srcu_read_lock() on a fast domain",
			place, NULL);
	pthread_once(&once, create_key);
	pthread_mutex_lock(&lock);
	if (!self->listed)
		list_thread(self);
	if (self->count < MAX_SECTIONS)
		self->sections[self->count++] =
			(struct section){ssp, place, idx, fast};
	else
		self->lost++;
	pthread_mutex_unlock(&lock);
	pthread_setspecific(exit_key, self);
}

/*
 * The thread's innermost open section of the domain and the bank (-1: any), or
 * NULL.
 */
static struct section *section_find(struct thread *self,
				    const struct bf_srcu *ssp, int idx)
{
	unsigned int i;

	for (i = self->count; i-- > 0;)
		if (self->sections[i].ssp == ssp &&
		    (idx < 0 || self->sections[i].idx == idx))
			return &self->sections[i];
	return NULL;
}

static void section_remove(struct thread *self, struct section *section)
{
	struct section *end = self->sections + self->count;

	memmove(section, section + 1,
		(size_t)(end - section - 1) * sizeof(*section));
	self->count--;
}

bool bf_srcu_track_unlock(struct bf_srcu *ssp, int idx, bool fast, void *place)
{
	struct thread *self = this_thread();
	struct section *section;
	bool mixed = false, open;

	pthread_mutex_lock(&lock);
	section = section_find(self, ssp, idx);
	open = section || self->lost;
	if (section) {
		mixed = section->fast != fast;
		section_remove(self, section);
	} else if (self->lost) {
		self->lost--;
	}
	pthread_mutex_unlock(&lock);
	if (!open)
		bf_srcu_report_misuse(
			ssp, BF_SRCU_REPORT_UNLOCK,
			"a section is ended that is not open in this thread "
			"(twice? begun by another thread, without "
			"bf_srcu_down_read()?)",
			place, NULL);
	if (mixed)
		bf_srcu_report_misuse(
			ssp, BF_SRCU_REPORT_FLAVOUR,
			"a section is ended by the other flavour's unlock",
			place, NULL);
	return open;
}

void bf_srcu_track_wait(struct bf_srcu *ssp, void *place)
{
	struct section *section = section_find(this_thread(), ssp, -1);

	if (section)
		bf_srcu_report_misuse(ssp, BF_SRCU_REPORT_DEADLOCK,
				      "a thread waits for its own section",
				      place, section->place);
}

static int compare_heads(const void *a, const void *b)
{
	return (uintptr_t)a < (uintptr_t)b ? -1 : (uintptr_t)a > (uintptr_t)b;
}

/* If there is no memory the head is not tracked. */
bool bf_srcu_track_queue(struct bf_srcu *ssp, struct bf_srcu_head *head,
			 void *place)
{
	bool queued;

	pthread_mutex_lock(&lock);
	queued = tfind(head, &queued_heads, compare_heads);
	if (!queued)
		tsearch(head, &queued_heads, compare_heads);
	pthread_mutex_unlock(&lock);
	if (queued)
		bf_srcu_report_misuse(
			ssp, BF_SRCU_REPORT_CALLBACK,
			"a callback is queued that is queued already", place,
			NULL);
	return !queued;
}

void bf_srcu_track_unqueue(struct bf_srcu_head *head)
{
	pthread_mutex_lock(&lock);
	tdelete(head, &queued_heads, compare_heads);
	pthread_mutex_unlock(&lock);
}

static void thread_name(int tid, char name[32])
{
	char path[64];
	FILE *file;

	name[0] = '\0';
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fscanf(file, "%31[^\n]", name) != 1)
		name[0] = '\0';
	fclose(file);
}

static void describe_thread(struct bf_srcu_text *text,
			    const struct thread *thread,
			    const struct bf_srcu *ssp)
{
	char name[32];
	unsigned int i;

	for (i = 0; i < thread->count; i++) {
		if (thread->sections[i].ssp != ssp)
			continue;
		thread_name(thread->tid, name);
		bf_srcu_text_add(text, "  thread %d (%s)", thread->tid, name);
		add_line(text, " in a section since",
			 thread->sections[i].place);
	}
}

void bf_srcu_track_describe(struct bf_srcu_text *text, struct bf_srcu *ssp)
{
	const struct thread *thread;

	pthread_mutex_lock(&lock);
	LIST_FOREACH(thread, &threads, entry)
	describe_thread(text, thread, ssp);
	pthread_mutex_unlock(&lock);
}

void bf_srcu_track_before_fork(void)
{
	pthread_mutex_lock(&lock);
}

void bf_srcu_track_after_fork(bool in_child)
{
	struct thread *self = this_thread();

	if (in_child) {
		LIST_INIT(&threads);
		self->count = self->lost = 0;
		self->listed = false;
	}
	pthread_mutex_unlock(&lock);
}
