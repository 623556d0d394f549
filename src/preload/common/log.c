/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "preload/common/config.h"
#include "preload/common/log.h"
#include "preload/common/signals.h"
#include "preload/seccomp/forbidden.h"

#define RAISED (SIGNAL_BIT(SIGPIPE) | SIGNAL_BIT(SIGXFSZ))

static uint64_t pending_signals(void)
{
	uint64_t pending = 0;

	sys_call(SYS_rt_sigpending, (long)&pending, sizeof(pending), 0, 0, 0,
		 0);
	return pending;
}

/* Takes the pending ones of these signals that the program does not have. */
static void discard_signals(uint64_t set, uint64_t of_program)
{
	static const struct timespec now;

	set &= ~of_program;
	sys_call(SYS_rt_sigtimedwait, (long)&set, 0, (long)&now, sizeof(set), 0,
		 0);
}

/*
 * A write to a pipe that no process reads, or beyond RLIMIT_FSIZE, raises a
 * signal in this thread, which would end the program for a line of belfry's.
 */
static void write_line(const char *line, size_t len)
{
	const struct signals_held held = signals_hold();
	const bool discards = held.held && !thread_forbids(FORBIDDEN_DISCARD);
	const uint64_t before = discards ? pending_signals() : 0;

	if (write(STDERR_FILENO, line, len) < 0 && discards)
		discard_signals(RAISED, before);
	signals_release(held);
}

/* One write(2), so that the lines of several threads do not mix. */
void log_line(const char *format, ...)
{
	char line[256];
	va_list args;
	int len;

	if (thread_forbids(FORBIDDEN_WRITE))
		return;
	va_start(args, format);
	len = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (len < 0)
		return;
	if (len > (int)sizeof(line) - 2)
		len = (int)sizeof(line) - 2;
	text_clean(line, (size_t)len, 0);
	line[len++] = '\n';
	write_line(line, (size_t)len);
}
