// SPDX-License-Identifier: MIT

use belfry::bus::{drain, Bus, Range, Ring, Space, TakenBy, Wake};
use belfry::Error;
use std::fs::File;
use std::io::Read;
use std::os::unix::io::{FromRawFd, OwnedFd};
use std::panic::{catch_unwind, AssertUnwindSafe};

const EFD_NONBLOCK: i32 = 0o4000;

extern "C" {
    fn eventfd(value: u32, flags: i32) -> i32;
}

fn new_eventfd() -> OwnedFd {
    // SAFETY: the descriptor is new.
    unsafe { OwnedFd::from_raw_fd(eventfd(0, EFD_NONBLOCK)) }
}

fn zone(addr: u64) -> Range {
    Range::new(Space::Mmio, addr, 0x100).name("zone")
}

#[test]
fn a_zone_keeps_the_writes_in_their_order() {
    let bus = Bus::new("test").unwrap();
    let mut ring = Ring::new(16).unwrap();
    let _zone = bus.add_zone(&zone(0x1000), &ring).unwrap();
    for value in 0..10u16 {
        let taken = bus.write(Space::Mmio, 0x1000 + u64::from(value), &value.to_ne_bytes());
        assert_eq!(taken, Ok(TakenBy::Zone));
    }
    let mut seen = Vec::new();
    let taken = ring.drain(|write| {
        assert_eq!(write.space, Space::Mmio);
        let mut data = [0; 2];
        data.copy_from_slice(write.data());
        seen.push((write.addr - 0x1000, u16::from_ne_bytes(data)));
    });
    assert_eq!(taken, 10);
    let expected: Vec<_> = (0..10u16).map(|value| (value.into(), value)).collect();
    assert_eq!(seen, expected);
    assert_eq!(ring.drain(|_| ()), 0);
}

#[test]
fn a_device_gets_reads_and_what_does_not_fit() {
    let bus = Bus::new("test").unwrap();
    let mut ring = Ring::new(4).unwrap();
    let _zone = bus.add_zone(&zone(0), &ring).unwrap();
    let _device = bus.add_range(&zone(0), |_, _| Ok(())).unwrap();
    assert_eq!(bus.read(Space::Mmio, 0, &mut [0]), Ok(TakenBy::Range));
    let mut zones = 0;
    while bus.write(Space::Mmio, 0, &[1]) == Ok(TakenBy::Zone) {
        zones += 1;
    }
    assert!(zones >= 4);
    assert_eq!(ring.drain(|_| ()), zones);
    assert_eq!(bus.write(Space::Mmio, 0, &[1]), Ok(TakenBy::Zone));
}

#[test]
fn an_eventfd_wakes_for_the_first_write() {
    let bus = Bus::new("test").unwrap();
    let wake = new_eventfd();
    let mut ring = Ring::with_wake(16, Wake::NonEmpty, &wake).unwrap();
    let _zone = bus.add_zone(&zone(0), &ring).unwrap();
    let mut wake = File::from(wake);
    let mut value = [0; 8];
    assert!(wake.read_exact(&mut value).is_err());
    for _ in 0..3 {
        bus.write(Space::Mmio, 0, &[1]).unwrap();
    }
    wake.read_exact(&mut value).unwrap();
    assert_eq!(u64::from_ne_bytes(value), 1);
    assert_eq!(ring.drain(|_| ()), 3);
}

#[test]
fn a_descriptor_that_is_no_eventfd_is_refused() {
    let file = File::open("/dev/null").unwrap();
    let error = Ring::with_wake(0, Wake::Half, &file).err();
    assert_eq!(error, Some(Error::INVALID));
    assert_eq!(Ring::new(1 << 21).err(), Some(Error::INVALID));
}

#[test]
fn a_drain_of_two_rings_keeps_the_order_of_a_thread() {
    let bus = Bus::new("test").unwrap();
    let mut rings = [Ring::new(0).unwrap(), Ring::new(0).unwrap()];
    let _zones = [
        bus.add_zone(&zone(0x1000), &rings[0]).unwrap(),
        bus.add_zone(&zone(0x2000), &rings[1]).unwrap(),
    ];
    for value in 0..20u8 {
        let addr = if value % 3 == 0 { 0x1000 } else { 0x2000 };
        bus.write(Space::Mmio, addr, &[value]).unwrap();
    }
    let [first, second] = &mut rings;
    let mut seen = Vec::new();
    drain(&mut [first, second], |write| seen.push(write.data()[0]));
    assert_eq!(seen, (0..20).collect::<Vec<u8>>());
}

#[test]
fn a_zone_keeps_its_ring_and_then_lets_it_go() {
    let bus = Bus::new("test").unwrap();
    let ring = Ring::new(0).unwrap();
    let memory = ring.memory();
    assert!(memory.1 > 0);
    let shared = File::from(memory.0.try_clone_to_owned().unwrap());
    assert_eq!(shared.metadata().unwrap().len(), memory.1 as u64);
    let zone = bus.add_zone(&zone(0), &ring).unwrap();
    drop(ring);
    assert_eq!(bus.write(Space::Mmio, 0, &[1]), Ok(TakenBy::Zone));
    zone.remove().map_err(|(error, _)| error).unwrap();
    assert_eq!(bus.write(Space::Mmio, 0, &[1]), Err(Error::NOT_TAKEN));
}

#[test]
fn the_closure_of_a_drain_changes_the_bus() {
    let bus = Bus::new("test").unwrap();
    let mut ring = Ring::new(0).unwrap();
    let mut zone = Some(bus.add_zone(&zone(0), &ring).unwrap());
    bus.write(Space::Mmio, 0, &[1]).unwrap();
    ring.drain(|_| {
        let zone = zone.take().unwrap();
        zone.remove().map_err(|(error, _)| error).unwrap();
    });
    assert_eq!(bus.write(Space::Mmio, 0, &[1]), Err(Error::NOT_TAKEN));
}

#[test]
fn a_panic_goes_on_behind_the_drain() {
    let bus = Bus::new("test").unwrap();
    let mut ring = Ring::new(0).unwrap();
    let _zone = bus.add_zone(&zone(0), &ring).unwrap();
    for value in 0..3 {
        bus.write(Space::Mmio, 0, &[value]).unwrap();
    }
    let mut calls = 0;
    let panic = catch_unwind(AssertUnwindSafe(|| {
        ring.drain(|write| {
            calls += 1;
            assert_eq!(write.data(), [0], "on purpose");
        })
    }));
    assert!(panic.is_err());
    assert_eq!(calls, 2);
    assert_eq!(ring.drain(|_| ()), 0);
}

#[test]
fn uses_are_counted() {
    let bus = Bus::new("test").unwrap();
    let device = bus.add_range(&zone(0), |_, _| Ok(())).unwrap();
    let place = belfry::bus::Doorbell::new(Space::Mmio, 0x80, 1);
    let doorbell = bus.on_doorbell(&place, |_| ()).unwrap();
    bus.write(Space::Mmio, 0, &[1]).unwrap();
    bus.count(true).unwrap();
    bus.write(Space::Mmio, 0, &[1]).unwrap();
    bus.read(Space::Mmio, 0, &mut [1]).unwrap();
    bus.write(Space::Mmio, 0x80, &[1]).unwrap();
    bus.count(false).unwrap();
    assert_eq!((device.stats().writes, device.stats().reads), (1, 1));
    assert_eq!(doorbell.stats().writes, 1);
}
