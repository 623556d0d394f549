// SPDX-License-Identifier: MIT

use belfry::vcpus::{Config, Vcpus};
use belfry::Error;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc};

const EBUSY: i32 = 16;

fn table() -> Vcpus<u32> {
    Vcpus::new(&Config::default()).unwrap()
}

/// Counts the values that live.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(alive: &Arc<AtomicUsize>) -> Counted {
        alive.fetch_add(1, Ordering::SeqCst);
        Counted(alive.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_vcpu_is_found_by_id_and_by_index() {
    let vcpus = table();
    let _first = vcpus.add(7, 70).unwrap();
    let _second = vcpus.add(1 << 20, 80).unwrap();
    let section = vcpus.read();
    let vcpu = section.by_id(1 << 20).unwrap();
    assert_eq!((**vcpu, vcpu.id(), vcpu.index()), (80, 1 << 20, 1));
    assert_eq!(section.by_index(0).map(|vcpu| **vcpu), Some(70));
    for number in [2, u64::MAX] {
        assert!(section.by_id(number).is_none() && section.by_index(number).is_none());
    }
    assert_eq!((vcpus.created(), vcpus.online()), (2, 2));
}

#[test]
fn a_reservation_has_an_id_and_no_vcpu() {
    let vcpus = table();
    let reservation = vcpus.reserve(3).unwrap();
    assert!(vcpus.read().by_id(3).is_none());
    assert_eq!((vcpus.created(), vcpus.online()), (1, 0));
    assert_eq!(vcpus.reserve(3).err(), Some(Error::EXISTS));
    assert_eq!(vcpus.lock_all().err().unwrap().errno(), EBUSY);
    drop(reservation);
    assert_eq!(vcpus.created(), 0);
    let vcpu = vcpus.reserve(3).unwrap().publish(5);
    assert_eq!((**vcpu, vcpu.index()), (5, 0));
}

#[test]
fn maxima_and_indices_are_the_configuration_s() {
    let vcpus = Vcpus::new(&Config {
        max_ids: 10,
        max_vcpus: 1,
        reuse_index: true,
    })
    .unwrap();
    assert_eq!(vcpus.reserve(10).err(), Some(Error::INVALID));
    let vcpu = vcpus.add(9, ()).unwrap();
    assert_eq!(vcpus.reserve(8).err(), Some(Error::INVALID));
    vcpu.remove();
    assert_eq!(vcpus.add(8, ()).unwrap().index(), 0);
}

#[test]
fn a_removal_drops_the_value() {
    let alive = Arc::new(AtomicUsize::new(0));
    let vcpus = Vcpus::<Counted>::new(&Config::default()).unwrap();
    let vcpu = vcpus.add(0, Counted::new(&alive)).unwrap();
    assert_eq!(alive.load(Ordering::SeqCst), 1);
    vcpu.remove();
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    assert!(vcpus.read().by_id(0).is_none());
}

#[test]
fn a_section_delays_the_end_of_a_handle() {
    let alive = Arc::new(AtomicUsize::new(0));
    let vcpus = Vcpus::<Counted>::new(&Config::default()).unwrap();
    let vcpu = vcpus.add(0, Counted::new(&alive)).unwrap();
    let section = vcpus.read();
    let found = section.by_id(0).unwrap();
    drop(vcpu);
    assert!(section.by_id(0).is_none());
    assert_eq!(found.0.load(Ordering::SeqCst), 1);
    drop(section);
    while alive.load(Ordering::SeqCst) > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn the_end_of_a_table_drops_its_vcpus() {
    let alive = Arc::new(AtomicUsize::new(0));
    let vcpus = Vcpus::<Counted>::new(&Config::default()).unwrap();
    for id in 0..4 {
        vcpus.add(id, Counted::new(&alive)).unwrap().keep();
    }
    let last = vcpus.add(4, Counted::new(&alive)).unwrap();
    drop(vcpus);
    assert_eq!(last.0.load(Ordering::SeqCst), 5);
    drop(last);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

#[test]
fn iterations_visit_each_vcpu_in_order() {
    let vcpus = table();
    let mut handles: Vec<_> = (0..5).map(|id| vcpus.add(id, id as u32).unwrap()).collect();
    drop(handles.remove(2));
    let section = vcpus.read();
    let mut seen = Vec::new();
    for vcpu in section.iter() {
        seen.push(**vcpu);
        if seen.len() == 1 {
            handles.push(vcpus.add(9, 9).unwrap()); // after the beginning
            drop(handles.remove(2)); // before its turn
        }
    }
    assert_eq!(seen, [0, 1, 4]);
}

#[test]
fn locks_exclude_each_other() {
    let vcpus = table();
    let vcpu = vcpus.add(0, 1).unwrap();
    let locked = vcpu.lock().unwrap();
    assert_eq!(**locked, 1);
    assert_eq!(vcpu.try_lock().err().unwrap().errno(), EBUSY);
    assert!(vcpus.try_lock_all().is_err());
    std::thread::scope(|scope| {
        scope.spawn(move || drop(locked)); // another thread may unlock
    });
    let all = vcpus.lock_all().unwrap();
    assert!(vcpu.try_lock().is_err());
    drop(all);
    drop(vcpu.try_lock().unwrap());
}

#[test]
fn a_value_may_hold_its_own_table() {
    let vcpus = Vcpus::<Nested>::new(&Config::default()).unwrap();
    let (tell, wait) = mpsc::sync_channel(1);
    let vcpu = vcpus.add(0, Nested(vcpus.clone(), tell)).unwrap();
    drop(vcpus);
    drop(vcpu);
    wait.recv().expect("dropped");
}

struct Nested(Vcpus<Nested>, mpsc::SyncSender<()>);

impl Drop for Nested {
    fn drop(&mut self) {
        assert_eq!(self.0.online(), 0);
        let _ = self.1.send(());
    }
}

#[test]
fn vcpus_come_and_go_under_readers() {
    let alive = Arc::new(AtomicUsize::new(0));
    let vcpus = Vcpus::<Counted>::new(&Config::default()).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let section = vcpus.read();
                    if let Some(vcpu) = section.by_id(1) {
                        assert_eq!(vcpu.0.load(Ordering::SeqCst), 1);
                    }
                }
            });
        }
        for _ in 0..500 {
            vcpus.add(1, Counted::new(&alive)).unwrap().remove();
            assert_eq!(alive.load(Ordering::SeqCst), 0);
        }
        stop.store(true, Ordering::Relaxed);
    });
}
