/* SPDX-License-Identifier: MIT */
/* Names of KVM's ioctls. */
#ifndef BF_PRELOAD_NAMES_H
#define BF_PRELOAD_NAMES_H

#include <stddef.h>
#include <stdint.h>

/*
 * The name of @key (an ioctl's number or an enum stats_key), cut to @size;
 * one that the kernel headers of the build do not have is named by number.
 */
void call_name(uint32_t key, char *buf, size_t size);

#endif
