/* SPDX-License-Identifier: MIT */
/*
 * Eventfds that another process may have although no call has shown it.  They
 * turn on bf_eventfd_share().
 */
#ifndef BF_PRELOAD_SHARED_EVENTFD_H
#define BF_PRELOAD_SHARED_EVENTFD_H

/* At the start: the process that executed the program may have left some. */
void shared_eventfd_find(void);

/* private_fd_dup() for the eventfd of a doorbell. */
int shared_eventfd_dup(int fd);

#endif
