//! [`Inbox`]: looking at the completions in a store, and handing dead letters out again. Needs no feed, and works from
//! another process than the feed's.

use crate::error::Error;
use crate::store::inbox_table::{InboxCounts, InboxEntry, InboxState, Watermark};
use crate::store::{Durability, Store};

/// The completions in a store.
#[derive(Debug, Clone)]
pub struct Inbox {
    store: Store,
}

impl Store {
    /// The completions in this store.
    #[must_use]
    pub fn inbox(&self) -> Inbox {
        Inbox { store: self.clone() }
    }
}

impl Store {
    /// The notes in this store that a [`Feed::notes`](crate::Feed::notes) has taken in.
    #[must_use]
    pub fn notes_inbox(&self) -> Inbox {
        Inbox { store: self.of_notes() }
    }
}

impl Inbox {
    /// How many completions are in which state.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn counts(&self) -> Result<InboxCounts, Error> {
        self.store.run(Durability::Process, |backend| backend.inbox_counts()).await
    }

    /// How far each source has come.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn watermarks(&self) -> Result<Vec<Watermark>, Error> {
        self.store.run(Durability::Process, |backend| backend.watermarks()).await
    }

    /// Lists completions in the order of their arrival: those in `state`, or all; `limit` at most, after the one with the
    /// number `after` (0 for the first page, then the last one's number).
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn entries(
        &self,
        state: Option<InboxState>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<InboxEntry>, Error> {
        self.store.run(Durability::Process, move |backend| backend.inbox_entries(state, after, limit)).await
    }

    /// One completion by its number.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn entry(&self, id: i64) -> Result<Option<InboxEntry>, Error> {
        self.store.run(Durability::Process, move |backend| backend.inbox_entry(id)).await
    }

    /// Hands a completion out again that is a dead letter or was acknowledged, as if it were new.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] when there is no such completion, it is still on its way, or its text has
    /// been dropped since; otherwise as [`Store::open`].
    pub async fn replay(&self, id: i64) -> Result<(), Error> {
        let replayed = self
            .store
            .run(Durability::Disk, move |backend| Ok((backend.replay(id)?, backend.inbox_entry(id)?)));
        match replayed.await? {
            (true, _) => {
                self.store.inbox_changed();
                Ok(())
            }
            (false, None) => Err(Error::invalid("id", format!("there is no completion {id} in the inbox"))),
            (false, Some(entry)) if entry.raw.is_none() => Err(Error::invalid(
                "id",
                format!("the text of completion {id} is not kept any more; it is {}", entry.state.name()),
            )),
            (false, Some(entry)) => Err(Error::invalid(
                "id",
                format!(
                    "completion {id} is {}; only a dead letter or an acknowledged one can be replayed",
                    entry.state.name()
                ),
            )),
        }
    }

    /// Hands all dead letters out again, and says how many there were.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn replay_dead(&self) -> Result<u64, Error> {
        let replayed = self.store.run(Durability::Disk, |backend| backend.replay_dead()).await?;
        self.store.inbox_changed();
        Ok(replayed)
    }

    /// Gives a dead letter up for good: it is never handed out, and stays known.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] when there is no such dead letter; otherwise as [`Store::open`].
    pub async fn drop_dead(&self, id: i64) -> Result<(), Error> {
        let now = self.store.now();
        if self.store.run(Durability::Disk, move |backend| backend.drop_dead(id, now)).await? {
            return Ok(());
        }
        Err(Error::invalid("id", format!("there is no dead letter {id} in the inbox")))
    }
}
