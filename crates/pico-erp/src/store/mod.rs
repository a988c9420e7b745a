//! [`Store`]: what must outlive the process, in one SQLite file or in PostgreSQL: the inbox, the outbox, the catalogue.
//!
//! This module is the handle that the rest of the crate holds. [`writer`] has the threads behind it, which put many
//! callers' changes into one synced transaction; [`backend`] says what a store must be able to do; [`sqlite`] and
//! `postgres` are those that do it; [`candidacy`] keeps two from doing the same work, by [`role`] in one machine and by
//! leases between several; [`location`] tells a path from a database. What the tables mean is told in `docs/store.md`.

pub(crate) mod backend;
pub(crate) mod candidacy;
pub(crate) mod inbox_table;
mod location;
pub(crate) mod operation_table;
pub(crate) mod outbox_table;
mod plant;
#[cfg(feature = "postgres")]
mod postgres;
mod role;
mod sqlite;
#[cfg(test)]
mod suite;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::client::Client;
use crate::error::Error;
use crate::metrics::{PlantMeters, StoreMeters};
use backend::Backend;
use candidacy::Candidacy;
use location::Location;
pub(crate) use plant::check as check_plant;
use plant::{Plant, Plants};
pub(crate) use role::{Role, RoleLock};
pub(crate) use writer::Durability;
use writer::Writer;

/// The longest id, in bytes: two of them must fit into an entry of a database's index. Pico's are a few dozen.
pub(crate) const LONGEST_ID: usize = 1000;
/// How long the text of an acknowledged completion is kept.
const KEEP_ACKED: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How long a settled order is kept.
const KEEP_SENT: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How long a node that is not heard of counts as being there.
const NODE_LEASE: Duration = Duration::from_secs(10);
/// The shortest that can be asked for: it is renewed three times as often, and a database may be slow for a moment.
const SHORTEST_NODE_LEASE: Duration = Duration::from_secs(1);
/// How many connections a node has to a database, besides the one that it is woken by.
const CONNECTIONS: usize = 4;
const MOST_CONNECTIONS: usize = 64;
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const LOOK_AGAIN_SHARED: Duration = Duration::from_secs(30);

/// A clock that tests can set.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Settings of a [`Store`].
#[derive(Clone)]
#[must_use]
pub struct StoreBuilder {
    place: PathBuf,
    must_exist: bool,
    max_size: Option<u64>,
    retention: Retention,
    node_lease: Duration,
    connections: usize,
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
    /// Opens only a store that is there already, so that a mistyped path is an error and not a new, empty store. In a
    /// database: makes and changes no tables, so a role that may not do so is enough.
    pub fn must_exist(mut self) -> Self {
        self.must_exist = true;
        self
    }

    /// Sets how large the file may grow, in bytes; beyond that the store refuses with [`crate::ErrorKind::StoreFull`], as on a
    /// full disk, so that it does not fill a disk that others need. The log beside it may grow by some 16 MB more. Default no
    /// limit. A file only: the size of a database is its administrator's business.
    pub fn max_size(mut self, bytes: u64) -> Self {
        self.max_size = Some(bytes);
        self
    }

    /// Sets how long what is settled is kept.
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Sets how long a node of a database counts as being there after it was last heard of. After that the others take over
    /// what it was doing: the live sources of its plants, and the completions and orders that it had in hand. Shorter is a
    /// quicker failover, but a node that is only slow is then taken for dead. Default 10 s, at least 1 s. No meaning for a file.
    pub fn node_lease(mut self, lease: Duration) -> Self {
        self.node_lease = lease;
        self
    }

    /// Sets how many connections to a database are used for work, 1 to 64; one more is held for being woken. Default 4. No
    /// meaning for a file.
    pub fn connections(mut self, count: usize) -> Self {
        self.connections = count;
        self
    }

    /// Another clock, for tests.
    #[doc(hidden)]
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Opens the store, making the file or the tables when there are none.
    ///
    /// # Errors
    /// As [`Store::open`]; [`crate::ErrorKind::InvalidArgument`] naming a setting.
    pub async fn open(self) -> Result<Store, Error> {
        if self.node_lease < SHORTEST_NODE_LEASE {
            return Err(Error::invalid("node_lease", "is shorter than a second; give a second or more"));
        }
        if !(1..=MOST_CONNECTIONS).contains(&self.connections) {
            return Err(Error::invalid(
                "connections",
                format!("is {}; it can be 1 to {MOST_CONNECTIONS}", self.connections),
            ));
        }
        let plants = Arc::new(Plants::default());
        let location = Location::read(&self.place)?;
        let (writer, several) = match &location {
            Location::File(path) => (self.open_file(path.clone(), &plants).await?, None),
            #[cfg(feature = "postgres")]
            Location::Database(url) => {
                let (writer, node) = self.open_database(url, &plants).await?;
                (writer, Some(node))
            }
        };
        let plant = plants.of("");
        let shared = Shared {
            location,
            retention: self.retention,
            node_lease: self.node_lease,
            clock: self.clock,
            writer,
            several,
            plants,
        };
        Ok(Store { shared: Arc::new(shared), plant })
    }

    async fn open_file(&self, path: PathBuf, plants: &Plants) -> Result<Writer, Error> {
        let settings = sqlite::Settings { must_exist: self.must_exist, max_size: self.max_size };
        let meters = Arc::clone(plants.store_meters());
        Writer::start(1, meters, move || Ok(Box::new(sqlite::open(&path, settings)?) as Box<dyn Backend>))
            .await
    }
}

impl fmt::Debug for StoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreBuilder")
            .field(
                "place",
                &Location::read(&self.place).map_or_else(|_| "?".to_owned(), |place| place.to_string()),
            )
            .field("must_exist", &self.must_exist)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

/// What keeps completions, orders and operations over restarts, crashes and power cuts: a file, or a database that
/// several nodes share.
///
/// Whatever a method of the inbox or the outbox confirms is on disk when it returns. Clones share the file or the
/// connections, which are closed with the last of them.
///
/// **A file** (SQLite, write-ahead log, `synchronous=FULL`) is for one machine. Several processes may open it, to look at it,
/// to queue orders or to replay dead letters. One at a time may run a feed on it, and one an outbox, for each plant; the second
/// gets [`crate::ErrorKind::StoreInUse`]. The file must lie on a local disk: SQLite's locks do not hold on network file
/// systems.
///
/// **A database** (PostgreSQL 12 or newer, `postgres://user@host/database`, with the crate's feature `postgres`) is for several
/// nodes, each of which opens it and runs its feeds and senders. They share the work: one of them holds the live source of a
/// plant, and when it is gone another takes over; completions and orders are handed out to any of them, each to one.
///
/// A store may hold several plants, each with its own Pico: see [`Store::plant`].
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    plant: Arc<Plant>,
}

/// What a store that several nodes share has besides.
#[cfg(feature = "postgres")]
type Node = postgres::Node;
#[cfg(not(feature = "postgres"))]
type Node = std::convert::Infallible;

struct Shared {
    location: Location,
    retention: Retention,
    node_lease: Duration,
    clock: Clock,
    writer: Writer,
    several: Option<Node>,
    plants: Arc<Plants>,
}

impl Store {
    /// Opens the store at `place`: a path, whose file is made when there is none, or the URL of a PostgreSQL database, whose
    /// tables are made when there are none.
    ///
    /// # Errors
    /// - [`crate::ErrorKind::StoreDamaged`] when the file is damaged or no store. It is never overwritten: look at it,
    ///   then move it away with [`Store::set_aside`].
    /// - [`crate::ErrorKind::StoreVersion`] when a newer version of this library wrote it.
    /// - [`crate::ErrorKind::StoreReadOnly`], [`crate::ErrorKind::StoreFull`], or
    ///   [`crate::ErrorKind::Store`] when the file system or the database refuses.
    /// - [`crate::ErrorKind::InvalidArgument`] when the URL cannot be read.
    pub async fn open(place: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder(place).open().await
    }

    /// A store with settings of its own.
    pub fn builder(place: impl AsRef<Path>) -> StoreBuilder {
        StoreBuilder {
            place: place.as_ref().to_owned(),
            must_exist: false,
            max_size: None,
            retention: Retention::default(),
            node_lease: NODE_LEASE,
            connections: CONNECTIONS,
            clock: Arc::new(Timestamp::now),
        }
    }

    /// Moves the files of the store at `path` out of the way, to `<path>.set-aside-<time>`, and returns the new path of the
    /// first. For a damaged store, after somebody has decided to go on without it: what was acknowledged is then forgotten, and
    /// orders that were not sent are only in the file that was set aside.
    ///
    /// # Errors
    /// [`crate::ErrorKind::StoreInUse`] while a feed, an outbox or a catalogue runs on it; [`crate::ErrorKind::Store`] when
    /// the file system refuses; [`crate::ErrorKind::InvalidArgument`] for a database.
    pub fn set_aside(path: impl AsRef<Path>) -> Result<PathBuf, Error> {
        let path = Location::read(path.as_ref())?.file()?;
        let _locks = role::take_all(&path)?;
        sqlite::set_aside(&path, Timestamp::now())
    }

    /// Where it is: the absolute path of the file, or the URL of the database without the password.
    #[must_use]
    pub fn location(&self) -> String {
        self.shared.location.to_string()
    }

    /// The same store for one of several plants, each with a Pico of its own. Feeds, outboxes, catalogues and inboxes that
    /// are made of it know of nothing but that plant. The store that [`Store::open`] returns is that of the plant without a
    /// name, which is all that somebody with one Pico needs.
    ///
    /// ```no_run
    /// # async fn example(berlin: pico_erp::Client) -> Result<(), pico_erp::Error> {
    /// use pico_erp::{Feed, Store};
    ///
    /// let store = Store::open("postgres://erp@db.example/erp").await?;
    /// let feed = Feed::builder(&berlin, &store.plant("berlin")?).start().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] for a name that is empty, longer than 64 characters, or has others than letters,
    /// digits, `.`, `-` and `_` of ASCII.
    pub fn plant(&self, name: &str) -> Result<Self, Error> {
        plant::check(name)?;
        Ok(Self { shared: Arc::clone(&self.shared), plant: self.shared.plants.of(name) })
    }

    /// The name of the plant that this is the store of; empty for the one without a name.
    #[must_use]
    pub fn plant_name(&self) -> &str {
        self.plant.name().trim_end_matches(plant::NOTES)
    }

    /// Where this plant's notes are kept: apart from its completions, as if it were a plant of its own.
    pub(crate) fn of_notes(&self) -> Self {
        let plant = self.shared.plants.of(&format!("{}{}", self.plant.name(), plant::NOTES));
        Self { shared: Arc::clone(&self.shared), plant }
    }

    /// The plants that have been worked with in this store, by name, whether this process does or not.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn plant_names(&self) -> Result<Vec<String>, Error> {
        let mut names = self.run(Durability::Process, |backend| backend.plant_names()).await?;
        names.retain(|name| !name.ends_with(plant::NOTES));
        Ok(names)
    }

    /// Says that this plant's completions and orders belong to the Pico of `client` from now on, after it has moved to another
    /// host. Feeds, senders and catalogues refuse to start with the client of another Pico than the one that they were
    /// first started with, so that the orders of one plant are not sent to another.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn rebind(&self, client: &Client) -> Result<(), Error> {
        let instance = plant::instance(client.endpoint());
        self.run(Durability::Disk, move |backend| backend.bind(&instance, true)).await.map(|_| ())
    }

    /// Waits until all that was asked of the store is on disk, and closes it. Other clones of this store get
    /// [`crate::ErrorKind::Closed`] from then on.
    pub async fn close(&self) {
        self.shared.writer.close().await;
        #[cfg(feature = "postgres")]
        if let Some(node) = &self.shared.several {
            node.close().await;
        }
    }

    pub(crate) fn retention(&self) -> Retention {
        self.shared.retention
    }

    /// The time of day in microseconds since 1970: this machine's, or the database's that several share.
    pub(crate) fn now(&self) -> i64 {
        let now = (self.shared.clock)().as_microsecond();
        #[cfg(feature = "postgres")]
        if let Some(node) = &self.shared.several {
            return now.saturating_add(node.ahead());
        }
        now
    }

    /// Whether other nodes work on the store as well.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.several.is_some()
    }

    /// Until when what was handed out to this process is surely its own, as far as leases are in play.
    pub(crate) fn surely_until(&self) -> Option<tokio::time::Instant> {
        #[cfg(feature = "postgres")]
        return self.shared.several.as_ref().map(postgres::Node::surely_until);
        #[cfg(not(feature = "postgres"))]
        None
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
        let plant = Arc::clone(&self.plant);
        // One file has one lane; in a database each plant has its own.
        let lane = if self.is_shared() { plant.number() } else { 0 };
        let work = move |backend: &mut dyn Backend| {
            backend.enter(plant.name())?;
            work(backend)
        };
        self.shared.writer.run(lane, durability, work).await
    }

    /// Stands for a part that only one at a time may play, with this Pico.
    pub(crate) async fn stand_for(&self, role: Role, client: &Client) -> Result<Candidacy, Error> {
        self.check_pico(client).await?;
        match &self.shared.location {
            Location::File(path) => Ok(RoleLock::take(path, self.plant.name(), role)?.into()),
            #[cfg(feature = "postgres")]
            Location::Database(_) => {
                let Some(node) = &self.shared.several else {
                    return Err(Error::new(crate::ErrorKind::Internal, "a database without a node"));
                };
                node.stand_for(&self.plant, role)
            }
        }
    }

    /// What is counted for the plant that this is the view of.
    pub(crate) fn meters(&self) -> &Arc<PlantMeters> {
        self.plant.meters()
    }

    /// What is counted for the store, whatever the plant.
    pub(crate) fn store_meters(&self) -> &StoreMeters {
        self.shared.plants.store_meters()
    }

    /// This store as each of the plants sees it that this process works with, by the plants' names.
    pub(crate) fn plant_views(&self) -> Vec<(String, Self)> {
        let view =
            |plant: Arc<Plant>| (plant.name().to_owned(), Self { shared: Arc::clone(&self.shared), plant });
        let mut views: Vec<_> = self.shared.plants.all().into_iter().map(view).collect();
        views.sort_by(|one, other| one.0.cmp(&other.0));
        views
    }

    /// That this plant's rows are not those of another Pico.
    async fn check_pico(&self, client: &Client) -> Result<(), Error> {
        let instance = plant::instance(client.endpoint());
        let ours = instance.clone();
        let bound = self.run(Durability::Process, move |backend| backend.bind(&ours, false)).await?;
        if bound == instance {
            return Ok(());
        }
        let plant = match self.plant.name() {
            "" => String::new(),
            name => format!(", plant \"{name}\""),
        };
        Err(Error::invalid(
            "store",
            format!(
                "{}{plant}: belongs to the Pico at {bound}, and the client's is at {instance}; use another store or plant \
                 for it, or rebind this one when its Pico has moved",
                self.shared.location
            ),
        ))
    }

    /// How long whoever waits for a change waits before looking himself. In a file, for what another process does; in a
    /// database the node looks for all of them.
    pub(crate) fn look_again(&self) -> Duration {
        if self.is_shared() { LOOK_AGAIN_SHARED } else { LOOK_AGAIN }
    }

    /// How long a node counts as living that is not heard of.
    pub(crate) fn node_lease(&self) -> Duration {
        self.shared.node_lease
    }

    /// Wakes those in this process who wait for the inbox. For changes that make no work for other nodes.
    pub(crate) fn inbox_settled(&self) {
        self.plant.inbox_changed();
    }

    /// Wakes those in this process who wait for the outbox, likewise.
    pub(crate) fn outbox_settled(&self) {
        self.plant.outbox_changed();
    }

    /// Wakes whoever waits for the inbox, on all nodes.
    pub(crate) fn inbox_changed(&self) {
        self.plant.inbox_changed();
        #[cfg(feature = "postgres")]
        if let Some(node) = &self.shared.several {
            node.inbox_changed(&self.plant);
        }
    }

    pub(crate) fn inbox_changes(&self) -> watch::Receiver<u64> {
        self.plant.inbox_changes()
    }

    /// Wakes whoever waits for the outbox, on all nodes.
    pub(crate) fn outbox_changed(&self) {
        self.plant.outbox_changed();
        #[cfg(feature = "postgres")]
        if let Some(node) = &self.shared.several {
            node.outbox_changed(&self.plant);
        }
    }

    pub(crate) fn outbox_changes(&self) -> watch::Receiver<u64> {
        self.plant.outbox_changes()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("location", &self.location())
            .field("plant", &self.plant.name())
            .finish_non_exhaustive()
    }
}
