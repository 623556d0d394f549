/* SPDX-License-Identifier: MIT */
/* Calls, VMs and vCPUs; and where the recording comes from. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "preload/interpose/config.h"
#include "preload/fds/fdtable.h"
#include "preload/record/record_debt.h"
#include "preload/record/record_doorbell.h"
#include "preload/record/record_event.h"
#include "preload/record/record_run.h"
#include "preload/common/sys.h"
#include "vm/watch.h"

#define relaxed memory_order_relaxed

struct recording *recording;

static const struct record_who nobody = {0, RECORDED_NO_VCPU};

static void watch_doorbell(const struct bf_front *front,
			   const struct kvm_ioeventfd *arg, int ret);
static void watch_zone(const struct bf_front *front,
		       const struct kvm_coalesced_mmio_zone *zone, int ret);

static const struct bf_front_watch watch = {
	.doorbell = watch_doorbell,
	.zone = watch_zone,
};

static bool is_ours(const struct recording *map, size_t size)
{
	return map->magic == RECORDING_MAGIC &&
	       map->version == RECORDING_VERSION &&
	       recording_size(map->chunks) == size;
}

static struct recording *map_recording(int fd)
{
	struct recording *map;
	struct stat st;
	size_t size;

	if (fstat(fd, &st) || st.st_size < (off_t)sizeof(*map))
		return NULL;
	size = (size_t)st.st_size;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return NULL;
	if (is_ours(map, size))
		return map;
	munmap(map, size);
	return NULL;
}

/* Histograms go by the index of a call in the counters, so both or none. */
void record_setup(void)
{
	const char *path = getenv("BELFRY_RECORDING");
	int fd;

	if (!path || !config.stats_shared)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	recording = map_recording(fd);
	sys_close(fd);
	if (recording)
		bf_front_watch = &watch;
}

void record_forked(void)
{
	record_forget_threads();
	record_forget_run();
}

struct record_who record_who_is(const struct object *obj)
{
	if (!obj)
		return nobody;
	if (obj->kind == OBJECT_VM)
		return (struct record_who){obj->vm.number, RECORDED_NO_VCPU};
	return (struct record_who){obj->vcpu.vm->vm.number, obj->vcpu.id};
}

struct record_who record_who_has(int fd)
{
	struct object *obj = fdtable_get(fd);
	struct record_who who = record_who_is(obj);

	if (obj)
		object_put(obj);
	return who;
}

/* The life of VMs and vCPUs is short to tell and never left out. */
static bool is_kept(uint32_t key, uint64_t ns)
{
	return ns > STATS_STALL_NS || key == KVM_CREATE_VM ||
	       key == KVM_CREATE_VCPU || key == STATS_CLOSE_VM ||
	       key == STATS_CLOSE_VCPU;
}

static void measure(uint32_t key, uint64_t ns)
{
	struct stats_call *call = stats_call(config.stats, key);

	if (call)
		histogram_add(
			&recording->histograms[call - config.stats->calls], ns);
}

void record_call_of(struct record_who who, uint32_t key, uint64_t start_ns,
		    long ret)
{
	uint64_t now = stats_now();
	struct recorded_event *event;
	uint32_t debts;

	if (!config_is_owner())
		return;
	measure(key, now - start_ns);
	debts = debt_of_call(who.vm, key, start_ns, now, ret);
	event = record_event(is_kept(key, now - start_ns), who);
	if (!event)
		return;
	event->key = key;
	event->debts = debts;
	event->error = ret < 0 ? (int)ret : 0;
	event->start_ns = start_ns;
	atomic_store_explicit(&event->end_ns, now, relaxed);
	record_done(event, RECORDED_CALL);
}

/* What makes a VM or a vCPU is about that one. */
void record_call_on(int fd, uint32_t key, uint64_t start_ns, long ret)
{
	bool makes = key == KVM_CREATE_VM || key == KVM_CREATE_VCPU;
	struct record_who who =
		record_who_has(makes && ret >= 0 ? (int)ret : fd);

	record_call_of(who, key, start_ns, ret);
}

static void own_row(const struct object_vm *vm)
{
	struct recorded_vm *row = record_vm_row(vm->number);

	if (!row)
		return;
	atomic_store_explicit(&row->pid, (uint32_t)config.pid, relaxed);
	atomic_store_explicit(&row->front, (uintptr_t)vm->front, relaxed);
}

void record_new_vm(int fd)
{
	struct object *obj = fdtable_get_kind(fd, OBJECT_VM);

	if (!obj)
		return;
	obj->vm.number = (uint32_t)atomic_fetch_add_explicit(
				 &recording->vms_seen, 1, relaxed) +
			 1;
	own_row(&obj->vm);
	object_put(obj);
}

void record_new_vcpu(int fd, uintptr_t id)
{
	struct object *obj = fdtable_get_kind(fd, OBJECT_VCPU);

	if (!obj)
		return;
	obj->vcpu.id = (uint32_t)id;
	object_put(obj);
}

void record_end_of_vm(const struct object_vm *vm)
{
	struct recorded_vm *row = record_vm_row(vm->number);

	if (row)
		atomic_store_explicit(&row->ended_ns, stats_now(), relaxed);
}

/* The last VM of this process with that front: fronts are used again. */
static uint32_t vm_of(const struct bf_front *front)
{
	uint64_t n = atomic_load_explicit(&recording->vms_seen, relaxed);

	for (n = n < RECORDING_VMS ? n : RECORDING_VMS; n; n--) {
		struct recorded_vm *row = record_vm_row((uint32_t)n);

		if (atomic_load_explicit(&row->front, relaxed) ==
			    (uintptr_t)front &&
		    atomic_load_explicit(&row->pid, relaxed) ==
			    (uint32_t)config.pid)
			return (uint32_t)n;
	}
	return 0;
}

static void watch_doorbell(const struct bf_front *front,
			   const struct kvm_ioeventfd *arg, int ret)
{
	record_install(vm_of(front), arg, ret);
}

static void watch_zone(const struct bf_front *front,
		       const struct kvm_coalesced_mmio_zone *zone, int ret)
{
	if (!ret)
		debt_made(vm_of(front), DEBT_ZONE, stats_now());
}
