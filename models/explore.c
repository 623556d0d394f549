// SPDX-License-Identifier: MIT
/*
 * A depth-first search over the choices.  After each dead end the program runs
 * again from its beginning.  A state that an earlier run reached is a dead end.
 */
#include <stdio.h>
#include <stdlib.h>

#include "explore.h"

#define MAX_DEPTH 1024

struct choice {
	unsigned int next, count;
};

static struct {
	uint64_t *keys; /* open addressing; 0: free */
	size_t space, count;
} seen;

static struct {
	struct choice choices[MAX_DEPTH];
	unsigned int depth;  /* of the run in progress */
	unsigned int length; /* choices that are made already */
	struct explore_result result;
} search;

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory) {
		fputs("explore: out of memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	return memory;
}

static bool seen_insert(uint64_t key)
{
	size_t i = key & (seen.space - 1);

	while (seen.keys[i] && seen.keys[i] != key)
		i = (i + 1) & (seen.space - 1);
	if (seen.keys[i])
		return false;
	seen.keys[i] = key;
	seen.count++;
	return true;
}

static void seen_grow(void)
{
	uint64_t *old = seen.keys;
	size_t i, space = seen.space;

	seen.space = space ? 2 * space : 4096;
	seen.keys = allocate(seen.space, sizeof(*seen.keys));
	seen.count = 0;
	for (i = 0; i < space; i++) {
		if (old[i])
			seen_insert(old[i]);
	}
	free(old);
}

/* Returns true if no earlier run reached this state. */
static bool seen_add(uint64_t key)
{
	if (2 * seen.count >= seen.space)
		seen_grow();
	return seen_insert(key);
}

static void seen_clear(void)
{
	free(seen.keys);
	seen.keys = NULL;
	seen.space = seen.count = 0;
}

/* A state without a choice need not be remembered, except in an endless loop. */
static bool is_known(unsigned int nr_actions)
{
	return (nr_actions > 1 || search.depth % 8 == 0) &&
	       !seen_add(machine_key());
}

/* Picks the next action; returns false if the state has been explored. */
static bool choose(unsigned int nr_actions, unsigned int *pick)
{
	struct choice *choice = &search.choices[search.depth];

	if (search.depth == search.length) {
		if (is_known(nr_actions))
			return false;
		if (search.length == MAX_DEPTH - 1) {
			machine_fail("the run is too long");
			return false;
		}
		*choice = (struct choice){0, nr_actions};
		search.length++;
	}
	*pick = choice->next;
	search.depth++;
	return true;
}

static void end_of_run(void)
{
	if (!machine_finished())
		machine_fail("deadlock");
	else
		machine_check();
}

static void run_once(void)
{
	struct machine_action actions[MACHINE_ACTIONS];
	unsigned int nr, pick;

	machine_reset();
	search.depth = 0;
	search.result.runs++;
	while (!machine_failure()) {
		nr = machine_actions(actions);
		if (!nr) {
			end_of_run();
			return;
		}
		if (!choose(nr, &pick))
			return;
		machine_do(&actions[pick]);
	}
}

/* Sets up the next combination of choices; returns false after the last. */
static bool next_run(void)
{
	struct choice *choice;

	while (search.length) {
		choice = &search.choices[search.length - 1];
		if (++choice->next < choice->count)
			return true;
		search.length--;
	}
	return false;
}

static void print_run(void)
{
	struct machine_action actions[MACHINE_ACTIONS];
	unsigned int i;
	char line[80];

	machine_reset();
	for (i = 0; i < search.depth; i++) {
		machine_actions(actions);
		machine_describe(&actions[search.choices[i].next], line,
				 sizeof(line));
		printf("%4u %s\n", i, line);
		machine_do(&actions[search.choices[i].next]);
	}
}

static void restart(void)
{
	seen_clear();
	search.length = 0;
}

struct explore_result explore(const struct machine_program *program,
			      enum machine_memory memory)
{
	search.result = (struct explore_result){0};
	restart();
	machine_load(program, memory);
	do {
		run_once();
		if (machine_learned()) {
			restart();
			continue;
		}
		search.result.failure = machine_failure();
	} while (!search.result.failure && (!search.length || next_run()));
	search.result.states = seen.count;
	if (search.result.failure)
		print_run();
	seen_clear();
	return search.result;
}
