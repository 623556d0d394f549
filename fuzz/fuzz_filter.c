// SPDX-License-Identifier: MIT
/*
 * A seccomp filter of arbitrary instructions.  The library must answer without
 * a fault and without an endless loop.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "preload/seccomp/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sock_filter *code = malloc(size ? size : 1);
	const struct sock_fprog given = {
		.len = (unsigned short)(size / sizeof(*code)),
		.filter = code,
	};
	struct sock_fprog filter;

	if (!code)
		return 0;
	memcpy(code, data, size);
	if (filter_read(&given, &filter))
		filter_forbids(&filter);
	free(code);
	return 0;
}
