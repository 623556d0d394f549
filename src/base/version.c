// SPDX-License-Identifier: MIT
#include "belfry/version.h"

const char *bf_version(void)
{
	return BELFRY_VERSION;
}
