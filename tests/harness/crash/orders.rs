//! A round of killing the producer of orders, and the verdict on it: what its journal says was queued must be at Pico, once.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;
use pico_erp::Store;
use pico_erp_sandbox::{Config, Fault, FaultKind, Order, Sandbox};
use pico_erp_tests::journal;
use pico_erp_tests::seed::{Seed, told};
use serde_json::Value;

use crate::floor::faults;
use crate::ground::Ground;
use crate::life::{Life, meanwhile, span};

const PROGRAM: &str = env!("CARGO_BIN_EXE_crash-producer");
const YOUNG: u32 = 20;
const DRAIN: Duration = Duration::from_secs(60);

/// One round.
pub(crate) async fn round(seed: &Seed, ground: Ground, number: u64, end: Instant) {
    let mut dice = seed.dice(number);
    let folder = tempfile::tempdir().expect("a folder");
    let (store, journal) = (ground.place(&folder), folder.path().join("journal"));
    let sandbox = Sandbox::start(Config::default()).await.expect("the sandbox starts");
    let endpoint = sandbox.endpoint();
    let (mut kills, began) = (0, Instant::now());
    while Instant::now() < end {
        let span = span(&mut dice, kills < YOUNG) + ground.longer(&mut dice);
        let life = producer(&endpoint, &store, &journal, dice.u64(..), "live");
        meanwhile(span, &mut dice, |dice| disturb(&sandbox, dice)).await;
        life.kill().await;
        kills += 1;
    }
    let killing = began.elapsed();
    sandbox.clear_faults();
    let status = producer(&endpoint, &store, &journal, 0, "drain").end(DRAIN).await;
    assert!(status.success(), "the last life ended with {status}");
    match check(&sandbox.orders(), &journal::lines(&journal), &store).await {
        Ok(figures) => told(&format!("{ground:?}: {kills} kills in {killing:.1?}: {figures}")),
        Err(wrong) => {
            let kept = folder.keep();
            panic!(
                "{wrong}\nafter {kills} kills in round {number} on a {ground:?}; the files are in {}",
                kept.display()
            );
        }
    }
    sandbox.shutdown().await;
}

fn producer(endpoint: &str, store: &Path, journal: &Path, seed: u64, end: &str) -> Life {
    let folder = journal.parent().expect("the journal is in a folder");
    let (store, journal, seed) = (store.to_string_lossy(), journal.to_string_lossy(), seed.to_string());
    Life::start(PROGRAM, folder, [endpoint, &store, &journal, &seed, end])
}

fn disturb(sandbox: &Sandbox, dice: &mut Rng) {
    match dice.u8(..10) {
        0..2 => drop(sandbox.cut_connections()),
        2..5 => sandbox.set_faults(faults(dice)),
        // Carried out, and nobody was told: the heart of the matter.
        5..8 => sandbox.set_faults(Fault::new(FaultKind::CutAfter).times(dice.u32(1..4))),
        8 => sandbox.set_faults(Fault::new(FaultKind::RefuseBatch).lasting(Duration::from_millis(50))),
        _ => sandbox.clear_faults(),
    }
}

async fn check(orders: &[Order], lines: &[Value], store: &Path) -> Result<String, String> {
    let keys = |line: &Value, what: &str| -> Vec<String> {
        let keys = line[what].as_array().into_iter().flatten();
        keys.filter_map(|key| key.as_str().map(str::to_owned)).collect()
    };
    let mut at_pico: HashMap<&str, usize> = HashMap::new();
    for order in orders {
        let times = at_pico.entry(&order.external_order_id).or_default();
        *times += 1;
        if *times > 1 || order.creations != 1 {
            return Err(format!("doubled: {order:?}"));
        }
    }
    let queued: HashSet<String> = lines.iter().flat_map(|line| keys(line, "queued")).collect();
    if let Some(lost) = queued.iter().find(|key| !at_pico.contains_key(key.as_str())) {
        return Err(format!("lost: {lost} was queued and is not at Pico"));
    }
    let mut intended = HashSet::new();
    for line in lines {
        let keys = keys(line, "intends");
        let there = keys.iter().filter(|key| at_pico.contains_key(key.as_str())).count();
        if there != 0 && there != keys.len() {
            return Err(format!(
                "torn: {there} of the orders that were queued together are at Pico: {keys:?}"
            ));
        }
        if line["by_id"] == true && there == 0 {
            return Err(format!("lost: {keys:?} were queued again by their request ids"));
        }
        intended.extend(keys);
    }
    if let Some(invented) = at_pico.keys().find(|key| !intended.contains(**key)) {
        return Err(format!("invented: {invented}"));
    }
    let told = |error: pico_erp::Error| format!("the store: {error}");
    let store = Store::builder(store).must_exist().open().await.map_err(told)?;
    let counts = store.outbox().counts().await.map_err(told)?;
    store.close().await;
    if counts.queued + counts.sending + counts.waiting + counts.failed > 0 {
        return Err(format!("not all is settled as sent: {counts:?}"));
    }
    let stage = |name: &str| lines.iter().filter(|line| line["stage"] == name).count();
    let saves: u64 = orders.iter().map(|order| u64::from(order.saves)).sum();
    Ok(format!(
        "{} orders at Pico, saved {saves} times, {} of them confirmed, of {} intended; {} lives began, {} had the store \
         open, {} a sender",
        orders.len(),
        queued.len(),
        intended.len(),
        stage("started"),
        stage("store"),
        stage("sender"),
    ))
}
