// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/thread_local.h"
#include "srcu/report.h"

#ifdef BF_SRCU_TRACKING_FROM_START /* a debug build */
#define FROM_START 1
#else
#define FROM_START 0
#endif

/* Of all threads; the library tracks no more than these. */
#define MAX_SECTIONS 1024

struct section {
	struct bf_srcu *ssp;
	void *place;
	int tid;
	int idx;
	bool fast;
};

BF_THREAD_LOCAL(int, cached_tid);
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct section sections[MAX_SECTIONS]; /* that are open, oldest first */
static unsigned int nr_sections;
static unsigned int nr_lost; /* opened beyond MAX_SECTIONS */
static void *queued_heads;   /* a tree of tsearch(3) */
static int tracking = -1;    /* unknown */

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

static int this_tid(void)
{
	int *tid = cached_tid();

	if (!*tid)
		*tid = (int)syscall(SYS_gettid);
	return *tid;
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
	if (fast != ssp->fast)
		bf_srcu_report_misuse(
			ssp, BF_SRCU_REPORT_FLAVOUR,
			fast ? "bf_srcu_read_lock_fast() on a fenced domain" :
			       "bf_srcu_read_lock() on a fast domain",
			place, NULL);
	pthread_mutex_lock(&lock);
	if (nr_sections < MAX_SECTIONS)
		sections[nr_sections++] =
			(struct section){ssp, place, this_tid(), idx, fast};
	else
		nr_lost++;
	pthread_mutex_unlock(&lock);
}

/*
 * This thread's innermost open section of the domain and the bank (-1: any), or
 * NULL.  Lock held.
 */
static struct section *section_find(const struct bf_srcu *ssp, int idx)
{
	struct section *section = sections + nr_sections;
	int tid = this_tid();

	while (section-- > sections)
		if (section->ssp == ssp && section->tid == tid &&
		    (idx < 0 || section->idx == idx))
			return section;
	return NULL;
}

static void section_remove(struct section *section)
{
	struct section *end = sections + nr_sections;

	memmove(section, section + 1,
		(size_t)(end - section - 1) * sizeof(*section));
	nr_sections--;
}

bool bf_srcu_track_unlock(struct bf_srcu *ssp, int idx, bool fast, void *place)
{
	struct section *section;
	bool mixed = false, open;

	pthread_mutex_lock(&lock);
	section = section_find(ssp, idx);
	open = section || nr_lost;
	if (section) {
		mixed = section->fast != fast;
		section_remove(section);
	} else if (nr_lost) {
		nr_lost--;
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
	struct section *section;
	void *began;

	pthread_mutex_lock(&lock);
	section = section_find(ssp, -1);
	began = section ? section->place : NULL;
	pthread_mutex_unlock(&lock);
	if (began)
		bf_srcu_report_misuse(ssp, BF_SRCU_REPORT_DEADLOCK,
				      "a thread waits for its own section",
				      place, began);
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

/* Empty for a thread that exited inside its section. */
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

void bf_srcu_track_describe(struct bf_srcu_text *text, struct bf_srcu *ssp)
{
	const struct section *section;
	char name[32];

	pthread_mutex_lock(&lock);
	for (section = sections; section < sections + nr_sections; section++) {
		if (section->ssp != ssp)
			continue;
		thread_name(section->tid, name);
		bf_srcu_text_add(text, "  thread %d (%s)", section->tid, name);
		add_line(text, " in a section since", section->place);
	}
	pthread_mutex_unlock(&lock);
}

void bf_srcu_track_before_fork(void)
{
	pthread_mutex_lock(&lock);
}

void bf_srcu_track_after_fork(bool in_child)
{
	if (in_child) {
		nr_sections = nr_lost = 0;
		*cached_tid() = 0;
	}
	pthread_mutex_unlock(&lock);
}
