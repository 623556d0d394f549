/* SPDX-License-Identifier: MIT */
/*
 * A lock in one word.  Unlike for a pthread_mutex_t, a signal ends the sleep of
 * a thread that waits for it.  0 is unlocked.
 */
#ifndef BF_VCPUS_LOCK_H
#define BF_VCPUS_LOCK_H

/* Returns 0, or -EINTR if a handler without SA_RESTART ran. */
int bf_word_lock(unsigned int *word);

/* Returns 0 or -EBUSY. */
int bf_word_trylock(unsigned int *word);

void bf_word_unlock(unsigned int *word);

#endif
