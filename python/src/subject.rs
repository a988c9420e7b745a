//! Completions or notes: what a feed is of, and what a delivery holds. All else about both is the same.

use pico_erp::{Delivery, Error, Feed, NoteEvent};

/// One thing of two types, by what it is about.
pub(crate) enum Subject<C, N> {
    Completions(C),
    Notes(N),
}

pub(crate) type AnyFeed = Subject<Feed, Feed<NoteEvent>>;
pub(crate) type AnyDelivery = Subject<Delivery, Delivery<NoteEvent>>;

/// Does the same with either.
macro_rules! whichever {
    ($subject:expr, $name:pat => $do:expr) => {
        match $subject {
            $crate::subject::Subject::Completions($name) => $do,
            $crate::subject::Subject::Notes($name) => $do,
        }
    };
}
pub(crate) use whichever;

impl AnyFeed {
    pub(crate) async fn next(&self) -> Option<Result<AnyDelivery, Error>> {
        Some(match self {
            Self::Completions(feed) => feed.next().await?.map(Subject::Completions),
            Self::Notes(feed) => feed.next().await?.map(Subject::Notes),
        })
    }

    /// The feed where it must be one of completions: Pico posts no others.
    pub(crate) fn completions(&self) -> Result<&Feed, Error> {
        match self {
            Self::Completions(feed) => Ok(feed),
            Self::Notes(_) => Err(Error::invalid(
                "feed",
                "is one of notes, of which there are no webhooks; give one of completions",
            )),
        }
    }
}

impl From<Delivery> for AnyDelivery {
    fn from(delivery: Delivery) -> Self {
        Self::Completions(delivery)
    }
}
