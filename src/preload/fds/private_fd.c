/* SPDX-License-Identifier: MIT */
/*
 * A word for each number.  The kernel gives a number to the library or to the
 * program, and the word follows: no close() of the program may take a number of
 * the library's for one of its own, or the reverse.
 *
 * The library claims a number that the kernel gave it by a compare-and-swap
 * from a word that it loaded before.  Each call of the program that closes or
 * replaces a number changes the word first, so that the swap fails if such a
 * call began since; the library then asks whether the number is still its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "io_bus/eventfd.h"
#include "preload/common/config.h"
#include "preload/common/process.h"
#include "preload/common/sys.h"
#include "preload/fds/private_fd.h"
#include "preload/seccomp/forbidden.h"

#define MAX_FD (1 << 18) /* the library uses no higher numbers */

#define LEAST_RESERVE 64 /* fds that stay for the program */

#define OURS	1u /* the program gets EBADF for the number */
#define LEAVING 2u /* the library closes it; the program may get it soon */
#define PUT	4u /* the program has put a file there, and not closed it */
#define CLOSE	8u /* calls of the program in progress that close it: a count */
#define CLOSES	(1023u * CLOSE)
#define CHANGE	(1024u * CLOSE) /* such calls since the start: a count */

#define relaxed memory_order_relaxed

static _Atomic uint32_t words[MAX_FD];

/* The word of this number and those above were never changed. */
static _Atomic int top;

/* The number that the kernel probably gives out next. */
static _Atomic int next_fd;

/* Calls in progress: of close_range() by ones, of private_fd_dup() above. */
static _Atomic uint32_t gate;

#define GATE_DUP    0x10000u
#define GATE_SWEEPS (GATE_DUP - 1)

static void raise_top(int fd)
{
	int old = atomic_load_explicit(&top, relaxed);

	while (old <= fd && !atomic_compare_exchange_weak(&top, &old, fd + 1))
		;
}

#define ROUND_NS   50000L
#define SHORT_WAIT 20	 /* rounds: a millisecond */
#define LONG_WAIT  20000 /* a second; a handler may have interrupted the end */

/* A round.  A thread that must not sleep in futex(2) spins. */
static void wait_while(_Atomic uint32_t *word, uint32_t value)
{
	const struct timespec round = {.tv_nsec = ROUND_NS};
	const int spins = 1000;

	if (!thread_forbids(FORBIDDEN_SERVE)) {
		sys_call(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, value,
			 (long)&round, 0, 0);
		return;
	}
	for (int i = 0; i < spins && atomic_load(word) == value; i++)
		;
}

/* Waits until the bits are clear, or some rounds.  The last value. */
static uint32_t wait_until_clear(_Atomic uint32_t *word, uint32_t bits,
				 int rounds)
{
	uint32_t value = atomic_load(word);

	for (; value & bits && rounds; rounds--) {
		wait_while(word, value);
		value = atomic_load(word);
	}
	return value;
}

/*
 * A number that the library has just closed is the program's, although its word
 * still says otherwise: waits for the word.
 */
bool private_fd_replace_begins(int fd)
{
	_Atomic uint32_t *word;
	uint32_t old;

	if (fd < 0 || fd >= MAX_FD)
		return true;
	word = &words[fd];
	raise_top(fd);
	for (;;) {
		old = atomic_fetch_add(word, CHANGE + CLOSE);
		if (!(old & OURS) || !process_is_owner()) {
			atomic_fetch_and(word, ~PUT);
			return true;
		}
		private_fd_replace_ends(fd);
		if (!(old & LEAVING) ||
		    wait_until_clear(word, LEAVING, LONG_WAIT) & LEAVING)
			return false;
	}
}

void private_fd_replace_ends(int fd)
{
	if (fd >= 0 && fd < MAX_FD)
		atomic_fetch_sub(&words[fd], CLOSE);
}

void private_fd_put(int fd)
{
	if (fd >= 0 && fd < MAX_FD)
		atomic_fetch_or(&words[fd], PUT);
}

void private_fd_sweep_begins(void)
{
	uint32_t old;

	do {
		old = wait_until_clear(&gate, ~GATE_SWEEPS, LONG_WAIT);
	} while (!atomic_compare_exchange_weak(&gate, &old, old + 1));
}

void private_fd_swept(unsigned int first, unsigned int last)
{
	const unsigned int end = (unsigned int)atomic_load(&top);

	for (; first <= last && first < end; first++)
		if (atomic_load(&words[first]) & PUT)
			atomic_fetch_and(&words[first], ~PUT);
}

void private_fd_sweep_ends(void)
{
	atomic_fetch_sub(&gate, 1);
}

static _Atomic int count;

static int max_of(int a, int b)
{
	return a > b ? a : b;
}

/* The program's limit on fds, which it may change; else the last one read. */
static int read_limit(void)
{
	static _Atomic int last = 1024;
	struct rlimit limit;

	if (!thread_forbids(FORBIDDEN_LIMIT) &&
	    !getrlimit(RLIMIT_NOFILE, &limit))
		atomic_store_explicit(
			&last,
			limit.rlim_cur < MAX_FD ? (int)limit.rlim_cur : MAX_FD,
			relaxed);
	return atomic_load_explicit(&last, relaxed);
}

/*
 * Without an answer of the kernel the number counts as ours.  The program may
 * opened the same file there, and mostly without FD_CLOEXEC.
 */
static bool is_duplicate(int number, int fd)
{
	int ret = bf_same_file(number, fd);

	return ret && ret != -EBADF &&
	       sys_fcntl(number, F_GETFD, 0) == FD_CLOEXEC;
}

/* Another thread of the library may not be done with its close, either. */
#define BUSY (CLOSES | OURS)

/*
 * The kernel has given @number to the library.  @before: a value of its word
 * from the time before that, or later if @number was looked at since.  PUT in
 * that value is out of date: the program has closed the number unseen.
 */
static bool claim(int number, int fd, uint32_t before)
{
	_Atomic uint32_t *word = &words[number];

	while (before & BUSY ||
	       !atomic_compare_exchange_strong(word, &before,
					       (before & ~PUT) | OURS)) {
		before = wait_until_clear(word, BUSY, SHORT_WAIT);
		if (before & (BUSY | PUT) || !is_duplicate(number, fd))
			return false;
	}
	return true;
}

/*
 * The first number that no call of the program is closing, from the probable
 * one on.  A call that a handler has left by a long jump counts for ever.
 */
static int guess_number(int first, int end)
{
	int guess = max_of(atomic_load_explicit(&next_fd, relaxed), first);

	while (guess < end && atomic_load(&words[guess]) & CLOSES)
		guess++;
	return guess < end ? guess : first;
}

/*
 * A number that cannot be claimed stays as it is: a call of the program that
 * closes it is in progress, or has been, and the number may be the program's.
 */
static int dup_and_claim(int fd, int first, int end, int *numberp)
{
	int guess = guess_number(first, end);
	uint32_t before = atomic_load(&words[guess]);
	long ret = sys_fcntl(fd, F_DUPFD_CLOEXEC, guess);

	/* EINVAL: the program has lowered its limit to the guess or less. */
	if (ret < 0)
		return ret == -EINVAL ? -EMFILE : (int)ret;
	if (ret >= MAX_FD) {
		sys_close((int)ret);
		return -EMFILE;
	}
	*numberp = (int)ret;
	raise_top(*numberp);
	if (*numberp != guess)
		before = BUSY; /* unknown: look */
	atomic_store_explicit(&next_fd, *numberp + 1, relaxed);
	return claim(*numberp, fd, before) ? 0 : -EAGAIN;
}

/*
 * The words of a run that the library closes.  Afterwards the number is the
 * program's, which may have it already.
 */
static void mark_leaving(int first, int last)
{
	for (int fd = first; fd <= last; fd++)
		atomic_fetch_or(&words[fd], LEAVING);
}

static void mark_left(int first, int last)
{
	for (int fd = first; fd <= last; fd++)
		atomic_fetch_and(&words[fd], ~(OURS | LEAVING));
	if (first < atomic_load_explicit(&next_fd, relaxed))
		atomic_store_explicit(&next_fd, first, relaxed);
}

static void close_numbers(int first, int last)
{
	if (first < last && !syscall(SYS_close_range, first, last, 0))
		return;
	for (; first <= last; first++)
		sys_close(first);
}

static void close_run(int first, int last)
{
	mark_leaving(first, last);
	close_numbers(first, last);
	mark_left(first, last);
}

/* Takes a number below @end; the program may have opened those above. */
static int dup_between(int fd, int first, int end)
{
	const int tries = 8;
	int number = first, ret = -EAGAIN;

	for (int i = 0; i < tries && ret == -EAGAIN && first < end; i++) {
		ret = dup_and_claim(fd, first, end, &number);
		first = number + 1;
	}
	if (!ret && number < end)
		return number;
	if (!ret)
		close_run(number, number);
	return ret && ret != -EAGAIN ? ret : -EMFILE;
}

/* No close_range() begins meanwhile, and those in progress end first. */
static int dup_between_sweeps(int fd, int first, int end)
{
	int ret = -EMFILE;

	atomic_fetch_add(&gate, GATE_DUP);
	if (!(wait_until_clear(&gate, GATE_SWEEPS, SHORT_WAIT) & GATE_SWEEPS))
		ret = dup_between(fd, first, end);
	atomic_fetch_sub(&gate, GATE_DUP);
	return ret;
}

int private_fd_dup(int fd)
{
	const int limit = read_limit();
	const int end = limit - max_of(limit / 4, LEAST_RESERVE);
	const int most = limit / 16;
	int first = PRIVATE_FD_MIN, ret = -EMFILE;

	if (first > end - most)
		first = max_of(end - most, STDERR_FILENO + 1);
	if (atomic_fetch_add_explicit(&count, 1, relaxed) < most)
		ret = dup_between_sweeps(fd, first, end);
	if (ret < 0)
		atomic_fetch_sub_explicit(&count, 1, relaxed);
	return ret;
}

void private_fd_close(int fd)
{
	private_fd_close_run(fd, fd);
}

void private_fd_close_run(int first, int last)
{
	atomic_fetch_sub_explicit(&count, last - first + 1, relaxed);
	close_run(first, last);
}

int private_fd_first(unsigned int first, unsigned int last)
{
	const unsigned int end = (unsigned int)atomic_load(&top);

	for (; first <= last && first < end; first++) {
		uint32_t word = atomic_load(&words[first]);

		if (word & LEAVING)
			word = wait_until_clear(&words[first], LEAVING,
						LONG_WAIT);
		if (word & OURS)
			return (int)first;
	}
	return -1;
}

/*
 * A thread of the parent may have been about to close a number, which then is
 * the program's here.
 */
static bool is_settled(int fd)
{
	return (atomic_load(&words[fd]) & (OURS | LEAVING)) == OURS;
}

/* Each run of numbers by one call. */
void private_fd_close_all(void)
{
	const int end = atomic_load(&top);
	int fd, last;

	for (fd = 0; fd < end; fd = last + 1) {
		for (last = fd; last < end && is_settled(last); last++)
			;
		if (last > fd)
			close_numbers(fd, last - 1);
	}
}

void private_fd_forget(void)
{
	memset(words, 0, (size_t)atomic_load(&top) * sizeof(words[0]));
	atomic_store(&top, 0);
	atomic_store(&gate, 0);
	atomic_store(&next_fd, 0);
	atomic_store_explicit(&count, 0, relaxed);
}
