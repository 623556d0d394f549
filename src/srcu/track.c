// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "srcu/report.h"
#include "srcu/track.h"

/* A debug build tracks unless it is told not to. */
#ifdef SRCU_TRACKING_FROM_START
#define FROM_START 1
#else
#define FROM_START 0
#endif

#define MAX_SECTIONS 16 /* of one thread; deeper ones are not tracked */

struct section {
	struct srcu_struct *ssp;
	void *place;
	int idx;
	bool fast;
};

/* A thread's open sections; on the list from its first to its exit. */
struct thread {
	struct section sections[MAX_SECTIONS];
	unsigned int count;
	unsigned int lost; /* opened beyond MAX_SECTIONS */
	int tid;
	bool listed;
	struct thread *next;
	struct thread **link;
};

static __thread struct thread self;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct thread *threads;
static void *queued_heads; /* a tree of tsearch(3) */
static pthread_key_t exit_key;
static int tracking = -1; /* unknown */

bool srcu_tracking(void)
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

void srcu_set_tracking(bool on)
{
	__atomic_store_n(&tracking, on, __ATOMIC_RELAXED);
}

/*
 * A thread that exits inside a section stays unnamed in reports.  One that
 * forked is on no list in the child, though its exit key is set there too; its
 * links lead to threads that are no more.
 */
static void unlist_thread(void *arg)
{
	struct thread *thread = arg;

	pthread_mutex_lock(&lock);
	if (thread->listed) {
		*thread->link = thread->next;
		if (thread->next)
			thread->next->link = thread->link;
		thread->listed = false;
	}
	pthread_mutex_unlock(&lock);
}

static void create_key(void)
{
	pthread_key_create(&exit_key, unlist_thread);
}

/* Lock held. */
static void list_thread(void)
{
	self.tid = (int)syscall(SYS_gettid);
	self.listed = true;
	self.next = threads;
	self.link = &threads;
	if (threads)
		threads->link = &self.next;
	threads = &self;
}

static void begin_report(struct srcu_text *text, const struct srcu_struct *ssp,
			 const char *what, void *place)
{
	text->len = 0;
	srcu_text_add(text, "belfry: SRCU domain %s: %s at ", ssp->name, what);
	srcu_text_add_place(text, place);
	srcu_text_add(text, "\n");
}

static void report(const struct srcu_struct *ssp, enum srcu_report about,
		   const char *what, void *place)
{
	struct srcu_text text;

	begin_report(&text, ssp, what, place);
	srcu_report(about, &text);
}

void srcu_track_lock(struct srcu_struct *ssp, int idx, bool fast, void *place)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if (fast != ssp->fast)
		report(ssp, SRCU_REPORT_FLAVOUR,
		       fast ? "srcu_read_lock_fast() on a fenced domain" :
			      "srcu_read_lock() on a fast domain",
		       place);
	pthread_once(&once, create_key);
	pthread_mutex_lock(&lock);
	if (!self.listed)
		list_thread();
	if (self.count < MAX_SECTIONS)
		self.sections[self.count++] =
			(struct section){ssp, place, idx, fast};
	else
		self.lost++;
	pthread_mutex_unlock(&lock);
	pthread_setspecific(exit_key, &self);
}

/* The innermost open section that fits, or NULL; lock held. */
static struct section *find_section(const struct srcu_struct *ssp, int idx)
{
	unsigned int i;

	for (i = self.count; i-- > 0;)
		if (self.sections[i].ssp == ssp &&
		    (idx < 0 || self.sections[i].idx == idx))
			return &self.sections[i];
	return NULL;
}

static void forget_section(struct section *section)
{
	struct section *end = self.sections + self.count;

	memmove(section, section + 1,
		(size_t)(end - section - 1) * sizeof(*section));
	self.count--;
}

/*
 * Sections that were open when the domain was set up may have begun before
 * tracking did; as many unknown exits are taken for theirs.  Lock held.
 */
static bool was_early(struct srcu_struct *ssp)
{
	if (!ssp->early_sections)
		return false;
	ssp->early_sections--;
	return true;
}

bool srcu_track_unlock(struct srcu_struct *ssp, int idx, bool fast, void *place)
{
	struct section *section;
	bool mixed = false, known;

	pthread_mutex_lock(&lock);
	section = find_section(ssp, idx);
	known = section || self.lost || was_early(ssp);
	if (section) {
		mixed = section->fast != fast;
		forget_section(section);
	} else if (self.lost) {
		self.lost--;
	}
	pthread_mutex_unlock(&lock);
	if (!known)
		report(ssp, SRCU_REPORT_UNLOCK,
		       "a section is ended that this thread has not open "
		       "(twice? begun by another thread, without "
		       "srcu_down_read()?)",
		       place);
	if (mixed)
		report(ssp, SRCU_REPORT_FLAVOUR,
		       "a section is ended by the other flavour's unlock",
		       place);
	return known;
}

void srcu_track_wait(struct srcu_struct *ssp, void *place)
{
	struct srcu_text text;
	struct section *section = find_section(ssp, -1);

	if (!section)
		return;
	begin_report(&text, ssp, "a thread waits for its own section", place);
	srcu_text_add(&text, "  which began at ");
	srcu_text_add_place(&text, section->place);
	srcu_text_add(&text, "\n");
	srcu_report(SRCU_REPORT_DEADLOCK, &text);
	abort();
}

static int compare_heads(const void *a, const void *b)
{
	return (uintptr_t)a < (uintptr_t)b ? -1 : (uintptr_t)a > (uintptr_t)b;
}

/* Out of memory, a head is not tracked. */
bool srcu_track_queue(struct srcu_struct *ssp, struct srcu_head *head,
		      void *place)
{
	bool known;

	pthread_mutex_lock(&lock);
	known = tfind(head, &queued_heads, compare_heads);
	if (!known)
		tsearch(head, &queued_heads, compare_heads);
	pthread_mutex_unlock(&lock);
	if (known)
		report(ssp, SRCU_REPORT_CALLBACK,
		       "a callback is queued that is queued already", place);
	return !known;
}

void srcu_track_unqueue(struct srcu_head *head)
{
	pthread_mutex_lock(&lock);
	tdelete(head, &queued_heads, compare_heads);
	pthread_mutex_unlock(&lock);
}

static void thread_name(int tid, char name[32])
{
	char path[64];
	ssize_t len = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
	file = fopen(path, "re");
	if (file) {
		len = fgets(name, 32, file) ? (ssize_t)strcspn(name, "\n") : -1;
		fclose(file);
	}
	name[len < 0 ? 0 : len] = '\0';
}

static void describe_thread(struct srcu_text *text, const struct thread *thread,
			    const struct srcu_struct *ssp)
{
	char name[32];
	unsigned int i;

	for (i = 0; i < thread->count; i++) {
		if (thread->sections[i].ssp != ssp)
			continue;
		thread_name(thread->tid, name);
		srcu_text_add(text, "  thread %d (%s) in a section since ",
			      thread->tid, name);
		srcu_text_add_place(text, thread->sections[i].place);
		srcu_text_add(text, "\n");
	}
}

void srcu_track_describe(struct srcu_text *text, struct srcu_struct *ssp)
{
	const struct thread *thread;

	pthread_mutex_lock(&lock);
	for (thread = threads; thread; thread = thread->next)
		describe_thread(text, thread, ssp);
	pthread_mutex_unlock(&lock);
}

void srcu_track_before_fork(void)
{
	pthread_mutex_lock(&lock);
}

void srcu_track_after_fork(bool in_child)
{
	if (in_child) {
		threads = NULL;
		self.count = self.lost = 0;
		self.listed = false;
	}
	pthread_mutex_unlock(&lock);
}
