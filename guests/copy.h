/* SPDX-License-Identifier: MIT */
/* Copies code to guest memory. */
#ifndef BF_GUESTS_COPY_H
#define BF_GUESTS_COPY_H

#include <stddef.h>

/*
 * hva is the address of the guest memory in this process.
 *
 * A processor of aarch64 may fetch what memory held before the copy, hence
 * __clear_cache().  Each byte is a store of its own, because glibc's memcpy()
 * stores with SVE: QEMU 7.2 drops its translation of the code at the first byte
 * of such a store alone, and goes on to run that of the old code behind it.
 */
static inline void guest_copy(void *hva, const void *code, size_t size)
{
	volatile char *to = hva;
	const char *from = code;

	for (size_t i = 0; i < size; i++)
		to[i] = from[i];
	__builtin___clear_cache(hva, (char *)hva + size);
}

#endif
