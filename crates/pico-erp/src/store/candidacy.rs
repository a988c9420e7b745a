//! [`Candidacy`]: standing for a part that one at a time plays on a store, and who plays it.
//!
//! On a store that one machine uses, the part is taken at once or not at all, by a lock of the operating system
//! ([`super::role`]). On a store that several nodes use, every node stands for it, and the one that has the lease plays it
//! ([`super::node`]). Whoever plays it holds the candidacy and looks at [`Candidacy::holder`].

use std::time::Duration;

use tokio::sync::watch;

use super::RoleLock;

/// One holding of a role, from its beginning to its end. The token grows with each, whoever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tenure {
    pub(crate) token: i64,
}

/// Who plays a part.
#[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "with a file it is always this process"))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    /// This process.
    Me(Tenure),
    /// Another node, by name; `ready` when it misses nothing any more.
    Other { node: String, ready: bool },
    /// Nobody that is known of.
    Nobody,
}

impl Holder {
    pub(crate) fn tenure(&self) -> Option<Tenure> {
        match self {
            Self::Me(tenure) => Some(*tenure),
            Self::Other { .. } | Self::Nobody => None,
        }
    }
}

/// What a candidate can say to whoever hands the part out.
pub(super) trait Seat: Send + Sync {
    /// From here on the holder misses nothing.
    fn ready(&self, tenure: Tenure);
    /// The part is given up, and not taken again for so long, so that somebody with better luck may.
    fn give_up(&self, tenure: Tenure, pause: Duration);
}

/// Stands for a role until it is dropped.
pub(crate) struct Candidacy {
    holder: watch::Receiver<Holder>,
    seat: Box<dyn Seat>,
}

impl Candidacy {
    pub(super) fn new(holder: watch::Receiver<Holder>, seat: Box<dyn Seat>) -> Self {
        Self { holder, seat }
    }

    /// Who plays the part, and when that changes.
    pub(crate) fn holder(&self) -> watch::Receiver<Holder> {
        self.holder.clone()
    }

    /// Says that from here on the holder misses nothing.
    pub(crate) fn ready(&self, tenure: Tenure) {
        self.seat.ready(tenure);
    }

    /// Gives the part up for a while, for a node that can do it better.
    pub(crate) fn give_up(&self, tenure: Tenure, pause: Duration) {
        self.seat.give_up(tenure, pause);
    }
}

impl std::fmt::Debug for Candidacy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidacy").field("holder", &*self.holder.borrow()).finish_non_exhaustive()
    }
}

/// A part that is held by a lock, from the beginning to the end.
struct Locked {
    _lock: RoleLock,
    _holder: watch::Sender<Holder>,
}

impl Seat for Locked {
    fn ready(&self, _tenure: Tenure) {}

    // There is nobody else who could do it.
    fn give_up(&self, _tenure: Tenure, _pause: Duration) {}
}

impl From<RoleLock> for Candidacy {
    fn from(lock: RoleLock) -> Self {
        let (sender, holder) = watch::channel(Holder::Me(Tenure { token: 0 }));
        Self::new(holder, Box::new(Locked { _lock: lock, _holder: sender }))
    }
}
