/* SPDX-License-Identifier: MIT */
/*
 * Events of calls lie in chunks.  Each thread fills a chunk of its own, so that
 * threads share a cache line once in RECORDING_CHUNK events.  The events of
 * priority[] are rare.
 */
#include <sys/prctl.h>
#include <unistd.h>

#include "preload/common/config.h"
#include "preload/common/process.h"
#include "preload/common/sys.h"
#include "preload/record/internal.h"
#include "preload/seccomp/forbidden.h"

struct writer {
	bool numbered;
	uint32_t thread;	     /* index of threads[] */
	struct recorded_event *next; /* free in the thread's chunk */
	struct recorded_event *end;
};

static __thread struct writer writer;

/*
 * Release: orders the name and the pid before the tid, which belfry run loads
 * first.  Without it the trace could show a thread without its name.
 */
static void describe_thread(struct recorded_thread *thread)
{
	thread->pid = (uint32_t)process_pid;
	prctl(PR_GET_NAME, thread->name);
	atomic_store_explicit(&thread->tid, (uint32_t)syscall(SYS_gettid),
			      memory_order_release);
}

static void number_thread(void)
{
	uint64_t n = relaxed_add(&recording->threads_seen, 1);

	writer.numbered = true;
	writer.thread = RECORDED_NO_THREAD;
	if (n >= RECORDING_THREADS || thread_forbids(FORBIDDEN_THREAD))
		return;
	writer.thread = (uint32_t)n;
	describe_thread(&recording->threads[n]);
}

static bool take_chunk(void)
{
	uint64_t n;

	if (relaxed_load(&recording->next_chunk) >= recording_chunks)
		return false;
	n = relaxed_add(&recording->next_chunk, 1);
	if (n >= recording_chunks)
		return false;
	writer.next = &recording->events[n * RECORDING_CHUNK];
	writer.end = writer.next + RECORDING_CHUNK;
	return true;
}

static struct recorded_event *alloc_from_chunk(void)
{
	if (writer.next == writer.end && !take_chunk()) {
		relaxed_add(&recording->dropped, 1);
		return NULL;
	}
	return writer.next++;
}

/* next_priority goes on counting when priority[] is full: the excess is
 * dropped. */
static struct recorded_event *alloc_from_priority(void)
{
	uint64_t n = relaxed_add(&recording->next_priority, 1);

	return n < RECORDING_PRIORITY ? &recording->priority[n] : NULL;
}

struct recorded_event *event_alloc(bool priority, struct record_who who)
{
	struct recorded_event *event = priority ? alloc_from_priority() :
						  alloc_from_chunk();

	if (!event)
		return NULL;
	if (!writer.numbered)
		number_thread();
	event->thread = writer.thread;
	event->vm = who.vm;
	event->vcpu = who.vcpu;
	event->doorbell = RECORDED_NO_DOORBELL;
	return event;
}

/*
 * Release: orders the event's contents before its kind, for the acquire in
 * belfry run, which may read while a program runs on that it did not wait for.
 * Without it the trace could show an event at time 0.
 */
void event_publish(struct recorded_event *event, enum recorded_kind kind)
{
	atomic_store_explicit(&event->kind, kind, memory_order_release);
}

void event_add_instant(enum recorded_kind kind, struct record_who who,
		       uint32_t doorbell, int error, uint64_t now)
{
	struct recorded_event *event = event_alloc(true, who);

	if (!event)
		return;
	event->doorbell = doorbell;
	event->error = error;
	event->start_ns = now;
	relaxed_store(&event->end_ns, now);
	event_publish(event, kind);
}

struct recorded_vm *recorded_vm_row(uint32_t vm)
{
	return recording && vm && vm <= RECORDING_VMS ?
		       &recording->vms[vm - 1] :
		       NULL;
}

void event_forget_thread(void)
{
	writer = (struct writer){0};
}
