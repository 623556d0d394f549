// SPDX-License-Identifier: MIT
/* The threads of a torture: random numbers, tallies, failures. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "testing/random.h"
#include "thread.h"

struct torture torture;
struct thread_status statuses[NR_STATUSES];

bool torture_stopped(void)
{
	return __atomic_load_n(&torture.stop, __ATOMIC_RELAXED);
}

void torture_stop(void)
{
	__atomic_store_n(&torture.stop, true, __ATOMIC_RELAXED);
}

void torture_fail(const char *format, ...)
{
	va_list args;

	if (!__atomic_exchange_n(&torture.failing, true, __ATOMIC_RELAXED)) {
		va_start(args, format);
		vsnprintf(torture.failure, sizeof(torture.failure), format,
			  args);
		va_end(args);
	}
	torture_stop();
}

uint64_t thread_random_bits(struct torture_thread *self)
{
	return random_next(&self->random);
}

unsigned int thread_random(struct torture_thread *self, unsigned int n)
{
	return random_below(&self->random, n);
}

/* There is one for each thread that a torture can have. */
static struct thread_status *take_status(unsigned int kind, unsigned int number)
{
	struct thread_status *status = statuses;

	while (__atomic_exchange_n(&status->taken, true, __ATOMIC_ACQUIRE))
		status++;
	__atomic_store_n(&status->kind, kind, __ATOMIC_RELAXED);
	__atomic_store_n(&status->number, number, __ATOMIC_RELAXED);
	return status;
}

static void release_status(struct thread_status *status)
{
	__atomic_store_n(&status->doing, NULL, __ATOMIC_RELAXED);
	__atomic_store_n(&status->taken, false, __ATOMIC_RELEASE);
}

void thread_does(struct torture_thread *self, const char *what,
		 const char *where)
{
	struct thread_status *status = self->status;

	__atomic_store_n(&status->where, where, __ATOMIC_RELAXED);
	__atomic_store_n(&status->doing, what, __ATOMIC_RELAXED);
	__atomic_store_n(&status->steps, status->steps + 1, __ATOMIC_RELAXED);
}

void thread_rests(struct torture_thread *self)
{
	thread_does(self, NULL, NULL);
}

void thread_init(struct torture_thread *self, unsigned int kind,
		 unsigned int number)
{
	memset(self, 0, sizeof(*self));
	self->number = number;
	self->status = take_status(kind, number);
	self->random = torture.seed;
	self->random = thread_random_bits(self) + kind;
	self->random = thread_random_bits(self) + number;
}

void thread_done(struct torture_thread *self)
{
	release_status(self->status);
	for (int i = 0; i < MAX_TALLIES; i++)
		__atomic_fetch_add(&torture.tallies[i], self->tallies[i],
				   __ATOMIC_RELAXED);
}
