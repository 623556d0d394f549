/* SPDX-License-Identifier: MIT */
/*
 * A table of doorbells, looked up without a lock.  A row is claimed by the
 * hash of what the doorbell matches, and whoever claims it or finds it claimed
 * writes what the hash was made of: the same values, so that it does not
 * matter who is first.  Two doorbells of one hash would share a row, and be
 * counted as one.
 */
#include "preload/interpose/config.h"
#include "preload/record/record_debt.h"
#include "preload/record/record_doorbell.h"
#include "preload/record/record_event.h"

#define relaxed memory_order_relaxed

#define MATCHED_FLAGS                                            \
	(KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO | \
	 KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY)

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static struct recorded_key key_of(uint32_t vm, const struct kvm_ioeventfd *arg)
{
	const bool matches = arg->flags & KVM_IOEVENTFD_FLAG_DATAMATCH;

	return (struct recorded_key){
		.vm = vm,
		.addr = arg->addr,
		.len = arg->len,
		.flags = arg->flags & MATCHED_FLAGS,
		.datamatch = matches ? arg->datamatch : 0,
	};
}

static uint64_t hash_of(const struct recorded_key *key)
{
	uint64_t hash = mix(key->vm, key->addr);

	hash = mix(mix(mix(hash, key->len), key->flags), key->datamatch);
	return hash ? hash : 1;
}

static void write_key(struct recorded_doorbell *row,
		      const struct recorded_key *key)
{
	atomic_store_explicit(&row->vm, key->vm, relaxed);
	atomic_store_explicit(&row->addr, key->addr, relaxed);
	atomic_store_explicit(&row->len, key->len, relaxed);
	atomic_store_explicit(&row->flags, key->flags, relaxed);
	atomic_store_explicit(&row->datamatch, key->datamatch, relaxed);
}

/* True: the row is the hash's; an empty one becomes it only if @claim. */
static bool is_row_of(struct recorded_doorbell *row, uint64_t hash, bool claim)
{
	uint64_t old = atomic_load_explicit(&row->id, relaxed);

	if (!old && claim &&
	    atomic_compare_exchange_strong_explicit(&row->id, &old, hash,
						    relaxed, relaxed))
		return true;
	return old == hash;
}

/*
 * A row is never given back, so an empty one ends the search of a reader; a
 * table that is nearly full is not searched for long.
 */
static struct recorded_doorbell *find_row(const struct recorded_key *key,
					  bool claim)
{
	const uint32_t patience = 256;
	uint64_t hash = hash_of(key);

	for (uint32_t i = 0; i < patience; i++) {
		struct recorded_doorbell *row =
			&recording->doorbells[(hash + i) % RECORDING_DOORBELLS];

		if (is_row_of(row, hash, claim))
			return row;
		if (!claim && !atomic_load_explicit(&row->id, relaxed))
			return NULL;
	}
	return NULL;
}

static struct recorded_doorbell *claim_row(const struct recorded_key *key)
{
	struct recorded_doorbell *row = find_row(key, true);

	if (row)
		write_key(row, key);
	else
		atomic_fetch_add_explicit(&recording->dropped_doorbells, 1,
					  relaxed);
	return row;
}

static uint32_t index_of(const struct recorded_doorbell *row)
{
	return (uint32_t)(row - recording->doorbells);
}

static void add(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, relaxed);
}

static void tell(enum recorded_kind kind, const struct recorded_doorbell *row,
		 int error, uint64_t now)
{
	const struct record_who who = {atomic_load_explicit(&row->vm, relaxed),
				       RECORDED_NO_VCPU};

	record_instant(kind, who, index_of(row), error, now);
}

static void installed(struct recorded_doorbell *row, uint64_t now)
{
	add(&row->installed);
	atomic_store_explicit(&row->installed_ns, now, relaxed);
	atomic_store_explicit(&row->known, 1, relaxed);
	debt_made(atomic_load_explicit(&row->vm, relaxed), DEBT_DOORBELL, now);
}

/* What there is no front for, the kernel has just been told. */
static void assigned(const struct object_vm *vm, struct recorded_doorbell *row,
		     uint64_t now)
{
	uint64_t never = 0;

	add(&row->assigned);
	atomic_compare_exchange_strong_explicit(&row->assigned_ns, &never, now,
						relaxed, relaxed);
	tell(RECORDED_ASSIGNED, row, 0, now);
	if (!vm->front)
		installed(row, now);
	else if (!atomic_load_explicit(&row->known, relaxed))
		debt_deferred(vm->number, now);
}

static void deassigned(struct recorded_doorbell *row, uint64_t now)
{
	add(&row->deassigned);
	if (!atomic_exchange_explicit(&row->known, 0, relaxed))
		add(&row->never_known);
	tell(RECORDED_DEASSIGNED, row, 0, now);
}

void record_answer(const struct object_vm *vm, const struct kvm_ioeventfd *arg,
		   long ret)
{
	const struct recorded_key key = key_of(vm->number, arg);
	struct recorded_doorbell *row;

	if (ret < 0 || vm->stranger || !config_is_owner())
		return;
	row = claim_row(&key);
	if (!row)
		return;
	if (arg->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		deassigned(row, stats_now());
	else
		assigned(vm, row, stats_now());
}

void record_install(uint32_t vm, const struct kvm_ioeventfd *arg, int ret)
{
	const struct recorded_key key = key_of(vm, arg);
	struct recorded_doorbell *row = claim_row(&key);
	uint64_t now = stats_now();

	if (!row)
		return;
	if (ret)
		add(&row->refused);
	else
		installed(row, now);
	tell(ret ? RECORDED_REFUSED : RECORDED_INSTALLED, row, ret, now);
}

/* The live doorbell that matches; there is one at most. */
static struct recorded_doorbell *find_live(struct recorded_key *key,
					   uint32_t len, uint32_t match)
{
	const struct recorded_key exact = {
		.vm = key->vm,
		.addr = key->addr,
		.len = len,
		.flags = key->flags | match,
		.datamatch = match ? key->datamatch : 0,
	};
	struct recorded_doorbell *row = find_row(&exact, false);

	if (!row || atomic_load_explicit(&row->assigned, relaxed) ==
			    atomic_load_explicit(&row->deassigned, relaxed))
		return NULL;
	return row;
}

void record_ring(struct recorded_key *write, uint32_t vcpu)
{
	const struct record_who who = {write->vm, vcpu};
	struct recorded_doorbell *row = find_live(write, write->len, 0);
	uint64_t never = 0, now;

	if (!row)
		row = find_live(write, write->len,
				KVM_IOEVENTFD_FLAG_DATAMATCH);
	if (!row)
		row = find_live(write, 0, 0);
	if (!row)
		return;
	add(&row->rings);
	if (atomic_load_explicit(&row->first_ring_ns, relaxed))
		return;
	now = stats_now();
	if (atomic_compare_exchange_strong_explicit(&row->first_ring_ns, &never,
						    now, relaxed, relaxed))
		record_instant(RECORDED_RUNG, who, index_of(row), 0, now);
}
