//! [`Store`]: what must outlive the process, in one SQLite file: the inbox, the outbox, the catalogue.
//!
//! This module is the handle that the rest of the crate holds. [`writer`] is the thread behind it, which puts many
//! callers' changes into one synced transaction; [`backend`] says what a store must be able to do; [`sqlite`] is the
//! one that does it; [`role`] keeps two processes from doing the same work. What the tables mean is told in
//! `docs/store.md`.

pub(crate) mod backend;
pub(crate) mod inbox_table;
pub(crate) mod operation_table;
pub(crate) mod outbox_table;
mod role;
mod sqlite;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::error::Error;
use crate::metrics::{Meters, PlantMeters, StoreMeters};
use backend::Backend;
pub(crate) use role::{Role, RoleLock};
pub(crate) use writer::Durability;
use writer::Writer;

/// How long the text of an acknowledged completion is kept.
const KEEP_ACKED: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How long a settled order is kept.
const KEEP_SENT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The name of the plant that has none.
const UNNAMED: &str = "";

/// A clock that tests can set.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Settings of a [`Store`].
#[derive(Clone)]
#[must_use]
pub struct StoreBuilder {
    path: PathBuf,
    must_exist: bool,
    max_size: Option<u64>,
    retention: Retention,
    clock: Clock,
}

/// How long what is settled is kept. Keys of completions are kept for ever: they are how one is known again that Pico
/// still lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The text of an acknowledged completion; without it, it can no longer be replayed. Default 90 days.
    pub acked: Duration,
    /// An order that was sent or superseded. Default 90 days. What failed is kept until it is retried or dropped.
    pub sent: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { acked: KEEP_ACKED, sent: KEEP_SENT }
    }
}

impl StoreBuilder {
    /// Opens only a store that is there already, so that a mistyped path is an error and not a new, empty store.
    pub fn must_exist(mut self) -> Self {
        self.must_exist = true;
        self
    }

    /// Sets how large the file may grow, in bytes; beyond that the store refuses with [`crate::ErrorKind::StoreFull`], as on a
    /// full disk, so that it does not fill a disk that others need. The log beside it may grow by some 16 MB more. Default no
    /// limit.
    pub fn max_size(mut self, bytes: u64) -> Self {
        self.max_size = Some(bytes);
        self
    }

    /// Sets how long what is settled is kept.
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Another clock, for tests.
    #[doc(hidden)]
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Opens the store, making the file when there is none.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open(self) -> Result<Store, Error> {
        let path = std::path::absolute(&self.path).map_err(|error| {
            Error::invalid("path", format!("\"{}\" is not a path: {error}", self.path.display()))
        })?;
        let settings = sqlite::Settings { must_exist: self.must_exist, max_size: self.max_size };
        let opening = path.clone();
        let meters = Meters::default();
        let writer = Writer::start(Arc::clone(&meters.store), move || {
            let backend = sqlite::open(&opening, settings)?;
            Ok(Box::new(backend) as Box<dyn Backend>)
        })
        .await?;
        Ok(Store(Arc::new(Shared {
            path,
            retention: self.retention,
            clock: self.clock,
            writer,
            plant_meters: meters.plant(UNNAMED),
            meters,
            inbox_changes: watch::Sender::new(0),
            outbox_changes: watch::Sender::new(0),
        })))
    }
}

impl fmt::Debug for StoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreBuilder")
            .field("path", &self.path)
            .field("must_exist", &self.must_exist)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

/// One file that keeps completions, orders and operations over restarts, crashes and power cuts.
///
/// Whatever a method of the inbox or the outbox confirms is on disk when it returns (SQLite, write-ahead log,
/// `synchronous=FULL`). Clones share the file and its thread; the file is closed with the last of them.
///
/// Several processes may open the same file, to look at it, to queue orders or to replay dead letters. One at a time
/// may run a feed on it, and one an outbox; the second gets [`crate::ErrorKind::StoreInUse`]. The file must
/// lie on a local disk: SQLite's locks do not hold on network file systems.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    path: PathBuf,
    retention: Retention,
    clock: Clock,
    writer: Writer,
    meters: Meters,
    plant_meters: Arc<PlantMeters>,
    inbox_changes: watch::Sender<u64>,
    outbox_changes: watch::Sender<u64>,
}

impl Store {
    /// Opens the store at `path`, making the file when there is none.
    ///
    /// # Errors
    /// - [`crate::ErrorKind::StoreDamaged`] when the file is damaged or no store. It is never overwritten: look at it,
    ///   then move it away with [`Store::set_aside`].
    /// - [`crate::ErrorKind::StoreVersion`] when a newer version of this library wrote it.
    /// - [`crate::ErrorKind::StoreReadOnly`], [`crate::ErrorKind::StoreFull`], or
    ///   [`crate::ErrorKind::Store`] when the file system refuses.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder(path).open().await
    }

    /// A store with settings of its own.
    pub fn builder(path: impl AsRef<Path>) -> StoreBuilder {
        StoreBuilder {
            path: path.as_ref().to_owned(),
            must_exist: false,
            max_size: None,
            retention: Retention::default(),
            clock: Arc::new(Timestamp::now),
        }
    }

    /// Moves a store's files out of the way, to `<path>.set-aside-<time>`, and returns the new path of the first. For a
    /// damaged store, after somebody has decided to go on without it: what was acknowledged is then forgotten, and
    /// orders that were not sent are only in the file that was set aside.
    ///
    /// # Errors
    /// [`crate::ErrorKind::StoreInUse`] while a feed, an outbox or a catalogue runs on it; [`crate::ErrorKind::Store`] when
    /// the file system refuses.
    pub fn set_aside(path: impl AsRef<Path>) -> Result<PathBuf, Error> {
        let _feed = RoleLock::take(path.as_ref(), Role::Feed)?;
        let _outbox = RoleLock::take(path.as_ref(), Role::Outbox)?;
        let _catalogue = RoleLock::take(path.as_ref(), Role::Catalogue)?;
        sqlite::set_aside(path.as_ref(), Timestamp::now())
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Waits until all that was asked of the store is on disk, and closes the file. Other clones of this store get
    /// [`crate::ErrorKind::Closed`] from then on.
    pub async fn close(&self) {
        self.0.writer.close().await;
    }

    pub(crate) fn retention(&self) -> Retention {
        self.0.retention
    }

    /// The time of day in microseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        (self.0.clock)().as_microsecond()
    }

    /// Runs `work` in a transaction, which it may share with other callers' work, and returns when that is over: on
    /// disk, or rolled back and an error. An `Err` of `work` undoes what this `work` did.
    ///
    /// `work` runs even when the caller stops waiting.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&mut dyn Backend) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.0.writer.run(durability, work).await
    }

    /// Takes one of the parts that only one at a time may play.
    pub(crate) fn take_role(&self, role: Role) -> Result<RoleLock, Error> {
        RoleLock::take(&self.0.path, role)
    }

    /// What is counted for the plant that this is the view of.
    pub(crate) fn meters(&self) -> &Arc<PlantMeters> {
        &self.0.plant_meters
    }

    /// What is counted for the store, whatever the plant.
    pub(crate) fn store_meters(&self) -> &StoreMeters {
        &self.0.meters.store
    }

    /// This store as each of its plants sees it, by the plants' names.
    pub(crate) fn plant_views(&self) -> Vec<(String, Self)> {
        vec![(UNNAMED.to_owned(), self.clone())]
    }

    pub(crate) fn inbox_changed(&self) {
        self.0.inbox_changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn inbox_changes(&self) -> watch::Receiver<u64> {
        self.0.inbox_changes.subscribe()
    }

    pub(crate) fn outbox_changed(&self) {
        self.0.outbox_changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn outbox_changes(&self) -> watch::Receiver<u64> {
        self.0.outbox_changes.subscribe()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.0.path).finish_non_exhaustive()
    }
}
