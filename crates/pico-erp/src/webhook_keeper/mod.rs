//! [`WebhookKeeper`]: keeps a webhook registered, and notices when its posts do not arrive.
//!
//! Pico says nothing when it forgets a registration or drops an event. So the list of registrations is read at the start
//! and then at an interval: a registration that is gone or changed is made anew, and a `lastEventAt` that no post
//! followed is told. Whatever can have cost events asks for a catch-up.
//!
//! [`state`] and [`arrivals`] decide, without a server or a clock; the task here carries it out. The feed starts it and
//! is its [`KeeperHost`].

mod arrivals;
mod notice;
mod state;
#[cfg(test)]
mod tests;

pub use notice::{KeeperNotice, RegistrationCause};
pub use state::KeeperPolicy;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::webhook_registration::{Listing, WebhookFingerprint};
use crate::webhooks::WebhookSubscribe;
use state::{Action, KeeperState};

/// How many [`WebhookKeeper::check_now`] may wait for one check; more wait for a place.
const REQUESTS: usize = 8;

/// What the keeper needs of its surroundings.
pub(crate) trait KeeperHost: Send + Sync + 'static {
    /// The text that was saved last, if there is one.
    fn load_fingerprint(&self) -> BoxFuture<'static, Result<Option<String>, Error>>;

    /// Returns once the text is on disk.
    fn save_fingerprint(&self, text: String) -> BoxFuture<'static, Result<(), Error>>;

    /// When the last post of this webhook was received, by this machine's clock.
    fn last_received(&self) -> Option<Timestamp>;

    /// Takes what the keeper has to tell. Called on the keeper's task, so it must not wait.
    fn report(&self, notice: KeeperNotice);
}

/// The task that keeps one webhook. Dropping it ends it; the webhook stays registered.
pub struct WebhookKeeper {
    /// `None` once it is being closed.
    requests: Option<mpsc::Sender<oneshot::Sender<()>>>,
    task: JoinHandle<()>,
}

impl WebhookKeeper {
    /// Starts to keep `wanted`, with a check at once.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] naming the field of `wanted` or of `policy` that cannot be right.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub(crate) fn start(
        client: Client,
        wanted: WebhookSubscribe,
        host: Arc<dyn KeeperHost>,
        policy: KeeperPolicy,
    ) -> Result<Self, Error> {
        wanted.check()?;
        policy.check()?;
        let (requests, received) = mpsc::channel(REQUESTS);
        let keeping =
            Keeping { client, wanted, host, state: KeeperState::new(policy), memory: Memory::NotLoaded };
        Ok(Self { requests: Some(requests), task: tokio::spawn(keeping.run(received)) })
    }

    /// Checks now, and returns when that is done: a check that has begun already does not count. Returns at once when
    /// the keeper has ended.
    pub async fn check_now(&self) {
        let (done, is_done) = oneshot::channel();
        if let Some(requests) = &self.requests
            && requests.send(done).await.is_ok()
        {
            // An error means that the keeper has ended.
            let _ = is_done.await;
        }
    }

    /// Ends it, after the check that is under way, if there is one.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] when that check took longer than `deadline` and was broken off. The webhook may be
    /// unregistered then, which the next start mends.
    pub async fn close(mut self, deadline: Duration) -> Result<(), Error> {
        self.requests = None;
        match timeout(deadline, &mut self.task).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                format!("the check of the webhook was not done within {deadline:?}"),
            )),
        }
    }
}

impl Drop for WebhookKeeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for WebhookKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookKeeper").field("ended", &self.task.is_finished()).finish_non_exhaustive()
    }
}

/// What the task works with.
struct Keeping {
    client: Client,
    wanted: WebhookSubscribe,
    host: Arc<dyn KeeperHost>,
    state: KeeperState,
    memory: Memory,
}

/// What is known of the registration from before.
enum Memory {
    NotLoaded,
    Loaded {
        known: Option<WebhookFingerprint>,
        /// Whether it was ever registered from here, also where the fingerprint of it is of no use any more.
        registered_before: bool,
        /// Whether `known` has still to be saved.
        unsaved: bool,
    },
}

impl Keeping {
    async fn run(mut self, mut requests: mpsc::Receiver<oneshot::Sender<()>>) {
        let mut waiting: Vec<oneshot::Sender<()>> = Vec::new();
        loop {
            let wait = self.check().await;
            for done in waiting.drain(..) {
                // Who asked may have gone.
                let _ = done.send(());
            }
            tokio::select! {
                biased;
                request = requests.recv() => {
                    let Some(request) = request else { return };
                    waiting.push(request);
                    while let Ok(request) = requests.try_recv() {
                        waiting.push(request);
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// One check, with what follows from it. Returns how long to wait for the next.
    async fn check(&mut self) -> Duration {
        let actions = match self.look().await {
            Ok((listing, registered_before)) => {
                // Asked after the list was read, so that a post is not missed that arrived meanwhile.
                let last_received = self.host.last_received();
                self.state.checked(listing, registered_before, last_received, Instant::now())
            }
            Err(error) => self.state.check_failed(error, fastrand::f64()),
        };
        let mut wait = self.state.policy().check_interval;
        let mut actions = VecDeque::from(actions);
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Report(notice) => self.host.report(notice),
                Action::CheckAgainIn(time) => wait = time,
                Action::Register(outcome) => {
                    actions.extend(match self.client.register_webhook(&self.wanted, outcome).await {
                        Ok(ensured) => {
                            self.memory = Memory::Loaded {
                                known: Some(ensured.fingerprint),
                                registered_before: true,
                                unsaved: true,
                            };
                            self.save().await;
                            self.state.registered(Instant::now())
                        }
                        Err(error) => self.state.registration_failed(error, fastrand::f64()),
                    });
                }
            }
        }
        wait
    }

    /// How the webhook stands, and whether it was registered before.
    async fn look(&mut self) -> Result<(Listing, bool), Error> {
        if let Memory::NotLoaded = self.memory {
            let text = self.host.load_fingerprint().await?;
            self.memory = Memory::Loaded {
                registered_before: text.is_some(),
                // One that cannot be read is as good as none: the webhook is registered anew.
                known: text.and_then(|text| text.parse().ok()),
                unsaved: false,
            };
        }
        if let Memory::Loaded { unsaved: true, .. } = self.memory {
            self.save().await;
        }
        if let Cow::Owned(wanted) = self.wanted.of(self.client.generation().await?) {
            self.wanted = wanted;
        }
        let listed = self.client.webhooks().await?;
        let (known, registered_before) = match &self.memory {
            Memory::Loaded { known, registered_before, .. } => (known.as_ref(), *registered_before),
            Memory::NotLoaded => (None, false),
        };
        Ok((Listing::of(listed, &self.wanted, known), registered_before))
    }

    /// Saves the fingerprint. If that fails the next check tries again; until then it is kept in memory.
    async fn save(&mut self) {
        let Memory::Loaded { known: Some(known), unsaved, .. } = &mut self.memory else { return };
        match self.host.save_fingerprint(known.as_str().to_owned()).await {
            Ok(()) => *unsaved = false,
            Err(error) => self.host.report(KeeperNotice::FingerprintNotSaved(error)),
        }
    }
}
