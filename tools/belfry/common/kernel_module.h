/* SPDX-License-Identifier: MIT */
/* The kernel module belfry.ko, as /sys/module/belfry shows it. */
#ifndef BF_CLI_KERNEL_MODULE_H
#define BF_CLI_KERNEL_MODULE_H

#include <stddef.h>

/* Write one line into text, without a newline; return text. */
const char *kernel_module_describe(char *text, size_t size);

#endif
