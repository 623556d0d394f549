/* SPDX-License-Identifier: MIT */
/**
 * belfry/log.h - where the library's messages go
 *
 * The library writes messages about misuse and about readers that hold up a
 * grace period.  They go to standard error, or to the program's function.  It
 * writes nothing else, and never ends the process.
 *
 * Stability: 0.x; functions may still change, each change is in CHANGELOG.md.
 * Thread safety: bf_set_log() may be called from any thread at any time.
 */
#ifndef BELFRY_LOG_H
#define BELFRY_LOG_H

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/**
 * bf_set_log - hand the library's messages to a function
 * @fn: called once for each message; NULL for standard error, as at first
 * @opaque: passed to @fn
 *
 * The text is one line or several; each ends with a newline.  It is valid
 * during the call.
 *
 * Context of @fn: any thread that uses the library, the library's own threads
 * included, possibly inside a read-side section and with locks of the library
 * or of the program held.  Calls are made one at a time.  @fn may block, and
 * then holds up other threads that have a message.  It must not call functions
 * of the library, except bf_set_log() and bf_version().
 *
 * When bf_set_log() returns, the function that it replaces is not running and
 * will not be called again, so its @opaque may be freed; except when @fn
 * itself makes the call.  bf_set_log() waits for a call of the function that
 * it replaces, and does not block otherwise.  It is not async-signal-safe.
 *
 * The child of a fork() has the same function.  fork() waits for a call that
 * another thread makes.
 */
void bf_set_log(void (*fn)(void *opaque, const char *text), void *opaque);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* BELFRY_LOG_H */
