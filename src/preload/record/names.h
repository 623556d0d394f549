/* SPDX-License-Identifier: MIT */
#ifndef BF_PRELOAD_NAMES_H
#define BF_PRELOAD_NAMES_H

#include <stddef.h>
#include <stdint.h>

/*
 * Writes the name of @key, an ioctl's number or an enum stats_key, to @buf, cut
 * to @size.  An ioctl that the kernel headers of the build lack is named by its
 * number.
 */
void call_name(uint32_t key, char *buf, size_t size);

#endif
