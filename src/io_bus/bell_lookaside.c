// SPDX-License-Identifier: MIT
#include "io_bus/bell_lookaside.h"
#include "io_bus/probe.h"
#include "base/util.h"

#define MAX_BITS 17 /* 4 MB */

static bool is_of(const struct bf_bell_finding *finding, uint64_t tag,
		  uint64_t key)
{
	return finding->tag == tag && finding->key == key;
}

bool bf_bell_ring_known(struct bf_io_bus *bus,
			const struct bf_io_access *access, uint64_t seal)
{
	const struct bf_bell_finding *found =
		bf_bell_finding(bf_bell_addrs(bus, access), seal, access->addr);
	uint64_t tag = bf_bell_tag(seal, access->len), key = access->addr;
	bool known;
	int idx;

	if (!is_of(found, tag, key)) {
		if (!is_of(found, tag | BF_TAG_VALUES, key))
			return false;
		tag = bf_bell_tag(found->values, access->len);
		key = bf_bell_value(access);
		found = bf_bell_finding(bf_bell_values(bus, access),
					found->values, key);
		/* Fetched while the section is entered. */
		__builtin_prefetch(found);
	}
	idx = srcu_read_lock(&bus->signals);
	/*
	 * Relaxed, behind the section's fence: who removes the doorbell has hid
	 * the seal later, and waits until this section is over, or it is seen
	 * here.
	 */
	known = __atomic_load_n(&bus->seals[access->space].bells,
				__ATOMIC_RELAXED) == seal &&
		is_of(found, tag, key);
#ifdef BF_BREAK_SEAL_AGAIN
	known = is_of(found, tag, key);
#endif
	if (known) {
		PROBE_DISPATCH(bus, BF_IO_DOORBELL, access);
		bf_bell_consume(bus, found->ring, found->opaque, access);
	}
	srcu_read_unlock(&bus->signals, idx);
	return known;
}

/* Two places for each doorbell. */
static unsigned int most_bits(const struct bf_io_roots *roots)
{
	const unsigned int bits =
		33 - (unsigned int)__builtin_clz(roots->nr_bells | 1);

	return bits < MAX_BITS ? bits : MAX_BITS;
}

static void keep(const struct bf_io_roots *roots, uint64_t whose, uint64_t seal,
		 const struct bf_bell_finding *finding)
{
	const struct bf_bell_finding *there =
		bf_bell_finding(whose, seal, finding->key);
	const bool drives_out = there->tag && there->key != finding->key;

	if (bf_lookaside_make_room(&bf_io_thread.bells, sizeof(*finding),
				   most_bits(roots), drives_out))
		*bf_bell_finding(whose, seal, finding->key) = *finding;
}

static void keep_value(const struct bf_io_bus *bus,
		       const struct bf_io_roots *roots, uint64_t values,
		       const struct bf_io_doorbell *doorbell,
		       const struct bf_io_access *access)
{
	const struct bf_bell_finding finding = {
		.tag = bf_bell_tag(values, access->len),
		.key = doorbell->datamatch,
		.ring = doorbell->ring,
		.opaque = bf_bell_consumer(doorbell),
	};

	keep(roots, bf_bell_values(bus, access), values, &finding);
}

void bf_bell_keep(const struct bf_io_bus *bus, const struct bf_io_roots *roots,
		  uint64_t seal, uint64_t values,
		  const struct bf_io_doorbell *doorbell,
		  const struct bf_io_access *access)
{
	struct bf_bell_finding finding = {
		.tag = bf_bell_tag(seal, access->len),
		.key = access->addr,
	};

	if (doorbell->wildcard) {
		finding.ring = doorbell->ring;
		finding.opaque = bf_bell_consumer(doorbell);
	} else {
		finding.tag |= BF_TAG_VALUES;
		finding.values = values;
		keep_value(bus, roots, values, doorbell, access);
	}
	keep(roots, bf_bell_addrs(bus, access), seal, &finding);
}
