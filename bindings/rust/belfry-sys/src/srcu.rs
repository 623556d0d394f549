// SPDX-License-Identifier: MIT
//! belfry/srcu.h

use std::os::raw::{c_char, c_int, c_uint, c_ulong, c_void};

/// A domain.  Its members are private to the library.  It must not move from
/// [`bf_srcu_init`] to [`bf_srcu_cleanup`].
#[repr(C, align(64))]
pub struct bf_srcu {
    _private: [u8; 512],
    _marker: core::marker::PhantomData<core::marker::PhantomPinned>,
}

#[repr(C)]
pub struct bf_srcu_head {
    pub next: *mut bf_srcu_head,
    pub func: bf_srcu_callback_fn,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bf_srcu_stats {
    pub grace_periods: u64,
    pub expedited: u64,
    pub promoted: u64,
    pub callbacks: u64,
    pub longest_wait_ns: u64,
    pub membarriers: u64,
    pub reserved: [u64; 4],
}

opaque! {
    /// The value of a fast section.
    bf_srcu_ctr;
}

zero_default!(bf_srcu bf_srcu_head bf_srcu_stats);

pub const BF_SRCU_DEFAULT_PACE_NS: u64 = 1_000_000;
pub const BF_SRCU_FLOOD: u64 = 10_000;
pub const BF_SRCU_LIMIT: u64 = 1_000_000;

pub type bf_srcu_report = c_uint;
pub const BF_SRCU_REPORT_STALL: bf_srcu_report = 0;
pub const BF_SRCU_REPORT_DEADLOCK: bf_srcu_report = 1;
pub const BF_SRCU_REPORT_UNLOCK: bf_srcu_report = 2;
pub const BF_SRCU_REPORT_FLAVOUR: bf_srcu_report = 3;
pub const BF_SRCU_REPORT_CALLBACK: bf_srcu_report = 4;
pub const BF_SRCU_REPORT_MEMBARRIER: bf_srcu_report = 5;

pub type bf_srcu_callback_fn = Option<unsafe extern "C" fn(head: *mut bf_srcu_head)>;
pub type bf_srcu_report_fn =
    Option<unsafe extern "C" fn(what: bf_srcu_report, text: *const c_char)>;
pub type bf_srcu_wanted_fn = Option<unsafe extern "C" fn(opaque: *mut c_void)>;

extern "C" {
    pub fn bf_srcu_init(ssp: *mut bf_srcu, name: *const c_char) -> c_int;
    pub fn bf_srcu_init_fast(ssp: *mut bf_srcu, name: *const c_char) -> c_int;
    pub fn bf_srcu_cleanup(ssp: *mut bf_srcu) -> c_int;
    pub fn bf_srcu_read_lock(ssp: *mut bf_srcu) -> c_int;
    pub fn bf_srcu_read_unlock(ssp: *mut bf_srcu, idx: c_int);
    pub fn bf_srcu_read_lock_fast(ssp: *mut bf_srcu) -> *mut bf_srcu_ctr;
    pub fn bf_srcu_read_unlock_fast(ssp: *mut bf_srcu, scp: *mut bf_srcu_ctr);
    pub fn bf_srcu_mb_after_read_unlock();
    pub fn bf_srcu_down_read(ssp: *mut bf_srcu) -> c_int;
    pub fn bf_srcu_up_read(ssp: *mut bf_srcu, idx: c_int);
    pub fn bf_srcu_call(ssp: *mut bf_srcu, head: *mut bf_srcu_head, func: bf_srcu_callback_fn);
    pub fn bf_srcu_call_expedited(
        ssp: *mut bf_srcu,
        head: *mut bf_srcu_head,
        func: bf_srcu_callback_fn,
    );
    pub fn bf_srcu_expedite_current(ssp: *mut bf_srcu);
    pub fn bf_srcu_set_pace(ssp: *mut bf_srcu, pace_ns: u64);
    pub fn bf_srcu_synchronize(ssp: *mut bf_srcu);
    pub fn bf_srcu_synchronize_expedited(ssp: *mut bf_srcu);
    pub fn bf_srcu_barrier(ssp: *mut bf_srcu);
    pub fn bf_srcu_get_state(ssp: *mut bf_srcu) -> c_ulong;
    pub fn bf_srcu_start_poll(ssp: *mut bf_srcu) -> c_ulong;
    pub fn bf_srcu_poll_state(ssp: *mut bf_srcu, cookie: c_ulong) -> bool;
    pub fn bf_srcu_start_worker() -> c_int;
    pub fn bf_srcu_forbid_worker(wanted: bf_srcu_wanted_fn, opaque: *mut c_void) -> c_int;
    pub fn bf_srcu_drain() -> u64;
    pub fn bf_srcu_get_stats(ssp: *mut bf_srcu, stats: *mut bf_srcu_stats);
    pub fn bf_srcu_set_report_hook(hook: bf_srcu_report_fn);
    pub fn bf_srcu_set_stall_timeout(ms: c_uint);
    pub fn bf_srcu_set_tracking(on: bool);
}
