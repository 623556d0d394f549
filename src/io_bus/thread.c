// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/util.h"
#include "io_bus/thread.h"

/*
 * A thread that is in more handlers at once, nested or suspended, is not told
 * -EDEADLK for the rest of them.
 */
#define NR_FRAMES 16

struct bf_io_thread {
	/*
	 * The owner fills free places.  Any thread clears a place, the owner
	 * without the lock.  An access that is not nested needs the first one
	 * only; in a thread that is not listed it is taken.
	 */
	const struct bf_io_frame *frames[NR_FRAMES];
	bool listed;
	bool exiting; /* must not be listed again */
	LIST_ENTRY(bf_io_thread) entry;
};

static const struct bf_io_frame not_listed;

static __thread struct bf_io_thread self
	__attribute__((tls_model("initial-exec"))) = {.frames = {&not_listed}};

/* The lock guards the list, and accesses to the frames of another thread. */
static LIST_HEAD(, bf_io_thread) threads = LIST_HEAD_INITIALIZER(threads);
static pthread_mutex_t threads_lock = PTHREAD_MUTEX_INITIALIZER;

static pthread_key_t exit_key;
static bool have_exit_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void thread_unlist(void *unused)
{
	pthread_mutex_lock(&threads_lock);
	LIST_REMOVE(&self, entry);
	self.listed = false;
	self.exiting = true;
	self.frames[0] = &not_listed;
	pthread_mutex_unlock(&threads_lock);
}

static void after_fork(void)
{
	pthread_mutex_init(&threads_lock, NULL);
	LIST_INIT(&threads);
	if (self.listed)
		LIST_INSERT_HEAD(&threads, &self, entry);
}

static void init(void)
{
	have_exit_key = !pthread_key_create(&exit_key, thread_unlist);
	pthread_atfork(NULL, NULL, after_fork);
}

/* Relaxed: the owner of the frames reads pointers only, and others lock. */
static const struct bf_io_frame *frame_at(const struct bf_io_thread *thread,
					  unsigned int i)
{
	return __atomic_load_n(&thread->frames[i], __ATOMIC_RELAXED);
}

static void frame_set(struct bf_io_thread *thread, unsigned int i,
		      const struct bf_io_frame *frame)
{
	__atomic_store_n(&thread->frames[i], frame, __ATOMIC_RELAXED);
}

/* False: out of memory, or the thread is about to exit. */
static bool thread_list(void)
{
	if (self.listed)
		return true;
	pthread_once(&once, init);
	/* The value only has to differ from NULL, for thread_unlist(). */
	if (self.exiting || !have_exit_key ||
	    pthread_setspecific(exit_key, &self))
		return false;
	pthread_mutex_lock(&threads_lock);
	LIST_INSERT_HEAD(&threads, &self, entry);
	pthread_mutex_unlock(&threads_lock);
	self.listed = true;
	frame_set(&self, 0, NULL);
	return true;
}

/* The access is nested, or the first of the thread. */
static __attribute__((noinline)) void frame_put(const struct bf_io_frame *frame)
{
	unsigned int i;

	if (!thread_list())
		return;
	for (i = 0; i < NR_FRAMES; i++) {
		if (!frame_at(&self, i)) {
			frame_set(&self, i, frame);
			return;
		}
	}
}

void bf_io_enter(struct bf_io_frame *frame, const struct bf_io_bus *bus,
		 bool callback)
{
	frame->bus = (uintptr_t)bus | callback;
	if (likely(!frame_at(&self, 0)))
		frame_set(&self, 0, frame);
	else
		frame_put(frame);
}

/* True: the thread had the frame. */
static bool frame_clear(struct bf_io_thread *thread,
			const struct bf_io_frame *frame)
{
	unsigned int i;

	for (i = 0; i < NR_FRAMES; i++) {
		if (frame_at(thread, i) == frame) {
			frame_set(thread, i, NULL);
			return true;
		}
	}
	return false;
}

/*
 * Another thread entered the frame, unless the frame had no place.  With the
 * lock held, no listed thread exits.
 */
static __attribute__((noinline)) void
frame_clear_any(const struct bf_io_frame *frame)
{
	struct bf_io_thread *thread;

	if (frame_clear(&self, frame))
		return;
	pthread_mutex_lock(&threads_lock);
	LIST_FOREACH(thread, &threads, entry)
	if (frame_clear(thread, frame))
		break;
	pthread_mutex_unlock(&threads_lock);
}

void bf_io_leave(const struct bf_io_frame *frame)
{
	if (likely(frame_at(&self, 0) == frame))
		frame_set(&self, 0, NULL);
	else
		frame_clear_any(frame);
}

/* The lock keeps another thread from leaving a frame that is looked at. */
static bool has_frame(const struct bf_io_bus *bus, bool callbacks_only)
{
	const struct bf_io_frame *frame;
	unsigned int i;
	bool found = false;

	if (!self.listed)
		return false;
	pthread_mutex_lock(&threads_lock);
	for (i = 0; i < NR_FRAMES && !found; i++) {
		frame = frame_at(&self, i);
		found = frame &&
			(frame->bus == ((uintptr_t)bus | 1) ||
			 (frame->bus == (uintptr_t)bus && !callbacks_only));
	}
	pthread_mutex_unlock(&threads_lock);
	return found;
}

bool bf_io_in_handler(const struct bf_io_bus *bus)
{
	return has_frame(bus, false);
}

bool bf_io_in_callback(const struct bf_io_bus *bus)
{
	return has_frame(bus, true);
}
