// SPDX-License-Identifier: MIT
/* The inline functions of belfry/memslots.h: see src/srcu/inline.c. */
#define bf_memslots_take inline_take
#define bf_memslots_drop inline_drop
#include "belfry/memslots.h"
#undef bf_memslots_take
#undef bf_memslots_drop

#include "base/util.h"

BF_EXPORT_INLINE(void, bf_memslots_take,
		 (struct bf_memslots * map,
		  struct bf_memslots_snapshot *snapshot))
{
	inline_take(map, snapshot);
}

BF_EXPORT_INLINE(void, bf_memslots_drop,
		 (struct bf_memslots_snapshot * snapshot))
{
	inline_drop(snapshot);
}
