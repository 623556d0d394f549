/* SPDX-License-Identifier: MIT */
/*
 * A thread writes into a chunk of its own, so that threads share no cache line
 * but once in RECORDING_CHUNK events; what is kept is rare.
 */
#include <sys/prctl.h>
#include <unistd.h>

#include "preload/interpose/config.h"
#include "preload/record/record_event.h"
#include "preload/common/sys.h"

#define relaxed memory_order_relaxed

struct writer {
	bool known; /* this thread has a number */
	uint32_t thread;
	struct recorded_event *next; /* of its chunk */
	struct recorded_event *end;
};

static __thread struct writer writer;

/* Release: orders the name before the tid, by which belfry run knows it. */
static void write_thread(struct recorded_thread *thread)
{
	thread->pid = (uint32_t)config.pid;
	prctl(PR_GET_NAME, thread->name);
	atomic_store_explicit(&thread->tid, (uint32_t)syscall(SYS_gettid),
			      memory_order_release);
}

static void number_thread(void)
{
	uint64_t n =
		atomic_fetch_add_explicit(&recording->threads_seen, 1, relaxed);

	writer.known = true;
	writer.thread = RECORDED_NO_THREAD;
	if (n >= RECORDING_THREADS || config_forbids(FORBIDDEN_THREAD))
		return;
	writer.thread = (uint32_t)n;
	write_thread(&recording->threads[n]);
}

static bool take_chunk(void)
{
	uint64_t n;

	if (atomic_load_explicit(&recording->next_chunk, relaxed) >=
	    recording->chunks)
		return false;
	n = atomic_fetch_add_explicit(&recording->next_chunk, 1, relaxed);
	if (n >= recording->chunks)
		return false;
	writer.next = &recording->events[n * RECORDING_CHUNK];
	writer.end = writer.next + RECORDING_CHUNK;
	return true;
}

static struct recorded_event *next_event(void)
{
	if (writer.next == writer.end && !take_chunk()) {
		atomic_fetch_add_explicit(&recording->dropped, 1, relaxed);
		return NULL;
	}
	return writer.next++;
}

/* What finds kept[] full is counted by next_kept itself. */
static struct recorded_event *next_kept(void)
{
	uint64_t n =
		atomic_fetch_add_explicit(&recording->next_kept, 1, relaxed);

	return n < RECORDING_KEPT ? &recording->kept[n] : NULL;
}

struct recorded_event *record_event(bool keep, struct record_who who)
{
	struct recorded_event *event = keep ? next_kept() : next_event();

	if (!event)
		return NULL;
	if (!writer.known)
		number_thread();
	event->thread = writer.thread;
	event->vm = who.vm;
	event->vcpu = who.vcpu;
	event->doorbell = RECORDED_NO_DOORBELL;
	return event;
}

/*
 * Release: orders what the event says before its kind, for the acquire in
 * belfry run, which may look while a program that was not waited for goes on.
 * Without this it could show an event of an earlier millennium.
 */
void record_done(struct recorded_event *event, enum recorded_kind kind)
{
	atomic_store_explicit(&event->kind, kind, memory_order_release);
}

void record_instant(enum recorded_kind kind, struct record_who who,
		    uint32_t doorbell, int error, uint64_t now)
{
	struct recorded_event *event = record_event(true, who);

	if (!event)
		return;
	event->doorbell = doorbell;
	event->error = error;
	event->start_ns = now;
	atomic_store_explicit(&event->end_ns, now, relaxed);
	record_done(event, kind);
}

struct recorded_vm *record_vm_row(uint32_t vm)
{
	return vm && vm <= RECORDING_VMS ? &recording->vms[vm - 1] : NULL;
}

void record_forget_threads(void)
{
	writer = (struct writer){0};
}
