//! What can be done to streams and sockets while they are open, from outside the tasks that serve them: ping them at
//! another pace, complete them, close the sockets, revoke the token. The Rust API and the control API give the
//! orders; `sse` and `ws` carry them out. What happens below HTTP (cuts, stalls) is in `wire`.

use std::time::Duration;

use futures_util::Stream;
use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The shortest interval of pings: a timer of zero would never let anything else have its turn.
pub(crate) const SHORTEST_PING: Duration = Duration::from_millis(1);

/// Why a WebSocket is closed (RFC 6455, section 7.4, and the close codes of the sub-protocols).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Close {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

impl Close {
    pub(crate) fn new(code: u16, reason: impl Into<String>) -> Self {
        Close { code, reason: reason.into() }
    }
}

#[derive(Clone, Copy, Default)]
struct Revocation {
    now: bool,
    /// How often so far, so that a stream which looks too late to see `now` still learns that it was revoked.
    times: u64,
}

/// The orders to everything that is open on one sandbox.
pub(crate) struct Live {
    pings: watch::Sender<Option<Duration>>,
    completions: watch::Sender<u64>,
    closes: watch::Sender<Close>,
    revocation: watch::Sender<Revocation>,
}

impl Live {
    pub(crate) fn new(ping_interval: Duration) -> Self {
        Live {
            pings: watch::Sender::new(Some(ping_interval)),
            completions: watch::Sender::new(0),
            closes: watch::Sender::new(Close::default()),
            revocation: watch::Sender::new(Revocation::default()),
        }
    }

    /// The interval of pings; `None` when there are none.
    pub(crate) fn ping_interval(&self) -> Option<Duration> {
        *self.pings.borrow()
    }

    /// Pings at that interval, or no more; what is open already follows at once.
    pub(crate) fn set_ping_interval(&self, interval: Option<Duration>) {
        self.pings.send_replace(interval.map(|interval| interval.max(SHORTEST_PING)));
    }

    /// The pings of one stream or socket, counted from now.
    pub(crate) fn pings(&self) -> Pings {
        Pings { interval: self.pings.subscribe(), last: Instant::now() }
    }

    /// Ends all subscriptions that run now in an orderly way; returns how many.
    pub(crate) fn complete(&self) -> usize {
        // Each stream of `until_completed` holds one receiver.
        let running = self.completions.receiver_count();
        self.completions.send_modify(|times| *times += 1);
        running
    }

    /// The same stream, which ends on the next [`complete`](Live::complete). What happened before that order still
    /// comes out: a server that shuts down in an orderly way does not lose what it has.
    pub(crate) fn until_completed<T: Send + 'static>(
        &self,
        items: impl Stream<Item = T> + Send + Unpin + 'static,
    ) -> impl Stream<Item = T> + Send + 'static {
        let completed = self.completions.subscribe();
        stream::unfold((items, completed), |(mut items, mut completed)| async move {
            tokio::select! {
                biased;
                item = items.next() => item.map(|item| (item, (items, completed))),
                _ = completed.changed() => None,
            }
        })
    }

    /// Closes all WebSockets that are open now; returns how many.
    pub(crate) fn close_sockets(&self, close: Close) -> usize {
        let open = self.closes.receiver_count();
        self.closes.send_replace(close);
        open
    }

    /// The orders to close, as one socket hears them from now on.
    pub(crate) fn closes(&self) -> watch::Receiver<Close> {
        self.closes.subscribe()
    }

    /// Whether the token is revoked now.
    pub(crate) fn revoked(&self) -> bool {
        self.revocation.borrow().now
    }

    /// Revokes the token, which cuts what is open, or restores it.
    pub(crate) fn set_revoked(&self, revoked: bool) {
        self.revocation.send_modify(|revocation| {
            revocation.now = revoked;
            revocation.times += u64::from(revoked);
        });
    }

    /// Whether the token has been revoked since this was called.
    pub(crate) fn revocations(&self) -> Revocations {
        let changes = self.revocation.subscribe();
        let seen = changes.borrow().times;
        Revocations { changes, seen }
    }
}

/// When to ping one stream or socket.
pub(crate) struct Pings {
    interval: watch::Receiver<Option<Duration>>,
    last: Instant,
}

impl Pings {
    /// Waits until the next ping is due. It may be dropped and called again without losing one.
    pub(crate) async fn due(&mut self) {
        loop {
            let interval = *self.interval.borrow_and_update();
            let changed = match interval {
                Some(interval) => tokio::select! {
                    () = sleep_until(self.last + interval) => {
                        self.last = Instant::now();
                        return;
                    }
                    changed = self.interval.changed() => changed,
                },
                None => self.interval.changed().await,
            };
            if changed.is_err() {
                // The sandbox is gone, and whatever is still open goes with it.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Whether there are any pings now.
    pub(crate) fn on(&self) -> bool {
        self.interval.borrow().is_some()
    }
}

/// Tells one stream or socket when its token is revoked.
pub(crate) struct Revocations {
    changes: watch::Receiver<Revocation>,
    seen: u64,
}

impl Revocations {
    /// Waits for a revocation; at once when the token is revoked already.
    pub(crate) async fn next(&mut self) {
        let seen = self.seen;
        if self.changes.wait_for(|state| state.now || state.times != seen).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
