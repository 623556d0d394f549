/* SPDX-License-Identifier: MIT */
/*
 * A lock in one word that a signal can call a sleeper away from, which no
 * pthread_mutex_t allows.  0 is unlocked.
 */
#ifndef BF_VCPUS_LOCK_H
#define BF_VCPUS_LOCK_H

/* 0, or -EINTR where a signal handler ran without SA_RESTART. */
int bf_vcpus_word_lock(unsigned int *word);

/* 0 or -EBUSY. */
int bf_vcpus_word_trylock(unsigned int *word);

void bf_vcpus_word_unlock(unsigned int *word);

#endif
