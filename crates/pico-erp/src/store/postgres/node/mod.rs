//! [`Node`]: this process's place among the nodes that share a database.
//!
//! This file is what the store holds: the handle, and the desk on which wishes lie. [`thread`] is the one thread with one
//! connection that renews the node's lease, wakes the other nodes when something of theirs has changed and is woken by them
//! (LISTEN and NOTIFY), and looks itself now and then, in case a word was lost. It has a thread of its own so that a busy host
//! does not make the node look dead. [`leases`] takes and gives roles, [`share`] decides which.
//!
//! The database's clock says whose time is over. What this process may assume of itself is counted by its own steady
//! clock, from before it asked: then it is never longer than what the database grants.

mod leases;
mod share;
mod thread;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot, watch};

use super::session::Terms;
use crate::error::{Error, ErrorKind};
use crate::store::Role;
use crate::store::candidacy::{Candidacy, Holder, Seat, Tenure};
use crate::store::plant::{Plant, Plants};
use thread::{Thread, node_name};

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
