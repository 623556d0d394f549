// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <stddef.h>

#include "base/util.h"
#include "io_bus/thread.h"

/* A thread that has more of them at once is not told -EDEADLK for the rest. */
#define NR_FRAMES 16

struct bf_io_thread {
	/*
	 * Frames from depth on are NULL; below it there are holes if frames
	 * were left out of order.  NR_FRAMES: see frame_find_room().
	 */
	unsigned int depth;
	struct bf_io_frame *frames[NR_FRAMES];
	bool listed;
	bool exiting; /* must not be listed again */
	unsigned int number;
	struct bf_io_thread *next; /* in the list, by number */
};

static __thread struct bf_io_thread self
	__attribute__((tls_model("initial-exec"))) = {.depth = NR_FRAMES};

/*
 * All threads that have a number.  The lock guards the list, and every access
 * to the frames of another thread.
 */
static struct bf_io_thread *threads;
static pthread_mutex_t threads_lock = PTHREAD_MUTEX_INITIALIZER;

static pthread_key_t exit_key;
static bool have_exit_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/*
 * Gives the number back.  The lock orders all that the thread stored under its
 * number before the stores of the next thread with that number.
 */
static void thread_unlist(void *unused)
{
	struct bf_io_thread **link;

	pthread_mutex_lock(&threads_lock);
	for (link = &threads; *link != &self;)
		link = &(*link)->next;
	*link = self.next;
	self.listed = false;
	self.exiting = true;
	self.depth = NR_FRAMES;
	pthread_mutex_unlock(&threads_lock);
}

static void after_fork(void)
{
	pthread_mutex_init(&threads_lock, NULL);
	threads = self.listed ? &self : NULL;
	self.next = NULL;
}

static void init(void)
{
	have_exit_key = !pthread_key_create(&exit_key, thread_unlist);
	pthread_atfork(NULL, NULL, after_fork);
}

/*
 * Takes the lowest free number, so that arrays by number stay dense.  The list
 * is walked for that once in the life of a thread.
 */
static void take_number(void)
{
	struct bf_io_thread **link;

	self.number = 0;
	for (link = &threads; *link && (*link)->number == self.number;
	     link = &(*link)->next)
		self.number++;
	self.next = *link;
	*link = &self;
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
	take_number();
	pthread_mutex_unlock(&threads_lock);
	self.listed = true;
	self.depth = 0;
	return true;
}

int bf_thread_number(void)
{
	return thread_list() ? (int)self.number : -1;
}

static struct bf_io_frame *frame_at(const struct bf_io_thread *thread,
				    unsigned int index)
{
	return __atomic_load_n(&thread->frames[index], __ATOMIC_RELAXED);
}

/* Relaxed: the owner reads pointers alone, and others hold the lock. */
static void frame_set(struct bf_io_thread *thread, unsigned int index,
		      struct bf_io_frame *frame)
{
	__atomic_store_n(&thread->frames[index], frame, __ATOMIC_RELAXED);
}

/*
 * An index that is free in a full array, which mostly has holes at its end; or
 * NR_FRAMES.  A thread comes here first when it is not listed yet.
 */
static unsigned int frame_find_room(void)
{
	unsigned int i;

	if (!thread_list())
		return NR_FRAMES;
	while (self.depth && !frame_at(&self, self.depth - 1))
		self.depth--;
	for (i = 0; i < self.depth && frame_at(&self, i);)
		i++;
	return i;
}

void bf_io_enter(struct bf_io_frame *frame, const struct bf_io_bus *bus,
		 bool callback)
{
	unsigned int index = self.depth;

	frame->bus = bus;
	frame->callback = callback;
	frame->thread = NULL;
	if (unlikely(index == NR_FRAMES))
		index = frame_find_room();
	if (unlikely(index == NR_FRAMES))
		return;
	frame->thread = &self;
	frame->index = index;
	frame_set(&self, index, frame);
	if (likely(index == self.depth))
		self.depth++;
}

/*
 * The frame is one that another thread entered, or an exited thread whose
 * address is in use again.  With the lock held, a listed thread does not exit.
 */
static void frame_leave_moved(const struct bf_io_frame *frame)
{
	struct bf_io_thread *thread;

	pthread_mutex_lock(&threads_lock);
	for (thread = threads; thread; thread = thread->next)
		if (thread == frame->thread &&
		    frame_at(thread, frame->index) == frame)
			frame_set(thread, frame->index, NULL);
	pthread_mutex_unlock(&threads_lock);
}

void bf_io_leave(struct bf_io_frame *frame)
{
	if (!frame->thread)
		return;
	if (unlikely(frame->thread != &self ||
		     frame_at(&self, frame->index) != frame)) {
		frame_leave_moved(frame);
		return;
	}
	frame_set(&self, frame->index, NULL);
	if (self.depth == frame->index + 1)
		self.depth = frame->index;
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
	for (i = 0; i < self.depth && !found; i++) {
		frame = frame_at(&self, i);
		found = frame && frame->bus == bus &&
			(frame->callback || !callbacks_only);
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
