//! [`Plants`]: one process for many plants, each with a Pico of its own, on one store and one runtime.
//!
//! [`config`] reads what runs from a file, [`form`] is the file as it is written and [`secret`] what is never shown of it;
//! [`decision`] says what a reload does; [`running`] is one plant at work, and [`status`] where it stands. What the file may
//! hold is told in `docs/plants.md`.

mod config;
mod decision;
mod form;
mod running;
mod secret;
mod status;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Mutex as AsyncMutex, Semaphore, mpsc, watch};

use crate::catalogue::Catalogue;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::feed::{Delivery, Feed};
use crate::outbox::Outbox;
use crate::receiver::{Router, WebhookReceiver};
use crate::store::Store;
use config::{ReceiverConfig, StoreConfig};
use running::{Offer, Parts, Running, Stage, Surroundings};

pub use config::{PlantConfig, PlantsConfig};
pub use decision::Reloaded;
pub use status::{PlantState, PlantStatus};

/// How many plants start at once.
const STARTS: usize = 32;
/// How long a plant that changed or was removed may take to let go of what it has in hand.
const GRACE: Duration = Duration::from_secs(5);

/// A completion, and the plant that it is of.
#[derive(Debug)]
#[non_exhaustive]
pub struct PlantDelivery {
    /// The plant's name.
    pub plant: Arc<str>,
    /// The completion, which owes an answer.
    pub delivery: Delivery,
}

/// Where offers are taken from, one consumer at a time.
struct Taking {
    /// Taken out already, for a consumer that has not come yet.
    first: Option<Offer>,
    offers: mpsc::Receiver<Offer>,
}

/// The receiver of all plants, and what it was started with.
struct Listening {
    config: ReceiverConfig,
    receiver: WebhookReceiver,
}

/// Many plants at work: their completions come out of one place, and each sends its own orders.
///
/// ```no_run
/// # async fn example() -> Result<(), pico_erp::Error> {
/// use pico_erp::{Plants, PlantsConfig};
///
/// let plants = Plants::start(PlantsConfig::read("plants.toml")?).await?;
/// while let Some(next) = plants.next().await {
///     let next = next?;
///     println!("{}: {}", next.plant, next.delivery.completion().external_order_id);
///     next.delivery.ack().await?;
/// }
/// # Ok(()) }
/// ```
///
/// A plant that cannot be started, because its token or its address is wrong, keeps no other from its work: its status says
/// why, and it is started again. There is no thread and no connection to the store for each plant, only tasks. Dropping
/// this ends all plants at once; [`Plants::close`] does so in an orderly way.
pub struct Plants {
    store: StoreConfig,
    surroundings: Arc<Surroundings>,
    running: Mutex<BTreeMap<String, Arc<Running>>>,
    taking: AsyncMutex<Taking>,
    listening: AsyncMutex<Option<Listening>>,
    closed: watch::Sender<bool>,
}

impl Plants {
    /// Opens the store and starts all plants. It waits for none of them: see [`Plant::started`].
    ///
    /// # Errors
    /// As [`Store::open`]; [`ErrorKind::InvalidArgument`] naming a setting of the receiver.
    pub async fn start(config: PlantsConfig) -> Result<Self, Error> {
        let PlantsConfig { store: store_config, receiver, plants } = config;
        let store = store_config.builder()?.open().await?;
        let (offering, offers) = mpsc::channel(1);
        let surroundings = Arc::new(Surroundings {
            store,
            router: Arc::default(),
            offers: offering,
            starts: Semaphore::new(STARTS),
            plants: watch::Sender::new(plants.len()),
        });
        let listening = match receiver {
            Some(config) => Some(listen(config, &surroundings.router).await?),
            None => None,
        };
        let base = listening.as_ref().map(|listening| listening.config.path.clone());
        let mut running = BTreeMap::new();
        for (name, config) in plants {
            let started = Running::start(&name, config, door(base.as_deref(), &name), &surroundings)?;
            running.insert(name, Arc::new(started));
        }
        Ok(Self {
            store: store_config,
            surroundings,
            running: Mutex::new(running),
            taking: AsyncMutex::new(Taking { first: None, offers }),
            listening: AsyncMutex::new(listening),
            closed: watch::Sender::new(false),
        })
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> Vec<Arc<Running>> {
        self.running().values().cloned().collect()
    }

    /// The next completion of any plant, as soon as there is one; plants take turns. `None` when this is closed. May be
    /// dropped at any time without losing one, and called by several tasks at once.
    ///
    /// # Errors
    /// What no waiting mends, such as [`ErrorKind::StoreDamaged`], with the plant's name before it. The other plants go on,
    /// and that one is started again.
    pub async fn next(&self) -> Option<Result<PlantDelivery, Error>> {
        let mut closed = self.closed.subscribe();
        loop {
            let offer = tokio::select! {
                biased;
                // The sender lives in this.
                _ = closed.wait_for(|closed| *closed) => return None,
                offer = self.offer() => offer?,
            };
            if let Some((plant, what)) = offer.take() {
                return Some(what.map(|delivery| PlantDelivery { plant, delivery }));
            }
        }
    }

    async fn offer(&self) -> Option<Offer> {
        let mut taking = self.taking.lock().await;
        match taking.first.take() {
            Some(offer) => Some(offer),
            None => taking.offers.recv().await,
        }
    }

    /// Puts back what waits for a consumer and is of a plant that is being closed, for which its feed would wait.
    fn put_back_late(&self) {
        // Whoever has the lock is a consumer, who looks himself.
        let Ok(mut taking) = self.taking.try_lock() else { return };
        if taking.first.is_none() {
            taking.first = taking.offers.try_recv().ok();
        }
        if taking.first.as_ref().is_some_and(Offer::is_over) {
            // Nothing comes of it but that it is put back.
            let _ = taking.first.take().and_then(Offer::take);
        }
    }

    /// A plant by its name; `None` when there is none of that name in the file.
    #[must_use]
    pub fn plant(&self, name: &str) -> Option<Plant> {
        self.running().get(name).map(|running| Plant { running: Arc::clone(running) })
    }

    /// The names of all plants in the file.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.running().keys().cloned().collect()
    }

    /// The store of all plants.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.surroundings.store
    }

    /// The address that the receiver listens on, where there is one; tells the port where 0 was asked for.
    pub async fn local_addr(&self) -> Option<SocketAddr> {
        self.listening.lock().await.as_ref().map(|listening| listening.receiver.local_addr())
    }

    /// Where every plant stands, in the order of their names.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn status(&self) -> Result<Vec<PlantStatus>, Error> {
        let mut all = Vec::new();
        for running in self.all() {
            all.push(PlantStatus::of(&running).await?);
        }
        Ok(all)
    }

    /// Goes on as `config` says: plants that are new in it are started, those that are gone are closed, those that have other
    /// settings are started anew, and the others go on untouched, their streams included. Waits up to 5 seconds for
    /// completions of closed plants that are in consumers' hands; what is not settled by then is handed out again when the
    /// plant is started again.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when the store is another than before, or the receiver cannot listen; nothing has
    /// changed then. [`ErrorKind::Closed`] after [`Plants::close`].
    pub async fn reload(&self, config: PlantsConfig) -> Result<Reloaded, Error> {
        // Held to the end: one reload at a time.
        let mut listening = self.listening.lock().await;
        if *self.closed.borrow() {
            return Err(closed());
        }
        if config.store != self.store {
            return Err(Error::invalid("store", "is another than at the start; that needs a restart"));
        }
        let is: BTreeMap<_, _> =
            self.running().iter().map(|(name, running)| (name.clone(), running.config.clone())).collect();
        let mut reloaded = decision::decide(&is, &config.plants);
        let path = |config: Option<&ReceiverConfig>| config.map(|config| config.path.clone());
        let base = path(config.receiver.as_ref());
        if base != path(listening.as_ref().map(|listening| &listening.config)) {
            // Their posts come to another path.
            let (moved, kept) = std::mem::take(&mut reloaded.kept)
                .into_iter()
                .partition(|name| config.plants.get(name).is_some_and(|plant| plant.webhook.is_some()));
            reloaded.kept = kept;
            reloaded.changed.extend::<Vec<String>>(moved);
            reloaded.changed.sort();
        }
        self.listen_as(&mut listening, config.receiver).await?;
        let ending: Vec<_> = {
            let mut running = self.running();
            reloaded.removed.iter().chain(&reloaded.changed).filter_map(|name| running.remove(name)).collect()
        };
        for plant in &ending {
            plant.stop(GRACE);
        }
        self.put_back_late();
        join_all(ending.iter().map(|plant| plant.close(GRACE))).await;
        self.surroundings.plants.send_replace(config.plants.len());
        for (name, plant) in config.plants {
            if self.running().contains_key(&name) {
                continue;
            }
            let started = Running::start(&name, plant, door(base.as_deref(), &name), &self.surroundings)?;
            self.running().insert(name, Arc::new(started));
        }
        Ok(reloaded)
    }

    /// Listens as `wanted` says from now on. Where that is at the same address, the old one must be gone before.
    async fn listen_as(
        &self,
        listening: &mut Option<Listening>,
        wanted: Option<ReceiverConfig>,
    ) -> Result<(), Error> {
        if listening.as_ref().map(|listening| &listening.config) == wanted.as_ref() {
            return Ok(());
        }
        let old = listening.take();
        let same_place =
            old.as_ref().zip(wanted.as_ref()).is_some_and(|(old, new)| old.config.bind == new.bind);
        let router = &self.surroundings.router;
        let (old, before) = match old {
            Some(Listening { config, receiver }) if same_place => {
                // What was still being stored is not lost: Pico was not told that it is on disk.
                let _ = receiver.close(GRACE).await;
                (None, Some(config))
            }
            other => (other, None),
        };
        let started = match wanted {
            Some(config) => listen(config, router).await.map(Some),
            None => Ok(None),
        };
        match started {
            Ok(new) => {
                *listening = new;
                if let Some(old) = old {
                    let _ = old.receiver.close(GRACE).await;
                }
                Ok(())
            }
            Err(error) => {
                *listening = match before {
                    // Back to what it was.
                    Some(config) => listen(config, router).await.ok(),
                    None => old,
                };
                Err(error)
            }
        }
    }

    /// Ends all plants without waiting, as dropping this does; [`Plants::next`] gives `None` in every task that waits there.
    /// Completions that are in consumers' hands can still be settled.
    pub fn end(&self) {
        self.closed.send_replace(true);
        for plant in self.all() {
            plant.stop(Duration::ZERO);
        }
    }

    /// Ends all plants: nothing more is taken in, handed out or sent, and [`Plants::next`] gives `None`. Waits up to `grace`
    /// for completions in consumers' hands and for requests that are under way, and closes the store.
    pub async fn close(&self, grace: Duration) {
        self.closed.send_replace(true);
        let mut listening = self.listening.lock().await;
        if let Some(listening) = listening.take() {
            // What was still being stored was not confirmed to Pico.
            let _ = listening.receiver.close(grace).await;
        }
        let all = self.all();
        for plant in &all {
            plant.stop(grace);
        }
        self.put_back_late();
        join_all(all.iter().map(|plant| plant.close(grace))).await;
        self.surroundings.store.close().await;
    }
}

impl Drop for Plants {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Plants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plants")
            .field("store", self.store())
            .field("plants", &self.names())
            .finish_non_exhaustive()
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the plants are closed")
}

/// The path that a plant's posts come to.
fn door(base: Option<&str>, plant: &str) -> Option<String> {
    base.map(|base| format!("{base}/{plant}"))
}

async fn listen(config: ReceiverConfig, router: &Arc<Router>) -> Result<Listening, Error> {
    let mut builder = WebhookReceiver::routed(Arc::clone(router)).bind(&config.bind);
    if let Some((certificate, key)) = &config.tls {
        builder = builder.tls_files(certificate, key);
    }
    if config.any_content_type {
        builder = builder.any_content_type();
    }
    if let Some(count) = config.max_connections {
        builder = builder.max_connections(count);
    }
    let receiver = builder.start().await.map_err(|error| error.context("receiver"))?;
    Ok(Listening { config, receiver })
}

/// One of many plants. Stays usable after a reload has closed the plant, as far as the store goes.
#[derive(Clone)]
pub struct Plant {
    running: Arc<Running>,
}

impl Plant {
    fn parts(&self) -> Option<Arc<Parts>> {
        match &*self.running.stage.borrow() {
            Stage::Running(parts) => Some(Arc::clone(parts)),
            _ => None,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.running.name
    }

    /// Waits until its parts run. Whether Pico can be reached is another question: [`Feed::opened`].
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] when the plant is closed. A plant that cannot be started is waited for: its status says why.
    pub async fn started(&self) -> Result<(), Error> {
        let mut stage = self.running.stage.clone();
        let now = stage.wait_for(|stage| matches!(stage, Stage::Running(_) | Stage::Closed)).await;
        match now.as_deref() {
            Ok(Stage::Running(_)) => Ok(()),
            _ => Err(Error::new(ErrorKind::Closed, format!("plant {} is closed", self.running.name))),
        }
    }

    /// Its Pico; `None` while it does not run.
    #[must_use]
    pub fn client(&self) -> Option<Client> {
        self.parts().map(|parts| parts.client.clone())
    }

    /// Its part of the store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.running.store
    }

    /// Its outbox. What is queued here is sent when its sender runs.
    #[must_use]
    pub fn outbox(&self) -> Outbox {
        self.running.store.outbox()
    }

    /// Its feed; `None` while it does not run, and where the file turns it off. Its completions come out of
    /// [`Plants::next`].
    #[must_use]
    pub fn feed(&self) -> Option<Arc<Feed>> {
        self.parts()?.feed.clone()
    }

    /// Its catalogue; `None` while it does not run, and where the file does not turn it on.
    #[must_use]
    pub fn catalogue(&self) -> Option<Catalogue> {
        self.parts()?.catalogue.clone()
    }

    /// Where it stands.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn status(&self) -> Result<PlantStatus, Error> {
        PlantStatus::of(&self.running).await
    }
}

impl fmt::Debug for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plant").field("name", &self.running.name).finish_non_exhaustive()
    }
}
