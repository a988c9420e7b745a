//! [`FeedBuilder`]: how a feed is to work, checked, and its start.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::{Notify, broadcast, watch};

use super::subject::{FeedItem, Subject};
use super::{Feed, Shared, Standing, intake};
use crate::backoff::Backoff;
use crate::client::Client;
use crate::error::Error;
use crate::filter::{NoteFilter, OrderCompleteFilter};
use crate::model::{NoteEvent, OrderComplete};
use crate::store::{Durability, Role, Store};

/// How many notices a slow reader may be behind before it misses the oldest.
const NOTICES: usize = 256;

/// Which of the completions that Pico has from before the feed was first started are handed out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedStart {
    /// All that Pico lists.
    #[default]
    Beginning,
    /// None that Pico lists when it is first asked. [`Feed::opened`] returns when that is done.
    Now,
    /// Those completed at this time or later.
    Since(Timestamp),
}

/// How a feed goes about its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedPolicy {
    /// What to do with completions from before the feed. It counts only until the first catch-up is through. Default
    /// [`FeedStart::Beginning`].
    pub start: FeedStart,
    /// Whether to hold a live stream, as the client's [`crate::StreamPolicy`] says. Default yes.
    pub live: bool,
    /// How often to ask Pico for what the live sources missed, besides at the start and after each reconnect. Default
    /// 10 minutes.
    pub catch_up_every: Duration,
    /// Where Pico can list by time: how far before the last catch-up to begin, for completions that Pico gets to know late
    /// or dates back. Default 24 hours.
    pub catch_up_overlap: Duration,
    /// The wait before a completion is handed out again, where the consumer names none. Default 1 s growing to 1 hour.
    pub backoff: Backoff,
    /// Where several nodes share the store: how long a completion may be in a consumer's hands before it is handed out to
    /// another, because this one seems to hang. [`super::Delivery::extend`] asks for more. Default 15 minutes. What a node had
    /// in hand that is gone is handed out again much sooner: [`crate::StoreBuilder::node_lease`]. No meaning for a file: there
    /// nothing is handed out again while its consumer lives.
    pub visible: Duration,
    /// How often a completion is handed out before it becomes a dead letter. Default 50, which with the default waits
    /// is more than a day.
    pub max_attempts: u32,
}

impl Default for FeedPolicy {
    fn default() -> Self {
        Self {
            start: FeedStart::Beginning,
            live: true,
            catch_up_every: Duration::from_secs(10 * 60),
            catch_up_overlap: Duration::from_secs(24 * 60 * 60),
            backoff: Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60 * 60) },
            visible: Duration::from_secs(15 * 60),
            max_attempts: 50,
        }
    }
}

/// Settings of a [`Feed`].
#[derive(Debug, Clone)]
#[must_use]
pub struct FeedBuilder<E = OrderComplete> {
    client: Client,
    store: Store,
    subject: Subject,
    policy: FeedPolicy,
    item: PhantomData<fn() -> E>,
}

impl FeedBuilder {
    /// Narrows the feed to some completions. What does not fit is not stored.
    pub fn filter(mut self, filter: OrderCompleteFilter) -> Self {
        self.subject = Subject::Completions(filter);
        self
    }
}

impl FeedBuilder<NoteEvent> {
    /// Narrows the feed to some notes. What does not fit is not stored.
    pub fn filter(mut self, filter: NoteFilter) -> Self {
        self.subject = Subject::Notes(filter);
        self
    }
}

impl<E: FeedItem> FeedBuilder<E> {
    pub(super) fn new(client: &Client, store: &Store, subject: Subject) -> Self {
        let store = subject.inbox(store);
        Self { client: client.clone(), store, subject, policy: FeedPolicy::default(), item: PhantomData }
    }

    /// Sets how the feed works.
    pub fn policy(mut self, policy: FeedPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Starts the feed: completions are taken in from now on.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] naming the setting; [`crate::ErrorKind::StoreInUse`] while another feed runs on this
    /// store; otherwise as [`Store::open`].
    pub async fn start(self) -> Result<Feed<E>, Error> {
        self.subject.check()?;
        self.policy.check()?;
        let candidacy = self.store.stand_for(Role::Feed, &self.client).await?;
        let recovered = self.store.run(Durability::Process, |backend| backend.recover()).await?;
        if recovered > 0 {
            tracing::info!(
                plant = self.store.plant_name(),
                recovered,
                "completions of an earlier run are handed out again"
            );
        }
        self.store.meters().feed.start();
        self.client.transport().count_for(&self.store);
        let shared = Arc::new(Shared {
            client: self.client,
            store: self.store,
            subject: self.subject,
            policy: self.policy,
            holder: candidacy.holder(),
            candidacy: Mutex::new(Some(candidacy)),
            returned: Mutex::default(),
            runtime: Handle::current(),
            news: Mutex::default(),
            notices: Mutex::new(Some(broadcast::Sender::new(NOTICES))),
            standing: watch::Sender::new(Standing::default()),
            outstanding: watch::Sender::new(0),
            catch_up_wanted: Notify::new(),
            last_post: Mutex::default(),
        });
        let intake = tokio::spawn(intake::run(Arc::clone(&shared)));
        Ok(Feed { shared, intake: Mutex::new(Some(intake)), item: PhantomData })
    }
}

impl FeedPolicy {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.max_attempts == 0 {
            return Err(Error::invalid(
                "max_attempts",
                "is 0, so nothing could be handed out; give 1 or more",
            ));
        }
        if self.visible < Duration::from_secs(1) {
            return Err(Error::invalid("visible", "is shorter than a second; give a second or more"));
        }
        if self.catch_up_every < Duration::from_secs(1) {
            return Err(Error::invalid("catch_up_every", "is shorter than a second; give a second or more"));
        }
        Ok(())
    }
}
