//! [`Catalogue`]: a local, durable and current copy of Pico's operations.
//!
//! This module is the handle. [`keeper`] is the task that keeps the copy current, by the times of [`schedule`];
//! [`choice`] says which operation a part number means; [`board`] is what the task tells. The copy itself is in the store,
//! so another process can read it, and so can this one while Pico is away.

mod board;
mod choice;
mod entry;
mod json_form;
mod keeper;
mod schedule;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backoff::Backoff;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::orders::{OrderSave, OrderSaved};
use crate::store::operation_table::StoredOperation;
use crate::store::{Durability, Role, Store};
use crate::subscription::StreamState;
use board::{Board, Told};
use choice::{Surroundings, choose};
pub use entry::CatalogueEntry;
use entry::trimmed;
use keeper::Keeper;
use schedule::Schedule;

/// The note in the store about the last whole list.
const LIST_NOTE: &str = "catalogue.list";

/// Settings of a [`Catalogue`] that is kept current.
#[derive(Debug, Clone)]
#[must_use]
pub struct CatalogueBuilder {
    client: Client,
    store: Store,
    refresh_every: Duration,
    retry: Backoff,
}

impl CatalogueBuilder {
    /// Sets how often the whole list is read, though nothing seems to be missing. Default 10 minutes.
    pub fn refresh_every(mut self, interval: Duration) -> Self {
        self.refresh_every = interval;
        self
    }

    /// Sets the waits after a list that failed, and after a stream that the server closed for good, for example because
    /// it refused the token. Default 1 s growing to 60 s.
    pub fn retry(mut self, waits: Backoff) -> Self {
        self.retry = waits;
        self
    }

    /// Starts to keep the catalogue. It does not wait for Pico: see [`Catalogue::ready`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for an interval of zero; [`ErrorKind::StoreInUse`] when another catalogue is kept
    /// on this store; otherwise as the store has it.
    pub async fn start(self) -> Result<Catalogue, Error> {
        if self.refresh_every.is_zero() {
            return Err(Error::invalid("refresh_every", "must be longer than zero; 10 minutes is usual"));
        }
        let candidacy = self.store.stand_for(Role::Catalogue, &self.client).await?;
        self.client.transport().count_for(&self.store);
        let board = Arc::new(Board::new(last_list(&self.store).await?.is_some(), false));
        let keeper = Keeper {
            client: self.client,
            store: self.store.clone(),
            board: Arc::clone(&board),
            schedule: Schedule::new(self.refresh_every, self.retry, Instant::now()),
            candidacy,
        };
        let task = Mutex::new(Some(tokio::spawn(keeper.run())));
        Ok(Catalogue(Arc::new(Shared { store: self.store, board, task })))
    }
}

/// A copy of Pico's operations in a [`Store`], found by id, by part number and by code without asking Pico.
///
/// ```no_run
/// # async fn example(client: pico_erp::Client) -> Result<(), pico_erp::Error> {
/// use pico_erp::{Catalogue, Store};
///
/// let store = Store::open("erp.pico").await?;
/// let catalogue = Catalogue::builder(&client, &store).start().await?;
/// catalogue.ready().await?;
/// client.save_order_by_part(&catalogue, "ERP-ORDER-123", "PROD-101", Some("B")).await?;
/// # Ok(()) }
/// ```
///
/// One keeps it current: the stream of operations is opened, then the whole list is read, and read again after every
/// interruption of the stream and every few minutes. Operations that the list no longer has stay, marked as such. Clones
/// share the task behind it, which ends with the last of them or by [`Catalogue::close`]. The copy outlives it.
#[derive(Clone)]
pub struct Catalogue(Arc<Shared>);

struct Shared {
    store: Store,
    board: Arc<Board>,
    /// The keeper; `None` when this process only reads.
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }
}

/// Where a catalogue's stream stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CatalogueStream {
    /// There is none: nobody keeps this catalogue in this process, or not any more, or it has only begun.
    Offline,
    /// There is one.
    Live(StreamState),
    /// It has ended in a way that streams do not mend by themselves, such as a token that was refused. The catalogue opens
    /// another all the same.
    Closed {
        /// Why; `None` when the server ended it without a word.
        error: Option<Arc<Error>>,
        /// How long after that the next is opened.
        delay: Duration,
    },
}

/// A whole list of operations that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CatalogueList {
    /// When its end was reached.
    pub at: Timestamp,
    /// How many operations it held.
    pub count: u64,
    /// How many it held besides that could not be read: the log has the reasons, at level debug.
    pub unreadable: u64,
}

/// How current a catalogue is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CatalogueStatus {
    /// The last whole list, by this process or another; `None` before the first.
    pub last_list: Option<CatalogueList>,
    /// The stream that brings what changes after it.
    pub stream: CatalogueStream,
    /// What failed since the last whole list.
    pub last_error: Option<Arc<Error>>,
    /// See [`CatalogueChanges::next`].
    pub revision: u64,
}

/// [`CatalogueList`] in the store.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct ListNote {
    at_us: i64,
    count: u64,
    #[serde(default)]
    unreadable: u64,
}

impl ListNote {
    fn to_text(self) -> String {
        serde_json::to_string(&self).unwrap_or_default()
    }

    fn into_list(self) -> CatalogueList {
        let at = Timestamp::from_microsecond(self.at_us).unwrap_or_default();
        CatalogueList { at, count: self.count, unreadable: self.unreadable }
    }
}

async fn last_list(store: &Store) -> Result<Option<CatalogueList>, Error> {
    let note = store.run(Durability::Process, |backend| backend.note(LIST_NOTE)).await?;
    // A note that cannot be read is as good as none: the next list writes another.
    Ok(note.and_then(|text| serde_json::from_str::<ListNote>(&text).ok()).map(ListNote::into_list))
}

fn entries(stored: Vec<StoredOperation>) -> Result<Vec<CatalogueEntry>, Error> {
    stored.into_iter().map(CatalogueEntry::from_stored).collect()
}

impl Catalogue {
    /// Starts to set up a catalogue that is kept current by `client`.
    pub fn builder(client: &Client, store: &Store) -> CatalogueBuilder {
        CatalogueBuilder {
            client: client.clone(),
            store: store.clone(),
            refresh_every: Duration::from_secs(600),
            retry: Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60) },
        }
    }

    /// A catalogue that is only read: another process keeps it current, or none does.
    #[must_use]
    pub fn offline(store: &Store) -> Self {
        let board = Arc::new(Board::new(false, true));
        Self(Arc::new(Shared { store: store.clone(), board, task: Mutex::new(None) }))
    }

    /// Waits until the store holds a whole list of operations: one from an earlier run, or the first of this.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] when there is none and nobody here will read one.
    pub async fn ready(&self) -> Result<(), Error> {
        let mut told = self.0.board.watch();
        // The sender is in `self`, so there is always an answer.
        if told.wait_for(|told| told.ready || told.ended).await.is_ok_and(|told| told.ready)
            || last_list(&self.0.store).await?.is_some()
        {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Closed,
            "the catalogue holds no list of operations, and is not kept by this process: start one with a client",
        ))
    }

    /// How current the catalogue is.
    ///
    /// # Errors
    /// As the store has it.
    pub async fn status(&self) -> Result<CatalogueStatus, Error> {
        let last_list = last_list(&self.0.store).await?;
        let Told { stream, last_error, revision, .. } = self.0.board.now();
        Ok(CatalogueStatus { last_list, stream, last_error, revision })
    }

    /// Follows the changes that this process makes to the catalogue.
    #[must_use]
    pub fn changes(&self) -> CatalogueChanges {
        let told = self.0.board.watch();
        let seen = told.borrow().revision;
        CatalogueChanges { told, seen }
    }

    /// The operation with that id, also when it is archived or no longer listed.
    ///
    /// # Errors
    /// As the store has it.
    pub async fn by_id(&self, id: &str) -> Result<Option<CatalogueEntry>, Error> {
        let id = id.to_owned();
        let stored = self.0.store.run(Durability::Process, move |backend| backend.operation(&id)).await?;
        stored.map(CatalogueEntry::from_stored).transpose()
    }

    /// All operations with that part number, and that revision where one is given, those that are archived or no longer
    /// listed included. Blanks around either do not count; a blank revision counts as none.
    ///
    /// # Errors
    /// As the store has it.
    pub async fn by_part(
        &self,
        part_number: &str,
        revision: Option<&str>,
    ) -> Result<Vec<CatalogueEntry>, Error> {
        let Some(part) = trimmed(part_number) else { return Ok(Vec::new()) };
        let revision = revision.and_then(trimmed);
        let work = self
            .0
            .store
            .run(Durability::Process, move |backend| backend.operations_by_part(&part, revision.as_deref()));
        entries(work.await?)
    }

    /// All operations with that code: one of `externalCodes` where Pico sends these, otherwise one of the pieces of the
    /// part number between bar characters.
    ///
    /// # Errors
    /// As the store has it.
    pub async fn by_code(&self, code: &str) -> Result<Vec<CatalogueEntry>, Error> {
        let Some(code) = trimmed(code) else { return Ok(Vec::new()) };
        entries(
            self.0.store.run(Durability::Process, move |backend| backend.operations_by_code(&code)).await?,
        )
    }

    /// The first `limit` operations with an id after `after`, in the order of ids, those that are archived or no longer
    /// listed included. Begin with `None`, go on with the last id of the page, end with an empty page.
    ///
    /// # Errors
    /// As the store has it.
    pub async fn page(&self, after: Option<&str>, limit: usize) -> Result<Vec<CatalogueEntry>, Error> {
        let after = after.unwrap_or_default().to_owned();
        entries(
            self.0
                .store
                .run(Durability::Process, move |backend| backend.operations_page(&after, limit))
                .await?,
        )
    }

    /// How many operations Pico lists.
    ///
    /// # Errors
    /// As the store has it.
    pub async fn len(&self) -> Result<u64, Error> {
        self.0.store.run(Durability::Process, |backend| backend.operation_count()).await
    }

    /// Whether Pico lists nothing, or has not been asked yet.
    ///
    /// # Errors
    /// As the store has it.
    pub async fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.len().await? == 0)
    }

    /// Makes the order for unit 0 of `external_order_id`, to build the one operation that the part number and the
    /// revision mean. Asks the store only, so it works while Pico is away.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] naming `part_number` or `revision` when no operation, several, or only ones that
    /// are archived or no longer listed are meant; the message says which. Naming `external_order_id` when that is blank.
    pub async fn order_by_part(
        &self,
        external_order_id: &str,
        part_number: &str,
        revision: Option<&str>,
    ) -> Result<OrderSave, Error> {
        let part = trimmed(part_number)
            .ok_or_else(|| Error::invalid("part_number", "is empty; give the part number of an operation"))?;
        let mut around = Surroundings::default();
        let candidates = self.by_part(&part, None).await?;
        if candidates.is_empty() {
            around.filled = last_list(&self.0.store).await?.is_some();
            around.by_code = self.by_code(&part).await?.len();
        }
        let chosen = choose(&part, revision, candidates, around)?;
        let order = OrderSave::new(chosen.operation.id.unwrap_or_default(), external_order_id);
        order.check()?;
        Ok(order)
    }

    /// Stops keeping the catalogue, and waits until another may. Reading goes on to work.
    pub async fn close(&self) {
        let task = self.0.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
            // It was aborted, or had ended before.
            let _ = task.await;
        }
    }
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalogue").field("store", &self.0.store).finish_non_exhaustive()
    }
}

impl Client {
    /// Saves unit 0 of an order for the operation that a part number and a revision mean.
    ///
    /// # Errors
    /// As [`Catalogue::order_by_part`], with nothing sent, and as [`Client::save_order`].
    pub async fn save_order_by_part(
        &self,
        catalogue: &Catalogue,
        external_order_id: &str,
        part_number: &str,
        revision: Option<&str>,
    ) -> Result<OrderSaved, Error> {
        self.save_order(&catalogue.order_by_part(external_order_id, part_number, revision).await?).await
    }
}

/// Tells of changes of a [`Catalogue`].
#[derive(Debug)]
pub struct CatalogueChanges {
    told: watch::Receiver<Told>,
    seen: u64,
}

impl CatalogueChanges {
    /// Waits until operations have changed since the last call, and returns the catalogue's revision: a number that
    /// grows with each change, and starts anew with each start. `None` when the catalogue is not kept any more.
    pub async fn next(&mut self) -> Option<u64> {
        let seen = self.seen;
        let told = self.told.wait_for(|told| told.revision != seen || told.ended).await.ok()?;
        let revision = told.revision;
        drop(told);
        if revision == seen {
            return None;
        }
        self.seen = revision;
        Some(revision)
    }
}
