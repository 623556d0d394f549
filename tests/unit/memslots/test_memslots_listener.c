// SPDX-License-Identifier: MIT
/* Listeners: each keeps a copy of the slots, which must equal the map's. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "memslots_fixture.h"

/* The calls as text: B, then -slot+slot=slot with gpa in pages, then C. */
struct calls {
	char text[256];
	void *tag; /* of the last call */
};

static void note(struct calls *calls, const char *what,
		 const struct kvm_userspace_memory_region *slot)
{
	size_t len = strlen(calls->text);

	if (!slot)
		strncat(calls->text, what, sizeof(calls->text) - len - 1);
	else
		snprintf(calls->text + len, sizeof(calls->text) - len,
			 "%s%u@%llu", what, slot->slot,
			 slot->guest_phys_addr / PAGE);
}

static void note_begin(void *opaque)
{
	note(opaque, "B", NULL);
}

static void note_commit(void *opaque)
{
	note(opaque, "C", NULL);
}

static void note_remove(void *opaque,
			const struct kvm_userspace_memory_region *slot,
			void *tag)
{
	struct calls *calls = opaque;

	note(calls, "-", slot);
	calls->tag = tag;
}

static void note_add(void *opaque,
		     const struct kvm_userspace_memory_region *slot, void *tag)
{
	struct calls *calls = opaque;

	note(calls, "+", slot);
	calls->tag = tag;
}

static void note_flags(void *opaque,
		       const struct kvm_userspace_memory_region *slot,
		       void *tag)
{
	note(opaque, "=", slot);
	assert_int_equal(slot->flags, KVM_MEM_LOG_DIRTY_PAGES);
}

static struct bf_memslots_listener_desc listener_desc(struct calls *calls)
{
	return (struct bf_memslots_listener_desc){
		.begin = note_begin,
		.remove = note_remove,
		.add = note_add,
		.flags = note_flags,
		.commit = note_commit,
		.opaque = calls,
	};
}

static struct bf_memslots_listener *listen_to_map(struct calls *calls)
{
	const struct bf_memslots_listener_desc desc = listener_desc(calls);
	struct bf_memslots_listener *listener;

	assert_int_equal(bf_memslots_listen(map, &desc, &listener), 0);
	return listener;
}

static void assert_calls(struct calls *calls, const char *expected)
{
	assert_string_equal(calls->text, expected);
	calls->text[0] = '\0';
}

static void test_listener_gets_existing_slots(void **state)
{
	struct bf_memslots_listener *listener;
	struct calls calls = {.tag = NULL};

	assert_int_equal(set(3, 5 * PAGE, 1, 0), 0);
	assert_int_equal(set(1, 9 * PAGE, 1, 1), 0);
	listener = listen_to_map(&calls);
	assert_calls(&calls, "B+1@9+3@5C");
	bf_memslots_unlisten(listener);
	assert_int_equal(bf_memslots_remove(map, 3), 0);
	assert_calls(&calls, "");
}

static void test_each_kind_of_change(void **state)
{
	struct calls calls = {.tag = NULL};
	struct bf_memslots_listener *listener = listen_to_map(&calls);
	struct kvm_userspace_memory_region change = region(0, 0, 1, 0);
	void *const tag = &change;

	assert_calls(&calls, "BC");
	assert_int_equal(bf_memslots_commit(map, &change, &tag, 1, NULL), 0);
	assert_calls(&calls, "B+0@0C");
	assert_ptr_equal(calls.tag, tag);
	assert_int_equal(bf_memslots_set(map, &change), 0); /* nothing new */
	assert_calls(&calls, "");
	change.flags = KVM_MEM_LOG_DIRTY_PAGES;
	assert_int_equal(bf_memslots_set(map, &change), 0);
	assert_calls(&calls, "B=0@0C");
	change.guest_phys_addr = 2 * PAGE;
	assert_int_equal(bf_memslots_set(map, &change), 0);
	assert_calls(&calls, "B-0@0+0@2C");
	calls.tag = NULL;
	assert_int_equal(bf_memslots_remove(map, 0), 0);
	assert_calls(&calls, "B-0@2C");
	assert_ptr_equal(calls.tag, tag);
	assert_int_equal(bf_memslots_remove(map, 0), -EINVAL);
	assert_int_equal(bf_memslots_commit_async(map, NULL, NULL, 0, NULL,
						  NULL, NULL),
			 0);
	assert_calls(&calls, "");
	bf_memslots_unlisten(listener);
}

/* A transaction is one begin and one commit; removals come first. */
static void test_transaction(void **state)
{
	const struct kvm_userspace_memory_region changes[] = {
		region(1, 8 * PAGE, 1, 1), /* added */
		region(0, 4 * PAGE, 1, 0), /* moved */
		{.slot = 2},		   /* removed and added, larger */
		region(2, 2 * PAGE, 2, 2),
		region(5, 0, 1, 5), /* added and removed: no call */
		{.slot = 5},
	};
	struct calls first = {.tag = NULL}, second = {.tag = NULL};
	struct bf_memslots_listener *a, *b;

	assert_int_equal(set(0, 0, 1, 0), 0);
	assert_int_equal(set(2, 2 * PAGE, 1, 2), 0);
	a = listen_to_map(&first);
	b = listen_to_map(&second);
	assert_calls(&first, "B+0@0+2@2C");
	assert_int_equal(bf_memslots_commit(map, changes, NULL, 6, NULL), 0);
	assert_calls(&first, "B-0@0-2@2+1@8+0@4+2@2C");
	bf_memslots_unlisten(a);
	assert_int_equal(bf_memslots_commit(map, changes, NULL, 1, NULL), 0);
	assert_calls(&second, "B+0@0+2@2CB-0@0-2@2+1@8+0@4+2@2C");
	bf_memslots_unlisten(b);
}

static void test_callbacks_are_optional(void **state)
{
	const struct bf_memslots_listener_desc desc = {.opaque = NULL};
	struct bf_memslots_listener *listener;

	assert_int_equal(bf_memslots_listen(map, &desc, &listener), 0);
	assert_int_equal(set(0, 0, 1, 0), 0);
	assert_int_equal(bf_memslots_remove(map, 0), 0);
	bf_memslots_unlisten(listener);
}

/* A commit callback that takes long, and an unlisten meanwhile. */
static bool in_commit, committed;

static void commit_slowly(void *opaque)
{
	const struct timespec delay = {.tv_nsec = 20000000};

	if (!*(bool *)opaque)
		return; /* the transaction of bf_memslots_listen() */
	__atomic_store_n(&in_commit, true, __ATOMIC_RELAXED);
	nanosleep(&delay, NULL);
	__atomic_store_n(&committed, true, __ATOMIC_RELAXED);
}

static void *add_slot(void *arg)
{
	assert_int_equal(set(0, 0, 1, 0), 0);
	return NULL;
}

static void test_unlisten_waits_for_callback(void **state)
{
	bool armed = false;
	const struct bf_memslots_listener_desc desc = {
		.commit = commit_slowly,
		.opaque = &armed,
	};
	struct bf_memslots_listener *listener;
	pthread_t thread;

	assert_int_equal(bf_memslots_listen(map, &desc, &listener), 0);
	armed = true;
	assert_int_equal(pthread_create(&thread, NULL, add_slot, NULL), 0);
	while (!__atomic_load_n(&in_commit, __ATOMIC_RELAXED))
		sched_yield();
	bf_memslots_unlisten(listener);
	assert_true(__atomic_load_n(&committed, __ATOMIC_RELAXED));
	pthread_join(thread, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MAP_TEST(test_listener_gets_existing_slots),
		MAP_TEST(test_each_kind_of_change),
		MAP_TEST(test_transaction),
		MAP_TEST(test_callbacks_are_optional),
		MAP_TEST(test_unlisten_waits_for_callback),
	};

	return cmocka_run_group_tests_name("memslots_listener", tests, NULL,
					   NULL);
}
