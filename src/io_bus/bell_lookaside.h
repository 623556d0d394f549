/* SPDX-License-Identifier: MIT */
/*
 * The doorbells that the calling thread rang last, by address, and by value
 * where values are compared: found without a look at the bus's state, so that a
 * ring passes one section alone, that of consumers, and fetches one cache line
 * however many doorbells there are.
 *
 * The doorbells of a space, as they were published once, have a seal that no
 * others ever have.  The bus says which seal is the present one, or that there
 * is none.  What was found under that seal is registered now; and a removal,
 * which changes the seal first, waits for the sections of those who saw the old
 * one.  Apart from the seal itself nothing is read that other threads write.
 */
#ifndef BF_IO_BUS_BELL_LOOKASIDE_H
#define BF_IO_BUS_BELL_LOOKASIDE_H

#include "io_bus/doorbell.h"
#include "io_bus/lookaside.h"

/* In a tag the low byte says how long the write is. */
#define BF_TAG_VALUES ((uint64_t)0x10) /* who takes it depends on the value */

/* Two in a cache line. */
struct bf_bell_finding {
	uint64_t tag;	    /* of what it is true for; 0: none */
	uint64_t key;	    /* address or value */
	bf_io_ring_fn ring; /* NULL: eventfd */
	union {
		void *opaque;	 /* or the eventfd: bf_bell_consume() */
		uint64_t values; /* what seals those of this address */
	};
} __attribute__((aligned(32)));

static inline uint64_t bf_bell_tag(uint64_t seal, uint32_t len)
{
	return (seal & ~BF_SEAL_LOW) | len;
}

/* What has keys of its own: the addresses of a space, the values at one. */
static inline uint64_t bf_bell_addrs(const struct bf_io_bus *bus,
				     const struct bf_io_access *access)
{
	return (uintptr_t)bus + access->space;
}

static inline uint64_t bf_bell_values(const struct bf_io_bus *bus,
				      const struct bf_io_access *access)
{
	return ~(bf_bell_addrs(bus, access) + (access->addr << 6));
}

/*
 * Keys that follow one another lie side by side: none drives out another, and
 * all of a cache line that is fetched is of use.  Where such a run lies follows
 * from whose keys they are, and from their high bits; a new seal does not move
 * it, so that what is kept anew goes where the cache lines are warm.
 */
static inline struct bf_bell_finding *
bf_bell_finding(uint64_t whose, uint64_t seal, uint64_t key)
{
	const struct bf_lookaside *table = &bf_io_thread.bells;
	struct bf_bell_finding *findings = table->places;
	const uint64_t grains = key >> (seal & BF_SEAL_GRAIN);
	const uint64_t high = whose + (grains >> (64 - table->shift));
	const uint64_t run = high * 0x9e3779b97f4a7c15ULL >> 32;

	return &findings[(grains + run) << table->shift >> table->shift];
}

#ifdef BF_BREAK_VALUES_ORDER
#define BF_VALUES_ORDER __ATOMIC_RELAXED
#else
#define BF_VALUES_ORDER __ATOMIC_RELEASE
#endif

/*
 * The published doorbells of one address were changed in place, after
 * bf_bus_unseal().  Release, with the acquire of bf_doorbell_ring(): who sees
 * the new seal does not find what was cleared, and keep it for ever.
 */
static inline void bf_bell_reseal(struct bf_bell_addr *at)
{
#ifndef BF_BREAK_RESEAL_VALUES
	__atomic_store_n(&at->seal, bf_new_seal(at->seal & BF_SEAL_GRAIN),
			 BF_VALUES_ORDER);
#endif
}

/* A key is added: the grain is what all of them are aligned to. */
static inline void bf_bell_grain(uint64_t *seal, uint64_t key)
{
	const uint64_t all = key | 1ULL << (*seal & BF_SEAL_GRAIN);

	*seal = (*seal & ~BF_SEAL_GRAIN) | (uint64_t)__builtin_ctzll(all);
}

/* Rings it if it is known: true.  For a seal that is not 0. */
bool bf_bell_ring_known(struct bf_io_bus *bus,
			const struct bf_io_access *access, uint64_t seal);

/*
 * Keeps that this doorbell took the write.  The seals are from before the
 * search, that of the values from its address.
 */
void bf_bell_keep(const struct bf_io_bus *bus, const struct bf_io_roots *roots,
		  uint64_t seal, uint64_t values,
		  const struct bf_io_doorbell *doorbell,
		  const struct bf_io_access *access);

#endif
