//! A round of killing the consumer of completions.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use pico_erp_tests::seed::{Seed, told};

use crate::books::{self, Answered};
use crate::floor::Floor;
use crate::ground::Ground;
use crate::life::{Life, meanwhile, span};

const PROGRAM: &str = env!("CARGO_BIN_EXE_crash-consumer");
/// So many lives at the start of a round are so short that they end while the store is made.
const YOUNG: u32 = 20;
/// How long the last life may take to book what is left. Less than a feed holds completions back at most, which it is to do
/// only while something is missing.
const DRAIN: Duration = Duration::from_secs(25);

/// A round in which each life takes completions in by one of `sources`.
pub(crate) fn round(sources: &'static [&'static str]) -> impl AsyncFnMut(&Seed, Ground, u64, Instant) {
    async move |seed: &Seed, ground: Ground, number: u64, end: Instant| {
        let mut dice = seed.dice(number);
        let folder = tempfile::tempdir().expect("a folder");
        // Every other round asks for no more than what is new, and then Pico's clock may not go backwards.
        let steady = number % 2 == 1;
        let mut floor = Floor::new(steady).await;
        let erp = Erp {
            endpoint: floor.sandbox.endpoint(),
            folder: folder.path().to_owned(),
            store: ground.place(&folder),
            journal: folder.path().join("journal"),
            overlap: if steady { "0" } else { "86400" },
        };
        let mut answered = Answered::default();
        let (mut kills, began) = (0, Instant::now());
        while Instant::now() < end {
            floor.restock(&mut dice).await;
            let source = sources[dice.usize(..sources.len())];
            let (tasks, consumer_seed) = (dice.u8(1..3), dice.u64(..));
            let span = span(&mut dice, kills < YOUNG) + ground.longer(&mut dice);
            let life = erp.consumer(source, tasks, consumer_seed, "live");
            meanwhile(span, &mut dice, |dice| floor.act(dice)).await;
            life.kill().await;
            kills += 1;
            answered.note(&floor.sandbox.deliveries(), SystemTime::now());
        }
        let killing = began.elapsed();
        floor.mend();
        let status = erp.consumer(sources[0], 2, 0, "drain").end(DRAIN).await;
        assert!(status.success(), "the last life ended with {status}");
        let completed = floor.sandbox.completions();
        let verdict = books::check(&completed, &erp.journal, &erp.store, &answered, ground.inexact()).await;
        match verdict {
            Ok(figures) => told(&format!("{ground:?}: {kills} kills in {killing:.1?}: {figures}")),
            Err(wrong) => {
                let kept = folder.keep();
                panic!(
                    "{wrong}\nafter {kills} kills in round {number} on a {ground:?}; the store and the journal are in {}",
                    kept.display()
                );
            }
        }
        floor.sandbox.shutdown().await;
    }
}

/// What all lives of a round have in common.
struct Erp {
    endpoint: String,
    folder: PathBuf,
    store: PathBuf,
    journal: PathBuf,
    /// How far back the catch-up query asks, in seconds.
    overlap: &'static str,
}

impl Erp {
    fn consumer(&self, source: &str, tasks: u8, seed: u64, end: &str) -> Life {
        let (store, journal) = (self.store.to_string_lossy(), self.journal.to_string_lossy());
        let (tasks, seed) = (tasks.to_string(), seed.to_string());
        let arguments = [&self.endpoint, &*store, &journal, source, &tasks, &seed, self.overlap, end];
        Life::start(PROGRAM, &self.folder, arguments)
    }
}
