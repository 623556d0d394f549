// SPDX-License-Identifier: MIT
/*
 * Explores small parts of the layers that hand plain data from one thread to
 * another: the lock of a vCPU, the hook of reports, the counters of an entry,
 * signals that the worker makes, and the ring of coalesced writes; its consumer
 * may be another process.
 *
 *	handover_explore [--views] [--expect-failure]
 *
 * Under --views a plain access that is not ordered against one of another
 * thread is a failure; a wake-up that is lost is a deadlock.
 */
#define ARENA_SIZE 2048
#include "sleep.h"
#include "arena.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

static void futex_wake_one(unsigned int *word);

#define BF_CLOCK_H
static uint64_t bf_now_ns(void);

#define sched_getcpu()		   ((int)machine_self())
#define aligned_alloc(align, size) world_alloc(size)
#define munmap(memory, size)	   ((void)(memory))
#define close(fd)		   ((void)(fd))

#include "srcu/abandoned.c"
#include "srcu/gp.c"
#include "srcu/reader.c"
#include "srcu_rseq.h"
#include "srcu_stubs.h"

#include "vcpus/lock.c"
#include "srcu/report.c"
#undef half
#include "io_bus/counters.c"
#include "io_bus/relay.c"
#include "io_bus/ring.c"

#define NR_SLOTS   MACHINE_THREADS
#define NR_ENTRIES 2 /* of the ring, which has one place more */

static struct {
	struct arena arena;
	/* A lock, and the data that it protects. */
	unsigned int lock;
	int locked_data;
	/* A hook, and the data that it reads. */
	int hook_data;
	struct bf_counters *counters;
	/* An eventfd that the worker signals, and its callback. */
	struct bf_eventfd eventfd;
	struct srcu_head *queued;
	int guest_data[2];
	unsigned int made;
	unsigned int freed;
	bool sleeps; /* the worker may */
	uint64_t now;
	/* A ring, its shared memory, and its eventfd. */
	struct bf_io_ring ring;
	_Alignas(8) char shared[sizeof(struct kvm_coalesced_mmio_ring) +
				(NR_ENTRIES + 1) *
					sizeof(struct kvm_coalesced_mmio)];
	uint64_t stamps[NR_ENTRIES + 1];
	unsigned int signals; /* a futex, in place of the eventfd */
	uint64_t put, taken;
	bool destroyed;
} world;

/* The second look of the first thread ends its wait. */
static uint64_t bf_now_ns(void)
{
	if (machine_self() || !world.sleeps)
		return 1;
	return world.now += LONGEST_WAIT_NS;
}

static void *world_alloc(size_t size)
{
	return arena_alloc(&world.arena, size);
}

static void futex_wake_one(unsigned int *word)
{
	futex_wake_all(word);
}

/* Functions of other files, which the parts call. */

void bf_log(const char *text)
{
	machine_fail("a report went to the log");
}

void bf_srcu_track_describe(struct bf_srcu_text *text, struct bf_srcu *ssp)
{
}

int bf_change_begin(struct bf_change *change, struct bf_io_bus *bus)
{
	return -ENOMEM;
}

void bf_change_commit(struct bf_change *change)
{
}

int bf_eventfd_check(int fd)
{
	return 0;
}

int bf_eventfd_dup(struct bf_eventfd *eventfd, int fd)
{
	return 0;
}

void bf_eventfd_close(struct bf_eventfd *eventfd)
{
}

bool bf_eventfd_relay_may_sleep(void)
{
	return world.sleeps;
}

void bf_eventfd_free(struct bf_eventfd *eventfd)
{
	machine_plain(eventfd, sizeof(*eventfd), true);
	check(!world.freed++, "an eventfd was freed twice");
}

void bf_eventfd_signal_here(struct bf_eventfd *eventfd)
{
	check(!world.freed, "an eventfd was signalled behind its end");
	if (++world.made == 2)
		check(world.guest_data[0] && world.guest_data[1],
		      "a signal came before its data");
}

void bf_eventfd_signal(struct bf_eventfd *eventfd)
{
	__atomic_fetch_add(&world.signals, 1, __ATOMIC_RELEASE);
	futex_wake_all(&world.signals);
}

__thread bool bf_eventfd_no_saturate;

int bf_srcu_init(struct bf_srcu *ssp, const char *name)
{
	return 0;
}

int bf_srcu_start_worker(void)
{
	return 0;
}

void bf_srcu_call_expedited(struct bf_srcu *ssp, struct bf_srcu_head *head,
			    void (*func)(struct bf_srcu_head *head))
{
	head->func = func;
	check(!__atomic_exchange_n(&world.queued, head, __ATOMIC_RELEASE),
	      "a callback was queued twice");
}

struct bf_vcpu_entry *bf_vcpus_iter_next(struct bf_vcpus_iter *iter)
{
	return NULL;
}

void bf_vcpus_iter_begin(struct bf_vcpus_iter *iter,
			 const struct bf_vcpus *vcpus, uint64_t first,
			 uint64_t last)
{
}

/* The lock of a vCPU. */

static void add_locked(void *unused)
{
	bf_word_lock(&world.lock);
	world.locked_data++;
	bf_word_unlock(&world.lock);
}

static void try_to_add(void *unused)
{
	if (bf_word_trylock(&world.lock))
		return;
	world.locked_data++;
	bf_word_unlock(&world.lock);
}

static void check_lock(void)
{
	check(world.locked_data >= 2 && !world.lock,
	      "a locked addition was lost");
}

/* The hook of reports. */

static void hook(enum bf_srcu_report what, const char *text)
{
	check(world.hook_data, "a hook was called before its data was there");
}

static void set_hook(void *unused)
{
	world.hook_data = 1;
	bf_srcu_set_report_hook(hook);
}

static void report(void *unused)
{
	const struct bf_srcu_text text = {.len = 0};

	if (__atomic_load_n(&report_hook, __ATOMIC_RELAXED))
		bf_srcu_send_report(BF_SRCU_REPORT_STALL, &text);
}

/* The counters of an entry: each use may be the first. */

static void count_use(void *unused)
{
	bf_count(&world.counters, true, 1);
}

static void sum_uses(void *unused)
{
	struct bf_io_stats stats;

	bf_counters_sum(&world.counters, &stats);
	check(stats.writes <= 2, "too many uses were counted");
}

static void check_counters(void)
{
	struct bf_io_stats stats;

	bf_counters_sum(&world.counters, &stats);
	check(stats.writes == 2, "a use was not counted");
}

/* The worker signals for two threads, or for one, which then leaves it. */

static void relay_one(void *unused)
{
	world.guest_data[machine_self()] = 1;
	bf_eventfd_relay(&world.eventfd);
}

static void leave(void)
{
	if (!bf_eventfd_leave(&world.eventfd))
		bf_eventfd_free(&world.eventfd);
}

static void relay_two_and_leave(void *unused)
{
	bf_eventfd_relay(&world.eventfd);
	world.guest_data[0] = world.guest_data[1] = 1;
	bf_eventfd_relay(&world.eventfd);
	leave();
}

/* The worker may sleep, so the thread does not wait for it. */
static void relay_and_leave(void *unused)
{
	world.sleeps = true;
	bf_eventfd_relay(&world.eventfd);
	leave();
}

static bool run_queued(void)
{
	struct srcu_head *head =
		__atomic_load_n(&world.queued, __ATOMIC_ACQUIRE);

	if (!head)
		return false;
	__atomic_store_n(&world.queued, NULL, __ATOMIC_RELAXED);
	head->func(head);
	return true;
}

static void make_one(void *unused)
{
	while (!run_queued()) {
		machine_checkpoint(0);
		machine_wait();
	}
}

static void make_two(void *unused)
{
	while (world.made < 2) {
		if (run_queued())
			continue;
		machine_checkpoint(0);
		machine_wait();
	}
}

static void check_relay(void)
{
	check(!world.queued, "a callback was left behind");
}

static void check_left(void)
{
	check_relay();
	check(world.freed == 1, "an eventfd was not freed");
}

/* The ring: one vCPU writes, a consumer takes. */

static bool put_write(uint64_t value)
{
	struct bf_io_access access = {
		.addr = value,
		.data = &value,
		.len = sizeof(value),
		.write = true,
	};

	return bf_ring_put(&world.ring, &access);
}

/* Into a ring of two entries, which has three places. */
static void write_four(void *unused)
{
	for (int i = 0; i < 4; i++)
		if (put_write(world.put))
			world.put++;
}

static void write_two(void *unused)
{
	check(put_write(0) && put_write(1), "an empty ring was full");
}

static void take(void *opaque, const struct kvm_coalesced_mmio *entry)
{
	uint64_t value;

	memcpy(&value, entry->data, sizeof(value));
	check(entry->phys_addr == world.taken && value == world.taken,
	      "an entry was lost, or came twice");
	world.taken++;
}

static void drain(void)
{
	struct bf_io_ring *ring = &world.ring;

	bf_io_ring_drain(&ring, 1, take, NULL);
}

static void drain_twice(void *unused)
{
	drain();
	drain();
}

static void check_ring(void)
{
	drain();
	check(world.taken == world.put, "an entry was left behind");
}

static void sleep_and_drain(void *unused)
{
	unsigned int signals = 0;

	for (;;) {
		drain();
		if (world.taken == 2)
			return;
		futex_wait(&world.signals, signals, FUTEX_FOREVER);
		signals = __atomic_load_n(&world.signals, __ATOMIC_RELAXED);
	}
}

/* A zone lets its ring go, and the ring is destroyed. */

static void write_and_release(void *unused)
{
	put_write(0);
	bf_ring_release(&world.ring);
}

static void destroy_ring(void *unused)
{
	while (bf_io_ring_destroy(&world.ring)) {
		machine_checkpoint(0);
		machine_wait();
	}
	machine_plain(&world.ring, sizeof(world.ring), true);
	machine_plain(world.shared, sizeof(world.shared), true);
}

static void check_nothing(void)
{
}

static const struct scenario {
	const char *name;
	void (*threads[3])(void *unused);
	void (*check)(void);
	bool wake; /* the ring wakes its consumer */
} scenarios[] = {
	{"a lock", {add_locked, add_locked, try_to_add}, check_lock, false},
	{"a hook", {set_hook, report}, check_nothing, false},
	{"counters", {count_use, count_use, sum_uses}, check_counters, false},
	{"a relay", {relay_two_and_leave, make_two}, check_left, false},
	{"a relay of two", {relay_one, relay_one, make_two}, check_relay, 0},
	{"a relay that sleeps", {relay_and_leave, make_one}, check_left, 0},
	{"a ring", {write_four, drain_twice}, check_ring, false},
	{"a ring wakes", {write_two, sleep_and_drain}, check_nothing, true},
	{"the end of a ring",
	 {write_and_release, destroy_ring},
	 check_nothing,
	 1},
};

static const struct scenario *scenario;

static void init(void)
{
	memset(&world, 0, sizeof(world));
	memset(&kernel, 0, sizeof(kernel));
	report_hook = NULL;
	relays = true;
	signalling_since = 0;
	world.eventfd.users = 1;
	write_clock = 0;
	bf_srcu_nr_slots = NR_SLOTS;
	world.ring = (struct bf_io_ring){
		.shared = (void *)world.shared,
		.stamps = world.stamps,
		.size = NR_ENTRIES + 1,
		.wake = scenario->wake ? BF_IO_WAKE_NONEMPTY : BF_IO_WAKE_NEVER,
		.zones = 1,
	};
}

static struct explore_result explore_scenario(void)
{
	struct machine_program program = {
		.init = init,
		.threads = {scenario->threads[0], scenario->threads[1],
			    scenario->threads[2]},
		.nr_threads = scenario->threads[2] ? 3 : 2,
		.check = scenario->check,
		.world = &world,
		.world_size = sizeof(world),
		.statics = {{&kernel, sizeof(kernel)},
			    {&report_hook, sizeof(report_hook)},
			    {&write_clock, sizeof(write_clock)},
			    {&signalling_since, sizeof(signalling_since)}},
	};

	return explore(&program, explore_memory);
}

#include "explore_scenarios.h"
