//! The thread of a [`Node`](super::Node): connects, renews the lease, tells and hears, and looks for work that nobody told of.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::{sleep, sleep_until, timeout};
use tokio_postgres::Client;

use super::{Shared, Topic};
use crate::error::{Error, ErrorKind};
use crate::store::postgres::failure::failure;
use crate::store::postgres::schema;
use crate::store::postgres::session::Terms;

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

pub(super) struct Thread {
    pub(super) shared: Arc<Shared>,
    pub(super) terms: Terms,
    pub(super) name: String,
}

impl Thread {
    pub(super) fn run(self, must_exist: bool, opened: oneshot::Sender<Result<(), Error>>) {
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

    pub(super) fn failure(&self, error: &tokio_postgres::Error) -> Error {
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

/// What operators know this process by: the machine and the process id.
pub(super) fn node_name() -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok());
    let machine = machine.as_deref().map(str::trim).filter(|name| !name.is_empty()).unwrap_or("node");
    format!("{machine}:{}", std::process::id())
}
