//! What happens to the nodes, the cables, the database and on the floors, as the dice say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use pico_erp_test_cluster::{Cluster, Newcomers};
use pico_erp_tests::seed::Seed;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::node::{Node, Word};
use crate::plant::Plant;
use crate::{NODES, PLANTS, look, made};

const LEDGER: &str = "CREATE SCHEMA ledger;
    CREATE TABLE ledger.books (plant text, key text, serial text, PRIMARY KEY (plant, key));
    CREATE TABLE ledger.journal (number bigserial PRIMARY KEY, what text, plant text, key text, attempt bigint, node bigint,
        at timestamptz DEFAULT clock_timestamp())";

/// How much was done.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) kills: AtomicU64,
    pub(crate) pauses: AtomicU64,
    pub(crate) database_cuts: AtomicU64,
    pub(crate) pico_cuts: AtomicU64,
    pub(crate) database_kills: AtomicU64,
}

fn count(figure: &AtomicU64) {
    figure.fetch_add(1, Ordering::Relaxed);
}

pub(crate) struct World {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) url: String,
    pub(crate) database_up: AtomicBool,
    pub(crate) plants: Vec<Plant>,
    pub(crate) nodes: Vec<Arc<Node>>,
    pub(crate) words: tokio::sync::Mutex<mpsc::UnboundedReceiver<Word>>,
    pub(crate) done: Done,
}

impl World {
    pub(crate) async fn new(seed: &Seed) -> Arc<Self> {
        let mut plants = Vec::new();
        for number in 0..PLANTS {
            plants.push(Plant::new(number).await);
        }
        let (cluster, url) = made().await;
        let client = look(&url).await.expect("the database is there");
        client.batch_execute(LEDGER).await.expect("the ledger is made");
        let (words, heard) = mpsc::unbounded_channel();
        let picos: Vec<_> = plants.iter().map(|plant| plant.sandbox.addr()).collect();
        let cluster = Arc::new(cluster);
        let (at, through) = (Arc::clone(&cluster), url.clone());
        let dice: Vec<Rng> = (0..NODES as u64).map(|number| seed.dice(number)).collect();
        let nodes = tokio::task::spawn_blocking(move || {
            let node = |(number, seeds)| {
                let address = ([127, 0, 0, 1], at.port()).into();
                let url = |port| at.through(port, &through);
                Arc::new(Node::new(number, address, url, &picos, seeds, words.clone()))
            };
            dice.into_iter().enumerate().map(node).collect()
        });
        Arc::new(Self {
            cluster,
            url,
            database_up: AtomicBool::new(true),
            plants,
            nodes: nodes.await.expect("the cables are laid"),
            words: tokio::sync::Mutex::new(heard),
            done: Done::default(),
        })
    }
}

/// A wait within these bounds, in milliseconds; often near the shorter.
fn span(dice: &mut Rng, from: u64, to: u64) -> Duration {
    Duration::from_millis(from) + Duration::from_millis(to - from).mul_f64(dice.f64() * dice.f64())
}

async fn until(end: Instant, wait: Duration) -> bool {
    sleep(wait.min(end.saturating_duration_since(Instant::now()))).await;
    Instant::now() < end
}

/// A node is killed, paused or cut from the database again and again, and each time gets well.
pub(crate) async fn lives(world: Arc<World>, number: usize, mut dice: Rng, end: Instant) {
    let (node, done) = (&world.nodes[number], &world.done);
    while until(end, span(&mut dice, 300, 6000)).await {
        let newcomers = if dice.bool() { Newcomers::Hang } else { Newcomers::Refused };
        match dice.u8(..10) {
            0..3 => {
                node.kill().await;
                count(&done.kills);
                sleep(span(&mut dice, 0, 2500)).await;
                node.start(&world.plants).await;
            }
            3..6 => {
                node.pause().await;
                count(&done.pauses);
                sleep(span(&mut dice, 50, 5000)).await;
                node.go_on().await;
            }
            6..8 => {
                node.cut_database(newcomers);
                count(&done.database_cuts);
                sleep(span(&mut dice, 50, 5000)).await;
                node.heal_database(dice.bool()).await;
            }
            8 => {
                node.reset_database();
                count(&done.database_cuts);
            }
            _ => {
                // Its last words are on their way for a while, and arrive when it is dead.
                node.cut_database(Newcomers::Hang);
                count(&done.database_cuts);
                sleep(span(&mut dice, 50, 500)).await;
                node.kill().await;
                count(&done.kills);
                sleep(span(&mut dice, 0, 2500)).await;
                node.heal_database(false).await;
                node.start(&world.plants).await;
            }
        }
    }
}

/// A node is cut from some Picos, or from all.
pub(crate) async fn cables(world: Arc<World>, number: usize, mut dice: Rng, end: Instant) {
    let node = &world.nodes[number];
    while until(end, span(&mut dice, 500, 8000)).await {
        let newcomers = if dice.bool() { Newcomers::Hang } else { Newcomers::Refused };
        let mut plants: Vec<usize> = (0..PLANTS).collect();
        dice.shuffle(&mut plants);
        plants.truncate(if dice.u8(..5) == 0 { PLANTS } else { dice.usize(1..5) });
        for plant in &plants {
            node.cut_pico(*plant, newcomers);
            count(&world.done.pico_cuts);
        }
        sleep(span(&mut dice, 50, 6000)).await;
        node.heal_picos(&plants).await;
    }
}

/// The database is killed now and then, at least once in a run of half a minute.
pub(crate) async fn database(world: Arc<World>, mut dice: Rng, end: Instant) {
    while until(end, Duration::from_secs(dice.u64(8..25))).await {
        world.database_up.store(false, Ordering::SeqCst);
        let away = Duration::from_millis(dice.u64(..2000));
        let cluster = Arc::clone(&world.cluster);
        let restarted = tokio::task::spawn_blocking(move || {
            cluster.kill_hard();
            std::thread::sleep(away);
            cluster.restart();
        });
        restarted.await.expect("the database starts again");
        count(&world.done.database_kills);
        world.database_up.store(true, Ordering::SeqCst);
    }
}

/// The plants work.
pub(crate) async fn floor(world: Arc<World>, mut dice: Rng, end: Instant) {
    while until(end, span(&mut dice, 5, 120)).await {
        let plant = &world.plants[dice.usize(..PLANTS)];
        match dice.u8(..32) {
            0 => drop(plant.sandbox.cut_connections()),
            1..4 => (0..dice.usize(5..20)).for_each(|_| plant.complete(&mut dice)),
            _ => (0..dice.usize(1..4)).for_each(|_| plant.complete(&mut dice)),
        }
    }
}
