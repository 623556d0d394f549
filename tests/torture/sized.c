// SPDX-License-Identifier: MIT
/* The memory slot torture with the page size of another kernel. */
#include "tools/torture/common/torture.h"

int main(int argc, char **argv)
{
	return torture_memslots(argc, argv);
}
