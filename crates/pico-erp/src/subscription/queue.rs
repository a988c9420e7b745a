//! The bounded queue between a driver and its consumer. It takes memory as it fills, not for all its places at once:
//! a thousand idle streams would otherwise hold a thousand empty buffers.

use std::sync::Arc;

use async_channel::TryRecvError;
use tokio::sync::{Semaphore, TryAcquireError};

/// The consumer is gone, or has closed the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed;

/// Why something could not be put in at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotSent {
    Full,
    Closed,
}

/// The driver's end.
#[derive(Debug)]
pub(super) struct Sender<T> {
    items: async_channel::Sender<T>,
    places: Arc<Semaphore>,
}

/// The consumer's end. Clones take from the same queue.
#[derive(Debug)]
pub(super) struct Receiver<T> {
    items: async_channel::Receiver<T>,
    places: Arc<Semaphore>,
    capacity: usize,
}

/// A queue with `capacity` places.
pub(super) fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    // The semaphore bounds the channel.
    let (sender, receiver) = async_channel::unbounded();
    let places = Arc::new(Semaphore::new(capacity.min(Semaphore::MAX_PERMITS)));
    (Sender { items: sender, places: Arc::clone(&places) }, Receiver { items: receiver, places, capacity })
}

impl<T> Sender<T> {
    /// Puts `item` in as soon as there is a place.
    pub(super) async fn send(&self, item: T) -> Result<(), Closed> {
        self.places.acquire().await.map_err(|_| Closed)?.forget();
        self.items.try_send(item).map_err(|_| Closed)
    }

    /// Puts `item` in if there is a place.
    pub(super) fn try_send(&self, item: T) -> Result<(), NotSent> {
        match self.places.try_acquire() {
            Ok(place) => place.forget(),
            Err(TryAcquireError::NoPermits) => return Err(NotSent::Full),
            Err(TryAcquireError::Closed) => return Err(NotSent::Closed),
        }
        self.items.try_send(item).map_err(|_| NotSent::Closed)
    }
}

impl<T> Receiver<T> {
    /// The next item; `None` when the sender is gone and nothing is left, or the queue is closed.
    pub(super) async fn recv(&self) -> Option<T> {
        let item = self.items.recv().await.ok()?;
        self.places.add_permits(1);
        Some(item)
    }

    /// The next item if one is there; `Err` when none will come.
    pub(super) fn try_recv(&self) -> Result<Option<T>, Closed> {
        match self.items.try_recv() {
            Ok(item) => {
                self.places.add_permits(1);
                Ok(Some(item))
            }
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Closed) => Err(Closed),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn is_closed(&self) -> bool {
        self.places.is_closed()
    }

    /// Refuses what is sent from now on, and drops what is there.
    pub(super) fn close(&self) {
        self.places.close();
        self.items.close();
        while self.items.try_recv().is_ok() {}
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self { items: self.items.clone(), places: Arc::clone(&self.places), capacity: self.capacity }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_makes_the_sender_wait_until_something_is_taken() {
        let (sender, receiver) = bounded(2);
        sender.send(1).await.unwrap();
        sender.send(2).await.unwrap();
        assert_eq!(sender.try_send(3), Err(NotSent::Full));
        let (sent, taken) = tokio::join!(sender.send(3), receiver.recv());
        assert_eq!((sent, taken), (Ok(()), Some(1)));
        assert_eq!(
            (receiver.try_recv(), receiver.try_recv(), receiver.try_recv()),
            (Ok(Some(2)), Ok(Some(3)), Ok(None))
        );
    }

    #[tokio::test]
    async fn closing_wakes_both_ends_and_drops_what_is_there() {
        let (sender, receiver) = bounded(1);
        sender.send(1).await.unwrap();
        let (sent, ()) = tokio::join!(sender.send(2), async { receiver.close() });
        assert_eq!(sent, Err(Closed));
        assert_eq!((receiver.recv().await, receiver.try_recv()), (None, Err(Closed)));
        assert_eq!(sender.try_send(3), Err(NotSent::Closed));
    }

    #[tokio::test]
    async fn what_was_sent_before_the_sender_went_is_still_there() {
        let (sender, receiver) = bounded(4);
        sender.send(1).await.unwrap();
        drop(sender);
        assert_eq!((receiver.recv().await, receiver.recv().await), (Some(1), None));
    }
}
