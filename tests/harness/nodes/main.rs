//! The claim that several nodes share one store, against everything at once: three processes and ten plants, each a sandbox.
//! Nodes are killed, paused longer than their lease, cut from the database and from Pico, by silence and by resets; the
//! database is killed as well. In the end each completion has taken effect once, what was acknowledged was never handed out
//! again, and each order is at its Pico once, as it was saved last. No plant was without a live source for longer than
//! `docs/postgres.md` allows while there was a node that could hold it.
//!
//! `PICO_NODES_SEED` repeats what happens to whom and when, `PICO_NODES_SECONDS` says how long it goes on. How far a node
//! comes in a given time cannot be repeated, so a failure may need several runs of its seed.
#![cfg(unix)]

mod books;
mod chaos;
mod node;
mod orders;
mod plant;
mod watch;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pico_erp_test_cluster::{Cluster, Options};
use pico_erp_tests::seed::{Seed, told};

use chaos::World;
use orders::Orders;
use watch::Watch;

/// How long it goes on, unless the environment says otherwise.
const SECONDS: u64 = 30;
const NODES: usize = 3;
const PLANTS: usize = 10;
const LEASE: Duration = Duration::from_millis(1500);
/// How long the nodes may take to settle everything once nothing is broken any more.
const QUIET: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_plants_lose_and_double_nothing_while_three_nodes_are_killed_paused_and_cut_off() {
    let seed = Seed::new("PICO_NODES_SEED", "nodes");
    let seconds = match std::env::var("PICO_NODES_SECONDS") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("PICO_NODES_SECONDS: `{text}` is not a number")),
        Err(_) => SECONDS,
    };
    let began = Instant::now();
    let world = World::new(&seed).await;
    let watch = Watch::start(Arc::clone(&world));
    // Nothing is broken before all have begun.
    for node in &world.nodes {
        node.start(&world.plants).await;
    }
    for node in &world.nodes {
        node.ready().await;
    }
    let set_up = began.elapsed();

    let end = Instant::now() + Duration::from_secs(seconds);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..NODES {
        tasks.spawn(chaos::lives(Arc::clone(&world), number, seed.dice(100 + number as u64), end));
        tasks.spawn(chaos::cables(Arc::clone(&world), number, seed.dice(200 + number as u64), end));
    }
    tasks.spawn(chaos::database(Arc::clone(&world), seed.dice(300), end));
    tasks.spawn(chaos::floor(Arc::clone(&world), seed.dice(400), end));
    let orders = tokio::spawn(Orders::run(Arc::clone(&world), seed.dice(500), end, QUIET));
    // A panic in any of them is the test's.
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    }
    let healed = Instant::now();
    let orders = orders.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));

    let mut verdict = books::settled(&world, QUIET).await;
    let quiet = healed.elapsed();
    let watched = watch.end().await;
    for node in &world.nodes {
        node.kill().await;
    }
    let figures = match books::check(&world).await {
        Ok(figures) => figures,
        Err(wrong) => {
            verdict.push(wrong);
            String::new()
        }
    };
    verdict.extend(orders.check(&world.plants).err());
    verdict.extend(watched.broken.iter().cloned());
    let done = &world.done;
    told(&format!(
        "{} kills, {} pauses, {} cuts from the database, {} of cables to Pico, {} kills of the database in {seconds} s \
         (set up in {set_up:.1?}, quiet after {quiet:.1?}); {figures}; {}; {watched}",
        done.kills.load(Ordering::Relaxed),
        done.pauses.load(Ordering::Relaxed),
        done.database_cuts.load(Ordering::Relaxed),
        done.pico_cuts.load(Ordering::Relaxed),
        done.database_kills.load(Ordering::Relaxed),
        orders.figures(&world.plants),
    ));
    assert!(verdict.is_empty(), "{}", verdict.join("\n"));
}

/// A database of the test's own, with the ERP's books in it, and who may look into it past all cables.
async fn made() -> (Cluster, String) {
    tokio::task::spawn_blocking(|| {
        let cluster = Cluster::start(Options::default());
        let url = cluster.database();
        (cluster, url)
    })
    .await
    .expect("the cluster starts")
}

/// A connection past all cables.
async fn look(url: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
