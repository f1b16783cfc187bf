// SPDX-License-Identifier: MIT
//
// flows.rs: Rust, as a peer (../README.md has the dialogue): rust-thread is std's threads and
// channels, rust-future is futures, for which std has no executor: here is the smallest that one
// would write, one thread with a queue of the tasks that are ready.
//
// Each flow counts in a place of its own; a run returns their sum.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::io::{BufRead, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::thread;

type Job = Box<dyn FnMut(u64) -> u64>;

fn share(ops: u64, flows: u64, i: u64) -> u64 {
    ops / flows + (i < ops % flows) as u64
}

// ------------------------------------------------------------------- threads

fn thread_yields(flows: u64) -> Job {
    Box::new(move |ops| {
        let flow = |part: u64| {
            move || {
                let mut counted = 0;
                while counted < part {
                    thread::yield_now();
                    counted += 1;
                }
                counted
            }
        };
        let all: Vec<_> = (0..flows).map(|i| thread::spawn(flow(share(ops, flows, i)))).collect();
        all.into_iter().map(|flow| flow.join().unwrap()).sum()
    })
}

fn thread_spawns(batch: u64) -> Job {
    Box::new(move |ops| {
        let (mut left, mut counted) = (ops, 0);
        while left > 0 {
            let all: Vec<_> = (0..batch.min(left)).map(|_| thread::spawn(|| 1)).collect();
            left -= all.len() as u64;
            counted += all.into_iter().map(|flow| flow.join().unwrap()).sum::<u64>();
        }
        counted
    })
}

fn thread_messages(capacity: usize) -> Job {
    let (request, requested) = sync_channel::<u64>(capacity);
    let (reply, replied) = sync_channel::<u64>(capacity);
    thread::spawn(move || {
        for item in requested {
            if reply.send(item).is_err() {
                break;
            }
        }
    });
    Box::new(move |ops| {
        let mut counted = 0;
        for i in 0..ops {
            request.send(i).unwrap();
            counted += (replied.recv().unwrap() == i) as u64;
        }
        counted
    })
}

fn thread_counts(flows: u64) -> Job {
    Box::new(move |ops| {
        let number = Arc::new(Mutex::new(0));
        let all: Vec<_> = (0..flows)
            .map(|i| {
                let (number, part) = (Arc::clone(&number), share(ops, flows, i));
                thread::spawn(move || {
                    for _ in 0..part {
                        *number.lock().unwrap() += 1;
                    }
                })
            })
            .collect();
        all.into_iter().for_each(|flow| flow.join().unwrap());
        let counted = *number.lock().unwrap();
        counted
    })
}

fn thread_parks() -> Job {
    Box::new(|ops| {
        let begun = Arc::new(Mutex::new(0));
        let all_begun = Arc::new(Barrier::new(ops as usize + 1));
        for _ in 0..ops {
            let (begun, all_begun) = (Arc::clone(&begun), Arc::clone(&all_begun));
            thread::spawn(move || {
                *begun.lock().unwrap() += 1;
                all_begun.wait();
                drop((begun, all_begun));
                loop {
                    thread::park();
                }
            });
        }
        all_begun.wait();
        let counted = *begun.lock().unwrap();
        counted
    })
}

// ------------------------------------------------------------------- futures

type Task = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    static READY: RefCell<VecDeque<usize>> = RefCell::new(VecDeque::new());
}


// A waker is the number of its task: to wake is to put that into the queue.
static VTABLE: RawWakerVTable = RawWakerVTable::new(
    |task| RawWaker::new(task, &VTABLE),
    |task| READY.with(|ready| ready.borrow_mut().push_back(task as usize)),
    |task| READY.with(|ready| ready.borrow_mut().push_back(task as usize)),
    |_| (),
);

fn run_all(tasks: &mut [Option<Task>]) {
    READY.with(|ready| ready.borrow_mut().extend(0..tasks.len()));
    while let Some(number) = READY.with(|ready| ready.borrow_mut().pop_front()) {
        let raw = RawWaker::new(number as *const (), &VTABLE);
        let waker = unsafe { Waker::from_raw(raw) }; // its functions take any number
        let task = tasks[number].as_mut().unwrap();
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            tasks[number] = None;
        }
    }
}

/// Lets the others have their turn: ready again at once, at the back of the queue.
struct Yield(bool);

impl Future for Yield {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

fn future_yields(flows: u64) -> Job {
    Box::new(move |ops| {
        let counted = Rc::new(Cell::new(0));
        let mut tasks: Vec<Option<Task>> = (0..flows)
            .map(|i| {
                let (counted, part) = (Rc::clone(&counted), share(ops, flows, i));
                Some(Box::pin(async move {
                    for _ in 0..part {
                        Yield(false).await;
                        counted.set(counted.get() + 1);
                    }
                }) as Task)
            })
            .collect();
        run_all(&mut tasks);
        counted.get()
    })
}

fn future_spawns(batch: u64) -> Job {
    Box::new(move |ops| {
        let counted = Rc::new(Cell::new(0));
        let mut left = ops;
        while left > 0 {
            let mut tasks: Vec<Option<Task>> = (0..batch.min(left))
                .map(|_| {
                    let counted = Rc::clone(&counted);
                    Some(Box::pin(async move { counted.set(counted.get() + 1) }) as Task)
                })
                .collect();
            run_all(&mut tasks);
            left -= tasks.len() as u64;
        }
        counted.get()
    })
}

/// A place for one item, and who waits for it or for room.
#[derive(Default)]
struct Slot {
    item: Cell<Option<u64>>,
    waits: Cell<Option<Waker>>,
}

impl Slot {
    fn wake(&self) {
        if let Some(waker) = self.waits.take() {
            waker.wake();
        }
    }
}

struct Put<'a>(&'a Slot, u64);
struct Take<'a>(&'a Slot);

impl Future for Put<'_> {
    type Output = ();
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0.item.get().is_some() {
            self.0.waits.set(Some(context.waker().clone()));
            return Poll::Pending;
        }
        self.0.item.set(Some(self.1));
        self.0.wake();
        Poll::Ready(())
    }
}

impl Future for Take<'_> {
    type Output = u64;
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<u64> {
        match self.0.item.take() {
            Some(item) => {
                self.0.wake();
                Poll::Ready(item)
            }
            None => {
                self.0.waits.set(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}

fn future_messages() -> Job {
    Box::new(|ops| {
        let (request, reply) = (Rc::new(Slot::default()), Rc::new(Slot::default()));
        let counted = Rc::new(Cell::new(0));
        let (requested, replies) = (Rc::clone(&request), Rc::clone(&reply));
        let total = Rc::clone(&counted);
        let replier = async move {
            for _ in 0..ops {
                let item = Take(&requested).await;
                Put(&replies, item).await;
            }
        };
        let asker = async move {
            for i in 0..ops {
                Put(&request, i).await;
                total.set(total.get() + (Take(&reply).await == i) as u64);
            }
        };
        run_all(&mut [Some(Box::pin(replier) as Task), Some(Box::pin(asker) as Task)]);
        counted.get()
    })
}

fn future_parks() -> Job {
    let mut parked: Vec<Task> = Vec::new();
    Box::new(move |ops| {
        let begun = Rc::new(Cell::new(0));
        let waker = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &VTABLE)) };
        for _ in 0..ops {
            let begun = Rc::clone(&begun);
            let mut task: Task = Box::pin(async move {
                begun.set(begun.get() + 1);
                drop(begun);
                std::future::pending::<()>().await;
            });
            let _ = task.as_mut().poll(&mut Context::from_waker(&waker));
            parked.push(task);
        }
        begun.get()
    })
}

fn main() {
    let mut words = std::env::args().skip(1);
    let experiment = words.next().unwrap();
    let params: HashMap<String, String> = words
        .filter_map(|word| word.split_once('=').map(|(k, v)| (k.to_string(), v.to_string())))
        .collect();
    let number = |key: &str| params.get(key).and_then(|n| n.parse::<u64>().ok()).unwrap_or(1);
    let mut job = match (params["subject"].as_str(), experiment.as_str()) {
        ("rust-thread", "yield") => thread_yields(number("flows")),
        ("rust-thread", "spawn") => thread_spawns(number("batch")),
        ("rust-thread", "message") => thread_messages(number("capacity") as usize),
        ("rust-thread", "counter") => thread_counts(number("flows")),
        ("rust-thread", "footprint") => thread_parks(),
        ("rust-future", "yield") => future_yields(number("flows")),
        ("rust-future", "spawn") => future_spawns(number("batch")),
        ("rust-future", "message") => future_messages(),
        ("rust-future", "footprint") => future_parks(),
        _ => return println!("{{\"skipped\": \"no such experiment\"}}"),
    };
    println!("{{\"ready\": \"{}\"}}", env!("RUSTC_VERSION"));
    for line in std::io::stdin().lock().lines() {
        let ops = line.unwrap().trim().parse().unwrap();
        println!("{{\"counted\": {}}}", job(ops));
        std::io::stdout().flush().unwrap();
    }
    std::process::exit(0); // parked threads do not keep it
}
