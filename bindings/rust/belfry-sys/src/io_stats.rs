// SPDX-License-Identifier: MIT
//! belfry/io_stats.h

use std::os::raw::c_int;

use crate::{bf_io_bus, bf_io_doorbell, bf_io_range};

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bf_io_stats {
    pub reads: u64,
    pub writes: u64,
    pub ns: u64,
    pub last_ns: u64,
}

zero_default!(bf_io_stats);

opaque! {
    /// A stream of the C library.
    FILE;
}

extern "C" {
    pub fn bf_io_count(bus: *mut bf_io_bus, on: bool) -> c_int;
    pub fn bf_io_range_stats(range: *const bf_io_range, stats: *mut bf_io_stats);
    pub fn bf_io_doorbell_stats(doorbell: *const bf_io_doorbell, stats: *mut bf_io_stats);
    pub fn bf_io_publications(bus: *const bf_io_bus) -> u64;
    pub fn bf_io_dump(bus: *mut bf_io_bus, out: *mut FILE) -> c_int;
}
