/* SPDX-License-Identifier: MIT */
/*
 * Eventfds that another process may have.  The front signals them in a way that
 * never sleeps.  Where it cannot, the kernel gets the doorbells.
 */
#ifndef BF_PRELOAD_SHARED_EVENTFD_H
#define BF_PRELOAD_SHARED_EVENTFD_H

/* At the start: the process that executed the program may have left some. */
void shared_eventfd_find(void);

/* private_fd_dup() for the eventfd of a doorbell. */
int shared_eventfd_dup(int fd);

/* After the front has answered the registration of a doorbell. */
void shared_eventfd_registered(void);

/* Before a call of the program by which another process may get eventfds. */
void shared_eventfd_share(void);

/* Before a filter by which a vCPU's thread cannot signal without a risk. */
void shared_eventfd_forbid_completion(void);

#endif
