//! A node: the process, its cables to the database and to each Pico, and what is wrong with it at the moment.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pico_erp_test_cluster::{Cut, Newcomers};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::LEASE;
use crate::plant::Plant;

const PROGRAM: &str = env!("CARGO_BIN_EXE_chaos-node");
/// How long a node may take to begin when nothing is wrong, on a machine that is busy with other tests.
const BEGIN: Duration = Duration::from_secs(60);
/// How long a cable that was reset needs to notice.
const NOTICE: Duration = Duration::from_millis(30);

/// What a node says about an order that it was told to queue.
pub(crate) enum Word {
    Queued(String),
    Refused(String),
}

/// How a node is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    pub(crate) pid: Option<u32>,
    pub(crate) ready: bool,
    pub(crate) paused: bool,
    pub(crate) database_cut: bool,
    pub(crate) pico_cut: Vec<Option<Newcomers>>,
    /// How often something has gone wrong with it, also for less than a moment.
    pub(crate) mishaps: u64,
    pub(crate) pico_mishaps: Vec<u64>,
}

impl Health {
    /// Whether it can hold a plant's live source.
    pub(crate) fn well(&self, plant: usize) -> bool {
        self.ready && !self.paused && !self.database_cut && self.pico_cut[plant].is_none()
    }
}

pub(crate) struct Node {
    pub(crate) number: usize,
    database: Cut,
    database_url: String,
    picos: Vec<Cut>,
    health: Mutex<Health>,
    /// Changes when the node says that it is ready, and when it is gone.
    changed: watch::Sender<()>,
    process: tokio::sync::Mutex<Option<(Child, ChildStdin)>>,
    seeds: Mutex<fastrand::Rng>,
    words: mpsc::UnboundedSender<Word>,
}

impl Node {
    /// To be made on a thread without a runtime: the cables have their own.
    pub(crate) fn new(
        number: usize,
        database: SocketAddr,
        url_through: impl FnOnce(u16) -> String,
        picos: &[SocketAddr],
        seeds: fastrand::Rng,
        words: mpsc::UnboundedSender<Word>,
    ) -> Self {
        let database = Cut::new(database);
        let database_url = url_through(database.address().port());
        let picos: Vec<Cut> = picos.iter().map(|address| Cut::new(*address)).collect();
        let health = Health {
            pico_cut: vec![None; picos.len()],
            pico_mishaps: vec![0; picos.len()],
            ..Health::default()
        };
        Self {
            number,
            database,
            database_url,
            picos,
            health: Mutex::new(health),
            changed: watch::Sender::new(()),
            process: tokio::sync::Mutex::new(None),
            seeds: Mutex::new(seeds),
            words,
        }
    }

    pub(crate) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mishap(&self, change: impl FnOnce(&mut Health)) {
        let mut health = self.health();
        health.mishaps += 1;
        change(&mut health);
    }

    pub(crate) async fn start(self: &Arc<Self>, plants: &[Plant]) {
        let seed = self.seeds.lock().unwrap_or_else(PoisonError::into_inner).u64(..);
        let mut command = Command::new(PROGRAM);
        command.args([&self.database_url, &seed.to_string(), &LEASE.as_millis().to_string()]);
        command.args(plants.iter().zip(&self.picos).map(|(plant, cable)| {
            let path = plant.sandbox.endpoint();
            let path = path.rsplit_once('/').map_or("", |(_, path)| path).to_owned();
            format!("{}=http://{}/{path}", plant.name, cable.address())
        }));
        command.env("CHAOS_NODE", format!("node-{}", self.number));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{PROGRAM}: {error}"));
        let input = child.stdin.take().expect("a pipe");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let pid = child.id();
        self.health().pid = pid;
        let node = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                node.heard(&line, pid);
            }
        });
        *self.process.lock().await = Some((child, input));
    }

    fn heard(&self, line: &str, pid: Option<u32>) {
        // A line that it died of is none.
        let Ok(line) = serde_json::from_str::<Value>(line) else { return };
        if line["stage"] == "ready" {
            let mut health = self.health();
            health.ready = health.pid == pid;
            drop(health);
            self.changed.send_replace(());
        }
        let word = match (line["queued"].as_str(), line["refused"].as_str()) {
            (Some(id), _) => Word::Queued(id.to_owned()),
            (_, Some(id)) => Word::Refused(id.to_owned()),
            _ => return,
        };
        // Nobody hears it once the test is over.
        let _ = self.words.send(word);
    }

    /// Waits until it is.
    pub(crate) async fn ready(&self) {
        let mut changes = self.changed.subscribe();
        let ready = timeout(BEGIN, changes.wait_for(|()| self.health().ready)).await;
        assert!(ready.is_ok(), "node {} was not ready within {BEGIN:?}: {:?}", self.number, self.health());
    }

    /// SIGKILL.
    ///
    /// # Panics
    /// When it has ended otherwise: it goes on until it is killed.
    pub(crate) async fn kill(&self) {
        self.mishap(|health| (health.pid, health.ready) = (None, false));
        let Some((mut child, input)) = self.process.lock().await.take() else { return };
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            panic!("node {} ended by itself: {status}", self.number);
        }
        child.kill().await.expect("a child can be killed");
        drop(input);
    }

    /// Tells it something; whether it heard is told by its answer.
    pub(crate) async fn tell(&self, line: &Value) {
        if let Some((_, input)) = &mut *self.process.lock().await {
            // One that has stopped reading, or is being killed, does not hear it.
            let _ = timeout(NOTICE, input.write_all(format!("{line}\n").as_bytes())).await;
        }
    }

    pub(crate) async fn pause(&self) {
        self.mishap(|health| health.paused = true);
        self.signal("STOP").await;
    }

    pub(crate) async fn go_on(&self) {
        self.signal("CONT").await;
        self.health().paused = false;
    }

    async fn signal(&self, name: &str) {
        let Some(pid) = self.health().pid else { return };
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().await;
        assert!(sent.is_ok_and(|status| status.success()), "node {} is not there", self.number);
    }

    pub(crate) fn cut_database(&self, newcomers: Newcomers) {
        self.mishap(|health| health.database_cut = true);
        self.database.cut(newcomers);
        if newcomers == Newcomers::Refused {
            self.database.reset();
        }
    }

    /// What was under way arrives late, or never when `dropping`.
    pub(crate) async fn heal_database(&self, dropping: bool) {
        if dropping {
            self.database.reset();
            tokio::time::sleep(NOTICE).await;
        }
        self.database.heal();
        self.health().database_cut = false;
    }

    pub(crate) fn reset_database(&self) {
        self.mishap(|_| {});
        self.database.reset();
    }

    pub(crate) fn cut_pico(&self, plant: usize, newcomers: Newcomers) {
        {
            let mut health = self.health();
            health.pico_mishaps[plant] += 1;
            health.pico_cut[plant] = Some(newcomers);
        }
        self.picos[plant].cut(newcomers);
        if newcomers == Newcomers::Refused {
            self.picos[plant].reset();
        }
    }

    /// What was under way is dropped: an order that a network keeps for seconds and then delivers, after its sender has
    /// died and another has sent a newer one, is one that nobody but Pico could refuse.
    pub(crate) async fn heal_picos(&self, plants: &[usize]) {
        plants.iter().for_each(|plant| self.picos[*plant].reset());
        tokio::time::sleep(NOTICE).await;
        for plant in plants {
            self.picos[*plant].heal();
            self.health().pico_cut[*plant] = None;
        }
    }
}
