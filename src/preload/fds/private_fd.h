/* SPDX-License-Identifier: MIT */
/*
 * The library's private fds: its duplicates of the program's VMs and eventfds.
 *
 * Their numbers are high, so that they stay out of the way of a program that
 * closes or replaces low numbers.  A quarter of the program's limit, at least
 * 64, stays free of them, and there are at most a sixteenth of the limit.  The
 * library remembers each, so that a call that closes or replaces every fd of
 * the program can leave it open.
 */
#ifndef BF_PRELOAD_PRIVATE_FD_H
#define BF_PRELOAD_PRIVATE_FD_H

#include <stdbool.h>

/* The lowest private number, where the program's limit allows it. */
#define PRIVATE_FD_MIN 512

/*
 * Duplicates @fd with close-on-exec.  The new fd, or a negative errno: -EMFILE
 * if there are enough of them.
 */
int private_fd_dup(int fd);

void private_fd_close(int fd);

/* Closes each fd in [first, last]; all must be private. */
void private_fd_close_run(int first, int last);

/*
 * Around a call of the program that closes or replaces @fd.  False: the number
 * is private and looks closed to the program.  Otherwise the number does not
 * become private until private_fd_replace_ends().
 */
bool private_fd_replace_begins(int fd);
void private_fd_replace_ends(int fd);

/* In between: the program has put a file there, so the number is its own. */
void private_fd_put(int fd);

/*
 * The same around a call that closes a range of fds, and the search for those
 * that it must spare: the lowest private fd in [first, last], or -1.  The call
 * has closed those of the program between _begins() and _swept().
 */
void private_fd_sweep_begins(void);
int private_fd_first(unsigned int first, unsigned int last);
void private_fd_swept(unsigned int first, unsigned int last);
void private_fd_sweep_ends(void);

/* In a child process: closes its copies of the parent's private fds. */
void private_fd_close_all(void);

/* In the child of a fork(): the parent's private fds mean nothing there. */
void private_fd_forget(void);

#endif
