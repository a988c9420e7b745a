//! [`Running`]: one plant at work: a task that starts what its settings say, again and again until that succeeds, and offers
//! its completions to the consumer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::config::PlantConfig;
use crate::backoff::Backoff;
use crate::catalogue::Catalogue;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::feed::{Delivery, Feed};
use crate::outbox::OutboxSender;
use crate::receiver::{OpenDoor, Router};
use crate::store::Store;
use crate::webhook_keeper::WebhookKeeper;

/// The waits before a plant that could not be started is started again.
const AGAIN: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60) };
/// How long a completion waits for a consumer before it is put back for another node.
const HOLD: Duration = Duration::from_secs(10);
/// How many plants look into the store of themselves in a second, all together.
const LOOKS_PER_SECOND: u32 = 100;

/// What all plants of a process have in common.
pub(super) struct Surroundings {
    pub(super) store: Store,
    pub(super) router: Arc<Router>,
    pub(super) offers: mpsc::Sender<Offer>,
    /// How many may start at once: each opens connections and reads certificates.
    pub(super) starts: Semaphore,
    /// How many plants there are.
    pub(super) plants: watch::Sender<usize>,
}

/// A completion that waits for a consumer, or why a plant's feed has ended.
pub(super) struct Offer {
    pub(super) plant: Arc<str>,
    pub(super) what: Result<Delivery, Error>,
    /// After that it is another node's turn.
    stale: Option<Instant>,
    stopped: watch::Receiver<Option<Duration>>,
}

impl Offer {
    /// What it holds, unless it is too late for that: then it is put back.
    pub(super) fn take(self) -> Option<(Arc<str>, Result<Delivery, Error>)> {
        let late = self.is_over() || self.stale.is_some_and(|stale| Instant::now() >= stale);
        match self.what {
            Ok(delivery) if late => {
                delivery.put_back();
                None
            }
            what => Some((self.plant, what)),
        }
    }

    /// Whether its plant is being closed.
    pub(super) fn is_over(&self) -> bool {
        self.stopped.borrow().is_some()
    }
}

/// What runs for a plant.
pub(super) struct Parts {
    pub(super) client: Client,
    pub(super) feed: Option<Arc<Feed>>,
    pub(super) sender: Option<OutboxSender>,
    pub(super) catalogue: Option<Catalogue>,
    keeper: Mutex<Option<WebhookKeeper>>,
    door: Mutex<Option<OpenDoor>>,
}

impl Parts {
    async fn close(&self, grace: Duration) {
        drop(self.door.lock().unwrap_or_else(PoisonError::into_inner).take());
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        let keeper = async {
            if let Some(keeper) = keeper {
                // A registration that is half done is mended by the next start.
                let _ = keeper.close(grace).await;
            }
        };
        let sender = async {
            if let Some(sender) = &self.sender {
                // What had no answer in time is sent again by the next sender.
                let _ = sender.close(grace).await;
            }
        };
        let feed = async {
            if let Some(feed) = &self.feed {
                feed.close(grace).await;
            }
        };
        let catalogue = async {
            if let Some(catalogue) = &self.catalogue {
                catalogue.close().await;
            }
        };
        tokio::join!(keeper, sender, feed, catalogue);
    }
}

/// How far a plant has come.
#[derive(Clone)]
pub(super) enum Stage {
    Starting,
    Running(Arc<Parts>),
    /// It could not be started, or its feed has ended with an error; it is started again.
    Failed(Error),
    Closed,
}

/// One plant at work. Dropping it ends the work at once.
pub(super) struct Running {
    pub(super) name: Arc<str>,
    pub(super) config: PlantConfig,
    pub(super) store: Store,
    pub(super) stage: watch::Receiver<Stage>,
    /// How long what is in hand may take, once the plant is to end.
    stop: watch::Sender<Option<Duration>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Running {
    /// `door` is the path that its posts come to.
    pub(super) fn start(
        name: &str,
        config: PlantConfig,
        door: Option<String>,
        surroundings: &Arc<Surroundings>,
    ) -> Result<Self, Error> {
        let store = surroundings.store.plant(name)?;
        let name: Arc<str> = name.into();
        let (stop, stopped) = watch::channel(None);
        let (told, stage) = watch::channel(Stage::Starting);
        let work = Work {
            name: Arc::clone(&name),
            config: config.clone(),
            store: store.clone(),
            door,
            surroundings: Arc::clone(surroundings),
            stage: told,
            stopped,
        };
        let task = Mutex::new(Some(tokio::spawn(work.run())));
        Ok(Self { name, config, store, stage, stop, task })
    }

    /// Begins to end it.
    pub(super) fn stop(&self, grace: Duration) {
        self.stop.send_replace(Some(grace));
    }

    /// Ends it in an orderly way: what is in hand may be settled within `grace`.
    pub(super) async fn close(&self, grace: Duration) {
        self.stop(grace);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // A panic was reported by the runtime already.
            let _ = task.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

/// What the task works with.
struct Work {
    name: Arc<str>,
    config: PlantConfig,
    store: Store,
    door: Option<String>,
    surroundings: Arc<Surroundings>,
    stage: watch::Sender<Stage>,
    stopped: watch::Receiver<Option<Duration>>,
}

async fn stop_of(stopped: &mut watch::Receiver<Option<Duration>>) -> Duration {
    // Without its owner there is nothing to be gracious for.
    stopped.wait_for(Option::is_some).await.ok().and_then(|grace| *grace).unwrap_or_default()
}

impl Work {
    async fn run(self) {
        let mut stopped = self.stopped.clone();
        let mut failures = 0;
        loop {
            let started = tokio::select! {
                biased;
                _ = stop_of(&mut stopped) => break,
                started = self.begin() => started,
            };
            let error = match started {
                Ok(parts) => {
                    let parts = Arc::new(parts);
                    self.stage.send_replace(Stage::Running(Arc::clone(&parts)));
                    let began = Instant::now();
                    let ended = self.offer_all(&parts).await;
                    let grace = (*self.stopped.borrow()).unwrap_or_default();
                    if began.elapsed() > AGAIN.cap {
                        failures = 0;
                    }
                    if let Err(error) = &ended {
                        self.stage.send_replace(Stage::Failed(error.clone()));
                    }
                    parts.close(grace).await;
                    match ended {
                        Ok(()) => break,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            failures += 1;
            let wait = AGAIN.bound(failures);
            tracing::warn!(plant = %self.name, %error, ?wait, "a plant does not run, and is started again");
            self.stage.send_replace(Stage::Failed(error));
            if timeout(wait, stop_of(&mut stopped)).await.is_ok() {
                break;
            }
        }
        self.stage.send_replace(Stage::Closed);
    }

    /// Starts all parts, or none.
    async fn begin(&self) -> Result<Parts, Error> {
        let _permit = self.surroundings.starts.acquire().await;
        let config = self.config.clone();
        // It reads files.
        let client = tokio::task::spawn_blocking(move || config.client()).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Internal, "making the client was ended from outside"))
        })?;
        let feed = match &self.config.feed {
            None => None,
            Some(feed) => {
                let builder =
                    Feed::builder(&client, &self.store).filter(feed.filter.clone()).policy(feed.policy);
                Some(Arc::new(builder.start().await?))
            }
        };
        let sender = match &self.config.sender {
            None => None,
            Some(sender) => {
                let mut builder = OutboxSender::builder(&client, &self.store);
                if let Some(batch) = sender.batch {
                    builder = builder.batch(batch);
                }
                if let Some(concurrency) = sender.concurrency {
                    builder = builder.concurrency(concurrency);
                }
                Some(builder.start().await?)
            }
        };
        let catalogue = match &self.config.catalogue {
            None => None,
            Some(catalogue) => {
                let mut builder = Catalogue::builder(&client, &self.store);
                if let Some(every) = catalogue.refresh_every {
                    builder = builder.refresh_every(every);
                }
                Some(builder.start().await?)
            }
        };
        let (mut door, mut keeper) = (None, None);
        if let (Some(webhook), Some(feed), Some(path)) = (&self.config.webhook, &feed, &self.door) {
            door = Some(self.surroundings.router.open(path.clone(), webhook.secret()?, feed.sink())?);
            if let Some((wanted, policy)) = webhook.registration()? {
                keeper = Some(feed.keep_webhook(wanted, policy)?);
            }
        }
        Ok(Parts { client, feed, sender, catalogue, keeper: Mutex::new(keeper), door: Mutex::new(door) })
    }

    /// Offers completions until the plant is to end, or its feed fails. One at a time is taken out of the inbox, so that
    /// none waits here that another node could book.
    async fn offer_all(&self, parts: &Parts) -> Result<(), Error> {
        let mut stopped = self.stopped.clone();
        let Some(feed) = &parts.feed else {
            stop_of(&mut stopped).await;
            return Ok(());
        };
        let hold = self.config.feed.as_ref().map_or(HOLD, |feed| HOLD.min(feed.policy.visible / 3));
        let offers = &self.surroundings.offers;
        loop {
            let next = tokio::select! {
                biased;
                _ = stop_of(&mut stopped) => return Ok(()),
                next = feed.next_looking_every(self.look_every()) => next,
            };
            let offer = |what| {
                let stale = self.store.is_shared().then(|| Instant::now() + hold);
                Offer { plant: Arc::clone(&self.name), what, stale, stopped: self.stopped.clone() }
            };
            match next {
                None => return Err(Error::new(ErrorKind::Closed, "the feed was closed")),
                Some(Err(error)) => {
                    tokio::select! {
                        _ = stop_of(&mut stopped) => {}
                        // An error means that nobody consumes any more.
                        _ = offers.send(offer(Err(error.clone().context(&self.name)))) => {}
                    }
                    return Err(error);
                }
                Some(Ok(delivery)) => {
                    let turn = async {
                        if self.store.is_shared() { sleep(hold).await } else { std::future::pending().await }
                    };
                    tokio::select! {
                        biased;
                        _ = stop_of(&mut stopped) => {
                            delivery.put_back();
                            return Ok(());
                        }
                        permit = offers.reserve() => match permit {
                            Ok(permit) => permit.send(offer(Ok(delivery))),
                            Err(_) => delivery.put_back(),
                        },
                        () = turn => delivery.put_back(),
                    }
                }
            }
        }
    }

    /// How often to look into the store for what other processes did there: the more plants, the more seldom each.
    fn look_every(&self) -> Duration {
        let plants = u32::try_from(*self.surroundings.plants.borrow()).unwrap_or(u32::MAX);
        self.store.look_again().max(Duration::from_secs(1) * plants / LOOKS_PER_SECOND)
    }
}
