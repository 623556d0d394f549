// SPDX-License-Identifier: MIT
//! belfry/io_txn.h

use std::os::raw::{c_int, c_void};

use crate::{
    bf_io_bus, bf_io_conflict, bf_io_done_fn, bf_io_doorbell, bf_io_doorbell_desc, bf_io_range,
    bf_io_range_desc, bf_io_zone, bf_io_zone_desc,
};

opaque! {
    bf_io_txn;
}

extern "C" {
    pub fn bf_io_txn_begin(bus: *mut bf_io_bus, txnp: *mut *mut bf_io_txn) -> c_int;
    pub fn bf_io_txn_add_range(
        txn: *mut bf_io_txn,
        desc: *const bf_io_range_desc,
        rangep: *mut *mut bf_io_range,
    ) -> c_int;
    pub fn bf_io_txn_add_zone(
        txn: *mut bf_io_txn,
        desc: *const bf_io_zone_desc,
        zonep: *mut *mut bf_io_zone,
    ) -> c_int;
    pub fn bf_io_txn_add_doorbell(
        txn: *mut bf_io_txn,
        desc: *const bf_io_doorbell_desc,
        doorbellp: *mut *mut bf_io_doorbell,
    ) -> c_int;
    pub fn bf_io_txn_remove_range(
        txn: *mut bf_io_txn,
        range: *mut bf_io_range,
        done: bf_io_done_fn,
        opaque: *mut c_void,
    ) -> c_int;
    pub fn bf_io_txn_remove_zone(
        txn: *mut bf_io_txn,
        zone: *mut bf_io_zone,
        done: bf_io_done_fn,
        opaque: *mut c_void,
    ) -> c_int;
    pub fn bf_io_txn_remove_doorbell(
        txn: *mut bf_io_txn,
        doorbell: *mut bf_io_doorbell,
        done: bf_io_done_fn,
        opaque: *mut c_void,
    ) -> c_int;
    pub fn bf_io_txn_move_range(txn: *mut bf_io_txn, range: *mut bf_io_range, addr: u64) -> c_int;
    pub fn bf_io_txn_move_zone(txn: *mut bf_io_txn, zone: *mut bf_io_zone, addr: u64) -> c_int;
    pub fn bf_io_txn_move_doorbell(
        txn: *mut bf_io_txn,
        doorbell: *mut bf_io_doorbell,
        addr: u64,
    ) -> c_int;
    pub fn bf_io_txn_commit(txn: *mut bf_io_txn, conflict: *mut bf_io_conflict) -> c_int;
    pub fn bf_io_txn_abort(txn: *mut bf_io_txn);
}
