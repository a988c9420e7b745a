//! [`Node`]: this process's place among the nodes that share a database.
//!
//! One thread with one connection renews the node's lease, stands for roles, wakes the other nodes when something of theirs
//! has changed and is woken by them (LISTEN and NOTIFY), and looks itself now and then, in case a word was lost. It has a thread
//! of its own so that a busy host does not make the node look dead. [`super::share`] decides who takes what.
//!
//! The database's clock says whose time is over. What this process may assume of itself is counted by its own steady
//! clock, from before it asked: then it is never longer than what the database grants.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{sleep, sleep_until, timeout};
use tokio_postgres::Client;

use super::failure::failure;
use super::schema;
use super::session::Terms;
use super::share::{Move, Seen, Spread, Stand, moves};
use crate::error::{Error, ErrorKind};
use crate::store::Role;
use crate::store::candidacy::{Candidacy, Holder, Seat, Tenure};
use crate::store::plant::{Plant, Plants};

/// How long news for the other nodes are gathered before they are told, so that a burst is one message.
const GATHER: Duration = Duration::from_millis(20);
/// How often to look for work that nobody told of, with few plants; with many, less often.
const LOOK: Duration = Duration::from_secs(1);
/// How many plants are looked at in that time.
const PLANTS_A_LOOK: usize = 250;
/// The wait before the database is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// How long a node that was dead for so long is remembered, for whoever reads the tables.
const FORGET: &str = "1 hour";

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Topic {
    Inbox,
    Outbox,
    /// Who plays which part.
    Leases,
}

impl Topic {
    fn letter(self) -> char {
        match self {
            Self::Inbox => 'i',
            Self::Outbox => 'o',
            Self::Leases => 'l',
        }
    }
}

/// One role that this process stands for.
struct Stander {
    plant: Arc<Plant>,
    role: Role,
    holder: watch::Sender<Holder>,
    free_since: Option<Instant>,
    not_before: Option<Instant>,
    /// A tenure to be said to be ready, or to be given up.
    ready: Option<Tenure>,
    give_up: Option<Tenure>,
}

#[derive(Default)]
struct Desk {
    standers: HashMap<u64, Stander>,
    /// The plants that this process sends the orders of.
    senders: HashSet<String>,
    last: u64,
    news: HashSet<(Topic, String)>,
}

struct Shared {
    number: Arc<AtomicI64>,
    plants: Arc<Plants>,
    lease: Duration,
    desk: Mutex<Desk>,
    /// Something is to be asked of the database now.
    wanted: Notify,
    /// Something is to be told to the other nodes.
    to_tell: Notify,
    surely_until: watch::Sender<Instant>,
    /// By how much the database's clock is ahead of this machine's, in microseconds.
    ahead: AtomicI64,
    closing: watch::Sender<bool>,
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, topic: Topic, plant: &str) {
        self.desk().news.insert((topic, plant.to_owned()));
        self.to_tell.notify_one();
    }

    /// What another node has told: a letter, the number of who tells, and the plant.
    fn hear(&self, word: &str) {
        let mut parts = word.splitn(3, ':');
        let (Some(topic), Some(from), Some(plant)) = (parts.next(), parts.next(), parts.next()) else {
            return;
        };
        if from == self.number.load(Ordering::Acquire).to_string() {
            return;
        }
        let known = self.plants.known(plant);
        match (topic, known) {
            ("i", Some(plant)) => plant.inbox_changed(),
            ("o", Some(plant)) => plant.outbox_changed(),
            ("l", _) => self.wanted.notify_one(),
            _ => {}
        }
    }

    /// The time is over for all that this node holds.
    fn lapse(&self) {
        for stander in self.desk().standers.values() {
            stander.holder.send_if_modified(|holder| {
                let held = holder.tenure().is_some();
                if held {
                    *holder = Holder::Nobody;
                }
                held
            });
        }
    }
}

pub(in crate::store) struct Node {
    shared: Arc<Shared>,
    ended: watch::Receiver<bool>,
}

impl Drop for Node {
    /// The thread gives up what the node holds, and ends.
    fn drop(&mut self) {
        self.shared.closing.send_replace(true);
    }
}

impl Node {
    /// Makes the tables where there are none, and takes a place among the nodes.
    pub(super) async fn start(
        terms: Terms,
        lease: Duration,
        must_exist: bool,
        plants: Arc<Plants>,
    ) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            number: Arc::new(AtomicI64::new(0)),
            plants,
            lease,
            desk: Mutex::default(),
            wanted: Notify::new(),
            to_tell: Notify::new(),
            surely_until: watch::Sender::new(Instant::now()),
            ahead: AtomicI64::new(0),
            closing: watch::Sender::new(false),
        });
        let (opened, opening) = oneshot::channel();
        let (end, ended) = watch::channel(false);
        let thread = Thread { shared: Arc::clone(&shared), terms, name: node_name() };
        std::thread::Builder::new()
            .name("pico-erp-node".to_owned())
            .spawn(move || {
                thread.run(must_exist, opened);
                end.send_replace(true);
            })
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "the thread of the node could not be started")
                    .with_source(error)
            })?;
        opening
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "the thread of the node has ended")))?;
        Ok(Self { shared, ended })
    }

    /// Its number, which changes when its time was over once.
    pub(super) fn number(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.shared.number)
    }

    /// Until when this node surely counts as living, and what it has in hand is its own.
    pub(in crate::store) fn surely_until(&self) -> tokio::time::Instant {
        (*self.shared.surely_until.borrow()).into()
    }

    /// By how much the database's clock is ahead of this machine's, in microseconds. Times that one node writes and another
    /// reads are of that clock.
    pub(in crate::store) fn ahead(&self) -> i64 {
        self.shared.ahead.load(Ordering::Relaxed)
    }

    /// Gives up what the node holds, so that the others need not wait for its time to be over.
    pub(in crate::store) async fn close(&self) {
        self.shared.closing.send_replace(true);
        // An error is the end as well.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }

    /// Stands for a role, once in a process. Sending orders is no role that only one node plays: all may, and each order is
    /// handed to one.
    pub(in crate::store) fn stand_for(&self, plant: &Arc<Plant>, role: Role) -> Result<Candidacy, Error> {
        let taken = || {
            Error::new(
                ErrorKind::StoreInUse,
                format!("another {} of this plant runs in this process; one is enough", role.name()),
            )
        };
        let mut desk = self.shared.desk();
        if role == Role::Outbox {
            if !desk.senders.insert(plant.name().to_owned()) {
                return Err(taken());
            }
            let (sender, holder) = watch::channel(Holder::Me(Tenure { token: 0 }));
            let seat = Everybody {
                shared: Arc::clone(&self.shared),
                plant: plant.name().to_owned(),
                _holder: sender,
            };
            return Ok(Candidacy::new(holder, Box::new(seat)));
        }
        if desk.standers.values().any(|one| one.role == role && one.plant.name() == plant.name()) {
            return Err(taken());
        }
        let (sender, holder) = watch::channel(Holder::Nobody);
        desk.last += 1;
        let key = desk.last;
        let stander = Stander {
            plant: Arc::clone(plant),
            role,
            holder: sender,
            free_since: None,
            not_before: None,
            ready: None,
            give_up: None,
        };
        desk.standers.insert(key, stander);
        drop(desk);
        self.shared.wanted.notify_one();
        Ok(Candidacy::new(holder, Box::new(Standing { shared: Arc::clone(&self.shared), key })))
    }

    pub(in crate::store) fn inbox_changed(&self, plant: &Plant) {
        self.shared.tell(Topic::Inbox, plant.name());
    }

    pub(in crate::store) fn outbox_changed(&self, plant: &Plant) {
        self.shared.tell(Topic::Outbox, plant.name());
    }
}

/// A part that every node may play.
struct Everybody {
    shared: Arc<Shared>,
    plant: String,
    _holder: watch::Sender<Holder>,
}

impl Drop for Everybody {
    fn drop(&mut self) {
        self.shared.desk().senders.remove(&self.plant);
    }
}

impl Seat for Everybody {
    fn ready(&self, _tenure: Tenure) {}

    fn give_up(&self, _tenure: Tenure, _pause: Duration) {}
}

/// A part that this node stands for, until this is dropped.
struct Standing {
    shared: Arc<Shared>,
    key: u64,
}

impl Standing {
    fn change(&self, change: impl FnOnce(&mut Stander)) {
        if let Some(stander) = self.shared.desk().standers.get_mut(&self.key) {
            change(stander);
        }
        self.shared.wanted.notify_one();
    }
}

impl Seat for Standing {
    fn ready(&self, tenure: Tenure) {
        self.change(|stander| stander.ready = Some(tenure));
    }

    fn give_up(&self, tenure: Tenure, pause: Duration) {
        self.change(|stander| {
            stander.give_up = Some(tenure);
            stander.not_before = Some(Instant::now() + pause);
        });
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.shared.desk().standers.remove(&self.key);
        // What nobody stands for any more is given up.
        self.shared.wanted.notify_one();
    }
}

/// A lease as the database has it.
struct LeaseRow {
    token: i64,
    mine: bool,
    holder: Option<String>,
    ready: bool,
}

struct Thread {
    shared: Arc<Shared>,
    terms: Terms,
    name: String,
}

impl Thread {
    fn run(self, must_exist: bool, opened: oneshot::Sender<Result<(), Error>>) {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| {
            Error::new(ErrorKind::Internal, "a runtime for the node could not be made").with_source(error)
        });
        // Whoever waited for the opening has gone away when telling fails; then the node is closed as well.
        match runtime {
            Err(error) => drop(opened.send(Err(error))),
            Ok(runtime) => runtime.block_on(async {
                match self.begin(must_exist).await {
                    Err(error) => drop(opened.send(Err(error))),
                    Ok(client) => {
                        let _ = opened.send(Ok(()));
                        self.live(client).await;
                    }
                }
            }),
        }
    }

    async fn begin(&self, must_exist: bool) -> Result<Client, Error> {
        let (mut client, _) = self.terms.connect(|_| {}).await?;
        schema::migrate(&mut client, &self.terms.address, must_exist).await?;
        let client = self.connect().await?;
        self.renew(&client).await?;
        Ok(client)
    }

    /// A connection that hears what the other nodes tell.
    async fn connect(&self) -> Result<Client, Error> {
        let shared = Arc::clone(&self.shared);
        let (client, _) = self.terms.connect(move |word| shared.hear(word)).await?;
        let listen = format!("LISTEN {}", self.channel());
        client.batch_execute(&listen).await.map_err(|error| self.failure(&error))?;
        Ok(client)
    }

    fn channel(&self) -> String {
        // Notifications are of the whole database, tables of the schema.
        format!("pico_erp_{}", self.terms.address.schema)
    }

    fn failure(&self, error: &tokio_postgres::Error) -> Error {
        failure(&self.terms.address, "the node cannot keep its place", error)
    }

    /// Until the store is closed.
    async fn live(self, client: Client) {
        let mut closing = self.shared.closing.subscribe();
        let mut client = Some(client);
        loop {
            let ended = match client.take() {
                Some(connected) => tokio::select! {
                    biased;
                    _ = closing.wait_for(|closing| *closing) => {
                        self.leave(&connected).await;
                        return;
                    }
                    error = self.work(&connected) => error,
                },
                None => tokio::select! {
                    biased;
                    _ = closing.wait_for(|closing| *closing) => return,
                    () = self.lapsed() => continue,
                    connected = timeout(self.shared.lease, self.connect()) => match connected {
                        Ok(Ok(connected)) => {
                            client = Some(connected);
                            continue;
                        }
                        Ok(Err(error)) => error,
                        Err(_) => self.terms.address.error(ErrorKind::Store, "cannot be reached: no answer"),
                    },
                },
            };
            tracing::warn!(error = %ended, "the database is not there for this node; it is tried again");
            tokio::select! {
                () = sleep(AGAIN) => {}
                () = self.lapsed() => {}
                _ = closing.wait_for(|closing| *closing) => {}
            }
        }
    }

    /// When the node's time is over: then it holds nothing any more. Never, when it held nothing.
    async fn lapsed(&self) {
        let mut sure = self.shared.surely_until.subscribe();
        loop {
            let until = *sure.borrow_and_update();
            if self.holds_anything() {
                tokio::select! {
                    () = sleep_until(until.into()) => break,
                    _ = sure.changed() => {}
                }
            } else {
                // Only what this thread does makes it hold something.
                std::future::pending::<()>().await;
            }
        }
        tracing::warn!(
            "the database could not be reached for too long; the others take over what this node had"
        );
        self.shared.lapse();
    }

    fn holds_anything(&self) -> bool {
        self.shared.desk().standers.values().any(|stander| stander.holder.borrow().tenure().is_some())
    }

    /// Does what is due, until the database fails.
    async fn work(&self, client: &Client) -> Error {
        let tick = self.shared.lease / 3;
        let mut renew_at = Instant::now();
        let mut look_at = Instant::now() + LOOK;
        loop {
            let step = async {
                if Instant::now() >= renew_at {
                    renew_at = Instant::now() + tick;
                    self.renew(client).await?;
                    self.share(client).await?;
                }
                tokio::select! {
                    () = sleep_until(renew_at.into()) => {}
                    () = sleep_until(look_at.into()) => look_at = self.look(client).await?,
                    () = self.shared.wanted.notified() => self.share(client).await?,
                    () = self.shared.to_tell.notified() => {
                        sleep(GATHER).await;
                        self.tell(client).await?;
                    }
                }
                Ok(())
            };
            tokio::select! {
                biased;
                () = self.lapsed() => {}
                ended = timeout(self.shared.lease, step) => match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return error,
                    Err(_) => return self.terms.address.error(ErrorKind::Store, "no answer"),
                },
            }
        }
    }

    /// Renews the node's lease, or takes a new place when its time was over.
    async fn renew(&self, client: &Client) -> Result<(), Error> {
        let failed = |error: tokio_postgres::Error| self.failure(&error);
        let number = self.shared.number.load(Ordering::Acquire);
        let wants = i32::try_from(self.shared.desk().standers.len()).unwrap_or(i32::MAX);
        let lease = self.shared.lease.as_secs_f64();
        let asked = Instant::now();
        let asked_at = jiff::Timestamp::now().as_microsecond();
        let renewed = client
            .query_opt(
                "UPDATE nodes SET until = clock_timestamp() + $2 * interval '1 second', wants = $3 \
                 WHERE id = $1 AND until > clock_timestamp() \
                 RETURNING (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
                &[&number, &lease, &wants],
            )
            .await
            .map_err(failed)?;
        if let Some(row) = &renewed {
            // The database answered somewhere between the question and now.
            let halfway = asked_at + i64::try_from(asked.elapsed().as_micros() / 2).unwrap_or_default();
            self.shared.ahead.store(row.get::<_, i64>(0) - halfway, Ordering::Relaxed);
        }
        if renewed.is_none() {
            // What it held under its old number is the others' by now, or is taken anew.
            self.shared.lapse();
            let row = client
                .query_one(
                    "INSERT INTO nodes (name, until, wants) \
                     VALUES ($1, clock_timestamp() + $2 * interval '1 second', $3) RETURNING id",
                    &[&self.name, &lease, &wants],
                )
                .await
                .map_err(failed)?;
            self.shared.number.store(row.get(0), Ordering::Release);
            let forget = format!("DELETE FROM nodes WHERE until < clock_timestamp() - interval '{FORGET}'");
            client.batch_execute(&forget).await.map_err(failed)?;
        }
        self.shared.surely_until.send_replace(asked + self.shared.lease);
        Ok(())
    }

    /// Looks who plays which part, takes what is free and gives up what is too much.
    async fn share(&self, client: &Client) -> Result<(), Error> {
        self.give_up_unwanted(client).await?;
        let wanted: Vec<(u64, String, &'static str)> = {
            let desk = self.shared.desk();
            let wanted = desk.standers.iter();
            wanted.map(|(key, one)| (*key, one.plant.name().to_owned(), one.role.name())).collect()
        };
        if wanted.is_empty() {
            return Ok(());
        }
        let Everywhere { spread, others } = self.spread(client).await?;
        let rows = self.leases(client, &wanted).await?;
        let now = Instant::now();
        let mut stands = Vec::with_capacity(wanted.len());
        {
            let mut desk = self.shared.desk();
            for ((key, ..), row) in wanted.iter().zip(&rows) {
                let Some(stander) = desk.standers.get_mut(key) else {
                    stands.push(Stand { seen: Seen::Others, not_before: None });
                    continue;
                };
                let seen = match row {
                    Some(row) if row.mine => Seen::Mine,
                    Some(LeaseRow { holder: Some(_), .. }) => Seen::Others,
                    _ => Seen::Free(*stander.free_since.get_or_insert(now)),
                };
                if !matches!(seen, Seen::Free(_)) {
                    stander.free_since = None;
                }
                stands.push(Stand { seen, not_before: stander.not_before });
            }
        }
        let moves = moves(&stands, spread, now, self.shared.lease / 2);
        let mut give = Vec::new();
        let mut take = Vec::new();
        for (((key, plant, role), row), what) in wanted.iter().zip(&rows).zip(moves) {
            let mut desk = self.shared.desk();
            let Some(stander) = desk.standers.get_mut(key) else { continue };
            let held = row.as_ref().filter(|row| row.mine).map(|row| Tenure { token: row.token });
            let asked_to = stander.give_up.take().is_some_and(|tenure| Some(tenure) == held);
            // Where nobody else is there, giving up would help nobody.
            if what == Move::GiveUp || (asked_to && others > 0) {
                stander.holder.send_replace(Holder::Nobody);
                give.push((plant.clone(), *role));
                continue;
            }
            if what == Move::Take {
                take.push((*key, plant.clone(), *role));
                continue;
            }
            let new = match row {
                Some(row) if row.mine => Holder::Me(Tenure { token: row.token }),
                Some(LeaseRow { holder: Some(node), ready, .. }) => {
                    Holder::Other { node: node.clone(), ready: *ready }
                }
                _ => Holder::Nobody,
            };
            stander.holder.send_if_modified(|holder| {
                let changed = *holder != new;
                *holder = new;
                changed
            });
        }
        self.give(client, &give).await?;
        self.take(client, &take).await?;
        self.say_ready(client).await
    }

    /// How many leases which node has.
    async fn spread(&self, client: &Client) -> Result<Everywhere, Error> {
        let me = self.shared.number.load(Ordering::Acquire);
        let rows = client
            .query(
                "SELECT nodes.id, nodes.wants, count(leases.plant) FROM nodes LEFT JOIN leases ON leases.node = nodes.id \
                 WHERE nodes.until > clock_timestamp() GROUP BY nodes.id, nodes.wants",
                &[],
            )
            .await
            .map_err(|error| self.failure(&error))?;
        let mut spread = Spread { mine: 0, fewest_elsewhere: None };
        let mut others = 0;
        for row in rows {
            let (node, wants, held): (i64, i32, i64) = (row.get(0), row.get(1), row.get(2));
            let held = usize::try_from(held).unwrap_or_default();
            if node == me {
                spread.mine = held;
                continue;
            }
            if wants > 0 {
                others += 1;
            }
            if usize::try_from(wants).unwrap_or_default() > held {
                spread.fewest_elsewhere =
                    Some(spread.fewest_elsewhere.map_or(held, |fewest| fewest.min(held)));
            }
        }
        Ok(Everywhere { spread, others })
    }

    async fn leases(
        &self,
        client: &Client,
        wanted: &[(u64, String, &'static str)],
    ) -> Result<Vec<Option<LeaseRow>>, Error> {
        let me = self.shared.number.load(Ordering::Acquire);
        let plants: Vec<&str> = wanted.iter().map(|(_, plant, _)| plant.as_str()).collect();
        let roles: Vec<&str> = wanted.iter().map(|(_, _, role)| *role).collect();
        let rows = client
            .query(
                "SELECT leases.token, leases.node = $1, holder.name, leases.ready \
                 FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS wanted (plant, role, place) \
                 LEFT JOIN plants ON plants.name = wanted.plant \
                 LEFT JOIN leases ON leases.plant = plants.id AND leases.role = wanted.role \
                 LEFT JOIN nodes AS holder ON holder.id = leases.node AND holder.until > clock_timestamp() \
                 ORDER BY wanted.place",
                &[&me, &plants, &roles],
            )
            .await
            .map_err(|error| self.failure(&error))?;
        let lease = |row: &tokio_postgres::Row| {
            Some(LeaseRow {
                token: row.get::<_, Option<i64>>(0)?,
                mine: row.get::<_, Option<bool>>(1).unwrap_or(false)
                    && row.get::<_, Option<&str>>(2).is_some(),
                holder: row.get(2),
                ready: row.get(3),
            })
        };
        Ok(rows.iter().map(lease).collect())
    }

    async fn take(&self, client: &Client, wanted: &[(u64, String, &'static str)]) -> Result<(), Error> {
        if wanted.is_empty() {
            return Ok(());
        }
        let me = self.shared.number.load(Ordering::Acquire);
        let plants: Vec<&str> = wanted.iter().map(|(_, plant, _)| plant.as_str()).collect();
        let roles: Vec<&str> = wanted.iter().map(|(_, _, role)| *role).collect();
        // In one order, so that two nodes that take several wait for each other and do not block each other.
        let rows = client
            .query(
                "WITH taken AS (INSERT INTO leases (plant, role, node, token) \
                 SELECT plants.id, wanted.role, $1, 1 FROM unnest($2::text[], $3::text[]) AS wanted (plant, role) \
                 JOIN plants ON plants.name = wanted.plant ORDER BY plants.id, wanted.role \
                 ON CONFLICT (plant, role) DO UPDATE SET node = $1, token = leases.token + 1, ready = false, \
                 since = clock_timestamp() WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = leases.node \
                 AND nodes.until > clock_timestamp()) RETURNING plant, role, token) \
                 SELECT plants.name, taken.role, taken.token FROM taken JOIN plants ON plants.id = taken.plant",
                &[&me, &plants, &roles],
            )
            .await
            .map_err(|error| self.failure(&error))?;
        let mut desk = self.shared.desk();
        for row in rows {
            let (plant, role, token): (&str, &str, i64) = (row.get(0), row.get(1), row.get(2));
            let key = wanted
                .iter()
                .find(|(_, wanted, part)| wanted == plant && *part == role)
                .map(|(key, ..)| *key);
            // One that nobody stands for any more is given up the next time.
            if let Some(stander) = key.and_then(|key| desk.standers.get_mut(&key)) {
                tracing::info!(plant, role, token, "this node plays the part from now on");
                stander.free_since = None;
                stander.holder.send_replace(Holder::Me(Tenure { token }));
            }
        }
        Ok(())
    }

    async fn give(&self, client: &Client, leases: &[(String, &'static str)]) -> Result<(), Error> {
        if leases.is_empty() {
            return Ok(());
        }
        let me = self.shared.number.load(Ordering::Acquire);
        let plants: Vec<&str> = leases.iter().map(|(plant, _)| plant.as_str()).collect();
        let roles: Vec<&str> = leases.iter().map(|(_, role)| *role).collect();
        client
            .execute(
                "UPDATE leases SET node = NULL, ready = false \
                 FROM unnest($2::text[], $3::text[]) AS given (plant, role) JOIN plants ON plants.name = given.plant \
                 WHERE leases.node = $1 AND leases.plant = plants.id AND leases.role = given.role",
                &[&me, &plants, &roles],
            )
            .await
            .map_err(|error| self.failure(&error))?;
        for (plant, role) in leases {
            tracing::info!(plant, role, "this node has given the part up");
        }
        self.shared.tell(Topic::Leases, "");
        Ok(())
    }

    /// Gives up what this node has and nobody in it stands for any more.
    async fn give_up_unwanted(&self, client: &Client) -> Result<(), Error> {
        let me = self.shared.number.load(Ordering::Acquire);
        let rows = client
            .query(
                "SELECT plants.name, leases.role FROM leases JOIN plants ON plants.id = leases.plant \
                 WHERE leases.node = $1",
                &[&me],
            )
            .await
            .map_err(|error| self.failure(&error))?;
        let unwanted: Vec<(String, &'static str)> = {
            let desk = self.shared.desk();
            let stands_for = |plant: &str, role: Role| {
                desk.standers.values().any(|one| one.plant.name() == plant && one.role == role)
            };
            rows.iter()
                .filter_map(|row| {
                    let role = Role::ALL.iter().copied().find(|role| role.name() == row.get::<_, &str>(1))?;
                    let plant: &str = row.get(0);
                    (!stands_for(plant, role)).then(|| (plant.to_owned(), role.name()))
                })
                .collect()
        };
        self.give(client, &unwanted).await
    }

    async fn say_ready(&self, client: &Client) -> Result<(), Error> {
        let ready: Vec<(String, &'static str, i64)> = {
            let mut desk = self.shared.desk();
            let ready = desk.standers.values_mut().filter_map(|one| {
                let tenure = one.ready.take()?;
                Some((one.plant.name().to_owned(), one.role.name(), tenure.token))
            });
            ready.collect()
        };
        if ready.is_empty() {
            return Ok(());
        }
        let me = self.shared.number.load(Ordering::Acquire);
        for (plant, role, token) in &ready {
            client
                .execute(
                    "UPDATE leases SET ready = true FROM plants WHERE plants.id = leases.plant AND plants.name = $1 \
                     AND leases.role = $2 AND leases.token = $3 AND leases.node = $4",
                    &[plant, role, token, &me],
                )
                .await
                .map_err(|error| self.failure(&error))?;
        }
        self.shared.tell(Topic::Leases, "");
        Ok(())
    }

    /// Tells the other nodes what was gathered.
    async fn tell(&self, client: &Client) -> Result<(), Error> {
        let news = std::mem::take(&mut self.shared.desk().news);
        if news.is_empty() {
            return Ok(());
        }
        let me = self.shared.number.load(Ordering::Acquire);
        let words: Vec<String> =
            news.iter().map(|(topic, plant)| format!("{}:{me}:{plant}", topic.letter())).collect();
        client
            .execute("SELECT pg_notify($1, word) FROM unnest($2::text[]) AS word", &[&self.channel(), &words])
            .await
            .map_err(|error| self.failure(&error))?;
        Ok(())
    }

    /// Looks for work that nobody told of, and says when to look again.
    async fn look(&self, client: &Client) -> Result<Instant, Error> {
        let plants = self.shared.plants.all();
        let names: Vec<&str> = plants.iter().map(|plant| plant.name()).collect();
        let now = jiff::Timestamp::now().as_microsecond() + self.shared.ahead.load(Ordering::Relaxed);
        let rows = client
            .query(
                "SELECT plants.name, \
                 EXISTS (SELECT 1 FROM inbox WHERE plant = plants.id AND state = 0) \
                 OR EXISTS (SELECT 1 FROM inbox WHERE plant = plants.id AND state = 2 AND due_us <= $2) \
                 OR EXISTS (SELECT 1 FROM inbox WHERE plant = plants.id AND state = 1 AND (visible_until < clock_timestamp() \
                 OR NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = inbox.node AND until > clock_timestamp()))), \
                 EXISTS (SELECT 1 FROM outbox WHERE plant = plants.id AND state = 0) \
                 OR EXISTS (SELECT 1 FROM outbox WHERE plant = plants.id AND state = 2 AND due_us <= $2) \
                 OR EXISTS (SELECT 1 FROM outbox WHERE plant = plants.id AND state = 1 \
                 AND NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = outbox.node AND until > clock_timestamp())) \
                 FROM plants WHERE plants.name = ANY ($1)",
                &[&names, &now],
            )
            .await
            .map_err(|error| self.failure(&error))?;
        for row in rows {
            let name: &str = row.get(0);
            let Some(plant) = plants.iter().find(|plant| plant.name() == name) else { continue };
            if row.get(1) {
                plant.inbox_changed();
            }
            if row.get(2) {
                plant.outbox_changed();
            }
        }
        let many = u32::try_from(plants.len() / PLANTS_A_LOOK).unwrap_or(u32::MAX - 1) + 1;
        Ok(Instant::now() + LOOK.saturating_mul(many).mul_f64(0.75 + 0.5 * fastrand::f64()))
    }

    /// Gives up everything. What cannot be told is found out when the node's time is over.
    async fn leave(&self, client: &Client) {
        self.shared.lapse();
        let me = self.shared.number.load(Ordering::Acquire);
        let leave = async {
            client.execute("UPDATE leases SET node = NULL, ready = false WHERE node = $1", &[&me]).await?;
            client.execute("DELETE FROM nodes WHERE id = $1", &[&me]).await?;
            self.shared.desk().news.insert((Topic::Leases, String::new()));
            let words: Vec<String> = {
                let news = std::mem::take(&mut self.shared.desk().news);
                news.iter().map(|(topic, plant)| format!("{}:{me}:{plant}", topic.letter())).collect()
            };
            client
                .execute(
                    "SELECT pg_notify($1, word) FROM unnest($2::text[]) AS word",
                    &[&self.channel(), &words],
                )
                .await
        };
        match timeout(self.shared.lease, leave).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the node could not take its leave"),
            Err(_) => tracing::debug!("the node could not take its leave: no answer"),
        }
    }
}

/// How the leases are spread over all nodes.
#[derive(Clone, Copy)]
struct Everywhere {
    spread: Spread,
    /// How many other nodes there are that stand for anything.
    others: usize,
}

/// What operators know this process by: the machine and the process id.
fn node_name() -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok());
    let machine = machine.as_deref().map(str::trim).filter(|name| !name.is_empty()).unwrap_or("node");
    format!("{machine}:{}", std::process::id())
}
