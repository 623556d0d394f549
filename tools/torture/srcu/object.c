// SPDX-License-Identifier: MIT
/* Objects of the SRCU torture, from publication to poison. */
#include <stdlib.h>

#include "torture_srcu.h"
#include "base/util.h"
#include "tools/belfry/common/xalloc.h"

#define NR_OBJECTS 256 /* of an account; callbacks hold some of them */

void account_init(struct account *account, struct domain *domain)
{
	struct object *object;

	account->domain = domain;
	for (int i = 0; i < NR_OBJECTS; i++) {
		object = xcheck(calloc(1, sizeof(*object)));
		object->account = account;
		object->state = OBJECT_POISON;
		object->next = account->free;
		account->free = object;
	}
	for (int i = 0; i < NR_CELLS; i++)
		account->cells[i] = account_get(account);
}

struct object *account_replace(struct torture_thread *self,
			       struct account *account, struct object *new)
{
	struct object **cell = &account->cells[thread_random(self, NR_CELLS)];
	struct object *old = *cell;

	srcu_assign_pointer(*cell, new);
	return old;
}

static void free_list(struct object *object)
{
	struct object *next;

	for (; object; object = next) {
		next = object->next;
		free(object);
	}
}

void account_free(struct account *account)
{
	for (int i = 0; i < NR_CELLS; i++)
		free(account->cells[i]);
	free_list(account->free);
	free_list(account->returned);
	free_list(account->polled);
}

/* Returns a live object of a new generation; NULL: callbacks have them all. */
struct object *account_get(struct account *account)
{
	struct object *object;

	if (!account->free)
		account->free = __atomic_exchange_n(&account->returned, NULL,
						    __ATOMIC_ACQUIRE);
	object = account->free;
	if (!object)
		return NULL;
	account->free = object->next;
	__atomic_store_n(&object->generation, object->generation + 1,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&object->state, OBJECT_LIVE, __ATOMIC_RELEASE);
	return object;
}

/*
 * Poisons the object.  A reader that is still inside sees the poison, or its
 * count is seen here.
 */
void object_retire(struct object *object)
{
	struct domain *domain = object->account->domain;

	if (__atomic_load_n(&object->state, __ATOMIC_RELAXED) != OBJECT_LIVE)
		torture_fail("%s: an object was retired twice", domain->name);
	if (__atomic_load_n(&object->readers, __ATOMIC_ACQUIRE))
		torture_fail("%s: too early: a grace period ended while a "
			     "reader was inside",
			     domain->name);
	__atomic_store_n(&object->state, OBJECT_POISON, __ATOMIC_RELEASE);
}

void object_put(struct object *object)
{
	struct account *account = object->account;
	struct object *old =
		__atomic_load_n(&account->returned, __ATOMIC_RELAXED);

	do {
		object->next = old;
	} while (!__atomic_compare_exchange_n(&account->returned, &old, object,
					      true, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
}

void object_end(struct object *object)
{
	object_retire(object);
	object_put(object);
}

/* A callback that a callback queued: these have no promised order. */
static void object_called_again(struct srcu_head *head)
{
	struct object *object = container_of(head, struct object, head);

	if (srcu_torture.child)
		return;
	__atomic_fetch_add(&object->account->rerun, 1, __ATOMIC_RELAXED);
	object_put(object);
}

static void call_again(struct object *object)
{
	struct account *account = object->account;

	__atomic_fetch_add(&account->requeued, 1, __ATOMIC_RELAXED);
	call_srcu(account->domain->srcu, &object->head, object_called_again);
}

static struct torture_thread callbacks;

void callbacks_begin(void)
{
	thread_init(&callbacks, THREAD_CALLBACK, 0);
}

void callbacks_end(void)
{
	thread_done(&callbacks);
}

/* One thread calls the callbacks, so one waits at a time. */
static void wait_in_callback(struct domain *domain)
{
	thread_does(&callbacks, "waits in a callback", domain->name);
	if (thread_random(&callbacks, 2))
		synchronize_srcu(domain->srcu);
	else
		synchronize_srcu_expedited(domain->srcu);
	thread_rests(&callbacks);
	callbacks.tallies[TALLY_WAITED_IN_CALLBACK]++;
}

void object_called(struct srcu_head *head)
{
	struct object *object = container_of(head, struct object, head);
	struct account *account = object->account;
	unsigned long run = __atomic_load_n(&account->run, __ATOMIC_RELAXED);

	if (srcu_torture.child)
		return;
	object_retire(object);
	if (object->order != run)
		torture_fail("%s: callback %lu of a thread was called as "
			     "number %lu",
			     account->domain->name, object->order, run);
	__atomic_store_n(&account->run, run + 1, __ATOMIC_RELEASE);
	if (object->then == OBJECT_AGAIN) {
		call_again(object);
		return;
	}
	if (object->then == OBJECT_WAIT)
		wait_in_callback(account->domain);
	else if (object->then == OBJECT_WAIT_OTHER)
		wait_in_callback(object->other);
	object_put(object);
}
