// SPDX-License-Identifier: MIT

use belfry::srcu::{Domain, Fast, FastDomain, Fenced, Flavour, Published};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc};

/// Counts the values that exist.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Counted {
        count.fetch_add(1, Ordering::Relaxed);
        Counted(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn domain<F: Flavour>() -> Arc<Domain<F>> {
    Arc::new(Domain::new("test").unwrap())
}

fn a_grace_period_waits_for_a_guard<F: Flavour>() {
    let domain = domain::<F>();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let guard = domain.read();
        let (begun, wait) = mpsc::channel();
        let (domain, ended) = (&domain, &ended);
        let waiter = scope.spawn(move || {
            begun.send(()).unwrap();
            domain.synchronize_expedited();
            assert!(ended.load(Ordering::SeqCst));
        });
        wait.recv().unwrap();
        std::thread::yield_now();
        ended.store(true, Ordering::SeqCst);
        drop(guard);
        waiter.join().unwrap();
    });
    assert!(domain.stats().grace_periods > 0);
}

#[test]
fn a_fenced_grace_period_waits_for_a_guard() {
    a_grace_period_waits_for_a_guard::<Fenced>();
}

#[test]
fn a_fast_grace_period_waits_for_a_guard() {
    a_grace_period_waits_for_a_guard::<Fast>();
}

#[test]
fn a_call_comes_after_the_guards_before_it() {
    let domain = domain::<Fenced>();
    let called = Arc::new(AtomicBool::new(false));
    let flag = called.clone();
    let guard = domain.read_anywhere();
    domain.call_expedited(move || flag.store(true, Ordering::SeqCst));
    std::thread::yield_now();
    assert!(!called.load(Ordering::SeqCst));
    drop(guard);
    domain.barrier();
    assert!(called.load(Ordering::SeqCst));
}

#[test]
fn the_end_of_a_domain_runs_its_calls() {
    let called = Arc::new(AtomicUsize::new(0));
    let domain = FastDomain::new("test").unwrap();
    for _ in 0..100 {
        let called = called.clone();
        domain.call(move || {
            called.fetch_add(1, Ordering::SeqCst);
        });
    }
    drop(domain);
    assert_eq!(called.load(Ordering::SeqCst), 100);
}

#[test]
fn a_call_may_end_its_own_domain() {
    let (ended, wait) = mpsc::channel();
    let domain = domain::<Fenced>();
    let last = domain.clone();
    domain.call(move || {
        // The caller has dropped its reference by then, or drops it later.
        drop(last);
        ended.send(()).unwrap();
    });
    drop(domain);
    wait.recv().unwrap();
}

#[test]
fn a_panic_in_a_call_does_not_stop_the_others() {
    let domain = domain::<Fenced>();
    let called = Arc::new(AtomicBool::new(false));
    let flag = called.clone();
    domain.call(|| panic!("on purpose"));
    domain.call(move || flag.store(true, Ordering::SeqCst));
    domain.barrier();
    assert!(called.load(Ordering::SeqCst));
}

#[test]
fn a_forgotten_guard_keeps_the_memory() {
    let domain = Domain::<Fenced>::new("test").unwrap();
    std::mem::forget(domain.read());
    drop(domain);
}

#[test]
fn each_value_is_dropped_once_and_after_its_readers() {
    let count = Arc::new(AtomicUsize::new(0));
    let domain = domain::<Fenced>();
    let published = Published::new(&domain, Counted::new(&count));
    let reader = published.read();
    published.replace(Counted::new(&count));
    assert_eq!(count.load(Ordering::Relaxed), 2);
    assert!(Arc::ptr_eq(&reader.0, &count));
    drop(reader);
    domain.barrier();
    assert_eq!(count.load(Ordering::Relaxed), 1);
    drop(published.swap(Counted::new(&count)));
    assert_eq!(count.load(Ordering::Relaxed), 1);
    drop(published);
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

#[test]
fn readers_see_whole_values_while_an_updater_replaces_them() {
    let domain = domain::<Fast>();
    let published = Published::new(&domain, vec![0u64; 64]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seen = published.read();
                    assert!(seen.iter().all(|n| *n == seen[0]));
                }
            });
        }
        for n in 0..2_000 {
            published.replace(vec![n; 64]);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
#[should_panic(expected = "another domain")]
fn a_guard_of_another_domain_is_refused() {
    let published = Published::new(&domain::<Fenced>(), 1);
    let other = domain::<Fenced>();
    published.get(&other.read());
}

#[test]
fn a_name_with_a_zero_byte_is_refused() {
    let error = Domain::<Fenced>::new("a\0b").err().unwrap();
    assert_eq!(error, belfry::Error::INVALID);
}
