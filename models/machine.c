// SPDX-License-Identifier: MIT
/* The machine: threads as coroutines, and their store buffers. */
#undef _FORTIFY_SOURCE /* the checked longjmp() cannot change stacks */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "machine.h"
#include "views.h"

#define STACK_SIZE  65536
#define BUFFER_SIZE 24
#define WORLD_WORDS 4096 /* words of 4 bytes */

enum op {
	OP_START,
	OP_LOAD,
	OP_STORE, /* under MACHINE_SC and MACHINE_VIEWS */
	OP_RMW,
	OP_FENCE,
	OP_BARRIER,
	OP_WAIT,
	OP_UNTIL,
	OP_DONE,
};

static const char *const op_names[] = {
	"starts",     "loads",	     "stores",	   "changes", "has a fence",
	"interrupts", "looks again", "sleeps for", "is done",
};

struct store {
	unsigned char *word;
	size_t size;
	uint64_t value;
	uint64_t hidden; /* value in memory that others see */
	bool release;
};

struct thread {
	jmp_buf start, here;
	ucontext_t context;
	enum op op; /* next operation */
	unsigned char *word;
	int order;
	unsigned int until; /* OP_UNTIL: the word is this value, or is not */
	bool until_equal;
	bool waits; /* calls machine_wait() in some run */
	bool woken; /* a store became visible since the last wait */
	uint64_t history;
	unsigned int nr_stores;
	struct store stores[BUFFER_SIZE];
};

/* The threads that accessed a word of the world, in all runs so far. */
struct usage {
	unsigned char readers, writers;
	bool shared;
};

/* The clock of each thread's last plain accesses in a run; 0: none. */
struct plain {
	unsigned long run;
	unsigned char read[MACHINE_THREADS], written[MACHINE_THREADS];
};

static struct {
	const struct machine_program *program;
	enum machine_memory memory;
	char *image; /* contents of the world at the beginning */
	struct thread *self;
	unsigned int message; /* that the load takes */
	struct view_thread views[MACHINE_THREADS];
	unsigned long run;
	bool learned;
	bool barriers; /* machine_membarrier() is called in some run */
	const char *failure;
	jmp_buf scheduler;
	struct thread threads[MACHINE_THREADS];
	struct usage usage[WORLD_WORDS];
	struct plain plain[WORLD_WORDS * sizeof(uint32_t)]; /* of each byte */
	char stacks[MACHINE_THREADS][STACK_SIZE] __attribute__((aligned(16)));
} machine;

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ (hash >> 29);
}

/* The nth piece of the world; its size is 0 behind the last one. */
static struct machine_region world_region(unsigned int n)
{
	const struct machine_program *program = machine.program;

	if (n == 0)
		return (struct machine_region){program->world,
					       program->world_size};
	if (n > MACHINE_STATICS)
		return (struct machine_region){NULL, 0};
	return program->statics[n - 1];
}

/* SIZE_MAX: not in the world. */
static size_t world_offset(const volatile void *word)
{
	struct machine_region region;
	size_t before = 0, offset;

	for (unsigned int n = 0; (region = world_region(n)).size; n++) {
		offset = (uintptr_t)word - (uintptr_t)region.memory;
		if (offset < region.size)
			return before + offset;
		before += region.size;
	}
	return SIZE_MAX;
}

static size_t world_total(void)
{
	struct machine_region region;
	size_t total = 0;

	for (unsigned int n = 0; (region = world_region(n)).size; n++)
		total += region.size;
	return total;
}

static void world_save(char *image)
{
	struct machine_region region;

	for (unsigned int n = 0; (region = world_region(n)).size; n++) {
		memcpy(image, region.memory, region.size);
		image += region.size;
	}
}

static void world_restore(const char *image)
{
	struct machine_region region;

	for (unsigned int n = 0; (region = world_region(n)).size; n++) {
		memcpy(region.memory, image, region.size);
		image += region.size;
	}
}

unsigned int machine_self(void)
{
	if (!machine.self)
		return 0;
	return (unsigned int)(machine.self - machine.threads);
}

const char *machine_failure(void)
{
	return machine.failure;
}

/* A thread that fails does not continue. */
void machine_fail(const char *what)
{
	machine.failure = what;
	if (!machine.self)
		return;
	machine.self->op = OP_DONE;
	_longjmp(machine.scheduler, 1);
}

void machine_exit(void)
{
	machine.self->op = OP_DONE;
	_longjmp(machine.scheduler, 1);
}

static uint64_t read_word(const volatile void *word, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, (const void *)(uintptr_t)word, size);
	return value;
}

static void write_word(volatile void *word, size_t size, uint64_t value)
{
	memcpy((void *)(uintptr_t)word, &value, size);
}

/*
 * While a thread runs, its buffered stores are in memory.  When it stops they
 * are taken out again.  So only this thread sees them.
 */
static void show_stores(struct thread *thread)
{
	for (unsigned int i = 0; i < thread->nr_stores; i++) {
		struct store *store = &thread->stores[i];

		store->hidden = read_word(store->word, store->size);
		write_word(store->word, store->size, store->value);
	}
}

static void hide_stores(struct thread *thread)
{
	for (unsigned int i = thread->nr_stores; i-- > 0;) {
		struct store *store = &thread->stores[i];

		write_word(store->word, store->size, store->hidden);
	}
}

static void stop_at(enum op op, const volatile void *word, int order)
{
	struct thread *thread = machine.self;

	thread->op = op;
	thread->word = (unsigned char *)(uintptr_t)word;
	thread->order = order;
	if (!_setjmp(thread->here))
		_longjmp(machine.scheduler, 1);
}

/* Records the access; returns true if the word is known to be shared. */
static bool is_shared(const volatile void *word, bool write)
{
	size_t offset = world_offset(word);
	struct usage *usage = &machine.usage[offset / 4];
	unsigned int bit = 1U << machine_self();

	if (offset == SIZE_MAX)
		return false;
	if (write && !(usage->writers & bit)) {
		usage->writers |= (unsigned char)bit;
		machine.learned |= usage->shared; /* commutes() depends on it */
	}
	usage->readers |= (unsigned char)bit;
	if (!usage->shared && usage->writers &&
	    (usage->readers & (usage->readers - 1))) {
		usage->shared = true;
		machine.learned = true;
	}
	return usage->shared;
}

static struct view_thread *own_views(void)
{
	return &machine.views[machine_self()];
}

static struct plain *plain_byte(size_t offset)
{
	struct plain *plain = &machine.plain[offset];

	if (plain->run != machine.run)
		*plain = (struct plain){.run = machine.run};
	return plain;
}

/* Fails if another thread's plain access conflicts and is not known of. */
static void check_race(const struct plain *plain, bool write)
{
	for (unsigned int i = 0; i < machine.program->nr_threads; i++) {
		unsigned int clock = plain->written[i];

		if (write && clock < plain->read[i])
			clock = plain->read[i];
		if (i != machine_self() && !views_knows(own_views(), i, clock))
			machine_fail("a data race");
	}
}

static void check_races(const volatile void *memory, size_t size, bool write)
{
	size_t offset = world_offset(memory);

	if (offset == SIZE_MAX)
		return;
	for (size_t i = 0; i < size; i++)
		if (machine.plain[offset + i].run == machine.run)
			check_race(&machine.plain[offset + i], write);
}

void machine_plain(const volatile void *memory, size_t size, bool write)
{
	unsigned int i = machine_self();
	size_t offset;
	unsigned char clock;

	if (!machine.self || machine.memory != MACHINE_VIEWS)
		return;
	offset = world_offset(memory);
	if (offset == SIZE_MAX)
		return;
	check_races(memory, size, write);
	clock = (unsigned char)views_clock(own_views(), i);
	for (size_t n = 0; n < size; n++) {
		struct plain *plain = plain_byte(offset + n);

		(write ? plain->written : plain->read)[i] = clock;
	}
}

bool machine_learned(void)
{
	bool learned = machine.learned;

	machine.learned = false;
	return learned;
}

static void add_to_history(uint64_t value)
{
	machine.self->history = mix(machine.self->history + 1, value);
}

static uint64_t load_message(const volatile void *word, size_t size, int order)
{
	unsigned int number = views_word(word, size);
	uint64_t value;

	stop_at(OP_LOAD, word, order);
	check_races(word, size, false);
	value = views_load(own_views(), number, machine.message, order);
	add_to_history(value);
	return value;
}

uint64_t machine_load_word(const volatile void *word, size_t size, int order)
{
	uint64_t value;

	if (!machine.self || !is_shared(word, false))
		return read_word(word, size);
	if (machine.memory == MACHINE_VIEWS)
		return load_message(word, size, order);
	stop_at(OP_LOAD, word, 0);
	value = read_word(word, size);
	add_to_history(value);
	return value;
}

/* Wakes all other threads that wait. */
static void make_visible(struct thread *owner)
{
	for (unsigned int i = 0; i < machine.program->nr_threads; i++) {
		if (&machine.threads[i] != owner)
			machine.threads[i].woken = true;
	}
}

static bool is_release(int order)
{
	return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL ||
	       order == __ATOMIC_SEQ_CST;
}

static void buffer_store(struct thread *thread, volatile void *word,
			 size_t size, uint64_t value, int order)
{
	struct store *store = &thread->stores[thread->nr_stores++];

	if (thread->nr_stores > BUFFER_SIZE)
		machine_fail("the model's store buffers are too small");
	*store = (struct store){
		.word = (unsigned char *)(uintptr_t)word,
		.size = size,
		.value = value,
		.hidden = read_word(word, size),
		.release = is_release(order),
	};
	write_word(word, size, value);
}

static void store_message(volatile void *word, size_t size, uint64_t value,
			  int order, bool rmw)
{
	check_races(word, size, true);
	views_store(own_views(), views_word(word, size), value, order, rmw);
	write_word(word, size, value);
	make_visible(machine.self);
}

static void load_last(const volatile void *word, size_t size, int order)
{
	unsigned int number = views_word(word, size);

	views_load(own_views(), number, views_count(number) - 1, order);
}

void machine_store_word(volatile void *word, size_t size, uint64_t value,
			int order)
{
	if (!machine.self || !is_shared(word, true)) {
		write_word(word, size, value);
	} else if (machine.memory == MACHINE_VIEWS) {
		stop_at(OP_STORE, word, order);
		store_message(word, size, value, order, false);
	} else if (machine.memory == MACHINE_SC) {
		stop_at(OP_STORE, word, order);
		write_word(word, size, value);
		make_visible(machine.self);
	} else {
		buffer_store(machine.self, word, size, value, order);
		if (order == __ATOMIC_SEQ_CST)
			machine_fence(order);
	}
}

/* Read-modify-write instructions bypass the buffer: see may_bypass(). */
static uint64_t begin_rmw(volatile void *word, size_t size, int order)
{
	uint64_t old;

	if (!machine.self || !is_shared(word, true))
		return read_word(word, size);
	stop_at(OP_RMW, word, order);
	old = read_word(word, size);
	add_to_history(old);
	make_visible(machine.self);
	return old;
}

static bool is_message(volatile void *word)
{
	return machine.self && machine.memory == MACHINE_VIEWS &&
	       is_shared(word, true);
}

static void end_rmw(volatile void *word, size_t size, uint64_t value, int order)
{
	if (!is_message(word)) {
		write_word(word, size, value);
		return;
	}
	load_last(word, size, order);
	store_message(word, size, value, order, true);
}

uint64_t machine_add_word(volatile void *word, size_t size, uint64_t value,
			  int order)
{
	uint64_t old = begin_rmw(word, size, order);

	end_rmw(word, size, old + value, order);
	return old;
}

uint64_t machine_or_word(volatile void *word, size_t size, uint64_t value,
			 int order)
{
	uint64_t old = begin_rmw(word, size, order);

	end_rmw(word, size, old | value, order);
	return old;
}

uint64_t machine_and_word(volatile void *word, size_t size, uint64_t value,
			  int order)
{
	uint64_t old = begin_rmw(word, size, order);

	end_rmw(word, size, old & value, order);
	return old;
}

uint64_t machine_swap_word(volatile void *word, size_t size, uint64_t value,
			   int order)
{
	uint64_t old = begin_rmw(word, size, order);

	end_rmw(word, size, value, order);
	return old;
}

bool machine_cas_word(volatile void *word, size_t size, void *expected,
		      uint64_t value, int order, int order_failed)
{
	uint64_t old = begin_rmw(word, size, order);

	if (old == read_word(expected, size)) {
		end_rmw(word, size, value, order);
		return true;
	}
	if (is_message(word))
		load_last(word, size, order_failed);
	write_word(expected, size, old);
	return false;
}

void machine_fence(int order)
{
	if (machine.self && machine.memory == MACHINE_VIEWS) {
		/* The fences of seq_cst have an order among themselves. */
		if (order == __ATOMIC_SEQ_CST) {
			stop_at(OP_FENCE, NULL, order);
			/* Else the next of two fences looks like the first. */
			add_to_history(OP_FENCE);
		}
		views_fence(own_views(), order);
		return;
	}
	if (machine.self && machine.self->nr_stores &&
	    order != __ATOMIC_ACQUIRE)
		stop_at(OP_FENCE, NULL, order);
}

void machine_membarrier(void)
{
	struct thread *self = machine.self;

	if (!machine.barriers)
		machine.barriers = machine.learned = true;
	machine_fence(__ATOMIC_SEQ_CST);
	for (unsigned int i = 0; i < machine.program->nr_threads; i++) {
		if (&machine.threads[i] == self)
			continue;
		stop_at(OP_BARRIER, &machine.threads[i], 0);
		add_to_history(i);
		if (machine.memory == MACHINE_VIEWS)
			views_fence(&machine.views[i], __ATOMIC_SEQ_CST);
	}
	if (machine.memory == MACHINE_VIEWS)
		machine_fence(__ATOMIC_SEQ_CST);
}

void machine_wait(void)
{
	struct thread *self = machine.self;

	if (!self->waits) {
		self->waits = true;
		machine.learned = true;
	}
	if (!self->woken)
		stop_at(OP_WAIT, NULL, 0);
	self->woken = false;
}

void machine_checkpoint(unsigned int value)
{
	if (machine.self)
		machine.self->history = value;
}

static void sleep_until(unsigned int *word, unsigned int value, bool equal)
{
	if (!machine.self)
		return;
	is_shared(word, true);
	machine.self->until = value;
	machine.self->until_equal = equal;
	stop_at(OP_UNTIL, word, __ATOMIC_ACQUIRE);
	add_to_history(OP_UNTIL);
	if (machine.memory == MACHINE_VIEWS)
		load_last(word, sizeof(*word), __ATOMIC_ACQUIRE);
}

void machine_lock(unsigned int *word)
{
	sleep_until(word, 0, true);
	end_rmw(word, sizeof(*word), 1, __ATOMIC_ACQUIRE);
}

void machine_sleep(unsigned int *word, unsigned int value)
{
	sleep_until(word, value, false);
}

static void run_thread(void)
{
	struct thread *thread = machine.self;
	unsigned int i;

	if (!_setjmp(thread->start))
		_longjmp(machine.scheduler, 1);
	i = machine_self();
	machine.program->threads[i](machine.program->args[i]);
	machine.self->op = OP_DONE;
	_longjmp(machine.scheduler, 1);
}

/* Runs the coroutine up to its setjmp(), from where it can start many times. */
static void create_thread(unsigned int i)
{
	struct thread *thread = &machine.threads[i];

	getcontext(&thread->context);
	thread->context.uc_stack.ss_sp = machine.stacks[i];
	thread->context.uc_stack.ss_size = STACK_SIZE;
	makecontext(&thread->context, run_thread, 0);
	machine.self = thread;
	if (!_setjmp(machine.scheduler))
		setcontext(&thread->context);
	machine.self = NULL;
}

void machine_load(const struct machine_program *program,
		  enum machine_memory memory)
{
	machine.program = program;
	if (world_total() > WORLD_WORDS * sizeof(uint32_t))
		abort();
	memset(machine.usage, 0, sizeof(machine.usage));
	memset(machine.threads, 0, sizeof(machine.threads));
	views_forget();
	machine.barriers = false;
	machine.memory = memory;
	machine.self = NULL;
	program->init();
	free(machine.image);
	machine.image = malloc(world_total());
	if (!machine.image)
		abort();
	world_save(machine.image);
	for (unsigned int i = 0; i < program->nr_threads; i++)
		create_thread(i);
}

void machine_reset(void)
{
	const struct machine_program *program = machine.program;

	world_restore(machine.image);
	memset(machine.views, 0, sizeof(machine.views));
	views_reset();
	machine.failure = NULL;
	machine.run++;
	for (unsigned int i = 0; i < program->nr_threads; i++) {
		machine.threads[i].op = OP_START;
		machine.threads[i].word = NULL;
		machine.threads[i].woken = false;
		machine.threads[i].history = 0;
		machine.threads[i].nr_stores = 0;
	}
}

/* Whether a read-modify-write may bypass the thread's earlier stores. */
static bool may_bypass(const struct thread *thread)
{
	if (machine.memory == MACHINE_TSO || is_release(thread->order))
		return thread->nr_stores == 0;
	for (unsigned int i = 0; i < thread->nr_stores; i++) {
		if (thread->stores[i].word == thread->word)
			return false;
	}
	return true;
}

static struct view_thread *views_of(const struct thread *thread)
{
	return &machine.views[thread - machine.threads];
}

/* A load under MACHINE_VIEWS: one action for each message that it may take. */
static unsigned int load_actions(const struct thread *thread,
				 struct machine_action *actions)
{
	unsigned int i = (unsigned int)(thread - machine.threads), nr = 0;
	unsigned int word = views_word(thread->word, 0), message;

	for (message = views_count(word);
	     message-- > views_first(views_of(thread), word, thread->order);)
		actions[nr++] = (struct machine_action){i, (int)message};
	return nr;
}

static bool can_continue(const struct thread *thread)
{
	switch (thread->op) {
	case OP_DONE:
		return false;
	case OP_WAIT:
		return thread->woken || (machine.memory == MACHINE_VIEWS &&
					 views_behind(views_of(thread)));
	case OP_UNTIL:
		return (read_word(thread->word, sizeof(thread->until)) ==
			thread->until) == thread->until_equal &&
		       may_bypass(thread);
	case OP_FENCE:
		return thread->nr_stores == 0;
	case OP_BARRIER:
		return ((struct thread *)(void *)thread->word)->nr_stores == 0;
	case OP_RMW:
		return may_bypass(thread);
	default:
		return true;
	}
}

static bool can_flush(const struct thread *thread, unsigned int entry)
{
	const struct store *store = &thread->stores[entry];

	if (entry == 0)
		return true;
	if (machine.memory == MACHINE_TSO || store->release)
		return false;
	for (unsigned int i = 0; i < entry; i++) {
		if (thread->stores[i].word == store->word)
			return false;
	}
	return true;
}

static bool has_other(unsigned int threads, const struct thread *thread)
{
	return threads & ~(1U << (thread - machine.threads));
}

/* May a thread other than this one still write to the word? */
static bool may_be_written(const struct thread *thread)
{
	unsigned int writers =
		machine.usage[world_offset(thread->word) / 4].writers;

	for (unsigned int i = 0; i < machine.program->nr_threads; i++)
		if (machine.threads[i].op == OP_DONE)
			writers &= ~(1U << i);
	return has_other(writers, thread);
}

/*
 * Under MACHINE_VIEWS a step need not be explored in turn with the steps of
 * other threads if it commutes with all that they may do.  A store to a word
 * that no other thread writes to only adds a choice to their loads.  A load of
 * a word that no other thread will write to has its choices already.  A
 * membarrier commutes with nothing, and a seq_cst access not with other ones.
 */
static bool commutes(const struct thread *thread)
{
	if (machine.memory != MACHINE_VIEWS || machine.barriers)
		return false;
	switch (thread->op) {
	case OP_START:
		return true;
	case OP_LOAD:
	case OP_STORE:
	case OP_RMW:
		return thread->order != __ATOMIC_SEQ_CST &&
		       !may_be_written(thread);
	default:
		return false;
	}
}

static unsigned int thread_actions(const struct thread *thread,
				   struct machine_action *actions)
{
	unsigned int i = (unsigned int)(thread - machine.threads);

	if (thread->op == OP_LOAD)
		return load_actions(thread, actions);
	*actions = (struct machine_action){i, -1};
	return 1;
}

unsigned int machine_actions(struct machine_action *actions)
{
	unsigned int i, entry, nr = 0;

	for (i = 0; i < machine.program->nr_threads; i++)
		if (commutes(&machine.threads[i]))
			return thread_actions(&machine.threads[i], actions);
	for (i = 0; i < machine.program->nr_threads; i++) {
		struct thread *thread = &machine.threads[i];

		if (machine.memory == MACHINE_VIEWS && thread->op == OP_LOAD)
			nr += load_actions(thread, actions + nr);
		else if (can_continue(thread))
			actions[nr++] = (struct machine_action){i, -1};
		for (entry = 0; entry < thread->nr_stores; entry++) {
			if (can_flush(thread, entry))
				actions[nr++] =
					(struct machine_action){i, (int)entry};
		}
	}
	return nr;
}

static void run(struct thread *thread)
{
	machine.self = thread;
	show_stores(thread);
	if (!_setjmp(machine.scheduler))
		_longjmp(thread->op == OP_START ? thread->start : thread->here,
			 1);
	hide_stores(machine.self);
	machine.self = NULL;
}

static void flush(struct thread *thread, unsigned int entry)
{
	struct store *store = &thread->stores[entry];

	write_word(store->word, store->size, store->value);
	thread->nr_stores--;
	memmove(store, store + 1, (thread->nr_stores - entry) * sizeof(*store));
	make_visible(thread);
}

void machine_do(const struct machine_action *action)
{
	struct thread *thread = &machine.threads[action->thread];

	if (action->entry >= 0 && machine.memory != MACHINE_VIEWS) {
		flush(thread, (unsigned int)action->entry);
		return;
	}
	machine.message = (unsigned int)action->entry;
	run(thread);
}

bool machine_finished(void)
{
	for (unsigned int i = 0; i < machine.program->nr_threads; i++) {
		if (machine.threads[i].op != OP_DONE ||
		    machine.threads[i].nr_stores)
			return false;
	}
	return true;
}

void machine_check(void)
{
	machine.program->check();
}

static uint64_t thread_key(uint64_t key, const struct thread *thread)
{
	key = mix(key, thread->history);
	key = mix(key, thread->op);
	key = mix(key, thread->op == OP_UNTIL ? thread->until : 0);
	key = mix(key, thread->waits && thread->woken);
	key = mix(key, (uintptr_t)thread->word);
	for (unsigned int i = 0; i < thread->nr_stores; i++) {
		key = mix(key, (uintptr_t)thread->stores[i].word);
		key = mix(key, thread->stores[i].value);
	}
	return key;
}

uint64_t machine_key(void)
{
	const struct machine_program *program = machine.program;
	struct machine_region region;
	uint64_t key = 1;

	for (unsigned int n = 0; (region = world_region(n)).size; n++)
		for (size_t i = 0; i < region.size; i += sizeof(uint64_t))
			key = mix(key, read_word((char *)region.memory + i,
						 sizeof(uint64_t)));
	for (unsigned int i = 0; i < program->nr_threads; i++)
		key = thread_key(key, &machine.threads[i]);
	if (machine.memory == MACHINE_VIEWS)
		key = views_key(key, machine.views, program->nr_threads);
	return key ? key : 1;
}

void machine_describe(const struct machine_action *action, char *line,
		      size_t size)
{
	const struct thread *thread = &machine.threads[action->thread];

	if (action->entry >= 0 && machine.memory == MACHINE_VIEWS)
		snprintf(line, size, "thread %u: loads message %d of world+%zu",
			 action->thread, action->entry,
			 world_offset(thread->word));
	else if (action->entry >= 0)
		snprintf(line, size, "thread %u: store to world+%zu visible",
			 action->thread,
			 world_offset(thread->stores[action->entry].word));
	else if (thread->op == OP_BARRIER)
		snprintf(line, size, "thread %u: membarrier", action->thread);
	else if (thread->word)
		snprintf(line, size, "thread %u: %s world+%zu", action->thread,
			 op_names[thread->op], world_offset(thread->word));
	else
		snprintf(line, size, "thread %u: %s", action->thread,
			 op_names[thread->op]);
}
