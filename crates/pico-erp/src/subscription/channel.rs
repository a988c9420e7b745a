//! The consumer's end of a subscription: where notifications are taken from, with or without a descriptor.

use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(unix)]
use once_cell::sync::OnceCell;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::Notification;
use super::driver::Standing;
#[cfg(unix)]
use super::pollable::Pollable;
use super::queue::Receiver;
use crate::error::{Error, ErrorKind};
use crate::json::Json;

/// The receiving end of a driver's channel, and the driver's task, which ends with it.
#[derive(Debug)]
pub(super) struct Channel {
    notifications: Receiver<Notification<Json>>,
    task: AbortHandle,
    standing: watch::Receiver<Standing>,
    /// The end was told, or was made here, so that it need not be.
    ended: AtomicBool,
    /// The queue behind the descriptor, once that was asked for. All notifications then go through it.
    #[cfg(unix)]
    pollable: OnceCell<Pollable>,
}

impl Channel {
    pub(super) fn new(
        notifications: Receiver<Notification<Json>>,
        task: AbortHandle,
        standing: watch::Receiver<Standing>,
    ) -> Self {
        Self {
            notifications,
            task,
            standing,
            ended: AtomicBool::new(false),
            #[cfg(unix)]
            pollable: OnceCell::new(),
        }
    }

    /// The next notification; `None` after the end.
    pub(super) async fn next(&self) -> Option<Notification<Json>> {
        #[cfg(unix)]
        if let Some(pollable) = self.pollable.get() {
            return self.told(pollable.next().await);
        }
        let notification = self.notifications.recv().await;
        // The descriptor may have been asked for while we waited; what comes is in its queue then.
        #[cfg(unix)]
        if let Some(pollable) = self.pollable.get().filter(|_| notification.is_none()) {
            return self.told(pollable.next().await);
        }
        self.told(notification)
    }

    /// The next notification if one is there.
    pub(super) fn try_next(&self) -> Option<Notification<Json>> {
        #[cfg(unix)]
        if let Some(pollable) = self.pollable.get() {
            return match pollable.try_next() {
                Some(None) => None,
                over_or_there => self.told(over_or_there.flatten()),
            };
        }
        match self.notifications.try_recv() {
            Ok(None) => None,
            over_or_there => self.told(over_or_there.unwrap_or_default()),
        }
    }

    /// Watches for the end. A driver that ends without a word has panicked, and the consumer is told so, once.
    fn told(&self, notification: Option<Notification<Json>>) -> Option<Notification<Json>> {
        match notification {
            Some(closed @ Notification::Closed(_)) => {
                self.ended.store(true, Ordering::Relaxed);
                Some(closed)
            }
            Some(other) => Some(other),
            None => (!self.ended.swap(true, Ordering::Relaxed)).then(|| {
                let error = Error::new(ErrorKind::Internal, "the stream's task has failed");
                Notification::Closed(Some(error))
            }),
        }
    }

    /// Waits until events can arrive.
    pub(super) async fn opened(&self) -> Result<(), Error> {
        let mut standing = self.standing.clone();
        let settled = standing.wait_for(|standing| !matches!(standing, Standing::NotOpen)).await;
        match settled.as_deref() {
            // `close` ends the driver, but not at once.
            Ok(Standing::Open) if !self.notifications.is_closed() => Ok(()),
            Ok(Standing::Closed(Some(error))) => Err(error.clone()),
            // The driver is gone: the subscription was closed here.
            _ => Err(Error::new(ErrorKind::Closed, "the stream has ended")),
        }
    }

    /// Ends the driver and drops what was not taken.
    pub(super) fn close(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.notifications.close();
        self.task.abort();
        #[cfg(unix)]
        if let Some(pollable) = self.pollable.get() {
            pollable.close();
        }
    }

    /// The descriptor, made when it is first asked for.
    #[cfg(unix)]
    pub(super) fn descriptor(&self) -> Result<std::os::fd::BorrowedFd<'_>, Error> {
        let pollable = self.pollable.get_or_try_init(|| {
            Pollable::start(self.notifications.clone()).map_err(|error| {
                Error::new(ErrorKind::Internal, "no descriptor could be made").with_source(error)
            })
        })?;
        Ok(pollable.descriptor())
    }

    /// Ends the driver as a panic in it would.
    #[cfg(test)]
    pub(super) fn abort_driver(&self) {
        self.task.abort();
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.task.abort();
    }
}
