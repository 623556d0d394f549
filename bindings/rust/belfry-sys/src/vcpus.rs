// SPDX-License-Identifier: MIT
//! belfry/vcpus.h

use std::os::raw::{c_int, c_uint, c_void};

use crate::{bf_srcu, bf_srcu_head};

opaque! {
    bf_vcpus;
}

pub const BF_VCPUS_REUSE_INDEX: c_uint = 1;

pub type bf_vcpu_entry_fn = Option<unsafe extern "C" fn(entry: *mut bf_vcpu_entry)>;
pub type bf_vcpu_done_fn = Option<unsafe extern "C" fn(opaque: *mut c_void)>;

/// An entry of a table.  Its members are private to the library.
#[repr(C)]
pub struct bf_vcpu_entry {
    pub vcpus: *mut bf_vcpus,
    pub ops: *const bf_vcpu_entry_ops,
    pub id: u32,
    pub index: u32,
    pub state: c_uint,
    pub lock: c_uint,
    pub flags: c_uint,
    pub seq: u64,
    pub locked_before: *mut bf_vcpu_entry,
    pub done: bf_vcpu_done_fn,
    pub opaque: *mut c_void,
    pub head: bf_srcu_head,
    pub reserved: [u64; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_vcpu_entry_ops {
    pub release: bf_vcpu_entry_fn,
    pub kick: bf_vcpu_entry_fn,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_vcpus_config {
    pub srcu: *mut bf_srcu,
    pub max_ids: u64,
    pub max_vcpus: u64,
    pub flags: c_uint,
    pub reserved: [u64; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_vcpus_iter {
    pub vcpus: *const bf_vcpus,
    pub next: u64,
    pub end: u64,
    pub seq: u64,
}

zero_default!(bf_vcpu_entry bf_vcpu_entry_ops bf_vcpus_config bf_vcpus_iter);

extern "C" {
    pub fn bf_vcpus_create(config: *const bf_vcpus_config, vcpusp: *mut *mut bf_vcpus) -> c_int;
    pub fn bf_vcpus_destroy(vcpus: *mut bf_vcpus);
    pub fn bf_vcpus_srcu(vcpus: *mut bf_vcpus) -> *mut bf_srcu;
    pub fn bf_vcpus_reserve(
        vcpus: *mut bf_vcpus,
        entry: *mut bf_vcpu_entry,
        id: u64,
        ops: *const bf_vcpu_entry_ops,
        flags: c_uint,
    ) -> c_int;
    pub fn bf_vcpu_entry_publish(entry: *mut bf_vcpu_entry);
    pub fn bf_vcpu_entry_cancel(entry: *mut bf_vcpu_entry);
    pub fn bf_vcpus_add(
        vcpus: *mut bf_vcpus,
        entry: *mut bf_vcpu_entry,
        id: u64,
        ops: *const bf_vcpu_entry_ops,
        flags: c_uint,
    ) -> c_int;
    pub fn bf_vcpu_entry_remove(entry: *mut bf_vcpu_entry) -> c_int;
    pub fn bf_vcpu_entry_remove_async(
        entry: *mut bf_vcpu_entry,
        done: bf_vcpu_done_fn,
        opaque: *mut c_void,
    ) -> c_int;
    pub fn bf_vcpus_by_index(vcpus: *const bf_vcpus, index: u64) -> *mut bf_vcpu_entry;
    pub fn bf_vcpus_by_id(vcpus: *const bf_vcpus, id: u64) -> *mut bf_vcpu_entry;
    pub fn bf_vcpu_entry_id(entry: *const bf_vcpu_entry) -> u32;
    pub fn bf_vcpu_entry_index(entry: *const bf_vcpu_entry) -> u32;
    pub fn bf_vcpus_created(vcpus: *const bf_vcpus) -> u32;
    pub fn bf_vcpus_online(vcpus: *const bf_vcpus) -> u32;
    pub fn bf_vcpus_iter_begin(
        iter: *mut bf_vcpus_iter,
        vcpus: *const bf_vcpus,
        first: u64,
        last: u64,
    );
    pub fn bf_vcpus_iter_next(iter: *mut bf_vcpus_iter) -> *mut bf_vcpu_entry;
    pub fn bf_vcpus_kick_all(vcpus: *mut bf_vcpus) -> c_uint;
    pub fn bf_vcpu_entry_lock(entry: *mut bf_vcpu_entry) -> c_int;
    pub fn bf_vcpu_entry_trylock(entry: *mut bf_vcpu_entry) -> c_int;
    pub fn bf_vcpu_entry_unlock(entry: *mut bf_vcpu_entry);
    pub fn bf_vcpus_lock_all(vcpus: *mut bf_vcpus) -> c_int;
    pub fn bf_vcpus_trylock_all(vcpus: *mut bf_vcpus) -> c_int;
    pub fn bf_vcpus_unlock_all(vcpus: *mut bf_vcpus);
}
