// SPDX-License-Identifier: MIT
//! belfry/io_ring.h

use std::os::raw::{c_int, c_uint, c_void};

use crate::{bf_io_ring, kvm_coalesced_mmio, kvm_coalesced_mmio_ring};

pub type bf_io_ring_wake = c_uint;
pub const BF_IO_WAKE_NEVER: bf_io_ring_wake = 0;
pub const BF_IO_WAKE_NONEMPTY: bf_io_ring_wake = 1;
pub const BF_IO_WAKE_HALF: bf_io_ring_wake = 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_io_ring_desc {
    pub entries: u32,
    pub wake: bf_io_ring_wake,
    pub eventfd: c_int,
    pub reserved: [u64; 4],
}

zero_default!(bf_io_ring_desc);

pub type bf_io_drain_fn =
    Option<unsafe extern "C" fn(opaque: *mut c_void, entry: *const kvm_coalesced_mmio)>;

extern "C" {
    pub fn bf_io_ring_create(desc: *const bf_io_ring_desc, ringp: *mut *mut bf_io_ring) -> c_int;
    pub fn bf_io_ring_destroy(ring: *mut bf_io_ring) -> c_int;
    pub fn bf_io_ring_memory(
        ring: *mut bf_io_ring,
        entries: *mut u32,
    ) -> *mut kvm_coalesced_mmio_ring;
    pub fn bf_io_ring_fd(ring: *const bf_io_ring, size: *mut usize) -> c_int;
    pub fn bf_io_ring_drain(
        rings: *const *mut bf_io_ring,
        count: c_uint,
        drain: bf_io_drain_fn,
        opaque: *mut c_void,
    ) -> usize;
}
