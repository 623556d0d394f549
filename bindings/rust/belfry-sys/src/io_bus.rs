// SPDX-License-Identifier: MIT
//! belfry/io_bus.h

use std::os::raw::{c_char, c_int, c_uint, c_void};

opaque! {
    bf_io_bus;
    bf_io_doorbell;
    bf_io_range;
    bf_io_ring;
    bf_io_zone;
}

pub type bf_io_space = c_uint;
pub const BF_IO_MMIO: bf_io_space = 0;
pub const BF_IO_PIO: bf_io_space = 1;
pub const BF_IO_CCW: bf_io_space = 2;
pub const BF_IO_SPACE_FREE: bf_io_space = 3;
pub const BF_IO_SPACES: bf_io_space = 16;

pub type bf_io_kind = c_uint;
pub const BF_IO_NONE: bf_io_kind = 0;
pub const BF_IO_DOORBELL: bf_io_kind = 1;
pub const BF_IO_RANGE: bf_io_kind = 2;
pub const BF_IO_ZONE: bf_io_kind = 3;

pub const BF_IO_MAX_LEN: u32 = 8;
pub const BF_IO_PRIORITY_MIN: i64 = -8;
pub const BF_IO_PRIORITY_MAX: i64 = 7;

pub type bf_io_consumer = c_uint;
pub const BF_IO_CONSUMER_NONE: bf_io_consumer = 0;
pub const BF_IO_CONSUMER_EVENTFD: bf_io_consumer = 1;
pub const BF_IO_CONSUMER_CALLBACK: bf_io_consumer = 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_io_access {
    pub addr: u64,
    pub data: *mut c_void,
    pub len: u32,
    pub space: u16,
    pub write: bool,
    pub taken_by: u8,
    pub source: *mut c_void,
}

pub type bf_io_handler_fn = Option<
    unsafe extern "C" fn(opaque: *mut c_void, offset: u64, access: *const bf_io_access) -> c_int,
>;
pub type bf_io_doorbell_fn =
    Option<unsafe extern "C" fn(opaque: *mut c_void, value: u64, access: *const bf_io_access)>;
pub type bf_io_done_fn = Option<unsafe extern "C" fn(opaque: *mut c_void)>;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_io_ops {
    pub read: bf_io_handler_fn,
    pub write: bf_io_handler_fn,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_io_doorbell_desc {
    pub addr: u64,
    pub datamatch: u64,
    pub len: u32,
    pub space: u16,
    pub wildcard: bool,
    pub counted: bool,
    pub consumer: bf_io_consumer,
    pub eventfd: c_int,
    pub callback: bf_io_doorbell_fn,
    pub opaque: *mut c_void,
    pub reserved: [u64; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_io_range_desc {
    pub addr: u64,
    pub size: u64,
    pub space: u16,
    pub name: *const c_char,
    pub ops: *const bf_io_ops,
    pub opaque: *mut c_void,
    pub priority: i64,
    pub reserved: [u64; 3],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_io_zone_desc {
    pub addr: u64,
    pub size: u64,
    pub space: u16,
    pub name: *const c_char,
    pub ring: *mut bf_io_ring,
    pub reserved: [u64; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_io_party {
    pub kind: bf_io_kind,
    pub space: u16,
    pub wildcard: bool,
    pub addr: u64,
    pub size: u64,
    pub datamatch: u64,
    pub name: [c_char; 32],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct bf_io_conflict {
    pub wanted: bf_io_party,
    pub existing: bf_io_party,
}

#[repr(C)]
pub struct bf_io_section {
    pub words: [u64; 6],
}

zero_default!(bf_io_access bf_io_ops bf_io_doorbell_desc bf_io_range_desc
    bf_io_zone_desc bf_io_party bf_io_conflict bf_io_section);

extern "C" {
    pub fn bf_io_bus_create(name: *const c_char, busp: *mut *mut bf_io_bus) -> c_int;
    pub fn bf_io_bus_destroy(bus: *mut bf_io_bus);
    pub fn bf_io_dispatch(bus: *mut bf_io_bus, access: *mut bf_io_access) -> c_int;
    pub fn bf_io_dispatch_long(
        bus: *mut bf_io_bus,
        access: *mut bf_io_access,
        done: *mut u32,
    ) -> c_int;
    pub fn bf_io_dispatch_string(
        bus: *mut bf_io_bus,
        access: *mut bf_io_access,
        count: u32,
    ) -> c_int;
    pub fn bf_io_synchronize(bus: *mut bf_io_bus) -> c_int;
    pub fn bf_io_section_begin(bus: *mut bf_io_bus, section: *mut bf_io_section);
    pub fn bf_io_section_end(section: *mut bf_io_section);
    pub fn bf_io_add_doorbell(
        bus: *mut bf_io_bus,
        desc: *const bf_io_doorbell_desc,
        doorbellp: *mut *mut bf_io_doorbell,
        conflict: *mut bf_io_conflict,
    ) -> c_int;
    pub fn bf_io_find_doorbell(
        bus: *mut bf_io_bus,
        desc: *const bf_io_doorbell_desc,
        doorbellp: *mut *mut bf_io_doorbell,
    ) -> c_int;
    pub fn bf_io_remove_doorbell(bus: *mut bf_io_bus, doorbell: *mut bf_io_doorbell) -> c_int;
    pub fn bf_io_remove_doorbell_async(
        bus: *mut bf_io_bus,
        doorbell: *mut bf_io_doorbell,
        done: bf_io_done_fn,
        opaque: *mut c_void,
    );
    pub fn bf_io_share_eventfds();
    pub fn bf_io_doorbell_opaque(doorbell: *const bf_io_doorbell) -> *mut c_void;
    pub fn bf_io_range_opaque(range: *const bf_io_range) -> *mut c_void;
    pub fn bf_io_doorbell_signals(doorbell: *const bf_io_doorbell) -> u64;
    pub fn bf_io_add_range(
        bus: *mut bf_io_bus,
        desc: *const bf_io_range_desc,
        rangep: *mut *mut bf_io_range,
        conflict: *mut bf_io_conflict,
    ) -> c_int;
    pub fn bf_io_find_range(
        bus: *mut bf_io_bus,
        space: u16,
        addr: u64,
        rangep: *mut *mut bf_io_range,
    ) -> c_int;
    pub fn bf_io_move_range(
        bus: *mut bf_io_bus,
        range: *mut bf_io_range,
        addr: u64,
        conflict: *mut bf_io_conflict,
    ) -> c_int;
    pub fn bf_io_remove_range(bus: *mut bf_io_bus, range: *mut bf_io_range) -> c_int;
    pub fn bf_io_remove_range_async(
        bus: *mut bf_io_bus,
        range: *mut bf_io_range,
        done: bf_io_done_fn,
        opaque: *mut c_void,
    );
    pub fn bf_io_add_zone(
        bus: *mut bf_io_bus,
        desc: *const bf_io_zone_desc,
        zonep: *mut *mut bf_io_zone,
        conflict: *mut bf_io_conflict,
    ) -> c_int;
    pub fn bf_io_remove_zone(bus: *mut bf_io_bus, zone: *mut bf_io_zone) -> c_int;
    pub fn bf_io_remove_zone_async(
        bus: *mut bf_io_bus,
        zone: *mut bf_io_zone,
        done: bf_io_done_fn,
        opaque: *mut c_void,
    );
    pub fn bf_io_conflict_format(
        conflict: *const bf_io_conflict,
        buf: *mut c_char,
        size: usize,
    ) -> c_int;
}
