// SPDX-License-Identifier: MIT

use belfry::bus::{Bus, Doorbell, DoorbellHandle, Operation, Range, RangeHandle, Ring, Space};
use belfry::bus::{TakenBy, ZoneHandle};
use belfry::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

fn range(addr: u64) -> Range {
    Range::new(Space::Mmio, addr, 0x100).name("device")
}

fn doorbell(addr: u64) -> Doorbell {
    Doorbell::new(Space::Mmio, addr, 4)
}

fn idle(_: u64, _: Operation) -> Result<(), Error> {
    Ok(())
}

fn write(bus: &Bus, addr: u64) -> Result<TakenBy, Error> {
    bus.write(Space::Mmio, addr, &[0; 4])
}

/// Tells when it is dropped.
struct Told(mpsc::SyncSender<()>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// A device that tells when its closure is dropped.
fn telling() -> (
    impl Fn(u64, Operation) -> Result<(), Error> + Send + Sync,
    mpsc::Receiver<()>,
) {
    let (told, wait) = mpsc::sync_channel(1);
    let told = Told(told);
    let device = move |_, _: Operation| {
        let _ = &told;
        Ok(())
    };
    (device, wait)
}

#[test]
fn entries_appear_move_and_go_in_one_publication_each() {
    let bus = Bus::new("test").unwrap();
    let mut device: Option<RangeHandle> = None;
    let mut kick: Option<DoorbellHandle> = None;
    let before = bus.publications();

    let mut txn = bus.transaction().unwrap();
    txn.add_range(&range(0x1000), idle, &mut device).unwrap();
    txn.on_doorbell(&doorbell(0x1010), |_| (), &mut kick)
        .unwrap();
    assert_eq!(write(&bus, 0x1000), Err(Error::NOT_TAKEN));
    txn.commit().unwrap();
    assert_eq!(bus.publications(), before + 1);
    assert_eq!(write(&bus, 0x1000), Ok(TakenBy::Range));
    assert_eq!(write(&bus, 0x1010), Ok(TakenBy::Doorbell));

    let mut txn = bus.transaction().unwrap();
    txn.move_to(device.as_mut().unwrap(), 0x2000).unwrap();
    txn.move_to(kick.as_mut().unwrap(), 0x2010).unwrap();
    txn.commit().unwrap();
    assert_eq!(bus.publications(), before + 2);
    assert_eq!(write(&bus, 0x1000), Err(Error::NOT_TAKEN));
    assert_eq!(write(&bus, 0x2010), Ok(TakenBy::Doorbell));
    assert_eq!(kick.as_ref().unwrap().signals(), 2);

    let mut txn = bus.transaction().unwrap();
    txn.remove(&mut device).unwrap();
    txn.remove(&mut kick).unwrap();
    txn.commit().unwrap();
    assert_eq!(bus.publications(), before + 3);
    assert!(device.is_none() && kick.is_none());
    assert_eq!(write(&bus, 0x2000), Err(Error::NOT_TAKEN));
}

#[test]
fn two_ranges_swap_their_addresses() {
    let bus = Bus::new("test").unwrap();
    let mut first = bus.add_range(&range(0x1000), idle).unwrap();
    let mut second = bus
        .add_range(&range(0x2000), |_, _| Err(Error::IO))
        .unwrap();
    assert_eq!(first.move_to(0x2000), Err(Error::EXISTS));
    let mut txn = bus.transaction().unwrap();
    txn.move_to(&mut first, 0x2000).unwrap();
    txn.move_to(&mut second, 0x1000).unwrap();
    txn.commit().unwrap();
    assert_eq!(write(&bus, 0x2000), Ok(TakenBy::Range));
    assert_eq!(write(&bus, 0x1000), Err(Error::IO));
}

#[test]
fn a_refused_commit_leaves_the_bus_and_the_handles() {
    let bus = Bus::new("test").unwrap();
    let _other = bus.add_range(&range(0x3000), idle).unwrap();
    let mut old = Some(bus.add_range(&range(0x1000), idle).unwrap());
    let mut moved = bus.add_range(&range(0x2000), idle).unwrap();
    let mut added = None;
    let (device, wait) = telling();

    let mut txn = bus.transaction().unwrap();
    txn.remove(&mut old).unwrap();
    txn.add_range(&range(0x4000), device, &mut added).unwrap();
    txn.move_to(&mut moved, 0x3080).unwrap();
    let error = txn.commit().unwrap_err();
    assert_eq!(error, Error::EXISTS);
    assert!(error.to_string().contains("collides"), "{}", error);
    wait.try_recv().expect("the closure is dropped");
    assert!(old.is_some() && added.is_none());
    assert_eq!(write(&bus, 0x1000), Ok(TakenBy::Range));
    assert_eq!(write(&bus, 0x2000), Ok(TakenBy::Range));
    assert_eq!(write(&bus, 0x4000), Err(Error::NOT_TAKEN));
}

#[test]
fn a_dropped_transaction_changes_nothing() {
    let bus = Bus::new("test").unwrap();
    let mut old = Some(bus.add_range(&range(0x1000), idle).unwrap());
    let mut added = None;
    let (device, wait) = telling();
    let before = bus.publications();
    let mut txn = bus.transaction().unwrap();
    txn.remove(&mut old).unwrap();
    txn.add_range(&range(0x1000), device, &mut added).unwrap();
    drop(txn);
    wait.try_recv().expect("the closure is dropped");
    assert_eq!(bus.publications(), before);
    assert_eq!(write(&bus, 0x1000), Ok(TakenBy::Range));
    let old = old.take().expect("the handle");
    old.remove().map_err(|(error, _)| error).unwrap();
    assert_eq!(write(&bus, 0x1000), Err(Error::NOT_TAKEN));
}

#[test]
fn a_removal_drops_the_closure_once() {
    let bus = Bus::new("test").unwrap();
    let (device, wait) = telling();
    let mut handle = Some(bus.add_range(&range(0x1000), device).unwrap());
    let mut txn = bus.transaction().unwrap();
    txn.remove(&mut handle).unwrap();
    txn.commit().unwrap();
    wait.recv().expect("dropped");
    assert!(wait.recv().is_err());
}

#[test]
fn an_added_entry_removes_itself_at_the_end_of_its_handle() {
    let bus = Bus::new("test").unwrap();
    let (device, wait) = telling();
    let mut handle = None;
    let mut txn = bus.transaction().unwrap();
    txn.add_range(&range(0x1000), device, &mut handle).unwrap();
    txn.commit().unwrap();
    assert!(wait.try_recv().is_err());
    drop(handle);
    wait.recv().expect("dropped");
}

#[test]
fn places_of_handles_are_checked() {
    let bus = Bus::new("test").unwrap();
    let mut none: Option<RangeHandle> = None;
    let mut some = Some(bus.add_range(&range(0x1000), idle).unwrap());
    let mut txn = bus.transaction().unwrap();
    assert_eq!(txn.remove(&mut none), Err(Error::INVALID));
    let result = txn.add_range(&range(0x2000), idle, &mut some);
    assert_eq!(result, Err(Error::EXISTS));
}

#[test]
fn an_entry_of_another_bus_is_refused() {
    let bus = Bus::new("test").unwrap();
    let other = Bus::new("other").unwrap();
    let mut moved = other.add_range(&range(0x1000), idle).unwrap();
    let mut removed = Some(other.add_range(&range(0x2000), idle).unwrap());
    let mut txn = bus.transaction().unwrap();
    assert_eq!(txn.move_to(&mut moved, 0), Err(Error::INVALID));
    assert_eq!(txn.remove(&mut removed), Err(Error::INVALID));
    txn.commit().unwrap();
    assert!(removed.is_some());
}

#[test]
fn a_handle_survives_a_forgotten_transaction() {
    let bus = Bus::new("test").unwrap();
    let mut handle = bus.add_range(&range(0x1000), idle).unwrap();
    let mut txn = bus.transaction().unwrap();
    txn.move_to(&mut handle, 0x2000).unwrap();
    std::mem::forget(txn);
    assert_eq!(write(&bus, 0x1000), Ok(TakenBy::Range));
    handle.remove().map_err(|(error, _)| error).unwrap();
    assert_eq!(write(&bus, 0x1000), Err(Error::NOT_TAKEN));
}

#[test]
fn zones_come_move_and_go() {
    let bus = Bus::new("test").unwrap();
    let mut ring = Ring::new(0).unwrap();
    let mut zone: Option<ZoneHandle> = None;
    let mut txn = bus.transaction().unwrap();
    txn.add_zone(&range(0x1000), &ring, &mut zone).unwrap();
    txn.commit().unwrap();
    assert_eq!(write(&bus, 0x1000), Ok(TakenBy::Zone));
    let mut txn = bus.transaction().unwrap();
    txn.move_to(zone.as_mut().unwrap(), 0x2000).unwrap();
    txn.commit().unwrap();
    assert_eq!(write(&bus, 0x2000), Ok(TakenBy::Zone));
    let mut txn = bus.transaction().unwrap();
    txn.remove(&mut zone).unwrap();
    txn.commit().unwrap();
    assert_eq!(write(&bus, 0x2000), Err(Error::NOT_TAKEN));
    assert_eq!(ring.drain(|_| ()), 2);
}

#[test]
fn readers_see_all_of_a_transaction_or_nothing() {
    const OLD: u64 = 0x1000;
    const NEW: u64 = 0x2000;
    let bus = Bus::new("test").unwrap();
    let mut first = bus.add_range(&range(OLD), idle).unwrap();
    let mut second = bus.add_range(&range(NEW), |_, _| Err(Error::IO)).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // Each place always has one of the two.
                assert_ne!(write(&bus, OLD), Err(Error::NOT_TAKEN));
                assert_ne!(write(&bus, NEW), Err(Error::NOT_TAKEN));
            }
        });
        for round in 0..1_000 {
            let (one, other) = if round % 2 == 0 {
                (NEW, OLD)
            } else {
                (OLD, NEW)
            };
            let mut txn = bus.transaction().unwrap();
            txn.move_to(&mut first, one).unwrap();
            txn.move_to(&mut second, other).unwrap();
            txn.commit().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
}
