/* SPDX-License-Identifier: MIT */
/* Messages of the library: see belfry/log.h. */
#ifndef BF_BASE_LOG_H
#define BF_BASE_LOG_H

#include "belfry/log.h"

/*
 * Writes lines that end with a newline.  The caller may hold locks of the
 * library: the program's function takes none of them.
 */
void bf_log(const char *text);

#endif
