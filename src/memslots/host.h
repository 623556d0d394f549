/* SPDX-License-Identifier: MIT */
/* The limits of this machine and its kernel. */
#ifndef BF_MEMSLOTS_HOST_H
#define BF_MEMSLOTS_HOST_H

#include <stdint.h>

/* Bytes in a page. */
uint64_t bf_host_page(void);

/*
 * The first address that KVM refuses as the end of user memory.  Depends on the
 * kernel's version and configuration, and on the processor.
 */
uint64_t bf_host_hva_end(void);

/* host_*.c: what KVM on this processor does. */

/* The number of slots of an address space. */
extern const uint32_t bf_host_slots;

/* The negative errno for a slot beyond the guest's physical addresses. */
extern const int bf_host_beyond_gpa;

/* An address that is never user memory; user addresses are below it. */
extern const uint64_t bf_host_no_user;

/* bf_host_hva_end() where the kernel does not tell. */
uint64_t bf_host_least_hva_end(uint64_t page);

#endif
