// SPDX-License-Identifier: MIT
//! belfry/memslots.h

use std::os::raw::{c_char, c_int, c_void};

use crate::{
    bf_srcu, iovec, kvm_clear_dirty_log, kvm_dirty_log, kvm_userspace_memory_region,
    kvm_userspace_memory_region2,
};

opaque! {
    bf_memslots_view;
    bf_memslots_pinned;
    bf_memslots_listener;
}

/// A map.  The library creates it, and changes its members.
#[repr(C)]
pub struct bf_memslots {
    pub srcu: bf_srcu,
    pub view: *const bf_memslots_view,
}

pub const BF_MEMSLOTS_SPACES: u32 = 16;

pub type bf_memslots_pause_fn = Option<unsafe extern "C" fn(opaque: *mut c_void)>;
pub type bf_memslots_revoke_fn = Option<unsafe extern "C" fn(opaque: *mut c_void) -> bool>;
pub type bf_memslots_region_fn = Option<
    unsafe extern "C" fn(
        opaque: *mut c_void,
        region: *const kvm_userspace_memory_region,
        tag: *mut c_void,
    ),
>;
pub type bf_memslots_progress_fn =
    Option<unsafe extern "C" fn(opaque: *mut c_void, done: u64, total: u64) -> c_int>;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_memslots_config {
    pub forward: bool,
    pub vm_fd: c_int,
    pub spaces: u32,
    pub slots: u32,
    pub gpa_bits: u32,
    pub pause: bf_memslots_pause_fn,
    pub resume: bf_memslots_pause_fn,
    pub opaque: *mut c_void,
    pub dirty_log: u64,
    pub slot_flags: u64,
    pub reserved: [u64; 2],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_memslots_conflict {
    pub index: usize,
    pub wanted: kvm_userspace_memory_region,
    pub existing: kvm_userspace_memory_region,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_memslots_snapshot {
    pub map: *mut bf_memslots,
    pub view: *const bf_memslots_view,
    pub idx: c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_memslots_pin_desc {
    pub gpa: u64,
    pub len: u64,
    pub space: u32,
    pub write: bool,
    pub revoke: bf_memslots_revoke_fn,
    pub opaque: *mut c_void,
    pub reserved: [u64; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_memslots_listener_desc {
    pub begin: bf_memslots_pause_fn,
    pub remove: bf_memslots_region_fn,
    pub add: bf_memslots_region_fn,
    pub flags: bf_memslots_region_fn,
    pub commit: bf_memslots_pause_fn,
    pub opaque: *mut c_void,
    pub reserved: [u64; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_memslots_backing_desc {
    pub size: u64,
    pub name: *const c_char,
    pub huge: bool,
    pub bind: bool,
    pub node: u32,
    pub reserved: [u64; 4],
}

#[repr(C)]
pub struct bf_memslots_backing {
    pub hva: *mut c_void,
    pub size: u64,
    pub page_size: u64,
    pub fd: c_int,
}

zero_default!(bf_memslots_config bf_memslots_conflict bf_memslots_snapshot
    bf_memslots_pin_desc bf_memslots_listener_desc bf_memslots_backing_desc
    bf_memslots_backing);

extern "C" {
    pub fn bf_memslots_create(
        config: *const bf_memslots_config,
        mapp: *mut *mut bf_memslots,
    ) -> c_int;
    pub fn bf_memslots_destroy(map: *mut bf_memslots);
    pub fn bf_memslots_commit(
        map: *mut bf_memslots,
        changes: *const kvm_userspace_memory_region,
        tags: *const *mut c_void,
        count: usize,
        conflict: *mut bf_memslots_conflict,
    ) -> c_int;
    pub fn bf_memslots_commit2(
        map: *mut bf_memslots,
        changes: *const kvm_userspace_memory_region2,
        tags: *const *mut c_void,
        count: usize,
        conflict: *mut bf_memslots_conflict,
    ) -> c_int;
    pub fn bf_memslots_commit_async(
        map: *mut bf_memslots,
        changes: *const kvm_userspace_memory_region,
        tags: *const *mut c_void,
        count: usize,
        done: bf_memslots_pause_fn,
        opaque: *mut c_void,
        conflict: *mut bf_memslots_conflict,
    ) -> c_int;
    pub fn bf_memslots_set(
        map: *mut bf_memslots,
        change: *const kvm_userspace_memory_region,
    ) -> c_int;
    pub fn bf_memslots_remove(map: *mut bf_memslots, slot: u32) -> c_int;
    pub fn bf_memslots_remove_async(
        map: *mut bf_memslots,
        slot: u32,
        done: bf_memslots_pause_fn,
        opaque: *mut c_void,
    ) -> c_int;
    pub fn bf_memslots_free_slot(map: *mut bf_memslots, space: u32, slot: *mut u32) -> c_int;
    pub fn bf_memslots_conflict_format(
        conflict: *const bf_memslots_conflict,
        buf: *mut c_char,
        size: usize,
    ) -> c_int;
    pub fn bf_memslots_take(map: *mut bf_memslots, snapshot: *mut bf_memslots_snapshot);
    pub fn bf_memslots_drop(snapshot: *mut bf_memslots_snapshot);
    pub fn bf_memslots_hva(
        snapshot: *const bf_memslots_snapshot,
        space: u32,
        gpa: u64,
        len: u64,
        write: bool,
    ) -> *mut c_void;
    pub fn bf_memslots_span(
        snapshot: *const bf_memslots_snapshot,
        space: u32,
        gpa: u64,
        write: bool,
        len: *mut u64,
    ) -> *mut c_void;
    pub fn bf_memslots_iov(
        snapshot: *const bf_memslots_snapshot,
        space: u32,
        gpa: u64,
        len: u64,
        write: bool,
        iov: *mut iovec,
        max: usize,
        covered: *mut u64,
    ) -> usize;
    pub fn bf_memslots_next(
        snapshot: *const bf_memslots_snapshot,
        space: u32,
        gpa: u64,
        region: *mut kvm_userspace_memory_region,
    ) -> bool;
    pub fn bf_memslots_tag(
        snapshot: *const bf_memslots_snapshot,
        space: u32,
        gpa: u64,
        tag: *mut *mut c_void,
    ) -> c_int;
    pub fn bf_memslots_gpa_of_hva(
        snapshot: *const bf_memslots_snapshot,
        space: u32,
        hva: *const c_void,
        gpa: *mut u64,
    ) -> c_int;
    pub fn bf_memslots_snapshot_read(
        snapshot: *const bf_memslots_snapshot,
        space: u32,
        gpa: u64,
        buf: *mut c_void,
        len: usize,
    ) -> usize;
    pub fn bf_memslots_snapshot_write(
        snapshot: *const bf_memslots_snapshot,
        space: u32,
        gpa: u64,
        buf: *const c_void,
        len: usize,
    ) -> usize;
    pub fn bf_memslots_read(
        map: *mut bf_memslots,
        space: u32,
        gpa: u64,
        buf: *mut c_void,
        len: usize,
    ) -> usize;
    pub fn bf_memslots_write(
        map: *mut bf_memslots,
        space: u32,
        gpa: u64,
        buf: *const c_void,
        len: usize,
    ) -> usize;
    pub fn bf_memslots_try_read(
        snapshot: *const bf_memslots_snapshot,
        space: u32,
        gpa: u64,
        buf: *mut c_void,
        len: usize,
        done: *mut usize,
    ) -> c_int;
    pub fn bf_memslots_try_write(
        snapshot: *const bf_memslots_snapshot,
        space: u32,
        gpa: u64,
        buf: *const c_void,
        len: usize,
        done: *mut usize,
    ) -> c_int;
    pub fn bf_memslots_mark_dirty(
        snapshot: *const bf_memslots_snapshot,
        space: u32,
        gpa: u64,
        len: u64,
    ) -> u64;
    pub fn bf_memslots_get_dirty_log(map: *mut bf_memslots, log: *const kvm_dirty_log) -> c_int;
    pub fn bf_memslots_clear_dirty_log(
        map: *mut bf_memslots,
        log: *const kvm_clear_dirty_log,
    ) -> c_int;
    pub fn bf_memslots_pin(
        map: *mut bf_memslots,
        desc: *const bf_memslots_pin_desc,
        pinp: *mut *mut bf_memslots_pinned,
        hvap: *mut *mut c_void,
    ) -> c_int;
    pub fn bf_memslots_unpin(pin: *mut bf_memslots_pinned);
    pub fn bf_memslots_listen(
        map: *mut bf_memslots,
        desc: *const bf_memslots_listener_desc,
        listenerp: *mut *mut bf_memslots_listener,
    ) -> c_int;
    pub fn bf_memslots_unlisten(listener: *mut bf_memslots_listener);
    pub fn bf_memslots_backing_create(
        desc: *const bf_memslots_backing_desc,
        backing: *mut bf_memslots_backing,
    ) -> c_int;
    pub fn bf_memslots_backing_destroy(backing: *mut bf_memslots_backing);
    pub fn bf_memslots_backing_prefault(
        backing: *mut bf_memslots_backing,
        progress: bf_memslots_progress_fn,
        opaque: *mut c_void,
    ) -> c_int;
}
