// SPDX-License-Identifier: MIT

use belfry::bus::{Bus, Doorbell, Operation, Range, RangeHandle, Space, TakenBy};
use belfry::Error;
use std::fs::File;
use std::os::unix::io::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Mutex};

extern "C" {
    fn eventfd(value: u32, flags: i32) -> i32;
}

fn new_eventfd() -> OwnedFd {
    // SAFETY: the descriptor is new.
    unsafe { OwnedFd::from_raw_fd(eventfd(0, 0)) }
}

fn signals(fd: OwnedFd) -> u64 {
    use std::io::Read;
    let mut value = [0; 8];
    File::from(fd).read_exact(&mut value).unwrap();
    u64::from_ne_bytes(value)
}

fn bus() -> Bus {
    Bus::new("test").unwrap()
}

fn range(addr: u64) -> Range {
    Range::new(Space::Mmio, addr, 0x100).name("device")
}

fn idle(bus: &Bus, addr: u64) -> Result<RangeHandle, Error> {
    bus.add_range(&range(addr), |_, _| Ok(()))
}

/// Tells when it is dropped.
struct Told(mpsc::SyncSender<()>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[test]
fn a_device_gets_offsets_and_data() {
    let bus = bus();
    let written = Arc::new(Mutex::new(Vec::new()));
    let log = written.clone();
    let _device = bus
        .add_range(&range(0x1000), move |offset, operation| {
            match operation {
                Operation::Read(data) => data.copy_from_slice(&[1, 2, 3, 4][..data.len()]),
                Operation::Write(data) => log.lock().unwrap().push((offset, data.to_vec())),
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(bus.write(Space::Mmio, 0x1008, &[9, 8]), Ok(TakenBy::Range));
    assert_eq!(*written.lock().unwrap(), [(8, vec![9, 8])]);
    let mut data = [0; 4];
    assert_eq!(bus.read(Space::Mmio, 0x1000, &mut data), Ok(TakenBy::Range));
    assert_eq!(data, [1, 2, 3, 4]);
}

#[test]
fn errors_of_a_device_reach_the_caller() {
    let bus = bus();
    let _device = bus
        .add_range(&range(0), |offset, _| {
            Err(if offset == 0 {
                Error::NOT_TAKEN
            } else {
                Error::from_errno(28)
            })
        })
        .unwrap();
    assert_eq!(bus.write(Space::Mmio, 0, &[0]), Err(Error::NOT_TAKEN));
    assert_eq!(bus.write(Space::Mmio, 1, &[0]).unwrap_err().errno(), 28);
}

#[test]
fn an_access_of_no_or_too_many_bytes_is_refused() {
    let bus = bus();
    assert_eq!(bus.write(Space::Mmio, 0, &[]), Err(Error::INVALID));
    assert_eq!(bus.read(Space::Mmio, 0, &mut [0; 9]), Err(Error::INVALID));
    assert_eq!(bus.write(Space::Own(16), 0, &[0]), Err(Error::INVALID));
    assert_eq!(bus.write(Space::Own(15), 0, &[0]), Err(Error::NOT_TAKEN));
}

#[test]
fn a_collision_names_both() {
    let bus = bus();
    let _first = idle(&bus, 0x1000).unwrap();
    let error = idle(&bus, 0x10ff).err().unwrap();
    assert_eq!(error, Error::EXISTS);
    assert!(
        error
            .to_string()
            .contains("collides with range device mmio [0x1000, 0x10ff]"),
        "{}",
        error
    );
}

#[test]
fn a_panic_in_a_device_is_a_failure_of_it() {
    let bus = bus();
    let _device = bus
        .add_range(&range(0), |_, _| panic!("on purpose"))
        .unwrap();
    assert_eq!(bus.write(Space::Mmio, 0, &[0]), Err(Error::IO));
}

#[test]
fn a_removal_drops_the_closure_once() {
    let bus = bus();
    let (told, wait) = mpsc::sync_channel(1);
    let told = Told(told);
    let device = bus
        .add_range(&range(0), move |_, _| {
            let _ = &told;
            Ok(())
        })
        .unwrap();
    device.remove().map_err(|(error, _)| error).unwrap();
    wait.try_recv()
        .expect("dropped when the removal has returned");
    assert!(wait.recv().is_err());
}

#[test]
fn the_end_of_a_handle_drops_the_closure_later() {
    let bus = bus();
    let (told, wait) = mpsc::sync_channel(1);
    let told = Told(told);
    let doorbell = bus
        .on_doorbell(&Doorbell::new(Space::Mmio, 0, 4), move |_| {
            let _ = &told;
        })
        .unwrap();
    drop(doorbell);
    wait.recv().expect("dropped");
    assert_eq!(bus.write(Space::Mmio, 0, &[0; 4]), Err(Error::NOT_TAKEN));
}

#[test]
fn a_refused_addition_drops_the_closure() {
    let bus = bus();
    let (told, wait) = mpsc::sync_channel(1);
    let told = Told(told);
    let empty = Range::new(Space::Mmio, 0, 0);
    let result = bus.add_range(&empty, move |_, _| {
        let _ = &told;
        Ok(())
    });
    assert_eq!(result.err(), Some(Error::INVALID));
    wait.try_recv().expect("dropped");
}

#[test]
fn a_removal_in_its_own_device_is_refused_and_returns_the_handle() {
    let bus = bus();
    let slot: Arc<Mutex<Option<RangeHandle>>> = Arc::default();
    let own = slot.clone();
    let refused = Arc::new(AtomicBool::new(false));
    let flag = refused.clone();
    let device = bus
        .add_range(&range(0), move |_, _| {
            let handle = own.lock().unwrap().take().expect("the handle");
            let (error, handle) = handle.remove().err().expect("a refusal");
            assert_eq!(error, Error::DEADLOCK);
            flag.store(true, Ordering::SeqCst);
            drop(handle); // the asynchronous removal
            Ok(())
        })
        .unwrap();
    *slot.lock().unwrap() = Some(device);
    assert_eq!(bus.write(Space::Mmio, 0, &[0]), Ok(TakenBy::Range));
    assert!(refused.load(Ordering::SeqCst));
    assert_eq!(bus.write(Space::Mmio, 0, &[0]), Err(Error::NOT_TAKEN));
}

#[test]
fn a_closure_may_hold_the_last_reference_to_its_bus() {
    let bus = bus();
    let own = bus.clone();
    let (told, wait) = mpsc::sync_channel(1);
    let told = Told(told);
    let device = bus
        .add_range(&range(0), move |_, _| {
            let _ = (&own, &told);
            Ok(())
        })
        .unwrap();
    drop(bus);
    drop(device);
    wait.recv().expect("dropped");
}

#[test]
fn an_eventfd_counts_matching_writes() {
    let bus = bus();
    let fd = new_eventfd();
    let doorbell = bus
        .add_doorbell(&Doorbell::new(Space::Pio, 0x600, 2).datamatch(7), &fd)
        .unwrap();
    for value in [7u16, 8, 7] {
        let _ = bus.write(Space::Pio, 0x600, &value.to_ne_bytes());
    }
    assert_eq!(doorbell.signals(), 2);
    doorbell.remove().map_err(|(error, _)| error).unwrap();
    let _ = bus.write(Space::Pio, 0x600, &7u16.to_ne_bytes());
    assert_eq!(signals(fd), 2);
}

#[test]
fn a_doorbell_needs_an_eventfd() {
    let file = File::open("/dev/null").unwrap();
    let error = bus()
        .add_doorbell(&Doorbell::new(Space::Mmio, 0, 4), &file)
        .err();
    assert_eq!(error, Some(Error::INVALID));
}

#[test]
fn a_device_moves() {
    let bus = bus();
    let device = idle(&bus, 0).unwrap();
    device.move_to(0x4000).unwrap();
    assert_eq!(bus.write(Space::Mmio, 0, &[0]), Err(Error::NOT_TAKEN));
    assert_eq!(bus.write(Space::Mmio, 0x4000, &[0]), Ok(TakenBy::Range));
    assert_eq!(device.move_to(u64::MAX), Err(Error::INVALID));
    assert!(bus.publications() >= 2);
}

#[test]
fn devices_come_and_go_under_accesses() {
    let bus = bus();
    let alive = Arc::new(AtomicUsize::new(0));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let _ = bus.write(Space::Mmio, 0x10, &[1]);
                }
            });
        }
        for _ in 0..500 {
            let alive = alive.clone();
            alive.fetch_add(1, Ordering::SeqCst);
            let used = alive.clone();
            let device = bus.add_range(&range(0), move |_, _| {
                assert!(used.load(Ordering::SeqCst) > 0);
                Ok(())
            });
            device
                .unwrap()
                .remove()
                .map_err(|(error, _)| error)
                .unwrap();
            alive.fetch_sub(1, Ordering::SeqCst);
        }
        stop.store(true, Ordering::Relaxed);
    });
    bus.synchronize().unwrap();
}
