// SPDX-License-Identifier: MIT

use belfry::memslots::{
    Backing, Change, Config, GuestMemory, Listener, Memslots, Pauses, Region, Slot,
};
use belfry::Error;
use std::fs::File;
use std::os::raw::{c_int, c_ulong};
use std::os::unix::io::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Mutex};

const PAGE: u64 = 0x1_0000; // a multiple of each processor's
const ENOENT: i32 = 2;
const ENOSPC: i32 = 28;
const ECANCELED: i32 = 125;
const KVM_CREATE_VM: c_ulong = 0xae01;

extern "C" {
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
}

fn vm() -> Option<OwnedFd> {
    let kvm = File::options().read(true).write(true).open("/dev/kvm");
    let kvm = kvm
        .map_err(|error| println!("/dev/kvm: {}: skipped", error))
        .ok()?;
    // SAFETY: the request takes a number, and returns a new descriptor.
    let vm = unsafe { ioctl(kvm.as_raw_fd(), KVM_CREATE_VM, 0 as c_ulong) };
    assert!(vm >= 0);
    Some(unsafe { OwnedFd::from_raw_fd(vm) })
}

fn map() -> Memslots {
    Memslots::new(Config::default()).unwrap()
}

fn ram(pages: u64) -> Arc<Backing> {
    Arc::new(Backing::new(pages * PAGE).unwrap())
}

fn set(number: u16, gpa: u64, memory: &Arc<Backing>) -> Change {
    Change::Set(Slot::new(number, gpa, memory.clone()))
}

fn remove(number: u16) -> Change {
    Change::Remove { space: 0, number }
}

/// Memory that tells when it is dropped.
struct Told(Backing, mpsc::SyncSender<()>);

// SAFETY: the backing is in the value.
unsafe impl GuestMemory for Told {
    fn as_ptr(&self) -> *mut u8 {
        self.0.as_ptr()
    }
    fn len(&self) -> usize {
        self.0.len()
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.1.send(());
    }
}

fn told() -> (Arc<Told>, mpsc::Receiver<()>) {
    let (tell, wait) = mpsc::sync_channel(1);
    (Arc::new(Told(Backing::new(PAGE).unwrap(), tell)), wait)
}

#[test]
fn copies_cross_slots_and_stop_at_holes() {
    let map = map();
    let (low, high) = (ram(1), ram(1));
    map.commit(&[set(0, 0, &low), set(1, PAGE, &high)]).unwrap();
    let data = [1, 2, 3, 4];
    assert_eq!(map.write(0, PAGE - 2, &data), 4);
    let mut seen = [0; 4];
    assert_eq!(map.read(0, PAGE - 2, &mut seen), 4);
    assert_eq!(seen, data);
    assert_eq!(map.write(0, 2 * PAGE - 1, &data), 1);
    assert_eq!(map.read(0, 2 * PAGE, &mut seen), 0);
    assert_eq!(map.read(7, 0, &mut seen), 0);

    let snapshot = map.read_side();
    assert!(snapshot.span(0, PAGE - 2, 4, false).is_none());
    let lens: Vec<_> = snapshot
        .spans(0, PAGE - 2, PAGE + 7, true)
        .map(|span| span.len() as u64)
        .collect();
    assert_eq!(lens.iter().sum::<u64>(), PAGE + 2);
    assert_eq!(snapshot.read(0, PAGE, &mut seen), 4);
    assert_eq!(seen[..2], [3, 4]);
}

#[test]
fn spans_copy_and_have_atomic_integers() {
    let map = map();
    map.commit(&[set(0, 0, &ram(1))]).unwrap();
    let snapshot = map.read_side();
    let span = snapshot.span(0, 0x100, 16, true).unwrap();
    span.write(2, &[0x34, 0x12]);
    let index = span.atomic::<std::sync::atomic::AtomicU16>(2).unwrap();
    assert_eq!(
        index.load(Ordering::Acquire),
        u16::from_ne_bytes([0x34, 0x12])
    );
    assert!(span.atomic::<AtomicU32>(2).is_none());
    assert!(span.atomic::<AtomicU32>(12).is_some());
    assert!(span.atomic::<AtomicU32>(16).is_none());
    let reading = snapshot.span(0, 0x100, 16, false).unwrap();
    assert!(reading.atomic::<AtomicU32>(0).is_none());
    let mut seen = [0; 2];
    reading.read(2, &mut seen);
    assert_eq!(seen, [0x34, 0x12]);
}

#[test]
#[should_panic(expected = "2 bytes at 15 in a span of 16")]
fn a_copy_does_not_leave_its_span() {
    let map = map();
    map.commit(&[set(0, 0, &ram(1))]).unwrap();
    let snapshot = map.read_side();
    let span = snapshot.span(0, 0, 16, true).unwrap();
    span.write(15, &[0; 2]);
}

#[test]
fn read_only_memory_is_not_written_to() {
    let map = map();
    let rom = Slot::new(0, 0, ram(1)).read_only();
    map.commit(&[Change::Set(rom)]).unwrap();
    assert_eq!(map.write(0, 0, &[1]), 0);
    assert_eq!(map.read(0, 0, &mut [0]), 1);
    assert!(map.read_side().span(0, 0, 1, true).is_none());
    assert_eq!(map.read_side().spans(0, 0, 8, true).count(), 0);
}

#[test]
fn changes_are_made_together_or_not_at_all() {
    let map = map();
    let memory = ram(4);
    map.commit(&[set(0, 0, &memory)]).unwrap();
    let error = map
        .commit(&[remove(0), set(1, 0, &memory), set(2, 3 * PAGE, &memory)])
        .unwrap_err();
    assert_eq!(error, Error::EXISTS);
    assert!(error.to_string().contains("overlaps slot 1"), "{}", error);
    let slots: Vec<_> = map.read_side().slots(0).collect();
    assert_eq!(slots.len(), 1);
    assert_eq!((slots[0].number, slots[0].size), (0, 4 * PAGE));
    // The failure has dropped nothing of the slot that stays.
    assert_eq!(map.write(0, 0, &[1]), 1);
    map.commit(&[remove(0), set(1, 0, &memory)]).unwrap();
    let slots: Vec<_> = map.read_side().slots(0).collect();
    assert_eq!((slots[0].number, slots.len()), (1, 1));
}

#[test]
fn wrong_slots_are_refused() {
    let map = map();
    let memory = ram(1);
    let part = |offset, size| Change::Set(Slot::new(0, 0, memory.clone()).part(offset, size));
    let page = PAGE as usize;
    for change in [
        part(0, 2 * page),
        part(usize::MAX, page),
        part(0, 0),
        part(1, 16),
        remove(3),
        Change::Set(Slot::new(0, 0, memory.clone()).space(9)),
    ] {
        assert_eq!(map.commit(&[change]), Err(Error::INVALID));
    }
    assert_eq!(map.read_side().slots(0).count(), 0);
}

#[test]
fn a_slot_moves_and_changes_its_flags() {
    let map = map();
    let memory = ram(1);
    map.commit(&[set(0, 0, &memory)]).unwrap();
    map.write(0, 0, &[7]);
    let logged = Slot::new(0, 4 * PAGE, memory.clone()).log_dirty_pages();
    map.commit(&[Change::Set(logged)]).unwrap();
    let mut seen = [0];
    assert_eq!(map.read(0, 0, &mut seen), 0);
    assert_eq!(map.read(0, 4 * PAGE, &mut seen), 1);
    assert_eq!(seen, [7]);
    let slot = map.read_side().slots(0).next().unwrap();
    assert!(slot.log_dirty_pages && !slot.read_only);
    // Other memory for a slot that exists is two changes.
    assert_eq!(map.commit(&[set(0, 0, &ram(1))]), Err(Error::INVALID));
}

#[test]
fn a_log_has_the_pages_that_devices_write() {
    let config = Config {
        manual_dirty_log: true,
        ..Config::default()
    };
    let map = Memslots::new(config).unwrap();
    let slot = Slot::new(3, 0, ram(2)).log_dirty_pages();
    map.commit(&[Change::Set(slot)]).unwrap();
    assert!(map.dirty_log(0, 3).unwrap().iter().all(|&word| word == 0));
    let snapshot = map.read_side();
    snapshot.span(0, 0, 1, true).unwrap().write(0, &[1]);
    assert_eq!(snapshot.mark_dirty(0, 0, 3 * PAGE), 2 * PAGE);
    let log = map.dirty_log(0, 3).unwrap();
    let pages = log.iter().map(|word| word.count_ones()).sum::<u32>();
    assert!(pages >= 2 && log[0] & 1 == 1);
    assert_eq!(
        map.clear_dirty_log(0, 3, 0, pages, &[]),
        Err(Error::INVALID)
    );
    assert_eq!(map.dirty_log(0, 3).unwrap(), log);
    map.clear_dirty_log(0, 3, 0, pages, &log).unwrap();
    assert!(map.dirty_log(0, 3).unwrap().iter().all(|&word| word == 0));
    snapshot.write(0, 2 * PAGE - 1, &[1]);
    let log = map.dirty_log(0, 3).unwrap();
    assert_eq!(log.iter().map(|word| word.count_ones()).sum::<u32>(), 1);
    assert!(map.dirty_log(0, 4).is_err());
}

#[test]
fn a_slot_keeps_its_memory_and_its_removal_drops_it() {
    let map = map();
    let (memory, wait) = told();
    map.commit(&[Change::Set(Slot::new(0, 0, memory))]).unwrap();
    assert!(wait.try_recv().is_err());
    map.commit(&[remove(0)]).unwrap();
    wait.try_recv().expect("dropped");
}

#[test]
fn a_refused_slot_drops_its_memory() {
    let map = map();
    let (memory, wait) = told();
    let other = ram(1);
    let result = map.commit(&[set(0, 0, &other), Change::Set(Slot::new(1, 0, memory))]);
    assert_eq!(result, Err(Error::EXISTS));
    wait.try_recv().expect("dropped");
    assert_eq!(map.free_slot(0), Ok(0));
}

#[test]
fn memory_stays_until_the_snapshot_ends() {
    let map = map();
    let (memory, wait) = told();
    map.commit(&[Change::Set(Slot::new(0, 0, memory))]).unwrap();
    let snapshot = map.read_side();
    let span = snapshot.span(0, 0, 8, true).unwrap();
    let (tell, done) = mpsc::sync_channel(1);
    map.commit_then(&[remove(0)], move || tell.send(()).unwrap())
        .unwrap();
    span.write(0, &[1]);
    assert_eq!(snapshot.memory(0, 0).unwrap().len() as u64, PAGE);
    assert!(snapshot.memory(0, PAGE).is_none());
    assert!(done.try_recv().is_err() && wait.try_recv().is_err());
    assert_eq!(map.read(0, 0, &mut [0]), 0);
    drop(snapshot);
    done.recv().unwrap();
    wait.try_recv().expect("dropped before the call");
}

#[test]
fn the_end_of_a_map_drops_the_memory() {
    let map = map();
    let (memory, wait) = told();
    map.commit(&[Change::Set(Slot::new(0, 0, memory))]).unwrap();
    let clone = map.clone();
    drop(map);
    assert_eq!(clone.read(0, 0, &mut [0]), 1);
    assert!(wait.try_recv().is_err());
    drop(clone);
    wait.try_recv().expect("dropped");
}

#[test]
fn a_pin_is_told_and_delays_the_removal() {
    let map = map();
    let (memory, wait) = told();
    map.commit(&[Change::Set(Slot::new(0, 0, memory))]).unwrap();
    let (revoke, revoked) = mpsc::sync_channel(1);
    let revoke = Mutex::new(revoke);
    let pin = map.pin(0, 16, 8, true, move || {
        revoke.lock().unwrap().send(()).unwrap();
    });
    let pin = pin.unwrap();
    assert_eq!(pin.span().len(), 8);
    std::thread::scope(|scope| {
        let removal = scope.spawn(|| map.commit(&[remove(0)]));
        revoked.recv().unwrap();
        assert!(wait.try_recv().is_err());
        pin.span().write(0, &[1]);
        drop(pin);
        removal.join().unwrap().unwrap();
    });
    wait.try_recv().expect("dropped");
    let result = map.pin(0, 16, 8, true, || ());
    assert_eq!(result.err().unwrap().errno(), ENOENT);
}

#[test]
fn a_pin_keeps_its_map() {
    let map = map();
    map.commit(&[set(0, 0, &ram(1))]).unwrap();
    let pin = map.pin(0, 0, PAGE, true, || ()).unwrap();
    drop(map);
    pin.span().write(0, &[1]);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(&'static str, u64)>>>);

impl Log {
    fn note(&self, event: &'static str, gpa: u64) {
        self.0.lock().unwrap().push((event, gpa));
    }
}

impl Listener for Log {
    fn begin(&mut self) {
        self.note("begin", 0);
    }
    fn remove(&mut self, region: &Region, _: &Arc<dyn GuestMemory>) {
        self.note("remove", region.gpa);
    }
    fn add(&mut self, region: &Region, memory: &Arc<dyn GuestMemory>) {
        assert_eq!(region.hva, memory.as_ptr() as u64);
        self.note("add", region.gpa);
    }
    fn flags(&mut self, region: &Region, _: &Arc<dyn GuestMemory>) {
        assert!(region.log_dirty_pages);
        self.note("flags", region.gpa);
    }
    fn commit(&mut self) {
        self.note("commit", 0);
    }
}

#[test]
fn a_listener_follows_the_changes() {
    let map = map();
    let memory = ram(1);
    map.commit(&[set(0, 0, &memory)]).unwrap();
    let log = Log::default();
    let handle = map.listen(log.clone()).unwrap();
    let logged = Slot::new(0, 0, memory.clone()).log_dirty_pages();
    map.commit(&[Change::Set(logged)]).unwrap();
    map.commit(&[set(1, PAGE, &ram(1)), remove(0)]).unwrap();
    drop(handle);
    map.commit(&[remove(1)]).unwrap();
    let expected = [
        ("begin", 0),
        ("add", 0),
        ("commit", 0),
        ("begin", 0),
        ("flags", 0),
        ("commit", 0),
        ("begin", 0),
        ("remove", 0),
        ("add", PAGE),
        ("commit", 0),
    ];
    assert_eq!(*log.0.lock().unwrap(), expected);
}

#[test]
fn slot_numbers_and_addresses_are_found() {
    let map = Memslots::new(Config {
        spaces: 2,
        slots: 2,
        gpa_bits: 32,
        ..Config::default()
    })
    .unwrap();
    let memory = ram(2);
    map.commit(&[Change::Set(Slot::new(0, PAGE, memory.clone()).space(1))])
        .unwrap();
    assert_eq!((map.free_slot(0), map.free_slot(1)), (Ok(0), Ok(1)));
    map.commit(&[Change::Set(Slot::new(1, 8 * PAGE, memory.clone()).space(1))])
        .unwrap();
    assert_eq!(map.free_slot(1).unwrap_err().errno(), ENOSPC);
    let snapshot = map.read_side();
    // SAFETY: the byte is in the memory.
    let hva = unsafe { memory.as_ptr().add(5) };
    assert_eq!(snapshot.gpa_of(1, hva), Ok(PAGE + 5));
    assert_eq!(snapshot.gpa_of(0, hva).unwrap_err().errno(), ENOENT);
    assert!(map.commit(&[set(0, 1 << 32, &memory)]).is_err());
}

#[test]
fn memory_is_allocated_before_the_guest_runs() {
    let mut memory = Backing::new(64 * PAGE).unwrap();
    assert!(memory.page_size() > 0);
    let mut last = 0;
    memory
        .prefault(|done, total| {
            assert_eq!(total, 64 * PAGE);
            last = done;
            true
        })
        .unwrap();
    assert_eq!(last, 64 * PAGE);
    let error = memory.prefault(|_, _| false).unwrap_err();
    assert_eq!(error.errno(), ECANCELED);
    assert_eq!(Backing::new(0).err(), Some(Error::INVALID));
}

struct Counts(Arc<AtomicUsize>);

impl Pauses for Counts {
    fn pause(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn resume(&self) {
        self.0.fetch_add(100, Ordering::Relaxed);
    }
}

#[test]
fn a_vm_has_the_slots_of_its_map() {
    let vm = match vm() {
        Some(vm) => vm,
        None => return,
    };
    let calls = Arc::new(AtomicUsize::new(0));
    let map = Memslots::of_vm(
        &vm,
        Config {
            pauses: Some(Box::new(Counts(calls.clone()))),
            ..Config::default()
        },
    )
    .unwrap();
    let memory = ram(2);
    map.commit(&[set(0, 0, &memory)]).unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    // The slot gets another size: the VM shows a hole in between.
    let half = Slot::new(0, 0, memory.clone()).part(0, PAGE as usize);
    map.commit(&[remove(0), Change::Set(half)]).unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 101);
    drop(map);
    // The end of the map has removed the slot, or the VM would refuse these.
    let map = Memslots::of_vm(&vm, Config::default()).unwrap();
    map.commit(&[set(1, 0, &memory)]).unwrap();
    let resize = Slot::new(1, 0, memory).part(0, PAGE as usize);
    let result = map.commit(&[remove(1), Change::Set(resize)]);
    assert_eq!(result.unwrap_err().errno(), 16); // EBUSY: no pauses
}

#[test]
fn slots_come_and_go_under_readers() {
    let map = map();
    let stop = AtomicBool::new(false);
    let fixed = ram(1);
    map.commit(&[set(0, 0, &fixed)]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let snapshot = map.read_side();
                    for span in snapshot.spans(0, 0, 2 * PAGE, true) {
                        span.write(0, &[1]);
                        span.write(span.len() - 1, &[1]);
                    }
                }
            });
        }
        for _ in 0..300 {
            map.commit(&[set(1, PAGE, &ram(1))]).unwrap();
            map.commit(&[remove(1)]).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
}
