//! Lets a host that owns an event loop wait for a subscription with `select`, `poll` or `epoll`.
//!
//! A socket pair carries one byte while something is there to take: its reading end is readable exactly then. A task
//! moves notifications from the driver's channel into a queue of the same size, so that back-pressure stays.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::Notification;
use super::queue::Receiver;
use crate::json::Json;

/// The queue and its descriptor.
#[derive(Debug)]
pub(super) struct Pollable {
    shared: Arc<Shared>,
    /// What the host waits on.
    readable: UnixStream,
    pump: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    capacity: usize,
    arrived: Notify,
    taken: Notify,
}

#[derive(Debug)]
struct Queue {
    waiting: VecDeque<Notification<Json>>,
    ended: bool,
    /// A byte is in the socket.
    signalled: bool,
    signal: UnixStream,
    answer: UnixStream,
}

impl Queue {
    /// Makes the descriptor readable exactly while there is something to take, the end included.
    fn settle(&mut self) {
        let wanted = self.ended || !self.waiting.is_empty();
        if wanted && !self.signalled {
            // One byte into an empty socket buffer cannot fail for want of space.
            self.signalled = self.signal.write(&[1]).is_ok();
        } else if !wanted && self.signalled {
            self.signalled = self.answer.read(&mut [0; 8]).is_err();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn push(&self, notification: Notification<Json>) {
        loop {
            let space = self.taken.notified();
            {
                let mut queue = self.lock();
                if queue.waiting.len() < self.capacity {
                    queue.waiting.push_back(notification);
                    queue.settle();
                    break;
                }
            }
            space.await;
        }
        self.arrived.notify_one();
    }

    fn end(&self) {
        let mut queue = self.lock();
        queue.ended = true;
        queue.settle();
        drop(queue);
        self.arrived.notify_waiters();
        self.arrived.notify_one();
    }
}

impl Pollable {
    /// Starts moving notifications from `source`. Must be called inside a tokio runtime.
    pub(super) fn start(source: Receiver<Notification<Json>>) -> io::Result<Self> {
        let capacity = source.capacity();
        let (signal, readable) = UnixStream::pair()?;
        for end in [&signal, &readable] {
            end.set_nonblocking(true)?;
        }
        let queue = Queue {
            waiting: VecDeque::new(),
            ended: false,
            signalled: false,
            signal,
            answer: readable.try_clone()?,
        };
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            capacity,
            arrived: Notify::new(),
            taken: Notify::new(),
        });
        let pumping = Arc::clone(&shared);
        let pump = tokio::spawn(async move {
            while let Some(notification) = source.recv().await {
                pumping.push(notification).await;
            }
            pumping.end();
        });
        Ok(Self { shared, readable, pump: pump.abort_handle() })
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }

    /// The next notification if one is there. The outer `None` is the end.
    pub(super) fn try_next(&self) -> Option<Option<Notification<Json>>> {
        let mut queue = self.shared.lock();
        let notification = queue.waiting.pop_front();
        let over = notification.is_none() && queue.ended;
        let more = !queue.waiting.is_empty();
        queue.settle();
        drop(queue);
        if notification.is_some() {
            self.shared.taken.notify_one();
            if more {
                // Another waiter may have been told of an item that it does not know is left.
                self.shared.arrived.notify_one();
            }
        }
        if over { None } else { Some(notification) }
    }

    /// Waits for the next notification; `None` after the end.
    pub(super) async fn next(&self) -> Option<Notification<Json>> {
        loop {
            let arrived = self.shared.arrived.notified();
            match self.try_next() {
                Some(Some(notification)) => return Some(notification),
                Some(None) => arrived.await,
                None => {
                    // The end stays for every other waiter.
                    self.shared.arrived.notify_one();
                    return None;
                }
            }
        }
    }

    /// Drops what waits and ends the queue.
    pub(super) fn close(&self) {
        self.pump.abort();
        self.shared.lock().waiting.clear();
        self.shared.end();
    }
}

impl Drop for Pollable {
    fn drop(&mut self) {
        self.pump.abort();
    }
}
