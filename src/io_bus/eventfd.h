/* SPDX-License-Identifier: MIT */
/* What the kernel knows of an eventfd and user space has to find out. */
#ifndef BF_IO_BUS_EVENTFD_H
#define BF_IO_BUS_EVENTFD_H

#include <stdbool.h>

/* A duplicate that outlives the original's close. */
struct bf_eventfd {
	int fd;
	int flags; /* of the file; -1: nobody has asked yet */
};

/* 0; -EBADF: not open; -EINVAL: not an eventfd. */
int bf_eventfd_check(int fd);

/*
 * Who makes duplicates and closes them.  Not set, it is fcntl() with the next
 * number that is no standard stream's, and close_range().
 */
struct bf_eventfd_numbers {
	int (*dup)(int fd);		    /* a number or a negative errno */
	void (*close)(int first, int last); /* all of them are duplicates */
};

/* Before the first duplicate is made. */
void bf_eventfd_set_numbers(const struct bf_eventfd_numbers *numbers);

/* 0, -EBADF, -EMFILE. */
int bf_eventfd_get(struct bf_eventfd *eventfd, int fd);
void bf_eventfd_put(struct bf_eventfd *eventfd);

/* Duplicates whose numbers lie side by side. */
void bf_eventfd_put_run(int first, int last);

/* Same object behind both numbers? */
bool bf_eventfd_same(int fd, int other);

/* The same, but false where that would take more than a system call. */
bool bf_eventfd_surely_same(int fd, int other);

/* Adds 1; at its maximum the counter stays there.  Never blocks; keeps errno. */
void bf_eventfd_signal(struct bf_eventfd *eventfd);

#endif
